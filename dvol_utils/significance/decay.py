"""Does a gain over persistence fade? Tests of its change with time, and what they could miss."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.evaluation.twins import settled
from dvol_utils.significance.hac import degrees, mean_test, standard_error
from dvol_utils.significance.losses import LOSSES, hourly_gains
from dvol_utils.significance.power import detectable_gain
from dvol_utils.significance.regimes import holm

A_YEAR, LAST_YEAR = "change a year", "last year less the years before"
_YEAR = pd.Timedelta(days=365.25)


class Change(NamedTuple):
    """A change of the gain, with the smallest one that the test finds four times of five."""

    estimate: float
    error: float
    statistic: float
    p_value: float
    found_from: float


def decay_tests(forecasts: pd.DataFrame, model: str, *, coverage: float) -> pd.DataFrame:
    """Whether a model's gain over persistence changes with time, by each of three losses.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row per origin and model (`average_seeds`),
        over more than a year.
    model : str
    coverage : float
        Coverage of the intervals, in (0, 1).

    Returns
    -------
    DataFrame
        One row per loss of `LOSSES` and kind of change: `loss, change` (`gain_change` by time,
        `A_YEAR`, and at the origins of the last 365.25 days, `LAST_YEAR`), `estimate, low, high`
        (shares; negative is decay), `statistic, p_value` (two-sided), `p_holm` (after Holm's
        correction over the three losses) and `found_from`: a change of that size is found at 5 %
        four times of five, before that correction, and smaller ones are missed more often.
        Direction is missing for a model that calls one direction only, and so is the step where
        all rows are of one year.

    Raises
    ------
    ValueError
        As `squared_errors`, or the model is not among the forecasts.

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> found = decay_tests(example_forecasts(9_600), "good", coverage=0.95)
    >>> found.loc[found["change"] == A_YEAR, ["loss", "estimate", "p_value", "p_holm"]].round(2)
                 loss  estimate  p_value  p_holm
    0   squared_error      0.03     0.58    0.75
    2  absolute_error      0.04     0.18    0.55
    4       direction      0.03     0.38    0.75
    """
    squared_errors(forecasts)  # refuses tables that cannot be compared hour by hour
    rows = settled(forecasts).sort_values("origin")
    rows = rows[rows["model"] == model]
    if rows.empty:
        raise ValueError(f"forecasts: found none of {model}")
    last = _years(rows).max()
    # The last year as days, not as a calendar year: it ends where the data do.
    late = _years(rows) > last - 1
    table = []
    for loss in LOSSES:
        years, *sums = _gains(rows, loss)
        table.append((loss, A_YEAR, *gain_change(*sums, years), len(years)))
        # Apart: what direction has by chance depends on the shares of calls within a part.
        parts = [_gains(part, loss) for part in (rows[~late], rows[late]) if len(part)]
        years, *sums = map(np.concatenate, zip(*parts, strict=True))
        later = (years > last - 1).astype(float)
        table.append((loss, LAST_YEAR, *gain_change(*sums, later), len(years)))
    tests = pd.DataFrame(table, columns=["loss", "change", *Change._fields, "n"])
    reach = tests["error"] * stats.t.ppf((1 + coverage) / 2, tests["n"].map(degrees))
    tests = tests.assign(low=tests["estimate"] - reach, high=tests["estimate"] + reach)
    tests["p_holm"] = tests.groupby("change")["p_value"].transform(holm)
    names = ["loss", "change", "estimate", "low", "high", "statistic", "p_value", "p_holm"]
    return tests[[*names, "found_from"]]


def _gains(rows: pd.DataFrame, loss: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time of origins (years), and `hourly_gains`; for direction without hours that stood still."""
    saved, naive = hourly_gains(rows, loss)
    kept = naive > 0 if loss == "direction" else np.ones(len(rows), bool)
    return _years(rows)[kept], saved[kept], naive[kept]


def _years(rows: pd.DataFrame) -> np.ndarray:
    """Time of each origin, years since 1970."""
    return ((rows["origin"] - pd.Timestamp(0, tz="UTC")) / _YEAR).to_numpy(float)


def gain_change(saved: np.ndarray, naive: np.ndarray, at: np.ndarray) -> Change:
    """Change of a gain where a variable rises by one, and a test that it is none.

    Parameters
    ----------
    saved, naive : ndarray of shape (T,)
        As `hourly_gains`, in order of time.
    at : ndarray of shape (T,)
        The variable: time in years, or 1 for later hours and 0 for earlier ones.

    Returns
    -------
    Change
        All missing where the variable never changes, or nothing is saved or lost anywhere.

    Notes
    -----
    `saved = (g + b u) naive + e`, where u is the variable less its mean, hours weighed by `naive`,
    so that the gain g of all hours is `sum(saved) / sum(naive)` whatever b is. Volatility falls
    over the years, and with it both losses: what may fade is the share, not the points. With u as
    the instrument `b = sum(u saved) / sum(u^2 naive)`; for later hours against earlier ones that is
    the difference of their gains. If the gain is the same throughout, `u (saved - g naive)` has a
    mean of zero, which is what is tested (`hac.mean_test`). On simulated losses (targets that
    overlap 24 hours, volatility that moves slowly and halves over the years, 8,000 hours) it
    rejects 4 to 5 % of the time at a nominal 5 %; with `u e` in its place it would be 9 %.

    Examples
    --------
    A tenth is saved in the first half and a fifth in the second, of losses twice as large:

    >>> import numpy as np
    >>> later, naive = np.repeat([0, 1], 100), np.repeat([1.0, 2.0], 100)
    >>> noise = 0.1 * np.random.default_rng(0).normal(size=200)
    >>> change = gain_change(np.repeat([0.1, 0.4], 100) + noise, naive, later)
    >>> round(change.estimate, 2), change.p_value < 0.05
    (0.09, True)
    """
    # A model that never differs from persistence saves nothing, and its test would be 0 / 0.
    if not len(saved) or not naive.sum() or not np.ptp(saved):
        return Change(*[np.nan] * 5)
    centred = at - np.average(at, weights=naive)
    spread = np.mean(centred**2 * naive)
    if not spread:
        return Change(*[np.nan] * 5)
    estimate = float(np.mean(centred * saved) / spread)
    moments = centred * (saved - saved.sum() / naive.sum() * naive)
    error, count = standard_error(moments, 1 / spread), len(moments)
    found_from = detectable_gain(count * error**2, count)
    return Change(estimate, error, *mean_test(moments, estimate, 1 / spread), found_from)
