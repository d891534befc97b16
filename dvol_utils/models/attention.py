"""An attention network that selects among its inputs hour by hour, and says how it selected.

References
----------
Lim, B., Arik, S. O., Loeff, N., Pfister, T. (2021). Temporal fusion transformers for interpretable
multi-horizon time series forecasting. International Journal of Forecasting 37(4).
doi:10.1016/j.ijforecast.2021.03.012
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import glu, normalize

from dvol_utils.samples.features import GROUPS
from dvol_utils.samples.samples import Samples


class AttentionNetwork(nn.Module):
    """Variable selection, then attention over the last hours, then a head of one output.

    Parameters
    ----------
    input_size : int
        Features an hour.
    hidden_size : int
        Width of an hour's vector; a multiple of `heads`.
    heads : int
        Attention heads.
    dropout : float
        Of the selected inputs and before each gate, in [0, 1).
    window_hours : int
        Hours that an hour attends to, itself included.

    Raises
    ------
    ValueError
        `hidden_size` is no multiple of `heads`, or a size is below 1.

    Notes
    -----
    The parts are those of the temporal fusion transformer at the smallest size that still has them.
    Its recurrent encoder is left out: with attention alone over single hours, a forecast depends on
    its window and on nothing before, in sequences of any length.
    """

    def __init__(
        self, input_size: int, hidden_size: int, heads: int, dropout: float, window_hours: int
    ) -> None:
        super().__init__()
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "heads": heads}
        for name, size in {**sizes, "window_hours": window_hours}.items():
            if size < 1:
                raise ValueError(f"{name} {size} should be at least 1")
        if hidden_size % heads:
            raise ValueError(f"hidden_size {hidden_size} should be a multiple of heads {heads}")
        self.selection = VariableSelection(input_size, hidden_size, dropout)
        self.attention = WindowAttention(hidden_size, heads, window_hours)
        self.listen = Gate(hidden_size, dropout)
        # ELU, as in the gated residual network of the paper.
        self.enrich = nn.Sequential(
            _norm(hidden_size), nn.Linear(hidden_size, hidden_size), nn.ELU()
        )
        self.refine = Gate(hidden_size, dropout)
        self.head = nn.Linear(hidden_size, 1)

    def forward(self, x: Tensor, last: int = 1) -> Tensor:
        """Forecast at each of the last `last` hours: (B, L, F) -> (B, last).

        Each sees as many hours as the first of them, at most `window_hours`.
        """
        self._check(x, last)
        hours = self.selection(x)  # (B, L, F) -> (B, L, H)
        # Only the hours asked for listen; the others are heard.
        present = hours[:, -last:]
        # A branch is added to what it came from, so that a shut gate leaves the hour as it was.
        present = present + self.listen(self.attention(hours, last))  # (B, last, H)
        present = present + self.refine(self.enrich(present))
        return self.head(present).squeeze(-1)

    def _check(self, x: Tensor, last: int) -> None:
        inputs = self.selection.embedding.shape[0]
        if x.ndim != 3 or x.shape[-1] != inputs:
            raise ValueError(f"input has shape {tuple(x.shape)}; should be (B, L, {inputs})")
        if not 1 <= last <= x.shape[1]:
            raise ValueError(f"last {last} should be 1 to the sequences' {x.shape[1]} hours")


class VariableSelection(nn.Module):
    """One vector an hour: its inputs' embeddings, each counted by a weight of that hour.

    The weights are a softmax over the inputs of a small network that sees all of them, in the hour
    alone. Embeddings have unit length, so that an input cannot make up for a small weight by a
    long one, and weights of different inputs can be compared.
    """

    def __init__(self, input_size: int, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(input_size, hidden_size), nn.ELU(), nn.Linear(hidden_size, input_size)
        )
        for value in self.score[-1].parameters():  # all inputs count alike at first
            nn.init.zeros_(value)
        # Its length does not matter: `forward` brings each row to 1.
        self.embedding = nn.Parameter(torch.randn(input_size, hidden_size))
        self.offset = nn.Parameter(torch.zeros(hidden_size))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, F) -> (B, L, H)."""
        # Times the number of inputs, so that equal weights leave them at their own size.
        selected = x.shape[-1] * self.weights(x) * x
        return self.dropout(selected @ normalize(self.embedding, dim=1) + self.offset)

    def weights(self, x: Tensor) -> Tensor:
        """Weights of the inputs, positive and with sum 1 in each hour: (B, L, F) -> (B, L, F)."""
        return _softmax(self.score(x))


class WindowAttention(nn.Module):
    """Self-attention in which an hour sees itself and the hours before it, up to a window.

    What an hour hears depends on how long ago it was by a learnt number for each head and lag, so
    that it does not depend on where in a sequence the hour lies.
    """

    def __init__(self, hidden_size: int, heads: int, window_hours: int) -> None:
        super().__init__()
        self.heads, self.window_hours = heads, window_hours
        self.norm = _norm(hidden_size)
        self.query = nn.Linear(hidden_size, hidden_size, bias=False)
        self.key_value = nn.Linear(hidden_size, 2 * hidden_size, bias=False)
        # Zeros: at first it does not matter how long ago an hour was.
        self.by_lag = nn.Parameter(torch.zeros(heads, window_hours))

    def forward(self, hours: Tensor, last: int) -> Tensor:
        """What the last `last` hours hear: (B, L, H) -> (B, last, H)."""
        hours = self.norm(hours)
        query = self._split(self.query(hours[:, -last:]))  # (B, heads, last, H / heads)
        key, value = (self._split(part) for part in self.key_value(hours).chunk(2, dim=-1))
        score = query @ key.mT / math.sqrt(key.shape[-1]) + self._by_lag(hours.shape[1], last)
        # Under autocast values are bfloat16 while the softmax stays in float32.
        heard = _softmax(score).to(value.dtype) @ value  # (B, heads, last, H / heads)
        return heard.transpose(1, 2).flatten(2)

    def _by_lag(self, length: int, last: int) -> Tensor:
        """What is added to scores (heads, last, L): by lag, and minus infinity out of sight."""
        hour = torch.arange(length, device=self.by_lag.device)
        lag = hour[-last:, None] - hour
        # The first of the hours asked for sees fewest; all see as many, so that all are alike.
        window = min(self.window_hours, length - last + 1)
        # Lags out of sight need some index here; the next line takes them out.
        added = self.by_lag[:, lag.clamp(0, window - 1)]
        return added.masked_fill((lag < 0) | (lag >= window), -torch.inf)

    def _split(self, hours: Tensor) -> Tensor:
        return hours.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Gate(nn.Module):
    """A gated linear unit after dropout, by which a branch can be shut: (..., H) -> (..., H)."""

    def __init__(self, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden_size, 2 * hidden_size)

    def forward(self, branch: Tensor) -> Tensor:
        """What of a branch is let through."""
        return glu(self.linear(self.dropout(branch)), dim=-1)


def _softmax(scores: Tensor) -> Tensor:
    """Softmax over the last dimension, in float32, whatever the scores are in."""
    # Not softmax, whose gradient's last bits change with the number of threads: test_threads.py.
    return scores.log_softmax(dim=-1, dtype=torch.float32).exp()


def _norm(size: int) -> nn.LayerNorm:
    """To mean 0 and variance 1; a linear layer follows, so a gain and a shift would add nothing."""
    return nn.LayerNorm(size, elementwise_affine=False)


def selection_weights(network: AttentionNetwork, x: Tensor) -> Tensor:
    """Weights that a network gives its inputs in each hour: (B, L, F) -> (B, L, F), float32.

    Positive, with sum 1 over the inputs of an hour.
    """
    with torch.inference_mode():
        return network.selection.weights(x.to(network.head.weight.device)).float().cpu()


def selection_table(
    networks: Sequence[AttentionNetwork], samples: Samples, columns: list[str], rows: np.ndarray
) -> pd.DataFrame:
    """Mean weight of each input in some hours, over networks, by jump regime too.

    Parameters
    ----------
    networks : sequence of AttentionNetwork
        E.g. of several seeds; the mean is over them too.
    samples : Samples
    columns : list of str
        The networks' inputs, columns of `samples.features`, in their order.
    rows : array of int
        Positions of the hours, e.g. `samples.rows("validation")`; their inputs are complete.

    Returns
    -------
    DataFrame
        feature, group, weight (with sum 1 in each regime), jump_regime (all, normal, jump), hours.
        A regime without an hour is left out.

    Raises
    ------
    ValueError
        No network, no hour, or an hour with a missing input.

    Notes
    -----
    An hour's weights depend on its own inputs alone; a forecast reads those of its whole window.
    They say how much of an input is let in, not what it is worth: for that it has to be taken away.
    """
    if not len(networks) or not len(rows):
        raise ValueError(f"{len(networks)} networks and {len(rows)} hours: needs one of each")
    inputs = samples.features[columns].to_numpy(np.float32)[rows]
    incomplete = np.isnan(inputs).any(axis=1)
    if incomplete.any():
        first = samples.times[rows[incomplete][0]]
        raise ValueError(f"{incomplete.sum()} hours have a missing input, first {first}")
    # As sequences of one hour: an hour's weights depend on its own inputs alone.
    x = torch.from_numpy(inputs)[:, None]  # (N, 1, F)
    weights = torch.stack([selection_weights(network, x)[:, 0] for network in networks]).mean(0)
    regime = samples.jump_regime[rows]
    hours = {
        "all": np.full(len(rows), True),
        "normal": regime == "normal",
        "jump": regime == "jump",
    }
    tables = [
        _mean_weights(weights.numpy()[chosen], columns).assign(jump_regime=name, hours=chosen.sum())
        for name, chosen in hours.items()
        if chosen.any()
    ]
    return pd.concat(tables, ignore_index=True)


def _mean_weights(weights: np.ndarray, columns: list[str]) -> pd.DataFrame:
    # Summed in float64: float32 would lose digits over thousands of hours.
    mean = weights.mean(axis=0, dtype=float)  # (N, F) -> (F,)
    groups = [group_of(name) for name in columns]
    return pd.DataFrame({"feature": columns, "group": groups, "weight": mean})


def group_of(feature: str) -> str:
    """Feature group of a column."""
    return next(group for group, names in GROUPS.items() if feature in names)
