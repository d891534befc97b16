"""What could be reached, and the models' share of it: arithmetic, words, and where it is shown."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from test_headline import RESULTS, estimate

from dvol_utils.pages.attainable import (
    attainable_answer,
    attainable_sentence,
    attainable_table,
)
from dvol_utils.report.overview import _rivals, _skill_axes, headline_cells, skill_figure
from dvol_utils.results.attainable import LEAST_SKILL, attainable, oracle_result, oracle_table
from dvol_utils.results.headline import markdown_table
from dvol_utils.results.results_json import OracleResult, read_results, write_results
from dvol_utils.significance.resampling import Resampling
from dvol_utils.study.loading import load_study
from dvol_utils.study.model_names import MODEL_NAMES, ORACLE

HOURS = 20_000
DRAWS = Resampling(block_hours=24, reps=40, seed=0)


def rows_of(part: float, step: float = 0.5) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Test rows of a model that forecasts a part of the oracle's step, and the oracle's table."""
    rng = np.random.default_rng(0)
    origin = pd.date_range("2022-01-01", periods=HOURS, freq="h", tz="UTC")
    steps = step * rng.standard_normal(HOURS)
    facts = {"origin": origin, "y_origin": 60.0, "asset": "BTC", "horizon_hours": 24}
    facts |= {"y_true": 60 + steps + rng.standard_normal(HOURS), "seed": 0, "split": "test"}
    facts |= {"target_time": origin + pd.Timedelta(hours=24)}
    models = {"persistence": 60.0, "har": 60 + part * steps}
    rows = [pd.DataFrame({**facts, "model": m, "y_pred": f}) for m, f in models.items()]
    told = {"mean": 60 + steps, "mean_se": 0.01, "variance": 1.0, "variance_se": 0.1}
    return pd.concat(rows, ignore_index=True), pd.DataFrame({"origin": origin, **told})


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0, 3.0])
def test_a_share_is_that_of_the_expected_skills(part):
    """By its definition, and as the ratio of the skills on so many rows that luck is small."""
    test, oracle = rows_of(part)
    found = attainable(test, oracle)
    assert found.skill == pytest.approx(0.2, abs=0.005)
    assert found.shares["har"] == pytest.approx(1 - (1 - part) ** 2)
    assert found.shares["persistence"] == 0
    scores = attainable_table(test, found).set_index("model")
    ratio = scores["skill"]["har"] / scores["skill"][ORACLE]
    assert ratio == pytest.approx(found.shares["har"], abs=0.1)
    assert list(scores.index) == ["persistence", "har", ORACLE]
    assert math.isnan(scores["attained"][ORACLE])


def test_its_errors_are_those_of_the_simulation():
    """Origins of a day share their paths, so their errors add up; those of days do not."""
    test, oracle = rows_of(0.5)
    found = attainable(test, oracle)
    days = HOURS / 24
    assert found.mean_se == pytest.approx(0.01)
    assert found.skill_se == pytest.approx(0.2 * 0.1 / 1.25 / np.sqrt(days), rel=0.03)


def test_shares_of_nearly_nothing_are_not_given():
    test, oracle = rows_of(0.5, step=0.05)
    found = attainable(test, oracle)
    assert 0 < found.skill < LEAST_SKILL
    assert found.shares.isna().all()
    assert "That is so little that shares of it say nothing." in attainable_answer(found)
    result = oracle_result(test, oracle, resampling=DRAWS)
    said = attainable_sentence(result, "har", 0.95)
    assert said.endswith("That is so little that shares of it say nothing.")


def test_there_is_no_oracle_where_the_law_is_not_known():
    real = load_study("bitcoin")
    late = load_study("smoke", {"features.lags_from": "row", "target.horizon_hours": 1})
    test, _ = rows_of(0.5)
    assert late.late_hours is not None
    for study in (real, late):
        table = oracle_table(study, test)
        assert table.empty
        assert attainable(test, table) is None
        assert oracle_result(test, table, resampling=DRAWS) is None
    assert attainable_answer(None) == [
        "The law of this market is not known, so nobody can say what could be reached."
    ]


def test_the_oracle_is_no_model():
    assert ORACLE not in MODEL_NAMES
    with pytest.raises(Exception, match="models"):
        load_study("smoke", {"models": ["persistence", ORACLE]})


ANSWER = [
    "The best forecast by the market's law can expect a skill of 19.9 % (± 0.1, two standard "
    "errors of the simulation); its own standard error is 0.010 points.",
    "HAR comes nearest: it reaches 75 % of what can be expected.",
]


def test_sentences_literally():
    test, oracle = rows_of(0.5)
    assert attainable_answer(attainable(test, oracle)) == ANSWER
    behind = attainable_answer(attainable(*rows_of(3.0)))
    assert behind[-1] == (
        "No model reaches any of it: persistence lies nearer to that forecast than all others."
    )
    result = oracle_result(test, oracle, resampling=DRAWS)
    first, second, third = attainable_sentence(result, "har", 0.95).split(". ")
    assert first == (
        "The best forecast that this simulated market allows, by its own law and its state at the "
        "origin, can expect a skill of 19.9 % (± 0.1, two standard errors of simulation)"
    )
    assert second.startswith("With the outcomes as they came it has 19.8 % (95 % interval ")
    assert third == "HAR reaches 75 % of what can be expected."
    assert attainable_sentence(result, None, 0.95).endswith(" %).")


def with_oracle(**shares: float | None):
    scores = {"rmse": 1.5, "r2": 0.97, "mae": 1.1, "mape": 2.3, "direction": 0.6}
    oracle = OracleResult(
        label="Oracle (the market's law)",
        expected_skill=0.2,
        expected_skill_se=0.001,
        shares=shares,
        skill=estimate(0.19, 0.1, 0.3),
        **{name: estimate(value) for name, value in scores.items()},
    )
    return RESULTS.model_copy(update={"oracle": oracle})


def test_the_table_has_a_row_and_a_column_more():
    results = with_oracle(persistence=0.0, har=0.126, har_calendar=-0.3)
    cells = headline_cells(results, 0.95)
    headings = [column.heading for column in cells["columns"]]
    assert headings[-3:] == ["Direction", "Attained", "In MCS"]
    *models, oracle = cells["rows"]
    assert [row["cells"][-2]["text"] for row in models] == ["0", "13", "−30"]
    shown = [cell["text"] for cell in oracle["cells"]]
    assert oracle["label"] == "Oracle (the market's law)"
    assert shown == ["19.0", "–", "1.500", "1.100", "60.0", "100", "–"]
    assert "a reference and no model" in cells["caption"]
    assert "| Oracle (the market's law) | 19.0 (10.0 to 30.0) |" in markdown_table(results, 0.95)
    plain = headline_cells(RESULTS, 0.95)
    assert len(plain["rows"]) == len(models)
    assert "Oracle" not in plain["caption"]


def test_the_figure_shows_it_hollow_and_does_not_count_it():
    results = with_oracle(har=0.126)
    ax = _skill_axes(results, _rivals(results))
    assert ax.get_title(loc="left").replace("\n", " ") == "0 of 2 intervals lie above zero"
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names[0] == "Oracle (the market's law)"
    faces = [line.get_markerfacecolor() for line in ax.lines if line.get_marker() == "o"]
    assert faces.count("white") == 1
    assert "Oracle (the market's law) 19.0 (10.0 to 30.0)" in skill_figure(results, 0.95)["alt"]
    assert "no model" in skill_figure(results, 0.95)["caption"]


def test_results_hold_it_only_where_it_is_known(tmp_project):
    study = load_study("tiny")
    for results in (RESULTS, with_oracle(har=0.126, persistence=None)):
        write_results(study, results)
        assert read_results(study) == results
        text = (study.run_dir / "results.json").read_text(encoding="utf-8")
        assert ('"oracle"' in text) == (results.oracle is not None)
