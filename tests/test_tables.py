from __future__ import annotations

import errno
import hashlib
import json
import os
import re

import numpy as np
import pandas as pd
import pytest

from dvol_utils.study.effective import parameters_hash
from dvol_utils.study.files import ArtefactError, file_hash, read_json, replacing, write_json
from dvol_utils.study.loading import load_study
from dvol_utils.study.tables import read_table, record, sections_of, write_table

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


def test_new_file_is_readable_for_all(tmp_path):
    with replacing(tmp_path / "deep/a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "deep/a.txt").stat().st_mode & 0o777 == 0o644


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


def test_a_table_depends_on_what_its_sources_depend_on():
    assert sections_of("panel") == ("data",)
    assert sections_of("jumps") == ("data", "jumps", "split")
    assert set(sections_of("forecasts")) > {"data", "jumps", "models", "training"}
