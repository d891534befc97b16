from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from arch.bootstrap import optimal_block_length
from forecast_tables import forecast_table
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dvol_utils.evaluation import average_seeds, score
from dvol_utils.significance import (
    diebold_mariano,
    diebold_mariano_pairs,
    direction_test,
    model_confidence_set,
    optimal_block,
)

FORECASTS = average_seeds(forecast_table(300))
DRAWS = {"block_hours": 48, "reps": 200, "seed": 0}


def literal_diebold_mariano(a: np.ndarray, b: np.ndarray, h: int) -> tuple[float, float]:
    """Diebold and Mariano with Bartlett weights; Harvey, Leybourne and Newbold's factor and t."""
    d = a - b
    T = len(d)
    variance = 0.0
    for k in range(-(h - 1), h):
        covariance = 0.0
        for t in range(abs(k), T):
            covariance += (d[t] - d.mean()) * (d[t - abs(k)] - d.mean()) / T
        variance += (1 - abs(k) / h) * covariance
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


def test_the_better_forecast_has_a_negative_statistic():
    rng = np.random.default_rng(0)
    good, poor = rng.normal(size=200) ** 2, (2 * rng.normal(size=200)) ** 2
    statistic, p_value = diebold_mariano(good, poor, horizon=1)
    assert statistic < -3
    assert p_value < 0.01


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), horizon=st.integers(1, 10), scale=st.floats(0.01, 100))
def test_swapping_forecasts_turns_the_sign_and_units_do_not_matter(seed, horizon, scale):
    rng = np.random.default_rng(seed)
    a, b = rng.exponential(size=(2, 60))
    statistic, p_value = diebold_mariano(a, b, horizon=horizon)
    assert diebold_mariano(b, a, horizon=horizon) == pytest.approx((-statistic, p_value))
    assert diebold_mariano(scale * a, scale * b, horizon=horizon) == pytest.approx(
        (statistic, p_value)
    )
    assert 0 <= p_value <= 1


def test_size_with_overlapping_targets():
    """Equally good forecasts of a moving sum: about 5 % rejected, not the 40 % without lags."""
    rng = np.random.default_rng(1)
    rejected = {1: 0, 12: 0}
    for _ in range(200):
        first, second = (
            np.convolve(rng.normal(size=411), np.ones(12), mode="valid") for _ in range(2)
        )
        for horizon in rejected:
            rejected[horizon] += diebold_mariano(first**2, second**2, horizon=horizon)[1] < 0.05
    assert rejected[1] / 200 > 0.3
    assert 0.02 <= rejected[12] / 200 <= 0.14


def test_identical_and_shifted_losses():
    loss = np.arange(1.0, 31.0)
    assert diebold_mariano(loss, loss, horizon=24) == (0.0, 1.0)
    assert diebold_mariano(loss + 1, loss, horizon=24) == (np.inf, 0.0)
    assert diebold_mariano(loss, loss + 1, horizon=24) == (-np.inf, 0.0)


@pytest.mark.parametrize(
    ("a", "b", "horizon", "message"),
    [
        (np.ones(5), np.ones(6), 1, "losses: found shapes (5,) and (6,); should be one length T"),
        (np.ones((5, 1)), np.ones((5, 1)), 1, "losses: found shapes (5, 1) and (5, 1)"),
        (np.ones(5), np.zeros(5), 5, "horizon: found 5; should be 1 to 4 for 5 rows"),
        (np.ones(5), np.zeros(5), 0, "horizon: found 0; should be 1 to 4 for 5 rows"),
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
    expected = literal_diebold_mariano(loss["har"], loss["lstm_large"], 24)
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


def test_the_confidence_set_leaves_out_a_clearly_worse_model_and_keeps_the_best():
    models = {"persistence": (0, 0, 1), "best": (0.5, 0.1, 1), "twin": (0.5, 0.1, 1)}
    table = forecast_table(500, models=models)
    found = model_confidence_set(table, size=0.1, **DRAWS).set_index("model")
    assert found["included"].to_dict() == {"persistence": False, "best": True, "twin": True}
    assert found["p_value"].max() == 1
    assert found.loc["persistence", "p_value"] <= 0.1


def test_models_with_the_same_errors_share_their_place():
    own = FORECASTS[FORECASTS["model"].isin(["persistence", "har"])]
    copy = own[own["model"] == "har"].assign(model="har_calendar")
    with_copy = model_confidence_set(pd.concat([own, copy]), size=0.1, **DRAWS).set_index("model")
    alone = model_confidence_set(own, size=0.1, **DRAWS).set_index("model")
    assert with_copy["p_value"].to_dict() == {
        **alone["p_value"].to_dict(),
        "har_calendar": alone.loc["har", "p_value"],
    }


def test_the_confidence_set_of_one_model_is_that_model():
    only = FORECASTS[FORECASTS["model"] == "har"]
    found = model_confidence_set(only, size=0.1, **DRAWS)
    assert found.to_dict("records") == [{"model": "har", "p_value": 1.0, "included": True}]


def literal_direction(rows: pd.DataFrame, lags: int) -> tuple[float, float, float]:
    """Slope, t and p of 1{y > 0} on 1{f > 0}; sandwich with Bartlett weights written out."""
    y = (rows["y_true"] - rows["y_origin"]).to_numpy()
    f = (rows["y_pred"] - rows["y_origin"]).to_numpy()[y != 0]
    y = y[y != 0]
    X = np.column_stack([np.ones(len(y)), f > 0]).astype(float)
    beta = np.linalg.solve(X.T @ X, X.T @ (y > 0))
    scores = X * ((y > 0) - X @ beta)[:, None]
    middle = scores.T @ scores
    for k in range(1, lags + 1):
        cross = scores[k:].T @ scores[:-k]
        middle += (1 - k / (lags + 1)) * (cross + cross.T)
    bread = np.linalg.inv(X.T @ X)
    t = beta[1] / np.sqrt((bread @ middle @ bread)[1, 1])
    return beta[1], t, 2 * stats.norm.sf(abs(t))


def test_direction_is_a_regression_with_hac_errors():
    table = FORECASTS.copy()
    table.loc[table["origin"].isin(table["origin"].unique()[:5]), "y_true"] = table["y_origin"]
    found = direction_test(table, 24).set_index("model")
    for model in ("seasonal_naive", "har", "lstm_ultra"):
        rows = table[table["model"] == model]
        expected = literal_direction(rows, 23)
        result = found.loc[model, ["slope", "statistic", "p_value"]]
        assert tuple(result) == pytest.approx(expected, rel=1e-6)
        moved = rows[rows["y_true"] != rows["y_origin"]]
        rose, called = (
            (moved[column] > moved["y_origin"]).astype(float) for column in ("y_true", "y_pred")
        )
        naive = sm.OLS(rose.to_numpy(), sm.add_constant(called.to_numpy())).fit()
        assert found.loc[model, "statistic_naive"] == pytest.approx(naive.tvalues[1])
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
    tests = ["slope", "statistic", "p_value", "statistic_naive", "p_value_naive"]
    assert found.loc[["persistence", "up"], tests].isna().all(axis=None)
    assert np.isnan(found.loc["persistence", "direction"])
    assert 0 < found.loc["up", "direction"] < 1


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
