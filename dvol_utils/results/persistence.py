"""The persistence that skill refers to: whose level it is, and how old at the target."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.data.panel import build_panel
from dvol_utils.evaluation.ended import ended_scores
from dvol_utils.evaluation.forecast_table import QUANTILES, evaluation_rows
from dvol_utils.study.params import StudyParams
from dvol_utils.study.tables import read_table


def study_rows(study: StudyParams) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Validation and test rows of a study's forecasts, against the study's persistence.

    Parameters
    ----------
    study : StudyParams
        A study whose forecasts have been made.

    Returns
    -------
    validation, test : DataFrame
        As `evaluation_rows`; where inputs reach beyond the hour that persistence knows
        (`late_hours`), as `against_level` of `persistence_hours`.

    Raises
    ------
    ArtefactError
        The forecasts are missing or were made with other parameters.
    ValueError
        As `evaluation_rows` and `against_level`.
    """
    rows = evaluation_rows(read_table(study, "forecasts"), study.data.assets[0])
    if study.late_hours is None:
        return rows
    levels = hourly_levels(study)
    validation, test = (against_level(part, levels, study.persistence_hours) for part in rows)
    return validation, test


def study_ended(study: StudyParams) -> pd.DataFrame:
    """`ended_scores` of a study's test rows: models whose inputs ended before the data did."""
    forecasts = read_table(study, "forecasts")
    is_test = (forecasts["asset"] == study.data.assets[0]) & (forecasts["split"] == "test")
    return ended_scores(forecasts[is_test])


def hourly_levels(study: StudyParams) -> pd.Series:
    """DVOL (points) at every hour of the raw store, index `time` (bar close, UTC), none dropped."""
    # Even where the study drops hours: persistence is of a clock's age, not of a row's.
    whole = {"incomplete_bars": "keep", "start": None}
    panel = build_panel(study.raw_dir, study.data.model_copy(update=whole))
    return panel.set_index("time")["dvol_close"]


def against_level(forecasts: pd.DataFrame, levels: pd.Series, hours: int) -> pd.DataFrame:
    """The same forecasts of the same targets, with persistence of another age.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table with `persistence` among the models.
    levels : Series
        DVOL by hour, as `hourly_levels` returns it.
    hours : int
        Age of the level at the target.

    Returns
    -------
    DataFrame
        The table with `origin` that many hours before the target, `y_origin` the level then, which
        `persistence` forecasts, and `horizon_hours` that age. Regimes stay those of the row.
        Quantiles of `persistence`, which were those of another forecast, are missing.

    Raises
    ------
    ValueError
        No level at the origin of a target.
    """
    origin = pd.DatetimeIndex(forecasts["target_time"]) - pd.Timedelta(hours=hours)
    level = levels.reindex(origin).to_numpy(float)
    lacking = np.flatnonzero(~np.isfinite(level))
    if len(lacking):
        raise ValueError(
            f"levels: found none at {origin[lacking[0]]}, {hours} hours before a target "
            f"({len(lacking)} such rows); should hold every hour"
        )
    kept = forecasts["model"] != "persistence"
    # Persistence of that age is the level itself.
    forecast = forecasts["y_pred"].where(kept, level)
    changed = {"origin": origin, "y_origin": level, "y_pred": forecast, "horizon_hours": hours}
    quantiles = {name: forecasts[name].where(kept) for name in QUANTILES if name in forecasts}
    return forecasts.assign(**changed, **quantiles)
