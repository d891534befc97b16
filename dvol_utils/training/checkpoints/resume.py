"""The state from which training goes on after a crash: kept whole, checked when it is read.

`train_state-<epoch>.pt` holds weights, optimiser, schedule, history and best weights at the end of
an epoch; `train_state.json`, written after it, names it with its SHA-256. A crash between the two
leaves the state before, which is removed only afterwards.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch

from dvol_utils.study import limits
from dvol_utils.study.bounded import OversizeError
from dvol_utils.study.files import file_hash, replacing
from dvol_utils.training.checkpoints.sealed import (
    CheckpointError,
    advice,
    check_file,
    read_sealed,
    write_sealed,
)
from dvol_utils.training.loop import State

_INDEX = "train_state.json"


class TrainState:
    """A folder's state to go on from, for the run with this fingerprint.

    Parameters
    ----------
    folder : Path
        The checkpoint's folder.
    of : str
        Fingerprint; a state of other data, parameters or code is not taken up.
    keep_seconds : float
        Least time between two states that are kept; with 0 it is every epoch's.

    Attributes
    ----------
    say : callable
        Told when a state could not be kept; training goes on.
    """

    def __init__(self, folder: Path, of: str, *, keep_seconds: float) -> None:
        self.folder, self.of = folder, of
        self.say: Callable[[str], None] = print
        # Monotonic: a wall clock that is set back would put the next state off by as much.
        self.keep_seconds, self.kept_at = keep_seconds, time.monotonic()
        self.index = folder / _INDEX

    def load(self) -> State | None:
        """The state kept last; None where there is none of this run.

        Raises
        ------
        CheckpointError
            It was changed or cut short since it was written.
        """
        if not self.index.exists():
            return None
        entry = read_sealed(self.index)
        if entry["fingerprint"] != self.of:
            return None
        # The name alone: a state may not lead to a file elsewhere (tests/test_checkpoints.py).
        path = self.folder / Path(entry["file"]).name
        check_file(path, entry["sha256"])
        try:
            # First, since a small archive may unpack to more than the memory holds.
            _check_unpacked(path)
            # Nothing in it is executed; and a GPU's state loads on a machine without one.
            return torch.load(path, weights_only=True, map_location="cpu")
        except Exception as error:  # of many kinds; among them, that it is code
            reason = str(error).partition("\n")[0]
            raise CheckpointError(
                f"{path} is no training state ({reason}); {advice(self.folder)}"
            ) from None

    def offer(self, state: Callable[[], State]) -> None:
        """Keep the state if the last one is old enough; a full disk costs the state alone."""
        if time.monotonic() - self.kept_at < self.keep_seconds:
            return
        plain = state()
        try:
            self._keep(plain, epoch=len(plain["history"]))
        except OSError as error:
            self.say(
                f"{self.folder}: the state of epoch {len(plain['history'])} could not be kept "
                f"({error.strerror or error}); training goes on, but a crash would cost more"
            )
        # After a failure too, or every epoch would try the full disk again.
        self.kept_at = time.monotonic()

    def _keep(self, plain: State, epoch: int) -> None:
        path = self.folder / f"train_state-{epoch}.pt"
        with replacing(path) as temporary:
            _save(plain, temporary)
        entry = {"file": path.name, "sha256": file_hash(path), "fingerprint": self.of}
        write_sealed(self.index, entry)
        # Last: until the index names the new state, the old one is what a crash goes back to.
        _remove_states(self.folder, but=path)


def _check_unpacked(path: Path) -> None:
    """A state is a ZIP archive, whose entries may have been packed."""
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > limits.CHECKPOINT_BYTES:
        most = f"should be at most {limits.CHECKPOINT_BYTES:,}"
        raise OversizeError(f"found {size:,} bytes unpacked; {most}")


def _save(plain: State, path: Path) -> None:
    buffer = io.BytesIO()  # torch itself would not say that the disk is full
    torch.save(plain, buffer)
    path.write_bytes(buffer.getbuffer())


def remove_state(folder: Path) -> None:
    """Remove the state: its network is trained."""
    (folder / _INDEX).unlink(missing_ok=True)
    _remove_states(folder)


def _remove_states(folder: Path, but: Path | None = None) -> None:
    for path in folder.glob("train_state-*.pt"):
        if path != but:
            path.unlink(missing_ok=True)
