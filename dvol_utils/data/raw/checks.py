"""What the cells of a raw file must satisfy: possible values, and bars without a contradiction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from dvol_utils.data.raw.files import RawFile

# Open and close may leave low..high by rounding at the source, relative to the value.
_ROUNDING = 5e-4


class Column(NamedTuple):
    """A required column: its valid range, and whether single cells may be empty."""

    name: str
    low: float
    high: float
    unit: str
    may_be_empty: bool = False


def check_raw_values(file: RawFile, values: pd.Series, column: Column) -> None:
    """Refuse empty cells where none may be empty, and values out of the column's range."""
    empty = values.isna()
    if not column.may_be_empty:
        message = "the cell is empty; should be a number (leave the whole row out for a gap)"
        file.refuse_first(empty, message, column.name)
    bad = ~(empty | values.between(column.low, column.high))
    if bad.any():
        valid = f"should be between {column.low:,g} and {column.high:,g} {column.unit}"
        found = values.iloc[int(np.argmax(bad))]
        file.refuse_first(bad, f"found {found:g}; {valid}", column.name)


def check_bars(file: RawFile, table: pd.DataFrame, bars: tuple[str, str, str, str]) -> None:
    """Refuse a high below its low, and an open or close outside of them."""
    opened, high_name, low_name, closed = bars
    high, low = table[high_name], table[low_name]
    bad = (high < low).to_numpy()
    if bad.any():
        row = table.iloc[int(np.argmax(bad))]
        message = f"found {row[high_name]:g}, below {low_name} {row[low_name]:g}"
        file.refuse_first(bad, f"{message}; should be at least that", high_name)
    for name in (opened, closed):
        values = table[name]
        bad = ((values > high * (1 + _ROUNDING)) | (values < low * (1 - _ROUNDING))).to_numpy()
        if bad.any():
            row = table.iloc[int(np.argmax(bad))]
            valid = f"should lie between {low_name} {row[low_name]:g}"
            message = f"found {row[name]:g}; {valid} and {high_name} {row[high_name]:g}"
            file.refuse_first(bad, message, name)
