from __future__ import annotations

import numpy as np
import pytest
import torch
from market import small_jumps, small_panel, small_study
from sklearn.linear_model import LinearRegression
from torch import nn

from dvol_utils.features import feature_columns
from dvol_utils.models.linear import RidgeForecaster
from dvol_utils.models.lstm import DVOLLSTM, LADDER, build_network
from dvol_utils.models.naive import Persistence, SeasonalNaive
from dvol_utils.params import MODEL_NAMES
from dvol_utils.walkforward import make_forecaster
from dvol_utils.windows import build_samples


@pytest.fixture(scope="module")
def samples():
    panel, study = small_panel(), small_study()
    return build_samples(panel, small_jumps(panel, study), study)


@pytest.mark.parametrize(
    ("name", "count"),
    [("lstm_baseline", 212_609), ("lstm_large", 1_361_153), ("lstm_ultra", 5_409_281)],
)
def test_the_ladder_has_the_published_parameter_counts(name, count):
    network = build_network(name, input_size=11, seed=0)
    assert sum(value.numel() for value in network.parameters()) == count


def test_the_network_is_a_stacked_lstm_with_its_head():
    """The same weights in one `nn.LSTM` of two layers give the same numbers."""
    network = DVOLLSTM(3, 8, 2, dropout=0.5).eval()
    stacked = nn.LSTM(3, 8, 2, batch_first=True)
    weights = {
        name.replace("_l0", f"_l{i}"): value
        for i, layer in enumerate(network.layers)
        for name, value in layer.state_dict().items()
    }
    stacked.load_state_dict(weights)
    x = torch.randn(4, 10, 3, generator=torch.Generator().manual_seed(0))
    expected = network.head(stacked(x)[0][:, -1]).squeeze(-1)
    torch.testing.assert_close(network(x).squeeze(-1), expected)


def test_the_same_seed_gives_the_same_weights_and_leaves_the_generator_alone():
    state = torch.get_rng_state()
    one, two, three = (build_network("lstm_baseline", 11, seed) for seed in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(one.head[0].weight, two.head[0].weight)
    assert not torch.equal(one.head[0].weight, three.head[0].weight)


def test_dense_forecasts_at_an_hour_ignore_the_hours_after_it():
    network = build_network("lstm_baseline", 5, seed=0).eval()
    x = torch.randn(2, 30, 5, generator=torch.Generator().manual_seed(0))
    changed = x.clone()
    changed[:, 20:] += 10
    assert torch.equal(network(x, last=30)[:, :20], network(changed, last=30)[:, :20])
    assert not torch.equal(network(x, last=30)[:, 20:], network(changed, last=30)[:, 20:])


def test_persistence_is_the_origin(samples):
    np.testing.assert_array_equal(Persistence().predict(samples), samples.dvol)


def test_seasonal_naive_is_the_value_a_week_before_the_target(samples):
    forecast = SeasonalNaive().predict(samples)
    assert np.isnan(forecast[: 168 - 24]).all()
    for row in (144, 1_000):
        assert forecast[row] == samples.dvol[row + 24 - 168]


def test_ridge_without_a_penalty_is_least_squares_on_the_training_rows(samples):
    forecaster = RidgeForecaster(["har"], penalty=1e-9)
    forecaster.fit(samples)
    rows, inputs = samples.rows("train"), samples.features[feature_columns(["har"])].to_numpy()
    oracle = LinearRegression().fit(inputs[rows], samples.target[rows])
    test = samples.rows("test")
    expected = samples.dvol[test] * np.exp(oracle.predict(inputs[test]) * samples.scale[test])
    np.testing.assert_allclose(forecaster.predict(samples)[test], expected, rtol=1e-8)


def test_every_model_name_has_a_forecaster():
    study = small_study()
    assert set(LADDER) < set(MODEL_NAMES)
    for name in MODEL_NAMES:
        assert hasattr(make_forecaster(name, study), "predict")
