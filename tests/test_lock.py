"""One run at a time: the lock, who holds it, and when it ends."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import signal
import subprocess
import sys

import pandas as pd
import pytest
from study_files import source_notebook

from dvol_utils.report.execute import execute_notebook
from dvol_utils.study import lock
from dvol_utils.study.files import ArtefactError
from dvol_utils.study.loading import load_study
from dvol_utils.study.lock import RunBusyError, run_lock, take_lock
from dvol_utils.study.tables import claim, read_manifest, record, write_table
from dvol_utils.study.trials import open_study

HOLDER = """
import signal, sys
from pathlib import Path
from dvol_utils.study.lock import run_lock
signal.signal(signal.SIGINT, signal.default_int_handler)  # even where tests run aside
with run_lock(Path(sys.argv[1]), "make report STUDY=tiny", shared=len(sys.argv) > 2):
    print("held", flush=True)
    sys.stdin.read()
"""
NOTER = """
import sys, time
from dvol_utils.study import tables
from dvol_utils.study.loading import load_study
read = tables.read_manifest
def slowly(study):
    held = read(study)
    time.sleep(0.5)  # long enough for the other stage to come in between
    return held
tables.read_manifest = slowly
tables.record(load_study("tiny"), sys.argv[1], {"summary": sys.argv[1]})
"""
PANEL = pd.DataFrame({"value": [1.0]})


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.2)


@pytest.fixture
def run(tmp_path):
    return tmp_path / "runs/tiny"


@pytest.fixture
def holder(run):
    """Starts other processes that hold the run."""
    started = []

    def start(*words):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(run), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_second_is_told_who_works_there(run, holder):
    process = holder()
    message = (
        rf"^{re.escape(str(run))}: `make report STUDY=tiny` \(process {process.pid} on \S+, since "
        r"\d{4}-\d\d-\d\d \d\d:\d\d UTC\) is at work there; wait for its end, or stop it"
    )
    for shared in (False, True):
        with pytest.raises(RunBusyError, match=message), run_lock(run, "other", shared=shared):
            pytest.fail("two at once")


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_lock_ends_with_its_holder_however_it_ends(run, holder, blow):
    process = holder()
    process.send_signal(blow)
    process.wait(timeout=60)
    with run_lock(run, "next"):
        assert json.loads(run.with_name(".tiny.lock").read_text())["command"] == "next"


def test_trainings_share_a_run_and_a_report_does_not(run, holder):
    holder("shared")
    with run_lock(run, "dvol train", shared=True):
        pass
    with pytest.raises(RunBusyError), run_lock(run, "make report"):
        pytest.fail("two at once")


def test_what_the_holder_starts_works_under_its_lock(run):
    with run_lock(run, "make report"):
        child = subprocess.run(
            [sys.executable, "-c", HOLDER, str(run)], input="", capture_output=True, text=True
        )
        assert child.stdout == "held\n", child.stderr
        with run_lock(run, "inner"):
            pass
        assert lock._TOKENS in os.environ
    assert lock._TOKENS not in os.environ


def test_locks_of_several_runs_are_held_at_once(tmp_path):
    with run_lock(tmp_path / "runs/a", "a"), run_lock(tmp_path / "runs/b", "b"):
        with run_lock(tmp_path / "runs/a", "inner"), run_lock(tmp_path / "runs/b", "inner"):
            pass
        assert len(os.environ[lock._TOKENS].split()) == 2


def test_a_token_of_an_earlier_run_opens_nothing(run, holder, monkeypatch):
    with run_lock(run, "earlier"):
        token = os.environ[lock._TOKENS]
    monkeypatch.setenv(lock._TOKENS, token)
    holder()
    with pytest.raises(RunBusyError), run_lock(run, "late child"):
        pytest.fail("two at once")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"token": 1}', '{"pid": "x"}'])
def test_a_lock_file_with_anything_in_it_is_no_obstacle(run, holder, text):
    run.parent.mkdir()
    run.with_name(".tiny.lock").write_text(text)
    with run_lock(run, "a"):
        pass
    holder()
    run.with_name(".tiny.lock").write_text(text)
    with pytest.raises(RunBusyError, match="another process is at work there"):
        take_lock(run, "b")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_named_and_the_run_goes_on(run, monkeypatch, capsys, number):
    def none(*_):
        raise OSError(number, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with run_lock(run, "make report"):
        pass
    assert "file system has no locks (No locks available); see to" in capsys.readouterr().err


def test_another_error_of_the_lock_is_told(run, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(OSError, match="Input/output error"), run_lock(run, "make report"):
        pytest.fail("no lock")


def test_removing_the_run_leaves_its_lock(tmp_project):
    study = load_study("tiny")
    with run_lock(study.run_dir, "a"):
        study.run_dir.mkdir(parents=True)
        assert os.listdir(study.run_dir) == []


def test_a_notebook_neither_runs_nor_writes_where_a_report_is_at_work(tmp_project, holder):
    study = load_study("tiny")
    claim(study)
    lab = open_study("tiny")
    trial = open_study("tiny", {"jumps.alpha": 0.05})
    source = source_notebook(tmp_project / "n.ipynb", "1")
    process = holder()
    for work in (
        lambda: write_table(lab, "panel", PANEL),
        lambda: record(lab, "01", {}),
        lambda: execute_notebook(source, tmp_project / "o.ipynb", study="tiny"),
    ):
        with pytest.raises(RunBusyError, match="is at work there"):
            work()
    write_table(trial, "panel", PANEL)  # which lies beside the run
    process.communicate("")
    write_table(lab, "panel", PANEL)
    assert not (tmp_project / "o.ipynb").exists()


def test_a_notebook_opened_before_another_run_does_not_write_into_it(tmp_project):
    claim(load_study("tiny"))
    lab = open_study("tiny")
    claim(load_study("tiny", {"jumps.alpha": 0.05}))
    expected = r"run with other parameters since \(jumps\.alpha\): run this notebook again from its"
    with pytest.raises(ArtefactError, match=expected):
        write_table(lab, "panel", PANEL)
    claim(load_study("tiny", {"training.log_every": 5}))  # changes no result
    write_table(lab, "panel", PANEL)


def test_stages_side_by_side_do_not_undo_each_others_notes(tmp_project):
    study = load_study("tiny")
    record(study, "01_data_preparation", {"rows": 1})
    stages = ["06_trading_simulation", "08_horizons"]
    with run_lock(study.run_dir, "make report"):
        started = [subprocess.Popen([sys.executable, "-c", NOTER, stage]) for stage in stages]
        assert [process.wait(timeout=120) for process in started] == [0, 0]
    noted = read_manifest(study)["stages"]
    assert sorted(noted) == ["01_data_preparation", *stages]
