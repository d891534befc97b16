"""Forecasts that differ by rounding alone: no score and no test tells them apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dvol_utils import significance
from dvol_utils.evaluation import score
from dvol_utils.evaluation.forecast_table import QUANTILES, squared_errors
from dvol_utils.evaluation.twins import SAME_POINTS, loss_difference, settled
from dvol_utils.significance import Resampling
from dvol_utils.significance.example import example_forecasts
from dvol_utils.significance.regimes import regime_skill

HORIZON = 24
DRAWS = Resampling(block_hours=48, reps=200, seed=0)


def rounding(values: pd.Series, how: str) -> pd.Series:
    rng = np.random.default_rng(0)
    return {
        "exp(log(x))": lambda: np.exp(np.log(values)),
        "a step up": lambda: values * (1 + 2**-52),
        "noise": lambda: values + 4e-10 * rng.standard_normal(len(values)).clip(-2, 2),
        "one side": lambda: values + 9e-10,
        "some rows": lambda: values.where(np.arange(len(values)) % 3 > 0, values - 1e-12),
    }[how]()


WAYS = ["exp(log(x))", "a step up", "noise", "one side", "some rows"]


def with_twin(of: str, how: str) -> pd.DataFrame:
    """The example's forecasts with quantiles, and a model `twin` of one of them."""
    rows = example_forecasts()
    steps = dict(zip(QUANTILES, (-2, -1, 0, 1, 2), strict=True))
    rows = rows.assign(**{name: rows["y_pred"] + step for name, step in steps.items()})
    twin = rows[rows["model"] == of].assign(model="twin")
    for name in ("y_pred", *QUANTILES):
        twin[name] = rounding(twin[name], how)
    assert (twin["y_pred"].to_numpy() != rows.loc[rows["model"] == of, "y_pred"].to_numpy()).any()
    return pd.concat([rows, twin], ignore_index=True)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("of", ["persistence", "good"])
def test_a_twin_is_told_apart_by_no_test(of, how):
    rows = with_twin(of, how)
    pairs = significance.diebold_mariano_pairs(rows, HORIZON)
    pair = pairs[(pairs["model_a"] == of) & (pairs["model_b"] == "twin")].iloc[0]
    assert (pair["statistic"], pair["p_value"], pair["p_bartlett"]) == (0, 1, 1)
    found = significance.giacomini_white_pairs(rows, [("twin", of)], HORIZON).iloc[0]
    assert (found["statistic"], found["p_value"]) == (0, 1)
    found = significance.clark_west_pairs(rows, [("twin", of)], HORIZON).iloc[0]
    assert (found["statistic"], found["p_value"]) == (0, 1)
    sets = significance.model_confidence_set(rows, size=0.1, resampling=DRAWS)
    p_values = sets.set_index("model")["p_value"]
    assert p_values["twin"] == p_values[of]
    difference = significance.bootstrap_difference(
        rows, ["skill", "rmse", "mae", "direction"], [("twin", of)], resampling=DRAWS
    )
    assert difference[["estimate", "low", "high"]].fillna(0).eq(0).all(axis=None)
    superior = significance.superior_ability(rows, resampling=DRAWS, benchmark=of)
    own = superior.set_index("model").loc["twin"]
    assert (own["mean_gain"], own["statistic"], own["p_value"]) == (0, 0, 1)


@pytest.mark.parametrize("how", WAYS)
def test_a_twin_of_persistence_calls_no_direction_and_has_no_skill(how):
    rows = with_twin("persistence", how)
    scores = score(rows).set_index("model")
    assert scores.loc["twin", "skill"] == 0
    assert np.isnan(scores.loc["twin", "direction"])
    assert scores.loc["twin", "rmse"] == scores.loc["persistence", "rmse"]
    direction = significance.direction_test(rows, HORIZON).set_index("model").loc["twin"]
    assert direction.isna().all()
    unbiased = significance.unbiasedness_test(rows, HORIZON).set_index("model").loc["twin"]
    assert unbiased.isna().all()
    bounds = significance.bootstrap_interval(rows, "skill", resampling=DRAWS).set_index("model")
    assert bounds.loc["twin", ["estimate", "low", "high"]].tolist() == [0, 0, 0]
    regimes = regime_skill(rows, 4, ["jump_regime"], resampling=DRAWS)
    own = regimes[regimes["model"] == "twin"]
    assert own["skill"].eq(0).all()
    assert own["p_value"].dropna().eq(1).all()
    losses = significance.three_losses(rows, HORIZON, resampling=DRAWS).set_index("model")
    own = losses.loc["twin"].set_index("loss")
    numbers = ["loss_gain", "low", "high", "statistic"]
    assert own.loc[["squared_error", "absolute_error"], numbers].eq(0).all(axis=None)
    assert own.loc[["squared_error", "absolute_error"], "p_holm"].eq(1).all()
    assert own.loc["direction", [*numbers, "p_value", "p_holm"]].isna().all()
    crps = significance.crps_against_persistence(rows, HORIZON, resampling=DRAWS)
    own = crps.set_index("model").loc["twin"]
    assert own[["crps_skill", "low", "high", "crps_difference", "statistic"]].tolist() == [0] * 5
    assert own[["p_value", "p_bartlett"]].tolist() == [1, 1]


def test_losses_of_twins_are_no_difference_to_the_tests_themselves():
    rows = with_twin("persistence", "exp(log(x))")
    own = {name: part.reset_index(drop=True) for name, part in rows.groupby("model")}
    a, b = ((own[n]["y_true"] - own[n]["y_pred"]) ** 2 for n in ("persistence", "twin"))
    assert (a != b).any()
    assert significance.diebold_mariano(a, b, horizon=HORIZON) == (0, 1)
    assert significance.equal_loss(a, b, horizon=HORIZON) == (0, 1, 1)
    for way in ("bartlett", "periodogram"):
        assert significance.giacomini_white(a, b, horizon=HORIZON, variance=way) == (0, 1)
    forecasts = own["persistence"]["y_pred"], own["twin"]["y_pred"]
    outcome = own["twin"]["y_true"]
    for way in ("bartlett", "periodogram"):
        found = significance.clark_west(outcome, *forecasts, horizon=HORIZON, variance=way)
        assert found == (0, 1)


def test_only_what_is_closer_than_rounding_is_the_same():
    rows = example_forecasts()
    assert settled(rows) is rows
    near = rows[rows["model"] == "good"].assign(model="near")
    near["y_pred"] += 2 * SAME_POINTS
    both = pd.concat([rows, near])
    assert settled(both) is both
    wide = squared_errors(both)
    assert (wide["near"] != wide["good"]).all()
    a, b = np.array([4.0, 4.0, 0.0]), np.array([4.0 + 1e-9, 4.0 + 1e-8, 0.0])
    np.testing.assert_array_equal(loss_difference(a, b), [0.0, a[1] - b[1], 0.0])


def test_the_first_of_several_close_forecasts_is_what_they_are():
    rows = with_twin("good", "one side")
    third = rows[rows["model"] == "twin"].assign(model="third")
    third["y_pred"] += 9e-10  # close to the twin, not to the model it is a twin of
    wide = squared_errors(pd.concat([rows, third], ignore_index=True))
    np.testing.assert_array_equal(wide["twin"], wide["good"])
    assert (wide["third"] != wide["good"]).all()
