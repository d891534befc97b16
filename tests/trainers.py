"""Training in processes of its own, which tests may kill.

They are forked from one process that has imported torch, which takes seconds, and done nothing with
it: `python trainers.py` starts a function of this module for each line of JSON on its input.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

PATIENCE = 240  # seconds after which a condition counts as never met, on a machine however busy
TINY = {"hidden_size": 8, "num_layers": 2, "dropout": 0.3}


class Trainers:
    """Processes forked from one: `start` returns a process id, `wait` its exit status."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
        )

    def start(self, function: str, **arguments: Any) -> int:
        return self._ask(start=function, arguments=arguments)

    def wait(self, pid: int) -> int:
        """Exit status; minus the signal that killed it."""
        return self._ask(wait=pid)

    def run(self, function: str, **arguments: Any) -> int:
        return self.wait(self.start(function, **arguments))

    def _ask(self, **request: Any) -> int:
        self.process.stdin.write(json.dumps(request, default=str) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, self.log.read_text()
        return json.loads(answer)

    def close(self) -> None:
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a condition to hold, and return what it returned."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)
    return found


def lines(path: Path) -> list[str]:
    """Whole lines of a file that may not exist yet."""
    try:
        return path.read_text().split("\n")[:-1]
    except FileNotFoundError:
        return []


def descendants(pid: int) -> list[int]:
    """Process ids below a process, at all depths."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return []


def alive(pid: int) -> bool:
    import psutil

    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


# What the forked processes do.


def train(
    job: str, *, tiny: bool = True, die: list | None = None, limit: int | None = None
) -> None:
    """Train the network of a job's folder, in this process.

    `die` [module, function, n, when] kills this process at the n-th call of a function: "before"
    it, "within" a write of it (half the bytes are there), or "after" it. `limit` is the largest
    file that can be written, bytes: a full disk. An error's message goes to the job's folder.
    """
    from dvol_utils.training.processes.job import read_job
    from dvol_utils.training.run import train_checkpoint

    if tiny:
        use_tiny()
    forecaster, samples = read_job(Path(job))
    if die:
        die_at(*die)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    with telling(Path(job) / "error"):
        train_checkpoint(forecaster, samples)


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Leave an error's type and message, even if no large file can be written."""
    try:
        yield
    except Exception as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        path.write_text(f"{type(error).__name__}: {error}")
        raise


def hold(folder: str, ready: str) -> None:
    """Hold a checkpoint's folder until this process is killed."""
    from dvol_utils.training.checkpoints.sealed import locked

    with locked(Path(folder)):
        Path(ready).touch()
        signal.pause()


def use_tiny() -> None:
    """Let the smallest network of the ladder be smaller still."""
    from dvol_utils.models.lstm import LADDER

    LADDER["lstm_baseline"] = TINY


def die_at(module: str, name: str, count: int, when: str) -> None:
    """Let a function's n-th call kill this process."""
    import importlib

    home = importlib.import_module(module)
    function, calls = getattr(home, name), 0

    def deadly(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls < count:
            return function(*arguments, **named)
        if when != "before":
            function(*arguments, **named)
        if when == "within":
            target = next(value for value in arguments if isinstance(value, Path))
            os.truncate(target, target.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(home, name, deadly)


def rank(job: str, store: str, number: int, processes: int, **more: Any) -> None:
    """Train the network of a job's folder as one of several processes; leave an error's message."""
    with telling(Path(store).parent / f"error-{number}"), joined(store, number, processes):
        train(job, **more)


@contextmanager
def joined(store: str, number: int, processes: int) -> Iterator[None]:
    """A process group that meets at a file."""
    import torch.distributed as dist

    meet = f"file://{store}"
    dist.init_process_group("gloo", init_method=meet, rank=number, world_size=processes)
    try:
        yield
    finally:
        dist.destroy_process_group()


def share(
    job: str, out: str, store: str, number: int, processes: int, *, hidden: int, again: bool
) -> None:
    """Train a network without dropout on the samples of a job, and write what came of it.

    `again` goes on from the state after the first epoch, which is kept for that in any case.
    """
    import torch

    from dvol_utils.training import fit_network
    from dvol_utils.training.processes.job import read_job

    forecaster, samples = read_job(Path(job))
    network = without_dropout(len(forecaster.columns), hidden)

    def on_state(state: Callable[[], Any]) -> None:
        if len(state()["history"]) == 1:
            torch.save(state(), f"{out}.state")

    going_on = {"resume_from": torch.load(f"{out}.state", weights_only=True)} if again else {}
    with joined(store, number, processes) if processes > 1 else nullcontext():
        history = fit_network(
            network, samples, forecaster.study, seed=5, on_state=on_state, **going_on
        )
    torch.save({"history": history, "weights": network.state_dict()}, out)


def without_dropout(inputs: int, hidden: int) -> Any:
    """An LSTM whose gradients depend on the batch alone."""
    import torch

    from dvol_utils.models.lstm import DVOLLSTM

    torch.manual_seed(0)
    return DVOLLSTM(inputs, hidden_size=hidden, num_layers=3, dropout=0.0)


def fit(root: str, out: str, **overrides: Any) -> None:
    """Fit the network of the study `tiny` as a notebook does; leave an error's message."""
    import numpy as np

    from dvol_utils.forecasting.forecasters import make_forecaster
    from dvol_utils.samples.samples import build_samples
    from dvol_utils.study.loading import load_study
    from dvol_utils.study.tables import read_table

    spoilt = overrides.pop("spoilt", False)
    study = load_study(Path(root) / "params/tiny.yaml", overrides)
    samples = build_samples(read_table(study, "panel"), read_table(study, "jumps"), study)
    if spoilt:
        target = samples.target.copy()
        target[samples.rows("train")[50]] = np.inf
        samples = dataclasses.replace(samples, target=target)
    with telling(Path(out)):
        make_forecaster("lstm_baseline", study).fit(samples)


def dvol(words: list[str], cwd: str, out: str) -> None:
    """The command `dvol`, in a process group of its own, as in a terminal.

    Its temporary files go to `tmp` in the folder it runs in.
    """
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # even where tests run aside
    os.chdir(cwd)
    tempfile.tempdir = f"{cwd}/tmp"
    Path(tempfile.tempdir).mkdir(exist_ok=True)
    file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    from dvol_utils.cli import app

    app(words)


def hanging(**arguments: Any) -> None:
    """`tasks.hanging`."""
    import tasks

    tasks.hanging(**arguments)


def lonely(**arguments: Any) -> None:
    """`tasks.lonely`."""
    import tasks

    tasks.lonely(**arguments)


def _serve() -> None:
    # All that the functions need, so that no forked process imports it again.
    import torch._dynamo  # noqa: F401, optimisers import it when they are made

    import dvol_utils.cli
    import dvol_utils.forecasting.train_command  # noqa: F401

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    running: set[int] = set()
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            running.discard(request["wait"])
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                _child(request["start"], request["arguments"])
            running.add(answer)
        print(answer, file=answers, flush=True)
    for pid in running:  # of tests that failed, or were killed themselves
        os.kill(pid, signal.SIGKILL)


def _child(function: str, arguments: dict[str, Any]) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    try:
        globals()[function](**arguments)
    except SystemExit as error:
        _leave(int(error.code or 0))
    except BaseException:
        traceback.print_exc()
        _leave(1)
    _leave(0)


def _leave(code: int) -> None:
    """While an error still holds a network: worker.py says why."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve()
