"""Wrong ticks: values that jump away and come back at once, with no sign of it anywhere else.

A true spike leaves traces. Its bar opens where the bar before closed, the next one opens where it
closed, the price moves, another asset's DVOL moves. A wrong tick stands alone. How far is too far
was read off real data and lies beyond all that happened there. These were 44,000 hours of
Bitcoin's DVOL and 33,000 of Ether's from March 2021 to March 2026, and 47,000 of Bitcoin's price.

This looks at both sides of a row: it judges data, and is never a feature.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dvol_utils.data.panel import ONCHAIN_MAX_AGE_HOURS
from dvol_utils.data.raw.schemas import SCHEMAS
from dvol_utils.data.raw.store import read_series, series_file, step_minutes
from dvol_utils.study.data_section import DataParams, SeriesName

_HOUR = pd.Timedelta(hours=1)
_LOCAL_ROWS = 49  # a day of hours to either side
_SMALLEST_SCALE = 1e-4
_NORMAL = 1.4826  # median absolute value to standard deviation
_WIDEST = 3  # a wrong value may be repeated a few times before somebody notices
_GROWTH = 0.08  # the largest spike of daily closes is a quarter larger than that of hourly ones
_AT_AN_END = 1.2  # where nobody knows whether a move comes back, it may be so much larger


class _Limits(NamedTuple):
    """How far a close may jump, in logs, from one hour to the next.

    `apart`: it comes back, and the bars beside it begin or end elsewhere. Real closes of such bars
    came back from 0.011 at most. `alone`: no bar tells. The largest true spikes are 0.26 of DVOL
    (2025-10-10) and 0.064 of the price. `joined`: the bars agree. Opens may be made from closes,
    so that this has an end as well. `stays`: it does not come back; the largest hours are 0.31 and
    0.12. `support`: a jump up to so many times the largest move of other series is true; the large
    ones of DVOL are 1.2 to 2.8 times the price's range in those hours.
    """

    apart: float
    alone: float
    joined: float
    stays: float
    support: float


_BARS: dict[str, _Limits] = {
    "dvol_close": _Limits(0.03, 0.30, 0.5, 1.0, 4.0),
    "close": _Limits(0.03, 0.15, 0.5, 0.6, 1.0),
}
# The same of single values, about twice the largest true one: 0.0012 of funding (no log), 2.0 of
# volume, addresses 0.32, transactions 0.75, MVRV 0.11, transfers 1.4.
_SINGLE = {
    "quote_volume": 3.5,
    "funding_rate": 0.0025,
    "active_addresses": 0.7,
    "transaction_count": 1.5,
    "mvrv": 0.3,
    "transfer_volume_usd": 2.5,
}
# A bar that opens so far from where the one before closed is wrong, however long the new level
# lasts: the largest were 0.083 of DVOL (2023-01-25, after an outage) and 0.0009 of the price.
OPENS = 0.2
# A high or low so far beyond open and close is wrong: the largest were 0.19 of DVOL and 0.23 of the
# price (2021-07-26).
_WICK = 0.5
_WICK_GROWTH = 0.25  # of longer bars
_FLAT_SHARE = 0.5  # of bars that open where they close; of real ones 2 % do
_STAYS = 2.0  # a value that does not come back may jump so many times as far
_STAYS_WORDS = "the level stays there and nothing else moved like that (two sources, or units)"
_COLUMNS = ["asset", "file", "row", "column", "time", "before", "value", "after", "why"]


def wrong_ticks(
    raw_dir: Path | str,
    params: DataParams,
    panel: pd.DataFrame,
    *,
    until: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Values of the raw store that jump away without anything that supports it.

    Parameters
    ----------
    raw_dir : Path or str
    params : DataParams
        `quality.true_ticks`: times of rows that are right; `quality.outlier_scales`: how many
        local scales a close's jump has to exceed beside the limits here (half of that: other
        values').
    panel : DataFrame
        The same store's: what other series did, and which rows matter.
    until : Timestamp, optional
        As somebody judged it then, who had no later row; `panel` ends there too.

    Returns
    -------
    DataFrame
        `asset, file, row` (the line of a CSV file, the row of a Parquet file), `column, time` (the
        row's label, UTC), `before, value, after` (neighbours; missing at an end of the file), `why`
        (what speaks against it), in order of files and time; each wrong row of several has its own.

    Notes
    -----
    The local scale is 1.4826 times the median absolute change of the 49 rows around, and at least
    a basis point (of funding, of a rate of 1).
    """
    tables = []
    for asset, part in panel.groupby("asset", sort=True):
        for series in SCHEMAS:
            path = series_file(raw_dir, str(asset), series, params)
            if path is None:
                continue
            table = read_series(raw_dir, str(asset), series, params)
            if until is not None:
                table = table[table.index + _until_known(series, params) <= until]
            lead = _HOUR if SCHEMAS[series].bars else pd.Timedelta(hours=ONCHAIN_MAX_AGE_HOURS)
            used = (table.index >= part["time"].iloc[0] - lead) & (
                table.index <= part["time"].iloc[-1]
            )
            ticks = _wrong_rows(table, series, _others_moves(panel, str(asset), series), params)
            ticks["row"] += 2 if path.suffix == ".csv" else 1  # line 1 of a CSV file is its header
            tables.append(ticks[used[ticks.pop("place")]].assign(asset=asset, file=path.name))
    ticks = pd.concat(tables, ignore_index=True).astype({"time": "datetime64[us, UTC]"})
    return ticks.loc[~ticks["time"].isin(params.quality.true_ticks), _COLUMNS].reset_index(
        drop=True
    )


def _until_known(series: SeriesName, params: DataParams) -> pd.Timedelta:
    """From a row's label to the hour at which its value is known."""
    late = params.publication_lag_hours if series == "onchain" else 0
    minutes = 0 if series == "funding" else step_minutes(series, params)
    return pd.Timedelta(minutes=minutes) + late * _HOUR


def place_of(tick: Any) -> str:
    """File, line or row, and time of a row of `wrong_ticks`, in words."""
    word = "line" if tick.file.endswith(".csv") else "row"
    return f"{tick.file}, {word} {tick.row} ({tick.time:%Y-%m-%d %H:%M})"


def _wrong_rows(
    table: pd.DataFrame, series: SeriesName, moved: pd.Series, params: DataParams
) -> pd.DataFrame:
    """Every wrong value of a series: `place, row` (from 0) and what stands in `wrong_ticks`."""
    scales, step = params.quality.outlier_scales, pd.Timedelta(minutes=step_minutes(series, params))
    rows = []
    if SCHEMAS[series].bars:
        rows += _wrong_wicks(table, SCHEMAS[series].bars, step)
    for column, values in table.items():
        good = values.dropna() if column == "funding_rate" else values[values > 0]
        if len(good) < _LOCAL_ROWS // 2:
            continue
        if column in _BARS:
            opens = table[SCHEMAS[series].bars[0]].reindex(good.index)
            if opens.eq(good).mean() > _FLAT_SHARE:
                opens = opens * np.nan  # made from closes
            near = moved.reindex((good.index + step).ceil("h"), method="nearest", tolerance=_HOUR)
            why = _wrong_closes(good, opens, near.fillna(0).to_numpy(), _BARS[column], step, scales)
        elif column in _SINGLE:
            why = _wrong_values(good, str(column), scales)
        else:
            continue
        around = np.concatenate(([np.nan], good.to_numpy(), [np.nan]))
        for k, words in why.items():
            place = table.index.get_loc(good.index[k])
            rows.append((place, place, column, good.index[k], *around[k : k + 3], words))
    return pd.DataFrame(rows, columns=["place", "row", *_COLUMNS[3:]])


def _wrong_wicks(
    table: pd.DataFrame, bars: tuple[str, str, str, str], step: pd.Timedelta
) -> list[tuple[Any, ...]]:
    """Highs and lows too far beyond their bar's open and close, as `_wrong_rows` has them."""
    opened, high, low, close = (table[name] for name in bars)
    ends = np.fmax(opened, close), np.fmin(opened, close)
    limit = _WICK * max(step / _HOUR, 1.0) ** _WICK_GROWTH
    rows = []
    for column, far in ((bars[1], np.log(high / ends[0])), (bars[2], np.log(ends[1] / low))):
        around = np.concatenate(([np.nan], table[column].to_numpy(), [np.nan]))
        for k in np.flatnonzero(far > limit):
            words = f"its bar opens at {opened.iloc[k]:g} and closes at {close.iloc[k]:g}"
            rows.append((k, k, column, table.index[k], *around[k : k + 3], words))
    return rows


def _others_moves(panel: pd.DataFrame, asset: str, series: SeriesName) -> pd.Series:
    """By hour, how far in logs any other series moved at most in it, before it and after it."""
    moves = []
    for name, part in panel.groupby("asset", sort=True):
        part = part.set_index("time")
        if series != "price" or name != asset:
            moves.append(np.log(part["price_high"] / part["price_low"]))
            moves.append(np.log(part["price_close"]).diff().abs())
        if series != "dvol" or name != asset:
            moves.append(np.log(part["dvol_close"]).diff().abs())
    most = pd.concat(moves, axis=1, sort=True).max(axis=1)
    return most.rolling(3, center=True, min_periods=1).max()  # before, in and after the hour


def _wrong_closes(
    closes: pd.Series,
    opens: pd.Series,
    moved: np.ndarray,
    limits: _Limits,
    step: pd.Timedelta,
    scales: float,
) -> dict[int, str]:
    """Places of wrong closes among those that are there, and what speaks against each."""
    why: dict[int, str] = {}
    growth = max(step / _HOUR, 1.0) ** _GROWTH
    left, seconds = np.arange(len(closes)), closes.index.as_unit("s").asi8
    while True:  # beside a wrong close a right one looks wrong too: the largest goes first
        x = np.log(closes.to_numpy()[left])
        local, near = scales * _local_scale(x), moved[left]
        follows = np.diff(seconds[left], prepend=seconds[left[:1]]) == step.total_seconds()
        gap = np.abs(np.log(opens.to_numpy()[left]) - np.roll(x, 1))  # from the close before
        gap[~follows] = np.nan
        jumps = _jumps(x, gap, near, local, limits, growth)
        gone: set[int] = set()
        for size, first, width in sorted(jumps, reverse=True):
            if gone.isdisjoint(range(first - 1, first + width + 1)):
                gone |= set(range(first, first + width))
                words = _against(first, first + width, gap, opens.iloc[left], size, near)
                why |= {int(left[k]): words for k in range(first, first + width)}
        if not gone:
            break
        left = np.delete(left, sorted(gone))
    jump = np.abs(np.diff(x, prepend=x[0]))
    stays = jump > np.maximum(growth * limits.stays, np.maximum(limits.support * near, local))
    why |= {int(left[k]): _STAYS_WORDS for k in np.flatnonzero(stays)}
    for k in np.flatnonzero(gap > np.maximum(growth * OPENS, local)):
        words = f"its bar opens at {opens.iloc[left[k]]:g}, where the one before closed elsewhere"
        why.setdefault(int(left[k]), words)
    return dict(sorted(why.items()))


def _jumps(
    x: np.ndarray,
    gap: np.ndarray,
    moved: np.ndarray,
    local: np.ndarray,
    limits: _Limits,
    growth: float,
) -> list[tuple[float, int, int]]:
    """Stretches that come back from further than anything supports: size, first row, width."""
    jumps = []
    for width in range(1, _WIDEST + 1):
        size, at_an_end = _excursions(x, width)
        after = np.append(gap[width:], np.full(width, np.nan))
        apart = np.fmax(gap, after) > size / 2
        # The next bar's open supports a close; its own open, that it began where the last ended.
        joined = ~np.isnan(after) & (~np.isnan(gap) | at_an_end)
        limit = growth * np.where(joined, limits.joined, limits.alone)
        limit *= np.where(at_an_end, _AT_AN_END, 1.0)
        limit = np.where(apart, limits.apart, np.maximum(limit, limits.support * moved))
        wrong = np.flatnonzero(size > np.maximum(limit, local))
        jumps += [(float(size[k]), int(k), width) for k in wrong]
    return jumps


def _against(
    first: int, after: int, gap: np.ndarray, opens: pd.Series, size: float, moved: np.ndarray
) -> str:
    """What speaks against rows `first` to `after`, which is the first right one again."""
    words = []
    if gap[first] > size / 2:
        words.append(f"its bar opens at {opens.iloc[first]:g}")
    if after < len(gap) and gap[after] > size / 2:
        words.append(f"the bar after it opens at {opens.iloc[after]:g}")
    words.append(f"other series moved by at most {100 * moved[first]:.1f} %")
    return " and ".join(words)


def _wrong_values(values: pd.Series, column: str, scales: float) -> dict[int, str]:
    """Places of wrong single values, and what speaks against each."""
    x = values.to_numpy() if column == "funding_rate" else np.log(values.to_numpy())
    size, at_an_end = _excursions(x, 1)
    jump = np.abs(np.diff(x, prepend=x[0]))
    if column == "quote_volume":  # an exchange that is down trades nothing, and that is true
        size, jump = np.where(x > np.roll(x, 1), size, 0.0), np.zeros(len(x))
    limit = _SINGLE[column] * np.where(at_an_end, _AT_AN_END, 1.0)
    # Amounts are so restless that twice as many scales would hold a factor of a thousand.
    local = scales / 2 * _local_scale(x)
    why = {
        int(k): "no row beside it is like it"
        for k in np.flatnonzero(size > np.maximum(limit, local))
    }
    for k in np.flatnonzero(jump > np.maximum(_STAYS * _SINGLE[column], local)):
        if k not in why and k - 1 not in why:
            why[int(k)] = _STAYS_WORDS
    return dict(sorted(why.items()))


def _excursions(x: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """How far each stretch of `width` rows lies beyond both neighbours, by its first row.

    At an end of the file there is one neighbour; the second array says where. Both have shape (n,).
    """
    n = len(x) - width + 1
    segments = np.lib.stride_tricks.sliding_window_view(x, width)  # (n, width)
    before = np.concatenate(([np.nan], x[: n - 1]))
    after = np.append(x[width:], np.nan)
    up = segments.min(axis=1) - np.fmax(before, after)
    down = np.fmin(before, after) - segments.max(axis=1)
    size, at_an_end = np.zeros(len(x)), np.zeros(len(x), bool)
    size[:n] = np.maximum(np.maximum(up, down), 0.0)
    at_an_end[[0, n - 1]] = True
    return size, at_an_end


def _local_scale(x: np.ndarray) -> np.ndarray:
    """Typical change of the rows around each, (n,)."""
    change = pd.Series(np.abs(np.diff(x, prepend=np.nan)))
    local = change.rolling(_LOCAL_ROWS, center=True, min_periods=_LOCAL_ROWS // 2).median()
    return np.maximum(_NORMAL * local.ffill().bfill().to_numpy(), _SMALLEST_SCALE)
