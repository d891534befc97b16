"""What a model's forecasts say about the outcome: regressions that allow for overlapping targets.

Is a forecast unbiased, and does its direction mean anything?
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from statsmodels.regression.linear_model import OLS  # the whole api would load what draws
from statsmodels.tools.tools import add_constant

from dvol_utils.evaluation import score
from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.evaluation.twins import settled
from dvol_utils.significance.hac import (
    Variance,
    hac_lags,
    joint_test,
    mean_test,
    standard_error,
)
from dvol_utils.significance.series import checked_series

_ROUNDING = 1e-24  # share of a sum of squares that is rounding, not variation


class Calibration(NamedTuple):
    """Regression of the outcome on the forecast, and the test that it is the line of equality."""

    intercept: float
    slope: float
    slope_se: float
    statistic: float
    p_value: float


def mincer_zarnowitz(
    outcome: ArrayLike, forecast: ArrayLike, *, horizon: int, variance: Variance = "bartlett"
) -> Calibration:
    """Test that forecasts can be taken at face value: intercept 0 and slope 1 together.

    Parameters
    ----------
    outcome, forecast : array_like of shape (T,)
        Outcomes and their forecasts, in order of time. Give changes since the origin rather than
        levels: a level is so persistent that nearly any forecast of it has a slope near 1.
    horizon : int
        Steps from origin to target, at least 1 and less than T.
    variance : str
        The long-run variance: `bartlett` weights or the weighted `periodogram`.

    Returns
    -------
    Calibration
        `intercept` (the unit of the outcome), `slope, slope_se, statistic, p_value`. A slope below
        1 means that changes are forecast too large. All missing where the forecast never changes;
        forecasts without error give `statistic` 0 and `p_value` 1, and an exact line other than
        that of equality an infinite statistic.

    Raises
    ------
    ValueError
        Series of different length, not finite, or not longer than the horizon.

    Notes
    -----
    Least squares of `y = a + b f + e`.

    - `bartlett`: the Wald statistic of (a, b) = (0, 1) with the variance of Newey and West
      (`hac_lags`) is referred to chi-square with two degrees of freedom. It has no small-sample
      correction and so rejects too often: with targets that overlap 24 steps, at a nominal 5 %,
      about 16 % of the time on 1,000 rows and 9 % on 8,000.
    - `periodogram`: under the hypothesis `y - f` and `(y - f) f` have means of zero; both together
      are tested by F (`hac.joint_test`), which holds its level (`benchmarks/levels.py`).

    References
    ----------
    Mincer and Zarnowitz (1969), The evaluation of economic forecasts, in Economic Forecasts and
    Expectations, NBER, nber.org/chapters/c1214

    Examples
    --------
    Outcomes of twice the forecast, give or take one:

    >>> found = mincer_zarnowitz([-3, -1, 1, 3], [-1, -1, 1, 1], horizon=1)
    >>> [round(value, 3) for value in found[:4]]
    [0.0, 2.0, 0.5, 4.0]
    """
    y, f = checked_series("outcome and forecast", outcome, forecast, horizon=horizon)
    if np.ptp(f) == 0:
        return Calibration(*[np.nan] * 5)
    fit = OLS(y, add_constant(f, has_constant="add")).fit(
        cov_type="HAC", cov_kwds={"maxlags": hac_lags(horizon)}
    )
    intercept, slope = fit.params
    # No error at all: every variance below would be rounding.
    if fit.ssr <= _ROUNDING * (y @ y):
        equal = np.allclose(y, f)
        return Calibration(intercept, slope, 0.0, *((0.0, 1.0) if equal else (np.inf, 0.0)))
    if variance == "periodogram":
        centred = f - f.mean()
        # The slope is a mean of such moments over the forecast's variance.
        error = standard_error(centred * fit.resid, 1 / centred.var())
        # Both columns of about one size, as `joint_test` wants them.
        moments = (y - f)[:, None] * np.column_stack([np.ones_like(f), centred / centred.std()])
        return Calibration(float(intercept), float(slope), error, *joint_test(moments))
    test = fit.wald_test((np.eye(2), [0.0, 1.0]), use_f=False, scalar=True)
    return Calibration(
        float(intercept), float(slope), float(fit.bse[1]), float(test.statistic), float(test.pvalue)
    )


def unbiasedness_test(forecasts: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Mincer-Zarnowitz regression of each model's changes: can its forecasts be taken as they are?

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row per origin and model.
    horizon : int
        Hours from origin to target.

    Returns
    -------
    DataFrame
        `model, intercept` (index points), `slope, slope_se, statistic, p_value` of
        `mincer_zarnowitz` on changes since the origin by the periodogram, and `p_bartlett`. Missing
        for persistence, which forecasts no change.

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> unbiasedness_test(example_forecasts(), 24)[["model", "slope", "p_value"]].round(3)
             model  slope  p_value
    0  persistence    NaN      NaN
    1         good  1.572    0.212
    2        noisy  0.980    0.996
    3        blind -0.260    0.379
    """
    squared_errors(forecasts)  # refuses tables that cannot be compared hour by hour
    forecasts = settled(forecasts)
    rows = []
    for model, table in forecasts.sort_values("origin").groupby("model", sort=False):
        outcome, made = (table[name] - table["y_origin"] for name in ("y_true", "y_pred"))
        test = mincer_zarnowitz(outcome, made, horizon=horizon, variance="periodogram")
        rows.append((model, *test, mincer_zarnowitz(outcome, made, horizon=horizon).p_value))
    tests = pd.DataFrame(rows, columns=["model", *Calibration._fields, "p_bartlett"])
    # Sorted by origin, models may come first in another order.
    return tests.set_index("model").loc[pd.unique(forecasts["model"])].reset_index()


def direction_test(forecasts: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Does the forecast direction say anything about the coming direction?

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row per origin and model.
    horizon : int
        Hours from origin to target.

    Returns
    -------
    DataFrame
        `model, direction` (share of moves called right, 0..1), `slope` (share of rises after an
        upward call less their share after a downward one), `statistic` and `p_value` (two-sided,
        by the periodogram), `p_bartlett`, and `statistic_naive, p_value_naive`, which take hours
        for independent; the last three are shown only to be compared. Missing for a model that
        calls one direction only, such as persistence;
        infinite statistics for one that is always right, or always wrong.

    Notes
    -----
    Least squares of `1{y > 0}` on `1{f > 0}`, y the outcome's change and f the forecast change, on
    the hours that moved. A slope of zero means that as many calls are right as the shares of rises
    and of upward calls give by chance: the test of Pesaran and Timmermann (1992) is about the same
    regression with independent hours. `p_value` tests the covariance of the two, whose moments
    hold under the hypothesis; `p_bartlett` the slope, with Bartlett weights and `hac_lags`.

    References
    ----------
    Blaskowitz and Herwartz (2014), Testing the value of directional forecasts in the presence of
    serial correlation, International Journal of Forecasting 30(1),
    doi 10.1016/j.ijforecast.2013.06.001

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> found = direction_test(example_forecasts(), 24)
    >>> found[["model", "direction", "slope", "statistic", "statistic_naive"]].round(2)
             model  direction  slope  statistic  statistic_naive
    0  persistence        NaN    NaN        NaN              NaN
    1        blind       0.51  -0.02      -0.15            -0.39
    2         good       0.64   0.30       2.60             6.98
    3        noisy       0.60   0.16       0.91             3.54
    """
    squared_errors(forecasts)  # refuses tables that cannot be compared hour by hour
    forecasts = settled(forecasts)
    rows = []
    for model, table in forecasts.sort_values("origin").groupby("model", sort=False):
        moved = table[table["y_true"] != table["y_origin"]]
        rose = (moved["y_true"] > moved["y_origin"]).to_numpy(dtype=float)
        called = (moved["y_pred"] > moved["y_origin"]).to_numpy(dtype=float)
        rows.append((model, *direction_regression(rose, called, horizon)))
    columns = ["model", "slope", "statistic", "p_value", "p_bartlett"]
    columns += ["statistic_naive", "p_value_naive"]
    shares = score(forecasts)[["model", "direction"]]
    return shares.merge(pd.DataFrame(rows, columns=columns), on="model")


def direction_regression(rose: np.ndarray, called: np.ndarray, horizon: int) -> tuple[float, ...]:
    """The test of `direction_test` on arrays of 0 and 1, one per hour that moved.

    Returns
    -------
    slope, statistic, p_value, p_bartlett, statistic_naive, p_value_naive : float
        Missing where all calls or all moves are the same, or there are no more than `horizon`.
    """
    if len(called) <= horizon or np.ptp(called) == 0 or np.ptp(rose) == 0:
        return (np.nan,) * 6
    if np.ptp(rose - called) == 0 or np.ptp(rose + called) == 0:
        # Always right or always wrong: no error is left to divide by.
        slope = 1.0 if rose[0] == called[0] else -1.0
        return slope, slope * np.inf, 0.0, 0.0, slope * np.inf, 0.0
    model = OLS(rose, add_constant(called))
    robust = model.fit(cov_type="HAC", cov_kwds={"maxlags": hac_lags(horizon)})
    naive = model.fit()
    moments = (called - called.mean()) * (rose - rose.mean())
    test = mean_test(moments, moments.mean())
    return (robust.params[1], *test, robust.pvalues[1], naive.tvalues[1], naive.pvalues[1])
