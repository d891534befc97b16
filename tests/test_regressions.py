from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from forecast_tables import forecast_table
from hypothesis import given, settings
from hypothesis import strategies as st
from periodogram import literal_error, literal_joint_test, literal_mean_test
from scipy import stats

from dvol_utils.evaluation import average_seeds
from dvol_utils.significance import direction_test, mincer_zarnowitz, unbiasedness_test

FORECASTS = average_seeds(forecast_table(300))


def literal_regression(y: np.ndarray, x: np.ndarray, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights and their covariance: the sandwich with Bartlett weights written out."""
    X = np.column_stack([np.ones(len(y)), x]).astype(float)
    beta = np.linalg.solve(X.T @ X, X.T @ y)
    scores = X * (y - X @ beta)[:, None]
    middle = scores.T @ scores
    for k in range(1, lags + 1):
        cross = scores[k:].T @ scores[:-k]
        middle += (1 - k / (lags + 1)) * (cross + cross.T)
    bread = np.linalg.inv(X.T @ X)
    return beta, bread @ middle @ bread


def literal_direction(rows: pd.DataFrame, lags: int) -> tuple[float, float, float]:
    """Slope, t and p of 1{y > 0} on 1{f > 0}."""
    y = (rows["y_true"] - rows["y_origin"]).to_numpy()
    f = (rows["y_pred"] - rows["y_origin"]).to_numpy()[y != 0]
    beta, covariance = literal_regression((y[y != 0] > 0).astype(float), f > 0, lags)
    t = beta[1] / np.sqrt(covariance[1, 1])
    return beta[1], t, 2 * stats.norm.sf(abs(t))


@pytest.mark.parametrize(("horizon", "lags"), [(1, 0), (2, 2), (24, 46)])
def test_mincer_zarnowitz_is_the_literal_wald_test(horizon, lags):
    rng = np.random.default_rng(horizon)
    f = rng.normal(size=150)
    y = 0.3 + 0.8 * f + rng.normal(size=150).cumsum() / 5
    beta, covariance = literal_regression(y, f, lags)
    gap = beta - [0, 1]
    wald = gap @ np.linalg.inv(covariance) @ gap
    # Chi-square with two degrees of freedom has the tail exp(-x / 2).
    expected = (*beta, np.sqrt(covariance[1, 1]), wald, np.exp(-wald / 2))
    assert mincer_zarnowitz(y, f, horizon=horizon) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("rows", [64, 150])
def test_mincer_zarnowitz_by_the_periodogram_is_the_literal_formula(rows):
    """Under the hypothesis the error has mean zero, and so has error times forecast."""
    rng = np.random.default_rng(rows)
    f = rng.normal(size=rows)
    y = 0.3 + 0.8 * f + rng.normal(size=rows).cumsum() / 5
    error = (y - f).tolist()
    beta, _ = literal_regression(y, f, 0)
    left = y - beta[0] - beta[1] * f
    slope_error = literal_error(((f - f.mean()) * left).tolist()) / f.var()
    joint = literal_joint_test([error, [e * value for e, value in zip(error, f, strict=True)]])
    found = mincer_zarnowitz(y, f, horizon=6, variance="periodogram")
    assert found == pytest.approx((*beta, slope_error, *joint), rel=1e-9)


def test_forecasts_that_are_too_large_have_a_slope_below_one():
    rng = np.random.default_rng(0)
    known, rest = rng.normal(size=(2, 500))
    fair = mincer_zarnowitz(known + rest, known, horizon=1)
    assert fair.p_value > 0.05
    large = mincer_zarnowitz(known + rest, 2 * known, horizon=1)
    assert large.slope == pytest.approx(fair.slope / 2)
    assert large.p_value < 0.001
    assert mincer_zarnowitz(known + rest + 1, known, horizon=1).p_value < 0.001


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1000),
    scale=st.floats(0.01, 100),
    horizon=st.integers(1, 8),
    variance=st.sampled_from(["bartlett", "periodogram"]),
)
def test_units_of_both_do_not_matter(seed, scale, horizon, variance):
    y, f = np.random.default_rng(seed).normal(size=(2, 60))
    plain = mincer_zarnowitz(y, f, horizon=horizon, variance=variance)
    scaled = mincer_zarnowitz(scale * y, scale * f, horizon=horizon, variance=variance)
    assert scaled.p_value == pytest.approx(plain.p_value, rel=1e-6)
    assert scaled.intercept == pytest.approx(scale * plain.intercept)


def test_degenerate_forecasts_have_documented_values():
    y = np.array([1.0, 3.0, -2.0, 0.5, 1.0, -1.0])
    assert np.isnan(mincer_zarnowitz(y, np.ones(6), horizon=1)).all()
    perfect = mincer_zarnowitz(y, y, horizon=2)
    assert perfect[:2] == pytest.approx((0, 1), abs=1e-12)
    assert perfect[2:] == (0.0, 0.0, 1.0)
    assert mincer_zarnowitz(y, y / 2, horizon=2)[2:] == (0.0, np.inf, 0.0)
    assert mincer_zarnowitz(y + 1, y, horizon=2)[2:] == (0.0, np.inf, 0.0)
    still = mincer_zarnowitz(np.zeros(6), y, horizon=1)
    assert still[2:] == (0.0, np.inf, 0.0)


@pytest.mark.parametrize(
    ("y", "f", "horizon", "message"),
    [
        (np.ones(5), np.ones(6), 1, "outcome and forecast: found shapes (5,) and (6,); should be"),
        (np.ones(5), np.ones(5), 5, "horizon: found 5; should be 1 to 4 for 5 rows"),
        (np.ones(2), [1, np.nan], 1, "outcome and forecast: found a value that is not finite"),
    ],
)
def test_series_that_cannot_be_regressed_are_refused(y, f, horizon, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        mincer_zarnowitz(y, f, horizon=horizon)


def test_unbiasedness_is_about_changes_since_the_origin():
    found = unbiasedness_test(FORECASTS.sample(frac=1, random_state=1), 24).set_index("model")
    for model, rows in FORECASTS.groupby("model"):
        outcome, made = (rows[name] - rows["y_origin"] for name in ("y_true", "y_pred"))
        expected = mincer_zarnowitz(outcome, made, horizon=24, variance="periodogram")
        bartlett = mincer_zarnowitz(outcome, made, horizon=24).p_value
        np.testing.assert_allclose(found.loc[model], [*expected, bartlett], rtol=1e-9)
    assert found.loc["persistence"].isna().all()


def test_unbiasedness_keeps_the_order_of_models():
    assert unbiasedness_test(FORECASTS, 24)["model"].tolist() == list(pd.unique(FORECASTS["model"]))


def test_direction_is_tested_by_the_periodogram_and_by_a_regression_with_hac_errors():
    table = FORECASTS.copy()
    table.loc[table["origin"].isin(table["origin"].unique()[:5]), "y_true"] = table["y_origin"]
    found = direction_test(table, 24).set_index("model")
    for model in ("seasonal_naive", "har", "lstm_ultra"):
        rows = table[table["model"] == model]
        slope, _, p_bartlett = literal_direction(rows, 46)
        result = found.loc[model, ["slope", "p_bartlett"]]
        assert tuple(result) == pytest.approx((slope, p_bartlett), rel=1e-6)
        moved = rows[rows["y_true"] != rows["y_origin"]]
        rose, called = (
            (moved[column] > moved["y_origin"]).astype(float) for column in ("y_true", "y_pred")
        )
        naive = sm.OLS(rose.to_numpy(), sm.add_constant(called.to_numpy())).fit()
        assert found.loc[model, "statistic_naive"] == pytest.approx(naive.tvalues[1])
        together = (called - called.mean()) * (rose - rose.mean())
        result = found.loc[model, ["statistic", "p_value"]]
        assert tuple(result) == pytest.approx(literal_mean_test(together.tolist()), rel=1e-9)
        hits = (rose == called).mean()
        assert found.loc[model, "direction"] == pytest.approx(hits)
        assert found.loc[model, "slope"] == pytest.approx(
            rose[called == 1].mean() - rose[called == 0].mean()
        )


def test_direction_is_missing_for_a_model_that_calls_one_direction():
    up = FORECASTS[FORECASTS["model"] == "har"].assign(
        model="up", y_pred=lambda rows: rows["y_origin"] + 1
    )
    found = direction_test(pd.concat([FORECASTS, up]), 24).set_index("model")
    tests = ["slope", "statistic", "p_value", "p_bartlett", "statistic_naive", "p_value_naive"]
    assert found.loc[["persistence", "up"], tests].isna().all(axis=None)
    assert np.isnan(found.loc["persistence", "direction"])
    assert 0 < found.loc["up", "direction"] < 1


def test_direction_that_is_always_right_or_always_wrong_is_certain():
    rows = FORECASTS[FORECASTS["model"] == "har"]
    for model, sign in (("oracle", 1), ("fool", -1)):
        change = sign * (rows["y_true"] - rows["y_origin"])
        sure = rows.assign(model=model, y_pred=rows["y_origin"] + change)
        found = direction_test(sure, 24).iloc[0]
        assert found["slope"] == sign
        assert found["statistic"] == sign * np.inf
        assert (found["p_value"], found["p_bartlett"]) == (0, 0)


def test_direction_without_skill_is_rarely_significant_once_overlap_is_allowed_for():
    rejected = {"p_value": 0, "p_value_naive": 0}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        level = 60 + rng.normal(size=524).cumsum() / 10
        signal = np.convolve(rng.normal(size=523), np.ones(24), mode="valid")
        rows = pd.DataFrame(
            {
                "model": "coin",
                "origin": pd.date_range("2024-01-01", periods=500, freq="h", tz="UTC"),
                "y_origin": level[:500],
                "y_true": level[24:],
                "y_pred": level[:500] + signal,
            }
        )
        found = direction_test(rows, 24).iloc[0]
        for name in rejected:
            rejected[name] += found[name] < 0.05
    assert rejected["p_value"] <= 0.25 * 60
    assert rejected["p_value_naive"] >= 2 * rejected["p_value"]
