"""Regressions that forget slowly and look past outliers: what the strong simple rivals share.

The market changes, so a row counts the less the older it is; and it jumps, so the target is
limited before a squared error sees it.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd

from dvol_utils.models import State
from dvol_utils.samples.features import GROUPS
from dvol_utils.samples.samples import Samples

# Changes beyond two deviations count as two: a handful of jumps of five and more would otherwise
# choose the coefficients by their squares, and little that is known a day ahead tells them.
# Chosen with the other values here on validation rows: benchmarks/choices.py rivals.
TARGET_CLIP = 2.0
HALF_LIFE_DAYS = 365.0
OWN_VOLATILITY = "volatility_336h"
# Quarterly expiries, four a year, are months' too; apart they are too few to learn from.
MONTH_EXPIRY = ["month_expiry_ahead", "month_expiry_behind"]
_GAPS = [name for name in GROUPS["har"] if name.startswith("gap_")]


class Regression(Protocol):
    """What learns from weighted rows: inputs (N, F), target (N,), weight (N,)."""

    def fit(self, inputs: np.ndarray, target: np.ndarray, weight: np.ndarray) -> Any:
        """Learn the weighted rows."""
        ...

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Forecast of the target, shape (N,)."""
        ...

    def state(self) -> State:
        """All that was learnt."""
        ...

    def restore(self, state: State) -> None:
        """Take over what another has learnt."""
        ...


class DecayForecaster:
    """A regression of the clipped target on weighted past rows.

    Parameters
    ----------
    columns : list of str
        Inputs, columns of `Samples.features`.
    regression : Regression
        Learns the target from the inputs.
    half_life_days : float
        Age at which a row weighs half as much as the last one.
    clip : float
        Targets are limited to +- this while learning.
    own_volatility : str or None
        Column with the volatility that measures gaps and target here, in units of the one that
        scales the study's target; None keeps the study's.
    """

    def __init__(
        self,
        columns: list[str],
        regression: Regression,
        *,
        half_life_days: float = HALF_LIFE_DAYS,
        clip: float = TARGET_CLIP,
        own_volatility: str | None = OWN_VOLATILITY,
    ) -> None:
        self.columns = columns
        self.regression = regression
        self.half_life_days = half_life_days
        self.clip = clip
        self.own_volatility = own_volatility

    def fit(self, samples: Samples) -> None:
        """Learn from every row that a model without early stopping may learn from."""
        rows = samples.fitting_rows()
        target = samples.target[rows] / self._unit(samples)[rows]
        self.regression.fit(
            self._inputs(samples)[rows],
            np.clip(target, -self.clip, self.clip),
            decay_weights(samples.times[rows], self.half_life_days),
        )

    def predict(self, samples: Samples) -> np.ndarray:
        """Forecast for every hour, shape (rows,), index points; missing where inputs are."""
        inputs, unit = self._inputs(samples), self._unit(samples)
        # Trees would take a missing input for a value; all models leave out the same hours.
        complete = ~(np.isnan(inputs).any(axis=1) | np.isnan(unit))
        forecast = np.full(len(inputs), np.nan)
        # Back from its own volatility to the one that `to_points` knows.
        forecast[complete] = self.regression.predict(inputs[complete]) * unit[complete]
        return samples.to_points(forecast)

    def state(self) -> State:
        """What the regression has learnt."""
        return self.regression.state()

    def restore(self, state: State) -> None:
        """Take over what another has learnt."""
        self.regression.restore(state)

    def _unit(self, samples: Samples) -> np.ndarray:
        if self.own_volatility is None:
            return np.ones(len(samples.times))
        return samples.features[self.own_volatility].to_numpy()

    def _inputs(self, samples: Samples) -> np.ndarray:
        gaps = [name in _GAPS for name in self.columns]
        # A copy: gaps are divided in place below, and the samples serve other models too.
        inputs = samples.features[self.columns].to_numpy(copy=True)
        # Gaps are in the study's volatility and its own is a multiple of that one.
        inputs[:, gaps] /= self._unit(samples)[:, None]
        return inputs


def decay_weights(times: pd.DatetimeIndex, half_life_days: float) -> np.ndarray:
    """Weight of each row: 1 at the latest one, half that every `half_life_days` before it."""
    # The latest time, not the last row: rows of several assets stand one after the other.
    age = (times.max() - times) / pd.Timedelta(days=1)
    return 0.5 ** (age.to_numpy() / half_life_days)
