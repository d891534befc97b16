"""One run of a study at a time: a lock that ends with the process that holds it."""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dvol_utils.study.bounded import read_json
from dvol_utils.study.files import explained, remove_unfinished

WAIT_SECONDS = 3.0  # for a process that is about to end
_TOKENS = "DVOL_LOCKS"  # environment: the locks that this process works under, held by its parents
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class RunBusyError(RuntimeError):
    """Another process works there; says which, what it does and since when."""


@contextmanager
def run_lock(folder: Path, command: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a run for a block; what the block starts works under the same lock.

    Parameters
    ----------
    folder : Path
        Of the run, `runs/<study>/`. The lock lies beside it, where removing the run leaves it.
    command : str
        What is done there, for those who are refused meanwhile.
    shared : bool
        Whether others that share it may work at the same time, as trainings of several networks.

    Raises
    ------
    RunBusyError
        Another process works there.
    """
    before = os.environ.get(_TOKENS)
    handle = take_lock(folder, command, shared=shared)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)
            os.environ.pop(_TOKENS)
            if before is not None:
                os.environ[_TOKENS] = before


def take_lock(folder: Path, command: str, *, shared: bool = False) -> int | None:
    """Take the lock of a run for this process, and for those that it starts from now on.

    Parameters
    ----------
    folder, command, shared
        As `run_lock` takes them.

    Returns
    -------
    int or None
        The open lock file: its end frees the lock, however it comes. None where a parent of this
        process holds the lock.

    Raises
    ------
    RunBusyError
        As `run_lock`.
    """
    path = folder.with_name(f".{folder.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if _nobody_holds(handle):
            remove_unfinished(folder, but="trials")  # which are written beside everything
        if _ours(handle, path, shared):
            _sign(handle, command)
            return handle
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def _ours(handle: int, path: Path, shared: bool) -> bool:
    """Whether this process has locked the file, or a parent of it; waits a while for others."""
    until = time.monotonic() + WAIT_SECONDS
    while not try_lock(handle, path, shared=shared):
        if _holder(path).get("token") in os.environ.get(_TOKENS, "").split():
            return False
        if time.monotonic() > until:
            run = path.parent / path.name[1:].removesuffix(".lock")
            raise RunBusyError(
                f"{run}: {_who(_holder(path))}; wait for its end, or stop it: one run at a time "
                "works there"
            )
        time.sleep(0.1)
    return True


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Hold a folder for the moment in which a file is read and written anew.

    Stages of one run that work side by side would else undo each other's writing. Who comes second
    waits. Without locks, of which `run_lock` has told by then, nobody does.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise explained(error) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield
    finally:
        os.close(handle)


def is_abandoned(folder: Path) -> bool:
    """Whether whoever made a folder and locked it has ended; not where there are no locks."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        return _nobody_holds(handle)
    finally:
        os.close(handle)


def _nobody_holds(handle: int) -> bool:
    """Whether an open file or folder could be locked against everybody; locked it is then."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def try_lock(handle: int, path: Path, *, shared: bool = False) -> bool:
    """Whether an open file or folder could be locked; where there are no locks, that is said."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        print(
            f"{path.parent}: this file system has no locks ({error.strerror}); see to it yourself "
            "that one process at a time works there",
            file=sys.stderr,
        )
    return True


def _sign(handle: int, command: str) -> None:
    """Write who holds the lock, and let this process's children know that it is theirs."""
    token = secrets.token_hex(8)
    holder = {
        "token": token,
        "command": command,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
    }
    with suppress(OSError):  # a full disk: the lock holds all the same
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(holder).encode(), 0)
    os.environ[_TOKENS] = f"{os.environ.get(_TOKENS, '')} {token}".strip()


def _holder(path: Path) -> dict[str, Any]:
    try:
        held = read_json(path)
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _who(holder: dict[str, Any]) -> str:
    if not {"command", "pid", "host", "since"} <= holder.keys():
        return "another process is at work there"
    command, pid, host = holder["command"], holder["pid"], holder["host"]
    ended = host == socket.gethostname() and not _lives(pid)
    state = "has ended, a process that it started has not" if ended else "is at work there"
    return f"`{command}` (process {pid} on {host}, since {holder['since']} UTC) {state}"


def _lives(pid: Any) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True
