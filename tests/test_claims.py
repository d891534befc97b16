from __future__ import annotations

import re

import pandas as pd
import pytest
from evidence import RMSE, evidence, validation_scores

from dvol_utils.pages.claims import claims, ladder_verdict

PERSISTENCE, LADDER, JUMPS, DIRECTION, LSTM, PUBLISHED = range(6)


def sentences(table: pd.DataFrame, best: str = "lstm_ultra", *, simulated: bool = False):
    return claims(table, validation_scores(best), coverage=0.95, simulated=simulated)


def with_rmse(**values: float) -> dict[str, float]:
    return {**RMSE, **values}


def test_one_sentence_a_claim():
    found = sentences(evidence())
    assert [sentence.split("?")[0] for sentence in found] == [
        "Does a model beat persistence",
        "Does a larger LSTM forecast better",
        "Is accuracy the same in jump and in normal hours",
        "Can the direction be forecast",
        "Does an LSTM beat HAR with calendar",
        "Do the published R² of 0.9076 and RMSE of 2.57 points show skill",
    ]
    for sentence in found:
        assert sentence.endswith(".")
        assert "nan" not in sentence


def test_a_whole_sentence():
    assert sentences(evidence())[PERSISTENCE] == (
        "Does a model beat persistence? Yes. LSTM ultra, chosen on validation rows (skill 7.0 % "
        "there), has a test RMSE of 1.750 points against 2.000 of persistence, which is a skill of "
        "23.4 % (95 % interval 22.4 to 25.4 %), Diebold-Mariano p = 0.010."
    )


@pytest.mark.parametrize(
    ("claim", "table", "words"),
    [
        (PERSISTENCE, evidence(), "? Yes. "),
        (
            PERSISTENCE,
            evidence(p={("persistence", "lstm_ultra"): 0.3}),
            "? Not beyond chance. ",
        ),
        (
            PERSISTENCE,
            evidence(with_rmse(lstm_ultra=2.2)),
            "? No, the opposite holds. ",
        ),
        (
            PERSISTENCE,
            evidence(with_rmse(lstm_ultra=2.2), p={("persistence", "lstm_ultra"): 0.3}),
            "? No. ",
        ),
        (PERSISTENCE, evidence(with_rmse(lstm_ultra=2.2)), "a skill of −21.0 % ("),
        (
            PERSISTENCE,
            evidence(with_rmse(har=1.5)),
            "HAR scored higher on the test rows (43.8 %), which nobody could know beforehand",
        ),
        (
            PERSISTENCE,
            evidence(with_rmse(lstm_ultra=1.997)),
            "? Not settled. LSTM ultra, chosen on validation rows",
        ),
        (
            PERSISTENCE,
            evidence(with_rmse(lstm_ultra=1.997)),
            ". But the interval of the skill holds zero, so the two do not agree",
        ),
        (LADDER, evidence(), "? Yes. "),
        (LADDER, evidence(p={("lstm_large", "lstm_ultra"): 0.05}), "? In part. "),
        (
            LADDER,
            evidence(with_rmse(lstm_large=1.9, lstm_ultra=1.95)),
            "? No. Test RMSE in points: LSTM baseline 1.850, LSTM large 1.900, LSTM "
            "ultra 1.950. By the Diebold-Mariano test, LSTM large is worse than LSTM baseline with "
            "p = 0.010,",
        ),
        (JUMPS, evidence(), "? Not contradicted. "),
        (JUMPS, evidence(), "(difference +0.500, 95 % interval −0.100 to 1.100)"),
        (JUMPS, evidence(gap=(0.5, 0.1, 1.1)), "? No. "),
        (JUMPS, evidence(gap=(-0.5, -1.1, -0.1)), "? No. "),
        (JUMPS, evidence(gap=(float("nan"),) * 3), "? Cannot be judged. One of the two has no"),
        (DIRECTION, evidence(), "? Yes. LSTM ultra calls 55.0 % of the moves right"),
        (DIRECTION, evidence(direction=(0.1, 0.2)), "? Not beyond chance. "),
        (DIRECTION, evidence(direction=(-0.1, 0.2)), "? No. "),
        (DIRECTION, evidence(direction=(-0.1, 0.01)), "? No, the opposite holds. "),
        (DIRECTION, evidence(direction=(-0.1, 0.01)), "t = −2.50, p = 0.010"),
        (DIRECTION, evidence(direction=(float("nan"),) * 2), "? Cannot be judged. "),
        (LSTM, evidence(), "? Yes. LSTM ultra, the best LSTM on validation rows,"),
        (LSTM, evidence(), "differs by +13.7 percentage points (95 % interval 12.7 to 15.7)"),
        (
            LSTM,
            evidence(p={("har_calendar", "lstm_ultra"): 0.4}),
            "? Not beyond chance. ",
        ),
        (LSTM, evidence(with_rmse(lstm_ultra=1.99)), "? No, the opposite holds. "),
        (
            PUBLISHED,
            evidence(),
            "? No. Persistence alone reaches R² 0.960 and RMSE 2.000 points on the test "
            "rows, better on both counts",
        ),
        (PUBLISHED, evidence(r2=0.85), "? Not contradicted. "),
    ],
)
def test_the_numbers_pick_the_words(claim, table, words):
    assert words in sentences(table)[claim]


@pytest.mark.parametrize(
    ("claim", "model", "rival"),
    [(PERSISTENCE, "lstm_ultra", "persistence"), (LSTM, "lstm_ultra", "har_calendar")],
)
@pytest.mark.parametrize(
    ("low", "p_wide", "words"),
    [
        (0.01, 0.04, "? Yes. "),
        (0.01, 0.06, ". But with twice the lags p = 0.060, so the two do not agree"),
        (-0.01, 0.04, ". But the interval of the skill holds zero, so the two do not agree"),
    ],
)
def test_a_gain_is_not_settled_where_interval_or_twice_the_lags_disagree(
    claim, model, rival, low, p_wide, words
):
    table = evidence()
    kind, other = ("interval", table["model_b"].isna())
    if rival != "persistence":
        kind, other = "difference", table["model_b"].eq(rival)
    own = table["kind"].eq(kind) & table["model_a"].eq(model) & table["metric"].eq("skill") & other
    assert own.sum() == 1
    table.loc[own, "low"] = low
    table.loc[table["kind"].eq("diebold_mariano"), "p_wide"] = p_wide
    found = sentences(table)[claim]
    assert words in found
    assert ("? Not settled. " in found) == (words != "? Yes. ")


def test_a_direction_that_is_right_in_half_of_the_hours_is_not_settled():
    table = evidence()
    own = table["kind"].eq("interval") & table["metric"].eq("direction")
    table.loc[own, "low"] = 0.49
    found = sentences(table)[DIRECTION]
    assert "? Not settled. LSTM ultra calls 55.0 %" in found
    assert found.endswith(". But the interval of the share holds a half.")


def test_the_model_is_chosen_on_validation_rows_not_on_test_rows():
    found = sentences(evidence(), best="har")
    assert "HAR, chosen on validation rows" in found[PERSISTENCE]
    assert "LSTM ultra scored higher on the test rows" in found[PERSISTENCE]
    assert "HAR calls 55.0 %" in found[DIRECTION]
    assert "LSTM ultra, the best LSTM on validation rows" in found[LSTM]


def test_a_simulated_market_is_named_in_every_sentence():
    found = sentences(evidence(), simulated=True)
    assert all(", in the simulated market. " in sentence for sentence in found)
    assert "? Cannot be judged, in the simulated market. " in found[PUBLISHED]
    assert not any("simulated" in sentence for sentence in sentences(evidence()))


def test_inputs_later_than_persistence_are_named_where_a_model_is_judged():
    models = {"persistence": 2.0, "lstm_baseline": 1.0, "lstm_large": 0.9}
    found = claims(
        evidence(models),
        validation_scores("lstm_large", models),
        coverage=0.95,
        simulated=False,
        late_hours=1,
    )
    assert "? Yes, with inputs up to 1 hour before the target. " in found[PERSISTENCE]
    assert "? Yes, with inputs up to 1 hour before the target. " in found[DIRECTION]
    assert "? Cannot be judged. " in found[LSTM]
    assert "inputs" not in found[PUBLISHED]


@pytest.mark.parametrize(
    ("models", "unjudged"),
    [
        (["persistence"], {PERSISTENCE, LADDER, JUMPS, DIRECTION, LSTM}),
        (["persistence", "har_calendar"], {LADDER, LSTM}),
        (["persistence", "lstm_large"], {LADDER, LSTM}),
        (["persistence", "har_calendar", "lstm_large"], {LADDER}),
        (["persistence", "lstm_baseline", "lstm_ultra"], {LSTM}),
    ],
)
def test_what_a_study_lacks_is_not_judged(models, unjudged):
    rmse = {model: RMSE[model] for model in models}
    found = claims(
        evidence(rmse), validation_scores(models[-1], rmse), coverage=0.9, simulated=False
    )
    assert {i for i, text in enumerate(found) if "? Cannot be judged. " in text} == unjudged
    assert not any("95 %" in sentence for sentence in found)


@pytest.mark.parametrize(
    ("p", "verdict"),
    [
        ({}, "holds"),
        ({("lstm_baseline", "lstm_large"): 0.2}, "holds in part"),
        (
            {("lstm_baseline", "lstm_large"): 0.2, ("lstm_large", "lstm_ultra"): 0.2},
            "holds in part",  # the two ends differ
        ),
        (
            {
                ("lstm_baseline", "lstm_large"): 0.2,
                ("lstm_large", "lstm_ultra"): 0.2,
                ("lstm_baseline", "lstm_ultra"): 0.2,
            },
            "does not hold beyond chance",
        ),
    ],
)
def test_ladder_verdict(p, verdict):
    assert ladder_verdict(evidence(p=p)) == verdict


def test_a_step_of_the_ladder_needs_more_than_one_test():
    table = evidence()
    steps = table["kind"].eq("diebold_mariano") & table["model_a"].str.startswith("lstm")
    table.loc[steps, "p_wide"] = 0.06
    assert ladder_verdict(table) == "does not hold beyond chance"
    larger = with_rmse(lstm_large=1.9, lstm_ultra=1.95)
    assert ladder_verdict(evidence(larger)) == "does not hold"


def test_a_threshold_of_five_percent():
    for p, words in ((0.049, "? Yes. "), (0.05, "? Not beyond chance. ")):
        table = evidence(p={("persistence", "lstm_ultra"): p})
        assert words in sentences(table)[PERSISTENCE]


def test_small_p_values_are_not_called_zero():
    text = sentences(evidence(p={("persistence", "lstm_ultra"): 1e-9}))[PERSISTENCE]
    assert re.search(r"p < 0\.001\.$", text)


def test_the_strongest_simple_rival_is_judged_where_there_is_one():
    rmse = {**RMSE, "ridge_decay": 1.72, "ensemble": 1.70}
    for worse, holds in ((0.0, "Yes"), (0.1, "No, the opposite holds")):
        own = {**rmse, "ensemble": rmse["ensemble"] + worse}
        found = claims(
            evidence(own), validation_scores("ensemble", own), coverage=0.95, simulated=False
        )
        assert found[-1].startswith(
            f"Does a model beat the time-weighted ridge? {holds}. Ensemble,"
        )
    alone = {"persistence": 2.0, "ridge_decay": 1.9}
    found = claims(
        evidence(alone), validation_scores("ridge_decay", alone), coverage=0.9, simulated=False
    )
    assert len(found) == PUBLISHED + 1
