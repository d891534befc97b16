"""The panel: one row per hour and asset, every column known at that row's time.

Sources label a bar by its open; the panel's `time` is the bar's close. A value enters when it is
known: a bar at its close, funding at its settlement, an on-chain value a publication lag after the
end of its UTC day. Values are carried forward for a limited age and never backward.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from dvol_utils.data.raw.files import RawStoreError
from dvol_utils.data.raw.schemas import SCHEMAS
from dvol_utils.data.raw.store import has_price, read_series, series_file, series_path
from dvol_utils.data.raw.units import check_beside_price
from dvol_utils.data.resample import hourly_closes
from dvol_utils.study.data_section import ENDED_AFTER_HOURS, DataParams, SeriesName
from dvol_utils.study.params import StudyParams

COLUMNS: dict[SeriesName, dict[str, str]] = {
    "dvol": {name: name for name in ("dvol_open", "dvol_high", "dvol_low", "dvol_close")},
    "price": {
        "open": "price_open",
        "high": "price_high",
        "low": "price_low",
        "close": "price_close",
        "quote_volume": "volume",
    },
    "funding": {"funding_rate": "funding_rate"},
    "onchain": {
        name: name
        for name in ("active_addresses", "transfer_volume_usd", "transaction_count", "mvrv")
    },
}
VALUE_COLUMNS = [column for names in COLUMNS.values() for column in names.values()]

# How long a value counts as the last known one: three settlements; a week of days.
FUNDING_MAX_AGE_HOURS = 24
ONCHAIN_MAX_AGE_HOURS = 7 * 24

_PUBLISHED = ("price_close", "transfer_volume_usd", "active_addresses", "mvrv")
_HOUR = pd.Timedelta(hours=1)
_DAY = pd.Timedelta(days=1)


def build_panel(
    raw_dir: Path | str, params: DataParams, *, leave_gaps: bool = False
) -> pd.DataFrame:
    """Join the raw store's series to one table in which every row is known at its time.

    Parameters
    ----------
    raw_dir : Path or str
        Folder of the raw store; DVOL is required for each asset, other series may be absent.
    params : DataParams
        Assets, form of the files, first and last hour, publication lag, longest gap to fill.
    leave_gaps : bool
        Leave longer gaps empty beyond `max_fill_hours` in place of refusing them, and add
        `dvol_imputed`: who asks fitted models about some hours looks at what these hours need.

    Returns
    -------
    DataFrame
        Sorted by asset and time, one row per hour from the first DVOL bar to the last:
        `time` (bar close, UTC), `asset`, `dvol_open, dvol_high, dvol_low, dvol_close` (index
        points), `price_open, price_high, price_low, price_close` (USD), `volume` (USD an hour,
        the mean of a longer bar),
        `funding_rate` (share for 8 hours), `active_addresses, transfer_volume_usd,
        transaction_count, mvrv` (of a UTC day), `imputed` (the hour's DVOL or price bar is missing
        and the last one was carried forward).

    Raises
    ------
    RawStoreError
        A file is not usable, a gap is longer than `max_fill_hours`, or no hour is left between
        `start` and `end`.

    Notes
    -----
    An on-chain value of UTC day D enters at D + 1 day + `publication_lag_hours` and counts for at
    most a week; a funding rate enters at its settlement and counts for at most a day. A missing bar
    becomes a flat bar at the last close. Empty cells of DVOL's open, high and low stay empty;
    with `incomplete_bars: drop` their hours have no row, as in the published study.

    Bars shorter than an hour are combined to hours. Bars longer than an hour enter at their close,
    with their own open, high and low; the hours until the next close count as imputed, and of a gap
    only what exceeds a bar's length counts against `max_fill_hours`.
    """
    panels = [
        _asset_panel(Path(raw_dir), asset, params, leave_gaps) for asset in sorted(params.assets)
    ]
    return pd.concat(panels, ignore_index=True)


def check_length(panel: pd.DataFrame, study: StudyParams) -> None:
    """Refuse a panel that is too short for the study's splits and windows.

    Raises
    ------
    RawStoreError
        A series starts after the validation does, DVOL ends before the first test target, or a
        window is longer than the training rows; or a study of the published numbers lacks a series
        that the published rules read.
    """
    if study.published_page:
        _check_published(panel, study)
    validation, test = study.split.validation_start, study.split.test_start
    horizon = pd.Timedelta(hours=study.target.horizon_hours)
    for asset, part in panel.groupby("asset", sort=True):
        for series, names in COLUMNS.items():
            _check_range(part, str(asset), series, list(names.values()), study)
        rows = int((part["time"] < validation - horizon).sum())
        for key, window in _windows(study).items():
            if window > rows:
                raise RawStoreError(
                    f"{key} {window} is longer than the {rows} training rows of {asset} "
                    f"({part['time'].iloc[0]} to {validation - horizon}): shorten it, bring longer "
                    f"data, or move split.validation_start (test from {test})"
                )


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First and last position of each stretch of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _asset_panel(raw_dir: Path, asset: str, params: DataParams, leave_gaps: bool) -> pd.DataFrame:
    bars = {}
    for series in ("dvol", "price"):
        if series == "dvol" or has_price(raw_dir, asset, params):
            bars[series] = _read_hours(raw_dir, asset, series, params)
    hours = _hours(_path(raw_dir, asset, "dvol", params), bars["dvol"].index, params)

    panel = pd.DataFrame({"time": hours, "asset": asset}, index=hours)
    imputed = np.zeros(len(hours), bool)
    for series, table in bars.items():
        names, path = COLUMNS[series], _path(raw_dir, asset, series, params)
        refused = None if leave_gaps else path
        minutes, may_end = params.bar_minutes(series), series == "price"
        filled, missing, empty = _fill_bars(table, hours, minutes, params, refused, may_end=may_end)
        panel[list(names.values())] = filled[list(names)].to_numpy()
        # An empty price concerns those alone who read it; without DVOL there is no hour at all.
        imputed |= missing | (empty & (series == "dvol"))
        if leave_gaps and series == "dvol":
            panel["dvol_imputed"] = imputed.copy()
    if "price" in bars:
        measured = panel[~imputed]
        closes = (measured["dvol_close"], measured["price_close"])
        path = _path(raw_dir, asset, "dvol", params)
        check_beside_price(path, *closes, params.step_hours, params.factors)
    known_values = _known_values(raw_dir, asset, params)
    for column in VALUE_COLUMNS:
        if column in known_values:
            values, max_age_hours = known_values[column]
            panel[column] = _as_of(values, hours, max_age_hours)
        elif column not in panel:
            panel[column] = np.nan
    panel["imputed"] = imputed
    if params.incomplete_bars == "drop":
        panel = panel.dropna(subset=["dvol_open", "dvol_high", "dvol_low"])
    flags = ["imputed", *(["dvol_imputed"] if leave_gaps else [])]
    return panel[["time", "asset", *VALUE_COLUMNS, *flags]].reset_index(drop=True)


def _path(raw_dir: Path, asset: str, series: SeriesName, params: DataParams) -> Path:
    held = series_file(raw_dir, asset, series, params)
    return held or series_path(raw_dir, asset, series, params)


def _read_hours(
    raw_dir: Path, asset: str, series: Literal["dvol", "price"], params: DataParams
) -> pd.DataFrame:
    bars = read_series(raw_dir, asset, series, params)
    names = SCHEMAS[series].bars
    assert names is not None, "DVOL and price are bars"
    hours = hourly_closes(bars, names, params.bar_minutes(series))
    if hours.empty:
        path = _path(raw_dir, asset, series, params)
        raise RawStoreError(f"{path}: no whole hour from {bars.index[0]} to {bars.index[-1]}")
    return hours


def _hours(path: Path, closes: pd.DatetimeIndex, params: DataParams) -> pd.DatetimeIndex:
    """The panel's hours: from the first DVOL bar to the last, within `start` and `end`."""
    first = max(closes[0], params.start) if params.start is not None else closes[0]
    last = min(closes[-1], params.end) if params.end is not None else closes[-1]
    if first > last:
        raise RawStoreError(
            f"{path}: no hour is left from data.start {params.start} to data.end {params.end}; "
            f"the file holds {closes[0]} to {closes[-1]}"
        )
    return pd.date_range(first, last, freq="h", name="time").as_unit("us")


def _fill_bars(
    bars: pd.DataFrame,
    hours: pd.DatetimeIndex,
    minutes: int,
    params: DataParams,
    path: Path | None,
    *,
    may_end: bool,
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The bar of each hour, flat at the last close where it is missing, and which hours that is.

    Last, the hours by which gaps are too long, which stay empty; with a `path` they are refused,
    but for those after the end of a series that may end.
    """
    last = bars.index.get_indexer(hours, method="pad")  # -1: before the first bar
    filled = bars.take(np.maximum(last, 0)).set_axis(hours)
    filled[last < 0] = np.nan
    missing = (last >= 0) & (bars.index[np.maximum(last, 0)] != hours)
    bar_hours, empty = max(minutes // 60, 1), np.zeros(len(hours), bool)
    for start, end in runs(missing):
        # The gap may have begun before the panel's first hour.
        begin = bars.index[last[start]] + bar_hours * _HOUR
        length = int((hours[end] - begin) / _HOUR) + 1
        if length <= params.max_fill_hours:
            continue
        ended = may_end and end == len(hours) - 1 and length >= ENDED_AFTER_HOURS
        if path is not None and not ended:
            raise RawStoreError(
                f"{path}: no bar for {length} hours, closes {begin} to {hours[end]}; "
                f"data.max_fill_hours allows {params.max_fill_hours}: bring the missing rows, or "
                "choose data.start and data.end beside the gap"
            )
        # As far as a gap may be filled it is, however long it will turn out to be.
        empty[max(start, end + 1 - length + params.max_fill_hours) : end + 1] = True
    close = next(name for name in bars.columns if name.endswith("close"))
    flat = [name for name in bars.columns if name.endswith(("open", "high", "low"))]
    flat = [name for name in flat if bars[name].notna().any()]
    filled.loc[missing, flat] = filled.loc[missing, [close] * len(flat)].to_numpy()
    filled[empty] = np.nan
    return filled, missing & ~empty, empty


def _known_values(
    raw_dir: Path, asset: str, params: DataParams
) -> dict[str, tuple[pd.Series, int]]:
    """Slow series by panel column: values indexed by when they are known, and their longest age."""
    lag = _DAY + pd.Timedelta(hours=params.publication_lag_hours)
    values: dict[str, tuple[pd.Series, int]] = {}
    rules: tuple[tuple[SeriesName, pd.Timedelta, int], ...] = (
        ("funding", pd.Timedelta(hours=0), FUNDING_MAX_AGE_HOURS),
        ("onchain", lag, ONCHAIN_MAX_AGE_HOURS),
    )
    for series, delay, max_age_hours in rules:
        if series_file(raw_dir, asset, series, params) is not None:
            table = read_series(raw_dir, asset, series, params)
            table = table.set_axis(table.index + delay)
            for name, column in COLUMNS[series].items():
                values[column] = (table[name].dropna(), max_age_hours)
    return values


def _as_of(values: pd.Series, hours: pd.DatetimeIndex, max_age_hours: int) -> np.ndarray:
    """The last value known at each hour, missing where none is younger than the longest age."""
    age = pd.Timedelta(hours=max_age_hours)
    return values.reindex(hours, method="pad", tolerance=age).to_numpy()


def _check_published(panel: pd.DataFrame, study: StudyParams) -> None:
    lacking = [name for name in _PUBLISHED if panel[name].isna().all()]
    if lacking:
        raise RawStoreError(
            f"{study.raw_dir}: the published rules read {', '.join(_PUBLISHED)}; the panel has no "
            f"{', '.join(lacking)}: bring that series, or leave out published_page"
        )


def _windows(study: StudyParams) -> dict[str, int]:
    return {
        "jumps.window": study.jumps.window,
        "features.scaling_window_hours": study.features.scaling_window_hours,
        "target.volatility_window_hours": study.target.volatility_window_hours,
        "training.window_hours": study.training.window_hours,
    }


def _check_range(
    part: pd.DataFrame, asset: str, series: SeriesName, columns: list[str], study: StudyParams
) -> None:
    there = part[columns].notna().any(axis=1)
    if not there.any():
        return  # a series the raw store does not hold; who needs it says so
    times = part.loc[there, "time"]
    first, last = times.iloc[0], times.iloc[-1]
    file = series_path("", asset, series, study.data).name
    validation, test = study.split.validation_start, study.split.test_start
    if first >= validation:
        raise RawStoreError(
            f"{file}: starts {first}, not before split.validation_start {validation}: no row is "
            "left to train on; bring earlier data or move the splits"
        )
    needed = test + pd.Timedelta(hours=study.target.horizon_hours)
    if series == "dvol" and last < needed:  # without another that ended its models end, no more
        raise RawStoreError(
            f"{file}: ends {last}, before {needed}, which the test from split.test_start {test} "
            "needs; bring later data or move the splits"
        )
