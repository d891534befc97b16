from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from market import small_jumps, small_panel, small_study

from dvol_utils.samples.features import build_features, feature_columns
from dvol_utils.samples.samples import build_samples, split_labels
from dvol_utils.samples.scaling import OWN_PAST, rolling_location_scale, scale_features
from dvol_utils.training.checkpoints.networks import fingerprint
from dvol_utils.training.sequences import build_sequences, sequence_starts


@pytest.fixture(scope="module")
def study():
    return small_study()


@pytest.fixture(scope="module")
def samples(study):
    panel = small_panel()
    return build_samples(panel, small_jumps(panel, study), study)


def test_no_training_target_reaches_the_next_split(samples):
    for earlier, later in (("train", "validation"), ("validation", "test")):
        last_target = samples.rows(earlier).max() + samples.horizon
        assert last_target < np.flatnonzero(samples.split == later).min()


def test_embargo_is_one_horizon(study):
    times = pd.date_range("2022-04-01", "2022-06-01", freq="h", tz="UTC")
    labels = split_labels(times, study.split, 24)
    start = times.get_loc(study.split.validation_start)
    assert labels[start - 25] == "train"
    assert labels[start - 24 : start].tolist() == [None] * 24
    assert labels[start] == "validation"


def test_the_target_maps_back_to_the_outcome(samples):
    rows = samples.rows("test")
    np.testing.assert_allclose(samples.to_points(samples.target)[rows], samples.outcome[rows])
    np.testing.assert_array_equal(samples.outcome[rows], samples.dvol[rows + 24])


def test_rows_with_an_imputed_origin_or_target_are_not_scored(study):
    panel = small_panel()
    panel.loc[3_200:3_204, "imputed"] = True
    samples = build_samples(panel, small_jumps(panel, study), study)
    assert not samples.scored[3_200:3_205].any()
    assert not samples.scored[3_176:3_181].any()
    assert samples.scored[[3_175, 3_181, 3_199, 3_205]].all()


@pytest.mark.parametrize("column", ["price_close", "dvol_close"])
def test_complete_and_scored_rows_hold_finite_numbers_alone(study, column):
    panel = small_panel()
    panel.loc[1_000:1_300, column] = panel.loc[1_000, column]
    samples = build_samples(panel, small_jumps(panel, study), study)
    inputs = samples.features.to_numpy()
    assert np.isfinite(inputs[samples.complete]).all()
    assert np.isfinite(samples.target[samples.scored]).all()
    if column == "price_close":  # the volatility ratio of a day without a move has no logarithm
        window = study.training.window_hours
        assert not samples.complete[1_024 : 1_300 + window].any()


def test_scaling_is_the_trailing_mean_and_deviation_of_calm_hours():
    rng = np.random.default_rng(0)
    values = pd.Series(rng.normal(size=300))
    is_jump = pd.Series(rng.random(300) < 0.1)
    scaling = rolling_location_scale(values, is_jump, 100)
    calm = values[150:250][~is_jump[150:250]]
    assert scaling["location"].iloc[249] == pytest.approx(calm.mean())
    assert scaling["scale"].iloc[249] == pytest.approx(calm.std())


def test_a_flat_window_has_no_scale():
    scaling = rolling_location_scale(pd.Series(np.full(50, 3.3)), pd.Series(np.zeros(50, bool)), 20)
    assert scaling["scale"].isna().all()


def test_a_split_without_rows_is_refused(study):
    panel = small_panel(hours=3_000)
    with pytest.raises(ValueError, match="test split has no usable row: the panel runs from 2022"):
        build_samples(panel, small_jumps(panel, study), study)


def test_two_assets_at_once_are_refused(study):
    panel = pd.concat([small_panel(), small_panel(asset="ETH")])
    with pytest.raises(ValueError, match=r"assets \['BTC', 'ETH'\]; build samples for one"):
        build_samples(panel, small_jumps(panel, study), study)


@settings(max_examples=50, deadline=None)
@given(
    rows=st.sets(st.integers(0, 500), min_size=1),
    window=st.integers(1, 40),
    chunk=st.integers(1, 60),
    offset=st.integers(0, 59),
)
def test_every_row_lies_in_exactly_one_sequence(rows, window, chunk, offset):
    rows = np.array(sorted(rows))
    starts = sequence_starts(rows, window, chunk, offset % chunk)
    goals = (starts + window - 1)[:, None] + np.arange(chunk)
    assert np.isin(rows, goals).all()
    assert len(np.unique(goals)) == goals.size


@pytest.mark.parametrize("supervision", ["last", "dense"])
def test_sequences_are_slices_of_the_samples(samples, supervision):
    study = small_study(**{"training.supervision": supervision})
    data = build_sequences(samples, study)
    rows = samples.rows("train")[:200]
    weights = samples.loss_weights(study.training.jump_weight)[rows]
    weight = data.spread(rows, weights)
    starts = sequence_starts(rows, data.window, data.chunk)
    begin = torch.from_numpy(starts)
    goals = data.goals(begin)
    x, y, w = data.inputs(begin), data.target[goals], weight[goals]
    length = study.training.window_hours - 1 + data.chunk
    assert x.shape == (len(starts), length, samples.features.shape[1])
    first = int(starts[-1])
    expected = samples.features.to_numpy(np.float32)[first : first + length]
    np.testing.assert_array_equal(x[-1], np.nan_to_num(expected))
    goals = np.arange(first + length - data.chunk, first + length)
    np.testing.assert_allclose(y[-1], samples.target[goals], rtol=1e-6)
    np.testing.assert_array_equal(w[-1] > 0, np.isin(goals, rows))
    assert float(w.sum()) == pytest.approx(weights.sum())


def most_bytes(work: Callable[[], object]) -> int:
    """Memory that `work` and its result need at most, beyond what is there before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_scaling_needs_little_more_memory_than_its_result(study):
    panel = small_panel(hours=20_000)
    jumps = small_jumps(panel, study)
    features = build_features(panel, jumps, study)
    frame, is_jump = panel.set_index("time"), jumps.set_index("time")["is_jump"]
    size = features.to_numpy().nbytes
    assert most_bytes(lambda: scale_features(features.items(), is_jump, frame, study)) < 1.6 * size


def test_samples_need_little_more_memory_than_their_features(study):
    panel = small_panel(hours=20_000)
    jumps = small_jumps(panel, study)
    size = build_samples(panel, jumps, study).features.to_numpy().nbytes
    assert most_bytes(lambda: build_samples(panel, jumps, study)) < 1.7 * size


def test_the_fingerprint_of_a_network_copies_no_table(samples, study):
    def work() -> str:
        return fingerprint("lstm_baseline", samples, study, 0, 1, "float32")

    work()  # reads the code, once
    inputs = samples.features[feature_columns(study.features.groups)]
    assert most_bytes(work) < 0.5 * inputs.to_numpy().nbytes


def test_sequences_need_little_more_memory_than_their_tensors(samples, study):
    data = build_sequences(samples, study)
    size = data.x.nbytes + data.target.nbytes
    assert most_bytes(lambda: build_sequences(samples, study)) < 1.5 * size


@pytest.mark.parametrize("clip", [0.5, 3.0])
def test_every_feature_is_limited_and_missing_ones_stay_missing(clip):
    study = small_study(**{"features.clip": clip})
    panel = small_panel()
    jumps = small_jumps(panel, study)
    features = build_features(panel, jumps, study)
    frame, is_jump = panel.set_index("time"), jumps.set_index("time")["is_jump"]
    scaled = scale_features(features.items(), is_jump, frame, study)
    assert list(scaled) == list(features)
    assert scaled.index.equals(features.index)
    assert scaled.abs().max().max() == clip
    unscaled = [name for name in features if name not in OWN_PAST]
    pd.testing.assert_frame_equal(scaled[unscaled], features[unscaled].clip(-clip, clip))
