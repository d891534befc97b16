"""The headline of a study computed again from its forecasts, to be set beside what is stated."""

from __future__ import annotations

import pandas as pd

from dvol_utils import significance
from dvol_utils.evaluation import METRICS, score
from dvol_utils.pages.claims import claims
from dvol_utils.pages.first_page import study_answer
from dvol_utils.pages.regimes import ended_answer
from dvol_utils.results.attainable import oracle_result
from dvol_utils.results.chosen_model import choose
from dvol_utils.results.judging import LEVEL
from dvol_utils.results.persistence import study_ended, study_rows
from dvol_utils.results.results_json import Results, study_results
from dvol_utils.results.significance_table import comparisons, nested_pairs, significance_table
from dvol_utils.study.params import StudyParams
from dvol_utils.study.tables import read_table


def recomputed_results(study: StudyParams) -> Results:
    """`results.json` as notebook 05 would write it now, from the study's forecasts.

    Parameters
    ----------
    study : StudyParams
        With the parameters of the run.

    Raises
    ------
    ArtefactError
        Forecasts or panel are missing, were changed, or are of other parameters.
    """
    validation, test = study_rows(study)
    scores = score(validation)
    facts = {
        "coverage": study.significance.coverage,
        "simulated": study.is_simulated,
        "late_hours": study.late_hours,
    }
    resampling = significance.Resampling.of(study.significance).fitted(test)
    table = _all_tests(test, study, resampling)
    oracle = oracle_result(test, read_table(study, "oracle"), resampling=resampling)
    answer = study_answer(table, scores, test, oracle=oracle, **facts)
    answer += ended_answer(study_ended(study), read_table(study, "panel"), study)
    return study_results(
        study,
        test,
        table,
        claims=claims(table, scores, **facts),
        answer=answer,
        chosen=choose(scores),
        oracle=oracle,
    )


def _all_tests(
    test: pd.DataFrame, study: StudyParams, resampling: significance.Resampling
) -> pd.DataFrame:
    """`significance_table` of the test rows."""
    horizon, models = study.overlap_hours, test["model"].unique()
    again = {"resampling": resampling}
    pairs = comparisons(models)
    return significance_table(
        intervals=significance.bootstrap_interval(test, METRICS, **again),
        regimes=significance.bootstrap_interval(test, METRICS, by="jump_regime", **again),
        regime_gaps=significance.regime_difference(test, METRICS, **again),
        differences=significance.bootstrap_difference(test, METRICS, pairs, **again),
        pairs=significance.diebold_mariano_pairs(test, horizon),
        confidence_set=significance.model_confidence_set(
            test, size=study.significance.mcs_size, **again
        ),
        direction=significance.direction_test(test, horizon),
        conditional=significance.giacomini_white_pairs(test, pairs, horizon),
        nested=significance.clark_west_pairs(test, nested_pairs(models), horizon),
        unbiased=significance.unbiasedness_test(test, horizon),
        superior=significance.superior_ability(test, level=LEVEL, **again),
        losses=significance.three_losses(test, horizon, **again),
        quantiles=significance.crps_against_persistence(test, horizon, **again),
    )
