#!/usr/bin/env bash
# Believed: a table that is written to Parquet and read again can be joined with the one that it
#   was written from.
# True: Parquet has no unit of seconds, so pyarrow writes datetime64[s] as milliseconds, and
#   pandas reads datetime64[ms]. merge accepts the pair; merge_asof refuses it (MergeError:
#   incompatible merge keys). The unit differs by where times come from: date_range gives
#   microseconds in pandas 3, and unit="s" seconds.
# Versions: pandas 3.1.1, pyarrow 26.0.1, numpy 2.4.6; Python 3.11, Linux. Seen 2026-11-29.
# Instead: set one unit when tables enter the program: table["time"].dt.as_unit("us").
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6

cat > check.py <<'PY'
"""Times in seconds: through Parquet, then through both joins."""
import io
import sys

import pandas as pd

times = pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC", unit="s")
hours = pd.DataFrame({"time": times, "level": [50.0, 51.0, 52.0]})
file = io.BytesIO()
hours.to_parquet(file)
back = pd.read_parquet(file).rename(columns={"level": "again"})
rows = len(hours.merge(back, on="time"))
try:
    joined = len(pd.merge_asof(hours, back, on="time"))
except pd.errors.MergeError:
    joined = "MergeError"
seen = [str(hours["time"].dtype), str(back["time"].dtype), rows, joined]
print("pandas", pd.__version__, seen)
sys.exit(seen != ["datetime64[s, UTC]", "datetime64[ms, UTC]", 3, "MergeError"])
PY
venv/bin/python check.py
