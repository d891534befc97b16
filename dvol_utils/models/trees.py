"""Gradient-boosted trees: a simple rival that sees thresholds and interactions.

References
----------
Ke, G. et al. (2017). LightGBM: a highly efficient gradient boosting decision tree. Advances in
Neural Information Processing Systems 30. The histogram method that scikit-learn implements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dvol_utils.models import State
from dvol_utils.models.decay import MONTH_EXPIRY, DecayForecaster
from dvol_utils.samples.features import feature_columns
from dvol_utils.study.threads import one_thread

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

# Few, small and slow trees: a day's change is nearly all noise, and hours overlap, so that 400 of
# them are some 17 independent days.
_SIZE: dict[str, Any] = {
    "max_iter": 100,
    "learning_rate": 0.03,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 400,
    "l2_regularization": 10.0,
}


# As many bins of each input as scikit-learn makes, beside one for missing values.
_BINS = 255


class BoostedTrees:
    """Histogram gradient boosting with squared error, to a fixed number of trees, on one thread."""

    def __init__(self) -> None:
        self.trees: HistGradientBoostingRegressor | None = None
        self.edges: list[np.ndarray] = []
        self.restored: State | None = None

    @one_thread()
    def fit(self, inputs: np.ndarray, target: np.ndarray, weight: np.ndarray) -> None:
        """Grow the trees on weighted rows without missing values."""
        # Only who fits waits for scikit-learn: forecasts from saved models do without.
        from sklearn.ensemble import HistGradientBoostingRegressor

        self.restored = None
        # scikit-learn would sort each input once for every edge (findings/weighted_bins.sh). It
        # takes whole numbers as they are, so these are its own bins, and its own trees.
        self.edges = [_edges(column, weight) for column in inputs.T]
        # Early stopping would set aside random rows, neighbours of those it learns from.
        self.trees = HistGradientBoostingRegressor(early_stopping=False, random_state=0, **_SIZE)
        self.trees.fit(_binned(inputs, self.edges), target, sample_weight=weight)

    @one_thread()
    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Forecast of the target, shape (N,)."""
        if self.restored is not None:
            return _predict(self.restored, inputs)
        assert self.trees is not None
        return self.trees.predict(_binned(inputs, self.edges))

    def state(self) -> State:
        """The nodes of all trees, one after the other, and where each tree begins.

        `left` and `right` are the nodes that follow `feature <= threshold` and its opposite, or the
        node itself where it is a leaf; `depth` is the largest of all trees.
        """
        if self.restored is not None:
            return self.restored
        assert self.trees is not None
        return _nodes(self.trees, self.edges)

    def restore(self, state: State) -> None:
        """Take over the trees that another has grown."""
        self.restored = state


def boosted_trees() -> DecayForecaster:
    """Trees on HAR terms, the clock, releases and monthly option expiries, not yet fitted."""
    columns = [*feature_columns(["har", "clock", "macro"]), *MONTH_EXPIRY]
    return DecayForecaster(columns, BoostedTrees())


def _edges(column: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The values that scikit-learn would part an input's bins at: middles, or weighted quantiles.

    Where rows weigh the same, and so reach a level exactly, it would take the middle of two values.
    """
    values = np.unique(column)
    if len(values) <= _BINS:
        return (values[:-1] + values[1:]) / 2
    levels = np.linspace(0, 100, _BINS + 1)[1:-1] / 100
    return np.unique(np.quantile(column, levels, method="inverted_cdf", weights=weight))


def _binned(inputs: np.ndarray, edges: list[np.ndarray]) -> np.ndarray:
    """Number of the bin that each value lies in; an edge belongs to the bin below it."""
    columns = zip(inputs.T, edges, strict=True)
    return np.column_stack([np.searchsorted(at, column) for column, at in columns]).astype(float)


def _nodes(trees: HistGradientBoostingRegressor, edges: list[np.ndarray]) -> State:
    """Fitted trees as arrays; scikit-learn itself only knows formats that execute code."""
    # One tree a round: several would be those of classes.
    grown = [predictor.nodes for (predictor,) in trees._predictors]
    roots = np.cumsum([0, *map(len, grown)])[:-1]
    nodes = np.concatenate(grown)
    places = np.arange(len(nodes))
    # scikit-learn numbers the nodes of each tree from its own root.
    first = np.repeat(roots, [len(tree) for tree in grown])
    leaf = nodes["is_leaf"].astype(bool)
    # Trees part bins, at 2.5 what lies up to the edge number 2.
    threshold = np.zeros(len(nodes))
    for node in np.flatnonzero(~leaf):
        threshold[node] = edges[nodes["feature_idx"][node]][int(nodes["num_threshold"][node])]
    return {
        "roots": roots,
        # A leaf asks about any input and leads to itself: every row may take `depth` steps.
        "feature": np.where(leaf, 0, nodes["feature_idx"]).astype(np.int64),
        "threshold": threshold,
        "left": np.where(leaf, places, first + nodes["left"]),
        "right": np.where(leaf, places, first + nodes["right"]),
        "value": nodes["value"].astype(float),
        "depth": np.array([nodes["depth"].max()], np.int64),
        "baseline": np.asarray(trees._baseline_prediction, float).ravel(),
    }


def _predict(state: State, inputs: np.ndarray) -> np.ndarray:
    """What the trees of `_nodes` forecast, shape (N,): in their order, so in the same bits."""
    rows = np.arange(len(inputs))
    forecast = np.full(len(inputs), state["baseline"][0])
    for root in state["roots"]:
        node = np.full(len(inputs), root)
        for _ in range(int(state["depth"][0])):
            low = inputs[rows, state["feature"][node]] <= state["threshold"][node]
            node = np.where(low, state["left"][node], state["right"][node])
        forecast += state["value"][node]
    return forecast
