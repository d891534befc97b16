"""Is one model better than another beyond chance? Tests that allow for overlapping targets.

Forecasts of 24-hour changes made every hour share most of their target, so neighbouring losses are
strongly correlated. Every test here allows for that: long-run variances with at least
`horizon - 1` lags, and resampling in blocks.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import statsmodels.api as sm
from arch.bootstrap import MCS, optimal_block_length
from numpy.typing import ArrayLike
from statsmodels.stats.multitest import multipletests
from statsmodels.tsa.stattools import diebold_mariano_test

from dvol_utils.evaluation import score
from dvol_utils.evaluation.forecast_table import squared_errors


def diebold_mariano(loss_a: ArrayLike, loss_b: ArrayLike, *, horizon: int) -> tuple[float, float]:
    """Test of equal expected loss of two forecasts.

    Parameters
    ----------
    loss_a, loss_b : array_like of shape (T,)
        Losses (such as squared errors) of the two forecasts of the same targets, in order of time.
    horizon : int
        Steps from origin to target, at least 1 and less than T.

    Returns
    -------
    statistic, p_value : float
        A negative statistic speaks for a. The p-value is two-sided. Identical losses give
        `(0.0, 1.0)`; losses that differ by the same amount everywhere give an infinite statistic
        and a p-value of 0.

    Raises
    ------
    ValueError
        Losses of different length, not finite, or not longer than the horizon.

    Notes
    -----
    `DM = mean(d) / sqrt(V / T)` with `d = loss_a - loss_b` and
    `V = gamma_0 + 2 * sum over k = 1 .. h-1 of (1 - k / h) gamma_k` (Bartlett weights, which keep V
    positive; the original paper weighs all lags alike). The statistic is multiplied by
    `sqrt((T + 1 - 2h + h(h-1)/T) / T)` and referred to Student's t with T - 1 degrees of freedom.

    References
    ----------
    Diebold and Mariano (1995), Comparing predictive accuracy, Journal of Business & Economic
    Statistics 13(3), doi 10.1080/07350015.1995.10524599.
    Harvey, Leybourne and Newbold (1997), Testing the equality of prediction mean squared errors,
    International Journal of Forecasting 13(2), doi 10.1016/S0169-2070(96)00719-4.
    """
    a, b = (np.asarray(loss, dtype=float) for loss in (loss_a, loss_b))
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"losses: found shapes {a.shape} and {b.shape}; should be one length T")
    if not 1 <= horizon < len(a):
        raise ValueError(f"horizon: found {horizon}; should be 1 to {len(a) - 1} for {len(a)} rows")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("losses: found a value that is not finite; should be finite numbers")
    difference = a - b
    if np.ptp(difference) == 0:
        return (np.inf * difference[0], 0.0) if difference[0] else (0.0, 1.0)
    result = diebold_mariano_test(
        np.zeros_like(a),
        a,
        b,
        criterion=lambda _, loss: loss,
        lags=horizon - 1,
        harvey_adj=True,
        horizon=horizon,
    )
    return float(result.statistic), float(result.pvalue)


def diebold_mariano_pairs(forecasts: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Diebold-Mariano test of squared errors for every pair of models.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row an origin and model (`average_seeds`).
    horizon : int
        Hours from origin to target.

    Returns
    -------
    DataFrame
        `model_a, model_b, mean_difference` (squared error of a less that of b, squared index
        points: negative speaks for a), `statistic, p_value` and `p_holm`, the p-value after Holm's
        correction for the number of pairs.
    """
    losses = squared_errors(forecasts)
    rows = []
    for a, b in combinations(losses.columns, 2):
        test = diebold_mariano(losses[a], losses[b], horizon=horizon)
        rows.append((a, b, (losses[a] - losses[b]).mean(), *test))
    columns = ["model_a", "model_b", "mean_difference", "statistic", "p_value"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(p_holm=multipletests(table["p_value"], method="holm")[1] if rows else [])


def model_confidence_set(
    forecasts: pd.DataFrame, *, size: float, block_hours: int, reps: int, seed: int
) -> pd.DataFrame:
    """The models that cannot be told apart from the best one, by squared error.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row an origin and model.
    size : float
        Chance, in (0, 1), that a model as good as the best is left out.
    block_hours, reps, seed : int
        Stationary bootstrap, as in `bootstrap_interval`.

    Returns
    -------
    DataFrame
        `model, p_value, included` (whether `p_value > size`). Models with the same errors
        share their p-value.

    References
    ----------
    Hansen, Lunde and Nason (2011), The model confidence set, Econometrica 79(2),
    doi 10.3982/ECTA5771
    """
    losses = squared_errors(forecasts)
    distinct = losses.T.drop_duplicates().T
    p_values = pd.Series(1.0, index=distinct.columns)
    if distinct.shape[1] > 1:
        test = MCS(distinct, size, reps=reps, block_size=block_hours, seed=seed)
        test.compute()
        p_values = test.pvalues["Pvalue"]
    twin = {model: _same_column(distinct, losses[model]) for model in losses}
    table = pd.DataFrame({"model": list(twin), "p_value": [p_values[t] for t in twin.values()]})
    return table.assign(included=table["p_value"] > size)


def direction_test(forecasts: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Does the forecast direction say anything about the coming direction?

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row an origin and model.
    horizon : int
        Hours from origin to target.

    Returns
    -------
    DataFrame
        `model, direction` (share of moves called right, 0..1), `slope` (share of rises after an
        upward call less their share after a downward one), `statistic` and `p_value` (two-sided),
        and `statistic_naive, p_value_naive`, which take hours for independent and are shown only
        to be compared. Missing for a model that calls one direction only, such as persistence.

    Notes
    -----
    Least squares of `1{y > 0}` on `1{f > 0}`, y the outcome's change and f the forecast change, on
    the hours that moved; variance with Bartlett weights and `horizon - 1` lags. The test of Pesaran
    and Timmermann (1992) is about the same regression with independent hours.

    References
    ----------
    Blaskowitz and Herwartz (2014), Testing the value of directional forecasts in the presence of
    serial correlation, International Journal of Forecasting 30(1),
    doi 10.1016/j.ijforecast.2013.06.001
    """
    squared_errors(forecasts)  # refuses tables that cannot be compared hour by hour
    rows = []
    for model, table in forecasts.sort_values("origin").groupby("model", sort=False):
        moved = table[table["y_true"] != table["y_origin"]]
        rose = (moved["y_true"] > moved["y_origin"]).to_numpy(dtype=float)
        called = (moved["y_pred"] > moved["y_origin"]).to_numpy(dtype=float)
        rows.append((model, *_direction_regression(rose, called, horizon)))
    columns = ["model", "slope", "statistic", "p_value", "statistic_naive", "p_value_naive"]
    shares = score(forecasts)[["model", "direction"]]
    return shares.merge(pd.DataFrame(rows, columns=columns), on="model")


def optimal_block(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Block length that suits each model's losses, to stand beside the one that is used.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row an origin and model.

    Returns
    -------
    DataFrame
        `model`, `loss` (what the length is for: the squared error of persistence, or a model's
        squared error less that of persistence), `optimal_block_hours` of the stationary bootstrap.
        Missing for a model that always equals persistence.

    References
    ----------
    Politis and White (2004), Automatic block-length selection for the dependent bootstrap,
    Econometric Reviews 23(1), doi 10.1081/ETC-120028836; correction with Patton (2009),
    doi 10.1080/07474930802459016
    """
    losses = squared_errors(forecasts)
    naive = squared_errors(forecasts.assign(y_pred=forecasts["y_origin"])).iloc[:, 0]
    rows = []
    for model, loss in losses.items():
        series = loss if model == "persistence" else loss - naive
        kind = "squared error" if model == "persistence" else "squared error less persistence's"
        varies = np.ptp(series) > 0
        length = optimal_block_length(series)["stationary"].iloc[0] if varies else np.nan
        rows.append((model, kind, length))
    return pd.DataFrame(rows, columns=["model", "loss", "optimal_block_hours"])


def _direction_regression(
    rose: np.ndarray, called: np.ndarray, horizon: int
) -> tuple[float, float, float, float, float]:
    if len(called) <= horizon or np.ptp(called) == 0 or np.ptp(rose) == 0:
        return (np.nan,) * 5
    model = sm.OLS(rose, sm.add_constant(called))
    robust = model.fit(cov_type="HAC", cov_kwds={"maxlags": horizon - 1})
    naive = model.fit()
    return (
        robust.params[1],
        robust.tvalues[1],
        robust.pvalues[1],
        naive.tvalues[1],
        naive.pvalues[1],
    )


def _same_column(table: pd.DataFrame, column: pd.Series) -> str:
    return next(name for name in table if np.array_equal(table[name], column))
