"""The raw store: one file per series, as the source gave it, checked cell by cell and never edited.

A file is CSV or Parquet and has a column `timestamp`: the bar's open, UTC (of funding: the
settlement; of on-chain values: the start of the UTC day). Columns beyond those of `SCHEMAS` are
ignored. docs/data.md describes the files for people who bring their own.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dvol_utils.data.raw.checks import check_bars, check_raw_values
from dvol_utils.data.raw.content import read_content
from dvol_utils.data.raw.files import RawFile, RawStoreError, read_cells
from dvol_utils.data.raw.schemas import SCHEMAS
from dvol_utils.data.raw.times import check_held, check_lines, check_step, ended_rows, row_times
from dvol_utils.data.raw.units import check_usual, converted
from dvol_utils.study.bounded import OversizeError, read_json
from dvol_utils.study.data_section import DataParams, SeriesName
from dvol_utils.study.files import file_hash

MANIFEST = "manifest.json"


# Direct exports of exchanges stamp a settlement some milliseconds after it.
_SETTLEMENT_TOLERANCE_MS = 1_000
_BAR_NAMES = {60: "hourly", 1_440: "daily"}


def step_minutes(series: SeriesName, params: DataParams) -> int:
    """From one row of a series to the next, minutes."""
    if series in ("dvol", "price"):
        return params.bar_minutes(series)
    return 60 * SCHEMAS[series].step_hours


def series_path(
    raw_dir: Path | str, asset: str, series: SeriesName, params: DataParams | None = None
) -> Path:
    """Where the raw store keeps a series as CSV, e.g. `<raw_dir>/btc_dvol_hourly.csv`.

    Bars of another length are named by it: `btc_dvol_daily.csv`, `btc_dvol_1min.csv`.
    """
    schema = SCHEMAS[series]
    file = schema.file
    if schema.bars:
        minutes = step_minutes(series, params or DataParams())
        file = f"{series}_{_BAR_NAMES.get(minutes, f'{minutes}min')}.csv"
    return Path(raw_dir) / f"{asset.lower()}_{file}"


def series_file(
    raw_dir: Path | str, asset: str, series: SeriesName, params: DataParams | None = None
) -> Path | None:
    """The series' file, CSV or Parquet; None where the raw store does not hold it.

    Raises
    ------
    RawStoreError
        Both are there: which one is right, nothing tells.
    """
    csv = series_path(raw_dir, asset, series, params)
    held = [path for path in (csv, csv.with_suffix(".parquet")) if path.is_file()]
    if len(held) > 1:
        raise RawStoreError(
            f"{held[0]} and {held[1]}: the raw store should hold one of them; remove the other"
        )
    return held[0] if held else None


def has_price(raw_dir: Path | str, asset: str, params: DataParams) -> bool:
    """Whether the raw store holds the price in bars of the declared length.

    Raises
    ------
    RawStoreError
        It holds it in bars of another length alone, so the declared one is a slip.
    """
    if series_file(raw_dir, asset, "price", params) is not None:
        return True
    lengths = {name: minutes for minutes, name in _BAR_NAMES.items()}
    for path in sorted(Path(raw_dir).glob(f"{asset.lower()}_price_*")):
        name = path.stem.removeprefix(f"{asset.lower()}_price_")
        number = name.removesuffix("min")
        step = lengths.get(name, int(number) if number.isdecimal() else None)
        if path.suffix in (".csv", ".parquet") and step is not None:
            RawFile(path, {}).refuse(
                f"its name says bars of {step:,} minutes, {_declared_step('price', params)}; "
                f"declare data.price_frequency_minutes: {step}, or move the file away"
            )
    return False


def read_series(
    raw_dir: Path | str,
    asset: str,
    series: SeriesName,
    params: DataParams | None = None,
    *,
    with_extra: bool = False,
) -> pd.DataFrame:
    """Read one series of the raw store and check every cell of it.

    Parameters
    ----------
    raw_dir : Path or str
        Folder of the raw store.
    asset : str
        Asset code, e.g. `BTC`.
    series : {"dvol", "price", "funding", "onchain"}
        Which series.
    params : DataParams, optional
        Column names, units and length of bars in the files; by default the raw
        store's own.
    with_extra : bool
        Give the columns that a file may lack (`SCHEMAS[series].extra`) where it has them.

    Returns
    -------
    DataFrame
        The columns of `SCHEMAS[series]`, float64, in the units that it says; index `timestamp`: bar
        open, UTC, increasing, on the series' grid. Missing rows stay missing. A last row whose bar
        or day is still open, by the file's time or the clock's, is left out. `attrs` says how many
        rows were left out so (`open`) and how many timestamps were rounded (`rounded`).

    Raises
    ------
    RawStoreError
        Missing, empty or truncated file, one whose hash is not the manifest's, missing column, text
        in a number, empty cell, duplicate, unsorted or off-grid timestamps, timestamps in another
        unit than declared, rows of another length than declared, anywhere in the file, values in
        another unit than they should be, impossible values, rows that lie ahead of the clock.

    Notes
    -----
    Timestamps of settlements within a second of the grid are rounded to it: exchanges stamp them
    some milliseconds late.
    """
    params = params or DataParams()
    schema, minutes = SCHEMAS[series], step_minutes(series, params)
    path = series_file(raw_dir, asset, series, params)
    if path is None:
        _refuse_missing(series_path(raw_dir, asset, series, params))
    content = read_content(path)
    # Before anything is made of it: a changed file is named as such, not by what it breaks.
    _check_hash(path, content)
    columns = (*schema.columns, *schema.extra)
    given = params.columns.get(series, {})
    names = {name: given.get(name, name) for name in ("timestamp", *(c.name for c in columns))}
    in_coins = [name for name in params.in_coins if name in names]
    cells = read_cells(
        path,
        content,
        {name: held for name, held in names.items() if held is not None},
        iso_timestamps=params.unit_of(series) == "iso",
        optional=() if in_coins else tuple(column.name for column in schema.extra),
        series=series,
    )
    tolerance = _SETTLEMENT_TOLERANCE_MS if series == "funding" else 0
    times = row_times(cells, params.unit_of(series), minutes, tolerance_ms=tolerance)
    cells.numbers[[column.name for column in schema.columns if names[column.name] is None]] = np.nan
    table = cells.numbers[[column.name for column in columns if column.name in cells.numbers]]
    table = converted(table, params.factors, in_coins, schema.price).set_axis(times.opens)
    check_usual(cells.file, table, minutes / 60, params.factors, table.get(schema.price))
    for column in columns:
        if column.name in table and names[column.name] is not None:
            check_raw_values(cells.file, table[column.name], column)
    if schema.bars:
        check_bars(cells.file, table, schema.bars)
    _check_labels(cells.file, table, series, params)
    # A settlement is over at its time; a bar and a day are so at their end.
    length = pd.Timedelta(minutes=0 if series == "funding" else minutes)
    ahead = params.source == "simulated"
    ended = ended_rows(cells.file, times.opens + length, length, may_lie_ahead=ahead)
    # Read all the same, since the price may be what amounts in coins are turned into USD by.
    if not with_extra:
        table = table[[column.name for column in schema.columns]]
    table.attrs = {"open": len(table) - ended, "rounded": times.rounded}
    return table.iloc[:ended]


def raw_hashes(raw_dir: Path | str) -> dict[str, str]:
    """SHA-256 (hexadecimal) of every CSV and Parquet file of the raw store, by file name."""
    return {path.name: file_hash(path) for path in _data_files(Path(raw_dir))}


def manifest_entries(raw_dir: Path | str) -> dict[str, dict[str, Any]]:
    """What the raw store's manifest says of each file; empty where there is no manifest.

    Raises
    ------
    RawStoreError
        The manifest is not readable.
    """
    path = Path(raw_dir) / MANIFEST
    try:
        files = read_json(path)["files"]
        return {str(name): dict(facts) for name, facts in files.items()}
    except FileNotFoundError:
        return {}
    except OversizeError as error:
        raise RawStoreError(f"{path}: {error}; delete it: the files beside it stay") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        advice = "fetch the data again with `dvol data`, or delete the manifest"
        raise RawStoreError(f"{path}: not a manifest of files; {advice}") from None


def store_table(
    raw_dir: Path | str, assets: list[str], params: DataParams | None = None
) -> pd.DataFrame:
    """What the raw store holds, one row per file.

    Returns
    -------
    DataFrame
        `file, rows, first, last` (bar open, UTC), `missing_rows` (steps of the grid between first
        and last without a row), `duplicates` (none: a file with one is refused), `empty_cells` (in
        required columns), `open_rows` (left out because the bar or day was still open),
        `rounded_times` (timestamps within a second of the grid).
    """
    params = params or DataParams()
    rows = []
    for asset in assets:
        for series in SCHEMAS:
            path = series_file(raw_dir, asset, series, params)
            if path is None:
                continue
            table = read_series(raw_dir, asset, series, params)
            first, last = table.index[0], table.index[-1]
            steps = (last - first) // pd.Timedelta(minutes=step_minutes(series, params)) + 1
            twice = int(table.index.duplicated().sum())
            empty = int(table.isna().to_numpy().sum())
            # In the order in which `read_series` sets them: open, rounded.
            counts = (steps - len(table), twice, empty, *table.attrs.values())
            rows.append((path.name, len(table), first, last, *counts))
    columns = ["file", "rows", "first", "last", "missing_rows", "duplicates", "empty_cells"]
    return pd.DataFrame(rows, columns=[*columns, "open_rows", "rounded_times"])


def _check_labels(
    file: RawFile, table: pd.DataFrame, series: SeriesName, params: DataParams
) -> None:
    """Refuse rows, or values of a column among them, that stand for a longer time than a row."""
    minutes, declared = step_minutes(series, params), _declared_step(series, params)
    check_step(file, table.index, minutes, declared)
    for name, values in table.items():
        measured = values.dropna()
        # A bar's open, high and low may be missing in any pattern: they say nothing of its length.
        if SCHEMAS[series].bars is None and len(measured) < len(values):
            check_step(file, measured.index, minutes, declared, column=str(name))
        if minutes >= 60 and not str(name).endswith(("open", "high", "low")):
            check_held(file, measured, minutes)
            check_lines(file, measured)


def _declared_step(series: SeriesName, params: DataParams) -> str:
    """How far apart the rows should be, and what says so, for messages."""
    minutes = step_minutes(series, params)
    if series == "funding":
        return f"should be settlements, {minutes:,} apart: a day's mean is not known at its label"
    if series == "onchain":
        return f"should be UTC days, {minutes:,} apart: a week's mean is not known at its label"
    price_alone = series == "price" and params.price_frequency_minutes is not None
    return f"data.{'price_' if price_alone else ''}frequency_minutes says {minutes:,}"


def _data_files(raw_dir: Path) -> list[Path]:
    return sorted(path for kind in ("csv", "parquet") for path in raw_dir.glob(f"*.{kind}"))


def _refuse_missing(path: Path) -> None:
    held = ", ".join(file.name for file in _data_files(path.parent)) or "no CSV or Parquet file"
    RawFile(path, {}).refuse(f"no such file; the raw store {path.parent} holds {held}")


def _check_hash(path: Path, content: bytes) -> None:
    """The file is the one that was fetched, where the manifest knows it."""
    listed = manifest_entries(path.parent).get(path.name, {}).get("sha256")
    found = hashlib.sha256(content).hexdigest()
    if listed is not None and listed != found:
        RawFile(path, {}).refuse(
            f"has changed since it was fetched: its SHA-256 is {found[:12]}…, {MANIFEST} says "
            f"{str(listed)[:12]}…; move it away and fetch it anew with `dvol data`, or, if the "
            f"change is yours, delete its entry in {MANIFEST}"
        )
