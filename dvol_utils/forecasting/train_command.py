"""One network of a study from its name: what `dvol train` does."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated.market import write_store
from dvol_utils.forecasting.plan import check_folds
from dvol_utils.forecasting.walk import fold_networks
from dvol_utils.jumps import jumps_by_rule
from dvol_utils.samples.folds import study_folds
from dvol_utils.samples.samples import Samples, build_samples
from dvol_utils.study.files import ArtefactError
from dvol_utils.study.model_names import NETWORK_NAMES
from dvol_utils.study.params import ParameterError, StudyParams
from dvol_utils.study.tables import read_table
from dvol_utils.training.checkpoints.networks import read_config
from dvol_utils.training.devices import chosen_arithmetic, pick_device, process_count
from dvol_utils.training.network import TrainableNetwork
from dvol_utils.training.processes.launch import train_with_torchrun
from dvol_utils.training.progress import epoch_bar
from dvol_utils.training.run import take_finished, train_checkpoint


def train_network(
    study: StudyParams,
    model: str,
    *,
    seed: int,
    fresh: bool = False,
    nnodes: int = 1,
    rendezvous: str | None = None,
) -> dict[str, Any]:
    """Train one network of a study into its checkpoint folder; lines and a bar on the terminal.

    Where the study has folds, the network of every fold, one after the other.

    Parameters
    ----------
    study : StudyParams
    model : str
        One of `NETWORK_NAMES`.
    seed : int
    fresh : bool
        Begin anew, even where there is a finished checkpoint or a state to go on from.
    nnodes, rendezvous
        As `train_with_torchrun` takes them.

    Returns
    -------
    dict
        The (last) checkpoint's `config.json`, and its `folder`.
    """
    if model not in NETWORK_NAMES:
        names = ", ".join(NETWORK_NAMES)
        raise ParameterError(f"model {model!r}: no network; should be one of {names}")
    try:
        samples = build_samples(*_tables(study), study, asset=study.data.assets[0])
        check_folds(samples, study)
    except ValueError as error:
        raise ParameterError(f"study {study.name}: {error}") from error
    print(f"train: {model} seed {seed} on {training_device(study)}", flush=True)
    for forecaster, learnt in fold_networks(
        model, seed, study_folds(samples, study), samples, study
    ):
        _train(forecaster, learnt, fresh, nnodes, rendezvous)
    return {**read_config(forecaster.checkpoint), "folder": forecaster.checkpoint}


def training_device(study: StudyParams) -> str:
    """Where a study's networks learn on this machine, in which arithmetic, and why."""
    device = pick_device(study.training.devices)
    return f"{device.type}: {chosen_arithmetic(device, study.training)}"


def _train(
    trainable: TrainableNetwork,
    samples: Samples,
    fresh: bool,
    nnodes: int,
    rendezvous: str | None,
) -> None:
    training = trainable.study.training
    processes = process_count(training.devices) * nnodes
    # With auto a network that any number of processes has trained will do.
    accepted = None if training.devices == "auto" and nnodes == 1 else processes
    if not fresh and take_finished(trainable, samples, accepted):
        return
    if processes > 1:
        train_with_torchrun(trainable, samples, fresh=fresh, nnodes=nnodes, rendezvous=rendezvous)
    else:
        with epoch_bar(training) as bar:
            train_checkpoint(trainable, samples, fresh=fresh, **bar)


def _tables(study: StudyParams) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Panel and jumps of the study's run, or made here where it has none of these parameters."""
    try:
        return read_table(study, "panel"), read_table(study, "jumps")
    except ArtefactError:
        if study.is_simulated:
            write_store(study.raw_dir, study.data)
        panel = build_panel(study.raw_dir, study.data)
        return panel, jumps_by_rule(panel, study.jumps)
