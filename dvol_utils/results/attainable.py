"""What could be reached where the market's law is known, and the models' share of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from dvol_utils.data.simulated.oracle import oracle_forecasts
from dvol_utils.evaluation import METRICS
from dvol_utils.results.results_json import Estimate, OracleResult
from dvol_utils.significance.bootstrap import bootstrap_interval
from dvol_utils.significance.resampling import Resampling
from dvol_utils.study.model_names import ORACLE, label
from dvol_utils.study.params import StudyParams

LEAST_SKILL = 0.005  # where less can be expected, shares of it are shares of nearly nothing
_COLUMNS = ["origin", "mean", "mean_se", "variance", "variance_se"]


class Attainable(NamedTuple):
    """What could be reached on some test rows.

    Attributes
    ----------
    forecasts : DataFrame
        The oracle's rows, as those of a model in a forecast table.
    skill : float
        Its expected skill, given the market's state at the origins.
    skill_se : float
        Standard error of that, through the number of paths.
    mean_se : float
        Root mean square of the forecasts' standard errors, index points.
    shares : Series
        Share of the attainable by model; missing where `skill` is below `LEAST_SKILL`.
    """

    forecasts: pd.DataFrame
    skill: float
    skill_se: float
    mean_se: float
    shares: pd.Series


def oracle_table(study: StudyParams, test: pd.DataFrame) -> pd.DataFrame:
    """The oracle's forecasts at a study's test origins.

    Parameters
    ----------
    study : StudyParams
    test : DataFrame
        Test rows of `study_rows`.

    Returns
    -------
    DataFrame
        `origin` and the columns of `oracle_forecasts`, in order of time. Without rows where the law
        is not known: real data, or inputs that reach beyond the origin, whose forecasts know more
        than the past.
    """
    if not study.is_simulated or study.late_hours is not None:
        return pd.DataFrame({name: pd.Series(dtype="float64") for name in _COLUMNS})
    forecasts = oracle_forecasts(
        study.data.simulated,
        pd.DatetimeIndex(np.sort(test["origin"].unique())),
        horizon_hours=int(test["horizon_hours"].iloc[0]),
        asset=study.data.assets[0],
    )
    return forecasts.reset_index()[_COLUMNS]


def attainable(test: pd.DataFrame, oracle: pd.DataFrame) -> Attainable | None:
    """What could be reached on test rows, and what each model reaches of it.

    Parameters
    ----------
    test : DataFrame
        Test rows of `study_rows`.
    oracle : DataFrame
        `oracle_table` of these rows.

    Returns
    -------
    Attainable or None
        None where the law is not known.

    Notes
    -----
    With `o` the oracle's forecast, `V` the variance of the outcome given the past, and `f` any
    forecast made of the past, `E (y - f)² = V + (f - o)²`. So, over the origins, the skill that the
    oracle can expect is `Σ (o - y_t)² / Σ [V + (o - y_t)²]`, and a model's expected skill is to it
    as `1 - Σ (f - o)² / Σ (o - y_t)²` is to 1: its share. No outcome is in either, so neither moves
    with the luck of the test rows, as the ratio of two scored skills would.
    """
    if oracle.empty:
        return None
    oracle_at = oracle.set_index("origin")
    forecasts = test[test["model"] == "persistence"].assign(model=ORACLE)
    forecasts["y_pred"] = oracle_at.loc[forecasts["origin"], "mean"].to_numpy()
    gap = (test["y_pred"] - oracle_at.loc[test["origin"], "mean"].to_numpy()) ** 2
    gaps = gap.groupby(test["model"], sort=False).mean()
    step = gaps["persistence"]
    variance = oracle_at["variance"].mean()
    # Origins of one day share their paths, those of different days none.
    by_day = oracle_at["variance_se"].groupby(oracle_at.index.normalize()).sum()
    # Days are independent, so that their squares add up.
    variance_se = np.sqrt((by_day**2).sum()) / len(oracle_at)
    skill = step / (step + variance)
    shares = 1 - gaps / step
    return Attainable(
        forecasts=forecasts.reset_index(drop=True),
        skill=float(skill),
        # d skill / d variance = -skill / (step + variance).
        skill_se=float(skill * variance_se / (step + variance)),
        mean_se=float(np.sqrt((oracle_at["mean_se"] ** 2).mean())),
        shares=shares if skill >= LEAST_SKILL else shares * np.nan,
    )


def oracle_result(
    test: pd.DataFrame, oracle: pd.DataFrame, *, resampling: Resampling
) -> OracleResult | None:
    """The oracle in `results.json`: scores with the intervals of the models' own resamples.

    Parameters
    ----------
    test, oracle : DataFrame
        As `attainable`.
    resampling : Resampling
        That of the models.
    """
    attained = attainable(test, oracle)
    if attained is None:
        return None
    rows = pd.concat([test[test["model"] == "persistence"], attained.forecasts], ignore_index=True)
    intervals = bootstrap_interval(rows, METRICS, resampling=resampling)
    of_oracle = intervals[intervals["model"] == ORACLE].set_index("metric")
    return OracleResult(
        label=label(ORACLE),
        expected_skill=attained.skill,
        expected_skill_se=attained.skill_se,
        shares=attained.shares.to_dict(),
        **{metric: Estimate.of(of_oracle.loc[metric]) for metric in METRICS},
    )
