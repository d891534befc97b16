"""Models x seeds on one set of samples -> the forecast table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path

import numpy as np
import pandas as pd

from dvol_utils.models import Forecaster
from dvol_utils.models.linear import RidgeForecaster
from dvol_utils.models.lstm import LADDER
from dvol_utils.models.naive import Persistence, SeasonalNaive
from dvol_utils.params import StudyParams
from dvol_utils.training import NetworkForecaster, TrainingError
from dvol_utils.training.devices import process_count
from dvol_utils.training.many import Failure, default_workers, run_tasks
from dvol_utils.training.progress import follow
from dvol_utils.windows import Samples

FOLD = 0  # one fixed split


def make_forecaster(name: str, study: StudyParams, *, seed: int = 0) -> Forecaster:
    """The forecaster of a name in `params.MODEL_NAMES`, not yet fitted."""
    if name in LADDER:
        folder = checkpoint_folder(study, name, seed)
        return NetworkForecaster(name, study, seed=seed, checkpoint=folder)
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


def network_folders(study: StudyParams, failures: Iterable[str] = ()) -> list[Path]:
    """Checkpoint folders of the study's networks, in the order of its models and seeds.

    `failures` are "model seed N" of those that could not be trained and are left out.
    """
    return [
        checkpoint_folder(study, name, seed)
        for name in study.models
        if name in LADDER
        for seed in study.training.seeds
        if f"{name} seed {seed}" not in failures
    ]


def forecast_table(
    samples: Samples, study: StudyParams, *, log: Callable[[str], None] = print
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Fit every model of the study and forecast the validation and test rows.

    Parameters
    ----------
    samples : Samples
    study : StudyParams
    log : callable
        Receives the networks' progress lines while they train.

    Returns
    -------
    table : DataFrame
        One row a forecast: asset, origin, target_time, horizon_hours, model, seed, fold, split,
        y_true, y_pred, y_origin (index points), jump_regime, level_regime. All models on the same
        rows.
    failures : dict
        Error messages of models that could not be trained, by "model seed N"; they have no rows.

    Raises
    ------
    TrainingError
        Not one network could be trained.
    """
    runs = [
        (name, seed)
        for name in study.models
        for seed in (study.training.seeds if name in LADDER else [0])
    ]
    forecasts = _forecasts(runs, samples, study, log)
    failures = {
        f"{name} seed {seed}": forecast.error
        for (name, seed), forecast in forecasts.items()
        if isinstance(forecast, Failure)
    }
    tables = [
        _rows(samples, forecast, model=name, seed=seed)
        for (name, seed), forecast in forecasts.items()
        if not isinstance(forecast, Failure)
    ]
    return pd.concat(tables, ignore_index=True), failures


def fit_and_predict(forecaster: Forecaster, samples: Samples) -> np.ndarray:
    """Fit a forecaster and forecast every hour, shape (rows,), index points."""
    forecaster.fit(samples)
    return forecaster.predict(samples)


def fit_networks(
    networks: Sequence[tuple[NetworkForecaster, Samples]],
    study: StudyParams,
    *,
    log: Callable[[str], None] = print,
) -> list[np.ndarray | Failure]:
    """`fit_and_predict` of independent networks, side by side, where the study says.

    The largest begin first, since they take longest; the results are in the order given.
    """
    order = sorted(range(len(networks)), key=lambda i: -_size(networks[i][0]))
    tasks = [partial(fit_and_predict, *networks[i]) for i in order]
    workers = max(1, default_workers() // process_count(study.training.devices))
    with follow([networks[i][0].checkpoint for i in order], log):
        results = run_tasks(tasks, cluster=study.training.cluster, workers=workers)
    return [result for _, result in sorted(zip(order, results, strict=True), key=itemgetter(0))]


def _forecasts(
    runs: list[tuple[str, int]], samples: Samples, study: StudyParams, log: Callable[[str], None]
) -> dict[tuple[str, int], np.ndarray | Failure]:
    """Forecast of every (model, seed), in their order."""
    forecasters = {run: make_forecaster(run[0], study, seed=run[1]) for run in runs}
    networks = [run for run in runs if run[0] in LADDER]
    trained = fit_networks([(forecasters[run], samples) for run in networks], study, log=log)
    found = dict(zip(networks, trained, strict=True))
    if networks and all(isinstance(result, Failure) for result in trained):
        raise TrainingError(f"no network could be trained; the first said: {trained[0].error}")
    return {
        run: found[run] if run in found else fit_and_predict(forecasters[run], samples)
        for run in runs
    }


def _size(forecaster: NetworkForecaster) -> int:
    return sum(value.numel() for value in forecaster.network.parameters())


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
