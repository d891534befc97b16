"""The best forecast that the simulated market allows: its own law, and its state at the origin.

No model is told the law or the state, so this is what could be reached, not a model to choose.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.data.raw.files import DAY_MS, HOUR_MS
from dvol_utils.data.simulated.law import (
    MEDIAN_LEVEL,
    MarketState,
    calendar,
    draw_noise,
    follow,
    linear_level,
    mean_changes,
)
from dvol_utils.data.simulated.market import chance, dvol_states
from dvol_utils.study.params import SimulatedParams

PATHS = 400  # an origin: leaves a standard error of 0.01 to 0.02 points
_PURPOSE = 100  # beyond the market's own streams: paths share no random number with it


def oracle_forecasts(
    params: SimulatedParams,
    origins: pd.DatetimeIndex,
    *,
    horizon_hours: int,
    asset: str = "BTC",
    paths: int = PATHS,
) -> pd.DataFrame:
    """The mean of DVOL a horizon ahead, given all of the market up to the origin.

    Parameters
    ----------
    params : SimulatedParams
        The market.
    origins : DatetimeIndex
        Bar closes (UTC) within the market.
    horizon_hours : int
        At least 1.
    asset : {"BTC", "ETH"}
    paths : int
        Paths that the market is followed on by from each origin, at least 2.

    Returns
    -------
    DataFrame
        Indexed by `origin`: `mean` (index points), the `variance` of the outcome given the past,
        and of both the standard errors through the number of paths, `mean_se` and `variance_se`. An
        origin's row does not depend on which others are asked for, nor on anything after it.

    Raises
    ------
    ValueError
        Unknown asset, or an origin outside the market.

    Notes
    -----
    The mean of the log level has a formula (`law.mean_changes`, `law.linear_level`). What the mean
    of the level adds to it by its curvature has none, because volatility, jumps and aftershocks
    depend on each other: it is the mean of `exp(x) - 1 - x` over paths, `x` their deviation from
    the log mean. Origins of one UTC day share their random numbers, origins of different days none.

    Shocks are Student t, and `exp` of one has no mean: taken to the letter the mean of DVOL is
    infinite, by shocks of hundreds of deviations that no market of any length will show. Means over
    paths are those of the law without them.
    """
    stamps, states = dvol_states(params, asset)
    moments_ms = pd.DatetimeIndex(origins).as_unit("ms").asi8
    # An origin is a close; hours are labelled by their open.
    place = (moments_ms - HOUR_MS - stamps[0]) // HOUR_MS
    outside = (place < 0) | (place >= len(stamps)) | ((moments_ms - stamps[0]) % HOUR_MS != 0)
    if outside.any():
        first, last = pd.to_datetime(stamps[[0, -1]] + HOUR_MS, unit="ms", utc=True)
        raise ValueError(
            f"origins: found {origins[outside][0]}; should be hours from {first} to {last}"
        )
    days = moments_ms // DAY_MS
    table = np.empty((len(moments_ms), 4))
    for day in np.unique(days):
        rows = np.flatnonzero(days == day)
        # By day, so that it does not matter which other origins are asked for (test_oracle.py).
        sequence = chance(params, asset, _PURPOSE, int(day))
        table[rows] = np.column_stack(
            _moments(states.at(place[rows]), moments_ms[rows], sequence, horizon_hours, paths)
        )
    return pd.DataFrame(
        table,
        index=pd.DatetimeIndex(origins, name="origin"),
        columns=["mean", "mean_se", "variance", "variance_se"],
    )


def log_means(state: MarketState, opens: np.ndarray, horizon_hours: int) -> np.ndarray:
    """Mean of log DVOL over its median a horizon ahead, (origins,), by formula.

    Parameters
    ----------
    state : MarketState
        At the origins, arrays (origins,).
    opens : ndarray of int, (origins,)
        Milliseconds of the open of the first hour after each origin (UTC).
    horizon_hours : int
    """
    level, _ = linear_level(mean_changes(state, horizon_hours), state)
    return level[:, -1] + calendar(opens + HOUR_MS * (horizon_hours - 1))


def followed(
    state: MarketState,
    opens: np.ndarray,
    sequence: np.random.SeedSequence,
    horizon_hours: int,
    paths: int,
) -> np.ndarray:
    """Log DVOL over its median a horizon after each origin on each path, (origins, paths).

    Parameters
    ----------
    state, opens, horizon_hours
        As `log_means`.
    sequence : SeedSequence
        Random numbers of the paths, the same for all origins.
    paths : int
    """
    rngs = map(np.random.default_rng, sequence.spawn(4))
    noise = draw_noise(rngs, (paths, horizon_hours), begins=False)
    ahead = opens[:, np.newaxis] + HOUR_MS * np.arange(horizon_hours)
    hours = follow(noise, ahead[:, np.newaxis, :], state.at((slice(None), np.newaxis)))
    return hours.log_level[..., -1]


def _moments(
    state: MarketState,
    opens: np.ndarray,
    sequence: np.random.SeedSequence,
    horizon_hours: int,
    paths: int,
) -> tuple[np.ndarray, ...]:
    """Mean of DVOL and its standard error, variance and its standard error, (origins,) each."""
    log_mean = log_means(state, opens, horizon_hours)
    apart = followed(state, opens, sequence, horizon_hours, paths) - log_mean[:, np.newaxis]
    # expm1 and the difference below keep the digits of small deviations.
    grown = np.expm1(apart)
    curved = grown - apart
    scale = MEDIAN_LEVEL * np.exp(log_mean)
    mean = scale * (1 + curved.mean(axis=1))
    spread = (grown - grown.mean(axis=1, keepdims=True)) ** 2
    variance = scale**2 * spread.sum(axis=1) / (paths - 1)
    errors = (
        size * of.std(axis=1, ddof=1) / np.sqrt(paths)
        for size, of in ((scale, curved), (scale**2, spread))
    )
    mean_se, variance_se = errors
    return mean, mean_se, variance, variance_se
