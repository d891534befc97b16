"""Many tasks: the same results wherever they run, and what kills one costs no other."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tasks
from engine import LASTING, tiny_samples, tiny_study
from trainers import PATIENCE, alive, descendants, lines, until

from dvol_utils.forecasting.walk import fit_and_predict
from dvol_utils.training import NetworkForecaster
from dvol_utils.training.processes import many
from dvol_utils.training.processes.many import ClusterError, Failure, run_tasks

KILLED = "its process was killed each time: perhaps the memory does not suffice"


@pytest.fixture(scope="module")
def dask_cluster(tmp_path_factory):
    """Address of a scheduler with two workers of two threads, started as a user would."""
    workers = ("--nworkers", "2", "--nthreads", "2")
    with dask_commands(tmp_path_factory.mktemp("dask"), *workers) as (address, _):
        yield address


@contextmanager
def dask_commands(folder: Path, *words: str):
    """`dask scheduler` and `dask worker` as commands; the address, and the scheduler's process."""
    file = folder / "scheduler.json"
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent),
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s",
        "DASK_TEMPORARY_DIRECTORY": str(folder),
    }
    to = ["--scheduler-file", str(file), "--no-dashboard"]
    with (folder / "log.txt").open("w") as log, ExitStack() as stack:

        def start(*more: str) -> subprocess.Popen:
            command = [str(Path(sys.executable).parent / "dask"), *more]
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            stack.callback(process.wait, PATIENCE)
            stack.callback(process.terminate)
            return process

        # Should the tests be killed, these end by themselves.
        alone = ("--idle-timeout", "10 minutes")
        scheduler = start("scheduler", *to, "--host", "127.0.0.1", "--port", "0", *alone)
        address = until(partial(_address, file), "the scheduler's address")
        start("worker", *to, "--death-timeout", "60", *words)
        yield address, scheduler


def _address(file: Path) -> str | None:
    try:
        return json.loads(file.read_text())["address"]
    except (FileNotFoundError, ValueError):
        return None


def networks(folder: Path) -> list:
    """Tasks that train a network of each seed."""
    study = tiny_study(**{"training.epochs": 2})
    forecasters = (
        NetworkForecaster("lstm_baseline", study, seed=seed, checkpoint=folder / f"{seed}")
        for seed in (3, 4)
    )
    return [partial(fit_and_predict, each, tiny_samples()) for each in forecasters]


def left(folder: Path) -> list[bytes]:
    return [(folder / seed / name).read_bytes() for seed in "34" for name in LASTING]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Forecasts and files of the networks, trained one after the other in this process."""
    folder = tmp_path_factory.mktemp("here")
    found = run_tasks(networks(folder), workers=1)
    return found, left(folder)


@pytest.mark.faults
@pytest.mark.parametrize("place", ["cores", "local", "tcp"])
def test_results_do_not_depend_on_where_they_were_made(request, here, tmp_path, place):
    """One task fails, and one kills its worker the first time."""
    where = {"cores": None, "local": "local"}
    cluster = where[place] if place in where else request.getfixturevalue("dask_cluster")
    mixed = [
        *networks(tmp_path),
        partial(tasks.fail, 2),
        partial(tasks.die_first, tmp_path / "marker", 3),
        *(partial(tasks.square, number) for number in range(4, 9)),
    ]
    found = run_tasks(mixed, cluster=cluster, workers=2)
    np.testing.assert_array_equal(found[:2], here[0])
    assert left(tmp_path) == here[1]
    assert found[2:] == [Failure("ValueError: no 2"), 9, 16, 25, 36, 49, 64]
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize("named", [True, False], ids=["joblib's folder", "no folder"])
def test_what_a_task_is_sent_lies_in_no_file(monkeypatch, tmp_path, named):
    """It would stay where the process that tracks such files is killed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("JOBLIB_TEMP_FOLDER", raising=False)
    if named:
        monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    folders = [tmp_path, Path("/dev/shm")]
    some = [partial(tasks.files_meanwhile, folders, np.zeros(300_000)) for _ in range(2)]
    assert run_tasks(some, workers=2) == [[], []]


def test_a_failure_here_costs_the_others_nothing():
    some = [partial(tasks.square, 2), partial(tasks.fail, 7), partial(tasks.square, 3)]
    assert run_tasks(some, workers=1) == [4, Failure("ValueError: no 7"), 9]


def test_threads_of_one_process_take_turns():
    """A worker of several threads has one random state for them all."""
    inside, most = [], []

    def task():
        inside.append(1)
        most.append(len(inside))
        until(lambda: len(waiting) == 3, "the others are there too")
        inside.pop()

    waiting: list[int] = []

    def run():
        waiting.append(1)
        many._attempt(task)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert most == [1, 1, 1]


def test_no_task_at_all():
    assert run_tasks([]) == run_tasks([], cluster="local") == []


@pytest.mark.faults
@pytest.mark.parametrize("place", ["cores", "tcp"])
def test_a_task_that_always_kills_its_worker(request, monkeypatch, place):
    monkeypatch.setattr(many, "_ROUNDS", 1)
    cluster = None if place == "cores" else request.getfixturevalue("dask_cluster")
    some = [partial(tasks.square, 2), tasks.die, partial(tasks.square, 3)]
    assert run_tasks(some, cluster=cluster, workers=2) == [4, Failure(KILLED), 9]


def test_a_scheduler_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(many, "CONNECT_SECONDS", 0.5)
    with socket.socket() as closed:  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(ClusterError, match=rf"cluster {address}: no Dask scheduler answers"):
            run_tasks([partial(tasks.square, 2)], cluster=address)


def test_a_scheduler_without_workers(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(many, "WORKER_SECONDS", 0.2)
    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as empty:
        address = empty.scheduler_address
        with pytest.raises(
            ClusterError, match=rf"no workers; start some with `dask worker {address}`"
        ):
            run_tasks([partial(tasks.square, 2)], cluster=address)


@pytest.mark.faults
def test_a_scheduler_that_is_lost(tmp_path):
    with dask_commands(tmp_path) as (address, scheduler):
        kill = threading.Thread(target=_kill_when, args=(tmp_path / "0.pid", scheduler))
        kill.start()
        with pytest.raises(ClusterError, match=rf"{address}: its scheduler was lost; start again"):
            run_tasks([partial(tasks.hang, str(tmp_path), 0)], cluster=address)
        kill.join()


def _kill_when(sign: Path, process: subprocess.Popen) -> None:
    until(sign.exists, "the task")
    process.kill()


@pytest.mark.faults
@pytest.mark.parametrize("cluster", [None, "local"])
def test_workers_end_when_their_parent_is_killed(trainers, tmp_path, cluster):
    pid = trainers.start("hanging", folder=tmp_path, cluster=cluster)
    files = [tmp_path / f"{number}.pid" for number in range(2)]
    until(lambda: all(map(lines, files)), "both tasks")
    workers = [int(lines(file)[0]) for file in files]
    os.kill(pid, signal.SIGKILL)
    trainers.wait(pid)
    assert len(set(workers)) == 2
    until(lambda: not any(map(alive, workers)), f"the end of {workers}")


@pytest.mark.faults
def test_a_worker_without_a_task_ends_when_its_parent_is_killed(trainers, tmp_path):
    """And so does what tracks their files."""
    pid = trainers.start("lonely", folder=tmp_path)
    until(lambda: lines(tmp_path / "0.pid"), "the task")
    until(lambda: len(descendants(pid)) >= 3, "two workers and a tracker")
    started = descendants(pid)
    os.kill(pid, signal.SIGKILL)
    trainers.wait(pid)
    until(lambda: not any(map(alive, started)), f"the end of {started}")
