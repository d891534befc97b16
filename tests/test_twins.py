"""A model that is another one but for rounding equals it, in every score and test."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dvol_utils.evaluation import crps, score
from dvol_utils.evaluation.forecast_table import LEAST_DIFFERENCE, squared_errors, without_twins
from dvol_utils.significance import (
    Resampling,
    bootstrap_difference,
    bootstrap_interval,
    clark_west_pairs,
    crps_against_persistence,
    diebold_mariano_pairs,
    direction_test,
    giacomini_white_pairs,
    model_confidence_set,
    superior_ability,
    unbiasedness_test,
)
from dvol_utils.significance.example import example_forecasts

RESAMPLING = Resampling(block_hours=48, reps=200, seed=0)
STEPS = {"q05": -3.0, "q25": -1.0, "q50": 0.0, "q75": 1.0, "q95": 3.0}


def through_logs(values: pd.Series) -> pd.Series:
    return np.exp(np.log(values))


@pytest.fixture(scope="module", params=["persistence", "good"])
def twins(request) -> tuple[str, pd.DataFrame]:
    """A table in which `twin` is a model through exp(log(x)), quantiles too."""
    rows = example_forecasts()
    rows = rows.assign(**{name: rows["y_pred"] + step for name, step in STEPS.items()})
    own = rows[rows["model"] == request.param]
    names = ["y_pred", *STEPS]
    twin = own.assign(model="twin", **{name: through_logs(own[name]) for name in names})
    assert (twin["y_pred"] != own["y_pred"]).any()
    return request.param, pd.concat([rows, twin], ignore_index=True)


def same(table: pd.DataFrame, model: str, key: str = "model") -> None:
    one, other = (table[table[key] == name].drop(columns=key) for name in (model, "twin"))
    pd.testing.assert_frame_equal(
        one.reset_index(drop=True), other.reset_index(drop=True), check_exact=True
    )


def test_scores_are_the_same(twins):
    model, table = twins
    same(score(table), model)
    same(crps(table), model)
    losses = squared_errors(table)
    np.testing.assert_array_equal(losses[model], losses["twin"])


def test_no_test_tells_them_apart(twins):
    model, table = twins
    pair = [("twin", model)]
    tested = diebold_mariano_pairs(table, 24).set_index(["model_a", "model_b"])
    assert tested["p_value"].get((model, "twin"), tested["p_value"].get(pair[0])) == 1.0
    assert giacomini_white_pairs(table, pair, 24)["mean_difference"].tolist() == [0.0]
    assert clark_west_pairs(table, pair, 24)["adjusted_difference"].tolist() == [0.0]
    difference = bootstrap_difference(table, "skill", pairs=pair, resampling=RESAMPLING).iloc[0]
    assert (difference["estimate"], difference["low"], difference["high"]) == (0.0, 0.0, 0.0)


def test_tests_of_one_model_give_both_the_same(twins):
    model, table = twins
    same(direction_test(table, 24), model)
    same(unbiasedness_test(table, 24), model)
    same(bootstrap_interval(table, "skill", resampling=RESAMPLING), model)
    same(model_confidence_set(table, size=0.1, resampling=RESAMPLING), model)
    found = superior_ability(table, resampling=RESAMPLING)
    if model == "persistence":
        assert found.set_index("model").loc["twin", ["statistic", "mean_gain"]].tolist() == [0, 0]
    else:
        same(found, model)
        same(crps_against_persistence(table, 24, resampling=RESAMPLING), model)


def test_a_difference_that_could_be_one_stays():
    table = example_forecasts()
    wide = table["model"] == "good"
    moved = table.assign(y_pred=table["y_pred"] + 10 * LEAST_DIFFERENCE * wide)
    pd.testing.assert_frame_equal(without_twins(moved), moved, check_exact=True)
    assert without_twins(table) is table


def test_missing_quantiles_stay_missing():
    table = example_forecasts().assign(q05=np.nan)
    assert without_twins(table)["q05"].isna().all()
