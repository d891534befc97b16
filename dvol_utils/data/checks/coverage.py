"""What is there and what is missing: the panel's columns and gaps, the raw store's days."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dvol_utils.data.panel import COLUMNS, VALUE_COLUMNS, runs
from dvol_utils.data.raw.schemas import SCHEMAS
from dvol_utils.data.raw.store import read_series, series_file, step_minutes
from dvol_utils.study.data_section import ENDED_AFTER_HOURS, DataParams, SeriesName
from dvol_utils.wording.numbers import hour

_HOUR, _DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
_BAR_COLUMNS = {*COLUMNS["dvol"].values(), *COLUMNS["price"].values()}
_GAP_COLUMNS = (
    ("dvol_open", "dvol_high", "dvol_low"),
    tuple(COLUMNS["price"].values()),
    *((name,) for name in (*COLUMNS["funding"].values(), *COLUMNS["onchain"].values())),
)
# Columns of a series that are there together.
_GROUPS: dict[SeriesName, dict[str, tuple[str, ...]]] = {
    "dvol": {
        "DVOL close": ("dvol_close",),
        "DVOL open, high, low": ("dvol_open", "dvol_high", "dvol_low"),
    },
    "price": {"price and volume": ("open", "high", "low", "close", "quote_volume")},
    "funding": {"funding": ("funding_rate",)},
    "onchain": {
        "on-chain activity": ("active_addresses", "transaction_count", "mvrv"),
        "on-chain transfers": ("transfer_volume_usd",),
    },
}


def panel_coverage(panel: pd.DataFrame) -> pd.DataFrame:
    """How much of each column is there, one row per asset and column.

    Returns
    -------
    DataFrame
        `asset, column, first, last` (first and last hour with a value, UTC), `hours` (with a
        value), `missing` (without), `imputed` (carried over a missing bar), `share` (of hours with
        a value, 0..1).
    """
    rows = []
    for asset, part in panel.groupby("asset", sort=True):
        for column in VALUE_COLUMNS:
            there = part[column].notna()
            times = part.loc[there, "time"]
            # Bars alone are carried over a gap as flagged hours; other series just age.
            imputed = int((part["imputed"] & there).sum()) if column in _BAR_COLUMNS else 0
            first, last = (times.iloc[0], times.iloc[-1]) if len(times) else (pd.NaT, pd.NaT)
            held = int(there.sum())
            missing, share = len(part) - held, held / len(part)
            rows.append((asset, column, first, last, held, missing, imputed, share))
    columns = ["asset", "column", "first", "last", "hours", "missing", "imputed", "share"]
    return pd.DataFrame(rows, columns=columns)


def ended_series(panel: pd.DataFrame) -> pd.DataFrame:
    """Columns of the panel that ended before it did, one row per asset and column.

    Returns
    -------
    DataFrame
        `asset, column, last` (last hour at which a value counts, UTC): `ENDED_AFTER_HOURS` or more
        before the asset's last hour.
    """
    table = panel_coverage(panel).dropna(subset="last")
    ends = table["asset"].map(panel.groupby("asset")["time"].max())
    ended = ends - table["last"] >= ENDED_AFTER_HOURS * _HOUR
    return table.loc[ended, ["asset", "column", "last"]].reset_index(drop=True)


def ended_sentences(panel: pd.DataFrame) -> list[str]:
    """Which columns ended and when, in words, one item per asset that has some."""
    sentences = []
    for asset, ended in ended_series(panel).groupby("asset"):
        named = [
            f"{', '.join(f'`{name}`' for name in part['column'])} (last value {hour(last)} UTC)"
            for last, part in ended.groupby("last")
        ]
        sentences.append(
            f"Not all series of {asset} reach the end of the data: {', '.join(named)}. Models that "
            "read one of them are forecast and judged up to there, the others go on."
        )
    return sentences


def gaps(panel: pd.DataFrame, *, step_hours: int = 1) -> pd.DataFrame:
    """Every stretch of hours without a value of their own, and what was done about it.

    Parameters
    ----------
    panel : DataFrame
    step_hours : int
        Hours between two bars of the source.

    Returns
    -------
    DataFrame
        `asset, columns, start, end` (first and last hour of the stretch, UTC), `hours`, `action`.
        Columns without any value are left out, and so are the hours between two longer bars.
    """
    spans = []
    for asset, part in panel.groupby("asset", sort=True):
        flags = {"DVOL or price bar": (part["imputed"], "carried forward, not scored", step_hours)}
        for columns in _GAP_COLUMNS:
            measured = part.loc[~part["imputed"], list(columns)]
            if measured.notna().any(axis=None):
                missing = part[list(columns)].isna().any(axis=1)
                flags[", ".join(columns)] = (missing, "left empty", 1)
        for columns, (flag, action, fewest) in flags.items():
            for start, end in runs(flag.to_numpy()):
                first, last = part["time"].iloc[start], part["time"].iloc[end]
                if end - start + 1 >= fewest:
                    spans.append((asset, columns, first, last, end - start + 1, action))
    return pd.DataFrame(spans, columns=["asset", "columns", "start", "end", "hours", "action"])


def coverage_calendar(raw_dir: Path | str, params: DataParams, panel: pd.DataFrame) -> pd.DataFrame:
    """How much of every UTC day of the panel the raw store holds.

    Returns
    -------
    DataFrame
        `asset, series` (groups of columns that are there together), `day` (UTC), `share` of the
        rows that could be known within the panel and are there, 0..1. Series without any value are
        left out.
    """
    tables = [pd.DataFrame(columns=["asset", "series", "day", "share"])]
    for asset, part in panel.groupby("asset", sort=True):
        # Rows stand at their open: the panel's first hour closes a bar that began before it.
        first, last = part["time"].iloc[0] - params.step_hours * _HOUR, part["time"].iloc[-1]
        for series in SCHEMAS:
            if series_file(raw_dir, str(asset), series, params) is None:
                continue
            table = read_series(raw_dir, str(asset), series, params)
            step = pd.Timedelta(minutes=step_minutes(series, params))
            # Rows that could be known by the panel's last hour: later ones are not missing.
            due = pd.date_range(first.ceil(step), last - _delay(series, step, params), freq=step)
            for label, columns in _GROUPS[series].items():
                there = table.index[table[list(columns)].notna().all(axis=1)]
                if len(there):
                    share = due.isin(there)
                    days = pd.Series(share).groupby(due.floor("D")).mean()
                    days = days.rename_axis("day").rename("share").reset_index()
                    tables.append(days.assign(asset=asset, series=label)[list(tables[0])])
    # The empty table gives the columns where there is nothing; beside others it spoils dtypes.
    return pd.concat(tables[1:] or tables, ignore_index=True)


def coverage_table(calendar: pd.DataFrame) -> pd.DataFrame:
    """The calendar in numbers.

    Returns
    -------
    DataFrame
        `asset, series, days` (UTC days of the panel), `whole, partial, empty` (days of which all,
        some and no rows are there), `share_percent` of rows that are there, by day.
    """
    rows = []
    for (asset, series), part in calendar.groupby(["asset", "series"], sort=False):
        share = part["share"]
        whole, empty = int((share == 1).sum()), int((share == 0).sum())
        partial = len(share) - whole - empty
        rows.append((asset, series, len(share), whole, partial, empty, 100 * share.mean()))
    columns = ["asset", "series", "days", "whole", "partial", "empty", "share_percent"]
    return pd.DataFrame(rows, columns=columns)


def _delay(series: SeriesName, step: pd.Timedelta, params: DataParams) -> pd.Timedelta:
    """From a row's timestamp until it is known."""
    if series == "onchain":
        return _DAY + pd.Timedelta(hours=params.publication_lag_hours)
    return _HOUR if series == "funding" else step
