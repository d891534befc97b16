"""Is one model better than another at times that can be told beforehand?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.evaluation.twins import loss_difference
from dvol_utils.significance.hac import Variance, hac_lags, joint_test, long_run_variance
from dvol_utils.significance.series import check_models, checked_series


def giacomini_white(
    loss_a: ArrayLike, loss_b: ArrayLike, *, horizon: int, variance: Variance = "bartlett"
) -> tuple[float, float]:
    """Test that the loss difference of two forecasts cannot be foretold.

    Parameters
    ----------
    loss_a, loss_b : array_like of shape (T,)
        Losses of the two forecasts of the same targets, in order of time.
    horizon : int
        Steps from origin to target; T must be more than two horizons.
    variance : str
        The long-run variance S: `bartlett` weights or the weighted `periodogram`.

    Returns
    -------
    statistic, p_value : float
        The statistic is not negative and has no direction: see `expected_better`. Identical losses
        give `(0.0, 1.0)`; losses that differ by the same amount everywhere `(inf, 0.0)`.

    Raises
    ------
    ValueError
        Losses of different length, not finite, or too short for the horizon.

    Notes
    -----
    With `d = loss_a - loss_b` and `z_t = d_t (1, d_(t-h))'`, the statistic is `n * mean(z)' S^-1
    mean(z)`, where `n = T - h` and S is the long-run variance of z: about zero (Bartlett weights,
    `hac_lags`), referred to chi-square with two degrees of freedom; or about the mean
    (periodogram), scaled and referred to F (`hac.joint_test`). The instruments are a constant and
    the last loss difference that is known at the origin: that of the forecast made h steps before.
    An instrument that adds nothing (S is singular) is left out, and the degrees of freedom fall
    with it. Where forecasts are missing between origins, the lag reaches further back than h hours,
    never less far.

    Unlike the test of Diebold and Mariano it compares forecasting methods with the weights that
    they were estimated with, so nested models are no obstacle.

    References
    ----------
    Giacomini and White (2006), Tests of conditional predictive ability, Econometrica 74(6),
    doi 10.1111/j.1468-0262.2006.00718.x

    Examples
    --------
    A difference that turns with every step is nothing on average, yet its last value foretells it:
    `d_t d_(t-1)` is -1 at all 7 steps, and the statistic is 7, `n R^2` of a perfect regression.

    >>> statistic, p_value = giacomini_white([1, -1] * 4, [0] * 8, horizon=1)
    >>> round(statistic, 4), round(p_value, 4)
    (7.0, 0.0302)
    """
    a, b = checked_series("losses", loss_a, loss_b, horizon=horizon, shortest=2)
    difference = loss_difference(a, b)
    if np.ptp(difference) == 0:
        return (np.inf, 0.0) if difference[0] else (0.0, 1.0)
    # The difference known at an origin is that of the forecast whose target it is.
    z = difference[horizon:, None] * _instruments(difference, horizon)
    # Columns of one size: the statistic is the same, and rank tells rounding from variation.
    size = np.sqrt((z**2).mean(axis=0))
    z = z[:, size > 0] / size[size > 0]
    if not z.size:
        return 0.0, 1.0
    if variance == "periodogram":
        return joint_test(z)
    spread, mean = long_run_variance(z, hac_lags(horizon)), z.mean(axis=0)
    rank = int(np.linalg.matrix_rank(spread, hermitian=True))
    # A plain inverse would blow up where one instrument repeats the other.
    statistic = len(z) * mean @ np.linalg.pinv(spread, hermitian=True) @ mean
    return float(statistic), float(stats.chi2.sf(statistic, rank))


def expected_better(loss_a: ArrayLike, loss_b: ArrayLike, *, horizon: int) -> float:
    """Share of steps in which a is expected to lose less than b, given the past.

    Parameters
    ----------
    loss_a, loss_b, horizon
        As in `giacomini_white`.

    Returns
    -------
    float
        Share in 0..1 of steps with a negative fitted value of the regression of
        `loss_a - loss_b` on a constant and its own value h steps before: the decision rule of
        Giacomini and White (2006, section 4). Missing for identical losses.

    Examples
    --------
    >>> round(expected_better([1, -1] * 4, [0] * 8, horizon=1), 4)
    0.5714
    """
    a, b = checked_series("losses", loss_a, loss_b, horizon=horizon, shortest=2)
    difference = loss_difference(a, b)
    if not difference.any():
        return np.nan
    instruments = _instruments(difference, horizon)
    weights = np.linalg.lstsq(instruments, difference[horizon:])[0]
    return float((instruments @ weights < 0).mean())


def giacomini_white_pairs(
    forecasts: pd.DataFrame, pairs: Sequence[tuple[str, str]], horizon: int
) -> pd.DataFrame:
    """Giacomini-White test of squared errors for pairs of models.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row per origin and model.
    pairs : sequence of (str, str)
        Models a and b.
    horizon : int
        Hours from origin to target.

    Returns
    -------
    DataFrame
        `model_a, model_b, mean_difference` (squared error of a less that of b, squared index
        points), `expected_better` (share of hours, 0..1, in which a is expected to be the better
        one, given the last known difference), `statistic, p_value` by the periodogram, and
        `p_bartlett`.

    Raises
    ------
    ValueError
        A model of `pairs` has no forecasts, or the table cannot be compared hour by hour.

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> found = giacomini_white_pairs(example_forecasts(), [("good", "persistence")], 24)
    >>> found[["model_a", "mean_difference", "statistic", "p_value", "p_bartlett"]].round(3)
      model_a  mean_difference  statistic  p_value  p_bartlett
    0    good           -1.191      2.068    0.166       0.151
    """
    losses = squared_errors(forecasts)
    check_models(pairs, losses)
    rows = []
    for a, b in pairs:
        share = expected_better(losses[a], losses[b], horizon=horizon)
        test = giacomini_white(losses[a], losses[b], horizon=horizon, variance="periodogram")
        bartlett = giacomini_white(losses[a], losses[b], horizon=horizon)[1]
        rows.append((a, b, (losses[a] - losses[b]).mean(), share, *test, bartlett))
    names = ["model_a", "model_b", "mean_difference", "expected_better"]
    return pd.DataFrame(rows, columns=[*names, "statistic", "p_value", "p_bartlett"])


def _instruments(difference: np.ndarray, horizon: int) -> np.ndarray:
    """A constant and the loss difference known at each origin, from step `horizon` on."""
    past = difference[:-horizon]
    return np.column_stack([np.ones_like(past), past])
