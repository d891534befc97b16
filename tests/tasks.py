"""Tasks that other processes can be sent."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import joblib
import numpy as np


def square(number: int) -> int:
    return number**2


def files_meanwhile(folders: list[Path], _array: np.ndarray) -> list[str]:
    """What joblib keeps in folders while a worker has a task with a large array."""
    found = [path for folder in folders for path in folder.glob("joblib_memmapping_folder_*")]
    return [path.name for path in found if f"_{os.getppid()}_" in path.name]


def fail(number: int) -> None:
    raise ValueError(f"no {number}")


def die_first(marker: Path, number: int) -> int:
    """Kill the process that runs this, the first time."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number**2


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(folder: str, number: int) -> None:
    """Leave this process's number, and wait for ever."""
    Path(folder, f"{number}.pid").write_text(f"{os.getpid()}\n")
    signal.pause()


def lonely(folder: str) -> None:
    """One task that waits for ever, with a worker beside its own that has none."""
    from dvol_utils.training.processes import many

    many._alone(joblib.delayed(many._attempt)(partial(hang, folder, 0)))


def hanging(folder: str, cluster: str | None) -> None:
    """Two tasks that wait for ever, as a command or a notebook would start them."""
    from dvol_utils.training.processes.many import run_tasks

    run_tasks([partial(hang, folder, number) for number in range(2)], cluster=cluster, workers=2)
