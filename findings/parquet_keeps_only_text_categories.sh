#!/usr/bin/env bash
# Believed: pandas' categorical columns come back from Parquet as categorical, with their order.
# True: those of text do. Categories of integers, floats and booleans come back as plain columns,
#   without a word: their order is gone, and so are categories that no row has.
# Versions: pandas 3.1.1, pyarrow 26.0.1, numpy 2.4.6; Python 3.11, Linux. Seen 2026-11-29.
# Instead: keep categories as text, or set the dtype again after reading.
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6

cat > check.py <<'PY'
"""Ordered categories of several kinds through Parquet."""
import io
import sys

import pandas as pd


def dtype_after(categories):
    column = pd.Categorical(categories, categories=categories, ordered=True)
    file = io.BytesIO()
    pd.DataFrame({"column": column}).to_parquet(file)
    return str(pd.read_parquet(file)["column"].dtype)


seen = [dtype_after(kind) for kind in (["b", "a"], [24, 1], [1.5, 0.5], [True, False])]
print("pandas", pd.__version__, seen)
sys.exit(seen != ["category", "int64", "float64", "bool"])
PY
venv/bin/python check.py
