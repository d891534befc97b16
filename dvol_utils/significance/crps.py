"""Are quantiles reliable beyond chance, and is their CRPS better than persistence's?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from dvol_utils.evaluation.forecast_table import QUANTILES
from dvol_utils.evaluation.quantile_scores import INTERVALS, crps_losses, with_quantiles
from dvol_utils.significance.accuracy import equal_loss
from dvol_utils.significance.hac import degrees, standard_error
from dvol_utils.significance.resampling import Resampling

_CRPS_COLUMNS = [
    *("model", "crps", "persistence_crps", "crps_skill", "low", "high"),
    *("crps_difference", "statistic", "p_value", "p_bartlett"),
]


def crps_against_persistence(
    forecasts: pd.DataFrame,
    horizon: int,
    *,
    resampling: Resampling,
) -> pd.DataFrame:
    """CRPS of each model less that of persistence: skill, its interval, and a test.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset with quantiles, one row per origin and model. Models and origins
        without them are left out.
    horizon : int
        Hours over which losses overlap.
    resampling : Resampling
        With a number of `block_hours`.

    Returns
    -------
    DataFrame
        One row per model other than persistence: `model, crps, persistence_crps` (index points),
        `crps_skill, low, high` (bootstrap interval of the skill), `crps_difference` (negative
        speaks for the model), `statistic, p_value, p_bartlett` of `equal_loss`. No rows where
        persistence has no quantiles.

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> rows = example_forecasts()
    >>> steps = {"q05": -2, "q25": -1, "q50": 0, "q75": 1, "q95": 2}
    >>> rows = rows.assign(**{name: rows["y_pred"] + step for name, step in steps.items()})
    >>> found = crps_against_persistence(rows, 24, resampling=Resampling(24, reps=200, seed=0))
    >>> found[["model", "crps_skill", "low", "high", "p_value"]].round(2)
       model  crps_skill   low  high  p_value
    0   good        0.14  0.02  0.25     0.05
    1  noisy        0.10 -0.09  0.23     0.22
    2  blind       -0.03 -0.14  0.03     0.48
    """
    losses = crps_losses(forecasts)
    if "persistence" not in losses:
        return pd.DataFrame(columns=_CRPS_COLUMNS)
    mean = losses.mean()
    sums = resampling.sums(losses.to_numpy())
    base = list(losses).index("persistence")
    rows = []
    for place, model in enumerate(losses):
        if place == base:
            continue
        loss, naive = losses[model], losses["persistence"]
        skill = 1 - mean[model] / mean["persistence"]
        # By how much an hour moves 1 - mean(loss) / mean(naive), to first order.
        influence = ((1 - skill) * naive - loss) / mean["persistence"]
        draws = 1 - sums[:, [place]] / sums[:, [base]]
        ends = resampling.interval(np.array([skill]), draws, influence.to_numpy()[:, None])
        test = equal_loss(loss, naive, horizon=horizon)
        difference = mean[model] - mean["persistence"]
        crps = (mean[model], mean["persistence"])
        rows.append((model, *crps, skill, *ends[:, 0], difference, *test))
    return pd.DataFrame(rows, columns=_CRPS_COLUMNS)


def reliability(
    forecasts: pd.DataFrame, *, by: str | None = None, coverage: float = 0.95
) -> pd.DataFrame:
    """Observed against nominal shares, and how far chance moves the observed ones.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset with quantiles, one row per origin and model; rows without quantiles
        are left out.
    by : str, optional
        A column such as `jump_regime`: each of its values is judged apart.
    coverage : float
        Coverage of the interval around each observed share, in (0, 1).

    Returns
    -------
    DataFrame
        `model`, the column of `by`, `share` (`below` a quantile, or `within` an interval),
        `nominal, observed, low, high` (all in 0..1) and `n`.

    Notes
    -----
    Whether outcomes of overlapping targets lie below their quantiles is nearly the same thing from
    one hour to the next. The standard error is therefore that of a mean with a long-run variance
    (`hac.periodogram_variance`, Student's t); in a regime, of the ratio of two means over all
    hours, (below and in the regime) to (in the regime). The interval is cut at 0 and 1.

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> rows = example_forecasts()
    >>> steps = {"q05": -2, "q25": -1, "q50": 0, "q75": 1, "q95": 2}
    >>> rows = rows.assign(**{name: rows["y_pred"] + step for name, step in steps.items()})
    >>> found = reliability(rows[rows["model"] == "good"])
    >>> found[["share", "nominal", "observed", "low", "high"]].round(2)
        share  nominal  observed   low  high
    0   below     0.05      0.20  0.07  0.32
    1   below     0.25      0.41  0.23  0.59
    2   below     0.50      0.62  0.42  0.81
    3   below     0.75      0.75  0.57  0.93
    4   below     0.95      0.88  0.73  1.00
    5  within     0.50      0.34  0.22  0.46
    6  within     0.90      0.68  0.54  0.82
    """
    rows = with_quantiles(forecasts).sort_values("origin")
    tables = []
    for model, of_model in rows.groupby("model", sort=False):
        regimes = {"all": np.ones(len(of_model), bool)}
        if by is not None:
            regimes = {
                value: (of_model[by] == value).to_numpy() for value in pd.unique(of_model[by])
            }
        for value, inside in regimes.items():
            shares = _shares(of_model, inside, coverage)
            tables.append(shares.assign(model=model, **({} if by is None else {by: value})))
    keys = ["model", *([by] if by else [])]
    names = [*keys, "share", "nominal", "observed", "low", "high", "n"]
    if not tables:
        return pd.DataFrame(columns=names)
    return pd.concat(tables, ignore_index=True)[names]


def _shares(of_model: pd.DataFrame, inside: np.ndarray, coverage: float) -> pd.DataFrame:
    outcome = of_model["y_true"]
    hits = {("below", nominal): outcome <= of_model[name] for name, nominal in QUANTILES.items()}
    hits |= {
        ("within", share / 100): (of_model[low] <= outcome) & (outcome <= of_model[high])
        for share, (low, high) in INTERVALS.items()
    }
    reach = stats.t.ppf((1 + coverage) / 2, degrees(len(of_model)))
    rows = []
    for (kind, nominal), hit in hits.items():
        observed, error = _share(hit.to_numpy(), inside)
        low, high = np.clip([observed - reach * error, observed + reach * error], 0, 1)
        rows.append((kind, nominal, observed, low, high, int(inside.sum())))
    return pd.DataFrame(rows, columns=["share", "nominal", "observed", "low", "high", "n"])


def _share(hit: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """Share of hits among the hours inside, and its standard error."""
    observed = hit[inside].mean()
    # Hours outside the regime add nothing, yet keep their place in time.
    moments = inside * (hit - observed)
    return float(observed), standard_error(moments, len(hit) / inside.sum())
