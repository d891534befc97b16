"""Folds x models x seeds on one set of samples -> the forecast table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    take_from_run,
)
from dvol_utils.forecasting.inputs import absent_inputs
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
_ENDED_BEFORE = "one of its inputs ended before the first hour to forecast"


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
        One row per forecast: asset, origin, target_time, horizon_hours, model, seed, fold, split,
        y_true, y_pred, y_origin (index points), jump_regime, level_regime. All models on the same
        rows, but for one whose inputs ended: it has those up to there.
    failures : dict
        Why models have no rows, by "model seed N": a network diverged, a series that the model
        reads is not there, or it ended before the first row.

    Raises
    ------
    TrainingError
        Not one network could be trained, or one lacked room, memory or a device.
    """
    absent = absent_inputs(study, samples)
    names = [name for name in study.models if name not in absent]
    folds = study_folds(samples, study)
    single = [name for name in names if name != ENSEMBLE]
    tables, failed = walk_models(single, folds, samples, study, log=log, keep_simple=keep_simple)
    failures = {
        f"{name} seed {seed}": why for name, why in absent.items() for seed in _seeds(name, study)
    }
    if ENSEMBLE in names:
        tables.append(combine(pd.concat(tables), **study.ensemble.model_dump()))
    return pd.concat(tables, ignore_index=True), failures | failed


def walk_models(
    names: Sequence[str],
    folds: Sequence[Fold],
    samples: Samples,
    study: StudyParams,
    *,
    after: int | None = None,
    log: Callable[[str], None] = print,
    keep_simple: bool = True,
) -> tuple[list[pd.DataFrame], dict[str, str]]:
    """Fit some models, `ensemble` not among them, in some folds: one table per model and seed.

    `after` may be a fold that was fitted before, as in `fold_networks`; rows, failures and the
    other arguments are as in `forecast_table`.
    """
    samples_of = {name: own_samples(samples, name, study) for name in names}
    forecasts = _walk_networks(folds, samples_of, study, log, after)
    forecasts |= {
        (name, 0): _walk_simple(name, folds, samples_of[name], study, keep_simple)
        for name in samples_of
        if name not in NETWORK_NAMES
    }
    tables, failures = [], {}
    for name, part in samples_of.items():
        for seed in _seeds(name, study):
            forecast = forecasts[name, seed]
            if isinstance(forecast, Failure):
                failures[f"{name} seed {seed}"] = forecast.error
            else:
                tables.append(_table(name, seed, forecast, folds, part))
    return tables, failures


def own_samples(samples: Samples, name: str, study: StudyParams) -> Samples:
    """The samples as a model may be asked about them: up to the end of its inputs."""
    if not samples.ended:  # a network is not built to be asked what it reads
        return samples
    return samples.as_far_as(getattr(make_forecaster(name, study), "columns", ()))


def _seeds(name: str, study: StudyParams) -> list[int]:
    return study.training.seeds if name in NETWORK_NAMES else [0]


def fit_and_predict(forecaster: Forecaster, samples: Samples) -> np.ndarray:
    """Fit a forecaster and forecast every hour, shape (rows,), index points."""
    if isinstance(forecaster, NetworkForecaster):
        take_from_run(forecaster.study, forecaster.checkpoint)
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
    name: str,
    seed: int,
    folds: Sequence[Fold],
    samples: Samples,
    study: StudyParams,
    after: int | None = None,
) -> Iterator[tuple[NetworkForecaster, Samples]]:
    """The networks of some folds, not yet fitted, each with what it learns from.

    With `walk.warm_epochs` each goes on from the weights of the one before, the first from those of
    the fold `after` if there is one; they have to be fitted by then. Networks that train a fixed
    number of epochs begin anew.
    """
    after = after if _is_warm(name, study) else None
    for fold in folds:
        number = None if study.walk.is_fixed else fold.number
        forecaster = make_forecaster(name, study, seed=seed, fold=number, after=after)
        assert isinstance(forecaster, NetworkForecaster)
        yield forecaster, fold_samples(samples, fold, study.walk)
        after = number if _is_warm(name, study) else None


def walk_network(
    name: str,
    seed: int,
    folds: Sequence[Fold],
    samples: Samples,
    study: StudyParams,
    after: int | None = None,
) -> np.ndarray:
    """Fit the network of one fold after the other; forecasts of their `fold_rows`, index points.

    `after` is as in `fold_networks`.

    Raises
    ------
    TrainingError, CheckpointError
        As `NetworkForecaster.fit`; the message names the fold.
    """
    forecasts = []
    networks = fold_networks(name, seed, folds, samples, study, after)
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
) -> np.ndarray | Failure:
    """Forecasts of a model that is no network, of all folds' rows; may leave what was fitted."""
    folds = _with_rows(folds, samples)
    if not folds:
        return Failure(_ENDED_BEFORE, at_fault=True)
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
    folds: Sequence[Fold],
    samples_of: Mapping[str, Samples],
    study: StudyParams,
    log: Callable[[str], None],
    after: int | None = None,
) -> dict[tuple[str, int], np.ndarray | Failure]:
    """Forecasts of every network and seed, of all folds' rows."""
    names = [name for name in samples_of if name in NETWORK_NAMES]
    networks = [(name, seed) for name in names for seed in study.training.seeds]
    kept = {name: _with_rows(folds, samples_of[name]) for name in names}
    # Folds that do not need each other's weights are trained side by side.
    chains = {
        name: [kept[name]] if _is_warm(name, study) else [[fold] for fold in kept[name]]
        for name in names
        if kept[name]
    }
    largest = {name: _size(make_forecaster(name, study)) for name in names}
    work = [(network, chain) for network in networks for chain in chains.get(network[0], [])]
    tasks = [
        partial(walk_network, *key, chain, samples_of[key[0]], study, after) for key, chain in work
    ]
    sizes = [largest[name] * len(chain) for (name, _), chain in work]
    folders = network_folders(study, folds=[fold.number for fold in folds])
    trained = _side_by_side(tasks, sizes, folders, study, log)
    results = iter(trained)
    forecasts = {key: _joined([next(results) for _ in chains.get(key[0], [])]) for key in networks}
    failed = {key: result for key, result in forecasts.items() if isinstance(result, Failure)}
    for (name, seed), result in failed.items():
        if not result.at_fault:
            raise InterruptedTrainingError(
                f"{name} seed {seed}: {result.error}. What is trained is kept: run this again once "
                "that is mended, and what is missing is made good"
            )
    untrained = [result.error for result in failed.values() if result.error != _ENDED_BEFORE]
    if untrained and len(failed) == len(forecasts):
        raise TrainingError(f"no network could be trained; the first said: {untrained[0]}")
    return forecasts


def _is_warm(name: str, study: StudyParams) -> bool:
    """Whether a network goes on from the last fold's weights."""
    return study.walk.warm_epochs is not None and name in stopping_networks(study)


def _joined(chains: Sequence[np.ndarray | Failure]) -> np.ndarray | Failure:
    """Forecasts of a network's chains in one array, or its first failure."""
    if not chains:
        return Failure(_ENDED_BEFORE, at_fault=True)
    failed = [chain for chain in chains if isinstance(chain, Failure)]
    return failed[0] if failed else np.concatenate(chains)


def _with_rows(folds: Sequence[Fold], samples: Samples) -> list[Fold]:
    """The folds in which there is something to forecast."""
    return [fold for fold in folds if len(fold_rows(samples, fold))]


def _table(
    name: str, seed: int, forecast: np.ndarray, folds: Sequence[Fold], samples: Samples
) -> pd.DataFrame:
    """A model's rows of the forecast table, `forecast` being those of all folds' rows."""
    parts = [fold_rows(samples, fold) for fold in folds]
    numbers = np.repeat([fold.number for fold in folds], [len(part) for part in parts])
    rows = np.concatenate(parts)
    return forecast_rows(samples, rows, forecast, model=name, seed=seed, fold=numbers)


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
