from __future__ import annotations

import pandas as pd
import pytest
from evidence import RMSE, evidence, validation_scores
from forecast_tables import forecast_table

from dvol_utils.evaluation import average_seeds
from dvol_utils.pages.first_page import study_answer
from dvol_utils.pages.regimes import regime_answer
from dvol_utils.results.metrics import metrics_table

FORECASTS = average_seeds(forecast_table(100))


FORECAST, LSTM, TRUST = range(3)
UNSURE = {("persistence", "lstm_ultra"): 0.5}


def answer(table: pd.DataFrame, best: str = "lstm_ultra", *, simulated: bool = False) -> list[str]:
    scores = validation_scores(best)
    return study_answer(table, scores, FORECASTS, coverage=0.95, simulated=simulated)


def test_how_well_whether_size_helps_and_how_far_to_trust_it():
    assert answer(evidence()) == [
        "**Yes, a little.** The best model picked in advance, LSTM ultra, removes 23.4 % of the "
        "squared error of assuming that DVOL stays where it is for 24 hours. The uncertainty (95 % "
        "interval) runs from 22.4 to 25.4 %. It is right about up or down in 55.0 % of the moves, "
        "5.0 points more than chance gives (beyond chance).",
        "**Larger networks forecast better.** The published network, smallest size first, removes: "
        "LSTM baseline 14.4 %, LSTM large 19.0 %, LSTM ultra 23.4 %. The LSTM picked in advance, "
        "LSTM ultra, is better than a linear model that knows the hour of the week (p = 0.010).",
        "**A high R² proves nothing here.** R² is the share of the ups and downs that a forecast "
        "explains. Assuming no change alone has 0.960; the published network has 0.9076 on hours "
        "of its own. All models stand on the same 100 hourly forecasts, 2024-11-22 to 2024-11-26: "
        "one market in one period.",
    ]


@pytest.mark.parametrize(
    ("place", "table", "words"),
    [
        (FORECAST, evidence(p=UNSURE), "**A little, perhaps.** "),
        (FORECAST, evidence({**RMSE, "lstm_ultra": 1.997}), "**A little, perhaps.** "),
        (FORECAST, evidence(p=UNSURE, direction=(0.2, 0.5)), " gives (not beyond chance)."),
        (FORECAST, evidence({**RMSE, "lstm_ultra": 2.1}), "**No, it is worse than assuming no"),
        (
            FORECAST,
            evidence({**RMSE, "lstm_ultra": 2.1}, p=UNSURE),
            "**No better than assuming no change.** The best model picked in advance, LSTM ultra, "
            "adds 10.3 % of the squared error",
        ),
        (FORECAST, evidence(direction=(-0.1, 0.01)), " 2.5 points less than chance gives (beyond"),
        (LSTM, evidence({**RMSE, "lstm_ultra": 1.9, "lstm_large": 1.9}), "**Size does not help.**"),
        (LSTM, evidence(p={("lstm_large", "lstm_ultra"): 0.5}), "**Some larger networks forecast"),
        (
            LSTM,
            evidence(p={("har_calendar", "lstm_ultra"): 0.5}),
            "cannot be told apart from a lin",
        ),
        (LSTM, evidence({**RMSE, "lstm_ultra": 1.99}), "is worse than a linear model"),
        (TRUST, evidence(r2=0.85), "no change alone has 0.850;"),
    ],
)
def test_the_numbers_pick_the_words(place, table, words):
    assert words in answer(table)[place]


def test_nothing_is_said_of_a_direction_that_cannot_be_judged():
    assert "up or down" not in answer(evidence(direction=(float("nan"),) * 2))[FORECAST]


def test_all_networks_are_named_where_networks_are_summed_up():
    found = answer(evidence({**RMSE, "lstm_tuned": 1.72, "attention": 1.8}))[LSTM]
    assert "Other networks remove: LSTM tuned 26.0 %, Attention 19.0 %." in found


def test_a_gain_over_har_whose_interval_holds_zero_is_not_told_as_one():
    table = evidence()
    own = table["kind"].eq("difference") & table["model_a"].eq("lstm_ultra")
    table.loc[own & table["model_b"].eq("har_calendar"), "low"] = -0.01
    assert ", may or may not be better (the tests disagree) than a lin" in answer(table)[LSTM]


def test_a_simulated_market_is_named():
    *_, last = answer(evidence(), simulated=True)
    assert last.startswith("**The market is simulated.** ")
    assert last.endswith("whose law is known, and nothing about Bitcoin.")
    assert "published" not in last


def test_inputs_later_than_persistence_are_named():
    scores = validation_scores("lstm_ultra")
    first, *_, last = study_answer(
        evidence(), scores, FORECASTS, coverage=0.95, simulated=False, late_hours=1
    )
    assert (
        " of assuming that DVOL is what it was 24 hours before, though its inputs reach up to 1 "
        "hour before the target. "
    ) in first
    assert last.endswith(" Judge it by what the inputs could know, too.")
    said = regime_answer(metrics_table(FORECASTS), "har", simulated=False, late_hours=1)
    assert said[0].endswith("on the test rows, with inputs up to 1 hour before the target.")


def test_persistence_alone_has_no_skill_to_look_for():
    only = metrics_table(FORECASTS[FORECASTS["model"] == "persistence"])
    assert regime_answer(only, "persistence", simulated=False) == [
        "Persistence is the only model, so there is no skill to look for."
    ]


@pytest.mark.parametrize(
    ("models", "first", "second"),
    [
        (["persistence"], "was forecast by persistence alone", "No LSTM was trained"),
        (
            ["persistence", "lstm_large"],
            "The best model picked in advance, LSTM large, removes 19.0 %",
            "**One size was trained.** The published network, smallest size first, removes: LSTM "
            "large 19.0 %.",
        ),
    ],
)
def test_small_studies(models, first, second):
    rmse = {model: RMSE[model] for model in models}
    scores = validation_scores(models[-1], rmse)
    found = study_answer(evidence(rmse), scores, FORECASTS, coverage=0.95, simulated=False)
    assert first in found[0]
    assert second in found[-2]


def metrics(**skills: dict[str, float]) -> pd.DataFrame:
    rows = [
        {"model": "har", "regime_type": kind, "regime": regime, "metric": "skill", "value": value}
        for kind, values in skills.items()
        for regime, value in values.items()
    ]
    return pd.DataFrame(rows)


def test_regime_answer_literally():
    table = metrics(
        all={"all": 0.05},
        jump_regime={"normal": 0.06, "jump": -0.01},
        level_regime={"low": 0.01, "middle": 0.02, "high": 0.09},
        half={"first": 0.1, "second": 0.0},
        month={"2024-11": 0.1, "2024-12": -0.1, "2025-01": 0.2},
        hour={"0": 0.01, "13": 0.2, "5": -0.3},
    )
    assert regime_answer(table, "har", simulated=False) == [
        "HAR, the model chosen on validation rows, has a skill of 5.0 % on the test rows.",
        "By regime of the origin its skill is 6.0 % (normal) and −1.0 % (jump); by level of DVOL "
        "1.0 % (low), 2.0 % (middle) and 9.0 % (high).",
        "It is 10.0 % (first) and 0.0 % (second) in the two halves of the test, and above zero in "
        "2 of 3 months.",
        "By hour of the origin it is highest at 13:00 UTC (20.0 %) and lowest at 5:00 (−30.0 %).",
    ]


def test_regime_answer_of_a_table_of_metrics():
    found = regime_answer(metrics_table(FORECASTS), "lstm_large", simulated=True)
    assert found[0].startswith("In the simulated market, LSTM large, the model chosen on valid")
    assert not any("nan" in sentence for sentence in found)


def test_regime_answer_leaves_out_an_empty_regime():
    calm = metrics_table(FORECASTS.assign(jump_regime="normal"))
    assert "(jump)" not in regime_answer(calm, "har", simulated=False)[1]
