"""Training of one network: the loop, early stopping, and the forecaster around it."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import ReduceLROnPlateau

from dvol_utils.checkpoints import (
    CheckpointWriter,
    History,
    load_finished,
    progress_line,
    save_finished,
)
from dvol_utils.features import feature_columns
from dvol_utils.models.lstm import LADDER, build_network
from dvol_utils.params import StudyParams, TrainingParams, effective
from dvol_utils.windows import Samples, Sequences, build_sequences, sequence_starts

_HOURS_AT_ONCE = 24_576  # hours of input in one forward pass without gradients


class TrainingError(RuntimeError):
    """Training cannot go on; the message names the epoch, the seed and what to try."""


class NetworkForecaster:
    """A network of the ladder behind the forecaster interface, with its checkpoint.

    Parameters
    ----------
    name : str
        A key of `LADDER`.
    study : StudyParams
    seed : int
        Initial weights, order of the sequences, dropout.
    checkpoint : Path
        Folder for weights, configuration, history and TensorBoard events. A finished checkpoint of
        the same data and parameters is loaded instead of trained again.
    log : callable
        Receives one progress line every `training.log_every` epochs.
    """

    def __init__(
        self,
        name: str,
        study: StudyParams,
        *,
        seed: int,
        checkpoint: Path,
        log: Callable[[str], None] = print,
    ) -> None:
        self.name, self.study, self.seed = name, study, seed
        self.checkpoint, self.log = checkpoint, log
        self.columns = feature_columns(study.features.groups)
        self.network = build_network(name, len(self.columns), seed).to(pick_device())

    def fit(self, samples: Samples) -> None:
        """Train, or load the finished checkpoint of the same data and parameters."""
        fingerprint = _fingerprint(self.name, samples, self.study, self.seed)
        if (history := load_finished(self.checkpoint, self.network, fingerprint)) is None:
            with CheckpointWriter(self.checkpoint, self.study.training) as writer:
                history = fit_network(
                    self.network, samples, self.study, seed=self.seed, on_epoch=self._report(writer)
                )
            facts = {"model": self.name, **LADDER[self.name], "inputs": self.columns}
            facts["seed"] = self.seed
            save_finished(self.checkpoint, self.network, fingerprint, history, facts)
        else:
            for row in history:
                self._log_epoch(row)

    def predict(self, samples: Samples) -> np.ndarray:
        """Forecast for every hour with complete inputs, shape (rows,), index points."""
        data = build_sequences(samples, self.study)
        rows = np.flatnonzero(samples.complete)
        forecast = np.full(len(samples.dvol), np.nan)
        forecast[rows] = predict_rows(self.network, data, rows, self.study.training)
        return samples.to_points(forecast)

    def _report(self, writer: CheckpointWriter) -> Callable[[dict[str, float]], None]:
        def on_epoch(row: dict[str, float]) -> None:
            writer.add(row)
            self._log_epoch(row)

        return on_epoch

    def _log_epoch(self, row: dict[str, float]) -> None:
        if row["epoch"] % self.study.training.log_every == 0:
            self.log(f"{self.name} seed {self.seed}: {progress_line(row)}")


def pick_device() -> torch.device:
    """The first CUDA or ROCm device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fit_network(
    network: nn.Module,
    samples: Samples,
    study: StudyParams,
    *,
    seed: int,
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
) -> History:
    """Train until the validation loss stops falling; the best epoch's weights are left in place.

    Parameters
    ----------
    network : nn.Module
        `network(x, last=n)` maps (B, L, F) to (B, n).
    samples : Samples
        Learns from the train rows, stops by the validation rows; test rows are not read.
    study : StudyParams
    seed : int
        Order of the sequences and dropout.
    on_epoch : callable
        Called with each epoch's row of the history.

    Returns
    -------
    list of dict
        One row an epoch, columns `HISTORY`. Losses are weighted mean squares of the scaled target.

    Raises
    ------
    TrainingError
        A loss is not finite; raised before the step, so the weights are still finite.
    """
    params = study.training
    device = next(network.parameters()).device
    data = build_sequences(samples, study)
    rows = samples.rows("train")
    weight = data.spread(rows, samples.weight[rows])
    optimiser = torch.optim.Adam(
        network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay
    )
    schedule = ReduceLROnPlateau(optimiser, factor=params.lr_factor, patience=params.lr_patience)
    history: History = []
    best_loss, best_weights, best_epoch = np.inf, copy.deepcopy(network.state_dict()), 0
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for epoch in range(1, params.epochs + 1):
            rate = optimiser.param_groups[0]["lr"]
            train_loss = _train_epoch(network, optimiser, data, rows, weight, params, seed, epoch)
            validation = _validate(network, samples, data, params)
            schedule.step(validation["validation_loss"])
            row = {"epoch": epoch, "train_loss": train_loss, **validation, "learning_rate": rate}
            history.append(row)
            if row["validation_loss"] < best_loss:
                best_loss, best_epoch = row["validation_loss"], epoch
                best_weights = copy.deepcopy(network.state_dict())
            on_epoch(row)
            if epoch - best_epoch >= params.patience:
                break
    network.load_state_dict(best_weights)
    return history


def _train_epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    data: Sequences,
    rows: np.ndarray,
    weight: Tensor,
    params: TrainingParams,
    seed: int,
    epoch: int,
) -> float:
    """One pass in an order, and with a chunk grid, that depend on seed and epoch alone."""
    rng = np.random.default_rng([seed, epoch])
    torch.manual_seed(int(rng.integers(2**31)))
    starts = sequence_starts(rows, data.window, data.chunk, int(rng.integers(data.chunk)))
    starts = rng.permutation(starts)
    device = next(network.parameters()).device
    network.train()
    total = weight_sum = 0.0
    for first in range(0, len(starts), params.batch_size):
        x, y, w = data.cut(starts[first : first + params.batch_size], weight)
        x, y, w = x.to(device), y.to(device), w.to(device)
        loss = _weighted_mse(_forward(network, x, data.chunk, params), y, w)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"loss is {loss.item()} in epoch {epoch}, seed {seed}: try a lower "
                "training.learning_rate or training.precision float32"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        clip_grad_norm_(network.parameters(), params.gradient_clip)
        optimiser.step()
        batch_weight = w.sum().item()
        total += loss.item() * batch_weight
        weight_sum += batch_weight
    return total / weight_sum


def _validate(
    network: nn.Module, samples: Samples, data: Sequences, params: TrainingParams
) -> dict[str, float]:
    rows = samples.rows("validation")
    forecast = predict_rows(network, data, rows, params)
    weight = samples.weight[rows]
    error = forecast - samples.target[rows]
    outcome, origin = samples.outcome[rows], samples.dvol[rows]
    points = samples.to_points(forecast, rows)
    skill = 1 - np.sum((points - outcome) ** 2) / np.sum((origin - outcome) ** 2)
    loss = float(np.sum(weight * error**2) / weight.sum())
    return {"validation_loss": loss, "validation_skill": float(skill)}


def predict_rows(
    network: nn.Module, data: Sequences, rows: np.ndarray, params: TrainingParams
) -> np.ndarray:
    """Forecasts of the scaled target at `rows`, each from its chunk on the fixed grid."""
    network.eval()
    device = next(network.parameters()).device
    starts = sequence_starts(rows, data.window, data.chunk)
    out = torch.zeros(len(data.target))
    with torch.inference_mode():
        size = max(1, _HOURS_AT_ONCE // (data.window - 1 + data.chunk))
        for first in range(0, len(starts), size):
            begin = starts[first : first + size]
            x, _, _ = data.cut(begin, data.target)
            forecast = _forward(network, x.to(device), data.chunk, params).float().cpu()
            goals = torch.from_numpy(begin + data.pad + data.window - 1)[:, None]
            out[goals + torch.arange(data.chunk)] = forecast
    return out[torch.from_numpy(rows + data.pad)].numpy().astype(float)


def _forward(network: nn.Module, x: Tensor, chunk: int, params: TrainingParams) -> Tensor:
    low = params.precision == "bfloat16"
    with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=low):
        return network(x, last=chunk)


def _weighted_mse(forecast: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean of squares in float32, so that bf16 rounds products and not the loss."""
    return (weight * (forecast.float() - target) ** 2).sum() / weight.sum()


def _fingerprint(name: str, samples: Samples, study: StudyParams, seed: int) -> str:
    """Hash of everything that the trained weights depend on."""
    digest = hashlib.sha256()
    settings = effective(study, ("features", "target", "training"))
    settings["training"].pop("seeds")
    digest.update(json.dumps([name, seed, LADDER[name], settings]).encode())
    columns = feature_columns(study.features.groups)
    for split in ("train", "validation"):
        rows = samples.rows(split)
        for values in (rows, samples.target[rows], samples.weight[rows]):
            digest.update(np.ascontiguousarray(values).tobytes())
    last = rows.max() + 1
    digest.update(samples.features[columns].to_numpy()[:last].tobytes())
    return digest.hexdigest()
