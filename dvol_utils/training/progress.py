"""What a training run tells while it goes on: files in the checkpoint's folder, and lines."""

from __future__ import annotations

import csv
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from dvol_utils.study.files import replacing
from dvol_utils.study.fitting_section import TrainingParams
from dvol_utils.training.loop import History

HISTORY = ("epoch", "train_loss", "validation_loss", "validation_skill", "learning_rate")
_POLL_SECONDS = 0.5


def progress_line(row: dict[str, float]) -> str:
    """One epoch in words: losses, validation skill, learning rate."""
    return (
        f"epoch {row['epoch']:>3.0f}  train loss {row['train_loss']:.4f}  "
        f"validation loss {row['validation_loss']:.4f}  "
        f"skill {row['validation_skill']:+.2%}  lr {row['learning_rate']:.2e}"
    )


def write_history(folder: Path, history: History) -> Path:
    """Write `history.csv` whole."""
    path = folder / "history.csv"
    with replacing(path) as new, new.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, HISTORY)
        rows.writeheader()
        rows.writerows(history)
    return path


class ProgressWriter:
    """`history.csv`, `progress.log` and TensorBoard events of one training run.

    A disk that is full costs lines of these, and not the training.

    Parameters
    ----------
    folder : Path
    params : TrainingParams
    title : str
        What each line of `progress.log` begins with.
    past : list of dict
        Epochs before a crash, which `history.csv` begins with.
    echo : callable
        Receives each line of `progress.log` too.
    """

    def __init__(
        self,
        folder: Path,
        params: TrainingParams,
        title: str,
        *,
        past: History,
        echo: Callable[[str], None],
    ) -> None:
        self.folder, self.params, self.title = folder, params, title
        self.past, self.echo = list(past), echo

    def __enter__(self) -> ProgressWriter:
        from torch.utils.tensorboard import (
            SummaryWriter,
        )  # forecasts of trained networks go without

        path = write_history(self.folder, self.past)
        self.started = time.monotonic()
        self.history = path.open("a", encoding="utf-8", newline="")
        self.rows = csv.DictWriter(self.history, HISTORY)
        self.progress = (self.folder / "progress.log").open("a", encoding="utf-8")
        show_no_full_disk_of_writers()
        # Events of epochs after the kept state are those of the run that crashed.
        self.events = SummaryWriter(self.folder, purge_step=len(self.past) + 1)
        if self.past:
            self.say(f"goes on after epoch {len(self.past)}")
        return self

    def add(self, row: dict[str, float]) -> None:
        """Write an epoch everywhere at once, so that a crash loses none."""
        with suppress(OSError):
            self.rows.writerow(row)
            self.history.flush()
        with suppress(OSError):
            for name in HISTORY[1:]:
                self.events.add_scalar(name, row[name], int(row["epoch"]))
            self.events.flush()
        if row["epoch"] % self.params.log_every == 0:
            self.say(f"{progress_line(row)}  {self._times(int(row['epoch']))}")

    def say(self, line: str) -> None:
        """Add a line to `progress.log`."""
        with suppress(OSError):
            self.progress.write(f"{self.title}: {line}\n")
            self.progress.flush()
        self.echo(f"{self.title}: {line}")

    def _times(self, epoch: int) -> str:
        elapsed = time.monotonic() - self.started
        # By the epochs of this run alone: those before a crash took another time.
        left = elapsed / (epoch - len(self.past)) * (self.params.epochs - epoch)
        return f"elapsed {elapsed:.0f} s, at most {left:.0f} s to go"

    def __exit__(self, *error: object) -> None:
        for file in (self.history, self.progress, self.events):
            with suppress(OSError):
                file.close()


@cache
def show_no_full_disk_of_writers() -> None:
    """Keep TensorBoard's writing threads from printing an error of the disk, from now on.

    Such a thread ends with the first event that it cannot write. Who adds the next one is told by
    an `OSError`, perhaps before the thread prints: so the hook is not taken off again.
    """
    before = threading.excepthook

    def hook(error: threading.ExceptHookArgs) -> None:
        is_writer = type(error.thread).__module__.startswith("tensorboard.")
        if not (is_writer and issubclass(error.exc_type, OSError)):
            before(error)

    threading.excepthook = hook


@contextmanager
def epoch_bar(params: TrainingParams, rank: int = 0) -> Iterator[dict[str, Callable[..., None]]]:
    """A bar of epochs on a terminal, and lines above it: arguments for `train_checkpoint`."""
    # None: a bar on a terminal and none elsewhere (tests/test_progress.py).
    with tqdm(total=params.epochs, unit="epoch", leave=False, disable=rank > 0 or None) as bar:

        def on_epoch(row: dict[str, float]) -> None:
            # By the difference, since training may go on from a later epoch.
            bar.update(int(row["epoch"]) - bar.n)
            bar.refresh()

        yield {"echo": tqdm.write, "on_epoch": on_epoch}


@contextmanager
def follow(folders: Sequence[Path], log: Callable[[str], None]) -> Iterator[None]:
    """Pass on the lines that `progress.log` of any folder gains inside the block.

    Works for networks that train in other processes, here or on machines that share the folders.
    """
    over = threading.Event()
    with ExitStack() as stack:
        logs = [stack.enter_context(_Log(folder / "progress.log", log)) for folder in folders]

        def watch() -> None:
            while not over.wait(_POLL_SECONDS):
                for one in logs:
                    one.pass_on()

        thread = threading.Thread(target=watch, name="follow-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            for one in logs:
                one.pass_on()


class _Log:
    """A file that grows, perhaps does not exist yet, and may be begun anew.

    It is held open: a new file could otherwise get the number of the old one.
    """

    def __init__(self, path: Path, log: Callable[[str], None]) -> None:
        self.path, self.log = path, log
        self.file: BinaryIO | None = None
        self.begun = b""  # a line without its end

    def __enter__(self) -> _Log:
        if self._replaced():
            # What stands there already was passed on by whoever waited then.
            self._open().seek(0, os.SEEK_END)
        return self

    def __exit__(self, *error: object) -> None:
        if self.file is not None:
            self.file.close()

    def pass_on(self) -> None:
        """Pass on the whole lines since the last call."""
        if self.file is not None:
            self._read(self.file)
        if self._replaced():
            with suppress(FileNotFoundError):  # between two runs
                self._read(self._open())

    def _read(self, file: BinaryIO) -> None:
        *lines, self.begun = (self.begun + file.read()).split(b"\n")
        for line in lines:
            self.log(line.decode("utf-8", "replace"))

    def _replaced(self) -> bool:
        """Whether there is a file, and it is not the one that is open."""
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        return self.file is None or not os.path.samestat(there, os.fstat(self.file.fileno()))

    def _open(self) -> BinaryIO:
        new = self.path.open("rb")
        if self.file is not None:
            self.file.close()
        self.file, self.begun = new, b""
        return new
