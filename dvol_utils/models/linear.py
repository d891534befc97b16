"""Linear forecasters: the heterogeneous autoregression (HAR), alone, with the calendar, weighted.

References
----------
Corsi, F. (2009). A simple approximate long-memory model of realized volatility. Journal of
Financial Econometrics 7(2). doi:10.1093/jjfinec/nbp001
"""

from __future__ import annotations

import numpy as np

from dvol_utils.models import State
from dvol_utils.models.decay import MONTH_EXPIRY, DecayForecaster
from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.samples import Samples
from dvol_utils.study.threads import one_thread

PENALTY = 300.0  # on standardised inputs and some 20,000 rows: a light shrinkage


class RidgeForecaster:
    """Ridge regression of the scaled target on feature groups.

    Parameters
    ----------
    groups : list of str
        Feature groups, e.g. `["har"]`: DVOL's log gaps to its own trailing means, and its level.
    penalty : float
        L2 penalty on standardised inputs.
    """

    def __init__(self, groups: list[str], penalty: float = PENALTY) -> None:
        self.columns = feature_columns(groups)
        self.penalty = penalty
        self.learnt: State = {}

    # With more threads BLAS adds in another order, and the last bits change.
    @one_thread()
    def fit(self, samples: Samples) -> None:
        """Fit on every row that may be learnt from, each with the same weight."""
        rows = samples.fitting_rows()
        inputs = samples.features[self.columns].to_numpy()[rows]
        self.learnt = _fit(self.penalty, inputs, samples.target[rows])

    @one_thread()
    def predict(self, samples: Samples) -> np.ndarray:
        """Forecast for every hour, shape (rows,), index points; missing where inputs are."""
        inputs = samples.features[self.columns].to_numpy()
        complete = ~np.isnan(inputs).any(axis=1)
        forecast = np.full(len(inputs), np.nan)
        forecast[complete] = _predict(self.learnt, inputs[complete])
        return samples.to_points(forecast)

    def state(self) -> State:
        """Means and deviations of the inputs, coefficients and intercept."""
        return self.learnt

    def restore(self, state: State) -> None:
        """Take over what another has learnt."""
        self.learnt = state


class WeightedRidge:
    """Ridge regression of weighted rows on inputs standardised with the same weights.

    Parameters
    ----------
    penalty : float
        L2 penalty on standardised inputs, beside the sum of weighted squares.
    """

    def __init__(self, penalty: float = PENALTY) -> None:
        self.penalty = penalty
        self.learnt: State = {}

    @one_thread()
    def fit(self, inputs: np.ndarray, target: np.ndarray, weight: np.ndarray) -> None:
        """Learn from weighted rows."""
        self.learnt = _fit(self.penalty, inputs, target, weight)

    @one_thread()
    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Forecast of the target, shape (N,)."""
        return _predict(self.learnt, inputs)

    def state(self) -> State:
        """Means and deviations of the inputs, coefficients and intercept."""
        return self.learnt

    def restore(self, state: State) -> None:
        """Take over what another has learnt."""
        self.learnt = state


def ridge_decay() -> DecayForecaster:
    """Time-weighted ridge on HAR terms, calendar, releases and monthly expiries, not yet fitted."""
    columns = [*feature_columns(["har", "calendar", "macro"]), *MONTH_EXPIRY]
    return DecayForecaster(columns, WeightedRidge())


def _fit(
    penalty: float, inputs: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None
) -> State:
    # Only who fits waits for scikit-learn: forecasts from saved models do without.
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(inputs, sample_weight=weight)
    ridge = Ridge(alpha=penalty).fit(scaler.transform(inputs), target, sample_weight=weight)
    return {
        "mean": scaler.mean_,
        "scale": scaler.scale_,
        "coefficients": ridge.coef_,
        # An array like the others: a saved state holds nothing else.
        "intercept": np.array([ridge.intercept_]),
    }


def _predict(learnt: State, inputs: np.ndarray) -> np.ndarray:
    """Forecast of the target, shape (N,), by the operations of scikit-learn's own models."""
    # Step by step as scikit-learn does it, so in its bits (tests/test_light_commands.py).
    scaled = (inputs - learnt["mean"]) / learnt["scale"]
    return scaled @ learnt["coefficients"] + learnt["intercept"][0]
