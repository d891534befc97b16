from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from market import small_jumps, small_panel, small_study
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from threadpoolctl import threadpool_info, threadpool_limits
from torch import nn

from dvol_utils.forecasting.forecasters import make_forecaster
from dvol_utils.models.decay import DecayForecaster, decay_weights
from dvol_utils.models.linear import RidgeForecaster, WeightedRidge, ridge_decay
from dvol_utils.models.lstm import DVOLLSTM, LADDER
from dvol_utils.models.naive import Persistence, SeasonalNaive
from dvol_utils.models.networks import build_network
from dvol_utils.models.trees import _SIZE, BoostedTrees, boosted_trees
from dvol_utils.plots.style import MODEL_COLOURS
from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.samples import build_samples
from dvol_utils.study.model_names import ENSEMBLE, MODEL_NAMES, NETWORK_NAMES, label
from dvol_utils.study.networks_section import NetworksParams


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


def test_weights_halve_every_half_life():
    times = pd.DatetimeIndex(["2024-01-01", "2024-01-11", "2024-01-16 00:00", "2024-01-21"])
    np.testing.assert_allclose(decay_weights(times, 10), [0.25, 0.5, 2**-0.5, 1], rtol=1e-12)


def test_the_time_weighted_ridge_is_its_normal_equations(samples):
    """Written out: own volatility, clipped target, weighted standardisation, ridge, points."""
    forecaster = ridge_decay()
    forecaster.fit(samples)
    groups = ["har", "calendar", "macro"]
    columns = [*feature_columns(groups), "month_expiry_ahead", "month_expiry_behind"]
    own = samples.features["volatility_336h"].to_numpy()
    inputs = samples.features[columns].to_numpy(copy=True)
    for place, name in enumerate(columns):
        if name.startswith("gap"):
            inputs[:, place] /= own
    rows, test = samples.rows("train"), samples.rows("test")
    change = np.log(samples.outcome / samples.dvol) / (samples.scale * own)
    target, x = np.clip(change[rows], -2, 2), inputs[rows]
    weight = 0.5 ** ((rows[-1] - rows) / (24 * 365))
    mean = weight @ x / weight.sum()
    deviation = np.sqrt(weight @ (x - mean) ** 2 / weight.sum())
    z, level = (x - mean) / deviation, weight @ target / weight.sum()
    gram = (z * weight[:, None]).T @ z + 300 * np.eye(len(columns))
    slopes = np.linalg.solve(gram, (z * weight[:, None]).T @ (target - level))
    forecast = level + (inputs[test] - mean) / deviation @ slopes
    expected = samples.dvol[test] * np.exp(forecast * own[test] * samples.scale[test])
    np.testing.assert_allclose(forecaster.predict(samples)[test], expected, rtol=1e-9)
    assert (np.abs(change[rows]) > 2).any()


def test_old_rows_weigh_less(samples):
    """With a short half-life the first half of the rows might as well not be there."""
    rows = samples.rows("train")
    late = np.isin(np.arange(len(samples.times)), rows[len(rows) // 2 :])
    half = dataclasses.replace(samples, fitting=late)
    forecasts = {}
    for days in (1, 10_000):
        for name, learnt in (("all", samples), ("late", half)):
            forecaster = DecayForecaster(
                feature_columns(["har"]), WeightedRidge(), half_life_days=days
            )
            forecaster.fit(learnt)
            forecasts[days, name] = forecaster.predict(samples)[samples.rows("test")]
    np.testing.assert_allclose(forecasts[1, "all"], forecasts[1, "late"], rtol=1e-6)
    assert np.abs(forecasts[10_000, "all"] / forecasts[10_000, "late"] - 1).max() > 1e-3


@pytest.mark.parametrize("make", [ridge_decay, boosted_trees])
def test_outliers_beyond_the_clip_do_not_move_a_forecast(samples, make):
    """A jump of three deviations and one of thirty teach the same."""
    far = np.abs(samples.target / samples.features["volatility_336h"].to_numpy()) > 2
    wild = dataclasses.replace(samples, target=np.where(far, 10 * samples.target, samples.target))
    forecasts = []
    for learnt in (samples, wild):
        forecaster = make()
        forecaster.fit(learnt)
        forecasts.append(forecaster.predict(samples))
    assert (far[samples.rows("train")]).any()
    np.testing.assert_array_equal(*forecasts)


@pytest.mark.parametrize("make", [ridge_decay, boosted_trees])
def test_the_studys_window_of_volatility_hardly_matters_to_a_model_with_its_own(make):
    """What scales the target cancels: only inputs at their limit of +-6 could tell."""
    forecasts = []
    for hours in (240, 480):
        study = small_study(**{"target.volatility_window_hours": hours, "features.clip": 1000})
        panel = small_panel()
        built = build_samples(panel, small_jumps(panel, study), study)
        forecaster = make()
        forecaster.fit(dataclasses.replace(built, fitting=np.arange(len(built.times)) < 2_000))
        forecasts.append(forecaster.predict(built)[built.rows("test")])
    np.testing.assert_allclose(*forecasts, rtol=1e-6)


def test_a_forecast_is_missing_where_an_input_is(samples):
    forecaster = ridge_decay()
    forecaster.fit(samples)
    holes = samples.features.copy()
    holes.iloc[2_500, holes.columns.get_loc("volatility_336h")] = np.nan
    holes.iloc[2_600, holes.columns.get_loc("gap_24h")] = np.nan
    whole = forecaster.predict(samples)
    forecast = forecaster.predict(dataclasses.replace(samples, features=holes))
    assert np.flatnonzero(np.isnan(forecast) & ~np.isnan(whole)).tolist() == [2_500, 2_600]


def test_trees_find_a_threshold_that_no_line_can():
    rng = np.random.default_rng(0)
    inputs = rng.uniform(-1, 1, (8_000, 2))
    target = np.where(np.abs(inputs[:, 0]) > 0.5, 1.0, -1.0) + rng.standard_normal(8_000)
    trees, line = BoostedTrees(), WeightedRidge()
    for model in (trees, line):
        model.fit(inputs, target, np.ones(8_000))
    probe = np.array([[-0.8, 0.0], [0.0, 0.0], [0.8, 0.0]])
    assert np.sign(trees.predict(probe)).tolist() == [1, -1, 1]
    assert np.ptp(line.predict(probe)) < 0.1


def test_trees_are_those_of_scikit_learn():
    """Binned by ourselves, which takes a fraction of the time, they forecast in the same bits."""
    rng = np.random.default_rng(0)
    columns = [rng.normal(size=6_000), rng.integers(0, 24, 6_000), rng.exponential(size=6_000)]
    inputs = np.column_stack([*columns, np.zeros(6_000), np.round(columns[0], 2)])
    weight = 0.5 ** (np.arange(6_000)[::-1] / 2_000)
    target = np.sin(inputs[:, 0]) + 0.1 * inputs[:, 1] * (inputs[:, 2] > 1) + rng.normal(size=6_000)
    ours = BoostedTrees()
    ours.fit(inputs, target, weight)
    theirs = HistGradientBoostingRegressor(early_stopping=False, random_state=0, **_SIZE)
    theirs.fit(inputs, target, sample_weight=weight)
    probe = np.concatenate([inputs, rng.normal(scale=3, size=(500, 5))])
    np.testing.assert_array_equal(ours.predict(probe), theirs.predict(probe))
    again = BoostedTrees()
    again.restore(ours.state())
    np.testing.assert_array_equal(again.predict(probe), theirs.predict(probe))


def test_trees_are_the_same_bits_on_one_thread_and_on_two(samples):
    forecasts = []
    for threads in (1, 2):
        forecaster = boosted_trees()
        with threadpool_limits(threads):
            forecaster.fit(samples)
            assert {pool["num_threads"] for pool in threadpool_info()} == {threads}
            forecasts.append(forecaster.predict(samples))
    np.testing.assert_array_equal(*forecasts)
    assert np.nanstd(forecasts[0] / samples.dvol) > 0


def test_every_model_name_has_a_forecaster():
    study = small_study()
    assert set(NETWORK_NAMES) == {*LADDER, *NetworksParams.model_fields}
    for name in set(MODEL_NAMES) - {ENSEMBLE}:
        assert hasattr(make_forecaster(name, study), "predict")


def test_every_model_has_a_label_and_a_colour_of_its_own():
    assert len({label(name) for name in MODEL_NAMES}) == len(MODEL_NAMES)
    assert len({MODEL_COLOURS[name] for name in MODEL_NAMES}) == len(MODEL_NAMES)
