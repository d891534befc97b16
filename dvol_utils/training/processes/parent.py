"""No process is left behind: those that train end when the one that waits for them has died."""

from __future__ import annotations

import os
import signal
import threading
import time

PARENT = "DVOL_PARENT"  # environment: the process that waits for the one that is started
_NAME = "end-with-parent"
_POLL_SECONDS = 0.5


def end_with_parent(parent: int, grace_seconds: float = 0.0) -> None:
    """Watch the parent from a thread, and end this process once the parent is gone.

    Parameters
    ----------
    parent : int
        Its process id, as it says itself: this process may begin after its end.
    grace_seconds : float
        Time between SIGTERM to this process, so that it can end its own children, and the end.
    """
    if any(thread.name == _NAME for thread in threading.enumerate()):
        return  # a worker that takes several tasks

    def watch() -> None:
        # A process whose parent has died is given another one.
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        if grace_seconds:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(grace_seconds)
        os._exit(1)

    threading.Thread(target=watch, name=_NAME, daemon=True).start()


def named_parent() -> int:
    """The parent's process id as the environment says; the present parent's where it does not."""
    return int(os.environ.get(PARENT, os.getppid()))
