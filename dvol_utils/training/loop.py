"""The training loop of one network, in one process or in several that share each batch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import ReduceLROnPlateau

from dvol_utils.samples.samples import Samples
from dvol_utils.study.fitting_section import TrainingParams
from dvol_utils.study.params import StudyParams
from dvol_utils.study.threads import one_thread
from dvol_utils.training.devices import (
    Place,
    Values,
    here,
    keep_freed_memory,
    scaled_rate,
)
from dvol_utils.training.errors import TrainingError
from dvol_utils.training.forward import forward_pass, predict_rows
from dvol_utils.training.sequences import Sequences, build_sequences, sequence_starts

History = list[dict[str, float]]
State = dict[str, Any]


@one_thread()
def fit_network(
    network: nn.Module,
    samples: Samples,
    study: StudyParams,
    *,
    seed: int,
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
    resume_from: State | None = None,
    on_state: Callable[[Callable[[], State]], None] = lambda state: None,
) -> History:
    """Train until the validation loss stops falling; the best epoch's weights are left in place.

    Without `training.patience`, train all epochs and leave the last weights.

    Parameters
    ----------
    network : nn.Module
        `network(x, last=n)` maps (B, L, F) to (B, n).
    samples : Samples
        Learns from the train rows, stops by the validation rows; test rows are not read. Without
        `training.patience` it learns from all `fitting_rows` and does not stop.
    study : StudyParams
    seed : int
        Order of the sequences and dropout. Both depend on it and on the epoch's number alone, so
        that training that goes on from a state ends in the same bits.
    on_epoch : callable
        Called with each epoch's row of the history.
    resume_from : dict, optional
        State to go on from, as `on_state` was given it.
    on_state : callable
        Called at the end of each epoch with a function that returns the state: tensors and numbers
        alone, of which it may make a copy.

    Returns
    -------
    list of dict
        One row per epoch, with losses (weighted means over rows of the scaled target), validation
        skill and learning rate.

    Raises
    ------
    TrainingError
        A target is missing, or a loss is not finite: in every process alike, at the end of the
        epoch. No step is taken after such a loss, so the weights are still finite.

    Notes
    -----
    In a process group (torchrun) a step's batch is that of all processes together, each of which
    takes `training.batch_size` of it, and the gradient is that of the joint batch.
    """
    keep_freed_memory()
    params, place = study.training, here(study.training.devices)
    network.to(place.device)
    _check_targets(samples)
    course = _course(samples, study, place, seed)
    optimiser = torch.optim.Adam(
        network.parameters(),
        lr=scaled_rate(params, place.processes),
        weight_decay=params.weight_decay,
        # Only the fused optimiser heeds `found_inf`, by which a step is left out below.
        fused=True,
    )
    schedule = ReduceLROnPlateau(optimiser, factor=params.lr_factor, patience=params.lr_patience)
    state = _State(network, optimiser, schedule)
    if resume_from is not None:
        state.restore(resume_from)
    _same_epoch(len(state.history), place)
    devices = [place.device] if place.device.type == "cuda" else []
    # Gradients too would be computed in the arithmetic of somebody else's autocast block.
    plain = torch.autocast(place.device.type, enabled=False, cache_enabled=False)
    with torch.random.fork_rng(devices=devices), plain:
        while not state.finished(params):
            epoch = len(state.history) + 1
            # That the epoch learns with: the schedule may lower it before the row is written.
            rate = optimiser.param_groups[0]["lr"]
            # New in each epoch: the order in which it sums gradients comes from its first step, and
            # training that goes on after an epoch has to sum in the same order.
            shared = DistributedDataParallel(network) if place.processes > 1 else network
            train_loss = _train_epoch(shared, optimiser, course, epoch)
            _check_loss(train_loss, "loss", epoch, seed)
            validation = _validate(network, samples, course)
            _check_loss(validation["validation_loss"], "validation loss", epoch, seed)
            if params.patience is not None:
                schedule.step(validation["validation_loss"])
            row = {"epoch": epoch, "train_loss": train_loss, **validation, "learning_rate": rate}
            state.add(row, best_only=params.patience is not None)
            on_epoch(row)
            on_state(state.plain)
    network.load_state_dict(state.best_weights)
    return state.history


@dataclass(frozen=True)
class _Course:
    """What is the same in every epoch of a network's training."""

    data: Sequences
    rows: np.ndarray  # to learn from
    weight: Tensor  # (N,) of each row in the mean that a batch's loss is
    aged_weight: Tensor  # (N,) the same, less for old rows
    params: TrainingParams
    place: Place
    seed: int


def _course(samples: Samples, study: StudyParams, place: Place, seed: int) -> _Course:
    params, data = study.training, build_sequences(samples, study).to(place.device)
    rows = samples.fitting_rows() if params.patience is None else samples.rows("train")
    weight = data.spread(rows, samples.loss_weights(params.jump_weight)[rows])
    aged = weight * data.spread(rows, _recency(samples, rows))
    return _Course(data, rows, weight, aged, params, place, seed)


class _State:
    """All that a later epoch depends on, beside data, parameters and seed."""

    def __init__(
        self, network: nn.Module, optimiser: torch.optim.Optimizer, schedule: ReduceLROnPlateau
    ) -> None:
        self.parts = {"network": network, "optimiser": optimiser, "schedule": schedule}
        self.history: History = []
        # A copy: state_dict gives the weights themselves, which go on changing.
        self.best_weights = copy.deepcopy(network.state_dict())

    def add(self, row: dict[str, float], *, best_only: bool) -> None:
        """Take an epoch's row; keep the weights, or only if it is the best so far."""
        best = min((old["validation_loss"] for old in self.history), default=np.inf)
        self.history.append(row)
        if row["validation_loss"] < best or not best_only:
            self.best_weights = copy.deepcopy(self.parts["network"].state_dict())

    def finished(self, params: TrainingParams) -> bool:
        """Whether the epochs or the patience are over."""
        losses = [row["validation_loss"] for row in self.history]
        since_best = len(losses) - 1 - int(np.argmin(losses)) if losses else 0
        patience = params.epochs if params.patience is None else params.patience
        return len(losses) >= params.epochs or since_best >= patience

    def plain(self) -> State:
        """Tensors and numbers alone, so that reading them back executes nothing."""
        unsaved = {"history": self.history, "best_weights": self.best_weights}
        return unsaved | {name: part.state_dict() for name, part in self.parts.items()}

    def restore(self, kept: State) -> None:
        """Go back to a state that `plain` returned."""
        for name, part in self.parts.items():
            part.load_state_dict(kept[name])
        self.history, self.best_weights = kept["history"], kept["best_weights"]


def _same_epoch(epochs: int, place: Place) -> None:
    """Refuse processes that would go on from different epochs; they would wait for ever."""
    # float64, in which sums of squares of epochs are exact.
    moments = torch.tensor([epochs, epochs**2], dtype=torch.float64)
    total, squares = place.total(moments).tolist()
    if squares * place.processes != total**2:  # the variance over processes, so each sees the same
        raise TrainingError(
            f"process {place.rank} goes on after epoch {epochs}, others after another one: all "
            "machines have to see the same checkpoint folder"
        )


def _check_targets(samples: Samples) -> None:
    """Refuse a missing target, which would be learnt as no change."""
    for split in ("train", "validation"):
        rows = samples.rows(split)
        missing = rows[np.isnan(samples.target[rows])]
        if len(missing):
            raise TrainingError(
                f"the target of {len(missing)} {split} rows is missing, first at "
                f"{samples.times[missing[0]]}: they should not count as scored"
            )


def _check_loss(loss: float, what: str, epoch: int, seed: int) -> None:
    if not np.isfinite(loss):
        raise TrainingError(
            f"{what} is {loss} in epoch {epoch}, seed {seed}: try a lower "
            "training.learning_rate, or the network's own, or training.precision float32"
        )


def _train_epoch(
    network: nn.Module, optimiser: torch.optim.Optimizer, course: _Course, epoch: int
) -> float:
    """One pass in an order, and with a chunk grid, that depend on seed and epoch alone.

    Steps read nothing back, so that a GPU never waits for the next one: its sums are read at the
    end.
    """
    data, params, place = course.data, course.params, course.place
    # By seed and epoch alone: a training that goes on needs no state of random numbers.
    rng = np.random.default_rng([course.seed, epoch])
    # Processes have sequences of their own, and so masks of their own for dropout.
    torch.manual_seed(int(rng.integers(2**31)) + place.rank)
    starts = sequence_starts(course.rows, data.window, data.chunk, int(rng.integers(data.chunk)))
    starts = torch.from_numpy(rng.permutation(starts)).to(place.device)
    network.train()
    sums = torch.zeros(2, dtype=torch.float64, device=place.device)  # of losses and their weights
    step = params.batch_size * place.processes
    for first in range(0, len(starts), step):
        joint = starts[first : first + step]
        # Without regard to age: a batch of old rows counts less than one of new ones.
        joint_weight = course.weight[data.goals(joint)].sum()
        loss = _share_of_loss(network, course, joint) / joint_weight
        joint_loss = place.total(loss.detach().double())
        sums += torch.stack([joint_loss * joint_weight, joint_weight])
        # After a loss that is not finite the optimiser takes no step: as when gradients overflow.
        optimiser.found_inf = (~sums[0].isfinite()).float()
        optimiser.zero_grad(set_to_none=True)
        # The mean of gradients over processes is that of the joint batch.
        (loss * place.processes).backward()
        clip_grad_norm_(network.parameters(), params.gradient_clip)
        optimiser.step()
    total, weight_sum = sums.tolist()
    return total / weight_sum


def _share_of_loss(network: nn.Module, course: _Course, joint: Tensor) -> Tensor:
    """Weighted sum of losses over this process's part of a joint batch."""
    data, params = course.data, course.params
    rows = course.place.share(joint)
    idle = not len(rows)  # a last batch smaller than the number of processes
    # It takes part all the same: the others wait for its gradients, which count for nothing.
    starts = joint[:1] if idle else rows
    goals = data.goals(starts)
    # In float32, so that bf16 rounds products and not the loss.
    forecast = forward_pass(network, data.inputs(starts), data.chunk, params).float()
    losses = course.aged_weight[goals] * _loss(forecast, data.target[goals], params)
    return losses.sum() * (0.0 if idle else 1.0)


def _loss(forecast: Values, target: Values, params: TrainingParams) -> Values:
    """Loss of each forecast of the scaled target; near the target both kinds are its square."""
    if params.target_limit is not None:
        target = target.clip(-params.target_limit, params.target_limit)
    error = forecast - target
    if params.loss == "squared":
        return error**2
    size = abs(error)
    # Huber's loss, doubled, so that near the target it is the square.
    within = size.clip(max=1.0)
    return within * (2 * size - within)


def _recency(samples: Samples, rows: np.ndarray) -> np.ndarray:
    """Factors of the rows' weights by their age, with mean 1."""
    if samples.age_weight is None:
        return np.ones(len(rows))
    # On average 1, so that old rows do not lower the learning rate for all.
    return samples.age_weight[rows] / samples.age_weight[rows].mean()


def _validate(network: nn.Module, samples: Samples, course: _Course) -> dict[str, float]:
    params, rows = course.params, samples.rows("validation")
    forecast = predict_rows(network, course.data, rows, params, course.place)
    weight = samples.loss_weights(params.jump_weight)[rows]
    losses = _loss(forecast, samples.target[rows], params)
    outcome, origin = samples.outcome[rows], samples.dvol[rows]
    # In points, as the pages score it, while the loss is that of the scaled target.
    points = samples.to_points(forecast, rows)
    skill = 1 - np.sum((points - outcome) ** 2) / np.sum((origin - outcome) ** 2)
    loss = float(np.sum(weight * losses) / weight.sum())
    return {"validation_loss": loss, "validation_skill": float(skill)}
