"""A study run again from nothing, and its numbers beside those that are expected of it."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path

import pytest
from test_cli import dvol

from dvol_utils.report import expected
from dvol_utils.report.expected import EXPECTED_ROUNDING, TOLERANCES, differences, headline_numbers
from dvol_utils.study.effective import parameters_hash
from dvol_utils.study.files import ArtefactError, read_json, write_json
from dvol_utils.study.loading import load_study

HOME = Path(__file__).parents[1]
COMMITTED = sorted(path.name for path in (HOME / "params").glob("*.expected.json"))


@pytest.fixture
def study(finished):
    return load_study("tiny")


@pytest.fixture
def runs(study, monkeypatch):
    """Notebooks that leave what the finished run left, instead of running; where each was run."""
    finished = study.run_dir.absolute()
    calls = []

    def leave(source, target, *, study, overrides):
        calls.append((source.name, Path.cwd(), study, dict(overrides)))
        shutil.copytree(finished, Path.cwd() / "runs" / study, dirs_exist_ok=True)

    monkeypatch.setattr(expected, "execute_notebook", leave)
    return calls


def change(study, name, value):
    """The finished run with another number, which the next run will leave."""
    path = study.run_dir / "results.json"
    results = read_json(path)
    results["models"]["har"][name]["low"] = value(results["models"]["har"][name]["low"])
    write_json(path, results)


def verify(*words, status=0):
    return dvol("verify", "--study", "tiny", "--rerun", *words, status=status)


def test_numbers_are_those_of_results_and_stages(study):
    numbers = headline_numbers(study)
    results = read_json(study.run_dir / "results.json")
    for name, model in results["models"].items():
        for metric in ("rmse", "r2", "mae", "mape", "skill", "direction"):
            for end in ("estimate", "low", "high"):
                assert numbers[f"models.{name}.{metric}.{end}"] == model[metric][end]
        for test in ("dm_p_value", "dm_p_bartlett"):
            assert numbers[f"models.{name}.{test}"] == model[test]
        assert numbers[f"models.{name}.in_mcs"] is model["in_mcs"]
    for row in results["regimes"]:
        assert numbers[f"regimes.{row['regime']}.{row['model']}.rmse"] == row["rmse"]
    assert numbers["test.rows"] == 300
    assert "lstm_training.device" not in numbers
    assert not [name for name, value in numbers.items() if isinstance(value, dict | list)]


def test_same_numbers_do_not_differ():
    numbers = {"models.har.rmse.low": 0.1 + 0.2, "test.rows": 3, "a": None, "b": True}
    assert differences(numbers, dict(numbers), exact=True).empty


def test_the_last_bit_counts_on_the_same_platform_alone():
    known = "skill"
    name = f"models.lstm_large.{known}.estimate"
    low, high = {name: 0.3}, {name: math.nextafter(0.3, 1)}
    assert differences(low, high, exact=True)["ok"].tolist() == [False]
    row = differences(low, high, exact=False).iloc[0]
    assert row["ok"]
    assert row["allowed"] == TOLERANCES[known]
    assert row["difference"] == math.nextafter(0.3, 1) - 0.3
    far = {name: 0.3 + 1.01 * TOLERANCES[known]}
    assert differences(low, far, exact=False)["ok"].tolist() == [False]


@pytest.mark.parametrize(
    ("name", "old", "new", "ok"),
    [
        ("test.rows", 300, 301, False),
        ("models.har.rmse.low", 1.5, None, False),
        ("models.har.rmse.low", None, 1.5, False),
        ("models.lstm_large.in_mcs", True, False, False),
        ("models.har.rmse.low", 1, 1.0, True),  # shown, since the type has changed
        ("regime_evaluation.chosen_on_validation", "har", "lstm_large", False),
        ("models.lstm_large.rmse.low", math.nan, math.nan, False),
    ],
)
def test_what_no_tolerance_covers(name, old, new, ok):
    table = differences({name: old}, {name: new}, exact=False)
    assert table[["number", "ok"]].to_numpy().tolist() == [[name, ok]]


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("models.ensemble.rmse.low", 0.01),
        ("regimes.jump.attention.skill", 0.005),
        ("trading_simulation.annual_gains.straddle.after", 0.5),
        ("models.boosted_trees.rmse.low", EXPECTED_ROUNDING),
        ("regimes.jump.har.skill", EXPECTED_ROUNDING),
        ("horizons.skill.24", EXPECTED_ROUNDING),
        ("test.rows", 0.0),
        ("jump_detection.flags_price", 0.0),
    ],
)
def test_networks_may_differ_most_and_counts_not_at_all(name, allowed):
    row = differences({name: 1}, {name: 2}, exact=False).iloc[0]
    assert row["allowed"] == allowed


def test_a_number_on_one_side_alone_is_a_difference():
    table = differences({"a": 1.0}, {"b": 2.0}, exact=False)
    assert table[["number", "expected", "found", "ok"]].to_numpy().tolist() == [
        ["a", 1.0, "missing", False],
        ["b", "missing", 2.0, False],
    ]


def test_a_run_again_is_judged_by_the_accepted_numbers(study, runs):
    shown = verify("--accept")
    assert f"verify: {study.root / 'params/tiny.expected.json'}\n" in shown
    root = study.root.absolute() / "runs/.verify"
    names = ["01_data_preparation.ipynb", "02_jump_detection.ipynb"]
    assert runs == [(name, root, "tiny", {}) for name in names]
    line = verify().splitlines()[-1]
    assert re.fullmatch(
        r"numbers +ok +\d+ compared on the same platform, exactly: 0 differ, 0 by more than is .+",
        line,
    )


def test_a_number_that_moved_is_named_with_both_values(study, runs):
    verify("--accept")
    old = headline_numbers(study)["models.har.rmse.low"]
    change(study, "rmse", lambda value: value + 0.25)
    shown = verify(status=1)
    row = next(line for line in shown.splitlines() if line.strip().startswith("models.har.rmse"))
    assert row.split()[0] == "models.har.rmse.low"
    assert [float(word) for word in row.split()[1:4]] == pytest.approx([old, old + 0.25, 0.25])
    assert re.search(r"^numbers +FAILED .*: 1 differ, 1 by more than is allowed$", shown, re.M)


def test_another_platform_is_named_and_tolerances_hold_there(study, runs, monkeypatch):
    verify("--accept")
    here = expected.this_platform()
    monkeypatch.setattr(expected, "this_platform", lambda: {**here, "processor": "another"})
    change(study, "rmse", lambda value: math.nextafter(value, 0))
    shown = verify()
    assert "on another platform (processor): 1 differ, 0 by more than is allowed" in shown


def test_a_finished_run_is_left_alone_and_an_earlier_workspace_is_not_kept(study, runs):
    leftover = study.root / "runs/.verify/runs/tiny/leftover"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    before = {path: path.read_bytes() for path in study.run_dir.rglob("*") if path.is_file()}
    verify("--accept")
    assert not leftover.exists()
    after = {path: path.read_bytes() for path in study.run_dir.rglob("*") if path.is_file()}
    assert after == before


def test_nothing_runs_without_expected_numbers(study, runs):
    shown = verify(status=2)
    assert "tiny.expected.json is missing: `dvol verify --study tiny --rerun --accept`" in shown
    assert runs == []


def test_nothing_runs_with_other_parameters(study, runs):
    verify("--accept")
    runs.clear()
    shown = verify("--set", "training.epochs=3", status=2)
    now = parameters_hash(load_study("tiny", {"training.epochs": 3}))
    assert f"is of parameters {parameters_hash(study)}, the study has {now}: " in shown
    assert runs == []


def test_nothing_is_accepted_without_a_run(study):
    assert "--accept: needs --rerun" in dvol("verify", "--study", "tiny", "--accept", status=2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "parameters_hash is missing or of another type"),
        ('{"parameters_hash": "0", "platform": {}, "numbers": 3}', "numbers is missing or of"),
    ],
)
def test_damaged_expectations_are_refused(study, content, message):
    expected.expected_path(study).write_text(content)
    with pytest.raises(ArtefactError, match=message):
        expected.read_expected(study)


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_expectations_are_of_todays_parameters(name):
    study = load_study(HOME / "params" / name.replace(".expected.json", ".yaml"))
    assert expected.read_expected(study)["numbers"]


def test_some_expectations_are_committed():
    assert "demo.expected.json" in COMMITTED
