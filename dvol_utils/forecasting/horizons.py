"""The study at other horizons: its simple models, each fitted and judged at every one of them.

Networks are left out: a horizon would cost as much as the study itself.
"""

from __future__ import annotations

import pandas as pd

from dvol_utils.forecasting.walk import forecast_table
from dvol_utils.samples.samples import build_samples
from dvol_utils.study.effective import effective
from dvol_utils.study.loading import study_from
from dvol_utils.study.model_names import SIMPLE_NAMES
from dvol_utils.study.params import StudyParams


def horizon_study(study: StudyParams, hours: int) -> StudyParams:
    """The study at another horizon, with those of its models that are no networks.

    Embargo, target, lags that count back from it and all tests follow `target.horizon_hours`; a
    block of fixed length is made as long as the horizon, where it is shorter.
    """
    values = effective(study)
    values["target"]["horizon_hours"] = hours
    end = horizon_end(study, hours)
    values["split"]["test_end"] = None if end is None else str(end)
    values["models"] = [name for name in study.models if name in SIMPLE_NAMES]
    # Or the study at this horizon would itself ask for horizons.
    values["horizons"] = []
    block = study.significance.block_hours
    # Targets overlap for the horizon, so that a block cannot be shorter.
    values["significance"]["block_hours"] = block if block == "auto" else max(block, hours)
    return study_from(values, study.root)


def horizon_end(study: StudyParams, hours: int) -> pd.Timestamp | None:
    """The test's last origin at another horizon: the last target is the same at every one."""
    if study.split.test_end is None:
        return None
    return study.split.test_end + pd.Timedelta(hours=study.target.horizon_hours - hours)


def horizon_forecasts(panel: pd.DataFrame, jumps: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """Forecasts of the study's simple models at each of `study.horizons`.

    Parameters
    ----------
    panel, jumps : DataFrame
        Rows of one asset, hourly, in the same order.
    study : StudyParams

    Returns
    -------
    DataFrame
        Forecast table (`walk.forecast_table`) of all horizons, told apart by
        `horizon_hours`. At the study's own horizon it holds the rows that the study's forecasts
        have for these models.

    Raises
    ------
    ValueError
        The study names no horizon, or its lags count back from the row, so that it looks a day
        ahead whatever its horizon.
    """
    if not study.horizons:
        raise ValueError("horizons: found []; should hold at least one horizon in hours, e.g. [24]")
    if study.features.lags_from == "row":
        raise ValueError(
            f"horizons: found {study.horizons} with features.lags_from row; should be left out: "
            "such a study looks a day ahead whatever its horizon"
        )
    tables = []
    for hours in study.horizons:
        study_at = horizon_study(study, hours)
        # The study's checkpoints are those of its own horizon.
        table, _ = forecast_table(
            build_samples(panel, jumps, study_at), study_at, keep_simple=False
        )
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
