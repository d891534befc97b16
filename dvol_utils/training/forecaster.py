"""A network behind the forecaster interface, with its checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from dvol_utils.models.networks import build_network, network_kind, network_study
from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.samples import Samples
from dvol_utils.study.params import StudyParams
from dvol_utils.training.checkpoints.networks import (
    fingerprint,
    load_finished,
    load_weights,
    save_finished,
)
from dvol_utils.training.checkpoints.resume import TrainState, remove_state
from dvol_utils.training.checkpoints.sealed import (
    CheckpointError,
    emptied,
    locked,
    remove_unfinished,
    writing,
)
from dvol_utils.training.devices import (
    ARITHMETICS,
    Arithmetic,
    Place,
    arithmetic,
    chosen_arithmetic,
    here,
    process_count,
)
from dvol_utils.training.loop import History, TrainingError, fit_network, predict_rows
from dvol_utils.training.progress import ProgressWriter
from dvol_utils.training.sequences import build_sequences

T = TypeVar("T")


class NetworkForecaster:
    """A network behind the forecaster interface, with its checkpoint.

    Parameters
    ----------
    name : str
        One of `NETWORK_NAMES`.
    study : StudyParams
        A network with inputs or training of its own sees them in place of the study's.
    seed : int
        Initial weights, order of the sequences, dropout.
    checkpoint : Path
        Folder for weights, configuration, history and TensorBoard events. A finished checkpoint of
        the same data and parameters is loaded instead of trained again, an unfinished one goes on.
    fold : int, optional
        Named in messages and in the configuration, where the study has folds.
    begins_with : Path, optional
        Finished checkpoint of the same network whose weights it starts from.
    """

    def __init__(
        self,
        name: str,
        study: StudyParams,
        *,
        seed: int,
        checkpoint: Path,
        fold: int | None = None,
        begins_with: Path | None = None,
    ) -> None:
        self.name, self.seed, self.checkpoint = name, seed, checkpoint
        self.study = network_study(name, study)
        self.fold, self.begins_with = fold, begins_with
        self.columns = feature_columns(self.study.features.groups)
        self.network = build_network(name, len(self.columns), seed)

    @property
    def title(self) -> str:
        """What its lines begin with."""
        return f"{self.name} seed {self.seed}" + ("" if self.fold is None else f" fold {self.fold}")

    def untrained(self) -> nn.Module:
        """The network before its first epoch: with the seed's weights, or an earlier network's."""
        network = build_network(self.name, len(self.columns), self.seed)
        if self.begins_with is not None:
            load_weights(self.begins_with, network)
        return network

    def fingerprint(self, samples: Samples, processes: int, arithmetic: str) -> str:
        """Hash of all that its weights depend on."""
        return fingerprint(
            self.name,
            samples,
            self.study,
            self.seed,
            processes,
            arithmetic,
            begins_with=self.begins_with,
        )

    def fit(self, samples: Samples) -> None:
        """Train, go on with training, or load the finished checkpoint.

        With more than one process in `training.devices`, torchrun starts them. `auto` takes a
        finished checkpoint of any number of processes, a number only one of that number; so
        `training.precision` does with what it was computed in.

        Raises
        ------
        TrainingError
            A loss is not finite, or the processes failed for another reason.
        CheckpointError
            The checkpoint was changed since it was written, or cannot be written.
        """
        devices = self.study.training.devices
        processes = process_count(devices)
        if take_finished(self, samples, None if devices == "auto" else processes):
            return
        if processes > 1:
            from dvol_utils.training.processes.launch import train_with_torchrun

            train_with_torchrun(self, samples, quiet=True)
            take_finished(self, samples, processes)
        else:
            train_checkpoint(self, samples)

    def predict(self, samples: Samples) -> np.ndarray:
        """Forecast for every hour with complete inputs, shape (rows,), index points."""
        self.network.to(here(self.study.training.devices).device)
        data = build_sequences(samples, self.study)
        rows = np.flatnonzero(samples.complete)
        forecast = np.full(len(samples.dvol), np.nan)
        forecast[rows] = predict_rows(self.network, data, rows, self.study.training)
        return samples.to_points(forecast)


def take_finished(forecaster: NetworkForecaster, samples: Samples, processes: int | None) -> bool:
    """Load the finished checkpoint, if there is one of these data, parameters and processes.

    `processes` is the number that trained it; None takes any. With `training.precision: auto`, one
    in either arithmetic is taken. Errors are those of `load_finished`.
    """
    folder, network = forecaster.checkpoint, forecaster.network
    of = partial(forecaster.fingerprint, samples)
    training = forecaster.study.training
    chosen = arithmetic(here(training.devices).device, training)
    taken = ARITHMETICS if training.precision == "auto" else (training.precision, chosen)
    if load_finished(folder, network, of, processes, taken) is None:
        return False
    remove_state(folder)  # of a process that was killed when it had just finished
    return True


def train_checkpoint(
    forecaster: NetworkForecaster,
    samples: Samples,
    *,
    fresh: bool = False,
    echo: Callable[[str], None] = lambda line: None,
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
) -> History:
    """Train a forecaster's network in this process, or its share of it in a process group.

    Parameters
    ----------
    forecaster : NetworkForecaster
    samples : Samples
    fresh : bool
        Leave a state of an earlier, broken run aside, and begin with the first epoch.
    echo : callable
        Receives each line of `progress.log`.
    on_epoch : callable
        Called with each new epoch's row of the history.

    Returns
    -------
    list of dict
        The whole history, with the epochs before a crash.

    Raises
    ------
    TrainingError, CheckpointError
        As `NetworkForecaster.fit`; in a process group, every process raises one of the two.
    """
    study, folder = forecaster.study, forecaster.checkpoint
    place = here(study.training.devices)
    chosen = chosen_arithmetic(place.device, study.training)
    _check_alike(chosen, place)
    of = _in_all(place, lambda: forecaster.fingerprint(samples, place.processes, chosen.name))
    state = TrainState(folder, of, keep_seconds=study.training.keep_seconds)
    with ExitStack() as held:
        _in_first(place, lambda: held.enter_context(locked(folder)))
        kept = _in_all(place, lambda: None if fresh else state.load())
        if kept is None:  # after a broken attempt of this object its weights are not the first
            forecaster.network = forecaster.untrained()
        past = [] if kept is None else kept["history"]
        writer = _in_first(place, lambda: held.enter_context(_writer(forecaster, past, echo)))
        report: dict[str, Callable] = {}
        if writer is not None:
            state.say = writer.say
            report = {"on_epoch": _each(writer.add, on_epoch), "keep": state.offer}
        seed = forecaster.seed
        history = fit_network(forecaster.network, samples, study, seed=seed, kept=kept, **report)
        facts = _facts(forecaster, place)
        _in_first(place, lambda: save_finished(folder, forecaster.network, of, history, facts))
        _in_first(place, lambda: remove_state(folder))
    return history


def _check_alike(chosen: Arithmetic, place: Place) -> None:
    """Refuse processes on unlike machines that would compute one network in two arithmetics."""
    low = float(chosen.name == "bfloat16")
    if place.total(torch.tensor(low)).item() not in (0, place.processes):
        raise TrainingError(
            f"process {place.rank} would compute in {chosen}, others in another arithmetic: set "
            "training.precision to float32 or bfloat16 for all of them"
        )


def _in_first(place: Place, action: Callable[[], T]) -> T | None:
    """Do something in the process that writes the files; see `_in_all`."""
    return _in_all(place, action if place.rank == 0 else lambda: None)


def _in_all(place: Place, action: Callable[[], T]) -> T:
    """Do something in every process; where it fails in one, all stop, and none waits for ever."""
    result, error = None, None
    try:
        result = action()
    except CheckpointError as caught:
        error = caught
    failed = int(place.total(torch.tensor(float(error is not None))).item())
    if error is not None:
        raise error
    if failed:
        raise TrainingError(f"{failed} of {place.processes} processes could not go on")
    return result


@contextmanager
def _writer(
    forecaster: NetworkForecaster, past: History, echo: Callable[[str], None]
) -> Iterator[ProgressWriter]:
    """The folder ready for training that goes on after the epochs of `past`."""
    folder = forecaster.checkpoint
    with ExitStack() as stack:
        with writing(folder, "training cannot begin there"):
            if past:
                remove_unfinished(folder)
            else:
                emptied(folder)
            training, title = forecaster.study.training, forecaster.title
            writer = ProgressWriter(folder, training, title, past=past, echo=echo)
            stack.enter_context(writer)
        yield writer


def _each(*functions: Callable[[dict[str, float]], None]) -> Callable[[dict[str, float]], None]:
    def call(row: dict[str, float]) -> None:
        for function in functions:
            function(row)

    return call


def _facts(forecaster: NetworkForecaster, place: Place) -> dict[str, object]:
    """What `config.json` says of a network, beside its training."""
    size = network_kind(forecaster.name).size
    named = {"model": forecaster.name, **size, "inputs": forecaster.columns}
    fold = {} if forecaster.fold is None else {"fold": forecaster.fold}
    chosen = chosen_arithmetic(place.device, forecaster.study.training)
    how = {"arithmetic": chosen.name, "arithmetic_because": chosen.reason}
    return named | fold | {"seed": forecaster.seed, "processes": place.processes} | how
