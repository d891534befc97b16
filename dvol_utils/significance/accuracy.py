"""Is one model more accurate than another beyond chance? Tests of mean loss, two models at a time.

Forecasts of 24-hour changes made every hour share most of their target, so neighbouring losses are
strongly correlated. Every test here allows for that with a long-run variance, by the weighted
periodogram (the p-value that claims rest on) or by Bartlett weights (what others print).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.evaluation.twins import loss_difference, settled, settled_to
from dvol_utils.significance.hac import Variance, hac_lags, long_run_variance, mean_test
from dvol_utils.significance.series import check_models, checked_series, side_by_side


class EqualLoss(NamedTuple):
    """A test of equal expected loss: its p-value by the periodogram, and by Bartlett weights."""

    statistic: float
    p_value: float
    p_bartlett: float


def equal_loss(loss_a: ArrayLike, loss_b: ArrayLike, *, horizon: int) -> EqualLoss:
    """`diebold_mariano` by both variances: the one that claims rest on, and the one others print.

    Parameters
    ----------
    loss_a, loss_b, horizon
        As in `diebold_mariano`.

    Returns
    -------
    EqualLoss
        `statistic, p_value` by the weighted periodogram, `p_bartlett` by Bartlett weights with
        `horizon - 1` lags.

    Examples
    --------
    >>> found = equal_loss([2, 1, 4, 3, 5], [1, 1, 2, 2, 5], horizon=1)
    >>> [round(value, 3) for value in found]
    [2.592, 0.122, 0.099]
    """
    primary = diebold_mariano(loss_a, loss_b, horizon=horizon, variance="periodogram")
    return EqualLoss(*primary, diebold_mariano(loss_a, loss_b, horizon=horizon)[1])


def diebold_mariano(
    loss_a: ArrayLike,
    loss_b: ArrayLike,
    *,
    horizon: int,
    lags: int | None = None,
    variance: Variance = "bartlett",
) -> tuple[float, float]:
    """Test of equal expected loss of two forecasts.

    Parameters
    ----------
    loss_a, loss_b : array_like of shape (T,)
        Losses (such as squared errors) of the two forecasts of the same targets, in order of time.
    horizon : int
        Steps from origin to target, at least 1 and less than T.
    lags : int, optional
        Lags L of the Bartlett weights, less than T; `horizon - 1` where none are given.
    variance : str
        The long-run variance V: `bartlett` weights, or the weighted `periodogram`.

    Returns
    -------
    statistic, p_value : float
        A negative statistic speaks for a. The p-value is two-sided. Losses that are the same but
        for rounding (`forecasting.twins`) give `(0.0, 1.0)`; losses that differ by the same amount
        everywhere give an infinite statistic and a p-value of 0.

    Raises
    ------
    ValueError
        Losses of different length, not finite, or not longer than the horizon; lags beside the
        periodogram, which has none.

    Notes
    -----
    `DM = mean(d) / sqrt(V / T)` with `d = loss_a - loss_b`.

    - `bartlett`: `V = gamma_0 + 2 * sum over k = 1 .. L of (1 - k / (L + 1)) gamma_k` (weights that
      keep V positive; the original paper weighs all lags alike). The statistic is multiplied by
      `sqrt((T + 1 - 2h + h(h-1)/T) / T)` and referred to Student's t with T - 1 degrees of
      freedom. For losses of overlapping targets `h - 1` lags leave a part of V out: at 24 steps
      and a nominal 5 % the test rejects 10 to 12 % of the time, and 7 to 9 % with twice as many.
    - `periodogram`: V is `hac.periodogram_variance`, the mean of the `m = floor(T^(1/3))` lowest
      ordinates. The statistic is referred to Student's t with 2m degrees of freedom, and the test
      rejects about 5 % of the time (`benchmarks/levels.py`).

    References
    ----------
    Diebold and Mariano (1995), Comparing predictive accuracy, Journal of Business & Economic
    Statistics 13(3), doi 10.1080/07350015.1995.10524599.
    Harvey, Leybourne and Newbold (1997), Testing the equality of prediction mean squared errors,
    International Journal of Forecasting 13(2), doi 10.1016/S0169-2070(96)00719-4.
    Coroneo and Iacone (2020), Comparing predictive accuracy in small samples using fixed-smoothing
    asymptotics, Journal of Applied Econometrics 35(4), doi 10.1002/jae.2756.

    Examples
    --------
    The differences 1, 0, 2, 1 have mean 1 and variance 1/2, so that `DM = 1 / sqrt(0.5 / 4) = 2.83`
    and, with the factor `sqrt(3 / 4)`, 2.45.

    >>> statistic, p_value = diebold_mariano([2, 1, 4, 3], [1, 1, 2, 2], horizon=1)
    >>> round(statistic, 4), round(p_value, 4)
    (2.4495, 0.0917)
    """
    if variance == "periodogram" and lags is not None:
        raise ValueError(f"lags: found {lags}; the periodogram has none, leave them out")
    a, b = checked_series("losses", loss_a, loss_b, horizon=horizon)
    difference = loss_difference(a, b)
    if np.ptp(difference) == 0:
        return (np.inf * difference[0], 0.0) if difference[0] else (0.0, 1.0)
    if variance == "periodogram":
        return mean_test(difference, difference.mean())
    from statsmodels.tsa.stattools import diebold_mariano_test  # takes a second to load

    result = diebold_mariano_test(
        # statsmodels takes an outcome, two forecasts and a criterion: losses go in as forecasts.
        np.zeros_like(a),
        # Twins count as equal in its sums too (evaluation/twins.py).
        np.where(difference == 0, b, a),
        b,
        criterion=lambda _, loss: loss,
        lags=horizon - 1 if lags is None else lags,
        harvey_adj=True,
        horizon=horizon,
    )
    return float(result.statistic), float(result.pvalue)


def diebold_mariano_pairs(forecasts: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Diebold-Mariano test of squared errors for every pair of models.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row per origin and model (`average_seeds`).
    horizon : int
        Hours from origin to target.

    Returns
    -------
    DataFrame
        `model_a, model_b, mean_difference` (squared error of a less that of b, squared index
        points: negative speaks for a), `statistic, p_value, p_bartlett` (`equal_loss`), and two
        p-values that allow for the number of pairs: `p_holm` (Holm: the chance of any false
        finding) and `p_fdr` (Benjamini and Hochberg: the expected share of false ones among the
        findings).

    Notes
    -----
    Holm's correction holds for tests that depend on each other in any way. That of Benjamini and
    Hochberg is proved for independent or positively dependent tests; pairs that share a model can
    depend either way, so it is the more hopeful of the two.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of
    Statistics 6(2), jstor.org/stable/4615733.
    Benjamini and Hochberg (1995), Controlling the false discovery rate, Journal of the Royal
    Statistical Society B 57(1), doi 10.1111/j.2517-6161.1995.tb02031.x.

    Examples
    --------
    Holm multiplies the smallest of six p-values by six and the next by five; Benjamini and
    Hochberg the smallest by six and the next by three.

    >>> from dvol_utils.significance.example import example_forecasts
    >>> pairs = diebold_mariano_pairs(example_forecasts(), 24).sort_values("p_value")
    >>> pairs[["model_a", "model_b", "p_value", "p_holm", "p_fdr"]].head(3).round(4)
           model_a model_b  p_value  p_holm   p_fdr
    4         good   blind   0.0354  0.2124  0.1395
    0  persistence    good   0.0465  0.2326  0.1395
    5        noisy   blind   0.2083  0.8332  0.4166
    """
    from statsmodels.stats.multitest import multipletests

    losses = squared_errors(forecasts)
    rows = []
    for a, b in combinations(losses.columns, 2):
        test = equal_loss(losses[a], losses[b], horizon=horizon)
        rows.append((a, b, (losses[a] - losses[b]).mean(), *test))
    columns = ["model_a", "model_b", "mean_difference", *EqualLoss._fields]
    table = pd.DataFrame(rows, columns=columns)
    for name, method in (("p_holm", "holm"), ("p_fdr", "fdr_bh")):
        table[name] = multipletests(table["p_value"], method=method)[1] if rows else []
    return table


def clark_west(
    outcome: ArrayLike,
    small: ArrayLike,
    large: ArrayLike,
    *,
    horizon: int,
    variance: Variance = "bartlett",
) -> tuple[float, float]:
    """Does a larger model hold anything that the smaller one nested in it lacks?

    Parameters
    ----------
    outcome, small, large : array_like of shape (T,)
        The outcome and the forecasts of the smaller and of the larger model, in order of time.
    horizon : int
        Steps from origin to target, at least 1 and less than T.
    variance : str
        The long-run variance: `bartlett` weights or the weighted `periodogram`.

    Returns
    -------
    statistic, p_value : float
        A positive statistic speaks for the larger model. The p-value is one-sided. Forecasts that
        are the same everywhere give `(0.0, 1.0)`.

    Raises
    ------
    ValueError
        Series of different length, not finite, or not longer than the horizon.

    Notes
    -----
    With `f = (y - small)^2 - [(y - large)^2 - (small - large)^2]` and V its long-run variance,
    `mean(f) / sqrt(V / T)` is referred to the normal distribution (Bartlett weights, `hac_lags`) or
    to Student's t (periodogram).
    The last term of f takes off the noise that estimated weights add to the larger model's
    forecasts, so the test is about the models with their best weights, known from endless data: the
    larger one may pass and still have the larger error on these rows. For nested models only.

    References
    ----------
    Clark and West (2007), Approximately normal tests for equal predictive accuracy in nested
    models, Journal of Econometrics 138(1), doi 10.1016/j.jeconom.2006.05.023

    Examples
    --------
    Against a small model that says 0, `f = 2 y * large`: here 2, 4, 0 and 2, with mean 2 and
    variance 2, so that the statistic is `2 / sqrt(2 / 4)`.

    >>> statistic, p_value = clark_west([1, 2, -1, 1], [0, 0, 0, 0], [1, 1, 0, 1], horizon=1)
    >>> round(statistic, 4), round(p_value, 4)
    (2.8284, 0.0023)
    """
    y, f, g = checked_series("outcome and forecasts", outcome, small, large, horizon=horizon)
    g = settled_to(g, f)
    adjusted = (y - f) ** 2 - ((y - g) ** 2 - (f - g) ** 2)
    mean = adjusted.mean()
    if np.ptp(adjusted) == 0:
        return (np.inf * mean, float(mean < 0)) if mean else (0.0, 1.0)
    if variance == "periodogram":
        return mean_test(adjusted, mean, alternative="greater")
    # About the mean: `long_run_variance` is about zero.
    spread = long_run_variance((adjusted - mean)[:, None], hac_lags(horizon)).item()
    statistic = mean / np.sqrt(spread / len(adjusted))
    return float(statistic), float(stats.norm.sf(statistic))


def clark_west_pairs(
    forecasts: pd.DataFrame, pairs: Sequence[tuple[str, str]], horizon: int
) -> pd.DataFrame:
    """Clark-West test for pairs of nested models.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row per origin and model.
    pairs : sequence of (str, str)
        Larger model, smaller model: the smaller is the larger with some weights at zero.
    horizon : int
        Hours from origin to target.

    Returns
    -------
    DataFrame
        `model_a` (larger), `model_b` (smaller), `mean_difference` (squared error of the larger less
        that of the smaller, squared index points), `adjusted_difference` (the same less the noise
        of estimated weights), `statistic` (positive speaks for the larger), `p_value` (one-sided,
        by the periodogram) and `p_bartlett`.

    Raises
    ------
    ValueError
        A model of `pairs` has no forecasts, or the table cannot be compared hour by hour.

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> found = clark_west_pairs(example_forecasts(), [("noisy", "persistence")], 24)
    >>> found[["model_a", "mean_difference", "adjusted_difference", "p_value"]].round(3)
      model_a  mean_difference  adjusted_difference  p_value
    0   noisy           -0.707               -1.461    0.031
    """
    forecasts = settled(forecasts)
    losses, made = squared_errors(forecasts), side_by_side(forecasts, "y_pred")
    outcome = side_by_side(forecasts, "y_true").iloc[:, 0]
    check_models(pairs, losses)
    rows = []
    for large, small in pairs:
        plain = (losses[large] - losses[small]).mean()
        adjusted = plain - ((made[large] - made[small]) ** 2).mean()
        series = outcome, made[small], made[large]
        test = clark_west(*series, horizon=horizon, variance="periodogram")
        bartlett = clark_west(*series, horizon=horizon)[1]
        rows.append((large, small, plain, adjusted, *test, bartlett))
    names = ["model_a", "model_b", "mean_difference", "adjusted_difference"]
    return pd.DataFrame(rows, columns=[*names, *EqualLoss._fields])
