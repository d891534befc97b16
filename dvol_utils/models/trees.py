"""Gradient-boosted trees: a simple rival that sees thresholds and interactions.

References
----------
Ke, G. et al. (2017). LightGBM: a highly efficient gradient boosting decision tree. Advances in
Neural Information Processing Systems 30. The histogram method that scikit-learn implements.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from dvol_utils.features import feature_columns
from dvol_utils.models.decay import MONTH_EXPIRY, DecayForecaster

# Few, small and slow trees: a day's change is nearly all noise, and hours overlap, so that 400 of
# them are some 17 independent days.
_SIZE: dict[str, Any] = {
    "max_iter": 100,
    "learning_rate": 0.03,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 400,
    "l2_regularization": 10.0,
}


class BoostedTrees:
    """Histogram gradient boosting with squared error, to a fixed number of trees.

    On one thread: sums in one order give the same bits, and two threads would win nothing beside
    networks that have every core.
    """

    def __init__(self) -> None:
        # Early stopping would set aside random rows, neighbours of those it learns from.
        self.trees = HistGradientBoostingRegressor(early_stopping=False, random_state=0, **_SIZE)

    def fit(self, inputs: np.ndarray, target: np.ndarray, weight: np.ndarray) -> None:
        """Grow the trees on weighted rows."""
        with threadpool_limits(1):
            self.trees.fit(inputs, target, sample_weight=weight)

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Forecast of the target, shape (N,)."""
        with threadpool_limits(1):
            return self.trees.predict(inputs)


def boosted_trees() -> DecayForecaster:
    """Trees on HAR terms, the clock, releases and monthly option expiries, not yet fitted."""
    columns = [*feature_columns(["har", "clock", "macro"]), *MONTH_EXPIRY]
    return DecayForecaster(columns, BoostedTrees())
