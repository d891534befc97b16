"""What Make takes for finished is what every other command takes for it."""

from __future__ import annotations

import os
import shutil

import pytest
from safetensors.numpy import load_file, save_file

from dvol_utils.pages.front import read_front
from dvol_utils.pages.recomputed import recomputed_results
from dvol_utils.report.site import build_site
from dvol_utils.report.sound import forget_unsound
from dvol_utils.report.verify import run_checks
from dvol_utils.study.files import ArtefactError, file_hash
from dvol_utils.study.loading import load_study
from dvol_utils.study.stages import study_stages
from dvol_utils.study.tables import read_manifest
from dvol_utils.training.checkpoints.sealed import CheckpointError, read_sealed, write_sealed

JSON = {"lost": None, "cut short": "{", "no object": "[]", "empty": "{}", "deep": "[" * 100_000}


@pytest.fixture
def study(smoke_project, tmp_path, monkeypatch):
    """A finished run of its own to spoil."""
    root = tmp_path / "own"
    shutil.copytree(smoke_project, root)
    monkeypatch.chdir(root)
    return load_study("smoke")


def forgotten(study) -> set[str]:
    """The stages that Make would run again, by their numbers, or `site`."""
    names = {stage.name for stage in study_stages(study)}
    told: list[str] = []
    forget_unsound(study, told.append)
    left = {path.stem for path in (study.run_dir / "notebooks").glob("*.ipynb")}
    gone = {name[:2] for name in names - left}
    assert bool(told) == bool(gone or not (study.report_dir / "index.html").is_file())
    return gone | (set() if (study.report_dir / "index.html").is_file() else {"site"})


def spoil(path, text):
    """Lose a file, or write something else into it."""
    if text is None:
        path.unlink()
    else:
        path.write_text(text)


def test_a_whole_run_is_left_alone(study):
    assert forgotten(study) == set()


def test_a_model_that_is_not_the_one_of_the_forecasts(study):
    """Whole, and older than its stage: copied with its times from elsewhere."""
    folder = study.run_dir / "checkpoints/har/0-0"
    shutil.copytree(folder, study.root / "kept")
    state = load_file(folder / "model.safetensors")
    save_file({name: 2 * value for name, value in state.items()}, folder / "model.safetensors")
    config = read_sealed(folder / "config.json")
    found = file_hash(folder / "model.safetensors")
    write_sealed(folder / "config.json", config | {"state_sha256": found})
    for name in ("config.json", "model.safetensors"):
        shutil.copystat(study.root / "kept" / name, folder / name)
    assert forgotten(study) == {"03"}


@pytest.mark.parametrize("text", JSON.values(), ids=JSON)
def test_results_that_are_lost_or_damaged(study, text):
    spoil(study.run_dir / "results.json", text)
    with pytest.raises(ArtefactError, match="make report"):
        build_site(study, read_front)
    assert forgotten(study) == {"05"}


def verified(study):
    return run_checks(study, recomputed_results)


@pytest.mark.parametrize("text", JSON.values(), ids=JSON)
def test_a_manifest_that_is_lost_or_damaged(study, text):
    spoil(study.run_dir / "manifest.json", text)
    for command in (lambda study: build_site(study, read_front), verified, read_manifest):
        with pytest.raises(ArtefactError, match="make report"):
            command(study)
    assert forgotten(study) == {stage.name[:2] for stage in study_stages(study)}
    assert not (study.run_dir / "manifest.json").exists()  # or the first stage would refuse it


@pytest.mark.parametrize(
    ("table", "stages"),
    [
        ("panel", {"01", "02", "03", "06", "08", "12"}),
        ("jumps", {"02", "03", "08", "12"}),
        ("forecasts", {"03", "04", "05", "06", "10"}),
        ("metrics", {"04"}),
        ("significance", {"05"}),
        ("regimes", {"10"}),
    ],
)
@pytest.mark.parametrize("damage", ["lost", "cut short"])
def test_a_table_that_is_lost_or_damaged(study, table, stages, damage):
    """What was made from it is told by its hash, which a new one of the same bytes has again."""
    path = study.run_dir / f"{table}.parquet"
    whole = path.read_bytes()
    path.unlink()
    if damage == "cut short":
        path.write_bytes(whole[:-100])
    assert forgotten(study) == stages


@pytest.mark.parametrize("model", ["lstm_baseline", "har", "persistence"])
def test_a_checkpoint_that_was_changed_is_for_its_owner_to_delete(study, model):
    folder = study.run_dir / f"checkpoints/{model}/0-0"
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"x")
    later = (study.run_dir / "notebooks/03_lstm_training.ipynb").stat().st_mtime + 10
    os.utime(folder / "model.safetensors", (later, later))
    with pytest.raises(CheckpointError, match=r"restore it, or delete .* to train this"):
        forget_unsound(study, print)
    shutil.rmtree(folder)
    assert forgotten(study) == {"03"}


@pytest.mark.parametrize("page", ["index", "03_lstm_training", "10_model_card"])
@pytest.mark.parametrize("damage", ["lost", "cut short"])
def test_a_page_that_is_lost_or_cut_short(study, page, damage):
    path = study.report_dir / f"{page}.html"
    whole = path.read_text()
    path.unlink()
    if damage == "cut short":
        path.write_text(whole[: len(whole) // 2])
    forget_unsound(study, print)
    assert not (study.report_dir / "index.html").exists()
    build_site(study, read_front)
    assert path.read_text() == whole
    assert forgotten(study) == set()


def test_an_executed_notebook_that_is_not_complete(study):
    path = study.run_dir / "notebooks/04_regime_evaluation.ipynb"
    path.write_text(path.read_text()[:-100])
    assert forgotten(study) == {"04"}


def test_other_parameters_are_another_run(study):
    told: list[str] = []
    forget_unsound(load_study("smoke", {"jumps.alpha": 0.05}), told.append)
    assert len(told) == 1
    assert told[0].startswith("every stage runs again: ")
    assert told[0].endswith("manifest.json is of other parameters (jumps.alpha)")
    forget_unsound(load_study("smoke", {"training.log_every": 7}), told.append)
    assert len(told) == 1  # nothing is left to run again, and it changes no result


def test_before_there_is_a_run_nothing_is_forgotten(tmp_project):
    forget_unsound(load_study("tiny"), pytest.fail)
