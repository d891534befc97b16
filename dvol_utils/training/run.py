"""One training run: the network into its checkpoint, from the state that was kept last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import torch

from dvol_utils.models.networks import network_size
from dvol_utils.samples.samples import Samples
from dvol_utils.study.files import remove_unfinished
from dvol_utils.training.checkpoints.code import network_code
from dvol_utils.training.checkpoints.networks import load_finished, save_finished, why_anew
from dvol_utils.training.checkpoints.resume import TrainState, remove_state
from dvol_utils.training.checkpoints.sealed import (
    CheckpointError,
    emptied,
    locked,
    writing,
)
from dvol_utils.training.devices import (
    ARITHMETICS,
    Arithmetic,
    Place,
    arithmetic,
    chosen_arithmetic,
    here,
)
from dvol_utils.training.loop import History, TrainingError, fit_network
from dvol_utils.training.network import TrainableNetwork
from dvol_utils.training.progress import ProgressWriter


def take_finished(trainable: TrainableNetwork, samples: Samples, processes: int | None) -> bool:
    """Load the finished checkpoint, if it is of these data, parameters, code and processes.

    `processes` is the number that trained it; None takes any. With `training.precision: auto`, one
    in either arithmetic is taken. Errors are those of `load_finished`.
    """
    folder, network = trainable.checkpoint, trainable.network
    of = partial(trainable.fingerprint, samples)
    training = trainable.study.training
    chosen = arithmetic(here(training.devices).device, training)
    taken = ARITHMETICS if training.precision == "auto" else (training.precision, chosen)
    if load_finished(folder, network, of, processes, taken) is None:
        return False
    remove_state(folder)  # of a process that was killed when it had just finished
    return True


def train_checkpoint(
    trainable: TrainableNetwork,
    samples: Samples,
    *,
    fresh: bool = False,
    echo: Callable[[str], None] = lambda line: None,
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
) -> History:
    """Train a network in this process, or its share of it in a process group.

    Parameters
    ----------
    trainable : TrainableNetwork
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
    study, folder = trainable.study, trainable.checkpoint
    place = here(study.training.devices)
    chosen = chosen_arithmetic(place.device, study.training)
    _check_alike(chosen, place)
    writes = place.rank == 0  # one process alone writes files
    with ExitStack() as held:
        with _all_or_none(place):  # all wait for the folder, where an earlier run may still write
            if writes:
                held.enter_context(locked(folder))
        with _all_or_none(place):
            of = trainable.fingerprint(samples, place.processes, chosen.name)
            state = TrainState(folder, of, keep_seconds=study.training.keep_seconds)
            resume_from = None if fresh else state.load()
            if resume_from is None:  # a broken attempt may have left this object other weights
                trainable.network = trainable.untrained()
        with _all_or_none(place):
            past = [] if resume_from is None else resume_from["history"]
            writer = held.enter_context(_begun(trainable, past, echo)) if writes else None
        history = fit_network(
            trainable.network,
            samples,
            study,
            seed=trainable.seed,
            resume_from=resume_from,
            **({} if writer is None else _reports(writer, state, on_epoch)),
        )
        with _all_or_none(place):
            if writes:
                facts = _facts(trainable, place.processes, chosen)
                save_finished(folder, trainable.network, of, history, facts)
                remove_state(folder)
    return history


@contextmanager
def _all_or_none(place: Place) -> Iterator[None]:
    """Where the block fails in one process, all of them stop, and none waits for ever."""
    error = None
    try:
        yield
    except CheckpointError as caught:
        error = caught
    # Each process waits here for all, so that none goes on alone.
    failed = int(place.total(torch.tensor(float(error is not None))).item())
    if error is not None:
        raise error
    if failed:
        raise TrainingError(f"{failed} of {place.processes} processes could not go on")


def _check_alike(chosen: Arithmetic, place: Place) -> None:
    """Refuse processes on unlike machines that would compute one network in two arithmetics."""
    low = float(chosen.name == "bfloat16")
    if place.total(torch.tensor(low)).item() not in (0, place.processes):
        raise TrainingError(
            f"process {place.rank} would compute in {chosen}, others in another arithmetic: set "
            "training.precision to float32 or bfloat16 for all of them"
        )


@contextmanager
def _begun(
    trainable: TrainableNetwork, past: History, echo: Callable[[str], None]
) -> Iterator[ProgressWriter]:
    """The folder ready for training that goes on after the epochs of `past`."""
    folder, training = trainable.checkpoint, trainable.study.training
    # Asked before the folder is emptied of what it tells this by.
    reason = why_anew(folder, trainable.name)
    with ExitStack() as held:
        with writing(folder, "training cannot begin"):
            if past:
                remove_unfinished(folder)
            else:
                emptied(folder)
            writer = ProgressWriter(folder, training, trainable.title, past=past, echo=echo)
            held.enter_context(writer)
        if reason is not None:
            writer.say(reason)
        yield writer


def _reports(
    writer: ProgressWriter, state: TrainState, on_epoch: Callable[[dict[str, float]], None]
) -> dict[str, Callable]:
    """What `fit_network` calls after each epoch, in the process that writes."""

    def tell(row: dict[str, float]) -> None:
        writer.add(row)
        on_epoch(row)

    state.say = writer.say
    return {"on_epoch": tell, "on_state": state.offer}


def _facts(trainable: TrainableNetwork, processes: int, chosen: Arithmetic) -> dict[str, object]:
    """What `config.json` says of a network, beside its training."""
    size = network_size(trainable.name, trainable.study.networks)
    named = {"model": trainable.name, **size, "inputs": trainable.columns}
    fold = {} if trainable.fold is None else {"fold": trainable.fold}
    how = {"arithmetic": chosen.name, "arithmetic_because": chosen.reason}
    code = {"code": network_code(trainable.name)}
    return named | fold | {"seed": trainable.seed, "processes": processes} | how | code
