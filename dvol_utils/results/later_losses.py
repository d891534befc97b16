"""What models are worth on hours that came after a study: one table for every reader of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.evaluation import score
from dvol_utils.evaluation.forecast_table import QUANTILES, ended_models
from dvol_utils.evaluation.quantile_scores import coverage
from dvol_utils.significance.losses import LOSS_COLUMNS, LOSSES, three_losses
from dvol_utils.significance.regimes import LEAST_HORIZONS
from dvol_utils.significance.resampling import Resampling
from dvol_utils.study.params import StudyParams

_HOURS = ("n", "first_origin", "last_origin")
_FACTS = ("rmse", "rmse_persistence", "direction", "covered_90")
LATER_COLUMNS = (*LOSS_COLUMNS, "p_holm", *_HOURS, *_FACTS)
_DAY = 24


def fewest_hours(study: StudyParams) -> int:
    """Fewer hours than so many carry no interval and no test."""
    return LEAST_HORIZONS * max(_DAY, study.target.horizon_hours)


def later_losses(forecasts: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """Gain of each model over persistence by three losses, and what else it is worth.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table of one asset, one row per origin and model (`average_seeds`), persistence
        among the models; quantiles may be missing.
    study : StudyParams
        Its `significance` says how intervals are drawn.

    Returns
    -------
    DataFrame
        Columns `LATER_COLUMNS`, one row per model other than persistence and loss: those of
        `three_losses`, without interval and test below `fewest_hours`; `n` (hours), first and last
        origin, `rmse` and `rmse_persistence` on these hours (index points), `direction` and
        `covered_90` (shares). Models stand on the same hours; one whose inputs ended on those up to
        there, and the others' hours are as many with it as without.

    Raises
    ------
    ValueError
        As `three_losses`.
    """
    ended = ended_models(forecasts)
    living = forecasts[~forecasts["model"].isin(ended)]
    tables = [_judged(living, study)]
    for model, last in ended.items():
        there = forecasts["model"].isin(["persistence", model]) & (forecasts["origin"] <= last)
        tables.append(_judged(forecasts[there], study))
    return pd.concat(tables, ignore_index=True)


def _judged(forecasts: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """`later_losses` of models on the same hours."""
    origins = forecasts["origin"]
    scores = score(forecasts).set_index("model")
    models = [name for name in pd.unique(forecasts["model"]) if name != "persistence"]
    if not models:
        return pd.DataFrame(columns=list(LATER_COLUMNS))
    if origins.nunique() >= fewest_hours(study):
        resampling = Resampling.of(study.significance)
        table = three_losses(forecasts, study.overlap_hours, resampling=resampling)
    else:
        named = [(model, loss) for model in models for loss in LOSSES]
        table = pd.DataFrame(named, columns=["model", "loss"])
        # The columns are there without values: readers need not ask whether there was a test.
        table = table.reindex(columns=[*LOSS_COLUMNS, "p_holm"])
    table = table.assign(
        n=origins.nunique(),
        first_origin=origins.min(),
        last_origin=origins.max(),
        rmse=table["model"].map(scores["rmse"]),
        rmse_persistence=scores.loc["persistence", "rmse"],
        direction=table["model"].map(scores["direction"]),
        covered_90=table["model"].map(_covered(forecasts)),
    )
    numbers = [name for name in LATER_COLUMNS if name not in ("model", "loss", *_HOURS)]
    # Columns without a value would be objects otherwise.
    return table[list(LATER_COLUMNS)].astype(dict.fromkeys(numbers, float))


def _covered(forecasts: pd.DataFrame) -> pd.Series:
    """Share of outcomes in the 90 % intervals, by model; missing where there are no quantiles."""
    if not set(QUANTILES) <= set(forecasts):
        return pd.Series(np.nan, forecasts["model"].unique())
    return coverage(forecasts).set_index("model")["covered_90"]
