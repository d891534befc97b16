"""Folds x models x seeds on one set of samples -> the forecast table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from dvol_utils.forecasting.combination import combine
from dvol_utils.forecasting.forecast_rows import forecast_rows
from dvol_utils.forecasting.forecasters import (
    checkpoint_folder,
    make_forecaster,
    network_folders,
)
from dvol_utils.models import Forecaster, Restorable
from dvol_utils.models.networks import stopping_networks
from dvol_utils.samples.folds import Fold, fold_rows, fold_samples, study_folds
from dvol_utils.samples.samples import Samples
from dvol_utils.study.model_names import ENSEMBLE, NETWORK_NAMES
from dvol_utils.study.params import StudyParams
from dvol_utils.training import NetworkForecaster, TrainingError
from dvol_utils.training.checkpoints.simple_models import save_simple
from dvol_utils.training.devices import process_count
from dvol_utils.training.errors import InterruptedTrainingError
from dvol_utils.training.processes.many import Failure, default_workers, run_tasks
from dvol_utils.training.progress import follow

T = TypeVar("T")


def forecast_table(
    samples: Samples,
    study: StudyParams,
    *,
    log: Callable[[str], None] = print,
    keep_simple: bool = True,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Fit every model of the study in every fold and forecast the validation and test rows.

    Parameters
    ----------
    samples : Samples
    study : StudyParams
    log : callable
        Receives the networks' progress lines while they train.
    keep_simple : bool
        Whether models that are no networks leave what they learnt in the study's checkpoints.

    Returns
    -------
    table : DataFrame
        One row a forecast: asset, origin, target_time, horizon_hours, model, seed, fold, split,
        y_true, y_pred, y_origin (index points), jump_regime, level_regime. All models on the same
        rows.
    failures : dict
        Error messages of networks that diverged, by "model seed N"; they have no rows.

    Raises
    ------
    TrainingError
        Not one network could be trained, or one lacked room, memory or a device.
    """
    folds = study_folds(samples, study)
    forecasts = _walk_networks(folds, samples, study, log)
    forecasts |= {
        (name, 0): _walk_simple(name, folds, samples, study, keep_simple)
        for name in study.models
        if name not in (*NETWORK_NAMES, ENSEMBLE)
    }
    failures = {
        f"{name} seed {seed}": forecast.error
        for (name, seed), forecast in forecasts.items()
        if isinstance(forecast, Failure)
    }
    parts = [fold_rows(samples, fold) for fold in folds]
    rows = np.concatenate(parts)
    numbers = np.repeat([fold.number for fold in folds], [len(part) for part in parts])
    tables = [
        forecast_rows(samples, rows, forecasts[name, seed], model=name, seed=seed, fold=numbers)
        for name in study.models
        for seed in (study.training.seeds if name in NETWORK_NAMES else [0])
        if name != ENSEMBLE and f"{name} seed {seed}" not in failures
    ]
    if ENSEMBLE in study.models:
        tables.append(combine(pd.concat(tables), **study.ensemble.model_dump()))
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
    tasks = [partial(fit_and_predict, *network) for network in networks]
    sizes = [_size(forecaster) for forecaster, _ in networks]
    folders = [forecaster.checkpoint for forecaster, _ in networks]
    return _side_by_side(tasks, sizes, folders, study, log)


def fold_networks(
    name: str, seed: int, folds: Sequence[Fold], samples: Samples, study: StudyParams
) -> Iterator[tuple[NetworkForecaster, Samples]]:
    """The networks of some folds, not yet fitted, each with what it learns from.

    With `walk.warm_epochs` each but the first goes on from the weights of the one before, which
    has to be fitted by then; networks that train a fixed number of epochs begin anew.
    """
    after = None
    for fold in folds:
        number = None if study.walk.is_fixed else fold.number
        forecaster = make_forecaster(name, study, seed=seed, fold=number, after=after)
        assert isinstance(forecaster, NetworkForecaster)
        yield forecaster, fold_samples(samples, fold, study.walk)
        after = number if _is_warm(name, study) else None


def walk_network(
    name: str, seed: int, folds: Sequence[Fold], samples: Samples, study: StudyParams
) -> np.ndarray:
    """Fit the network of one fold after the other; forecasts of their `fold_rows`, index points.

    Raises
    ------
    TrainingError, CheckpointError
        As `NetworkForecaster.fit`; the message names the fold.
    """
    forecasts = []
    networks = fold_networks(name, seed, folds, samples, study)
    for fold, (forecaster, learnt) in zip(folds, networks, strict=True):
        try:
            forecasts.append(fold_forecast(forecaster, fold, samples, learnt))
        except TrainingError as error:
            if forecaster.fold is None:
                raise
            raise type(error)(f"fold {fold.number}: {error}") from error
    return np.concatenate(forecasts)


def fold_forecast(
    forecaster: Forecaster, fold: Fold, samples: Samples, learnt: Samples
) -> np.ndarray:
    """Fit a forecaster as of a fold's start; its forecasts at `fold_rows`, index points.

    `learnt` is `fold_samples` of `samples`, those of the study.
    """
    return fit_and_predict(forecaster, learnt)[fold_rows(samples, fold)]


def _walk_simple(
    name: str, folds: Sequence[Fold], samples: Samples, study: StudyParams, keep: bool
) -> np.ndarray:
    """Forecasts of a model that is no network, of all folds' rows; may leave what was fitted."""
    forecasts = []
    for fold in folds:
        forecaster = make_forecaster(name, study)
        learnt = fold_samples(samples, fold, study.walk)
        forecasts.append(fold_forecast(forecaster, fold, samples, learnt))
        if keep and isinstance(forecaster, Restorable):
            folder = checkpoint_folder(study, name, 0, fold.number)
            save_simple(folder, forecaster, study, model=name, fold=fold.number)
    return np.concatenate(forecasts)


def _walk_networks(
    folds: Sequence[Fold], samples: Samples, study: StudyParams, log: Callable[[str], None]
) -> dict[tuple[str, int], np.ndarray | Failure]:
    """Forecasts of every network and seed, of all folds' rows."""
    names = [name for name in study.models if name in NETWORK_NAMES]
    networks = [(name, seed) for name in names for seed in study.training.seeds]
    # Folds that do not need each other's weights are trained side by side.
    alone = [[fold] for fold in folds]
    chains = {name: [list(folds)] if _is_warm(name, study) else alone for name in names}
    largest = {name: _size(make_forecaster(name, study)) for name in names}
    work = [(network, chain) for network in networks for chain in chains[network[0]]]
    tasks = [partial(walk_network, *network, chain, samples, study) for network, chain in work]
    sizes = [largest[name] * len(chain) for (name, _), chain in work]
    folders = network_folders(study, folds=[fold.number for fold in folds])
    trained = _side_by_side(tasks, sizes, folders, study, log)
    results = iter(trained)
    found = {network: _joined([next(results) for _ in chains[network[0]]]) for network in networks}
    for (name, seed), result in found.items():
        if isinstance(result, Failure) and not result.own:
            raise InterruptedTrainingError(
                f"{name} seed {seed}: {result.error}. What is trained is kept: run this again once "
                "that is mended, and what is missing is made good"
            )
    if found and all(isinstance(result, Failure) for result in found.values()):
        first = next(iter(found.values()))
        raise TrainingError(f"no network could be trained; the first said: {first.error}")
    return found


def _is_warm(name: str, study: StudyParams) -> bool:
    """Whether a network goes on from the last fold's weights."""
    return study.walk.warm_epochs is not None and name in stopping_networks(study)


def _joined(chains: Sequence[np.ndarray | Failure]) -> np.ndarray | Failure:
    """Forecasts of a network's chains in one array, or its first failure."""
    failed = [chain for chain in chains if isinstance(chain, Failure)]
    return failed[0] if failed else np.concatenate(chains)


def _side_by_side(
    tasks: Sequence[Callable[[], T]],
    sizes: Sequence[int],
    folders: Sequence[Path],
    study: StudyParams,
    log: Callable[[str], None],
) -> list[T | Failure]:
    """Results of tasks, in their order; the largest begin first."""
    order = sorted(range(len(tasks)), key=lambda i: -sizes[i])
    workers = max(1, default_workers() // process_count(study.training.devices))
    with follow(folders, log):
        results = run_tasks(
            [tasks[i] for i in order], cluster=study.training.cluster, workers=workers
        )
    return [result for _, result in sorted(zip(order, results, strict=True), key=itemgetter(0))]


def _size(forecaster: NetworkForecaster) -> int:
    return sum(value.numel() for value in forecaster.network.parameters())
