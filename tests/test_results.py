from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from evidence import RMSE, evidence
from forecast_tables import forecast_table

from dvol_utils import significance
from dvol_utils.evaluation import METRICS, average_seeds, score
from dvol_utils.results.chosen_model import choose
from dvol_utils.results.metrics import REGIME_TYPES, metrics_table
from dvol_utils.results.published_figures import PUBLISHED_FIGURES, beside_published
from dvol_utils.results.results_json import read_results, study_results, write_results
from dvol_utils.results.significance_table import (
    SIGNIFICANCE_COLUMNS,
    comparisons,
    look_up,
    nested_pairs,
    significance_table,
)
from dvol_utils.significance.resampling import Resampling
from dvol_utils.study.effective import parameters_hash
from dvol_utils.study.files import read_json
from dvol_utils.study.loading import load_study

FORECASTS = average_seeds(forecast_table(200))
DRAWS = Resampling(block_hours=24, reps=50, seed=0)
MODELS = list(pd.unique(FORECASTS["model"]))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return significance_table(
        intervals=significance.bootstrap_interval(FORECASTS, METRICS, resampling=DRAWS),
        regimes=significance.bootstrap_interval(
            FORECASTS, METRICS, by="jump_regime", resampling=DRAWS
        ),
        regime_gaps=significance.regime_difference(FORECASTS, METRICS, resampling=DRAWS),
        differences=significance.bootstrap_difference(
            FORECASTS, METRICS, comparisons(MODELS), resampling=DRAWS
        ),
        pairs=significance.diebold_mariano_pairs(FORECASTS, 24),
        confidence_set=significance.model_confidence_set(FORECASTS, size=0.1, resampling=DRAWS),
        direction=significance.direction_test(FORECASTS, 24),
        conditional=significance.giacomini_white_pairs(FORECASTS, comparisons(MODELS), 24),
        nested=significance.clark_west_pairs(FORECASTS, nested_pairs(MODELS), 24),
        unbiased=significance.unbiasedness_test(FORECASTS, 24),
        superior=significance.superior_ability(FORECASTS, resampling=DRAWS),
        losses=significance.three_losses(FORECASTS, 24, resampling=DRAWS),
    )


def test_choice_falls_on_the_lowest_error_and_never_on_persistence():
    scores = pd.DataFrame(
        {
            "model": ["persistence", "har", "lstm_large", "lstm_ultra"],
            "rmse": [1.0, 1.1, 1.3, 1.2],
        }
    )
    assert choose(scores) == "har"
    assert choose(scores, ("lstm_large", "lstm_ultra")) == "lstm_ultra"
    assert choose(scores, ("attention",)) is None
    assert choose(scores.head(1)) is None


def test_comparisons_are_of_larger_with_smaller_and_of_lstms_with_rivals():
    assert comparisons(["har_calendar", "lstm_ultra", "lstm_baseline"]) == [
        ("lstm_ultra", "lstm_baseline"),
        ("lstm_baseline", "har_calendar"),
        ("lstm_ultra", "har_calendar"),
    ]
    assert comparisons(["boosted_trees", "lstm_large", "ridge_decay"]) == [
        ("lstm_large", "ridge_decay"),
        ("lstm_large", "boosted_trees"),
        ("boosted_trees", "ridge_decay"),
    ]
    assert comparisons(["ensemble", "lstm_ultra", "lstm_tuned", "ridge_decay"]) == [
        ("lstm_tuned", "lstm_ultra"),
        ("lstm_ultra", "ridge_decay"),
        ("lstm_tuned", "ridge_decay"),
        ("ensemble", "ridge_decay"),
    ]
    assert comparisons(["persistence", "har"]) == []


def test_nested_pairs_are_of_models_with_weights():
    assert nested_pairs(["persistence", "seasonal_naive", "har", "lstm_large"]) == [
        ("har", "persistence"),
        ("lstm_large", "persistence"),
    ]
    assert nested_pairs(["har_calendar", "har"])[-1] == ("har_calendar", "har")
    assert nested_pairs(["persistence"]) == []


def test_the_table_is_tidy_and_complete(table):
    assert tuple(table.columns) == SIGNIFICANCE_COLUMNS
    counts = table.groupby("kind").size().to_dict()
    assert counts == {
        "interval": 42,
        "interval_jump": 42,
        "interval_normal": 42,
        "jump_minus_normal": 42,
        "difference": 36,
        "diebold_mariano": 21,
        "confidence_set": 7,
        "direction": 7,
        "giacomini_white": 6,
        "clark_west": 6,
        "mincer_zarnowitz": 7,
        "superior_ability": 6,
        "reality_check": 6,
        "loss": 18,
    }
    assert not table.duplicated(["kind", "model_a", "model_b", "metric"]).any()
    numbers = table.select_dtypes("float64").columns
    assert list(numbers) == list(SIGNIFICANCE_COLUMNS[4:])


def test_the_table_holds_what_the_tests_gave(table):
    pairs = significance.diebold_mariano_pairs(FORECASTS, 24).iloc[3]
    row = look_up(table, "diebold_mariano", pairs["model_a"], "squared_error", pairs["model_b"])
    assert row["statistic"] == pairs["statistic"]
    assert row["estimate"] == pairs["mean_difference"]
    rmse = score(FORECASTS).set_index("model")["rmse"]
    assert look_up(table, "interval", "har", "rmse")["estimate"] == pytest.approx(rmse["har"])
    slope = significance.direction_test(FORECASTS, 24).set_index("model")["slope"]
    assert look_up(table, "direction", "har", "direction")["estimate"] == slope["har"]
    assert row["p_holm"] == pairs["p_holm"]
    assert row["p_fdr"] == pairs["p_fdr"]
    assert row["p_bartlett"] == pairs["p_bartlett"]
    losses = significance.three_losses(FORECASTS, 24, resampling=DRAWS)
    for loss in losses[losses["model"] == "har"].to_dict("records"):
        found = look_up(table, "loss", "har", loss["loss"])
        assert found["estimate"] == loss["loss_gain"]
        names = ["low", "high", "statistic", "p_value", "p_bartlett", "p_holm"]
        assert found[names].tolist() == [loss[name] for name in names]
    gains = significance.superior_ability(FORECASTS, resampling=DRAWS).set_index("model").loc["har"]
    found = look_up(table, "superior_ability", "har", "squared_error", "persistence")
    expected = gains[["mean_gain", "statistic", "p_value"]].tolist()
    assert found[["estimate", "statistic", "p_value"]].tolist() == expected
    white = look_up(table, "reality_check", "har", "squared_error", "persistence")
    assert (white["p_value"], white["statistic"]) == (
        gains["p_reality_check"],
        pytest.approx(float("nan"), nan_ok=True),
    )
    line = significance.unbiasedness_test(FORECASTS, 24).set_index("model").loc["har"]
    assert look_up(table, "mincer_zarnowitz", "har", "change")["estimate"] == line["slope"]
    nested = significance.clark_west_pairs(FORECASTS, [("har", "persistence")], 24).iloc[0]
    found = look_up(table, "clark_west", "har", "squared_error", "persistence")
    assert found["estimate"] == nested["adjusted_difference"]
    assert found["p_value"] == nested["p_value"]


def test_looking_up_the_other_way_round_turns_the_signs(table):
    straight = look_up(table, "difference", "lstm_ultra", "skill", "lstm_large")
    turned = look_up(table, "difference", "lstm_large", "skill", "lstm_ultra")
    assert turned["estimate"] == -straight["estimate"]
    assert (turned["low"], turned["high"]) == (-straight["high"], -straight["low"])
    test = look_up(table, "diebold_mariano", "har", "squared_error", "persistence")
    back = look_up(table, "diebold_mariano", "persistence", "squared_error", "har")
    assert test["statistic"] == -back["statistic"]
    assert test["p_value"] == back["p_value"]
    assert (test["model_a"], test["model_b"]) == ("har", "persistence")


def test_looking_up_what_is_not_there(table):
    assert look_up(table, "interval", "attention", "rmse") is None
    assert look_up(table, "difference", "har", "rmse", "attention") is None
    assert look_up(table, "difference", "lstm_ultra", "rmse") is None


def test_metrics_table_holds_every_score_once():
    table = metrics_table(FORECASTS)
    assert list(table.columns) == ["model", "regime_type", "regime", "metric", "value", "n"]
    assert set(table["regime_type"]) == set(REGIME_TYPES)
    assert not table.duplicated(["model", "regime_type", "regime", "metric"]).any()
    keys = ["model", "regime_type", "regime", "metric"]
    values = table.set_index(keys)["value"]
    jump = score(FORECASTS[FORECASTS["jump_regime"] == "jump"]).set_index("model")
    assert values["har", "jump_regime", "jump", "skill"] == pytest.approx(jump.loc["har", "skill"])
    november = FORECASTS[FORECASTS["origin"] < pd.Timestamp("2024-12-01", tz="UTC")]
    assert values["har", "month", "2024-11", "rmse"] == pytest.approx(
        score(november).set_index("model").loc["har", "rmse"]
    )
    sizes = table[(table["model"] == "har") & (table["metric"] == "mae")]
    assert (sizes.groupby("regime_type")["n"].sum() == 200).all()


def test_headline_is_what_the_site_reads(table, tmp_project):
    study = load_study("tiny")
    told = {"claims": ["One."], "answer": ["A.", "B.", "C."], "chosen": "har"}
    result = study_results(study, FORECASTS, table, **told)
    write_results(study, result)
    assert read_results(study) == result
    results = read_json(study.run_dir / "results.json")
    assert results["chosen"] == "har"
    assert "comparison" not in results
    assert results["study"] == "tiny"
    assert results["simulated"] is True
    assert results["parameters_hash"] == parameters_hash(study)
    assert results["test"] == {
        "start": "2024-11-22T05:00:00+00:00",
        "end": "2024-11-30T12:00:00+00:00",
        "rows": 200,
    }
    assert list(result.models) == MODELS
    har = results["models"]["har"]
    expected = look_up(table, "interval", "har", "skill")
    assert har["skill"] == {name: expected[name] for name in ("estimate", "low", "high")}
    dm = look_up(table, "diebold_mariano", "har", "squared_error", "persistence")
    assert har["dm_p_value"] == dm["p_value"]
    assert har["dm_p_bartlett"] == dm["p_bartlett"]
    assert har["in_mcs"] == bool(
        look_up(table, "confidence_set", "har", "squared_error")["estimate"]
    )
    assert results["models"]["persistence"]["dm_p_value"] is None
    assert results["models"]["persistence"]["dm_p_bartlett"] is None
    assert results["models"]["persistence"]["direction"] == dict.fromkeys(
        ("estimate", "low", "high")
    )
    assert len(results["regimes"]) == 2 * len(MODELS)
    assert {row["regime"] for row in results["regimes"]} == {"jump", "normal"}
    assert results["published"] == PUBLISHED_FIGURES
    assert (results["claims"], results["answer"]) == (["One."], ["A.", "B.", "C."])


def test_headline_knows_who_is_in_the_confidence_set(tmp_project):
    rows = FORECASTS[FORECASTS["model"].isin(RMSE)]
    results = study_results(load_study("tiny"), rows, evidence(), claims=[], answer=["A."])
    inside = {model: values.in_mcs for model, values in results.models.items()}
    assert inside == {model: model != "persistence" for model in RMSE}


def test_published_figures_stand_beside_ours():
    table = beside_published(FORECASTS)
    published = table[table["source"] == "published"].set_index(["model", "hours"])
    assert published.loc[("lstm_ultra", "jump"), ["n", "r2", "rmse"]].tolist() == [
        1257,
        0.9030,
        2.6400,
    ]
    assert published["skill"].isna().all()
    about = table[table["source"] == "published, about"]
    assert about[["model", "r2"]].to_numpy().tolist() == [["lstm_baseline", 0.75]]
    ours = table[table["source"] == "this study"].set_index(["model", "hours"])
    scores = score(FORECASTS).set_index("model")
    for model in ("persistence", "lstm_ultra"):
        np.testing.assert_allclose(
            ours.loc[(model, "all"), list(METRICS)].astype(float), scores.loc[model, list(METRICS)]
        )
    assert len(ours) == 3 * 4
    normal, jump = PUBLISHED_FIGURES["normal"], PUBLISHED_FIGURES["jump"]
    assert normal["n"] + jump["n"] == PUBLISHED_FIGURES["overall"]["n"]
