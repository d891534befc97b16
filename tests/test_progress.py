"""What a training tells: lines, curves, and the lines of other processes passed on."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pandas as pd
import pytest
from engine import scalars, tiny_forecaster, tiny_job, tiny_samples, tiny_study
from tensorboard.summary.writer.record_writer import RecordWriter
from trainers import lines, until

from dvol_utils.training.progress import (
    HISTORY,
    ProgressWriter,
    _Log,
    epoch_bar,
    follow,
    progress_line,
    show_no_full_disk_of_writers,
)
from dvol_utils.training.run import train_checkpoint

ROW = {
    "epoch": 4,
    "train_loss": 1.25,
    "validation_loss": 1.5,
    "validation_skill": -0.03125,
    "learning_rate": 5e-4,
}
LINE = re.compile(
    r"lstm_baseline seed 3: epoch +(?P<epoch>\d+)  train loss (?P<train_loss>\d\.\d{4})  "
    r"validation loss (?P<validation_loss>\d\.\d{4})  skill (?P<validation_skill>[+-]\d+\.\d\d)%  "
    r"lr (?P<learning_rate>\d\.\d\de[+-]\d\d)  elapsed \d+ s, at most \d+ s to go"
)


def test_a_line_has_all_that_matters():
    assert progress_line(ROW) == (
        "epoch   4  train loss 1.2500  validation loss 1.5000  skill -3.12%  lr 5.00e-04"
    )


def test_times(monkeypatch, tmp_path):
    """Six of ten epochs to go, two done since the start at ten seconds each."""
    clock = iter([100.0, 120.0])
    monkeypatch.setattr("dvol_utils.training.progress.time.monotonic", lambda: next(clock))
    told = []
    params = tiny_study(**{"training.epochs": 10}).training
    past = [{**ROW, "epoch": epoch} for epoch in (1, 2)]
    with ProgressWriter(tmp_path, params, "it", past=past, echo=told.append) as writer:
        writer.add(ROW)
    assert told[0] == "it: goes on after epoch 2"
    assert told[1].endswith("  elapsed 20 s, at most 60 s to go")
    assert lines(tmp_path / "progress.log") == told


@pytest.mark.parametrize("log_every", [1, 2, 3])
def test_every_nth_epoch_has_a_line(tmp_path, tiny_ladder, log_every):
    overrides = {"training.epochs": 6, "training.log_every": log_every}
    told = []
    train_checkpoint(tiny_forecaster(tmp_path, **overrides), tiny_samples(), echo=told.append)
    assert lines(tmp_path / "checkpoint/progress.log") == told
    found = [LINE.fullmatch(line).groupdict() for line in told]
    assert [int(row["epoch"]) for row in found] == list(range(log_every, 7, log_every))
    history = pd.read_csv(tmp_path / "checkpoint/history.csv").set_index("epoch")
    for row in found:
        written = history.loc[int(row.pop("epoch"))]
        assert float(row.pop("validation_skill")) == pytest.approx(
            100 * written["validation_skill"], abs=0.0051
        )
        for name, value in row.items():
            assert float(value) == pytest.approx(written[name], rel=0.006)


def test_curves_are_those_of_the_history(trainers, tmp_path, tiny_ladder):
    """Killed after its third epoch, of which no state was kept, and gone on with."""
    folder = tiny_job(tmp_path, **{"training.epochs": 5})
    die = ["dvol_utils.training.checkpoints.resume", "_save", 3, "before"]
    assert trainers.run("train", job=folder, die=die) == -9
    assert [step for step, _ in scalars(folder, "train_loss")] == [1, 2, 3]
    assert trainers.run("train", job=folder) == 0
    history = pd.read_csv(folder / "checkpoint/history.csv")
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5]
    for name in HISTORY[1:]:
        steps, values = zip(*scalars(folder, name), strict=True)
        assert list(steps) == [1, 2, 3, 4, 5]
        assert list(values) == pytest.approx(history[name].tolist(), rel=1e-6)


def test_a_full_disk_costs_curves_and_shows_no_traceback(monkeypatch, tmp_path):
    def full(*_):
        raise OSError("no room")

    tracebacks = []
    monkeypatch.setattr(threading, "excepthook", tracebacks.append)
    show_no_full_disk_of_writers.cache_clear()  # pytest has a hook of its own for each test
    with ProgressWriter(tmp_path, tiny_study().training, "it", past=[], echo=print) as writer:
        monkeypatch.setattr(RecordWriter, "write", full)
        for _ in range(2):
            writer.add(ROW)
        assert tracebacks == []
        another = threading.Thread(target=full)  # whose error is told as before
        another.start()
        another.join()
        assert len(tracebacks) == 1
    assert (tmp_path / "history.csv").read_text().count("1.25") == 2


def test_no_bar_where_there_is_no_terminal(capsys):
    with epoch_bar(tiny_study().training) as bar:
        bar["on_epoch"](ROW)
        bar["echo"]("a line")
    assert capsys.readouterr() == ("a line\n", "")


def test_a_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with epoch_bar(tiny_study(**{"training.epochs": 8}).training) as bar:
        bar["on_epoch"](ROW)
    assert "4/8" in capsys.readouterr().err


class Growing:
    """A folder whose `progress.log` grows, and what was passed on of it."""

    def __init__(self, folder: Path) -> None:
        self.path, self.told = folder / "progress.log", []
        folder.mkdir()

    def write(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(text)


@pytest.fixture
def growing(tmp_path):
    return Growing(tmp_path / "network")


def test_follow_passes_whole_lines_on_while_they_come(growing, monkeypatch):
    monkeypatch.setattr("dvol_utils.training.progress._POLL_SECONDS", 0.01)
    growing.write("of another run\n")
    with follow([growing.path.parent, growing.path.parent.parent / "none"], growing.told.append):
        growing.write("one\ntw")
        until(lambda: growing.told == ["one"], "the first line")
        growing.write("o\n")
        until(lambda: growing.told == ["one", "two"], "the second line")
        growing.write("three\nwithout its end")
    assert growing.told == ["one", "two", "three"]


def test_follow_passes_the_last_lines_on_after_an_error(growing):
    def run():
        with follow([growing.path.parent], growing.told.append):
            growing.write("one\n")
            raise ValueError("in the block")

    with pytest.raises(ValueError, match="in the block"):
        run()
    assert growing.told == ["one"]


@pytest.mark.parametrize("before", ["", "a line that is as long as all that follows\n" * 9])
def test_a_file_begun_anew_is_read_from_its_start(growing, before):
    """Even if it has soon as many bytes as the old one, whose last lines are not lost."""
    growing.write(before)
    with _Log(growing.path, growing.told.append) as log:
        growing.write("old\nhalf")
        growing.path.unlink()
        log.pass_on()
        growing.write("new\n" * 200)
        log.pass_on()
        growing.write("more\n")
        log.pass_on()
    assert growing.told == ["old", *["new"] * 200, "more"]
