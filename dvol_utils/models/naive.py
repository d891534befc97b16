"""Forecasts that learn nothing: what every model must beat."""

from __future__ import annotations

import numpy as np

from dvol_utils.models import State
from dvol_utils.samples.samples import Samples

HOURS_PER_WEEK = 168


class Persistence:
    """DVOL stays where it is: y(t + h) = y(t)."""

    def fit(self, samples: Samples) -> None:
        """Learn nothing."""

    def predict(self, samples: Samples) -> np.ndarray:
        """The origin's DVOL, shape (rows,), index points."""
        # A copy: who is given forecasts may write into them.
        return samples.dvol.copy()

    def state(self) -> State:
        """Nothing."""
        return {}

    def restore(self, state: State) -> None:
        """Take over nothing."""


class SeasonalNaive:
    """DVOL at the same hour of the week as the target, in the latest week that is known."""

    def fit(self, samples: Samples) -> None:
        """Learn nothing."""

    def predict(self, samples: Samples) -> np.ndarray:
        """DVOL a whole number of weeks before the target, shape (rows,), index points."""
        # Rounded up: beyond a week the same hour of the last known week is two weeks back.
        weeks = -(-samples.horizon // HOURS_PER_WEEK)
        lag = weeks * HOURS_PER_WEEK - samples.horizon
        forecast = np.full(len(samples.dvol), np.nan)
        forecast[lag:] = samples.dvol[: len(samples.dvol) - lag]
        return forecast

    def state(self) -> State:
        """Nothing."""
        return {}

    def restore(self, state: State) -> None:
        """Take over nothing."""
