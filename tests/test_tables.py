from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dvol_utils import __version__
from dvol_utils.study.command_line import study_of
from dvol_utils.study.effective import parameters_hash
from dvol_utils.study.files import ArtefactError, file_hash, read_json, replacing, write_json
from dvol_utils.study.loading import load_study
from dvol_utils.study.made_by import code_words, made_by, other_code
from dvol_utils.study.tables import (
    claim,
    read_manifest,
    read_table,
    record,
    sections_of,
    write_table,
)

PANEL = pd.DataFrame(
    {
        "time": pd.date_range("2021-01-01", periods=3, freq="h", tz="UTC"),
        "asset": "BTC",
        "dvol_close": [60.0, np.nan, 61.5],
        "imputed": [False, True, False],
    }
)
ADVICE = "run `make report STUDY=tiny`, or notebook {} with these parameters"


@pytest.fixture
def study(tmp_project):
    return load_study("tiny")


def full_disk(*_args):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_table_comes_back_as_it_was_written(study):
    path = write_table(study, "panel", PANEL)
    assert path == study.run_dir / "panel.parquet"
    pd.testing.assert_frame_equal(read_table(study, "panel"), PANEL)


def test_same_table_is_the_same_bytes(study):
    first = write_table(study, "panel", PANEL).read_bytes()
    assert write_table(study, "panel", PANEL).read_bytes() == first


def test_missing_table_says_which_command_makes_it(study):
    expected = f"{study.run_dir}/panel.parquet is missing: " + ADVICE.format("01_data_preparation")
    with pytest.raises(ArtefactError, match=f"^{re.escape(expected)}$"):
        read_table(study, "panel")


@pytest.mark.parametrize("keep", [0, 10, -10], ids=["empty", "head only", "cut short"])
def test_damaged_table_is_refused(study, keep):
    path = write_table(study, "panel", PANEL)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ArtefactError, match=rf"panel\.parquet is damaged \(.*\): {ADVICE[:20]}"):
        read_table(study, "panel")


def test_table_without_an_origin_is_refused(study):
    study.run_dir.mkdir(parents=True)
    PANEL.to_parquet(study.run_dir / "panel.parquet")
    with pytest.raises(ArtefactError, match=r"panel\.parquet was made with other parameters: run"):
        read_table(study, "panel")


def test_table_of_other_parameters_is_refused(study):
    write_table(study, "panel", PANEL)
    other = load_study("tiny", {"data.simulated.seed": 4})
    with pytest.raises(ArtefactError, match=r"panel\.parquet was made with other parameters: run"):
        read_table(other, "panel")


def test_table_outlives_a_change_that_does_not_concern_it(study):
    write_table(study, "panel", PANEL)
    other = load_study("tiny", {"training.epochs": 3})
    pd.testing.assert_frame_equal(read_table(other, "panel"), PANEL)


STORE = {"data.source": "raw_store", "data.raw_dir": "store"}


def raw_store(root, text="1\n"):
    (root / "store").mkdir(exist_ok=True)
    (root / "store/btc_dvol_hourly.csv").write_text(text)
    return load_study(root / "params/tiny.yaml", STORE)


def test_a_panel_of_other_raw_files_is_refused_and_of_the_same_is_not(tmp_project):
    write_table(raw_store(tmp_project), "panel", PANEL)
    pd.testing.assert_frame_equal(read_table(raw_store(tmp_project), "panel"), PANEL)
    (tmp_project / "store/manifest.json").write_text("{}")
    (tmp_project / "store/btc_dvol_hourly.refused.csv").write_text("2\n")
    read_table(raw_store(tmp_project), "panel")
    stale = r"panel\.parquet was made with other raw store: run `make report STUDY=tiny`"
    (tmp_project / "store/btc_price_hourly.csv").write_text("1\n")
    with pytest.raises(ArtefactError, match=stale):
        read_table(raw_store(tmp_project), "panel")
    (tmp_project / "store/btc_price_hourly.csv").unlink()
    with pytest.raises(ArtefactError, match=stale):
        read_table(raw_store(tmp_project, "2\n"), "panel")
    read_table(raw_store(tmp_project), "panel")


@pytest.mark.parametrize("overrides", [{}, STORE], ids=["simulated", "raw store"])
@pytest.mark.parametrize("how", ["renamed", "copied"])
def test_a_project_that_is_renamed_moved_or_copied_keeps_its_tables(tmp_project, overrides, how):
    """Where it lies is no origin, and no other run either."""
    raw_store(tmp_project)
    claim(load_study("tiny", overrides))
    write_table(load_study("tiny", overrides), "panel", PANEL)
    other = tmp_project.parent / f"{tmp_project.name} {how}"
    if how == "renamed":
        tmp_project.rename(other)
    else:
        shutil.copytree(tmp_project, other)
        (tmp_project / "store/btc_dvol_hourly.csv").write_text("2\n")
    study = load_study(other / "params/tiny.yaml", overrides)
    assert study.root == other
    pd.testing.assert_frame_equal(read_table(study, "panel"), PANEL)
    assert str(tmp_project.parent).encode() not in (study.run_dir / "panel.parquet").read_bytes()
    assert str(tmp_project.parent) not in (study.run_dir / "manifest.json").read_text()
    shutil.rmtree(other)


def test_a_folder_in_the_project_has_one_name_however_it_is_given(tmp_project, monkeypatch):
    raw_store(tmp_project)
    (tmp_project / "notebooks").mkdir()
    whole = tmp_project / "store"
    names = {
        study_of("tiny", raw, ["data.source=raw_store"]).data.raw_dir
        for raw in (Path("store"), whole, Path("notebooks/../store"))
    }
    monkeypatch.chdir(tmp_project / "notebooks")
    names |= {study_of("tiny", Path("../store"), ["data.source=raw_store"]).data.raw_dir}
    names |= {load_study("tiny", STORE | {"data.raw_dir": str(whole)}).data.raw_dir}
    assert names == {Path("store")}


def test_a_folder_beside_the_project_is_named_from_it(tmp_project):
    beside = tmp_project.parent / f"{tmp_project.name} data"
    beside.mkdir()
    study = study_of("tiny", Path(f"../{beside.name}"), ["data.source=raw_store"])
    assert study.data.raw_dir == Path(f"../{beside.name}")
    assert study.raw_dir.samefile(beside)
    whole = study_of("tiny", beside, ["data.source=raw_store"])
    assert whole.data.raw_dir == beside  # as it was given: it stays where it is


def test_table_made_from_an_older_table_is_refused(study):
    write_table(study, "panel", PANEL)
    write_table(study, "jumps", PANEL)
    write_table(study, "panel", PANEL.assign(dvol_close=0.0))
    expected = "jumps.parquet was made with other panel.parquet: "
    with pytest.raises(ArtefactError, match=re.escape(expected + ADVICE.format("02_jump"))[:60]):
        read_table(study, "jumps")


def test_change_of_data_reaches_the_tables_made_from_it(study):
    """The forecasts know nothing of the `data` section but through the panel."""
    for name in ("panel", "jumps", "forecasts"):
        write_table(study, name, PANEL)
    other = load_study("tiny", {"data.simulated.seed": 4})
    write_table(other, "panel", PANEL.assign(dvol_close=0.0))
    with pytest.raises(ArtefactError, match=r"made with other panel\.parquet"):
        read_table(other, "forecasts")


def write_half(path, error):
    with replacing(path) as temporary:
        temporary.write_text("ne")
        raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failing_writer_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error):
        write_half(path, error)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_failing_writer_of_a_new_file_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        write_half(tmp_path / "a.txt", RuntimeError)
    assert os.listdir(tmp_path) == []


def test_full_disk_at_the_sync_leaves_the_old_table(study, monkeypatch):
    path = write_table(study, "panel", PANEL)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        with pytest.raises(OSError, match="No space left on device"):
            write_table(study, "panel", PANEL.assign(dvol_close=0.0))
    assert os.listdir(study.run_dir) == [path.name]
    pd.testing.assert_frame_equal(read_table(study, "panel"), PANEL)


def test_full_disk_while_writing_leaves_no_table(study, monkeypatch):
    monkeypatch.setattr("pyarrow.parquet.write_table", full_disk)
    with pytest.raises(OSError, match="No space left on device"):
        write_table(study, "panel", PANEL)
    assert os.listdir(study.run_dir) == []


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_new_file_is_readable_for_whom_the_user_lets(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        with replacing(tmp_path / "deep/a.txt") as temporary:
            temporary.write_text("new")
    finally:
        assert os.umask(before) == mask
    assert (tmp_path / "deep/a.txt").stat().st_mode & 0o777 == mode


def test_json_is_whole_or_absent(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert os.listdir(tmp_path) == []
    write_json(path, {"b": 1, "a": [None, 2.5]})
    assert path.read_text() == '{\n  "a": [\n    null,\n    2.5\n  ],\n  "b": 1\n}\n'
    assert read_json(path) == {"a": [None, 2.5], "b": 1}


def test_json_that_is_missing_or_damaged(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(ArtefactError, match=r"a\.json is missing: run `make report`$"):
        read_json(path)
    path.write_text('{"a": ')
    with pytest.raises(ArtefactError, match=r"a\.json is not JSON \(.*\): delete it and run"):
        read_json(path)


def test_file_hash_is_sha256(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100_000)
    assert file_hash(path) == hashlib.sha256(b"x" * 100_000).hexdigest()


def test_manifest_keeps_every_stage_and_the_last_parameters(study):
    record(study, "01", {"rows": 3})
    record(load_study("tiny", {"training.epochs": 3}), "02", {"device": "cpu"})
    record(study, "01", {"rows": 4})
    manifest = json.loads((study.run_dir / "manifest.json").read_text())
    assert manifest["stages"] == {"01": {"rows": 4}, "02": {"device": "cpu"}}
    assert manifest["parameters_hash"] == parameters_hash(study)
    assert manifest["seeds"] == [0, 1]
    assert manifest["packages"]["numpy"] == np.__version__
    assert manifest["git_commit"] is None  # the temporary folder is under no version control


def test_manifest_names_commit_and_local_changes(study):
    git = "git -c user.name=a -c user.email=a@b -c commit.gpgsign=false"
    assert os.system(f"git init -q . && git add params && {git} commit -qm first") == 0
    record(study, "01", {})
    commit = json.loads((study.run_dir / "manifest.json").read_text())["git_commit"]
    assert re.fullmatch("[0-9a-f]{40}", commit)
    (study.root / "params/tiny.yaml").write_text("title: changed\n")
    record(study, "01", {})
    changed = json.loads((study.run_dir / "manifest.json").read_text())["git_commit"]
    assert changed == f"{commit} with local changes"


def test_each_stage_keeps_its_own_version_and_commit(study, monkeypatch):
    def at(commit):
        monkeypatch.setattr("dvol_utils.study.made_by.git_commit", lambda root: commit)

    at("a" * 40)
    record(study, "01_data_preparation", {})
    at("b" * 40)
    record(study, "02_jump_detection", {})
    record(study, "03_lstm_training", {})
    manifest = read_manifest(study)
    now = {"version": __version__, "git_commit": "b" * 40}
    first = now | {"git_commit": "a" * 40}
    assert [*made_by(manifest).values()] == [first, now, now]
    words = "01: aaaaaaaaaaaa; 02 to 03: bbbbbbbbbbbb"
    assert code_words(manifest) == words
    told = other_code(manifest, study.root)
    assert told == f"the run was made by other code ({words}) than this (bbbbbbbbbbbb)"
    record(study, "01_data_preparation", {})
    assert code_words(read_manifest(study)) == "bbbbbbbbbbbb"
    assert other_code(read_manifest(study), study.root) is None


def test_stages_that_named_no_commit_have_that_of_their_run(study, monkeypatch):
    """A later stage does not give them its own."""
    record(study, "01", {})
    path = study.run_dir / "manifest.json"
    old = {**read_json(path), "git_commit": "a" * 40, "version": f"{__version__}.9"}
    del old["made_by"]
    write_json(path, old)
    record(study, "02", {})
    words = f"01: aaaaaaaaaaaa, version {__version__}.9; 02: not under version control"
    assert code_words(read_manifest(study)) == words
    told = other_code(read_manifest(study), study.root)
    assert told.endswith(f"than this (not under version control, version {__version__})")


def test_a_table_depends_on_what_its_sources_depend_on():
    assert sections_of("panel") == ("data",)
    assert sections_of("jumps") == ("data", "jumps", "split")
    assert set(sections_of("forecasts")) > {"data", "jumps", "models", "training"}
