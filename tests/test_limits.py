"""What a machine has to allow a run, asked at its start and named."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
from study_files import source_notebook
from test_cli import dvol

from dvol_utils.report.execute import execute_notebook
from dvol_utils.study import limits
from dvol_utils.study.limits import MIB, LimitError, check_limits

DVOL = Path(sys.executable).with_name("dvol")
Usage = namedtuple("Usage", "total used free")
Memory = namedtuple("Memory", "available")


def under(limit: str, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command in a shell with a limit."""
    command = f'ulimit {limit} && exec "$@"'
    return subprocess.run(
        ["bash", "-c", command, "bash", *words], cwd=folder, capture_output=True, text=True
    )


@pytest.fixture
def notebook(tmp_project):
    source_notebook(tmp_project / "n.ipynb", "print('ran')")
    return [str(DVOL), "notebook", "n.ipynb", "--output", "o.ipynb", "--study", "tiny"]


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (
            "-n 64",
            r"open files: found a limit of 64; a run needs 192: ulimit -n 192 in",
        ),
        ("-f 1000", r"size of a file: found a limit of 0 MiB \(ulimit -f\); a run needs 30 MiB"),
        ("-v 2500000", r"memory: found a limit of 2,441 MiB \(ulimit -v\); a run needs 3,072 MiB"),
    ],
)
def test_a_limit_of_the_shell_is_named_before_anything_runs(notebook, tmp_project, limit, message):
    done = under(limit, *notebook, folder=tmp_project)
    assert done.returncode == 2
    assert re.fullmatch(rf"dvol: {message}.*\n", done.stderr), done.stderr
    assert not (tmp_project / "runs").exists()
    assert not list(tmp_project.glob("*.failed.ipynb"))


def test_a_limit_that_may_be_raised_is_raised(notebook, tmp_project):
    done = under("-Sn 64", *notebook, folder=tmp_project)
    assert done.returncode == 0, done.stderr
    assert "ran" in done.stdout


@pytest.mark.parametrize("command", ["train", "hold"])
def test_every_start_of_a_run_asks(tmp_project, monkeypatch, command):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(100 * MIB))
    more = ["--model", "lstm_baseline"] if command == "train" else ["--doing", "x", "--", "true"]
    said = dvol(command, "--study", "tiny", *more, status=2)
    assert "memory: found 100 MiB free on this machine; a run needs 768 MiB: end other" in said


def test_a_notebook_asks(tmp_project, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(100 * MIB))
    source = source_notebook(tmp_project / "n.ipynb", "1")
    with pytest.raises(LimitError, match="memory: found 100 MiB"):
        execute_notebook(source, tmp_project / "o.ipynb", study="tiny")


def test_a_container_has_a_limit_of_its_own(tmp_path, monkeypatch):
    own = tmp_path / "memory.max"
    monkeypatch.setattr(limits, "_CGROUP", own)
    for text in ("max\n", f"{8 * 1024 * MIB}\n"):
        own.write_text(text)
        check_limits(tmp_path)
    own.write_text(f"{512 * MIB}\n")
    with pytest.raises(LimitError, match="memory: found 512 MiB free in this container"):
        check_limits(tmp_path)


def test_a_full_disk_is_named_with_its_folder(tmp_path, monkeypatch):
    run = tmp_path / "runs/tiny"
    full = {tmp_path: 3 * MIB}
    monkeypatch.setattr(
        shutil, "disk_usage", lambda place: Usage(0, 0, full.get(Path(place), 10_000 * MIB))
    )
    with pytest.raises(LimitError, match=rf"^disk: found 3 MiB free for {tmp_path}; a run needs"):
        check_limits(run)
    run.mkdir(parents=True)
    check_limits(run)


def test_all_that_lacks_is_named_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(0, 0, 0))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(0))
    monkeypatch.setattr(limits.os, "access", lambda *_: False)
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (64, 64))
    with pytest.raises(LimitError) as caught:
        check_limits(tmp_path)
    kinds = [line.partition(":")[0] for line in str(caught.value).splitlines()]
    assert kinds == ["open files", "memory", "memory", "size of a file", "memory", "disk", "disk",
                     "disk"]  # fmt: skip
