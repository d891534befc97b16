"""When the rows of a raw file are from: unit, order, grid and step, and whether they have ended."""

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
# So many rows missing in one regular pattern are no holes but rows of another length.
_FEWEST_STEPS, _FEWEST_MISSING = 3, 16
# Steps of months differ by a tenth, of two and three rows by half.
_ALIKE = 1.25
# Values that change only every so many rows, looked for among so many changes at a time.
_HELD_ROWS = (24, 12, 8, 7, 6, 4, 3, 2)
_CHANGES, _FEWEST_CHANGES, _HELD_SHARE = 40, 20, 0.95
# Values midway between their neighbours, looked for among so many rows at a time.
_LINE_ROWS, _LINE_SHARE = 96, 0.45


class RowTimes(NamedTuple):
    """The rows' times, UTC, and how many of them were rounded to the grid."""

    opens: pd.DatetimeIndex
    rounded: int


def row_times(cells: Cells, unit: str, step_minutes: int, *, tolerance_ms: int = 0) -> RowTimes:
    """The rows' times, UTC, after checks of unit, order and grid.

    Parameters
    ----------
    cells : Cells
        Timestamps as numbers in `unit`, or as times where the file holds times.
    unit : {"s", "ms", "us", "iso"}
        The declared unit of numbers; `iso` where the file holds text.
    step_minutes : int
        The series' grid.
    tolerance_ms : int
        Rows so little off the grid are taken to lie on it.

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
    refuse(ms.isna(), f"the cell is empty; should be {expected}")
    outside = ~ms.between(_FIRST_MS, _LAST_MS)
    if outside.any():
        refuse(outside, "found {found}, " + _unit_words(stamps, outside, unit, expected, timed))
    exact = ms
    grid_ms = step_minutes * _MINUTE_MS
    if tolerance_ms:
        nearest = (exact / grid_ms).round() * grid_ms
        ms = nearest.where((exact - nearest).abs() <= tolerance_ms, exact)
    refuse(ms % 1 != 0, "found {found}; should be a whole number of milliseconds")
    step = ms.diff()
    refuse(step == 0, "found {found} a second time (also in {before}); should stand once")
    refuse(step < 0, "found {found}, earlier than {before}; rows should be in order of time")
    off_grid = ms % grid_ms != 0
    if off_grid.any():
        time = pd.Timestamp(int(ms[off_grid].iloc[0]), unit="ms", tz="UTC")
        grid = _GRID.get(step_minutes, f"on a multiple of {step_minutes} minutes from 00:00 UTC")
        refuse(off_grid, f"found {{found}} ({time}); should lie {grid}")
    opens = pd.to_datetime(ms.astype("int64"), unit="ms", utc=True).dt.as_unit("us").array
    return RowTimes(pd.DatetimeIndex(opens, name="timestamp"), int((ms != exact).sum()))


def check_step(
    file: RawFile,
    opens: pd.DatetimeIndex,
    minutes: int,
    declared: str,
    *,
    column: str | None = None,
) -> None:
    """Refuse rows of another length, throughout the file or over a stretch of it.

    A daily value read as an hourly one would be known 23 hours too early.

    Parameters
    ----------
    file : RawFile
    opens : DatetimeIndex
        Times of the rows that have a value, increasing.
    minutes : int
        The step that they should have.
    declared : str
        The same in words, for the message.
    column : str, optional
        Whose values these rows hold, where others have more.

    Raises
    ------
    RawStoreError
        Most steps are other ones; or three or more in a row are longer and alike, with 16 or more
        rows between them missing: holes do not come in such a pattern.
    """
    if len(opens) < 2:
        return
    steps = np.diff(_minutes(opens))
    # The lower median, which is a step that occurs, with an even number too.
    middle = np.partition(steps, (len(steps) - 1) // 2)[(len(steps) - 1) // 2]
    if middle != minutes:
        file.refuse(f"most rows are {middle:,} minutes apart; {declared}", column=column)
    longer = steps > minutes
    alike = longer[1:] & longer[:-1]
    alike &= np.maximum(steps[1:], steps[:-1]) <= _ALIKE * np.minimum(steps[1:], steps[:-1])
    stretch = np.cumsum(np.concatenate(([True], ~alike)))[longer]
    number = np.bincount(stretch)
    missing = np.bincount(stretch, weights=steps[longer] / minutes - 1)
    bad = np.flatnonzero((number >= _FEWEST_STEPS) & (missing >= _FEWEST_MISSING))
    if len(bad):
        of_stretch = np.flatnonzero(longer)[stretch == bad[0]]
        first, last = opens[of_stretch[0]], opens[of_stretch[-1] + 1]
        file.refuse(
            f"from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} rows are "
            f"{int(np.median(steps[of_stretch])):,} minutes apart; {declared}",
            column=column,
        )


def check_held(file: RawFile, values: pd.Series, minutes: int) -> None:
    """Refuse values that are repeated until the next one of a longer step.

    Parameters
    ----------
    file : RawFile
    values : Series
        A column; index: its rows' times, increasing.
    minutes : int
        The step of the rows.

    Raises
    ------
    RawStoreError
        Of 40 changes in a row (of all, where there are 20 or more) 95 % come at every so many
        rows: the mean of a day, say, on each settlement of it, hours before it could be known.
    """
    changed = np.flatnonzero(np.diff(values.to_numpy()) != 0) + 1
    size = min(len(changed), _CHANGES)
    if size < _FEWEST_CHANGES:
        return
    place = _minutes(values.index)[changed] // minutes
    # Whole blocks; what is left at the end is shorter than the rule needs.
    blocks = place[: len(place) // size * size].reshape(-1, size)  # (blocks, changes)
    for rows in _HELD_ROWS:
        phases = blocks % rows
        most = np.max([(phases == phase).sum(axis=1) for phase in range(rows)], axis=0)
        # Rows that exist only at such times are another matter: `check_step` has looked at them.
        if (most >= _HELD_SHARE * size).any():
            block = int(np.argmax(most >= _HELD_SHARE * size))
            first, last = (values.index[changed[block * size + k]] for k in (0, size - 1))
            file.refuse(
                f"from {first:%Y-%m-%d} to {last:%Y-%m-%d} the value changes only every {rows} "
                "rows, as one of a longer step does that is repeated until the next. It would be "
                "read before it was known; bring a value of each row's own",
                column=str(values.name),
            )


def check_lines(file: RawFile, values: pd.Series) -> None:
    """Refuse values that lie on straight lines between those of a longer step.

    Parameters
    ----------
    file : RawFile
    values : Series
        A column; index: its rows' times, increasing.

    Raises
    ------
    RawStoreError
        Of 96 rows in a row 45 % or more lie, as written, midway between their neighbours: every
        second row of values that were interpolated from a step twice as long does. Of real hours
        of DVOL at most 18 % do, of prices 5 %.
    """
    x = values.to_numpy(float)
    if len(x) < _LINE_ROWS + 2:
        return
    written = next((10.0**-n for n in range(9) if np.allclose(x, np.round(x, n), 1e-12, 0)), 0.0)
    near = np.maximum(2.1 * written, 1e-9 * np.abs(x[1:-1]))  # as far as rounding takes it
    middle = np.abs(x[:-2] - 2 * x[1:-1] + x[2:]) <= near
    moving = np.abs(x[1:-1] - x[:-2]) > near  # what stands still is judged elsewhere
    share = np.convolve(middle & moving, np.full(_LINE_ROWS, 1 / _LINE_ROWS), mode="valid")
    if (share >= _LINE_SHARE).any():
        first = int(np.argmax(share >= _LINE_SHARE))
        begin, end = values.index[first], values.index[first + _LINE_ROWS + 1]
        file.refuse(
            f"from {begin:%Y-%m-%d} to {end:%Y-%m-%d} most values lie on straight lines, as those "
            "do that were interpolated from a longer step: they hold a value before it was known; "
            "bring a value of each row's own",
            column=str(values.name),
        )


def ended_rows(
    file: RawFile, ends: pd.DatetimeIndex, length: pd.Timedelta, *, may_lie_ahead: bool
) -> int:
    """How many rows count: the last one does not while its bar, or day, is still open.

    Parameters
    ----------
    file : RawFile
    ends : DatetimeIndex
        When each row is complete, UTC, increasing.
    length : Timedelta
        From a row's time to its end.
    may_lie_ahead : bool
        Rows may begin after the clock's time, as those of a simulated market.

    Raises
    ------
    RawStoreError
        A row begins after the clock's time, or none is complete.

    Notes
    -----
    A bar that was open when its file was written is no bar: its close is a price on the way. The
    file's own time counts only where no row begins after it, for such rows prove it wrong.
    """
    now = pd.Timestamp.now("UTC")
    written = pd.Timestamp(file.path.stat().st_mtime, unit="s", tz="UTC")
    last = ends[-1]
    # Its start, not its end: the last bar may still be open.
    if last - length > now and not may_lie_ahead:
        row = int((ends - length).searchsorted(now, side="right"))
        file.refuse(
            f"found {ends[row] - length:%Y-%m-%d %H:%M}, later than now ({now:%Y-%m-%d %H:%M} "
            "UTC); should be the UTC time at which the row's bar, settlement or day began",
            row=row,
            column="timestamp",
        )
    is_open = any(last - length <= moment < last for moment in (now, written))
    if is_open and len(ends) == 1:
        file.refuse(f"its only row ends at {last:%Y-%m-%d %H:%M} UTC and is still open")
    return len(ends) - is_open


def _minutes(times: pd.DatetimeIndex) -> np.ndarray:
    """Minutes since 1970."""
    return times.as_unit("s").asi8 // 60


def _since_1970(times: pd.Series) -> pd.Series:
    """Milliseconds; NaN where there is no time."""
    if times.dt.tz is not None:
        times = times.dt.tz_convert("UTC").dt.tz_localize(None)
    since = times.to_numpy("datetime64[us]") - np.datetime64(0, "us")
    return pd.Series(since / np.timedelta64(1, "ms"))


def _unit_words(
    stamps: pd.Series, outside: pd.Series, declared: str, expected: str, timed: bool
) -> str:
    """What the first implausible timestamp is instead, and what would help."""
    example = "2021-03-24 00:00" if timed else f"{_EXAMPLE_MS / _TO_MS[declared]:.0f}"
    row = int(np.argmax(outside))
    looks = [] if timed else [u for u in _TO_MS if _plausible(stamps.iloc[row] * _TO_MS[u])]
    if not looks:
        return f"which is no plausible time; should be {expected}, such as {example}"
    unit = looks[0]
    valid = f"{stamps.iloc[row] * _TO_MS[unit] / _TO_MS[declared]:.0f}"
    words = f"which looks like {_UNIT[unit]}; should be {_UNIT[declared]} ({valid})"
    if row:  # another unit for the whole file would not help: the rows above would be refused
        return f"{words}, as in the rows above: the file changes its unit here"
    return words + (f", or declare data.timestamp_unit: {unit}" if unit != "ns" else "")


def _plausible(ms: float) -> bool:
    return _FIRST_MS <= ms <= _LAST_MS
