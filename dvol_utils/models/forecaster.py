"""Forecasters behind one interface.

A forecaster learns with `fit(samples)` from the train rows (networks stop on the validation rows)
and answers `predict(samples)` with one forecast per hour, in index points, missing where its inputs
are. docs/extending.md says what a new one needs.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from dvol_utils.samples.samples import Samples

State = dict[str, np.ndarray]


class Forecaster(Protocol):
    """What every model offers to the walk through folds."""

    def fit(self, samples: Samples) -> None:
        """Learn from `samples.rows("train")`; nothing of the test rows may matter."""
        ...

    def predict(self, samples: Samples) -> np.ndarray:
        """Forecast DVOL at origin + horizon for every hour, shape (rows,), index points."""
        ...


@runtime_checkable
class Restorable(Forecaster, Protocol):
    """A forecaster that is no network: what it learnt is a few arrays.

    A new forecaster of the same model that was given them forecasts the same, to the bit.
    """

    def state(self) -> State:
        """All that was learnt, by name; nothing for a model that learns nothing."""
        ...

    def restore(self, state: State) -> None:
        """Take over what another has learnt, instead of `fit`."""
        ...
