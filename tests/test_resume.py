"""Killed with -9 at any moment and started again, training ends in the same bits."""

from __future__ import annotations

import os
import signal

import pandas as pd
import pytest
from engine import ENDS_EARLY, left, scalars, tiny_forecaster, tiny_job, tiny_samples
from trainers import lines, until

from dvol_utils.training.checkpoints import sealed
from dvol_utils.training.checkpoints.sealed import CheckpointError
from dvol_utils.training.progress import HISTORY
from dvol_utils.training.run import train_checkpoint

pytestmark = pytest.mark.faults
_LOOP, _RESUME = "dvol_utils.training.loop", "dvol_utils.training.checkpoints.resume"
_RUN, _CHECKPOINTS = "dvol_utils.training.run", "dvol_utils.training.checkpoints.networks"
# Where the process kills itself, and the epoch after which the next one goes on.
MOMENTS = {
    "before the first epoch": ([_RUN, "fit_network", 1, "before"], None),
    "in the first epoch": ([_LOOP, "clip_grad_norm_", 3, "before"], None),
    "in a later epoch": ([_LOOP, "clip_grad_norm_", 40, "after"], 7),
    "between training and validation": ([_LOOP, "_validate", 4, "before"], 3),
    "before the state is written": ([_RESUME, "_save", 3, "before"], 2),
    "while the state is written": ([_RESUME, "_save", 3, "within"], 2),
    "before the state is named": ([_RESUME, "write_sealed", 3, "before"], 2),
    "before the old state is removed": ([_RESUME, "_remove_states", 3, "before"], 3),
    "after the last epoch": ([_RUN, "save_finished", 1, "before"], 13),
    "while the weights are written": ([_CHECKPOINTS, "_save_weights", 1, "within"], 13),
    "before the weights are named": ([_CHECKPOINTS, "write_sealed", 1, "before"], 13),
    "before the state is removed": ([_RUN, "remove_state", 1, "before"], 13),
}


@pytest.fixture(scope="module")
def uninterrupted(trainers, tmp_path_factory):
    folder = tiny_job(tmp_path_factory.mktemp("uninterrupted"))
    assert trainers.run("train", job=folder) == 0
    return left(folder)


def check_nothing_else(folder):
    """Neither states nor temporary files are left."""
    names = {path.name for path in (folder / "checkpoint").iterdir()}
    names = {name for name in names if not name.startswith("events.out.tfevents.")}
    assert names == {"model.safetensors", "config.json", "history.csv", "progress.log"}


def test_the_run_that_is_killed_has_something_to_lose(uninterrupted, tmp_path):
    """Halved learning rates, a best epoch before the last, and patience that ends it."""
    path = tmp_path / "history.csv"
    path.write_bytes(uninterrupted["history.csv"])
    history = pd.read_csv(path)
    assert tuple(history.columns) == HISTORY
    assert history["learning_rate"].nunique() > 2
    best = history["validation_loss"].idxmin()
    assert len(history) - 1 - best == ENDS_EARLY["training.patience"]
    assert len(history) == 13 < ENDS_EARLY["training.epochs"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_once(trainers, uninterrupted, tmp_path, moment):
    die, kept = MOMENTS[moment]
    folder = tiny_job(tmp_path / "job")
    assert trainers.run("train", job=folder, die=die) == -signal.SIGKILL
    epochs = [line.split(",")[0] for line in lines(folder / "checkpoint/history.csv")[1:]]
    assert epochs == [str(epoch + 1) for epoch in range(len(epochs))]
    assert len(epochs) >= (kept or 0)

    assert trainers.run("train", job=folder) == 0
    assert left(folder) == uninterrupted
    check_nothing_else(folder)
    goes_on = [line for line in lines(folder / "checkpoint/progress.log") if "goes on" in line]
    wanted = [f"lstm_baseline seed 3: goes on after epoch {kept}"] if kept else []
    assert goes_on == wanted
    steps = [step for step, _ in scalars(folder, "validation_loss")]
    assert steps == list(range(1, 14))


def test_killed_again_and_again_from_outside(trainers, uninterrupted, tmp_path):
    folder = tiny_job(tmp_path / "job")
    history = folder / "checkpoint/history.csv"
    for epochs in (1, 4, 5, 9):
        pid = trainers.start("train", job=folder)
        until(lambda: len(lines(history)) > epochs, f"epoch {epochs}")  # noqa: B023
        os.kill(pid, signal.SIGKILL)
        assert trainers.wait(pid) == -signal.SIGKILL
    assert trainers.run("train", job=folder) == 0
    assert left(folder) == uninterrupted
    check_nothing_else(folder)


def test_a_finished_network_is_taken_with_the_state_it_left(
    trainers, uninterrupted, tmp_path, tiny_ladder
):
    folder = tiny_job(tmp_path / "job")
    die = [_RUN, "remove_state", 1, "before"]
    assert trainers.run("train", job=folder, die=die) == -signal.SIGKILL
    assert list((folder / "checkpoint").glob("train_state*"))
    tiny_forecaster(folder).fit(tiny_samples())
    assert left(folder) == uninterrupted
    check_nothing_else(folder)


def test_another_attempt_of_the_same_object_begins_with_the_first_weights(
    uninterrupted, tmp_path, tiny_ladder
):
    """An error before anything was kept leaves trained weights in the object."""
    forecaster = tiny_forecaster(tmp_path, **{"training.keep_seconds": 3600})

    def fail(row):
        if row["epoch"] == 3:
            raise RuntimeError("in the third epoch")

    with pytest.raises(RuntimeError, match="in the third epoch"):
        train_checkpoint(forecaster, tiny_samples(), on_epoch=fail)
    train_checkpoint(forecaster, tiny_samples())
    assert left(tmp_path) == uninterrupted


def test_begin_anew_leaves_the_kept_state_aside(trainers, uninterrupted, tmp_path, tiny_ladder):
    folder = tiny_job(tmp_path / "job")
    trainers.run("train", job=folder, die=MOMENTS["in a later epoch"][0])
    train_checkpoint(tiny_forecaster(folder), tiny_samples(), fresh=True)
    assert "goes on" not in (folder / "checkpoint/progress.log").read_text()
    assert left(folder) == uninterrupted


def test_a_state_of_other_parameters_is_not_taken_up(trainers, tmp_path, tiny_ladder):
    folder = tiny_job(tmp_path / "job")
    trainers.run("train", job=folder, die=MOMENTS["in a later epoch"][0])
    other = {"training.epochs": 2}
    train_checkpoint(tiny_forecaster(folder, **other), tiny_samples())
    assert "goes on" not in (folder / "checkpoint/progress.log").read_text()
    assert len(lines(folder / "checkpoint/history.csv")) == 3
    check_nothing_else(folder)


def test_settings_of_place_and_noise_leave_the_state_valid(
    trainers, uninterrupted, tmp_path, tiny_ladder
):
    folder = tiny_job(tmp_path / "job")
    trainers.run("train", job=folder, die=MOMENTS["in a later epoch"][0])
    neutral = {"training.log_every": 1, "training.seeds": [3, 4], "training.devices": "cpu"}
    train_checkpoint(tiny_forecaster(folder, **neutral), tiny_samples())
    assert left(folder) == uninterrupted
    assert "goes on after epoch 7" in (folder / "checkpoint/progress.log").read_text()


def test_only_one_process_trains_a_network(trainers, tmp_path, tiny_ladder, monkeypatch):
    """Another waits until the lock is free, which it is once its holder is dead."""
    monkeypatch.setattr(sealed, "LOCK_SECONDS", 0.2)
    folder = tiny_job(tmp_path / "job")
    holder = trainers.start("hold", folder=folder / "checkpoint", ready=tmp_path / "ready")
    until((tmp_path / "ready").exists, "the folder is held")
    with pytest.raises(CheckpointError, match=r"checkpoint: another process is training this"):
        train_checkpoint(tiny_forecaster(folder), tiny_samples())
    os.kill(holder, signal.SIGKILL)
    trainers.wait(holder)
    train_checkpoint(tiny_forecaster(folder), tiny_samples())
    check_nothing_else(folder)
