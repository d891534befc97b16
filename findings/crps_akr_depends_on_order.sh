#!/usr/bin/env bash
# Believed: every estimator of scoringrules.crps_ensemble scores an ensemble as a set: its
#   members have no order.
# True: estimator="akr" pairs each member with its neighbour in the array, so that the same
#   members in another order have another score. With members sorted, as quantiles are, it is far
#   off. "qd", the default, "nrg" and "fair" do not depend on the order.
# Versions: scoringrules 0.10.0, numpy 2.4.6; Python 3.11, Linux. Seen 2026-11-29.
# Instead: use "qd" or "fair"; leave "akr" to members that were drawn at random and never sorted.
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  scoringrules==0.10.0 numpy==2.4.6

cat > check.py <<'PY'
"""The CRPS of one ensemble of seven members, in the order drawn and in sorted order."""
import sys

import numpy as np
import scoringrules as sr

drawn = np.random.default_rng(0).normal(size=7)
seen = {
    name: [float(sr.crps_ensemble(0.3, members, estimator=name)) for members in (drawn, np.sort(drawn))]
    for name in ("akr", "qd", "nrg", "fair")
}
for name, (one, two) in seen.items():
    print(f"{name}: as drawn {one:.4f}, sorted {two:.4f}")
differs = {name: not np.isclose(*pair) for name, pair in seen.items()}
sys.exit(differs != {"akr": True, "qd": False, "nrg": False, "fair": False})
PY
venv/bin/python check.py
