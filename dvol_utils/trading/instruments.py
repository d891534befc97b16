"""What a position earns: the paper index, a proxy of DVOL futures, a delta-hedged straddle.

None is a record of trades: DVOL itself cannot be traded, futures and straddle are approximations.
All gains are in index points (volatility points) for a position of one point long.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from dvol_utils.samples.features import HOURS_PER_YEAR
from dvol_utils.trading.costs import FUTURES, PAPER_INDEX, STRADDLE

_MEAN_HOURS = 720
_WEEK = 168
_EXPIRY = pd.Timedelta(days=2, hours=8)  # Wednesday 08:00, from Monday 00:00
_HOUR = pd.Timedelta(hours=1)
_MONTH_YEARS = 30 / 365


def hourly(panel: pd.DataFrame, asset: str) -> pd.DataFrame:
    """Every hour of one asset's panel, hours that it lacks included.

    Parameters
    ----------
    panel : DataFrame
        Hourly rows: `time, asset, dvol_close, price_close, imputed`.
    asset : str
        Its rows are taken.

    Returns
    -------
    DataFrame
        Index `time`; `dvol` (points), `price`, both with the last known value where an hour lacks
        its own, and `tradable`, whether it has one.
    """
    rows = panel[panel["asset"] == asset].set_index("time").sort_index()
    grid = rows.reindex(pd.date_range(rows.index[0], rows.index[-1], freq="h", name="time"))
    return pd.DataFrame(
        {
            "dvol": grid["dvol_close"].ffill(),
            "price": grid["price_close"].ffill(),
            # eq: an hour that the panel lacks is missing here, neither imputed nor not.
            "tradable": grid["imputed"].eq(False) & grid["dvol_close"].notna(),
        }
    )


def weekly_persistence(dvol: pd.Series) -> float:
    """Share of DVOL's distance to its 720-hour mean that is left a week later, 0 to 1.

    Parameters
    ----------
    dvol : Series
        DVOL by hour, points, of the rows that may be learnt from.

    Returns
    -------
    float
        Least squares through the origin of `DVOL(t + 168) - mean(t)` on `DVOL(t) - mean(t)`; 1
        where the series is too short.
    """
    mean = _trailing_mean(dvol)
    pairs = pd.DataFrame({"now": dvol - mean, "later": dvol.shift(-_WEEK) - mean}).dropna()
    spread = float((pairs["now"] ** 2).sum())
    if spread == 0:
        # Nothing to learn from: the future then prices in no return to the mean.
        return 1.0
    # Outside 0 to 1 a future would swing about the mean or run away from it.
    return float(np.clip((pairs["now"] * pairs["later"]).sum() / spread, 0.0, 1.0))


def paper_index(days: pd.DataFrame, hours: pd.DataFrame) -> pd.DataFrame:
    """Gains of "position x change of DVOL", which nobody can trade.

    Parameters
    ----------
    days : DataFrame
        `schedule`.
    hours : DataFrame
        `hourly`.

    Returns
    -------
    DataFrame
        One row per day: `gain` from fill to exit, `marked` from fill to the next origin, `rolled`
        (whether a position that is kept has to be closed and opened anew; never here).
    """
    level = hours["dvol"]
    moves = _between(days, lambda times: level.reindex(times).to_numpy())
    return moves.assign(rolled=False)


def futures_proxy(
    days: pd.DataFrame, hours: pd.DataFrame, *, persistence: float, tick: float
) -> pd.DataFrame:
    """Gains of a weekly DVOL future that prices in DVOL's return to its mean.

    Parameters
    ----------
    days, hours : DataFrame
        As `paper_index`.
    persistence : float
        `weekly_persistence` of earlier rows.
    tick : float
        Prices are rounded to it, points.

    Returns
    -------
    DataFrame
        As `paper_index`, and `expiry` of the contract held: the first Wednesday 08:00 UTC at or
        after the exit. `rolled` where it differs from the day before's.

    Notes
    -----
    `F(t, T) = m(t) + (DVOL(t) - m(t)) * b^((T - t) / week)` with the mean `m` of the last 720 hours
    and `b` the persistence. Real futures carry a risk premium and a basis of their own, and trade
    about 19 times a contract and day: a fill at an hour's close is a kindness.
    """
    expiry = _next_expiry(days["exit"])
    level, mean = hours["dvol"], _trailing_mean(hours["dvol"])

    def price(times: pd.Series) -> np.ndarray:
        gap = (level - mean).reindex(times).to_numpy()
        left = ((expiry - times) / pd.Timedelta(hours=_WEEK)).to_numpy()
        exact = mean.reindex(times).to_numpy() + gap * persistence**left
        # A price between two ticks cannot be dealt at.
        return tick * np.round(exact / tick)

    return _between(days, price).assign(rolled=_changed(expiry), expiry=expiry)


def straddle(days: pd.DataFrame, hours: pd.DataFrame) -> pd.DataFrame:
    """Gains of a delta-hedged 30-day at-the-money straddle, per point of its vega.

    Parameters
    ----------
    days, hours : DataFrame
        As `paper_index`.

    Returns
    -------
    DataFrame
        As `paper_index`, with the parts of `gain`: `vega_part` and `gamma_part` (gamma less
        theta). `rolled` at the first fill from Wednesday 08:00 on: the straddle is struck anew
        once a week.

    Notes
    -----
    Black and Scholes without interest: at the money `gamma * S^2 = vega / (sigma * T)`, so hedging
    each hour earns `change of sigma + (RV - sigma^2 * dt) / (2 * sigma * T)` per unit of vega, with
    the sum RV of squared hourly log returns, sigma = DVOL / 100 at the fill and T of 30 days.
    DVOL stands for the straddle's volatility; moves away from the strike, the days that pass within
    a week and the hedge's own costs are left out. Against full revaluation the gain of a day is
    unbiased; one straddle kept for a whole week moves about 15 % less than the sum of its days.

    References
    ----------
    Black and Scholes (1973), The pricing of options and corporate liabilities, Journal of Political
    Economy 81(3), doi 10.1086/260062
    """
    level = hours["dvol"] / 100
    squares = (np.log(hours["price"]).diff() ** 2).cumsum()
    sigma = level.reindex(days["fill"]).to_numpy()

    def until(times: pd.Series) -> np.ndarray:
        realised = squares.reindex(times).to_numpy() - squares.reindex(days["fill"]).to_numpy()
        years = ((times - days["fill"]) / pd.Timedelta(hours=HOURS_PER_YEAR)).to_numpy()
        return 100 * (realised - sigma**2 * years) / (2 * sigma * _MONTH_YEARS)

    vega = _between(days, lambda times: 100 * level.reindex(times).to_numpy())
    gamma = until(days["exit"])
    return pd.DataFrame(
        {
            "gain": vega["gain"] + gamma,
            "marked": vega["marked"] + until(days["next_origin"]),
            # An hour on: a fill at Wednesday 08:00 itself already strikes the new straddle.
            "rolled": _changed(_next_expiry(days["fill"] + _HOUR)),
            "vega_part": vega["gain"],
            "gamma_part": gamma,
        },
        index=days.index,
    )


def instrument_gains(
    days: pd.DataFrame, hours: pd.DataFrame, *, persistence: float, tick: float
) -> dict[str, pd.DataFrame]:
    """The gains of every instrument that the data allow, by its name."""
    gains = {
        PAPER_INDEX: paper_index(days, hours),
        FUTURES: futures_proxy(days, hours, persistence=persistence, tick=tick),
    }
    if len(days) and hours["price"].reindex(days["fill"]).notna().all():
        gains[STRADDLE] = straddle(days, hours)
    return gains


def _between(days: pd.DataFrame, price: Callable[[pd.Series], np.ndarray]) -> pd.DataFrame:
    entry = price(days["fill"])
    return pd.DataFrame(
        {"gain": price(days["exit"]) - entry, "marked": price(days["next_origin"]) - entry},
        index=days.index,
    )


def _trailing_mean(dvol: pd.Series) -> pd.Series:
    return dvol.rolling(_MEAN_HOURS, min_periods=1).mean()


def _next_expiry(times: pd.Series) -> pd.Series:
    """The first Wednesday 08:00 UTC at or after each time."""
    # Shifted first, so that weeks change at the expiry and not at midnight.
    monday = (times - _EXPIRY).dt.normalize() - pd.to_timedelta(
        (times - _EXPIRY).dt.day_of_week, unit="D"
    )
    same = monday + _EXPIRY
    return same.where(same >= times, same + pd.Timedelta(days=7))


def _changed(values: pd.Series) -> np.ndarray:
    # The first position is opened, not rolled.
    return (values != values.shift()).to_numpy() & (np.arange(len(values)) > 0)
