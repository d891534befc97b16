from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from forecast_tables import forecast_table
from hypothesis import given, settings
from hypothesis import strategies as st
from periodogram import literal_joint_test, literal_mean_test
from scipy import stats

from dvol_utils.evaluation import average_seeds, score
from dvol_utils.significance import (
    diebold_mariano,
    expected_better,
    giacomini_white,
    giacomini_white_pairs,
)

FORECASTS = average_seeds(forecast_table(300))
PAIRS = [("lstm_ultra", "lstm_large"), ("har", "persistence")]


def literal_giacomini_white(a: np.ndarray, b: np.ndarray, h: int, lags: int) -> tuple[float, float]:
    d = a - b
    z = []
    for t in range(h, len(d)):
        instruments = np.array([1.0, d[t - h]])
        z.append(instruments * d[t])
    n = len(z)
    mean = sum(z) / n
    variance = np.zeros((2, 2))
    for t in range(n):
        variance += np.outer(z[t], z[t]) / n
    for k in range(1, lags + 1):
        for t in range(k, n):
            cross = np.outer(z[t], z[t - k]) + np.outer(z[t - k], z[t])
            variance += (1 - k / (lags + 1)) * cross / n
    statistic = n * mean @ np.linalg.inv(variance) @ mean
    return statistic, stats.chi2.sf(statistic, 2)


@pytest.mark.parametrize(("horizon", "lags"), [(1, 0), (3, 4), (24, 46)])
def test_giacomini_white_is_the_literal_formula(horizon, lags):
    rng = np.random.default_rng(horizon)
    common = np.convolve(rng.normal(size=153), np.ones(4), mode="valid") ** 2
    a, b = common + rng.exponential(size=(2, 150))
    assert giacomini_white(a, b, horizon=horizon) == pytest.approx(
        literal_giacomini_white(a, b, horizon, lags), rel=1e-8
    )


@pytest.mark.parametrize(("horizon", "rows"), [(1, 65), (3, 150), (24, 240)])
def test_giacomini_white_by_the_periodogram_is_the_literal_formula(horizon, rows):
    rng = np.random.default_rng(horizon)
    common = np.convolve(rng.normal(size=rows + 3), np.ones(4), mode="valid") ** 2
    a, b = common + rng.exponential(size=(2, rows))
    d = (a - b).tolist()
    later = d[horizon:]
    crossed = [d[t] * d[t - horizon] for t in range(horizon, rows)]
    found = giacomini_white(a, b, horizon=horizon, variance="periodogram")
    assert found == pytest.approx(literal_joint_test([later, crossed]), rel=1e-9)


def test_one_step_ahead_it_is_n_times_the_share_of_ones_that_is_explained():
    """Giacomini and White (2006), comment after theorem 1: n R2 of 1 on the moments."""
    rng = np.random.default_rng(0)
    a, b = rng.exponential(size=(2, 90))
    d = a - b
    moments = np.column_stack([d[1:], d[1:] * d[:-1]])
    fit = sm.OLS(np.ones(89), moments).fit()
    statistic, _ = giacomini_white(a, b, horizon=1)
    assert statistic == pytest.approx(89 * (fit.ess / fit.uncentered_tss))


def test_it_finds_hours_that_can_be_told_where_the_average_says_nothing():
    """One forecast is better for a week, then the other: the last difference tells."""
    rng = np.random.default_rng(0)
    turn = np.where(np.arange(3000) // 168 % 2, 1.0, -1.0)
    a = rng.exponential(size=3000) + 0.5 * (turn + 1)
    b = rng.exponential(size=3000) + 0.5 * (1 - turn)
    assert diebold_mariano(a, b, horizon=24)[1] > 0.2
    assert giacomini_white(a, b, horizon=24)[1] < 0.05
    assert expected_better(a, b, horizon=24) == pytest.approx(0.5, abs=0.1)


def test_instruments_are_known_at_the_origin():
    """The difference of one step before tells all, but two steps ahead it is not yet known."""
    rejected = {1: 0, 2: 0}
    for seed in range(40):
        d = np.repeat(np.random.default_rng(seed).normal(size=300), 2)  # the same for two steps
        for horizon in rejected:
            rejected[horizon] += giacomini_white(d, np.zeros(600), horizon=horizon)[1] < 0.05
    assert rejected[1] == 40
    assert rejected[2] <= 8


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    horizon=st.integers(1, 10),
    scale=st.floats(0.01, 100),
    variance=st.sampled_from(["bartlett", "periodogram"]),
)
def test_order_and_units_do_not_matter(seed, horizon, scale, variance):
    a, b = np.random.default_rng(seed).exponential(size=(2, 60))
    by = {"horizon": horizon, "variance": variance}
    statistic, p_value = giacomini_white(a, b, **by)
    assert giacomini_white(b, a, **by) == pytest.approx((statistic, p_value))
    assert giacomini_white(scale * a, scale * b, **by) == pytest.approx(
        (statistic, p_value), rel=1e-6
    )
    assert statistic >= 0
    assert 0 <= p_value <= 1


def test_expected_better_is_the_sign_of_the_fitted_difference():
    rng = np.random.default_rng(2)
    a, b = rng.exponential(size=(2, 80))
    d = a - b
    slope, intercept = np.polyfit(d[:-5], d[5:], 1)
    assert expected_better(a, b, horizon=5) == np.mean(intercept + slope * d[:-5] < 0)
    assert expected_better(a + 9, a, horizon=5) == 0
    assert expected_better(a, a + 9, horizon=5) == 1


def test_degenerate_losses_have_documented_values():
    loss = np.arange(1.0, 61.0)
    assert giacomini_white(loss, loss, horizon=24) == (0.0, 1.0)
    assert np.isnan(expected_better(loss, loss, horizon=24))
    assert giacomini_white(loss + 1, loss, horizon=24) == (np.inf, 0.0)
    # Different in the first hours alone, which only serve as instruments.
    early = loss + (np.arange(60) < 3)
    assert giacomini_white(early, loss, horizon=24) == (0.0, 1.0)
    for a, expected in ((loss, (0.0, 1.0)), (loss + 1, (np.inf, 0.0)), (early, (0.0, 1.0))):
        assert giacomini_white(a, loss, horizon=24, variance="periodogram") == expected


def test_an_instrument_that_adds_nothing_is_left_out():
    """Where its product with the difference is always zero, one degree of freedom is left."""
    d = np.tile([1.0, 0.0], 20)
    statistic, p_value = giacomini_white(d, np.zeros(40), horizon=1)
    z = d[1:]
    assert statistic == pytest.approx(39 * z.mean() ** 2 / (z**2).mean())
    assert p_value == pytest.approx(stats.chi2.sf(statistic, 1))
    slow = np.tile(np.repeat([1.0, 0.0], 5), 20) * (1 + np.arange(200) % 7)
    statistic, p_value = giacomini_white(slow, np.zeros(200), horizon=5, variance="periodogram")
    t, expected = literal_mean_test(slow[5:].tolist())
    assert (statistic, p_value) == pytest.approx((t**2, expected))


@pytest.mark.parametrize(
    ("a", "b", "horizon", "message"),
    [
        (np.ones(5), np.ones(6), 1, "losses: found shapes (5,) and (6,); should be one length T"),
        (np.ones(48), np.ones(48), 24, "horizon: found 24; should be 1 to 23 for 48 rows"),
        (np.ones(2), np.ones(2), 1, "losses: found 2 rows; should be at least 3"),
        (np.array([1, 2, np.nan]), np.ones(3), 1, "losses: found a value that is not finite"),
    ],
)
def test_bad_losses_are_refused(a, b, horizon, message):
    for test in (giacomini_white, expected_better):
        with pytest.raises(ValueError, match=re.escape(message)):
            test(a, b, horizon=horizon)


def test_pairs_hold_the_test_of_each_pair():
    found = giacomini_white_pairs(FORECASTS.sample(frac=1, random_state=0), PAIRS, 24)
    loss = {
        model: ((rows["y_true"] - rows["y_pred"]) ** 2).to_numpy()
        for model, rows in FORECASTS.sort_values("origin").groupby("model")
    }
    mse = score(FORECASTS).set_index("model")["rmse"] ** 2
    assert list(zip(found["model_a"], found["model_b"], strict=True)) == PAIRS
    for row in found.itertuples():
        a, b = loss[row.model_a], loss[row.model_b]
        d = a - b
        expected = literal_joint_test([d[24:].tolist(), (d[24:] * d[:-24]).tolist()])
        assert (row.statistic, row.p_value) == pytest.approx(expected, rel=1e-6)
        bartlett = literal_giacomini_white(a, b, 24, 46)[1]
        assert row.p_bartlett == pytest.approx(bartlett, rel=1e-6)
        assert row.expected_better == expected_better(a, b, horizon=24)
        assert row.mean_difference == pytest.approx(mse[row.model_a] - mse[row.model_b])


def test_no_pairs_give_an_empty_table_and_unknown_models_are_refused():
    empty = giacomini_white_pairs(FORECASTS, [], 24)
    assert empty.empty
    assert list(empty) == list(giacomini_white_pairs(FORECASTS, PAIRS, 24))
    with pytest.raises(ValueError, match="pairs: found 'oracle'; should be some of har, har_cal"):
        giacomini_white_pairs(FORECASTS, [("har", "oracle")], 24)


def test_missing_forecasts_are_refused():
    with pytest.raises(ValueError, match="model persistence: found no forecast for origin 2024"):
        giacomini_white_pairs(FORECASTS.iloc[1:], PAIRS, 24)
    broken = FORECASTS.assign(y_pred=FORECASTS["y_pred"].where(FORECASTS["model"] != "har"))
    assert pd.isna(broken["y_pred"]).any()
    with pytest.raises(ValueError, match=r"y_pred of model har, origin .*: found nan; should be a"):
        giacomini_white_pairs(broken, PAIRS, 24)
