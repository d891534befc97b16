#!/usr/bin/env bash
# Believed: arch's test of superior predictive ability is Hansen's, on studentised gains, as
#   studentize=True, its default, says; without the flag it is White's reality check.
# True: the flag sets a label alone. Gains enter unscaled either way, so one noisy rival
#   without any gain hides a good one: here p = 0.41, and below 0.001 once studentised.
# Versions: arch 8.0.0, pandas 3.1.1, numpy 2.4.6; Python 3.11, Linux. Seen 2026-11-29.
# Instead: divide each rival's gains by their bootstrap standard deviation before the test.
# Source: Hansen (2005), Journal of Business & Economic Statistics 23(4), 365-380.
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check arch==8.0.0 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'PY'
"""A good forecast beside a noisy one: p-values with and without the flag, and by hand."""
import sys

import arch
import numpy as np
from arch.bootstrap import SPA, StationaryBootstrap

rng = np.random.default_rng(0)
benchmark = np.ones(500)
good = benchmark - 0.1 + 0.5 * rng.normal(size=500)  # a t statistic of about 5
noise = 10 * rng.normal(size=500)
noisy = benchmark + noise - noise.mean()  # no gain at all
gains = benchmark[:, None] - np.column_stack([good, noisy])


def p_value(gains, studentize=True):
    test = SPA(np.zeros(len(gains)), -gains, block_size=5, reps=1000, seed=0, studentize=studentize)
    test.compute()
    return float(test.pvalues["upper"])


draws = StationaryBootstrap(5, gains, seed=0).apply(lambda rows: rows.mean(axis=0), 1000)
flag_on, flag_off = p_value(gains), p_value(gains, studentize=False)
by_hand = p_value(gains / draws.std(axis=0))
print("arch", arch.__version__, "t of the rivals", (gains.mean(axis=0) / draws.std(axis=0)).round(2))
print("p-value with the flag", flag_on, "without", flag_off, "studentised by hand", by_hand)
sys.exit(not (flag_on == flag_off > 0.05 and by_hand < 0.01))
PY
venv/bin/python check.py
