#!/usr/bin/env bash
# Believed: one missing loss makes a test of forecasts fail, or its p-value missing.
# True: arch's SPA says p = 0, that the benchmark is beaten for certain, though every rival is
#   worse. Its confidence set asks for an index that is not there (method "R") or never ends
#   (method "max").
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
"""Two tests of three poor forecasts, one of which lacks one loss of 500."""
import signal
import sys

import arch
import numpy as np
from arch.bootstrap import MCS, SPA

rng = np.random.default_rng(0)
benchmark = 1 + 0.1 * rng.normal(size=500)
losses = 1.5 + rng.normal(size=(500, 3))  # all worse than the benchmark
holed = losses.copy()
holed[7, 1] = np.nan


def p_value(losses):
    test = SPA(benchmark, losses, reps=200, seed=0)
    test.compute()
    return float(test.pvalues["consistent"])


def confidence_set(losses, method):
    signal.alarm(10)  # a sound run takes less than a second
    try:
        MCS(losses, size=0.1, reps=200, method=method, seed=0).compute()
    except (IndexError, TimeoutError) as error:
        return type(error).__name__
    finally:
        signal.alarm(0)
    return "ends"


def too_late(number, frame):
    raise TimeoutError


signal.signal(signal.SIGALRM, too_late)
seen = {}
for name, kind in {"complete": losses, "one missing": holed}.items():
    seen[name] = [p_value(kind), confidence_set(kind, "R"), confidence_set(kind, "max")]
    print("arch", arch.__version__, name, seen[name])
complete_is_sound = seen["complete"][0] > 0.5 and seen["complete"][1:] == ["ends", "ends"]
sys.exit(not (complete_is_sound and seen["one missing"] == [0, "IndexError", "TimeoutError"]))
PY
venv/bin/python check.py
