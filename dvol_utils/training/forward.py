"""Forecasts of a network: one pass over sequences, and those of many rows without gradients."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from dvol_utils.study.fitting_section import TrainingParams
from dvol_utils.study.threads import one_thread
from dvol_utils.training.devices import Place, arithmetic
from dvol_utils.training.sequences import Sequences, sequence_starts

_HOURS_AT_ONCE = 24_576  # hours of input in one forward pass without gradients


@one_thread()
def predict_rows(
    network: nn.Module,
    data: Sequences,
    rows: np.ndarray,
    params: TrainingParams,
    place: Place | None = None,
) -> np.ndarray:
    """Forecasts of the scaled target at `rows`, each from its chunk on the fixed grid.

    Processes of a `place` each forecast some chunks and exchange them; all return all rows.
    """
    network.eval()
    device = next(network.parameters()).device
    place, data = place or Place(device), data.to(device)
    starts = place.share(sequence_starts(rows, data.window, data.chunk))
    starts = torch.from_numpy(starts).to(device)
    # Zeros, since processes add theirs up, and each row is forecast by one of them.
    out = torch.zeros_like(data.target)
    with torch.inference_mode():
        size = max(1, _HOURS_AT_ONCE // (data.window - 1 + data.chunk))
        for first in range(0, len(starts), size):
            begin = starts[first : first + size]
            forecast = forward_pass(network, data.inputs(begin), data.chunk, params)
            out[data.goals(begin)] = forecast.float()
    place.total(out)
    return out.cpu().numpy()[rows + data.pad].astype(float)


def forward_pass(network: nn.Module, x: Tensor, chunk: int, params: TrainingParams) -> Tensor:
    """Forecasts of each sequence's last `chunk` hours, (B, L, F) -> (B, chunk).

    Products are computed in the device's arithmetic, `float32` or `bfloat16`, in which the
    forecasts come.
    """
    low = arithmetic(x.device, params) == "bfloat16"
    kind = {"dtype": torch.bfloat16, "enabled": low}
    # Autocast keeps its copies of the weights until the outermost block ends, even one of somebody
    # else's around the training: without `cache_enabled=False` every step would see the first's.
    with torch.autocast(x.device.type, **kind, cache_enabled=False):
        return network(x, last=chunk)
