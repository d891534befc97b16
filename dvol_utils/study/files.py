"""Files written whole or not at all, JSON, and hashes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dvol_utils.study import bounded

SEAL = "sha256_of_the_rest"
_WAYS_OUT = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room within this user's quota",
    errno.EFBIG: "allow larger files (ulimit -f unlimited in a new shell)",
    errno.EROFS: "make that file system writable, or work in a folder on another one",
    errno.EACCES: "see that this user may read and write it",
    errno.EPERM: "see that this user may read and write it",
    errno.ENOTDIR: "move away the file that lies where a folder should be",
    errno.EEXIST: "move away the file that lies where a folder should be",
    errno.EISDIR: "move away the folder that lies where a file should be",
    errno.EIO: "look after the disk",
}


class ArtefactError(RuntimeError):
    """A table of an earlier stage is missing, damaged, or was made from something else."""


class UnwritableError(OSError):
    """A file cannot be written or read, for want of room or permission; says what to do."""

    def __str__(self) -> str:
        way_out = _WAYS_OUT.get(self.errno or 0, "mend that")
        return f"{self.filename}: {self.strerror}; {way_out}, then run the same command again"


def explained(error: OSError, path: Path | None = None) -> OSError:
    """An error of the file system with its file and what to do; others as they are.

    Parameters
    ----------
    error : OSError
    path : Path, optional
        The file that was written, where the error names none, or its temporary name.
    """
    if isinstance(error, UnwritableError) or error.errno not in _WAYS_OUT:
        return error
    name = error.filename2 or error.filename
    if path is not None and (name is None or Path(name).name.startswith(f".{path.name}.")):
        name = path
    return UnwritableError(error.errno, os.strerror(error.errno), str(name or "the output"))


def write_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys, whole or not at all; NaN is refused."""
    # NaN is no JSON: other readers would refuse the file.
    text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False, default=str)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file of a run; `ArtefactError` where it is missing, damaged or too large."""
    try:
        return bounded.read_json(path)
    except FileNotFoundError:
        raise ArtefactError(f"{path} is missing: run `make report`") from None
    except bounded.OversizeError as error:
        raise ArtefactError(
            f"{path}: {error}: no run leaves that much: delete it and run `make report`"
        ) from None
    except ValueError as error:
        raise ArtefactError(
            f"{path} is not JSON ({error}): delete it and run `make report`"
        ) from None


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Content of a JSON file, with the hash of the rest of it."""
    return {**content, SEAL: _hash(content)}


def seal_holds(content: Mapping[str, Any]) -> bool:
    """Whether what `sealed` has written is as it was: a hash, no secret, so against slips alone."""
    # Of all but the seal itself, in any order of keys.
    return content.get(SEAL) == _hash({key: content[key] for key in content if key != SEAL})


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path, *, keep_same: bool = False) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when the block ends without an error.

    With `keep_same` a file with the same bytes stays, and so does its time.

    Raises
    ------
    UnwritableError
        There is no room for it, or no permission.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In the same folder, since a rename is whole only within one file system.
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _sync(temporary)
        if keep_same and path.is_file() and file_hash(path) == file_hash(temporary):
            return
        # mkstemp makes files for their owner alone; others may read what the umask lets them.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise explained(error, path) from None
    finally:
        if temporary is not None:
            with suppress(OSError):  # the first error is the one to tell
                temporary.unlink(missing_ok=True)


def link_or_copy(file: Path, place: Path) -> None:
    """Have a file in another place too, where nothing is there: it costs no room if it can."""
    try:
        os.link(file, place)
    except OSError:  # another file system, or one without links
        with replacing(place) as temporary:
            shutil.copyfile(file, temporary)
            shutil.copystat(file, temporary)


def remove_unfinished(folder: Path, *, but: str | None = None) -> None:
    """Remove what killed processes were writing in a folder and in those below it.

    Nobody may be writing there, except below the folder `but`.
    """
    for path in folder.rglob(".*.tmp"):
        if but not in path.relative_to(folder).parts:
            path.unlink(missing_ok=True)


def _umask() -> int:
    """Whom new files are kept from: mkstemp keeps its own from everybody else."""
    # The umask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    """A full or broken disk shows here, before the rename."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
