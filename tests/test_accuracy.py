from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from forecast_tables import forecast_table
from hypothesis import given, settings
from hypothesis import strategies as st
from periodogram import literal_mean_test
from scipy import stats

from dvol_utils.evaluation import average_seeds, score
from dvol_utils.significance import (
    clark_west,
    clark_west_pairs,
    diebold_mariano,
    diebold_mariano_pairs,
    equal_loss,
)
from dvol_utils.significance.hac import mean_test, ordinates, periodogram_variance

FORECASTS = average_seeds(forecast_table(300))
NESTED = [("har_calendar", "har"), ("lstm_ultra", "persistence")]
# R 4.2.2 and forecast 8.20: f1 <- ets(WWWusage); f2 <- auto.arima(WWWusage); both sets of
# residuals(), and dm.test(residuals(f1), residuals(f2), h = h, varestimator = "bartlett"). The
# first is the example of ?dm.test.
RESIDUALS = pd.read_csv(Path(__file__).with_name("wwwusage_residuals.csv"))
BY_R = {
    1: (1.90777729307634, 0.0593178558822261),
    2: (2.03099495917237, 0.0449362388132483),
    6: (1.80053318722388, 0.0748216092774600),
    24: (1.47741178933170, 0.142739534886924),
}


@pytest.mark.parametrize("horizon", BY_R)
def test_diebold_mariano_agrees_with_r(horizon):
    ets, arima = RESIDUALS["ets"] ** 2, RESIDUALS["arima"] ** 2
    assert diebold_mariano(ets, arima, horizon=horizon) == pytest.approx(BY_R[horizon], abs=1e-9)


def test_diebold_mariano_is_the_published_example_of_r():
    statistic, p_value = diebold_mariano(RESIDUALS["ets"] ** 2, RESIDUALS["arima"] ** 2, horizon=1)
    assert statistic == pytest.approx(1.907777, abs=1e-6)
    assert p_value == pytest.approx(0.05931786, abs=1e-8)


def test_the_residuals_are_those_of_models_that_take_the_series_step_by_step():
    """Both are one-step errors, so they are series less a forecast from what came before."""
    made = RESIDUALS["y"] - RESIDUALS["arima"]
    # auto.arima's ARIMA(1,1,1) without drift: ar 0.650375976231776, ma 0.525595888951201.
    y, e = RESIDUALS["y"].to_numpy(), RESIDUALS["arima"].to_numpy()
    expected = y[1:-1] + 0.650375976231776 * np.diff(y)[:-1] + 0.525595888951201 * e[1:-1]
    # Apart from the start, where the filter does not yet know the error before.
    np.testing.assert_allclose(made[12:], expected[10:], atol=1e-4)


def literal_diebold_mariano(
    a: np.ndarray, b: np.ndarray, h: int, lags: int | None = None
) -> tuple[float, float]:
    """Diebold and Mariano with Bartlett weights; Harvey, Leybourne and Newbold's factor and t."""
    d = a - b
    T = len(d)
    L = h - 1 if lags is None else lags
    variance = 0.0
    for k in range(-L, L + 1):
        covariance = 0.0
        for t in range(abs(k), T):
            covariance += (d[t] - d.mean()) * (d[t - abs(k)] - d.mean()) / T
        variance += (1 - abs(k) / (L + 1)) * covariance
    statistic = d.mean() / np.sqrt(variance / T)
    statistic *= np.sqrt((T + 1 - 2 * h + h * (h - 1) / T) / T)
    return statistic, 2 * stats.t.sf(abs(statistic), df=T - 1)


@pytest.mark.parametrize("horizon", [1, 2, 24])
@pytest.mark.parametrize("rows", [30, 200])
def test_diebold_mariano_is_the_literal_formula(horizon, rows):
    rng = np.random.default_rng(rows + horizon)
    common = rng.normal(size=rows + 24).cumsum()
    a = (common[24:] - common[:-24]) ** 2 + rng.exponential(size=rows)
    b = (common[24:] - common[:-24]) ** 2 + rng.exponential(1.3, size=rows)
    assert diebold_mariano(a, b, horizon=horizon) == pytest.approx(
        literal_diebold_mariano(a, b, horizon), rel=1e-9
    )


@pytest.mark.parametrize("rows", [8, 26, 27, 28, 63, 64, 200, 999, 1000])
def test_the_periodogram_is_the_literal_formula(rows):
    rng = np.random.default_rng(rows)
    common = np.convolve(rng.normal(size=rows + 5), np.ones(6), mode="valid")
    a, b = (common + rng.normal(size=rows)) ** 2, (common - 1.2 * rng.normal(size=rows)) ** 2
    expected = literal_mean_test((a - b).tolist())
    found = diebold_mariano(a, b, horizon=6, variance="periodogram")
    assert found == pytest.approx(expected, rel=1e-10, abs=1e-12)
    assert equal_loss(a, b, horizon=6) == (*found, diebold_mariano(a, b, horizon=6)[1])


@pytest.mark.parametrize(("rows", "count"), [(26, 2), (27, 3), (64, 4), (999, 9), (1000, 10)])
def test_a_cube_has_its_root_of_ordinates(rows, count):
    assert ordinates(rows) == count


def test_the_periodogram_of_independent_values_is_their_variance_on_average():
    rng = np.random.default_rng(0)
    found = [periodogram_variance(rng.normal(size=(64, 2))) for _ in range(500)]
    # A mean of 500 chi-squares with 8 degrees of freedom, divided by 8: error 0.022.
    np.testing.assert_allclose(np.mean(found, axis=0), np.eye(2), atol=0.09)


def test_differences_too_quick_for_the_periodogram_have_no_error():
    quick = np.tile([1.0, -1.0], 50)
    assert mean_test(quick, 0.0) == (0.0, 1.0)
    assert mean_test(quick + 0.5, 0.5) == (np.inf, 0.0)


def test_too_few_rows_for_the_periodogram_are_refused():
    with pytest.raises(ValueError, match="values: found 2 rows; should be at least 3"):
        diebold_mariano([1.0, 2.0], [2.0, 1.0], horizon=1, variance="periodogram")


def test_lags_beside_the_periodogram_are_refused():
    with pytest.raises(ValueError, match="lags: found 3; the periodogram has none, leave them out"):
        diebold_mariano([1.0, 2, 4], [2.0, 1, 1], horizon=1, lags=3, variance="periodogram")


@pytest.mark.parametrize("variance", ["bartlett", "periodogram"])
def test_the_better_forecast_has_a_negative_statistic(variance):
    rng = np.random.default_rng(0)
    good, poor = rng.normal(size=200) ** 2, (2 * rng.normal(size=200)) ** 2
    statistic, p_value = diebold_mariano(good, poor, horizon=1, variance=variance)
    assert statistic < -3
    assert p_value < 0.01


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    horizon=st.integers(1, 10),
    scale=st.floats(0.01, 100),
    variance=st.sampled_from(["bartlett", "periodogram"]),
)
def test_swapping_forecasts_turns_the_sign_and_units_do_not_matter(seed, horizon, scale, variance):
    rng = np.random.default_rng(seed)
    a, b = rng.exponential(size=(2, 60))
    by = {"horizon": horizon, "variance": variance}
    statistic, p_value = diebold_mariano(a, b, **by)
    assert diebold_mariano(b, a, **by) == pytest.approx((-statistic, p_value))
    assert diebold_mariano(scale * a, scale * b, **by) == pytest.approx((statistic, p_value))
    assert 0 <= p_value <= 1


def test_lags_may_be_more_than_the_horizon_asks_for():
    rng = np.random.default_rng(3)
    a, b = rng.exponential(size=(2, 80))
    assert diebold_mariano(a, b, horizon=6, lags=10) == pytest.approx(
        literal_diebold_mariano(a, b, 6, lags=10), rel=1e-9
    )


def test_identical_and_shifted_losses():
    loss = np.arange(1.0, 31.0)
    assert diebold_mariano(loss, loss, horizon=24) == (0.0, 1.0)
    assert diebold_mariano(loss + 1, loss, horizon=24) == (np.inf, 0.0)
    assert diebold_mariano(loss, loss + 1, horizon=24) == (-np.inf, 0.0)
    assert equal_loss(loss, loss, horizon=24) == (0.0, 1.0, 1.0)
    assert equal_loss(loss, loss + 1, horizon=24) == (-np.inf, 0.0, 0.0)


@pytest.mark.parametrize(
    ("a", "b", "horizon", "message"),
    [
        (np.ones(5), np.ones(6), 1, "losses: found shapes (5,) and (6,); should be one length T"),
        (np.ones((5, 1)), np.ones((5, 1)), 1, "losses: found shapes (5, 1) and (5, 1)"),
        (np.ones(5), np.zeros(5), 5, "horizon: found 5; should be 1 to 4 for 5 rows"),
        (np.ones(5), np.zeros(5), 0, "horizon: found 0; should be 1 to 4 for 5 rows"),
        (np.ones(1), np.zeros(1), 1, "losses: found 1 rows; should be at least 2"),
        (np.ones(0), np.zeros(0), 1, "losses: found 0 rows; should be at least 2"),
        (np.array([1, np.nan, 2]), np.ones(3), 1, "losses: found a value that is not finite"),
    ],
)
def test_bad_losses_are_refused(a, b, horizon, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        diebold_mariano(a, b, horizon=horizon)


def test_pairs_hold_every_pair_once_with_its_own_test():
    pairs = diebold_mariano_pairs(FORECASTS, 24)
    models = list(pd.unique(FORECASTS["model"]))
    assert list(zip(pairs["model_a"], pairs["model_b"], strict=True)) == list(
        combinations(models, 2)
    )
    row = pairs[(pairs["model_a"] == "har") & (pairs["model_b"] == "lstm_large")].iloc[0]
    loss = {
        model: ((rows["y_true"] - rows["y_pred"]) ** 2).to_numpy()
        for model, rows in FORECASTS.groupby("model")
    }
    expected = literal_mean_test((loss["har"] - loss["lstm_large"]).tolist())
    assert (row["statistic"], row["p_value"]) == pytest.approx(expected)
    mse = score(FORECASTS).set_index("model")["rmse"] ** 2
    assert row["mean_difference"] == pytest.approx(mse["har"] - mse["lstm_large"])


def test_holm_multiplies_the_smallest_p_value_by_the_number_of_pairs():
    pairs = diebold_mariano_pairs(FORECASTS, 24).sort_values("p_value", ignore_index=True)
    count, largest = len(pairs), 0.0
    for place, p in enumerate(pairs["p_value"]):
        largest = max(largest, min(1.0, (count - place) * p))
        assert pairs.loc[place, "p_holm"] == pytest.approx(largest)


def test_a_single_model_has_no_pairs():
    only = FORECASTS[FORECASTS["model"] == "har"]
    pairs = diebold_mariano_pairs(only, 24)
    assert pairs.empty
    assert list(pairs) == list(diebold_mariano_pairs(FORECASTS, 24))


def test_bartletts_p_values_stand_beside():
    pairs = diebold_mariano_pairs(FORECASTS, 24)
    loss = {
        model: ((rows["y_true"] - rows["y_pred"]) ** 2).to_numpy()
        for model, rows in FORECASTS.groupby("model")
    }
    for row in pairs.sample(4, random_state=0).itertuples():
        expected = literal_diebold_mariano(loss[row.model_a], loss[row.model_b], 24)
        assert row.p_bartlett == pytest.approx(expected[1], rel=1e-9)


def test_false_discovery_takes_the_smallest_later_share():
    """p times the number of pairs over its rank, never above that of a larger p-value."""
    pairs = diebold_mariano_pairs(FORECASTS, 24).sort_values("p_value", ignore_index=True)
    count = len(pairs)
    for place in range(count):
        later = [count / (rank + 1) * pairs.loc[rank, "p_value"] for rank in range(place, count)]
        assert pairs.loc[place, "p_fdr"] == pytest.approx(min(1.0, *later))
    assert (pairs["p_value"] <= pairs["p_fdr"]).all()
    assert (pairs["p_fdr"] <= pairs["p_holm"] + 1e-12).all()


def literal_clark_west(
    y: np.ndarray, small: np.ndarray, large: np.ndarray, lags: int
) -> tuple[float, float]:
    T, f = len(y), []
    for t in range(T):
        noise = (small[t] - large[t]) ** 2
        f.append((y[t] - small[t]) ** 2 - ((y[t] - large[t]) ** 2 - noise))
    mean = sum(f) / T
    variance = sum((value - mean) ** 2 for value in f) / T
    for k in range(1, lags + 1):
        covariance = sum((f[t] - mean) * (f[t - k] - mean) for t in range(k, T)) / T
        variance += 2 * (1 - k / (lags + 1)) * covariance
    statistic = mean / np.sqrt(variance / T)
    return statistic, 1 - stats.norm.cdf(statistic)


@pytest.mark.parametrize(("horizon", "lags"), [(1, 0), (2, 2), (24, 46)])
def test_clark_west_is_the_literal_formula(horizon, lags):
    rng = np.random.default_rng(horizon)
    y, small, large = rng.normal(size=(3, 120)).cumsum(axis=1)
    assert clark_west(y, small, large, horizon=horizon) == pytest.approx(
        literal_clark_west(y, small, large, lags), rel=1e-8
    )


@pytest.mark.parametrize("rows", [27, 120])
def test_clark_west_by_the_periodogram_is_the_literal_formula(rows):
    rng = np.random.default_rng(rows)
    y, small, large = rng.normal(size=(3, rows)).cumsum(axis=1)
    f = [
        (y[t] - small[t]) ** 2 - ((y[t] - large[t]) ** 2 - (small[t] - large[t]) ** 2)
        for t in range(rows)
    ]
    found = clark_west(y, small, large, horizon=6, variance="periodogram")
    assert found == pytest.approx(literal_mean_test(f, one_sided=True), rel=1e-10)


def test_clark_west_finds_what_a_noisy_model_knows_and_diebold_mariano_misses():
    rng = np.random.default_rng(0)
    known, rest = rng.normal(size=(2, 2000))
    y = 0.2 * known + rest
    large = 0.2 * known + 0.3 * rng.normal(size=2000)
    assert clark_west(y, np.zeros(2000), large, horizon=1)[1] < 0.01
    assert diebold_mariano((y - large) ** 2, y**2, horizon=1)[0] > 0


def test_clark_west_of_degenerate_forecasts():
    y = np.array([1.0, -2.0, 3.0, 1.0])
    assert clark_west(y, y / 2, y / 2, horizon=1) == (0.0, 1.0)
    assert clark_west(y, y - 1, y, horizon=1) == (np.inf, 0.0)
    assert clark_west(y, y - 1, y - 2, horizon=1) == (-np.inf, 1.0)


def test_clark_west_refuses_what_cannot_be_compared():
    y = np.ones(5)
    message = "outcome and forecasts: found shapes (5,) and (5,) and (4,); should be one length T"
    with pytest.raises(ValueError, match=re.escape(message)):
        clark_west(y, y, y[:4], horizon=1)
    with pytest.raises(ValueError, match="outcome and forecasts: found a value that is not finite"):
        clark_west(y, y, np.array([1, 2, np.inf, 4, 5]), horizon=1)
    with pytest.raises(ValueError, match="horizon: found 9; should be 1 to 4 for 5 rows"):
        clark_west(y, y, y, horizon=9)


def test_nested_pairs_hold_the_test_of_each_pair():
    found = clark_west_pairs(FORECASTS.sample(frac=1, random_state=0), NESTED, 24)
    assert list(zip(found["model_a"], found["model_b"], strict=True)) == NESTED
    rows = {m: t.sort_values("origin") for m, t in FORECASTS.groupby("model")}
    mse = score(FORECASTS).set_index("model")["rmse"] ** 2
    for row in found.itertuples():
        large, small = rows[row.model_a], rows[row.model_b]
        arrays = [v.to_numpy() for v in (large["y_true"], small["y_pred"], large["y_pred"])]
        y, naive, made = arrays
        f = (y - naive) ** 2 - ((y - made) ** 2 - (naive - made) ** 2)
        expected = literal_mean_test(f.tolist(), one_sided=True)
        assert (row.statistic, row.p_value) == pytest.approx(expected, rel=1e-7)
        assert row.p_bartlett == pytest.approx(literal_clark_west(*arrays, 46)[1], rel=1e-7)
        difference = mse[row.model_a] - mse[row.model_b]
        assert row.mean_difference == pytest.approx(difference)
        noise = ((arrays[1] - arrays[2]) ** 2).mean()
        assert row.adjusted_difference == pytest.approx(difference - noise)


def test_nested_pairs_of_unknown_models_are_refused():
    with pytest.raises(ValueError, match="pairs: found 'oracle'; should be some of har, har_cal"):
        clark_west_pairs(FORECASTS, [("oracle", "har")], 24)
