"""Run a command, kill it at a moment, and tell what outlives it.

`python reaper.py '{"command": [...], "out": "file", "after": 1.5, "whom": "group", ...}'`. All that
the command starts, of whatever session, falls to this process once its parents are gone, as to a
desktop's user session: so nothing that is left behind goes unseen.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import subprocess
import sys
import time
from contextlib import suppress

import psutil

PATIENCE = 90  # seconds that processes may take to end
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux


def run(
    command: list[str], out: str, *, after: float, whom: str, blow: int, seed: int, patience: float
) -> dict:
    """What came of a command that was killed after so many seconds.

    `whom` is `group` for all of the command's process group, `first` for the process that was
    started, `any` for one of all that it has started by then, drawn by `seed`. What goes on has
    `patience` seconds to end.
    """
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    with open(out, "w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    with suppress(subprocess.TimeoutExpired):
        process.wait(after)
    early = process.poll() is not None
    if not early:
        _strike(process.pid, whom, blow, seed)
    status = process.wait()
    end = time.monotonic() + patience
    while (left := _living()) and time.monotonic() < end:
        time.sleep(0.05)
    told = [f"{each.pid} {' '.join(each.cmdline())}" for each in left if each.is_running()]
    for each in left:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    return {"status": status, "early": early, "left": told}


def _strike(pid: int, whom: str, blow: int, seed: int) -> None:
    with suppress(ProcessLookupError):
        if whom == "group":
            os.killpg(pid, blow)
        elif whom == "first":
            os.kill(pid, blow)
        else:
            os.kill(random.Random(seed).choice(sorted(each.pid for each in _living())), blow)


def _living() -> list[psutil.Process]:
    """What the command has started and has not ended; the dead are buried."""
    found = []
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
            elif each.ppid() == os.getpid():
                with suppress(ChildProcessError):
                    os.waitpid(each.pid, os.WNOHANG)
    return found


if __name__ == "__main__":
    print(json.dumps(run(**json.loads(sys.argv[1]))))
