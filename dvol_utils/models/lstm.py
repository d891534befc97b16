"""The published LSTM in its three sizes."""

from __future__ import annotations

from typing import TypedDict

from torch import Tensor, nn


class Size(TypedDict):
    """Arguments of `DVOLLSTM` beside the number of inputs."""

    hidden_size: int
    num_layers: int
    dropout: float


# Hidden units, layers and dropout of the published study's three models.
LADDER: dict[str, Size] = {
    "lstm_baseline": {"hidden_size": 128, "num_layers": 2, "dropout": 0.3},
    "lstm_large": {"hidden_size": 256, "num_layers": 3, "dropout": 0.4},
    "lstm_ultra": {"hidden_size": 512, "num_layers": 3, "dropout": 0.4},
}


class DVOLLSTM(nn.Module):
    """LSTM layers, then a head of two linear layers on the hidden state.

    Parameters
    ----------
    input_size : int
        Features an hour; 11 in the published study.
    hidden_size, num_layers : int
        Units of each LSTM layer and number of layers.
    dropout : float
        Between LSTM layers, before the head and inside it, in [0, 1).

    Notes
    -----
    At 11 inputs the three published sizes have 212,609, 1,361,153 and 5,409,281 parameters. The
    layers are single `nn.LSTM` modules with dropout between them: the same network as one stacked
    `nn.LSTM`, but its dropout masks come from torch's seeded generator alone.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(nn.LSTM(size, hidden_size, batch_first=True) for size in sizes)
        # One for all places: dropout has no weights, and each call draws a mask of its own.
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Sequential(
            # Half the width, as published; test_models.py holds the numbers of parameters.
            nn.Linear(hidden_size, hidden_size // 2),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_size // 2, 1),
        )

    def forward(self, x: Tensor, last: int = 1) -> Tensor:
        """Forecast at each of the last `last` hours: (B, L, F) -> (B, last)."""
        for layer in self.layers:
            x = self.dropout(layer(x)[0])  # (B, L, F) -> (B, L, H)
        return self.head(x[:, -last:]).squeeze(-1)  # (B, last, H) -> (B, last)


class DirectLSTM(DVOLLSTM):
    """The same network beside a linear map of the hour's own inputs: their forecasts are added.

    What a regression can say of an hour need not pass through the recurrence. Arguments are those
    of `DVOLLSTM`.

    References
    ----------
    Cheng, H.-T. et al. (2016). Wide & deep learning for recommender systems. DLRS 2016.
    doi:10.1145/2988450.2988454
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__(input_size, hidden_size, num_layers, dropout)
        self.direct = nn.Linear(input_size, 1)

    def forward(self, x: Tensor, last: int = 1) -> Tensor:
        """Forecast at each of the last `last` hours: (B, L, F) -> (B, last)."""
        return super().forward(x, last) + self.direct(x[:, -last:]).squeeze(-1)
