"""Linear forecasters: the heterogeneous autoregression (HAR), alone, with the calendar, weighted.

References
----------
Corsi, F. (2009). A simple approximate long-memory model of realized volatility. Journal of
Financial Econometrics 7(2). doi:10.1093/jjfinec/nbp001
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

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
        self.pipeline: Pipeline = make_pipeline(StandardScaler(), Ridge(alpha=penalty))

    @one_thread()
    def fit(self, samples: Samples) -> None:
        """Fit on every row that may be learnt from, each with the same weight."""
        rows = samples.fitting_rows()
        self.pipeline.fit(samples.features[self.columns].to_numpy()[rows], samples.target[rows])

    @one_thread()
    def predict(self, samples: Samples) -> np.ndarray:
        """Forecast for every hour, shape (rows,), index points; missing where inputs are."""
        inputs = samples.features[self.columns].to_numpy()
        known = ~np.isnan(inputs).any(axis=1)
        forecast = np.full(len(inputs), np.nan)
        forecast[known] = self.pipeline.predict(inputs[known])
        return samples.to_points(forecast)

    def state(self) -> State:
        """Means and deviations of the inputs, coefficients and intercept."""
        return _state(self.pipeline)

    def restore(self, state: State) -> None:
        """Take over what another has learnt."""
        _restore(self.pipeline, state)


class WeightedRidge:
    """Ridge regression of weighted rows on inputs standardised with the same weights.

    Parameters
    ----------
    penalty : float
        L2 penalty on standardised inputs, beside the sum of weighted squares.
    """

    def __init__(self, penalty: float = PENALTY) -> None:
        self.pipeline: Pipeline = make_pipeline(StandardScaler(), Ridge(alpha=penalty))

    @one_thread()
    def fit(self, inputs: np.ndarray, target: np.ndarray, weight: np.ndarray) -> None:
        """Learn from weighted rows."""
        weights = {f"{step}__sample_weight": weight for step, _ in self.pipeline.steps}
        self.pipeline.fit(inputs, target, **weights)

    @one_thread()
    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Forecast of the target, shape (N,)."""
        return self.pipeline.predict(inputs)

    def state(self) -> State:
        """Means and deviations of the inputs, coefficients and intercept."""
        return _state(self.pipeline)

    def restore(self, state: State) -> None:
        """Take over what another has learnt."""
        _restore(self.pipeline, state)


def ridge_decay() -> DecayForecaster:
    """Time-weighted ridge on HAR terms, calendar, releases and monthly expiries, not yet fitted."""
    columns = [*feature_columns(["har", "calendar", "macro"]), *MONTH_EXPIRY]
    return DecayForecaster(columns, WeightedRidge())


def _state(pipeline: Pipeline) -> State:
    scaler, ridge = (step for _, step in pipeline.steps)
    return {
        "mean": scaler.mean_,
        "scale": scaler.scale_,
        "coefficients": ridge.coef_,
        "intercept": np.array([ridge.intercept_]),
    }


def _restore(pipeline: Pipeline, state: State) -> None:
    """Leave the pipeline as fitting would have: it forecasts with the same operations."""
    scaler, ridge = (step for _, step in pipeline.steps)
    scaler.mean_, scaler.scale_ = state["mean"], state["scale"]
    ridge.coef_, ridge.intercept_ = state["coefficients"], float(state["intercept"][0])
    scaler.n_features_in_ = ridge.n_features_in_ = len(state["mean"])
