"""The back-test: one decision a day, its fill hours later, and what the position then earns.

Capital is constant: gains are not reinvested, and all amounts are in percent of it. Funding of the
margin is left out.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from dvol_utils.study.judging_section import TradingParams

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
        One row per decision: `origin, fill, next_origin, exit`. The exit is the next decision's
        fill.

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
    # The hour of the first day may be over before the first origin.
    start += pd.Timedelta(days=int(start < first))
    step = pd.Timedelta(days=step_days(horizon_hours))
    delay = pd.Timedelta(hours=delay_hours)
    # Every decision needs its exit: the next one's fill, by `until`.
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
    # Of a day, since positions are held from day to day and the target is annual.
    squares = dvol.diff(24) ** 2
    volatility = np.sqrt(squares.rolling(window, min_periods=window // 2).mean())
    forecast = volatility.reindex(days["origin"]).to_numpy()
    daily = params.target_volatility / math.sqrt(DAYS_PER_YEAR)
    # Where volatility is not known nothing is risked.
    return np.divide(daily, forecast, out=np.zeros(len(days)), where=forecast > 0)


def back_test(
    days: pd.DataFrame,
    signal: pd.Series,
    gains: pd.DataFrame,
    *,
    size: np.ndarray,
    side_cost: np.ndarray,
    tradable: np.ndarray,
    params: TradingParams,
    charged: np.ndarray | None = None,
) -> pd.DataFrame:
    """Trade a signal.

    Parameters
    ----------
    days : DataFrame
        `schedule`.
    signal : Series
        By origin, -1 to 1. Where it is missing, the one traded before is kept, and its size.
    gains : DataFrame
        Of an instrument, for the same days: `gain, marked, rolled`.
    size : ndarray of shape (days,)
        `unit_sizes`.
    side_cost : ndarray of shape (days,)
        Points, of the day's trade; the last day's is paid for closing too. Drawdown control goes by
        it.
    tradable : ndarray of shape (days,)
        Whether the fill hour has a price; where not, the position before is kept.
    params : TradingParams
        Cap and drawdown control.
    charged : ndarray of shape (days,), optional
        Paid in place of `side_cost`, to see the same positions at other costs.

    Returns
    -------
    DataFrame
        One row per day: those of `days`, `signal`, `exposure` (0 to 1, what drawdown control
        leaves), `position` (% of capital a point), `traded` (the sum of both sides where a contract
        is rolled, and of the last closing), `gain` (points), `gross, cost, net, equity` (% of
        capital; `equity` is the sum of `net`); and what else `gains` holds.

    Notes
    -----
    Drawdown control goes by the equity that is known at each origin: the position marked there,
    costs paid. With the loss D from the highest equity at origins of the last `stop_days` the
    exposure is `2 * (1 - D / stop_drawdown)`, between 0 and 1, of what the signal asks for: full up
    to half of `stop_drawdown`, none from the whole of it. A loss that left no position is forgotten
    when its peak leaves those days.

    References
    ----------
    Grossman and Zhou (1993), Optimal investment strategies for controlling drawdowns, Mathematical
    Finance 3(3), doi 10.1111/j.1467-9965.1993.tb00044.x: exposure in proportion to the distance
    from a floor below the peak.
    """
    wanted = signal.reindex(days["origin"]).to_numpy(dtype=float)
    positions, exposure = _positions(
        np.clip(wanted * size, -params.position_cap, params.position_cap),
        tradable,
        gains,
        side_cost,
        limit=params.stop_drawdown,
        window=math.ceil(params.stop_days / days_apart(days)) if len(days) else 0,
    )
    traded = traded_positions(positions, gains["rolled"].to_numpy())
    # The last position is closed, or its costs would be paid by half.
    traded[-1:] += np.abs(positions[-1:])
    gain = gains["gain"].to_numpy()
    gross, cost = positions * gain, traded * (side_cost if charged is None else charged)
    return days.assign(
        signal=wanted,
        exposure=exposure,
        position=positions,
        traded=traded,
        gain=gain,
        gross=gross,
        cost=cost,
        net=gross - cost,
        equity=np.cumsum(gross - cost),
        **gains.drop(columns=["gain", "marked", "rolled"]),
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
    gains: pd.DataFrame,
    side_cost: np.ndarray,
    *,
    limit: float,
    window: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions day by day, and the share of its aim that drawdown control leaves each.

    Exposure is lost over losses of `limit / 2` to `limit`; the peak is that of `window` decisions.
    """
    gain, marked, rolled = (gains[name].to_numpy() for name in ("gain", "marked", "rolled"))
    positions, exposure, seen = (np.zeros(len(aim)) for _ in range(3))
    # The aim survives days without a price or forecast, the exposure does not.
    kept = paid = before = 0.0  # aim last traded on; equity without the held position's gain; held
    for day in range(len(aim)):
        seen[day] = paid + (before * marked[day - 1] if day else 0.0)
        # Of the last days alone: a peak that nobody can come back to would end trading for good.
        loss = seen[max(day - window, 0) : day + 1].max() - seen[day]
        exposure[day] = min(max(2 * (1 - loss / limit), 0.0), 1.0)
        if tradable[day] and not math.isnan(aim[day]):
            kept = aim[day]
        position = kept * exposure[day] if tradable[day] else before
        traded = abs(before) + abs(position) if rolled[day] else abs(position - before)
        paid += (before * gain[day - 1] if day else 0.0) - traded * side_cost[day]
        positions[day] = before = position
    return positions, exposure
