"""A model that the package does not know, walked through a finished study's folds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from dvol_utils.forecasting.forecast_rows import forecast_rows
from dvol_utils.forecasting.walk import fit_and_predict
from dvol_utils.models import Forecaster
from dvol_utils.samples.folds import fold_rows, fold_samples, study_folds
from dvol_utils.samples.samples import Samples
from dvol_utils.study.model_names import MODEL_NAMES
from dvol_utils.study.params import StudyParams


def own_forecasts(
    make: Callable[[], Forecaster], samples: Samples, study: StudyParams, *, name: str
) -> pd.DataFrame:
    """Forecasts of a model of your own on the validation and test rows, as the study's models are.

    Parameters
    ----------
    make : callable
        Returns a new model, not yet fitted; its class will do. Called once per fold. An attribute
        `columns` names the inputs that it reads, so that it is not asked beyond their end.
    samples : Samples
        `build_samples` of the study's panel and jumps.
    study : StudyParams
        Its `walk` says when the model is fitted again.
    name : str
        What the rows are called; none of the study's models.

    Returns
    -------
    DataFrame
        Rows of the forecast table (`forecast_rows`), one per origin.

    Raises
    ------
    ValueError
        The name is taken, there is no row to forecast, or a forecast is not one finite number an
        hour.
    """
    if name in MODEL_NAMES:
        raise ValueError(f"name: found {name!r}, a model of this package; should be a new name")
    # As with the study's models, an input that ends costs the rows behind it, not the model.
    reached = samples.as_far_as(getattr(make(), "columns", ()))
    tables = []
    for fold in study_folds(samples, study):
        rows = fold_rows(reached, fold)
        if len(rows):
            every = fit_and_predict(make(), fold_samples(reached, fold, study.walk))
            forecast = _checked(every, rows, reached, name)
            tables.append(forecast_rows(reached, rows, forecast, model=name, fold=fold.number))
    if not tables:
        raise ValueError(f"{name}: one of its inputs ended before the first hour to forecast")
    return pd.concat(tables, ignore_index=True)


def _checked(every: np.ndarray, rows: np.ndarray, samples: Samples, name: str) -> np.ndarray:
    """The forecasts at `rows`, if they can be compared with others."""
    found = np.shape(every)
    if found != samples.times.shape:
        raise ValueError(
            f"{name}: predict returned shape {found}; should be {samples.times.shape}, one per hour"
        )
    forecast = np.asarray(every, dtype=float)[rows]
    bad = np.flatnonzero(~np.isfinite(forecast))
    if len(bad):
        raise ValueError(
            f"{name}: predict returned {forecast[bad[0]]} at {samples.times[rows[bad[0]]]} "
            f"({len(bad)} such hours); should be a finite number of index points"
        )
    return forecast
