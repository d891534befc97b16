from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from forecast_tables import forecast_table

from dvol_utils.evaluation import average_seeds, score
from dvol_utils.results import persistence as benchmark
from dvol_utils.study.loading import load_study
from dvol_utils.wording.numbers import persistence_sentence

ROWS = average_seeds(forecast_table(120))
TIMES = pd.date_range("2024-11-01", "2024-12-31", freq="h", tz="UTC")
LEVELS = pd.Series(50 + np.random.default_rng(0).normal(size=len(TIMES)).cumsum(), TIMES)


def test_skill_is_against_the_level_of_that_age():
    changed = benchmark.against_level(ROWS, LEVELS, 30)
    scores = score(changed).set_index("model")
    har = ROWS[ROWS["model"] == "har"]
    level = LEVELS[har["target_time"] - pd.Timedelta(hours=30)].to_numpy()
    ours = np.sum((har["y_true"] - har["y_pred"]) ** 2)
    assert scores.loc["har", "skill"] == pytest.approx(
        1 - ours / np.sum((har["y_true"] - level) ** 2)
    )
    assert scores.loc["persistence", "skill"] == 0
    assert scores.loc["persistence", "rmse"] == pytest.approx(
        np.sqrt(np.mean((har["y_true"] - level) ** 2))
    )
    assert (changed["target_time"] - changed["origin"] == pd.Timedelta(hours=30)).all()
    assert (changed["horizon_hours"] == 30).all()


def test_other_models_and_their_targets_stay_as_they_are():
    changed = benchmark.against_level(ROWS, LEVELS, 30)
    kept = ["target_time", "y_true", "model", "split", "jump_regime", "level_regime"]
    pd.testing.assert_frame_equal(changed[kept], ROWS[kept])
    rivals = ROWS["model"] != "persistence"
    pd.testing.assert_series_equal(changed["y_pred"][rivals], ROWS["y_pred"][rivals])


def test_an_hour_without_a_level_is_refused():
    hole = ROWS["target_time"].iloc[0] - pd.Timedelta(hours=30)
    with pytest.raises(ValueError, match=r"found none at 2024-11-21 23:00.*30 hours before"):
        benchmark.against_level(ROWS, LEVELS.drop(index=hole), 30)


@pytest.mark.parametrize(
    ("overrides", "persistence", "late"),
    [
        ({}, 24, None),
        ({"target.horizon_hours": 6}, 6, None),
        ({"target.horizon_hours": 1, "features.lags_from": "row"}, 24, 1),
        ({"target.horizon_hours": 48, "features.lags_from": "row"}, 48, None),
    ],
)
def test_the_age_of_persistence_follows_from_the_rules(overrides, persistence, late):
    study = load_study("smoke", overrides)
    assert (study.persistence_hours, study.late_hours) == (persistence, late)


def test_published_rules_are_judged_by_a_day():
    study = load_study("published")
    assert (study.persistence_hours, study.late_hours, study.overlap_hours) == (24, 1, 25)


def test_only_late_inputs_need_another_persistence(monkeypatch):
    rows = pd.concat([ROWS.assign(split="validation"), ROWS], ignore_index=True)
    parts = [rows[rows["split"] == name] for name in ("validation", "test")]
    monkeypatch.setattr(benchmark, "read_table", lambda study, name: rows)
    monkeypatch.setattr(benchmark, "evaluation_rows", lambda rows, asset: parts)
    monkeypatch.setattr(benchmark, "hourly_levels", lambda study: LEVELS)
    assert benchmark.study_rows(load_study("smoke")) is parts
    _, test = benchmark.study_rows(load_study("published"))
    pd.testing.assert_frame_equal(test, benchmark.against_level(parts[1], LEVELS, 24))


def test_persistence_in_words():
    assert persistence_sentence(24, None) == (
        "Persistence is DVOL 24 hours before the target, at the forecast's origin."
    )
    assert "reach up to 1 hour before the target, so a model" in persistence_sentence(24, 1)
