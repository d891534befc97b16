"""Resamples of hours that all intervals and tests share: the stationary bootstrap, its blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.significance.blocks import politis_white
from dvol_utils.significance.hac import degrees, periodogram_variance
from dvol_utils.study.judging_section import SignificanceParams
from dvol_utils.study.threads import one_thread

Block = int | Literal["auto"]
_BATCH = 64  # resamples at a time: 4 MB of counts at 8,000 hours
_DAY = 24


@dataclass(frozen=True)
class Resampling:
    """How hours are drawn again, and what intervals made of them cover.

    Parameters
    ----------
    block_hours : int or "auto"
        Mean length of the blocks, hours; at least the horizon, because targets overlap that long.
        `auto` takes the length of `block_length`, at least a day.
    reps : int
        Resamples, at least 1.
    seed : int
        Seed of the resamples. The same seed gives the same resamples for all models and calls.
    coverage : float
        Coverage of intervals, in (0, 1); tests do not use it.
    calibrated : bool
        Whether intervals have the width that the long-run variance of the hours asks for; without
        it they are the percentile intervals that others print, which are too narrow.

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> draws = Resampling("auto", reps=200, seed=0)
    >>> draws.fitted(example_forecasts()).block_hours
    24
    """

    block_hours: Block
    reps: int
    seed: int
    coverage: float = 0.95
    calibrated: bool = True

    @classmethod
    def of(cls, params: SignificanceParams) -> Resampling:
        """The resampling that a study's parameters ask for."""
        return cls(params.block_hours, params.reps, params.seed, params.coverage)

    def fitted(self, forecasts: pd.DataFrame) -> Resampling:
        """The same with the `block_length` of a table of forecasts."""
        return replace(self, block_hours=block_length(forecasts, self.block_hours))

    @property
    def tails(self) -> list[float]:
        """The quantiles of resampled values that are an interval's ends."""
        return [(1 - self.coverage) / 2, (1 + self.coverage) / 2]

    def interval(
        self, estimates: np.ndarray, draws: np.ndarray, influence: np.ndarray
    ) -> np.ndarray:
        """Ends of the intervals of estimates, from resamples of them.

        Parameters
        ----------
        estimates : ndarray of shape (series,)
        draws : ndarray of shape (reps, series)
            The estimates on each resample; a missing one is left out.
        influence : ndarray of shape (T, series)
            What each hour adds to the estimates, which change by the means of these.

        Returns
        -------
        ndarray of shape (2, series)
            Low and high ends.

        Notes
        -----
        Percentiles of the stationary bootstrap say how lopsided an estimate's chance is, but leave
        out a part of the dependence between hours: intervals of 95 % miss 5 to 13 % of the time.
        So both ends are moved from the estimate by one factor, until the interval is as wide as
        Student's t with the standard error of `hac.periodogram_variance` (`benchmarks/levels.py`).
        """
        # pandas leaves a missing resample out, where numpy's quantile would be missing.
        ends = pd.DataFrame(draws).quantile(self.tails).to_numpy()
        if not self.calibrated:
            return ends
        reach = 2 * stats.t.ppf((1 + self.coverage) / 2, degrees(len(influence)))
        errors = np.sqrt(np.diagonal(periodogram_variance(influence)) / len(influence))
        width = ends[1] - ends[0]
        # A constant has no width, and stays as it is.
        factor = np.divide(reach * errors, width, out=np.ones_like(width), where=width > 0)
        return estimates + factor * (ends - estimates)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """`resampled_sums`, once the length of the blocks is a number."""
        draws = {"block_hours": self.block_hours, "reps": self.reps, "seed": self.seed}
        return resampled_sums(values, **draws)


def block_length(forecasts: pd.DataFrame, block_hours: Block = "auto") -> int:
    """Mean length of the blocks that is used for a table of forecasts.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row per origin and model.
    block_hours : int or "auto"
        A length to be checked, or `auto`: the longest that `optimal_block` finds for any model,
        rounded up, but at least a day and the horizon, and at most all hours.

    Returns
    -------
    int
        Hours.

    Raises
    ------
    ValueError
        A length below the horizon (targets overlap that long), or fewer hours than one block.

    Notes
    -----
    The rule of Politis and White sees the dependence within this sample only and can fall below a
    day by chance, hence the floor. One length for all models keeps their resamples the same.

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> block_length(example_forecasts()), block_length(example_forecasts(), 48)
    (24, 48)
    """
    horizon = int(forecasts["horizon_hours"].max())
    rows = forecasts["origin"].nunique()
    shortest = max(_DAY, horizon) if block_hours == "auto" else horizon
    if rows < shortest or (block_hours != "auto" and rows < block_hours):
        block = shortest if block_hours == "auto" else block_hours
        raise ValueError(
            f"forecasts: found {rows} hours; should be at least one block of {block} hours"
        )
    if block_hours == "auto":
        # The longest of all, because all models share their resamples.
        longest = optimal_block(forecasts)["optimal_block_hours"].max()
        wanted = shortest if np.isnan(longest) else math.ceil(longest)
        return min(max(wanted, shortest), rows)
    if block_hours < horizon:
        raise ValueError(
            f"block_hours: found {block_hours}; should be at least the horizon, {horizon} hours: "
            "targets overlap that long"
        )
    return block_hours


def optimal_block(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Block length that suits each model's losses.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row per origin and model.

    Returns
    -------
    DataFrame
        `model`, `loss` (what the length is for: the squared error of persistence, or a model's
        squared error less that of persistence), `optimal_block_hours` of the stationary bootstrap.
        Missing where that series never changes, as for a model that always equals persistence.

    References
    ----------
    Politis and White (2004), Automatic block-length selection for the dependent bootstrap,
    Econometric Reviews 23(1), doi 10.1081/ETC-120028836; correction with Patton (2009),
    doi 10.1080/07474930802459016

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> optimal_block(example_forecasts())[["model", "optimal_block_hours"]].round(1)
             model  optimal_block_hours
    0  persistence                 21.1
    1         good                 20.4
    2        noisy                 22.4
    3        blind                 17.6
    """
    losses = squared_errors(forecasts)
    naive = squared_errors(forecasts.assign(y_pred=forecasts["y_origin"])).iloc[:, 0]
    rows = []
    for model, loss in losses.items():
        series = loss if model == "persistence" else loss - naive
        kind = "squared error" if model == "persistence" else "squared error less persistence's"
        rows.append((model, kind, _optimal(series.to_numpy())))
    return pd.DataFrame(rows, columns=["model", "loss", "optimal_block_hours"])


def resample_counts(rows: int, *, block_hours: int, reps: int, seed: int) -> Iterator[np.ndarray]:
    """Batches of resamples of the stationary bootstrap, as counts.

    Parameters
    ----------
    rows : int
        Hours to draw from.
    block_hours : int
        Mean length of the blocks, hours, at least 1.
    reps : int
        Resamples, at least 1.
    seed : int
        Seed of the resamples.

    Yields
    ------
    ndarray of shape (resamples in the batch, rows)
        How often each hour is drawn; each resample sums to `rows`. The resamples are those that
        `arch.bootstrap.StationaryBootstrap(block_hours, ..., seed=seed)` draws, in its order.

    Raises
    ------
    ValueError
        `reps` below 1.

    References
    ----------
    Politis and Romano (1994), The stationary bootstrap, Journal of the American Statistical
    Association 89(428), doi 10.1080/01621459.1994.10476870

    Examples
    --------
    Two resamples of six hours; the last hour is followed by the first.

    >>> next(resample_counts(6, block_hours=3, reps=2, seed=0))
    array([[1., 1., 1., 1., 1., 1.],
           [2., 0., 0., 1., 1., 2.]])
    """
    if reps < 1:
        raise ValueError(f"reps: found {reps}; should be at least 1")
    drawn = np.random.default_rng(seed)
    for first in range(0, reps, _BATCH):
        counts = np.empty((min(_BATCH, reps - first), rows))
        for resample in counts:
            resample[:] = np.bincount(_stationary(rows, 1.0 / block_hours, drawn), minlength=rows)
        yield counts


def resampled_hours(rows: int, *, block_hours: int, reps: int, seed: int) -> Iterator[np.ndarray]:
    """The resamples of `resample_counts` one by one, as hours in the order drawn, (rows,)."""
    drawn = np.random.default_rng(seed)
    for _ in range(reps):
        yield _stationary(rows, 1.0 / block_hours, drawn)


def _stationary(rows: int, ending: float, drawn: np.random.Generator) -> np.ndarray:
    """Hours of one resample, shape (rows,): a block goes on by one hour, or a new one begins."""
    # Starts of blocks first, then where they end: the order in which arch draws.
    hours = drawn.integers(rows, size=rows, dtype=np.int64)
    begins = drawn.random(rows) <= ending
    # Nothing comes before the first hour of a resample that could go on.
    begins[0] = True
    place = np.arange(rows)
    # Where the block of each place began.
    first = np.maximum.accumulate(np.where(begins, place, 0))
    # The last hour is followed by the first, as Politis and Romano have it.
    return (hours[first] + place - first) % rows


@one_thread()
def resampled_sums(values: np.ndarray, *, block_hours: int, reps: int, seed: int) -> np.ndarray:
    """Sums of columns over each resample.

    Parameters
    ----------
    values : ndarray of shape (rows, columns)
        One row per hour.
    block_hours, reps, seed : int
        As in `resample_counts`.

    Returns
    -------
    ndarray of shape (reps, columns)

    Examples
    --------
    >>> import numpy as np
    >>> resampled_sums(np.arange(6.0)[:, None], block_hours=2, reps=3, seed=0).ravel()
    array([15., 17., 11.])
    """
    batches = resample_counts(len(values), block_hours=block_hours, reps=reps, seed=seed)
    return np.concatenate([counts @ values for counts in batches])


def _optimal(series: np.ndarray) -> float:
    # Rounding of a constant has autocorrelations too, and they mean nothing.
    if np.ptp(series) <= 1e-12 * np.abs(series).max():
        return np.nan
    return politis_white(series)
