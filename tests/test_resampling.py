from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import StationaryBootstrap, optimal_block_length
from forecast_tables import forecast_table
from hypothesis import given, settings
from hypothesis import strategies as st

from dvol_utils.evaluation import average_seeds
from dvol_utils.significance import block_length, optimal_block
from dvol_utils.significance.resampling import Resampling, resample_counts, resampled_sums
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import ParameterError

FORECASTS = average_seeds(forecast_table(300))


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(2, 60), block=st.integers(1, 80), reps=st.integers(1, 130))
def test_counts_are_whole_resamples(rows, block, reps):
    batches = list(resample_counts(rows, block_hours=block, reps=reps, seed=0))
    counts = np.concatenate(batches)
    assert counts.shape == (reps, rows)
    assert (counts.sum(axis=1) == rows).all()
    assert (counts >= 0).all()


def test_sums_are_those_of_the_rows_that_arch_draws():
    values = np.random.default_rng(0).normal(size=(40, 3))
    found = resampled_sums(values, block_hours=7, reps=130, seed=5)
    sampler = StationaryBootstrap(7, values, seed=5)
    expected = [data[0][0].sum(axis=0) for data in sampler.bootstrap(130)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_an_interval_is_widened_by_one_factor_about_the_estimate():
    draws = np.linspace(0.5, 2, 101)[:, None]  # percentiles 2.5 and 97.5 at 0.5375 and 1.9625
    wave = np.cos(2 * np.pi * np.arange(8) / 8)[:, None]  # long-run variance 1, two ordinates
    resampling = Resampling(block_hours=2, reps=101, seed=0)
    found = resampling.interval(np.array([1.0]), draws, wave)
    factor = 2 * 2.7764451051977987 * (1 / 8) ** 0.5 / (1.9625 - 0.5375)  # t(4) at 97.5 %
    np.testing.assert_allclose(found[:, 0], [1 - 0.4625 * factor, 1 + 0.9625 * factor])
    plain = replace(resampling, calibrated=False).interval(np.array([1.0]), draws, wave)
    np.testing.assert_allclose(plain[:, 0], [0.5375, 1.9625])


def test_intervals_without_width_and_missing_draws_stay_as_they_are():
    wave = np.cos(2 * np.pi * np.arange(8) / 8)[:, None]
    resampling = Resampling(block_hours=2, reps=100, seed=0)
    same = resampling.interval(np.array([3.0]), np.full((100, 1), 3.0), wave)
    assert same[:, 0].tolist() == [3, 3]
    draws = np.linspace(0.5, 2, 101)[:, None]
    holed = np.vstack([draws, np.full((9, 1), np.nan)])
    estimate = np.array([1.0])
    np.testing.assert_array_equal(
        resampling.interval(estimate, holed, wave), resampling.interval(estimate, draws, wave)
    )
    none = resampling.interval(np.array([np.nan]), np.full((9, 1), np.nan), np.full((8, 1), np.nan))
    assert np.isnan(none).all()


def test_optimal_block_is_that_of_the_loss_against_persistence():
    found = optimal_block(FORECASTS).set_index("model")
    squares = {
        model: ((rows["y_true"] - rows["y_pred"]) ** 2).to_numpy()
        for model, rows in FORECASTS.groupby("model")
    }
    expected = {
        "persistence": squares["persistence"],
        "har": squares["har"] - squares["persistence"],
    }
    for model, loss in expected.items():
        length = optimal_block_length(loss)["stationary"].item()
        assert found.loc[model, "optimal_block_hours"] == pytest.approx(length)
    assert found.loc["persistence", "loss"] == "squared error"


def test_optimal_block_is_missing_for_a_copy_of_persistence():
    copy = FORECASTS[FORECASTS["model"] == "persistence"].assign(model="har")
    assert np.isnan(optimal_block(copy)["optimal_block_hours"].item())


def test_automatic_blocks_are_the_longest_that_any_model_asks_for():
    table = average_seeds(forecast_table(2000))
    wanted = optimal_block(table)["optimal_block_hours"].max()
    assert wanted > 24
    assert block_length(table, "auto") == int(np.ceil(wanted))
    assert block_length(table, 30) == 30


def test_automatic_blocks_are_never_below_a_day_or_the_horizon():
    """Independent errors ask for blocks of an hour or two."""
    rng = np.random.default_rng(0)
    rows = FORECASTS[FORECASTS["model"] == "persistence"]
    noise = rows.assign(y_true=rows["y_origin"] + rng.normal(size=len(rows)))
    assert optimal_block(noise)["optimal_block_hours"].item() < 5
    assert block_length(noise.assign(horizon_hours=1), "auto") == 24
    assert block_length(noise.assign(horizon_hours=48), "auto") == 48


def test_automatic_blocks_of_constant_losses_are_a_day():
    rows = FORECASTS[FORECASTS["model"] == "persistence"]
    constant = rows.assign(y_true=rows["y_origin"] + 1)
    assert np.isnan(optimal_block(constant)["optimal_block_hours"].item())
    assert block_length(constant) == 24


def test_automatic_blocks_are_at_most_all_hours():
    few = FORECASTS[FORECASTS["origin"] < FORECASTS["origin"].min() + pd.Timedelta(hours=25)]
    assert 24 <= block_length(few) <= 25


@pytest.mark.parametrize(
    ("hours", "block", "message"),
    [
        (300, 23, "block_hours: found 23; should be at least the horizon, 24 hours: targets over"),
        (300, 301, "forecasts: found 300 hours; should be at least one block of 301 hours"),
        (47, 48, "forecasts: found 47 hours; should be at least one block of 48 hours"),
        (20, "auto", "forecasts: found 20 hours; should be at least one block of 24 hours"),
    ],
)
def test_blocks_that_cannot_be_are_refused(hours, block, message):
    end = FORECASTS["origin"].min() + pd.Timedelta(hours=hours)
    with pytest.raises(ValueError, match=re.escape(message)):
        block_length(FORECASTS[FORECASTS["origin"] < end], block)


def test_no_resamples_are_refused():
    with pytest.raises(ValueError, match="reps: found 0; should be at least 1"):
        resampled_sums(np.ones((5, 1)), block_hours=2, reps=0, seed=0)


def test_a_study_may_leave_the_block_to_the_data(tmp_project):
    assert load_study("tiny").significance.block_hours == "auto"
    assert load_study("tiny", {"significance.block_hours": 72}).significance.block_hours == 72
    with pytest.raises(ParameterError, match="found 'long'; should be 'auto'"):
        load_study("tiny", {"significance.block_hours": "long"})
