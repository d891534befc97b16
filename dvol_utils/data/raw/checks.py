"""What the cells of a raw file must satisfy: times on a grid and in order, possible values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from dvol_utils.data.raw.files import Cells, RawFile

_MINUTE_MS = 60_000
# Milliseconds of 2008 to 2603: the same instants in seconds, micro- or nanoseconds fall outside.
_FIRST_MS, _LAST_MS = 1_200_000_000_000, 20_000_000_000_000
_EXAMPLE_MS = 1_616_544_000_000
_TO_MS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
_UNIT = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_GRID = {
    1: "on the full minute",
    60: "on the full hour",
    480: "at 00:00, 08:00 or 16:00 UTC",
    1_440: "at 00:00 UTC",
}
# Open and close may leave low..high by rounding at the source, relative to the value.
_ROUNDING = 5e-4


class Column(NamedTuple):
    """A required column: its valid range, and whether single cells may be empty."""

    name: str
    low: float
    high: float
    unit: str
    may_be_empty: bool = False


def bar_opens(cells: Cells, unit: str, step_minutes: int) -> pd.DatetimeIndex:
    """The rows' times, UTC, after checks of unit, order and grid.

    Parameters
    ----------
    cells : Cells
        Timestamps as numbers in `unit`, or as times where the file holds times.
    unit : {"s", "ms", "us", "iso"}
        The declared unit of numbers; `iso` where the file holds text.
    step_minutes : int
        The series' grid.

    Raises
    ------
    RawStoreError
        An empty, implausible, doubled, unordered or off-grid timestamp.
    """
    file, stamps = cells.file, cells.timestamps
    timed = pd.api.types.is_datetime64_any_dtype(stamps)
    if unit == "iso" and not timed:
        file.refuse("found numbers; data.timestamp_unit says iso", column="timestamp")
    ms = _since_1970(stamps) if timed else stamps * _TO_MS[unit]

    def refuse(bad: pd.Series, message: str) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            found = stamps.iloc[row] if timed else f"{stamps.iloc[row]:.19g}"
            before = f"{file.row_word} {row + file.first_row - 1}"
            text = message.format(found=found, before=before)
            file.refuse(text, row=row, column="timestamp")

    expected = "a time" if timed else f"UTC {_UNIT[unit]}"
    example = "2021-03-24 00:00" if timed else f"{_EXAMPLE_MS / _TO_MS[unit]:.0f}"
    refuse(ms.isna(), f"the cell is empty; should be {expected}")
    outside = ~ms.between(_FIRST_MS, _LAST_MS)
    if outside.any():
        looks = None if timed else _unit_words(stamps[outside].iloc[0], unit)
        implausible = f"which is no plausible time; should be {expected}, such as {example}"
        refuse(outside, "found {found}, " + (looks or implausible))
    refuse(ms % 1 != 0, "found {found}; should be a whole number of milliseconds")
    step = ms.diff()
    refuse(step == 0, "found {found} a second time (also in {before}); should stand once")
    refuse(step < 0, "found {found}, earlier than {before}; rows should be in order of time")
    off_grid = ms % (step_minutes * _MINUTE_MS) != 0
    if off_grid.any():
        time = pd.Timestamp(int(ms[off_grid].iloc[0]), unit="ms", tz="UTC")
        grid = _GRID.get(step_minutes, f"on a multiple of {step_minutes} minutes from 00:00 UTC")
        refuse(off_grid, f"found {{found}} ({time}); should lie {grid}")
    return pd.to_datetime(ms.astype("int64"), unit="ms", utc=True).dt.as_unit("us").array


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


def check_step(file: RawFile, opens: pd.DatetimeIndex, minutes: int, key: str) -> None:
    """Refuse bars of another length: a daily bar read as an hourly one would be known too early."""
    if len(opens) < 2:
        return
    steps = np.diff(opens.asi8)
    middle = np.partition(steps, (len(steps) - 1) // 2)[(len(steps) - 1) // 2]
    found = pd.Timedelta(middle, unit=opens.unit) // pd.Timedelta(minutes=1)
    if found != minutes:
        file.refuse(f"most rows are {found:,} minutes apart; data.{key} says {minutes:,}")


def _since_1970(times: pd.Series) -> pd.Series:
    """Milliseconds; NaN where there is no time."""
    if times.dt.tz is not None:
        times = times.dt.tz_convert("UTC").dt.tz_localize(None)
    since = times.to_numpy("datetime64[us]") - np.datetime64(0, "us")
    return pd.Series(since / np.timedelta64(1, "ms"))


def _unit_words(stamp: float, declared: str) -> str | None:
    """The unit in which the number would be a time, where there is one."""
    for unit, to_ms in _TO_MS.items():
        if _FIRST_MS <= stamp * to_ms <= _LAST_MS:
            valid = f"{stamp * to_ms / _TO_MS[declared]:.0f}"
            hint = f", or declare data.timestamp_unit: {unit}" if unit != "ns" else ""
            return f"which looks like {_UNIT[unit]}; should be {_UNIT[declared]} ({valid}){hint}"
    return None
