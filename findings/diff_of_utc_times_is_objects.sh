#!/usr/bin/env bash
# Believed: np.diff of an hourly index is an array of numbers, whether or not its times say UTC.
# True: times with a zone become Python objects first, one Timestamp an hour, and the result is
#   an array of Timedelta objects (dtype object); without a zone it is timedelta64. The same
#   holds for np.asarray and to_numpy. On a year of hours it takes a hundred times as long as
#   index.diff().
# Versions: pandas 3.1.1, numpy 2.4.6; Python 3.11, Linux. Seen 2026-11-29.
# Instead: index.diff(), series.diff(), or index.asi8 with the index's unit.
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  pandas==3.1.1 numpy==2.4.6

cat > check.py <<'PY'
"""Differences of hourly times, with a zone and without."""
import sys

import numpy as np
import pandas as pd

utc = pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC")
seen = [np.diff(utc), np.diff(utc.tz_localize(None)), np.asarray(utc), utc.diff()]
seen = [str(values.dtype) for values in seen]
print("pandas", pd.__version__, "numpy", np.__version__, seen)
sys.exit(seen != ["object", "timedelta64[us]", "object", "timedelta64[us]"])
PY
venv/bin/python check.py
