#!/usr/bin/env bash
# Believed: pandas' windows treat an infinite value as a sum or a maximum would: what holds it is
#   infinite, as with Series.mean.
# True: rolling, expanding and ewm take it for missing. With min_periods the mean of 1, inf, 3 is
#   2, and its maximum 3, while count still says 3. So a log of zero drops out of a trailing mean
#   unseen.
# Versions: pandas 3.1.1, numpy 2.4.6; Python 3.11, Linux. Seen 2026-11-29.
# Instead: replace infinite values by missing ones yourself before the window, and count what is
#   left.
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  pandas==3.1.1 numpy==2.4.6

cat > check.py <<'PY'
"""Windows over a series with one infinite value."""
import sys

import numpy as np
import pandas as pd

series = pd.Series([1.0, np.inf, 3.0])
window = series.rolling(3, min_periods=1)
seen = {
    "mean": window.mean().iloc[-1],
    "max": window.max().iloc[-1],
    "count": window.count().iloc[-1],
    "expanding sum": series.expanding().sum().iloc[-1],
    "mean of all": series.mean(),
}
print("pandas", pd.__version__, {name: float(value) for name, value in seen.items()})
sys.exit(list(seen.values()) != [2.0, 3.0, 3.0, 4.0, np.inf])
PY
venv/bin/python check.py
