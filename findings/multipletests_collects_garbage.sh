#!/usr/bin/env bash
# Believed: correcting a handful of p-values costs next to nothing.
# True: statsmodels' multipletests runs a full garbage collection on every call with Holm's
#   method, which visits all objects of the process: beside a million objects, or torch and
#   pandas, a call for two p-values costs a tenth of a second and more. Called once a group,
#   as in groupby().transform(), that is most of the time.
# Versions: statsmodels 0.15.0; Python 3.11, Linux. Seen 2026-11-29.
# Instead: few calls with many p-values, or Holm's own three lines: sort, multiply, accumulate.
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check statsmodels==0.15.0

cat > check.py <<'PY'
"""Full collections that ten corrections of two p-values ask for."""
import gc
import sys
import time

import statsmodels
from statsmodels.stats.multitest import multipletests

beside = [[number] for number in range(1_000_000)]
full = 0


def count(phase, info):
    global full
    full += phase == "start" and info["generation"] == 2


gc.callbacks.append(count)
seen = {}
for method in ("holm", "bonferroni"):
    full, start = 0, time.perf_counter()
    for _ in range(10):
        multipletests([0.01, 0.02], method=method)
    seen[method] = full
    each = (time.perf_counter() - start) / 10
    print(f"statsmodels {statsmodels.__version__} {method}: {full} collections, {each:.4f} s a call")
sys.exit(seen["holm"] != 10)
PY
venv/bin/python check.py
