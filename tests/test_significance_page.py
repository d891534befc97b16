from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dvol_utils.pages import significance_tables as tables
from dvol_utils.pages.significance import (
    conditional_finding,
    joint_finding,
    nested_finding,
    time_finding,
    unbiased_finding,
)


def superior(p: float, white: float, gain: float = 0.1) -> pd.DataFrame:
    rows = [("har", gain, 1.234, p, white), ("seasonal_naive", -8.0, -4.0, 1.0, 1.0)]
    names = ["model", "mean_gain", "statistic", "p_value", "p_reality_check"]
    return pd.DataFrame(rows, columns=names)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            superior(0.198, 0.7),
            "Allowing for the choice among all models, nothing beats persistence beyond chance: "
            "HAR has the most certain gain, 1.23 standard errors. The best of 2 models without "
            "any gain reaches as much in 19.8 % of samples. White's reality check agrees "
            "(p = 0.700).",
        ),
        (
            superior(0.0, 0.6),
            "Allowing for the choice among all models, persistence is beaten beyond chance: "
            "HAR has the most certain gain, 1.23 standard errors. The best of 2 models without "
            "any gain reaches as much in less than 0.1 % of samples. White's reality check gives "
            "p = 0.600: it weighs gains in squared points alike, however uncertain they are.",
        ),
        (
            superior(1.0, 0.99, gain=-0.1),
            "Allowing for the choice among all models, nothing beats persistence beyond chance: "
            "none of the 2 has the smaller error.",
        ),
        (
            superior(1.0, 1.0).head(0),
            "Persistence is the only model, so there is nothing to compare.",
        ),
    ],
)
def test_joint_finding(table, sentence):
    assert joint_finding(table) == sentence


def conditional(*p_values: float) -> pd.DataFrame:
    rows = [("lstm_large", "lstm_baseline", 0.25, p) for p in p_values]
    return pd.DataFrame(rows, columns=["model_a", "model_b", "expected_better", "p_holm"])


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            conditional(0.3, 0.06),
            "The models of none of 2 pairs can be told apart, on average or from the last known "
            "difference (smallest p = 0.060 after Holm's correction).",
        ),
        (
            conditional(0.3, 0.02),
            "The models of 1 of 2 pairs can be told apart after Holm's correction: LSTM large and "
            "LSTM baseline (p = 0.020; the first is expected to be better in 25.0 % of hours).",
        ),
        (conditional(), "The study has no such pair of models."),
    ],
)
def test_conditional_finding(table, sentence):
    assert conditional_finding(table) == sentence


def nested(*rows: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["mean_difference", "p_value"])


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            nested((-0.1, 0.01), (-0.2, 0.2)),
            "1 of 2 larger models hold something the smaller lacks at p < 0.05, and all of these "
            "have the smaller error on the test rows.",
        ),
        (
            nested((-0.1, 0.01), (0.2, 0.02)),
            "2 of 2 larger models hold something the smaller lacks at p < 0.05, but only 1 of "
            "these have the smaller error on the test rows: the others lose by the noise of their "
            "weights what they know.",
        ),
        (nested((0.1, 0.4)), "0 of 1 larger models hold something the smaller lacks at p < 0.05."),
        (nested(), "The study has no nested models."),
    ],
)
def test_nested_finding(table, sentence):
    assert nested_finding(table) == sentence


def unbiased(slope: float, p_value: float, intercept: float = -0.1) -> pd.DataFrame:
    rows = [("har", slope, 0.1, intercept, p_value), ("persistence", *[float("nan")] * 4)]
    return pd.DataFrame(rows, columns=["model", "slope", "slope_se", "intercept", "p_value"])


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            unbiased(0.9, 0.4),
            "Nothing speaks against taking forecasts of HAR as they are: the slope is 0.90 "
            "(standard error 0.10), the intercept −0.10 points, p = 0.400.",
        ),
        (
            unbiased(0.6, 0.001),
            "Forecasts of HAR cannot be taken at face value, the changes they foretell are larger "
            "than those that come: the slope is 0.60 (standard error 0.10), the intercept "
            "−0.10 points, p = 0.001.",
        ),
        (
            unbiased(1.6, 0.0),
            "Forecasts of HAR cannot be taken at face value, the changes they foretell are smaller "
            "than those that come: the slope is 1.60 (standard error 0.10), the intercept "
            "−0.10 points, p < 0.001.",
        ),
        (
            unbiased(1.1, 0.01, 0.5),
            "Forecasts of HAR cannot be taken at face value, they are off on average: the slope is "
            "1.10 (standard error 0.10), the intercept 0.50 points, p = 0.010.",
        ),
    ],
)
def test_unbiased_finding(table, sentence):
    assert unbiased_finding(table, "har") == sentence


@pytest.mark.parametrize("model", [None, "persistence"])
def test_a_model_without_changes_has_no_bias(model):
    found = unbiased_finding(unbiased(1.0, 0.5), model)
    assert found == "No model that was chosen on validation rows forecasts a change."


def test_time_finding_says_what_is_needed_for_each_loss():
    table = pd.DataFrame(
        {
            "loss": ["squared_error", "absolute_error", "direction"],
            "loss_gain": [0.073, -0.01, 0.09],
            "year_1": [0.134, 0.071, 0.058],
            "months_needed": [40.06, np.inf, 5.13],
            "months_more": [29.36, np.inf, 0.0],
        }
    )
    assert time_finding(table, "har") == (
        "By squared error, a year of hours settles a gain of 13.4 %; the 7.3 % seen need 40 "
        "months, 29 more. By absolute error, a year of hours settles a gain of 7.1 %; HAR shows "
        "none. By direction, a year of hours settles a gain of 5.8 %; the 9.0 % seen need 5 "
        "months, which are there."
    )
    never = table.assign(months_needed=np.inf)
    assert "the 7.3 % seen are too few to know" in time_finding(never, "har")


def test_pairs_stand_against_each_rival_with_the_row_as_first_model():
    pairs = pd.DataFrame(
        [("persistence", "har", 0.5, 0.03), ("har", "lstm_ultra", -0.2, 0.4)],
        columns=["model_a", "model_b", "mean_difference", "p_value"],
    ).assign(p_holm=[0.06, 0.4], statistic=0.0)
    grid = tables.against(pairs, ["persistence", "har"])
    assert grid["", "first model"].tolist() == ["HAR", "LSTM ultra"]
    assert grid["Persistence", "mean difference, squared points"].tolist()[0] == -0.5
    assert grid["HAR", "mean difference, squared points"].tolist()[1] == 0.2
    assert grid["Persistence", "p after Holm"].tolist()[0] == "0.060"


def test_holm_is_over_all_conditional_pairs():
    found = pd.DataFrame({"model_a": "a", "model_b": list("bc"), "p_value": [0.03, 0.04]})
    assert tables.after_holm(found)["p_holm"].tolist() == [0.06, 0.06]
