from __future__ import annotations

import re
from itertools import combinations

import pandas as pd
import pytest
from evidence import RMSE, evidence, validation_scores

from dvol_utils.pages.claims import claims, ladder_verdict

SQUARED, ABSOLUTE, DIRECTION, LADDER, JUMPS, LSTM, PUBLISHED = range(7)


def sentences(table: pd.DataFrame, best: str = "lstm_ultra", *, simulated: bool = False):
    return claims(table, validation_scores(best), coverage=0.95, simulated=simulated)


def with_rmse(**values: float) -> dict[str, float]:
    return {**RMSE, **values}


def test_one_sentence_a_claim():
    found = sentences(evidence())
    assert [sentence.split("?")[0] for sentence in found] == [
        "Is the squared error smaller than that of persistence",
        "Is the absolute error smaller than that of persistence",
        "Can the direction be forecast",
        "Does a larger LSTM forecast better",
        "Is the skill the same in jump and in normal hours",
        "Does an LSTM beat HAR with calendar",
        "Do the published R² of 0.9076 and RMSE of 2.57 points show skill",
    ]
    for sentence in found:
        assert sentence.endswith(".")
        assert "nan" not in sentence


def test_whole_sentences_of_the_three_losses():
    assert sentences(evidence())[: DIRECTION + 1] == [
        "Is the squared error smaller than that of persistence? Yes. LSTM ultra is chosen on "
        "validation rows (skill 7.0 % there). The squared error is 23.4 % smaller than that of "
        "persistence (95 % interval 22.4 to 25.4 %; Diebold-Mariano p = 0.010, p = 0.030 after "
        "Holm); its test RMSE is 1.750 points against 2.000.",
        "Is the absolute error smaller than that of persistence? Yes. The absolute error is 12.5 % "
        "smaller than that of persistence (95 % interval 11.5 to 14.5 %; Diebold-Mariano "
        "p = 0.010, p = 0.030 after Holm).",
        "Can the direction be forecast? Yes. The direction is right in 55.0 % of the moves, 5.0 "
        "points more than chance (95 % interval 4.0 to 7.0 %; test of independence p = 0.010, "
        "p = 0.030 after Holm).",
    ]


@pytest.mark.parametrize(
    ("claim", "table", "words"),
    [
        (SQUARED, evidence(), "? Yes. "),
        (
            SQUARED,
            evidence(p={("persistence", "lstm_ultra"): 0.3}),
            "? Not beyond chance. ",
        ),
        (
            SQUARED,
            evidence(with_rmse(lstm_ultra=2.2)),
            "? No, the opposite holds. ",
        ),
        (
            SQUARED,
            evidence(with_rmse(lstm_ultra=2.2), p={("persistence", "lstm_ultra"): 0.3}),
            "? No. ",
        ),
        (SQUARED, evidence(with_rmse(lstm_ultra=2.2)), "squared error is 21.0 % larger than"),
        (ABSOLUTE, evidence(with_rmse(lstm_ultra=2.2)), "absolute error is 10.0 % larger than"),
        (ABSOLUTE, evidence(with_rmse(lstm_ultra=2.2)), "? No, the opposite holds. "),
        (ABSOLUTE, evidence(p={("persistence", "lstm_ultra"): 0.3}), "? Not beyond chance. "),
        (ABSOLUTE, evidence(with_rmse(lstm_ultra=1.997)), "? Not settled. The absolute error is"),
        (
            SQUARED,
            evidence(with_rmse(har=1.5)),
            "HAR scored higher on the test rows (43.8 %), which nobody could know beforehand",
        ),
        (
            SQUARED,
            evidence(with_rmse(lstm_ultra=1.997)),
            "? Not settled. LSTM ultra is chosen on validation rows",
        ),
        (
            SQUARED,
            evidence(with_rmse(lstm_ultra=1.997)),
            "The squared error is 0.3 % smaller than that of persistence (95 % interval −0.7 to ",
        ),
        (LADDER, evidence(), "? Yes. "),
        (LADDER, evidence(p={("lstm_large", "lstm_ultra"): 0.05}), "? In part. "),
        (
            LADDER,
            evidence(with_rmse(lstm_large=1.9, lstm_ultra=1.95)),
            "? No. Test RMSE in points: LSTM baseline 1.850, LSTM large 1.900, LSTM "
            "ultra 1.950. By the Diebold-Mariano test, after Holm's correction over these pairs, "
            "LSTM large is worse than LSTM baseline (p = 0.030).",
        ),
        (
            LADDER,
            evidence(p={("lstm_large", "lstm_ultra"): 0.5}),
            "LSTM ultra and LSTM large cannot be told apart (p = 0.500)",
        ),
        (JUMPS, evidence(), "? The two cannot be told apart. "),
        (JUMPS, evidence(), "(difference +5.0 percentage points, 95 % interval −1.0 to 11.0)"),
        (JUMPS, evidence(), "those of persistence as large (2.00 against 2.00)"),
        (JUMPS, evidence(gap=(0.05, 0.01, 0.11)), "? No. "),
        (JUMPS, evidence(gap=(-0.05, -0.11, -0.01)), "? No. "),
        (JUMPS, evidence(gap=(float("nan"),) * 3), "? Cannot be judged. One of the two has no"),
        (DIRECTION, evidence(), "? Yes. The direction is right in 55.0 % of the moves, 5.0 points"),
        (DIRECTION, evidence(direction=(0.1, 0.2)), "? Not beyond chance. "),
        (DIRECTION, evidence(direction=(-0.1, 0.2)), "? No. "),
        (DIRECTION, evidence(direction=(-0.1, 0.01)), "? No, the opposite holds. "),
        (DIRECTION, evidence(direction=(-0.1, 0.01)), "2.5 points less than chance (95 % interval"),
        (DIRECTION, evidence(direction=(0.02, 0.01)), "? Not settled. The direction is right in"),
        (DIRECTION, evidence(direction=(float("nan"),) * 2), "? Cannot be judged. "),
        (LSTM, evidence(), "? Yes. LSTM ultra, the best LSTM on validation rows,"),
        (LSTM, evidence(), "differs by +13.7 percentage points (95 % interval 12.7 to 15.7)"),
        (
            LSTM,
            evidence(p={("har_calendar", "lstm_ultra"): 0.4}),
            "? The two cannot be told apart. ",
        ),
        (LSTM, evidence(with_rmse(lstm_ultra=1.99)), "? No, the opposite holds. "),
        (LSTM, evidence(), "), Diebold-Mariano p = 0.010, with Bartlett weights 0.005."),
        (
            PUBLISHED,
            evidence(),
            "? No. Persistence alone reaches R² 0.960 and RMSE 2.000 points on the test "
            "rows, better on both counts",
        ),
        (PUBLISHED, evidence(r2=0.85), "? Cannot be judged. "),
    ],
)
def test_the_numbers_pick_the_words(claim, table, words):
    assert words in sentences(table)[claim]


LOSSES = {SQUARED: "squared_error", ABSOLUTE: "absolute_error", DIRECTION: "direction"}


@pytest.mark.parametrize("claim", LOSSES)
@pytest.mark.parametrize(
    ("low", "p_holm", "words"),
    [
        (0.01, 0.04, "? Yes. "),
        (0.01, 0.06, "? Not beyond chance. "),
        (-0.01, 0.04, "? Not settled. "),
        (-0.01, 0.06, "? Not beyond chance. "),
    ],
)
def test_a_gain_by_one_loss_needs_its_test_after_holm_and_its_interval(claim, low, p_holm, words):
    table = evidence()
    own = table["kind"].eq("loss") & table["model_a"].eq("lstm_ultra")
    own &= table["metric"].eq(LOSSES[claim])
    assert own.sum() == 1
    table.loc[own, ["low", "p_holm"]] = [low, p_holm]
    found = sentences(table)
    assert words in found[claim]
    assert f"p = 0.010, p = {p_holm:.3f} after Holm" in found[claim]
    assert all("? Yes. " in found[other] for other in LOSSES if other != claim)


@pytest.mark.parametrize(
    ("low", "words"),
    [(0.01, "? Yes. "), (-0.01, ". But the interval of the skill holds zero.")],
)
def test_a_gain_over_a_rival_is_not_settled_where_the_interval_disagrees(low, words):
    table = evidence()
    own = table["kind"].eq("difference") & table["model_a"].eq("lstm_ultra")
    own &= table["metric"].eq("skill") & table["model_b"].eq("har_calendar")
    assert own.sum() == 1
    table.loc[own, "low"] = low
    found = sentences(table)[LSTM]
    assert words in found
    assert ("? Not settled. " in found) == (low < 0)


def test_a_loss_without_a_test_is_not_judged():
    table = evidence()
    table = table[~(table["kind"].eq("loss") & table["metric"].eq("absolute_error"))]
    assert sentences(table)[ABSOLUTE].endswith(
        "? Cannot be judged. The absolute error cannot be judged: there is no test of it."
    )
    blind = sentences(evidence(direction=(float("nan"),) * 2))[DIRECTION]
    assert blind.endswith("The direction cannot be judged: one direction is called only.")


def test_the_model_is_chosen_on_validation_rows_not_on_test_rows():
    found = sentences(evidence(), best="har")
    assert "HAR is chosen on validation rows" in found[SQUARED]
    assert "LSTM ultra scored higher on the test rows" in found[SQUARED]
    assert "The squared error is 4.9 % smaller" in found[SQUARED]
    assert "The absolute error is 2.5 % smaller" in found[ABSOLUTE]
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
    assert "? Yes, with inputs up to 1 hour before the target. " in found[SQUARED]
    assert "? Yes, with inputs up to 1 hour before the target. " in found[DIRECTION]
    assert "? Cannot be judged. " in found[LSTM]
    assert "inputs" not in found[PUBLISHED]


@pytest.mark.parametrize(
    ("models", "unjudged"),
    [
        (["persistence"], {0, 1, 2, 3}),  # one question on all three losses
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
            "holds in part",  # the two ends differ, p = 0.030 after Holm
        ),
        (
            {
                ("lstm_baseline", "lstm_large"): 0.2,
                ("lstm_large", "lstm_ultra"): 0.2,
                ("lstm_baseline", "lstm_ultra"): 0.2,
            },
            "does not hold beyond chance",
        ),
        (  # one of three pairs at p = 0.036 is what chance gives: 0.108 after Holm
            {
                ("lstm_baseline", "lstm_large"): 0.921,
                ("lstm_large", "lstm_ultra"): 0.036,
                ("lstm_baseline", "lstm_ultra"): 0.142,
            },
            "does not hold beyond chance",
        ),
    ],
)
def test_ladder_verdict(p, verdict):
    assert ladder_verdict(evidence(p=p)) == verdict


def test_a_step_of_the_ladder_needs_its_interval_too():
    sizes = ("lstm_baseline", "lstm_large", "lstm_ultra")
    steps = pd.DataFrame(
        [
            {
                "kind": "difference",
                "model_a": large,
                "model_b": small,
                "metric": "skill",
                "low": 0.01,
            }
            for small, large in combinations(sizes, 2)
        ]
    )
    assert ladder_verdict(pd.concat([evidence(), steps])) == "holds"
    steps.loc[0, "low"] = -0.01
    assert ladder_verdict(pd.concat([evidence(), steps])) == "holds in part"
    unsure = pd.concat([evidence(), steps.assign(low=-0.01)])
    assert ladder_verdict(unsure) == "does not hold beyond chance"
    larger = with_rmse(lstm_large=1.9, lstm_ultra=1.95)
    assert ladder_verdict(evidence(larger)) == "does not hold"


def test_a_threshold_of_five_percent():
    for p, words in ((0.049, "? Yes. "), (0.05, "? Not beyond chance. ")):
        table = evidence(p={("har_calendar", "lstm_ultra"): p})
        apart = words if p < 0.05 else "? The two cannot be told apart. "
        assert apart in sentences(table)[LSTM]
        table.loc[table["kind"].eq("loss"), "p_holm"] = p
        assert words in sentences(table)[SQUARED]


def test_small_p_values_are_not_called_zero():
    text = sentences(evidence(p={("persistence", "lstm_ultra"): 1e-9}))[SQUARED]
    assert re.search(r"Diebold-Mariano p < 0\.001, p < 0\.001 after Holm\)", text)


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
