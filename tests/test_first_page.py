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


def three(table: pd.DataFrame, best: str = "lstm_ultra", *, simulated: bool = False) -> list[str]:
    scores = validation_scores(best)
    return study_answer(table, scores, FORECASTS, coverage=0.95, simulated=simulated)


def test_three_sentences():
    assert three(evidence()) == [
        "DVOL 24 hours ahead can be forecast better than by its last value: LSTM ultra, the model "
        "chosen on validation rows, has a test RMSE of 1.750 points against 2.000 of persistence "
        "(skill 23.4 %, 95 % interval 22.4 to 25.4 %, Diebold-Mariano p = 0.010).",
        "Larger LSTMs forecast better; the best on validation rows, LSTM ultra, has a skill of "
        "23.4 %, 95 % interval 22.4 to 25.4 %, and beats the linear HAR model with calendar terms "
        "(p = 0.010).",
        "All models stand on the same 100 hourly test rows, 2024-11-22 to 2024-11-26, one market "
        "in one period, where persistence alone has an R² of 0.960, above the published 0.9076: "
        "judge by skill, not by R².",
    ]


@pytest.mark.parametrize(
    ("place", "table", "words"),
    [
        (0, evidence(p={("persistence", "lstm_ultra"): 0.5}), "but not beyond chance: LSTM ultra"),
        (0, evidence({**RMSE, "lstm_ultra": 2.1}), "forecast no better than by its last value: "),
        (
            1,
            evidence({**RMSE, "lstm_ultra": 1.9, "lstm_large": 1.9}),
            "Larger LSTMs do not forecast better than smaller ones; ",
        ),
        (1, evidence(p={("lstm_large", "lstm_ultra"): 0.5}), "Some larger LSTMs forecast better"),
        (1, evidence(p={("har_calendar", "lstm_ultra"): 0.5}), "and does not beat the linear HAR"),
        (
            0,
            evidence({**RMSE, "lstm_ultra": 1.997}),
            "on the test rows, but whether by more than chance is not settled: LSTM ultra",
        ),
        (2, evidence(r2=0.85), "R² of 0.850, below the published 0.9076"),
    ],
)
def test_the_numbers_pick_the_words(place, table, words):
    assert words in three(table)[place]


def test_a_gain_that_twice_the_lags_undo_is_not_told_as_one():
    table = evidence()
    table.loc[table["kind"].eq("diebold_mariano"), "p_wide"] = 0.06
    first, second, _ = three(table)
    assert "but whether by more than chance is not settled: LSTM ultra" in first
    assert second.startswith("Larger LSTMs do not forecast better than smaller ones beyond chance;")
    assert ", and the tests disagree whether it beats the linear HAR model with" in second


def test_a_simulated_market_is_named():
    first, _, last = three(evidence(), simulated=True)
    assert first.startswith("In the simulated market, DVOL 24 hours ahead can")
    assert last.endswith(
        "the market is simulated, so this shows that the method works and nothing about Bitcoin."
    )
    assert "published" not in last


def test_inputs_later_than_persistence_are_named():
    scores = validation_scores("lstm_ultra")
    first, _, last = study_answer(
        evidence(), scores, FORECASTS, coverage=0.95, simulated=False, late_hours=1
    )
    assert first.startswith(
        "DVOL with inputs up to 1 hour before the target can be forecast better than by its value "
        "24 hours before it: LSTM ultra"
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
            "LSTM large, the model chosen",
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
    assert second in found[1]


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
