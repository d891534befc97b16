"""What is said of processes that could not go on, and what killed ones leave."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest
from trainers import until

from dvol_utils.training.checkpoints.sealed import CheckpointError
from dvol_utils.training.processes import agent, scratch, worker
from dvol_utils.training.processes.job import note_start, read_error, restarts, write_trouble
from dvol_utils.training.processes.launch import _last_words

HOLDER = """
from dvol_utils.training.processes.scratch import scratch_folder
with scratch_folder() as folder:
    print(folder, flush=True)
    input()
"""
AGENT = """
import os, signal, sys
from dvol_utils.training.processes import agent
agent.run = lambda _arguments: os.kill(os.getpid(), signal.SIGTERM)
agent.parse_args = list
agent.end_with_parent = lambda *_arguments, **_named: None
agent.named_parent = lambda: -1
agent.main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("starts", "said"),
    [
        ("", "without a restart;"),
        ("0", "without a restart;"),
        ("01", "after 1 restart;"),
        ("0123", "after 3 restarts;"),
    ],
)
def test_the_restarts_that_there_were_are_said(tmp_path, monkeypatch, starts, said):
    for number in starts:
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", number)
        note_start(tmp_path)
        note_start(tmp_path)  # the second process of that start
    assert restarts(tmp_path) == max(0, len(starts) - 1)
    assert f"lstm_baseline seed 0: the processes that train it ended with status -9, {said}" in (
        _last_words("lstm_baseline seed 0", -9, tmp_path)
    )


def test_the_last_trouble_is_said_with_them(tmp_path, monkeypatch):
    for number in "01":
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", number)
        note_start(tmp_path)
        write_trouble(tmp_path, OSError("no room"))
    assert "status 1, after 1 restart (OSError: no room); start again" in (
        _last_words("lstm_large seed 1", 1, tmp_path)
    )


def test_a_scratch_folder_ends_with_its_block_and_others_with_their_owner(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "dvol-other").mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLDER], env=environment, **pipes) as holder:
        theirs = holder.stdout.readline().strip()
        with scratch.scratch_folder() as ours:
            assert {path.name for path in tmp_path.iterdir()} == {
                ours.name, os.path.basename(theirs), "dvol-other"
            }  # fmt: skip
        holder.send_signal(signal.SIGKILL)
    assert os.path.isdir(theirs)
    with scratch.scratch_folder() as ours:
        assert {path.name for path in tmp_path.iterdir()} == {ours.name, "dvol-other"}
    assert [path.name for path in tmp_path.iterdir()] == ["dvol-other"]


def test_an_agent_that_is_stopped_before_torchrun_listens_leaves_no_folder(tmp_path):
    """Its parent is gone, which would have removed the job."""
    job = tmp_path / "job"
    job.mkdir()
    done = subprocess.run([sys.executable, "-c", AGENT, str(job)])
    assert done.returncode == 128 + signal.SIGTERM
    assert not job.exists()


def test_a_kernel_whose_parent_ended_before_it_began_ends():
    """As where another process than the first of the system takes orphans over."""
    code = (
        "import runpy, time; from dvol_utils.report import kernel; "
        "runpy.run_module = lambda *_, **__: time.sleep(600); "
        "exec(open(kernel.__file__).read(), {'__name__': '__main__'})"
    )
    environment = os.environ | {"JPY_PARENT_PID": "1"}
    kernel = subprocess.Popen([sys.executable, "-c", code], env=environment)
    try:
        until(lambda: kernel.poll() is not None, "the end of the kernel")
    finally:
        kernel.kill()
    assert kernel.wait() == 1


def test_an_agent_without_room_says_so_in_one_line(tmp_path, monkeypatch, capsys):
    def full(_arguments):
        raise OSError(errno.ENOSPC, "No space left on device", "logs")

    monkeypatch.setattr(agent, "run", full)
    monkeypatch.setattr(agent, "end_with_parent", lambda *_arguments, **_named: None)
    monkeypatch.setenv(agent.PARENT, str(os.getppid()))
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert agent.main(["script", str(tmp_path)]) == 1
    finally:
        signal.signal(signal.SIGTERM, before)
    said = "dvol: logs: No space left on device; make room there, then run the same command again\n"
    assert capsys.readouterr().err == said


def test_an_error_that_finds_no_room_is_said_on_the_terminal(tmp_path, monkeypatch, capsys):
    error = CheckpointError("the trained network could not be saved: x: No space left on device")
    assert worker._told(tmp_path, error) == 0
    assert str(read_error(tmp_path)) == str(error)
    monkeypatch.setattr(worker, "write_error", no_room)
    assert worker._told(tmp_path, error) == 1
    assert capsys.readouterr().err == f"dvol: {error}\n"


def no_room(*_arguments):
    raise OSError(errno.ENOSPC, "No space left on device")
