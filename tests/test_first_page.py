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


LEAD, SQUARED, ABSOLUTE, DIRECTION, LSTM, TRUST = range(6)


def answer(table: pd.DataFrame, best: str = "lstm_ultra", *, simulated: bool = False) -> list[str]:
    scores = validation_scores(best)
    return study_answer(table, scores, FORECASTS, coverage=0.95, simulated=simulated)


def test_what_is_settled_then_a_sentence_a_loss_the_lstm_and_how_far_to_trust_it():
    assert answer(evidence()) == [
        "DVOL 24 hours ahead, forecast by LSTM ultra, the model chosen on validation rows, against "
        "its last value (persistence): settled is a gain in squared error, absolute error, "
        "direction; not settled: nothing.",
        "The squared error is 23.4 % smaller than that of persistence (95 % interval 22.4 to "
        "25.4 %; Diebold-Mariano p = 0.010, p = 0.030 after Holm): settled.",
        "The absolute error is 12.5 % smaller than that of persistence (95 % interval 11.5 to "
        "14.5 %; Diebold-Mariano p = 0.010, p = 0.030 after Holm): settled.",
        "The direction is right in 55.0 % of the moves, 5.0 points more than chance (95 % interval "
        "4.0 to 7.0 %; test of independence p = 0.010, p = 0.030 after Holm): settled.",
        "Larger LSTMs forecast better; the best on validation rows, LSTM ultra, has a skill of "
        "23.4 %, 95 % interval 22.4 to 25.4 %, and beats the linear HAR model with calendar terms "
        "(Diebold-Mariano p = 0.010, with Bartlett weights 0.005).",
        "All models stand on the same 100 hourly test rows, 2024-11-22 to 2024-11-26, one market "
        "in one period, where persistence alone has an R² of 0.960, above the published 0.9076: "
        "judge by skill, not by R².",
    ]


@pytest.mark.parametrize(
    ("place", "table", "words"),
    [
        (
            LEAD,
            evidence(p={("persistence", "lstm_ultra"): 0.5}),
            "settled is a gain in direction; not settled: squared error, absolute error.",
        ),
        (
            LEAD,
            evidence(p={("persistence", "lstm_ultra"): 0.5}, direction=(0.2, 0.5)),
            "settled is a gain in nothing; not settled: squared error, absolute error, direction.",
        ),
        (SQUARED, evidence(p={("persistence", "lstm_ultra"): 0.5}), " after Holm): not settled."),
        (SQUARED, evidence({**RMSE, "lstm_ultra": 2.1}), " after Holm): a loss, beyond chance."),
        (
            ABSOLUTE,
            evidence({**RMSE, "lstm_ultra": 2.1}, p={("persistence", "lstm_ultra"): 0.5}),
            "The absolute error is 5.0 % larger than that of persistence (95 % interval −6.0 to ",
        ),
        (
            ABSOLUTE,
            evidence({**RMSE, "lstm_ultra": 2.1}, p={("persistence", "lstm_ultra"): 0.5}),
            " after Holm): no gain.",
        ),
        (
            SQUARED,
            evidence({**RMSE, "lstm_ultra": 1.997}),
            " after Holm): not settled, test and interval disagree.",
        ),
        (
            DIRECTION,
            evidence(direction=(float("nan"),) * 2),
            "The direction cannot be judged: one direction is called only: not judged.",
        ),
        (
            LSTM,
            evidence({**RMSE, "lstm_ultra": 1.9, "lstm_large": 1.9}),
            "Larger LSTMs do not forecast better than smaller ones; ",
        ),
        (
            LSTM,
            evidence(p={("lstm_large", "lstm_ultra"): 0.5}),
            "Some larger LSTMs forecast better",
        ),
        (
            LSTM,
            evidence(p={("har_calendar", "lstm_ultra"): 0.5}),
            "and does not beat the linear HAR",
        ),
        (TRUST, evidence(r2=0.85), "R² of 0.850, below the published 0.9076"),
    ],
)
def test_the_numbers_pick_the_words(place, table, words):
    assert words in answer(table)[place]


def test_a_gain_over_har_whose_interval_holds_zero_is_not_told_as_one():
    table = evidence()
    own = table["kind"].eq("difference") & table["model_a"].eq("lstm_ultra")
    table.loc[own & table["model_b"].eq("har_calendar"), "low"] = -0.01
    found = answer(table)
    assert ", and the tests disagree whether it beats the linear HAR model with" in found[LSTM]


def test_a_simulated_market_is_named():
    first, *_, last = answer(evidence(), simulated=True)
    assert first.startswith("In the simulated market, DVOL 24 hours ahead, forecast by LSTM ultra")
    assert last.endswith(
        "the market is simulated, so this shows that the method works and nothing about Bitcoin."
    )
    assert "published" not in last


def test_inputs_later_than_persistence_are_named():
    scores = validation_scores("lstm_ultra")
    first, *_, last = study_answer(
        evidence(), scores, FORECASTS, coverage=0.95, simulated=False, late_hours=1
    )
    assert first.startswith(
        "DVOL with inputs up to 1 hour before the target, forecast by LSTM ultra, the model chosen "
        "on validation rows, against its value 24 hours before it (persistence): settled is "
    )
    assert last.endswith("judge by skill, not by R², and skill by what the inputs could know.")
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
            "forecast by LSTM large, the model chosen",
            "One LSTM size was trained; LSTM large has a skill of 19.0 %, 95 % interval 18.0 to "
            "21.0 %.",
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
