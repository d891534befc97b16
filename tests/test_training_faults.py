"""torchrun and `dvol train`: what happens to long runs costs nothing and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import socket
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
import yaml
from engine import LASTING, tiny_samples, tiny_study
from market import small_jumps, small_panel
from trainers import alive, descendants, lines, until

from dvol_utils.forecasting.forecasters import make_forecaster
from dvol_utils.study.effective import effective
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import StudyParams
from dvol_utils.study.tables import write_table
from dvol_utils.training.processes.job import write_job

pytestmark = pytest.mark.faults
EPOCHS = 40  # enough of them that a stop comes before the last
STOPPED = "train: stopped; the same command goes on from the last kept epoch\n"
TITLE = "lstm_baseline seed 0"
_runs = count()
CHECKPOINT = "runs/tiny/checkpoints/lstm_baseline/0-0"


def project(folder: Path) -> StudyParams:
    """A project whose study has its panel and its jumps, as after notebook 02."""
    plain = effective(tiny_study(**{"training.epochs": EPOCHS, "training.patience": EPOCHS}))
    plain.pop("name")
    (folder / "params").mkdir(parents=True)
    (folder / "params/tiny.yaml").write_text(yaml.safe_dump(plain), encoding="utf-8")
    study = load_study(folder / "params/tiny.yaml")
    panel = small_panel()
    write_table(study, "panel", panel)
    write_table(study, "jumps", small_jumps(panel, study))
    return study


def undisturbed(folder: Path) -> Path:
    """The job of the study's network, for processes that meet without torchrun."""
    study = project(folder)
    (folder / "job").mkdir()
    write_job(folder / "job", make_forecaster("lstm_baseline", study), tiny_samples())
    return folder / "job"


@pytest.fixture(scope="module")
def from_one(trainers, tmp_path_factory):
    """What one process ends with that nobody disturbs."""
    folder = tmp_path_factory.mktemp("one")
    assert trainers.run("train", job=undisturbed(folder), tiny=False) == 0
    return checkpoint(folder)


@pytest.fixture(scope="module")
def from_two(trainers, tmp_path_factory):
    """What two processes end with that nobody disturbs."""
    folder = tmp_path_factory.mktemp("two")
    job = undisturbed(folder)
    more = {"job": job, "store": folder / "store", "processes": 2, "tiny": False}
    ranks = [trainers.start("rank", number=number, **more) for number in range(2)]
    assert [trainers.wait(pid) for pid in ranks] == [0, 0]
    return checkpoint(folder)


def checkpoint(folder: Path) -> dict[str, bytes]:
    return {name: (folder / CHECKPOINT / name).read_bytes() for name in LASTING}


class Command:
    """`dvol train` of the study `tiny` in a process group of its own."""

    def __init__(self, trainers, folder: Path, *words: str) -> None:
        self.trainers, self.folder = trainers, folder
        self.out = folder / f"out-{next(_runs)}.txt"
        command = ["train", "--study", "tiny", "--model", "lstm_baseline", *words]
        self.pid = trainers.start("dvol", words=command, cwd=folder, out=self.out)

    def wait_for_epoch(self, epoch: int) -> list[int]:
        """Until so many epochs are kept; the processes that it has started by then."""
        return wait_for_epoch(self.folder, self.pid, epoch)

    def wait(self) -> int:
        return self.trainers.wait(self.pid)

    def shown(self) -> str:
        return self.out.read_text()


def kept_epoch(index: Path) -> int:
    """Epoch of the state that an index names; 0 without one."""
    found = re.search(r"train_state-(\d+)\.pt", index.read_text() if index.exists() else "")
    return int(found[1]) if found else 0


def wait_for_epoch(folder: Path, pid: int, epoch: int) -> list[int]:
    state = folder / CHECKPOINT / "train_state.json"
    until(lambda: kept_epoch(state) >= epoch or not alive(pid), f"epoch {epoch}")
    assert alive(pid), f"{pid} ended before epoch {epoch} was kept"
    return descendants(pid)


def check_gone(pids: list[int]) -> None:
    assert pids
    until(lambda: not any(map(alive, pids)), f"the end of {pids}")


def test_dvol_train_killed_stopped_and_gone_on(trainers, from_two, tmp_path):
    """Two processes: their parent is killed with -9, Ctrl-C stops the next, the third ends."""
    project(tmp_path)
    first = Command(trainers, tmp_path, "--devices", "2")
    started = first.wait_for_epoch(2)
    assert len(started) == 3  # the agent and two workers
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    check_gone(started)
    assert not list((tmp_path / "tmp").iterdir())

    second = Command(trainers, tmp_path, "--devices", "2")
    epoch = kept_epoch(tmp_path / CHECKPOINT / "train_state.json")
    started = second.wait_for_epoch(epoch + 1)
    os.killpg(second.pid, signal.SIGINT)  # as a terminal does
    assert second.wait() == 130
    assert second.shown().endswith(STOPPED)
    assert "Traceback" not in second.shown()
    check_gone(started)

    third = Command(trainers, tmp_path, "--devices", "2")
    assert third.wait() == 0
    assert f"{TITLE}: goes on after epoch" in third.shown()
    assert re.search(r"^train: lstm_baseline seed 0, [\d,]+ parameters, best epoch \d+ of 40, "
                     r"validation loss \d\.\d{4}, in \w+: ", third.shown(), re.M)  # fmt: skip
    assert checkpoint(tmp_path) == from_two


def test_dvol_train_of_one_process_stopped_and_gone_on(trainers, from_one, tmp_path):
    project(tmp_path)
    first = Command(trainers, tmp_path, "--devices", "cpu")
    assert first.wait_for_epoch(3) == []
    os.kill(first.pid, signal.SIGTERM)
    assert first.wait() == 130
    assert first.shown().endswith(STOPPED)
    assert "Traceback" not in first.shown()
    assert not list((tmp_path / CHECKPOINT).glob(".*"))

    second = Command(trainers, tmp_path, "--devices", "cpu")
    assert second.wait() == 0
    assert checkpoint(tmp_path) == from_one
    third = Command(trainers, tmp_path, "--devices", "cpu")
    assert third.wait() == 0
    first, *_, last = second.shown().splitlines(keepends=True)
    assert third.shown() == first + last  # where and in which arithmetic; what there is


def test_a_killed_worker_comes_back_by_itself(trainers, from_two, tmp_path):
    """Within `NetworkForecaster.fit`, as a notebook calls it."""
    project(tmp_path)
    settings = {"training.devices": 2}
    pid = trainers.start("fit", root=tmp_path, out=tmp_path / "error", **settings)
    _, *workers = sorted(wait_for_epoch(tmp_path, pid, 2))
    assert len(workers) == 2
    os.kill(workers[-1], signal.SIGKILL)
    assert trainers.wait(pid) == 0
    assert checkpoint(tmp_path) == from_two
    goes_on = [line for line in lines(tmp_path / CHECKPOINT / "progress.log") if "goes on" in line]
    assert len(goes_on) == 1
    check_gone(workers)


def free_port() -> int:
    """A free port, below those that the system hands out to tests that run beside this one."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port
    return pytest.fail("no free port")


def test_two_machines_are_as_two_processes(trainers, from_two, tmp_path):
    """Two agents on the loopback, one process each."""
    project(tmp_path)
    words = ("--devices", "1", "--nnodes", "2", "--rendezvous", f"127.0.0.1:{free_port()}")
    nodes = [Command(trainers, tmp_path, *words) for _ in range(2)]
    assert [node.wait() for node in nodes] == [0, 0], [node.shown() for node in nodes]
    assert checkpoint(tmp_path) == from_two
    assert all("best epoch 2 of 40" in node.shown() for node in nodes)


def test_a_loss_that_is_not_finite_is_said_once(trainers, tmp_path):
    """No restart would mend it, so there is none."""
    project(tmp_path)
    settings = {"training.devices": 2, "spoilt": True}
    assert trainers.run("fit", root=tmp_path, out=tmp_path / "error", **settings) == 1
    assert (tmp_path / "error").read_text() == (
        "TrainingError: loss is inf in epoch 1, seed 0: try a lower training.learning_rate, "
        "or the network's own, or training.precision float32"
    )
    assert len(list((tmp_path / CHECKPOINT).glob("events.*"))) == 1
