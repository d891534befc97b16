from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import MCS, SPA, StationaryBootstrap
from forecast_tables import forecast_table
from hypothesis import given, settings
from hypothesis import strategies as st

from dvol_utils.evaluation import average_seeds
from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.significance import model_confidence_set, superior_ability
from dvol_utils.significance.resampling import Resampling

FORECASTS = average_seeds(forecast_table(300))
DRAWS = Resampling(block_hours=48, reps=200, seed=0)
# Somewhat better than persistence, somewhat worse, and hopeless: the bounds lie apart.
CLOSE = forecast_table(
    300,
    seed=1,
    models={
        "persistence": (0, 0, 1),
        "near": (0.04, 0.4, 1),
        "poor": (0.0, 0.4, 1),
        "hopeless": (0.0, 6.0, 1),
    },
)
RIVALS = [m for m in pd.unique(FORECASTS["model"]) if m != "persistence"]


@pytest.mark.parametrize("models", [2, 4, 7])
def test_the_confidence_set_is_that_of_arch_on_the_same_resamples(models):
    rows = FORECASTS[FORECASTS["model"].isin(pd.unique(FORECASTS["model"])[:models])]
    found = model_confidence_set(rows, size=0.1, resampling=DRAWS).set_index("model")["p_value"]
    test = MCS(squared_errors(rows), 0.1, reps=200, block_size=48, seed=0)
    test.compute()
    assert found.to_dict() == test.pvalues["Pvalue"].to_dict()
    assert found.min() < 1


def test_the_confidence_set_leaves_out_a_clearly_worse_model_and_keeps_the_best():
    models = {"persistence": (0, 0, 1), "best": (0.5, 0.1, 1), "twin": (0.5, 0.1, 1)}
    table = forecast_table(500, models=models)
    found = model_confidence_set(table, size=0.1, resampling=DRAWS).set_index("model")
    assert found["included"].to_dict() == {"persistence": False, "best": True, "twin": True}
    assert found["p_value"].max() == 1
    assert found.loc["persistence", "p_value"] <= 0.1


def test_models_with_the_same_errors_share_their_place():
    own = FORECASTS[FORECASTS["model"].isin(["persistence", "har"])]
    copy = own[own["model"] == "har"].assign(model="har_calendar")
    with_copy = model_confidence_set(pd.concat([own, copy]), size=0.1, resampling=DRAWS).set_index(
        "model"
    )
    alone = model_confidence_set(own, size=0.1, resampling=DRAWS).set_index("model")
    assert with_copy["p_value"].to_dict() == {
        **alone["p_value"].to_dict(),
        "har_calendar": alone.loc["har", "p_value"],
    }


def test_the_confidence_set_of_one_model_is_that_model():
    only = FORECASTS[FORECASTS["model"] == "har"]
    found = model_confidence_set(only, size=0.1, resampling=DRAWS)
    assert found.to_dict("records") == [{"model": "har", "p_value": 1.0, "included": True}]


def test_the_confidence_set_of_losses_a_constant_apart_is_the_smaller_one():
    rows = FORECASTS[FORECASTS["model"] == "persistence"]
    near = rows.assign(y_true=rows["y_origin"] + 1)
    far = near.assign(model="far", y_pred=near["y_true"] + 2)
    found = model_confidence_set(pd.concat([near, far]), size=0.1, resampling=DRAWS)
    assert found["included"].tolist() == [True, False]
    assert found["p_value"].tolist() == [1.0, 0.0]


def literal_superior(losses: pd.DataFrame, benchmark: str) -> pd.DataFrame:
    """Hansen's and White's tests, one resample and one model at a time."""
    rivals = [model for model in losses if model != benchmark]
    d = {k: (losses[benchmark] - losses[k]).to_numpy() for k in rivals}
    n = len(losses)
    sampler = StationaryBootstrap(48, np.arange(n), seed=0)
    draws = [data[0][0] for data in sampler.bootstrap(200)]
    mean = {k: d[k].mean() for k in rivals}
    drawn = {k: [d[k][draw].mean() for draw in draws] for k in rivals}
    w = {k: np.sqrt(n * np.mean([(m - mean[k]) ** 2 for m in drawn[k]])) for k in rivals}
    t = {k: np.sqrt(n) * mean[k] / w[k] for k in rivals}
    rows = []
    for k in rivals:
        reached = dict.fromkeys(("lower", "consistent", "upper", "white"), 0)
        for b in range(len(draws)):
            best = {"lower": 0.0, "consistent": 0.0, "upper": 0.0, "white": -np.inf}
            for j in rivals:
                relevant = t[j] >= -np.sqrt(2 * np.log(np.log(n)))
                g = {
                    "lower": max(mean[j], 0),
                    "consistent": mean[j] if relevant else 0,
                    "upper": mean[j],
                }
                for name, centre in g.items():
                    z = np.sqrt(n) * (drawn[j][b] - centre) / w[j]
                    best[name] = max(best[name], z)
                best["white"] = max(best["white"], drawn[j][b] - mean[j])
            for name in ("lower", "consistent", "upper"):
                reached[name] += best[name] > t[k] or t[k] <= 0
            reached["white"] += best["white"] > mean[k]
        rows.append((k, mean[k], t[k], *(reached[name] / len(draws) for name in reached)))
    names = ["model", "mean_gain", "statistic", "p_lower", "p_value", "p_upper", "p_reality_check"]
    return pd.DataFrame(rows, columns=names)


def test_superior_ability_is_the_literal_test_on_the_same_resamples():
    for benchmark in ("persistence", "poor"):
        found = superior_ability(CLOSE, benchmark=benchmark, resampling=DRAWS)
        expected = literal_superior(squared_errors(CLOSE), benchmark)
        pd.testing.assert_frame_equal(found[list(expected)], expected, rtol=1e-9)
    found = superior_ability(CLOSE, resampling=DRAWS)
    assert 0 < found["p_lower"].min() < found["p_value"].min() < found["p_upper"].min() < 1


def test_the_reality_check_is_the_upper_p_value_of_arch():
    """arch's test does not divide by standard errors, so its consistent p-value is another one."""
    losses = squared_errors(FORECASTS)
    test = SPA(losses["persistence"], losses[RIVALS], block_size=48, reps=200, seed=0)
    test.compute()
    found = superior_ability(FORECASTS, resampling=DRAWS)
    assert found["p_reality_check"].min() == test.pvalues["upper"]


def test_the_critical_value_is_the_level_of_the_null_distribution():
    found = superior_ability(FORECASTS, level=0.2, resampling=DRAWS)
    assert np.ptp(found["critical_value"]) == 0
    significant = found["p_value"] < 0.2
    assert ((found["statistic"] > found["critical_value"]) == significant).all()
    stricter = superior_ability(FORECASTS, level=0.01, resampling=DRAWS)
    assert stricter["critical_value"].iloc[0] > found["critical_value"].iloc[0]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
def test_bounds_enclose_the_p_value_and_units_do_not_matter(seed, scale):
    rng = np.random.default_rng(seed)
    models = {f"m{k}": (rng.uniform(-0.05, 0.1), rng.uniform(0.1, 1), 1) for k in range(3)}
    rows = forecast_table(120, models={"persistence": (0, 0, 1), **models}, seed=seed)
    found = superior_ability(rows, resampling=DRAWS)
    assert (found["p_lower"] <= found["p_value"]).all()
    assert (found["p_value"] <= found["p_upper"]).all()
    order = found.sort_values("statistic", ascending=False)
    assert order["p_value"].is_monotonic_increasing
    level = ["y_true", "y_pred", "y_origin"]
    scaled = superior_ability(rows.assign(**scale * rows[level]), resampling=DRAWS)
    pd.testing.assert_series_equal(scaled["statistic"], found["statistic"], rtol=1e-6)


def test_a_hopeless_rival_does_not_hide_a_better_one():
    """White's check in squared points drowns in the hopeless model's spread."""
    models = {"persistence": (0, 0, 1), "better": (0.1, 0.1, 1), "hopeless": (0, 12, 1)}
    found = superior_ability(forecast_table(600, models=models), resampling=DRAWS).set_index(
        "model"
    )
    assert found.loc["better", "p_value"] < 0.01
    assert found.loc["better", "p_reality_check"] > 0.05
    assert found.loc["hopeless", "p_value"] == 1


def test_degenerate_rivals():
    rows = FORECASTS[FORECASTS["model"] == "persistence"]
    near = rows.assign(y_true=rows["y_origin"] + 1)
    twin = near.assign(model="twin")
    perfect = near.assign(model="perfect", y_pred=near["y_true"])
    worse = near.assign(model="worse", y_pred=near["y_origin"] - 1)
    found = superior_ability(pd.concat([near, twin, perfect, worse]), resampling=DRAWS)
    assert found["statistic"].tolist() == [0.0, np.inf, -np.inf]
    assert found["p_value"].tolist() == [1.0, 0.0, 1.0]
    alone = superior_ability(near, resampling=DRAWS)
    assert alone.empty
    assert list(alone) == list(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"benchmark": "oracle"}, "benchmark: found 'oracle'; should be one of har, har_calendar"),
        ({"block_hours": 12}, "block_hours: found 12; should be at least the horizon, 24 hours"),
        ({"block_hours": 400}, "forecasts: found 300 hours; should be at least one block of 400"),
        ({"reps": 0}, "reps: found 0; should be at least 1"),
    ],
)
def test_bad_calls_are_refused(change, message):
    other = {"benchmark": change.get("benchmark", "persistence")}
    draws = replace(DRAWS, **{name: value for name, value in change.items() if name not in other})
    with pytest.raises(ValueError, match=re.escape(message)):
        superior_ability(FORECASTS, resampling=draws, **other)
    if "benchmark" not in change:
        with pytest.raises(ValueError, match=re.escape(message)):
            model_confidence_set(FORECASTS, size=0.1, resampling=draws)
