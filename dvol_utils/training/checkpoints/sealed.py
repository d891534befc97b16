"""Files of a checkpoint's folder: one writer at a time, and nothing taken on trust."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from dvol_utils.study import limits
from dvol_utils.study.bounded import OversizeError, check_size, read_json
from dvol_utils.study.files import SEAL, explained, file_hash, seal_holds, sealed, write_json
from dvol_utils.study.lock import try_lock

_FIRST = ("config.json", "train_state.json")  # name other files, so they must not outlive them
LOCK_SECONDS = 60.0  # a trainer whose parent was killed ends within this


class CheckpointError(RuntimeError):
    """A checkpoint was changed, cut short or cannot be written; says which file and what to do."""


def advice(folder: Path) -> str:
    """What to do about a damaged file."""
    return f"restore it, or delete {folder} to train this model again"


def check_file(path: Path, sha256: str) -> None:
    """Raise `CheckpointError` unless the file is there with the bytes that were written.

    One that is larger than `limits.CHECKPOINT_BYTES` is not read at all.
    """
    # Size before hash: what is too large is not even read to be hashed.
    try:
        check_size(path, limits.CHECKPOINT_BYTES)
        found = file_hash(path)
    except OversizeError as error:
        raise CheckpointError(f"{path}: {error}; {advice(path.parent)}") from None
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}; {advice(path.parent)}") from None
    if found != sha256:
        raise CheckpointError(
            f"{path} was changed or cut short since it was written: its SHA-256 is "
            f"{found[:12]}..., {sha256[:12]}... was recorded; {advice(path.parent)}"
        )


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that holds the hash of the rest of it."""
    write_json(path, sealed(content))


def read_sealed(path: Path) -> dict[str, Any]:
    """Read what `write_sealed` wrote; `CheckpointError` where a character of it was changed."""
    try:
        content = read_json(path)
        whole = seal_holds(content)
        del content[SEAL]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged ({error!r}); {advice(path.parent)}") from None
    if not whole:
        raise CheckpointError(
            f"{path} was changed since it was written: its content does not have the SHA-256 "
            f"that it names; {advice(path.parent)}"
        )
    return content


@contextmanager
def writing(folder: Path, what: str) -> Iterator[None]:
    """Errors of the file system inside the block as `CheckpointError` with advice."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"{what}: {explained(error, folder)}: training goes on from its last kept epoch"
        ) from None


def as_os_error(error: SafetensorError) -> OSError:
    """What safetensors says of a full disk, as everybody else says it."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    if number is None:
        return OSError(str(error))
    return OSError(int(number[1]), os.strerror(int(number[1])))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process, which must be the only one to write there.

    Waits a while for a process that is about to end. The lock ends with the process, however it
    ends; where a file system has none, there is none.

    Raises
    ------
    CheckpointError
        Another process goes on training there.
    """
    with writing(folder, "training cannot begin"):
        folder.mkdir(parents=True, exist_ok=True)
        # The folder itself is locked, so that no lock file is left behind.
        handle = os.open(folder, os.O_RDONLY)
    until = time.monotonic() + LOCK_SECONDS
    try:
        while not try_lock(handle, folder):
            if time.monotonic() > until:
                raise CheckpointError(
                    f"{folder}: another process is training this network; wait for its end, "
                    "or stop it"
                )
            time.sleep(0.1)
        yield
    finally:
        # Which ends the lock.
        os.close(handle)


def emptied(folder: Path) -> None:
    """Remove what another run has left, so that nothing of it is taken for a new one's."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _FIRST:
        (folder / name).unlink(missing_ok=True)
    for old in folder.iterdir():
        if old.is_file():
            old.unlink(missing_ok=True)
