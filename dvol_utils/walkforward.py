"""Models x seeds on one set of samples -> the forecast table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from dvol_utils.models import Forecaster
from dvol_utils.models.linear import RidgeForecaster
from dvol_utils.models.lstm import LADDER
from dvol_utils.models.naive import Persistence, SeasonalNaive
from dvol_utils.params import StudyParams
from dvol_utils.training import NetworkForecaster
from dvol_utils.windows import Samples

FOLD = 0  # one fixed split


def make_forecaster(
    name: str, study: StudyParams, *, seed: int = 0, log: Callable[[str], None] = print
) -> Forecaster:
    """The forecaster of a name in `params.MODEL_NAMES`, not yet fitted."""
    if name in LADDER:
        folder = checkpoint_folder(study, name, seed)
        return NetworkForecaster(name, study, seed=seed, checkpoint=folder, log=log)
    simple: dict[str, Callable[[], Forecaster]] = {
        "persistence": Persistence,
        "seasonal_naive": SeasonalNaive,
        "har": lambda: RidgeForecaster(["har"]),
        "har_calendar": lambda: RidgeForecaster(["har", "calendar"]),
    }
    return simple[name]()


def checkpoint_folder(study: StudyParams, name: str, seed: int) -> Path:
    """Where a network's weights, configuration and history lie."""
    return study.run_dir / "checkpoints" / name / f"{FOLD}-{seed}"


def network_folders(study: StudyParams) -> list[Path]:
    """Checkpoint folders of the study's networks, in the order of its models and seeds."""
    return [
        checkpoint_folder(study, name, seed)
        for name in study.models
        if name in LADDER
        for seed in study.training.seeds
    ]


def forecast_table(
    samples: Samples, study: StudyParams, *, log: Callable[[str], None] = print
) -> pd.DataFrame:
    """Fit every model of the study and forecast the validation and test rows.

    Parameters
    ----------
    samples : Samples
    study : StudyParams
    log : callable
        Receives progress lines.

    Returns
    -------
    DataFrame
        One row a forecast: asset, origin, target_time, horizon_hours, model, seed, fold, split,
        y_true, y_pred, y_origin (index points), jump_regime, level_regime. All models on the same
        rows.
    """
    tables = []
    for name in study.models:
        for seed in study.training.seeds if name in LADDER else [0]:
            forecaster = make_forecaster(name, study, seed=seed, log=log)
            forecaster.fit(samples)
            forecast = forecaster.predict(samples)
            tables.append(_rows(samples, forecast, model=name, seed=seed))
    return pd.concat(tables, ignore_index=True)


def _rows(samples: Samples, forecast: np.ndarray, *, model: str, seed: int) -> pd.DataFrame:
    rows = np.concatenate([samples.rows("validation"), samples.rows("test")])
    target_time = samples.target_times(rows)
    return pd.DataFrame(
        {
            "asset": samples.asset,
            # Where hours were dropped, the row before the target stands for the hour before it.
            "origin": target_time - pd.Timedelta(hours=samples.horizon),
            "target_time": target_time,
            "horizon_hours": samples.horizon,
            "model": model,
            "seed": seed,
            "fold": FOLD,
            "split": samples.split[rows],
            "y_true": samples.outcome[rows],
            "y_pred": forecast[rows],
            "y_origin": samples.dvol[rows],
            "jump_regime": samples.jump_regime[rows],
            "level_regime": samples.level_regime[rows],
        }
    )
