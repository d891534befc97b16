"""The raw store: one CSV a series, as the sources gave it, checked cell by cell and never edited.

Every file has a header, commas between fields, and a column `timestamp`: UTC milliseconds at the
bar's open (of funding: at settlement; of on-chain values: at the start of the UTC day). Columns
beyond those of `SCHEMAS` are ignored.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

import numpy as np
import pandas as pd

from dvol_utils.artefacts import file_hash

SeriesName = Literal["dvol", "price", "funding", "onchain"]

_HOUR_MS = 3_600_000
# Milliseconds of 2008 to 2603: the same instants in seconds, micro- or nanoseconds fall outside.
_FIRST_MS, _LAST_MS = 1_200_000_000_000, 20_000_000_000_000
_OTHER_UNITS = {"seconds": 1e3, "microseconds": 1e-3, "nanoseconds": 1e-6}
# Open and close may leave low..high by rounding at the source, relative to the value.
_ROUNDING = 5e-4


class RawStoreError(ValueError):
    """A raw file that cannot be used; the message names file, line, column, and what is valid."""


class Column(NamedTuple):
    """A required column: its valid range, and whether single cells may be empty."""

    name: str
    low: float
    high: float
    unit: str
    may_be_empty: bool = False


class Schema(NamedTuple):
    """A series' file name (after the asset), its step and its columns."""

    file: str
    step_hours: int
    columns: tuple[Column, ...]
    bars: tuple[str, str, str, str] | None = None  # open, high, low, close


_DVOL_RANGE = (0.1, 1_000.0, "index points")
_PRICE_RANGE = (1e-6, 1e9, "USD")

SCHEMAS: dict[SeriesName, Schema] = {
    "dvol": Schema(
        "dvol_hourly.csv",
        1,
        (
            Column("dvol_open", *_DVOL_RANGE, may_be_empty=True),
            Column("dvol_high", *_DVOL_RANGE, may_be_empty=True),
            Column("dvol_low", *_DVOL_RANGE, may_be_empty=True),
            Column("dvol_close", *_DVOL_RANGE),
        ),
        ("dvol_open", "dvol_high", "dvol_low", "dvol_close"),
    ),
    "price": Schema(
        "price_hourly.csv",
        1,
        (
            *(Column(name, *_PRICE_RANGE) for name in ("open", "high", "low", "close")),
            Column("quote_volume", 0.0, 1e13, "USD an hour"),
        ),
        ("open", "high", "low", "close"),
    ),
    "funding": Schema(
        "funding_8h.csv", 8, (Column("funding_rate", -0.1, 0.1, "as a share, for 8 hours"),)
    ),
    "onchain": Schema(
        "onchain_daily.csv",
        24,
        (
            Column("active_addresses", 1.0, 1e9, "addresses a day"),
            Column("transaction_count", 1.0, 1e9, "transactions a day"),
            Column("mvrv", 0.01, 100.0, "market value over realised value"),
            Column("transfer_volume_usd", 1.0, 1e14, "USD a day", may_be_empty=True),
        ),
    ),
}
_GRID = {1: "on the full hour", 8: "at 00:00, 08:00 or 16:00 UTC", 24: "at 00:00 UTC"}


def series_path(raw_dir: Path | str, asset: str, series: SeriesName) -> Path:
    """Where the raw store keeps a series, e.g. `<raw_dir>/btc_dvol_hourly.csv`."""
    return Path(raw_dir) / f"{asset.lower()}_{SCHEMAS[series].file}"


def read_series(raw_dir: Path | str, asset: str, series: SeriesName) -> pd.DataFrame:
    """Read one series of the raw store and check every cell of it.

    Parameters
    ----------
    raw_dir : Path or str
        Folder of the raw store.
    asset : str
        Asset code, e.g. `BTC`.
    series : {"dvol", "price", "funding", "onchain"}
        Which series.

    Returns
    -------
    DataFrame
        The columns of `SCHEMAS[series]`, float64, in the source's units; index `timestamp`: bar
        open, UTC, increasing, on the series' grid. Missing rows stay missing.

    Raises
    ------
    RawStoreError
        Missing, empty or truncated file, missing column, text in a number, empty cell, duplicate,
        unsorted or off-grid timestamps, timestamps not in milliseconds, impossible values.
    """
    path, schema = series_path(raw_dir, asset, series), SCHEMAS[series]
    content = _content(path)
    header = _header(path, content, schema)
    _check_fields(path, content, len(header))
    names = ["timestamp", *(column.name for column in schema.columns)]
    table = pd.read_csv(
        io.BytesIO(content),
        encoding="utf-8-sig",
        usecols=names,
        keep_default_na=False,
        na_values=[""],
        skip_blank_lines=False,
        low_memory=False,
    )
    table = pd.DataFrame({name: _numbers(path, table[name]) for name in names})
    _check_timestamps(path, table["timestamp"], schema.step_hours)
    for column in schema.columns:
        _check_values(path, table[column.name], column)
    if schema.bars:
        _check_bars(path, table, schema.bars)
    time = pd.to_datetime(table.pop("timestamp").astype("int64"), unit="ms", utc=True)
    return table.set_index(pd.DatetimeIndex(time, name="timestamp").as_unit("us"))


def raw_hashes(raw_dir: Path | str) -> dict[str, str]:
    """SHA-256 (hexadecimal) of every CSV file of the raw store, by file name."""
    return {path.name: file_hash(path) for path in sorted(Path(raw_dir).glob("*.csv"))}


def store_table(raw_dir: Path | str, assets: list[str]) -> pd.DataFrame:
    """What the raw store holds, one row a file.

    Returns
    -------
    DataFrame
        `file, rows, first, last` (bar open, UTC), `missing_rows` (steps of the grid between first
        and last without a row), `empty_cells` (in required columns).
    """
    rows = []
    for asset in assets:
        for series, schema in SCHEMAS.items():
            path = series_path(raw_dir, asset, series)
            if not path.is_file():
                continue
            table = read_series(raw_dir, asset, series)
            first, last = table.index[0], table.index[-1]
            steps = (last - first) // pd.Timedelta(hours=schema.step_hours) + 1
            empty = int(table.isna().to_numpy().sum())
            rows.append((path.name, len(table), first, last, steps - len(table), empty))
    columns = ["file", "rows", "first", "last", "missing_rows", "empty_cells"]
    return pd.DataFrame(rows, columns=columns)


def _fail(path: Path, line: int | None, column: str | None, message: str) -> NoReturn:
    place = "".join(
        (f" line {line}:" if line else "", f" column {column}:" if column is not None else "")
    )
    raise RawStoreError(f"{path}:{place} {message}")


def _line(bad: pd.Series | np.ndarray) -> int:
    """Line number in the file (the header is line 1) of the first row flagged."""
    return int(np.argmax(np.asarray(bad))) + 2


def _content(path: Path) -> bytes:
    if not path.is_file():
        held = ", ".join(sorted(f.name for f in path.parent.glob("*.csv"))) or "no CSV file"
        _fail(path, None, None, f"no such file; the raw store {path.parent} holds {held}")
    content = path.read_bytes()
    if not content.strip():
        _fail(path, None, None, "the file is empty; should be a header and one row a bar")
    lines = content.count(b"\n")
    if not content.endswith(b"\n"):
        message = "the file ends without a line break: it seems cut short; fetch it again whole"
        _fail(path, lines + 1, None, message)
    if lines == 1:
        _fail(path, None, None, "the file has a header but no rows; should have one row a bar")
    return content


def _header(path: Path, content: bytes, schema: Schema) -> list[str]:
    first = content[: content.index(b"\n")]
    try:
        header = [name.strip().strip('"') for name in first.decode("utf-8-sig").split(",")]
    except UnicodeDecodeError:
        _fail(path, 1, None, "the header is not UTF-8 text; should be a plain CSV file")
    for name in ("timestamp", *(column.name for column in schema.columns)):
        if header.count(name) != 1:
            found = "missing" if name not in header else f"stands {header.count(name)} times"
            _fail(path, 1, name, f"{found}; the header reads {', '.join(header)[:200]}")
    return header


def _check_fields(path: Path, content: bytes, width: int) -> None:
    """Every line has as many fields as the header; pandas would pad a short one in silence."""
    characters = np.frombuffer(content, np.uint8)
    commas = np.flatnonzero(characters == ord(","))
    ends = np.flatnonzero(characters == ord("\n"))
    fields = np.diff(np.searchsorted(commas, ends), prepend=0)[1:] + 1
    bad = fields != width
    if bad.any():
        message = f"found {fields[np.argmax(bad)]} fields; should be {width}, as in the header"
        _fail(path, _line(bad), None, message)


def _numbers(path: Path, cells: pd.Series) -> pd.Series:
    """The column as float64 (a timestamp fits exactly); text is refused."""
    if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells):
        return cells.astype("float64")
    text = cells.astype("str")
    numbers = pd.to_numeric(text.where(cells.notna()), errors="coerce").astype("float64")
    bad = numbers.isna() & cells.notna()
    if bad.any():
        found = text.iloc[_line(bad) - 2]
        _fail(path, _line(bad), str(cells.name), f"found {found!r}; should be a number")
    return numbers


def _check_timestamps(path: Path, stamps: pd.Series, step_hours: int) -> None:
    def refuse(bad: pd.Series | np.ndarray, message: str) -> None:
        if np.any(bad):
            line = _line(bad)
            found = stamps.iloc[line - 2]
            _fail(path, line, "timestamp", message.format(found=f"{found:.19g}", line=line - 1))

    refuse(stamps.isna(), "the cell is empty; should be UTC milliseconds")
    outside = ~stamps.between(_FIRST_MS, _LAST_MS)
    if outside.any():
        refuse(outside, "found {found}, " + _unit_of(stamps[outside].iloc[0]))
    refuse(stamps % 1 != 0, "found {found}; should be a whole number of milliseconds")
    step = stamps.diff()
    refuse(step == 0, "found {found} a second time (also in line {line}); should stand once")
    refuse(step < 0, "found {found}, earlier than line {line}; rows should be in order of time")
    off_grid = stamps % (step_hours * _HOUR_MS) != 0
    if off_grid.any():
        time = pd.Timestamp(int(stamps[off_grid].iloc[0]), unit="ms", tz="UTC")
        refuse(off_grid, f"found {{found}} ({time}); should lie {_GRID[step_hours]}")


def _unit_of(stamp: float) -> str:
    for unit, to_ms in _OTHER_UNITS.items():
        if _FIRST_MS <= stamp * to_ms <= _LAST_MS:
            return f"which looks like {unit}; should be milliseconds ({stamp * to_ms:.0f})"
    return "which is no plausible time; should be UTC milliseconds, such as 1616544000000"


def _check_values(path: Path, values: pd.Series, column: Column) -> None:
    empty = values.isna()
    if empty.any() and not column.may_be_empty:
        message = "the cell is empty; should be a number (leave the whole row out for a gap)"
        _fail(path, _line(empty), column.name, message)
    bad = ~(empty | values.between(column.low, column.high))
    if bad.any():
        valid = f"should be between {column.low:,g} and {column.high:,g} {column.unit}"
        found = values.iloc[_line(bad) - 2]
        _fail(path, _line(bad), column.name, f"found {found:g}; {valid}")


def _check_bars(path: Path, table: pd.DataFrame, bars: tuple[str, str, str, str]) -> None:
    _, high_name, low_name, _ = bars
    high, low = table[high_name], table[low_name]
    bad = high < low
    if bad.any():
        row = table.loc[_line(bad) - 2]
        message = f"found {row[high_name]:g}, below {low_name} {row[low_name]:g}"
        _fail(path, _line(bad), high_name, f"{message}; should be at least that")
    for name in (bars[0], bars[3]):
        bad = (table[name] > high * (1 + _ROUNDING)) | (table[name] < low * (1 - _ROUNDING))
        if bad.any():
            row = table.loc[_line(bad) - 2]
            valid = f"should lie between {low_name} {row[low_name]:g}"
            message = f"found {row[name]:g}; {valid} and {high_name} {row[high_name]:g}"
            _fail(path, _line(bad), name, message)
