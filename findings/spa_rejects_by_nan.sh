#!/usr/bin/env bash
# Believed: one missing loss makes a test of forecasts fail, or its p-value missing.
# True: arch's test for superior predictive ability says p = 0, that the benchmark is beaten for
#   certain, though every rival is worse.
# Versions: arch 8.0.0, pandas 3.1.1, numpy 2.4.6; Python 3.11, Linux. Seen 2026-11-29.
# Instead: ask np.isfinite(losses).all() before the test; drop an hour for all models or none.
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check arch==8.0.0 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'PY'
"""p-values of three poor rivals, with all losses and with one of 500 missing."""
import sys

import arch
import numpy as np
from arch.bootstrap import SPA

rng = np.random.default_rng(0)
benchmark = 1 + 0.1 * rng.normal(size=500)
losses = 1.5 + rng.normal(size=(500, 3))  # all worse than the benchmark
holed = losses.copy()
holed[7, 1] = np.nan
seen = {}
for name, rivals in {"complete": losses, "one missing": holed}.items():
    test = SPA(benchmark, rivals, reps=200, seed=0)
    test.compute()
    seen[name] = float(test.pvalues["consistent"])
    print(f"arch {arch.__version__}, {name}: p = {seen[name]}")
sys.exit(not (seen["complete"] > 0.5 and seen["one missing"] == 0))
PY
venv/bin/python check.py
