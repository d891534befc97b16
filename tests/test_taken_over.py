"""A trial and what it takes from its study's run: stages that it does not reach, and networks."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from served import run_study
from study_files import executed_notebook, source_notebook

from dvol_utils.forecasting.forecasters import (
    checkpoint_folder,
    checkpoint_hashes,
    take_from_run,
)
from dvol_utils.forecasting.walk import forecast_table
from dvol_utils.report.execute import read_executed, write_executed
from dvol_utils.report.taken_over import is_reached, take_over
from dvol_utils.samples.samples import build_samples
from dvol_utils.serving.changed_models import changed_weights, other_code_notes
from dvol_utils.serving.saved_models import load_models, load_run, newest_fold
from dvol_utils.study.files import ArtefactError, file_hash, link_or_copy
from dvol_utils.study.loading import load_study
from dvol_utils.study.stages import DATA, JUMPS, SIGNIFICANCE, TRAINING
from dvol_utils.study.tables import (
    claim,
    read_manifest,
    read_table,
    record,
    take_facts,
    write_table,
)
from dvol_utils.study.trials import commanded_study
from dvol_utils.training.checkpoints.sealed import emptied

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
REPS = {"significance.reps": 77}
NAME = "01_data_preparation"


@pytest.fixture
def study(tmp_project):
    """A study whose first stage was run."""
    study = load_study("tiny")
    source_notebook(tmp_project / f"notebooks/{NAME}.ipynb", "study_params.data.start")
    claim(study)
    write_table(study, "panel", pd.DataFrame({"value": [1.5]}))
    record(study, NAME, {"rows": 1})
    executed = executed_notebook(study, executed_of(study), "Data")
    write_executed(nbformat.read(executed, as_version=4), executed)
    return study


def executed_of(study):
    return study.run_dir / f"notebooks/{NAME}.ipynb"


def files_of(study):
    paths = [path for path in study.run_dir.rglob("*.*") if path.is_file()]
    paths = [path for path in paths if "trials" not in path.parts]
    return {path: (file_hash(path), path.stat().st_mtime_ns) for path in paths}


def taken(overrides):
    trial = commanded_study("tiny", overrides)
    source = trial.root / f"notebooks/{NAME}.ipynb"
    return take_over(source, executed_of(trial), trial), trial


def test_a_stage_that_a_trial_does_not_reach_is_taken_over(study):
    before = files_of(study)
    done, trial = taken(REPS)
    assert done
    assert files_of(study) == before
    pd.testing.assert_frame_equal(read_table(trial, "panel"), read_table(study, "panel"))
    assert (trial.run_dir / "panel.parquet").is_file()
    manifest = read_manifest(trial)
    assert manifest["stages"] == {NAME: {"rows": 1}}
    assert manifest["parameters"]["significance"]["reps"] == 77
    text = executed_of(trial).read_text()
    assert "significance.reps is 77" in text
    assert "does not reach this page" in text
    read_executed(executed_of(trial))


@pytest.mark.parametrize(
    "overrides", [{"data.simulated.hours": 1900}, {"data.max_fill_hours": 3}], ids=str
)
def test_a_stage_that_a_trial_reaches_is_not(study, overrides):
    done, trial = taken(overrides)
    assert not done
    assert not trial.run_dir.exists() or not executed_of(trial).exists()


def test_a_stage_whose_code_names_the_parameter_is_not(study):
    source_notebook(study.root / f"notebooks/{NAME}.ipynb", "study_params.significance.reps")
    os.utime(study.root / f"notebooks/{NAME}.ipynb", ns=(0, 0))  # not for its age
    assert not taken(REPS)[0]


def test_a_stage_whose_notebook_is_younger_than_its_run_is_not(study):
    later = executed_of(study).stat().st_mtime_ns + 10**9
    os.utime(study.root / f"notebooks/{NAME}.ipynb", ns=(later, later))
    assert not taken(REPS)[0]


def test_a_stage_whose_table_is_damaged_is_not(study):
    (study.run_dir / "panel.parquet").write_bytes(b"cut short")
    assert not taken(REPS)[0]


def test_a_stage_that_this_package_does_not_know_is_not(study):
    trial = commanded_study("tiny", REPS)
    source = source_notebook(study.root / "notebooks/90_mine.ipynb")
    assert not take_over(source, trial.run_dir / "notebooks/90_mine.ipynb", trial)


@pytest.mark.parametrize(
    ("stage", "key", "reached"),
    [
        (DATA, "significance.reps", False),
        (JUMPS, "significance.reps", False),
        (TRAINING, "significance.reps", False),
        (TRAINING, "training.epochs", True),
        (TRAINING, "uncertainty.learning_rate", True),
        (JUMPS, "data.max_fill_hours", True),
        (DATA, "significance.coverage", True),  # a figure there has intervals
        (SIGNIFICANCE, "trading.hour", True),  # results.json tells of all parameters
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_the_projects_own_stages_are_reached_by(stage, key, reached):
    assert is_reached(NOTEBOOKS / f"{stage.name}.ipynb", stage, [key]) is reached


def test_networks_of_the_run_are_not_trained_again_in_a_trial(tmp_path):
    study = run_study(tmp_path, models=["persistence", "lstm_baseline"], walk={})
    before = files_of(study)
    path = study.root / "params/served.yaml"
    trial = commanded_study(path, {"uncertainty.learning_rate": 0.5})
    samples = build_samples(read_table(trial, "panel"), read_table(trial, "jumps"), trial)
    table, _ = forecast_table(samples, trial, log=lambda line: None)
    own = read_table(study, "forecasts")
    pd.testing.assert_frame_equal(table[list(own)], own, check_exact=True)
    for seed in study.training.seeds:
        folders = [checkpoint_folder(one, "lstm_baseline", seed) for one in (trial, study)]
        weights, kept = (folder / "model.safetensors" for folder in folders)
        assert weights.samefile(kept)
    changed = commanded_study(path, {"training.learning_rate": 2e-3})
    forecast_table(samples, changed, log=lambda line: None)
    folder = checkpoint_folder(changed, "lstm_baseline", 0)
    assert file_hash(folder / "model.safetensors") != file_hash(
        kept.parent.parent / "0-0/model.safetensors"
    )
    assert files_of(study) == before


def test_a_trial_is_served_by_the_models_that_it_has_taken_over(tmp_path):
    study = run_study(tmp_path, models=["persistence", "har", "lstm_baseline"], walk={})
    trial = commanded_study(study.root / "params/served.yaml", REPS)
    with pytest.raises(ArtefactError, match=r"no such trial.*SET='significance.reps=77'"):
        load_run(trial)
    claim(trial)
    for name in ("panel", "jumps", "forecasts"):
        link_or_copy(study.artefact(f"{name}.parquet"), trial.run_dir / f"{name}.parquet")
    take_facts(trial, TRAINING.name, read_manifest(study))
    finished = load_run(trial)
    fold = newest_fold(finished)
    for name in study.models:
        assert len(load_models(finished, name, fold)) == finished_seeds(finished, name)
        assert changed_weights(finished, name, fold, allow_changed=False) == []
    assert other_code_notes(finished, study.models, fold) == []
    assert checkpoint_hashes(trial, finished.forecasts) == finished.checkpoints
    assert not (trial.run_dir / "checkpoints").exists()


def finished_seeds(finished, name):
    rows = finished.forecasts[finished.forecasts["model"] == name]
    return rows["seed"].nunique()


def test_what_a_trial_writes_in_place_of_a_taken_network_leaves_the_runs_own(study):
    own = checkpoint_folder(study, "lstm_baseline", 0)
    own.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "progress.log"):
        (own / name).write_text(name)
    trial = commanded_study("tiny", REPS)
    place = checkpoint_folder(trial, "lstm_baseline", 0)
    take_from_run(trial, place)
    assert {path.name: path.read_text() for path in place.iterdir()} == {
        path.name: path.read_text() for path in own.iterdir()
    }
    emptied(place)  # as training anew begins
    (place / "progress.log").write_text("another")
    assert (own / "progress.log").read_text() == "progress.log"
    take_from_run(study, own / "nowhere")
    assert not (own / "nowhere").exists()
