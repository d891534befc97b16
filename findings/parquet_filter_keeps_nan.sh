#!/usr/bin/env bash
# Believed: one condition on one Parquet file selects the same rows in every library.
# True: polars takes NaN for the largest number, so that `x > 1.5` holds for it; pyarrow and
#   pandas hold that no comparison with NaN is true. A filter on a large error keeps the hours
#   without a number in the one and drops them in the others. Files that pandas writes hide this:
#   it writes NaN as missing, which polars drops too.
# Versions: polars 2.1.0, pyarrow 26.0.1, pandas 3.1.1, numpy 2.4.6; Python 3.11, Linux. Seen 2026-11-29.
# Instead: make NaN missing when a file is written or read (fill_nan(None) in polars).
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  polars==2.1.0 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6

cat > check.py <<'PY'
"""Rows above 1.5 in one file by three libraries; then in the file that pandas writes."""
import sys

import pandas as pd
import polars as pl
import pyarrow.parquet as pq

pl.DataFrame({"x": [1.0, float("nan"), 2.0]}).write_parquet("polars.parquet")
pd.DataFrame({"x": [1.0, float("nan"), 2.0]}).to_parquet("pandas.parquet")
pandas = pd.read_parquet("polars.parquet")
seen = {
    "polars": pl.read_parquet("polars.parquet").filter(pl.col("x") > 1.5).height,
    "pyarrow": len(pq.read_table("polars.parquet", filters=[("x", ">", 1.5)])),
    "pandas": int((pandas["x"] > 1.5).sum()),
    "polars, file by pandas": pl.read_parquet("pandas.parquet").filter(pl.col("x") > 1.5).height,
}
print("polars", pl.__version__, seen)
sys.exit(list(seen.values()) != [2, 1, 1, 1])
PY
venv/bin/python check.py
