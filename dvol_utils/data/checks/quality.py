"""Checks of a raw store and its panel, each a small table for the data page.

They judge data and are never a feature, so they may look at both sides of an hour.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from dvol_utils.data.raw.store import manifest_entries, read_series, series_file
from dvol_utils.study.data_section import DataParams

CLOSES = ("dvol_close", "price_close")
CLOSE_LAGS = (-24, -2, -1, 0, 1, 2, 24)

_HOUR, _DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
_LOCAL_BARS = 49  # a day of hours to either side
_SMALLEST_SCALE = 1e-4  # a basis point: in a quiet stretch the tick itself is no outlier
_NORMAL = 1.4826  # median absolute value to standard deviation


def stale_runs(panel: pd.DataFrame, *, step_hours: int = 1) -> pd.DataFrame:
    """Stretches over which a close does not move, longest first.

    Parameters
    ----------
    panel : DataFrame
    step_hours : int
        Hours between two bars of the source.

    Returns
    -------
    DataFrame
        `asset, column, start, end` (closes, UTC; the first of the equal closes and the last),
        `hours` from start to end, `value`. Imputed hours end a stretch.
    """
    tables = [pd.DataFrame(columns=["asset", "column", "start", "end", "hours", "value"])]
    for asset, column, closes in _own_closes(panel):
        value, time = closes.to_numpy(), closes.index
        same = (value[1:] == value[:-1]) & (np.diff(time) == step_hours * _HOUR.to_timedelta64())
        # A stretch begins at the first close and wherever one differs from the one before.
        starts = np.flatnonzero(np.concatenate(([True], ~same)))
        ends = np.append(starts[1:], len(closes)) - 1
        runs = pd.DataFrame({"start": time[starts], "end": time[ends], "value": value[starts]})
        runs["hours"] = ((runs["end"] - runs["start"]) / _HOUR).astype(int)
        runs = runs[runs["hours"] > 0].assign(asset=asset, column=column)
        tables.append(runs[list(tables[0])])
    table = pd.concat(tables[1:] or tables, ignore_index=True)
    return table.sort_values("hours", ascending=False, kind="stable", ignore_index=True)


def neighbour_outliers(
    panel: pd.DataFrame, *, scales: float = 10.0, step_hours: int = 1
) -> pd.DataFrame:
    """Closes far from both neighbours on the same side: a two-sided look, for diagnosis only.

    Parameters
    ----------
    panel : DataFrame
    scales : float
        Smallest distance to list, in local scales.
    step_hours : int
        Hours between two bars of the source.

    Returns
    -------
    DataFrame
        `asset, column, time` (close, UTC), `before, value, after` (the three closes), `scales` (the
        smaller of the two log distances over the local scale), largest first.

    Notes
    -----
    The local scale is 1.4826 times the median absolute log change of the 49 bars around the hour,
    and at least a basis point.
    """
    tables = []
    for asset, column, closes in _own_closes(panel):
        # Beside a gap there is no neighbour to be far from.
        change = np.log(closes).diff().where(closes.index.diff() == step_hours * _HOUR)
        back = -change.shift(-1)
        # The same sign on both sides: the close goes away and comes back.
        distance = np.minimum(change.abs(), back.abs()).where(change * back > 0)
        local = change.abs().rolling(_LOCAL_BARS, center=True, min_periods=_LOCAL_BARS // 2)
        ratio = distance / (_NORMAL * local.median()).clip(lower=_SMALLEST_SCALE)
        table = pd.DataFrame(
            {
                "asset": asset,
                "column": column,
                "time": closes.index,
                "before": closes.shift(1).to_numpy(),
                "value": closes.to_numpy(),
                "after": closes.shift(-1).to_numpy(),
                "scales": ratio.to_numpy(),
            }
        )
        tables.append(table[table["scales"] > scales])
    table = pd.concat(tables, ignore_index=True)
    return table.sort_values("scales", ascending=False, kind="stable", ignore_index=True)


def close_differences(raw_dir: Path | str, params: DataParams, panel: pd.DataFrame) -> pd.DataFrame:
    """The on-chain file's daily price beside the hourly close at the end of its UTC day.

    Returns
    -------
    DataFrame
        `asset, lag_hours` (the hourly close is taken so much later than the day's end), `days`,
        `median_percent, max_percent` (absolute difference), `spread_percent` (median distance of
        the difference from its own median, which a constant factor between the prices leaves
        alone). The spread is smallest at 0 where the clocks agree. Empty where the raw store holds
        no daily price.
    """
    rows = []
    for asset, part in panel.groupby("asset", sort=True):
        daily = _daily_price(raw_dir, str(asset), params)
        hourly = part.loc[~part["imputed"]].set_index("time")["price_close"].dropna()
        if daily is None or hourly.empty:
            continue
        for lag in CLOSE_LAGS:
            at = hourly.reindex(daily.index + lag * _HOUR).to_numpy()
            # The price of the two sources may differ by a constant factor; see `spread_percent`.
            gap = 100 * (daily / at - 1).dropna()
            if len(gap):
                spread = (gap - gap.median()).abs().median()
                rows.append((asset, lag, len(gap), gap.abs().median(), gap.abs().max(), spread))
    columns = ["asset", "lag_hours", "days", "median_percent", "max_percent", "spread_percent"]
    return pd.DataFrame(rows, columns=columns)


def lead_lag(panel: pd.DataFrame, *, most: int = 3, step_hours: int = 1) -> pd.DataFrame:
    """Correlation of DVOL's changes with price moves before, in and after the same bar.

    Parameters
    ----------
    panel : DataFrame
    most : int
        Most bars to either side.
    step_hours : int
        Hours between two bars of the source.

    Returns
    -------
    DataFrame
        `asset, lag_hours` (positive: the price moved so much earlier than DVOL), `with_return,
        with_size` (correlation of the log change of DVOL with the log return and with its absolute
        value), `hours` (pairs). Strongest at 0 where the clocks agree. Empty without a price.
    """
    rows = []
    for asset, part in panel.groupby("asset", sort=True):
        measured = part.loc[~part["imputed"]].set_index("time")[list(CLOSES)]
        # On the full grid of hours, so that a shift by rows is one by hours.
        logs = np.log(measured).reindex(part["time"])
        changes = logs - logs.shift(step_hours)
        for lag in range(-most, most + 1):
            moved = changes["price_close"].shift(lag * step_hours)
            pairs = pd.DataFrame({"dvol": changes["dvol_close"], "moved": moved}).dropna()
            # A correlation needs both to move.
            if len(pairs) > 2 and (pairs.std() > 0).all():
                with_return = pairs["dvol"].corr(pairs["moved"])
                with_size = pairs["dvol"].corr(pairs["moved"].abs())
                rows.append((asset, lag * step_hours, with_return, with_size, len(pairs)))
    columns = ["asset", "lag_hours", "with_return", "with_size", "hours"]
    return pd.DataFrame(rows, columns=columns)


def fetch_log(raw_dir: Path | str) -> pd.DataFrame:
    """What the raw store's manifest says of its files, one row per file.

    Returns
    -------
    DataFrame
        `file, fetched_at` (UTC, the last download), `holes` (stretches that the source does not
        have), `revisions` (stored values that a later download changed). Empty without a manifest.
    """
    rows = [
        (
            name,
            facts.get("fetched_at"),
            len(facts.get("holes", [])),
            len(facts.get("revisions", [])),
        )
        for name, facts in sorted(manifest_entries(raw_dir).items())
    ]
    return pd.DataFrame(rows, columns=["file", "fetched_at", "holes", "revisions"])


def not_fetched_log(raw_dir: Path | str) -> pd.DataFrame:
    """Columns that no source gave when they were fetched last.

    Returns
    -------
    DataFrame
        `file, column, since` (UTC, first missing timestamp), `reason`.
    """
    rows = [
        (name, column, lack["from"], lack["reason"])
        for name, facts in sorted(manifest_entries(raw_dir).items())
        for column, lack in facts.get("not_fetched", {}).items()
    ]
    return pd.DataFrame(rows, columns=["file", "column", "since", "reason"])


def revision_log(raw_dir: Path | str) -> pd.DataFrame:
    """Every stored value that a later download changed, latest first.

    Returns
    -------
    DataFrame
        `file, time` (of the value), `column, old, new, fetched_at`.
    """
    columns = ["time", "column", "old", "new", "fetched_at"]
    rows = [
        (name, *(revision.get(column) for column in columns))
        for name, facts in sorted(manifest_entries(raw_dir).items())
        for revision in facts.get("revisions", [])
    ]
    table = pd.DataFrame(rows, columns=["file", *columns])
    return table.sort_values("fetched_at", ascending=False, kind="stable", ignore_index=True)


def _own_closes(panel: pd.DataFrame) -> list[tuple[str, str, pd.Series]]:
    """Closes of bars that are there, by asset and column, indexed by time."""
    pairs = []
    for asset, part in panel.groupby("asset", sort=True):
        measured = part[~part["imputed"]].set_index("time")
        pairs += [(str(asset), name, measured[name].dropna()) for name in CLOSES]
    return [(asset, name, closes) for asset, name, closes in pairs if len(closes)]


def _daily_price(raw_dir: Path | str, asset: str, params: DataParams) -> pd.Series | None:
    """The on-chain file's price by the end of its day."""
    if series_file(raw_dir, asset, "onchain", params) is None:
        return None
    table = read_series(raw_dir, asset, "onchain", params, with_extra=True)
    if "price_usd" not in table:
        return None
    return table["price_usd"].dropna().set_axis(table.index[table["price_usd"].notna()] + _DAY)
