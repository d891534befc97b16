"""A notebook with other parameters than its study's run: what it reads and where it writes."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pandas as pd
import pytest

from dvol_utils.report.compare import compare_studies
from dvol_utils.study.effective import effective
from dvol_utils.study.files import ArtefactError, file_hash, read_json, write_json
from dvol_utils.study.loading import load_study
from dvol_utils.study.tables import claim, read_table, record, write_table
from dvol_utils.study.trials import commanded_study, open_study, trial_at

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PANEL, JUMPS, FORECASTS = (pd.DataFrame({"value": [number]}) for number in range(3))
ALPHA = {"jumps.alpha": 0.05}


@pytest.fixture
def study(tmp_project):
    """The study after a run up to its forecasts."""
    study = load_study("tiny")
    claim(study)
    for name, table in (("panel", PANEL), ("jumps", JUMPS), ("forecasts", FORECASTS)):
        write_table(study, name, table)
    record(study, "01_data_preparation", {"rows": 1})
    return study


def hashes(study):
    return {path: file_hash(path) for path in study.run_dir.rglob("*") if path.is_file()}


@pytest.mark.parametrize("overrides", [None, {}, {"jumps.alpha": 0.01}, {"training.cluster": None}])
def test_the_parameters_of_the_run_are_no_trial(study, overrides):
    opened = open_study("tiny", overrides)
    assert opened.trial is None
    assert opened.run_dir == study.run_dir
    assert effective(opened) == effective(study)


def test_the_raw_store_of_the_run_stays_unless_overrides_name_another(tmp_project):
    claim(load_study("tiny", {"data.raw_dir": "/elsewhere"}))
    assert open_study("tiny").trial is None
    assert str(open_study("tiny").data.raw_dir) == "/elsewhere"
    changes = {"data.raw_dir": ("/other", "/elsewhere")}
    for overrides in ({"data.raw_dir": "/other"}, {"data": {"raw_dir": "/other"}}):
        assert open_study("tiny", overrides).trial.changes == changes
    assert open_study("tiny", ALPHA).trial.changes == {"jumps.alpha": (0.05, 0.01)}


def test_other_parameters_work_beside_the_run(study):
    before = hashes(study)
    trial = open_study("tiny", ALPHA)
    assert trial.trial.changes == {"jumps.alpha": (0.05, 0.01)}
    assert trial.run_dir == study.run_dir / "trials" / trial.trial.name
    pd.testing.assert_frame_equal(read_table(trial, "panel"), PANEL)
    write_table(trial, "jumps", FORECASTS)
    record(trial, "02_jump_detection", {"flags": 1})
    pd.testing.assert_frame_equal(read_table(trial, "jumps"), FORECASTS)
    pd.testing.assert_frame_equal(read_table(study, "jumps"), JUMPS)
    stages = read_json(trial.artefact("manifest.json"))["stages"]
    assert stages == {"01_data_preparation": {"rows": 1}, "02_jump_detection": {"flags": 1}}
    assert {path: hash_ for path, hash_ in hashes(study).items() if path in before} == before


def test_the_same_overrides_find_the_same_trial_and_others_another(study):
    names = [
        open_study("tiny", overrides).trial.name
        for overrides in (ALPHA, {"jumps": {"alpha": 0.05}}, {"jumps.alpha": 0.02})
    ]
    assert names[0] == names[1] != names[2]


def test_a_trial_refuses_tables_of_the_run_that_its_parameters_would_change(study):
    trial = open_study("tiny", ALPHA)
    stale = r"jumps\.parquet was made with other parameters: run notebook 02_jump_detection with"
    with pytest.raises(ArtefactError, match=stale):
        read_table(trial, "jumps")
    write_table(trial, "jumps", JUMPS)
    stale = r"forecasts\.parquet was made with other \S+: run notebook 03_lstm_training with these"
    with pytest.raises(ArtefactError, match=stale):
        read_table(trial, "forecasts")


def test_a_trial_whose_earlier_stage_was_run_anew_is_refused(study):
    trial = open_study("tiny", ALPHA)
    write_table(trial, "jumps", JUMPS)
    write_table(study, "panel", FORECASTS)
    with pytest.raises(ArtefactError, match=r"jumps\.parquet was made with other panel\.parquet"):
        read_table(trial, "jumps")


def test_a_simulated_market_of_its_own_lies_with_the_trial(study):
    assert open_study("tiny", ALPHA).raw_dir == study.raw_dir
    other = open_study("tiny", {"data.simulated.seed": 4})
    assert other.raw_dir == other.run_dir / "raw"
    with pytest.raises(ArtefactError, match=r"panel\.parquet was made with other parameters"):
        read_table(other, "panel")


def test_before_there_is_a_run_overrides_are_a_trial_and_their_lack_is_none(tmp_project):
    assert open_study("tiny").trial is None
    assert open_study("tiny", ALPHA).trial.changes == {"jumps.alpha": (0.05, 0.01)}


def test_a_run_with_the_parameters_of_an_earlier_file_is_left_alone_by_a_notebook(tmp_project):
    claim(load_study("tiny", ALPHA))
    assert open_study("tiny", ALPHA).trial.changes == {"jumps.alpha": (0.05, 0.01)}
    assert open_study("tiny").trial.changes == {"jumps.alpha": (0.01, 0.05)}


def test_a_command_with_other_parameters_works_on_the_trial_of_a_notebook_with_them(study):
    """So that notebook, report, forecast and score find what each has left."""
    trial = commanded_study("tiny", ALPHA)
    assert trial.run_dir == open_study("tiny", ALPHA).run_dir != study.run_dir
    assert trial.report_dir == study.report_dir / "trials" / trial.trial.name
    assert trial.trial.words == "jumps.alpha is 0.05 in place of 0.01"


@pytest.mark.parametrize(
    "overrides",
    [None, {"jumps.alpha": 0.01}, {"training.cluster": "local"}, {"data.raw_dir": "/elsewhere"}],
)
def test_a_command_that_changes_no_result_works_on_the_run(study, overrides):
    assert commanded_study("tiny", overrides).run_dir == study.run_dir


def test_a_trial_reads_the_raw_store_that_the_run_was_given(tmp_project):
    claim(load_study("tiny", {"data.raw_dir": "/elsewhere"}))
    assert str(commanded_study("tiny", ALPHA).data.raw_dir) == "/elsewhere"
    assert str(commanded_study("tiny").data.raw_dir) == "data/raw"


def test_a_command_claims_a_trial_without_the_stages_of_the_run(study):
    before = hashes(study)
    trial = commanded_study("tiny", ALPHA)
    claim(trial)
    assert read_json(trial.run_dir / "manifest.json")["stages"] == {}
    record(trial, "01_data_preparation", {"rows": 2})
    claim(trial)
    assert read_json(trial.run_dir / "manifest.json")["stages"] == {
        "01_data_preparation": {"rows": 2}
    }
    assert {path: hash_ for path, hash_ in hashes(study).items() if path in before} == before


def test_a_trial_is_found_by_its_folder(study, tmp_path):
    trial = commanded_study("tiny", ALPHA)
    claim(trial)
    found = trial_at(trial.run_dir)
    assert (found.run_dir, found.trial) == (trial.run_dir, trial.trial)
    assert effective(found) == effective(trial)
    for folder in (study.run_dir, tmp_path):
        with pytest.raises(ArtefactError, match="no finished trial; should be a folder"):
            trial_at(folder)


def test_a_trial_is_compared_by_its_short_name_wherever_one_stands(study, monkeypatch):
    trial = commanded_study("tiny", ALPHA)
    claim(trial)
    name = f"tiny/trials/{trial.trial.name}"
    below = study.root / "notebooks"
    below.mkdir(exist_ok=True)
    for place in (study.root, below):
        monkeypatch.chdir(place)
        # Both were run to their claim alone, and the study's own is told first.
        with pytest.raises(ArtefactError, match=r"runs/tiny/results\.json is missing"):
            compare_studies(["tiny", name])
        with pytest.raises(ArtefactError, match=r"runs/tiny/trials/none: no finished trial"):
            compare_studies(["tiny", "tiny/trials/none"])


def test_a_study_of_a_folder_named_trials_is_compared_by_its_path(study):
    path = study.root / "my/trials/mine.yaml"
    path.parent.mkdir(parents=True)
    path.write_text((study.root / "params/tiny.yaml").read_text())
    with pytest.raises(ArtefactError, match=r"study mine is not finished"):
        compare_studies([str(path), "tiny"])


def test_a_claim_keeps_the_stages_and_changes_nothing_twice(study):
    path = study.run_dir / "manifest.json"
    before = path.stat().st_ino
    claim(study)
    assert path.stat().st_ino == before
    other = load_study("tiny", ALPHA)
    claim(other)
    manifest = read_json(path)
    assert manifest["parameters"] == effective(other)
    assert manifest["stages"] == {"01_data_preparation": {"rows": 1}}


def test_a_run_of_an_earlier_version_is_left_alone(study):
    path = study.run_dir / "manifest.json"
    manifest = read_json(path)
    del manifest["parameters"]["jumps"]["alpha"]
    write_json(path, manifest)
    assert open_study("tiny").trial.changes == {"jumps.alpha": (0.01, None)}


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_notebook_leaves_a_run_of_other_parameters_alone(path):
    code = "\n".join(cell["source"] for cell in nbformat.read(path, 4).cells)
    assert code.count("study_params = open_study(study, overrides)\n") == 1
    assert "load_study" not in code
