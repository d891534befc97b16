"""Skill regime by regime: with an interval each, and tested within the regime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.evaluation.scores import score
from dvol_utils.significance.bootstrap import bootstrap_interval
from dvol_utils.significance.hac import long_run_variance, mean_test
from dvol_utils.significance.resampling import Resampling

# That a group of hours has to hold: with fewer, its variance is no more than a guess.
LEAST_HORIZONS = 10


def regime_skill(
    forecasts: pd.DataFrame,
    horizon: int,
    by: Sequence[str],
    *,
    resampling: Resampling,
) -> pd.DataFrame:
    """Skill of each model in each regime, against persistence.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row per origin and model (`average_seeds`),
        `persistence` among the models.
    horizon : int
        Hours from origin to target.
    by : sequence of str
        Columns whose values are regimes, such as `jump_regime`.
    resampling : Resampling
        The resamples are of all hours.

    Returns
    -------
    DataFrame
        `model, regime_type` (the column), `regime` (its value, text), `skill, low, high`,
        Diebold-Mariano p-values within the regime (`p_value` by the periodogram, `p_bartlett`),
        `p_holm` (`p_value` after Holm's correction over the model's regimes of one type) and `n`
        (rows). p-values are missing in a regime of fewer than ten horizons. Persistence has no
        rows.

    Raises
    ------
    ValueError
        As `bootstrap_interval`.

    Notes
    -----
    A regime's hours are scattered, so its mean difference in loss is a ratio of two means over all
    hours, (difference, in the regime) to (in the regime). With `m` that mean and `inside` 1 in the
    regime and 0 elsewhere, its variance is `T V / n^2`, `V` the long-run variance of
    `inside (d - m)` over all T hours and `n` the number inside. It is referred to Student's t as in
    `diebold_mariano`, whose small-sample factor (Bartlett weights) is taken with `n` hours; where
    the regime holds all hours the tests are the same.

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> draws = Resampling(block_hours=48, reps=200, seed=0)
    >>> found = regime_skill(example_forecasts(2000), 24, ["jump_regime"], resampling=draws)
    >>> found.loc[found["model"] == "good", ["regime", "skill", "p_value", "n"]].round(2)
       regime  skill  p_value     n
    2  normal   0.27     0.00  1592
    3    jump   0.20     0.01   408
    """
    losses = squared_errors(forecasts)
    tables = []
    for column in by:
        bounds = bootstrap_interval(forecasts, "skill", by=column, resampling=resampling)
        table = score(forecasts, ("model", column))[["model", column, "skill", "n"]]
        keys = ["model", column]
        table = table.merge(bounds[[*keys, "low", "high"]], on=keys, validate="one_to_one")
        table = table[table["model"] != "persistence"].reset_index(drop=True)
        # A regime belongs to the origin, the same for every model (`check_forecasts`).
        regime = forecasts.drop_duplicates("origin").set_index("origin")[column].loc[losses.index]
        table[["p_value", "p_bartlett"]] = _tests(losses, table, regime, horizon)
        table["p_holm"] = table.groupby("model", sort=False)["p_value"].transform(holm)
        # As text: numbers and names of several columns share one here.
        named = {"regime_type": column, "regime": table[column].astype("str")}
        tables.append(table.assign(**named))
    names = ["skill", "low", "high", "p_value", "p_bartlett", "p_holm", "n"]
    return pd.concat(tables, ignore_index=True)[["model", "regime_type", "regime", *names]]


def _tests(
    losses: pd.DataFrame, table: pd.DataFrame, regime: pd.Series, horizon: int
) -> np.ndarray:
    """p-values of each row of `table`, by periodogram and Bartlett weights, shape (rows, 2)."""
    tests = np.full((len(table), 2), np.nan)
    for place, (model, value) in enumerate(zip(table["model"], table[regime.name], strict=True)):
        difference = (losses[model] - losses["persistence"]).to_numpy()
        inside = (regime == value).to_numpy()
        if inside.sum() < LEAST_HORIZONS * horizon:
            continue
        tests[place] = _within(difference, inside, horizon)
    return tests


def _within(difference: np.ndarray, inside: np.ndarray, horizon: int) -> tuple[float, float]:
    """p-values of a mean difference of zero within the hours `inside`: periodogram, Bartlett."""
    n = int(inside.sum())
    mean = difference[inside].mean()
    if np.ptp(difference[inside]) == 0:
        # Twins of persistence, or losses a constant apart: nothing is left to chance.
        return (0.0, 0.0) if mean else (1.0, 1.0)
    # Hours outside count as zero, so that neighbours in the regime stay as far apart as they are.
    moments = inside * (difference - mean)
    # The mean is one over n hours, the moments' one over all: hence the scale.
    p_value = mean_test(moments, mean, scale=len(difference) / n)[1]
    variance = long_run_variance(moments[:, None], horizon - 1).item() * len(difference) / n**2
    small = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    return p_value, float(2 * stats.t.sf(abs(mean) * np.sqrt(small / variance), n - 1))


def holm(p_values: pd.Series) -> pd.Series:
    """Holm's correction of the p-values that are there; the others stay missing."""
    corrected = p_values.copy()
    there = p_values.notna()
    # statsmodels' own collects garbage each time, a fifth of a second beside torch:
    # findings/multipletests_collects_garbage.sh.
    values = p_values[there].to_numpy(dtype=float)
    order = np.argsort(values)
    factors = np.arange(len(values), 0, -1)
    raised = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    corrected[there] = raised[np.argsort(order)]
    return corrected
