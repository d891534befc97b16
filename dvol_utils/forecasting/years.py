"""The years before the test: models refitted every quarter on what was known, to the test's end.

It is the study's own walk from an earlier start: the same folds, embargo, scalers and seeds.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from dvol_utils.forecasting.intervals import add_quantiles
from dvol_utils.forecasting.walk import forecast_table
from dvol_utils.samples.samples import build_samples
from dvol_utils.study.effective import effective
from dvol_utils.study.loading import study_from
from dvol_utils.study.model_names import names_of
from dvol_utils.study.params import ParameterError, StudyParams

# The published ladder and attention would cost as much again as the whole study.
_MODELS = names_of("linear", "trees", "lstm")


def years_study(study: StudyParams) -> StudyParams:
    """The study as it walks over the years: from `edge.start`, refitted every quarter.

    Its models are persistence, those that learn and are no networks, and `lstm_tuned`, as far as
    the study has them. Networks are kept in a folder of their own, `years`.

    Raises
    ------
    ParameterError
        The study has no `edge.start`, or no model that learns.
    """
    if study.edge.start is None:
        raise ParameterError("edge.start: found null; should be the first origin, e.g. 2022-07-01")
    models = [name for name in study.models if name in _MODELS]
    if not models:
        raise ParameterError(
            f"models: found {', '.join(study.models)}; should name one of {', '.join(_MODELS)} "
            "where edge.start is given"
        )
    values = effective(study)
    values["split"]["validation_start"] = str(study.edge.start)
    values["models"] = ["persistence", *models]
    values["walk"] |= {"validation": "quarterly", "test": "quarterly"}
    values["edge"], values["published_page"] = {}, False
    yearly = study_from(values, study.root)
    # In a folder apart: the study's networks have the same names, seeds and other folds.
    yearly._trial, yearly._checkpoints = study.trial, "years"
    return yearly


def year_forecasts(
    panel: pd.DataFrame,
    jumps: pd.DataFrame,
    study: StudyParams,
    *,
    log: Callable[[str], None] = print,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Forecasts of the study's first asset from `edge.start` to the end of the test.

    Parameters
    ----------
    panel, jumps : DataFrame
        Of all assets.
    study : StudyParams
    log : callable
        Receives the networks' progress lines while they train.

    Returns
    -------
    table : DataFrame
        `walk.forecast_table` with quantiles (`intervals.add_quantiles`). `split` is `validation`
        before `split.test_start` and `test` from there on; the embargo lies between them alone.
    failures : dict
        As `walk.forecast_table`.

    Raises
    ------
    ParameterError
        As `years_study`.
    ValueError
        As `build_samples`, or a quarter has nothing to learn from.
    """
    yearly = years_study(study)
    samples = build_samples(panel, jumps, yearly, asset=study.data.assets[0])
    table, failures = forecast_table(samples, yearly, log=log, keep_simple=False)
    return add_quantiles(table, samples, yearly.uncertainty), failures
