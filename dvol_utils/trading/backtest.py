"""The back-test: one decision a day, its fill hours later, and what the position then earns.

Capital is constant: gains are not reinvested, and all amounts are in percent of it. Funding of the
margin is left out.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from dvol_utils.params import TradingParams

DAYS_PER_YEAR = 365.25


def schedule(
    first: pd.Timestamp,
    until: pd.Timestamp,
    *,
    hour: int,
    delay_hours: int,
    horizon_hours: int = 24,
) -> pd.DataFrame:
    """When positions are decided on, filled and given up.

    Parameters
    ----------
    first : Timestamp
        No origin before it, UTC.
    until : Timestamp
        No exit after it.
    hour : int
        Hour of the day of every origin, 0 to 23.
    delay_hours : int
        From origin to fill, at least 1.
    horizon_hours : int
        Origins are as many whole days apart as the horizon needs.

    Returns
    -------
    DataFrame
        A row a decision: `origin, fill, next_origin, exit`. The exit is the next decision's fill.

    Raises
    ------
    ValueError
        A delay below 1 hour: a position would depend on the hour it is filled at.
    """
    if delay_hours < 1:
        raise ValueError(
            f"delay_hours: found {delay_hours}; should be at least 1, after the origin"
        )
    start = first.normalize() + pd.Timedelta(hours=hour)
    start += pd.Timedelta(days=int(start < first))
    step = pd.Timedelta(days=step_days(horizon_hours))
    delay = pd.Timedelta(hours=delay_hours)
    origin = pd.date_range(start, until - delay - step, freq=step)
    return pd.DataFrame(
        {
            "origin": origin,
            "fill": origin + delay,
            "next_origin": origin + step,
            "exit": origin + step + delay,
        }
    )


def step_days(horizon_hours: int) -> int:
    """Whole days from one decision to the next."""
    return math.ceil(horizon_hours / 24)


def days_apart(trades: pd.DataFrame) -> float:
    """Days from the fill of a schedule's or back-test's rows to their exit."""
    held = trades["exit"].iloc[0] - trades["fill"].iloc[0]
    return held / pd.Timedelta(days=1)


def unit_sizes(days: pd.DataFrame, dvol: pd.Series, params: TradingParams) -> np.ndarray:
    """Position of a signal of 1 that aims at the target volatility, % of capital a point.

    Parameters
    ----------
    days : DataFrame
        `schedule`.
    dvol : Series
        DVOL by hour, points.
    params : TradingParams

    Returns
    -------
    ndarray of shape (days,)
        `target / sqrt(365.25) / v` with v the root mean square of 24-hour changes over the last
        `volatility_days`, known at the origin; 0 where v is not known.
    """
    window = 24 * params.volatility_days
    squares = dvol.diff(24) ** 2
    volatility = np.sqrt(squares.rolling(window, min_periods=window // 2).mean())
    known = volatility.reindex(days["origin"]).to_numpy()
    daily = params.target_volatility / math.sqrt(DAYS_PER_YEAR)
    return np.divide(daily, known, out=np.zeros(len(days)), where=known > 0)


def back_test(
    days: pd.DataFrame,
    signal: pd.Series,
    gains: pd.DataFrame,
    *,
    size: np.ndarray,
    side_cost: np.ndarray,
    tradable: np.ndarray,
    params: TradingParams,
    positions: np.ndarray | None = None,
) -> pd.DataFrame:
    """Trade a signal.

    Parameters
    ----------
    days : DataFrame
        `schedule`.
    signal : Series
        By origin, -1 to 1. Where it is missing, the position before is kept, unless stopped.
    gains : DataFrame
        Of an instrument, for the same days: `gain, marked, rolled`.
    size : ndarray of shape (days,)
        `unit_sizes`.
    side_cost : ndarray of shape (days,)
        Points, of the day's trade; the last day's is paid for closing too.
    tradable : ndarray of shape (days,)
        Whether the fill hour has a price; where not, the position before is kept.
    params : TradingParams
        Cap and stop.
    positions : ndarray of shape (days,), optional
        Held in place of what signal and stop say, to see the same trades at other costs.

    Returns
    -------
    DataFrame
        A row a day: those of `days`, `signal`, `position` (% of capital a point), `traded` (the
        sum of both sides where a contract is rolled, and of the last closing), `gain` (points),
        `gross, cost, net, equity` (% of capital; `equity` is the sum of `net`), `stopped`;
        and what else `gains` holds.

    Notes
    -----
    The stop is checked at each origin, on the equity that is known there: the position marked at
    the origin, costs paid. After it there is no position until `stop_days` have passed, whether or
    not there are forecasts, from the first fill hour that has a price; losses then count from a new
    peak.
    """
    wanted = signal.reindex(days["origin"]).to_numpy(dtype=float)
    gain, marked = gains["gain"].to_numpy(), gains["marked"].to_numpy()
    rolled = gains["rolled"].to_numpy()
    aim = np.clip(wanted * size, -params.position_cap, params.position_cap)
    if positions is None:
        positions, stopped = _positions(
            aim,
            tradable,
            gain,
            marked,
            rolled,
            side_cost,
            limit=params.stop_drawdown,
            rest=math.ceil(params.stop_days / days_apart(days)) if len(days) else 0,
        )
    else:
        stopped = np.zeros(len(days), dtype=bool)
    traded = traded_positions(positions, rolled)
    traded[-1:] += np.abs(positions[-1:])
    gross, cost = positions * gain, traded * side_cost
    others = gains.drop(columns=["gain", "marked", "rolled"])
    return days.assign(
        signal=wanted,
        position=positions,
        traded=traded,
        gain=gain,
        gross=gross,
        cost=cost,
        net=gross - cost,
        equity=np.cumsum(gross - cost),
        stopped=stopped,
        **others,
    )


def traded_positions(positions: np.ndarray, rolled: np.ndarray) -> np.ndarray:
    """Position bought or sold at each fill: the change, or both sides where a contract is rolled.

    Examples
    --------
    >>> traded_positions(np.array([1.0, 1.0, -1.0, -1.0]), np.array([False, False, False, True]))
    array([1., 0., 2., 2.])
    """
    before = np.concatenate([[0.0], positions[:-1]]) if len(positions) else positions
    both = np.abs(before) + np.abs(positions)
    return np.where(rolled, both, np.abs(positions - before))


def _positions(
    aim: np.ndarray,
    tradable: np.ndarray,
    gain: np.ndarray,
    marked: np.ndarray,
    rolled: np.ndarray,
    side_cost: np.ndarray,
    *,
    limit: float,
    rest: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions day by day, and whether the stop keeps a day without one.

    A loss beyond `limit` closes the position for `rest` decisions.
    """
    positions, stopped = np.zeros(len(aim)), np.zeros(len(aim), dtype=bool)
    paid = peak = before = 0.0  # equity without the gain of the position that is held; its peak
    resting = 0
    for day in range(len(aim)):
        known = paid + (before * marked[day - 1] if day else 0.0)
        peak = max(peak, known)
        if resting == 0 and peak - known > limit:
            resting = rest
        stopped[day] = resting > 0
        if resting:
            resting -= 1
            peak = known
        want = 0.0 if stopped[day] else aim[day]
        position = want if tradable[day] and not math.isnan(want) else before
        traded = abs(before) + abs(position) if rolled[day] else abs(position - before)
        paid += (before * gain[day - 1] if day else 0.0) - traded * side_cost[day]
        positions[day] = before = position
    return positions, stopped
