"""Rows as tensors: which sequences hold them, and how these are cut without copies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.samples import Samples
from dvol_utils.study.params import StudyParams


def sequence_starts(rows: np.ndarray, window: int, chunk: int, offset: int = 0) -> np.ndarray:
    """First row of each sequence of `window - 1 + chunk` hours whose last `chunk` hold `rows`.

    Chunks lie on one grid from row 0, moved by `offset`, so no later row moves an earlier chunk.
    With `chunk` 1 each row has its own window, as in the published study.
    """
    blocks = np.unique((rows - offset) // chunk)
    return blocks * chunk + offset - (window - 1)


@dataclass(frozen=True)
class Sequences:
    """Inputs and targets as tensors of one length, with zero rows around them.

    Sequences are cut out by index where the tensors lie, never copied up front: x (N, F), target
    and weights (N,), which are 0 outside the rows to learn from. `pad` rows precede row 0 of the
    samples; `starts` count from there and lie on the tensors' device.
    """

    x: Tensor
    target: Tensor
    window: int
    chunk: int
    pad: int

    def to(self, device: torch.device) -> Sequences:
        """The same sequences on a device, to which all of their hours are copied at once."""
        return replace(self, x=self.x.to(device), target=self.target.to(device))

    def inputs(self, starts: Tensor) -> Tensor:
        """Inputs of the sequences that begin at `starts`: (B,) -> (B, L, F)."""
        return self.x[self._hours(starts, 0, self.window - 1 + self.chunk)]

    def goals(self, starts: Tensor) -> Tensor:
        """Where the targets of the sequences that begin at `starts` lie: (B,) -> (B, C)."""
        return self._hours(starts, self.window - 1, self.chunk)

    def _hours(self, starts: Tensor, first: int, count: int) -> Tensor:
        return starts[:, None] + torch.arange(count, device=starts.device) + (self.pad + first)

    def spread(self, rows: np.ndarray, values: np.ndarray | float) -> Tensor:
        """A tensor (N,) that holds `values` at the samples' rows and 0 elsewhere."""
        out = torch.zeros(len(self.target))
        out[rows + self.pad] = torch.as_tensor(values, dtype=torch.float32)
        return out.to(self.target.device)


def build_sequences(samples: Samples, study: StudyParams) -> Sequences:
    """Tensors of a study's inputs; missing values become 0, the weight of their rows is 0."""
    training = study.training
    chunk = training.chunk_hours if training.supervision == "dense" else 1
    pad = training.window_hours + 2 * chunk
    columns = feature_columns(study.features.groups)
    inputs = np.zeros((len(samples.times) + 2 * pad, len(columns)), np.float32)
    for place, name in enumerate(columns):
        values = samples.features[name].to_numpy()
        inputs[pad : pad + len(samples.times), place] = _zero_missing(values)
    return Sequences(
        x=torch.from_numpy(inputs),
        target=torch.from_numpy(np.pad(_zero_missing(samples.target).astype(np.float32), pad)),
        window=training.window_hours,
        chunk=chunk,
        pad=pad,
    )


def _zero_missing(values: np.ndarray) -> np.ndarray:
    """Missing values as 0; an infinite one stays, so that the loss shows it."""
    return np.where(np.isnan(values), values.dtype.type(0), values)
