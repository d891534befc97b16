"""The forecaster of a model's name, and where what it learnt is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from dvol_utils.models import Forecaster
from dvol_utils.models.linear import RidgeForecaster, ridge_decay
from dvol_utils.models.naive import Persistence, SeasonalNaive
from dvol_utils.models.trees import boosted_trees
from dvol_utils.study.files import link_or_copy
from dvol_utils.study.model_names import ENSEMBLE, NETWORK_NAMES
from dvol_utils.study.params import StudyParams
from dvol_utils.training.checkpoints.sealed import read_sealed

if TYPE_CHECKING:
    from dvol_utils.training import NetworkForecaster


def make_forecaster(
    name: str,
    study: StudyParams,
    *,
    seed: int = 0,
    fold: int | None = None,
    after: int | None = None,
) -> Forecaster:
    """The forecaster of a name in `model_names.MODEL_NAMES`, not yet fitted.

    Parameters
    ----------
    name : str
        `ensemble` is none: it combines the forecasts of others.
    study : StudyParams
    seed : int
        Of a network.
    fold : int, optional
        Number of the fold that a network is trained for, where models are fitted more than once.
    after : int, optional
        Number of the fold whose weights it goes on from, for at most `walk.warm_epochs`.
    """
    if name in NETWORK_NAMES:
        return _network(name, study, seed, fold, after)
    simple: dict[str, Callable[[], Forecaster]] = {
        "persistence": Persistence,
        "seasonal_naive": SeasonalNaive,
        "har": lambda: RidgeForecaster(["har"]),
        "har_calendar": lambda: RidgeForecaster(["har", "calendar"]),
        "ridge_decay": ridge_decay,
        "boosted_trees": boosted_trees,
    }
    return simple[name]()


def _network(
    name: str, study: StudyParams, seed: int, fold: int | None, after: int | None
) -> NetworkForecaster:
    # torch takes seconds to load, and only networks need it.
    from dvol_utils.models.networks import with_epochs
    from dvol_utils.training import NetworkForecaster

    place = {"fold": fold, "checkpoint": checkpoint_folder(study, name, seed, fold or 0)}
    if after is None:
        return NetworkForecaster(name, study, seed=seed, **place)
    assert study.walk.warm_epochs is not None
    warm = with_epochs(name, study, study.walk.warm_epochs)
    begins_with = saved_folder(study, name, seed, after)
    return NetworkForecaster(name, warm, seed=seed, begins_with=begins_with, **place)


def checkpoint_folder(study: StudyParams, name: str, seed: int, fold: int = 0) -> Path:
    """Where what a model has learnt lies, and of a network its history."""
    return study.run_dir / _place(study, name, seed, fold)


def saved_folder(study: StudyParams, name: str, seed: int, fold: int = 0) -> Path:
    """The same to read from: a trial that has fitted no such model itself takes the run's."""
    return study.artefact(_place(study, name, seed, fold))


def take_from_run(study: StudyParams, checkpoint: Path) -> None:
    """Give a trial without a checkpoint that of the study's run: it tells itself what it is of.

    Files are linked, which costs no room; whoever trains anew writes others in their place.
    """
    if study.trial is None or not checkpoint.is_relative_to(study.run_dir):
        return
    run = study.root / "runs" / study.name / checkpoint.relative_to(study.run_dir)
    if checkpoint.exists() or not (run / "config.json").is_file():
        return
    checkpoint.mkdir(parents=True)
    # The one that makes it a finished checkpoint comes last.
    for file in sorted(run.iterdir(), key=lambda file: file.name == "config.json"):
        if file.is_file():
            link_or_copy(file, checkpoint / file.name)


def saved_hash(folder: Path) -> str:
    """SHA-256 of what the model of a checkpoint folder has learnt, as its `config.json` says."""
    config = read_sealed(folder / "config.json")
    return str(config["weights_sha256" if "weights_sha256" in config else "state_sha256"])


def checkpoint_hashes(study: StudyParams, forecasts: pd.DataFrame) -> dict[str, str]:
    """SHA-256 of the weights that made some forecasts, by `<model>/<fold>-<seed>`."""
    made = forecasts.loc[forecasts["model"] != ENSEMBLE, ["model", "seed", "fold"]]
    folders = [
        saved_folder(study, row.model, int(row.seed), int(row.fold))
        for row in made.drop_duplicates().itertuples(index=False)
    ]
    return {f"{folder.parent.name}/{folder.name}": saved_hash(folder) for folder in folders}


def _place(study: StudyParams, name: str, seed: int, fold: int) -> str:
    return f"{study.checkpoints}/{name}/{fold}-{seed}"


def network_folders(
    study: StudyParams, failures: Iterable[str] = (), folds: Iterable[int] = (0,)
) -> list[Path]:
    """Checkpoint folders of the study's networks, in the order of its models, seeds and folds.

    `failures` are "model seed N" of those that could not be trained and are left out, `folds` the
    numbers of the folds to list.
    """
    numbers = [int(fold) for fold in folds]
    return [
        study.artefact(_place(study, name, seed, fold))
        for name in study.models
        if name in NETWORK_NAMES
        for seed in study.training.seeds
        if f"{name} seed {seed}" not in failures
        for fold in numbers
    ]


def trained_folders(
    study: StudyParams, forecasts: pd.DataFrame, *, newest: bool = False
) -> list[Path]:
    """Checkpoint folders of the networks that made some forecasts, in their order.

    Parameters
    ----------
    study : StudyParams
    forecasts : DataFrame
        Forecast table: a network that could not be trained has no rows in it, and one whose inputs
        ended none in later folds.
    newest : bool
        Those of each network's last fold alone.
    """
    made = forecasts[forecasts["model"].isin(NETWORK_NAMES)]
    if newest:
        made = made[made["fold"] == made.groupby("model")["fold"].transform("max")]
    keys = made[["model", "seed", "fold"]].drop_duplicates().itertuples(index=False)
    return [study.artefact(_place(study, name, seed, fold)) for name, seed, fold in keys]
