"""What this machine has to allow a run, asked at its start, and how much a run reads of others.

The second half are bounds on files and answers that somebody else may have made. Each is far above
what real ones need, and small enough that reading one does not end in want of memory.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

MIB = 2**20
# What the smoke study was seen to need, and half as much again or more.
OPEN_FILES = 192
ADDRESSES = 3 * 1024 * MIB
MEMORY = 768 * MIB
DISK = 30 * MIB
_ENOUGH_FILES = 4_096  # for the workers of a large machine
_CGROUP = Path("/sys/fs/cgroup/memory.max")  # a container's own limit

# An answer of a source. The largest page that is asked for, 10,000 days of five metrics, has 2 MB
# and 80,000 values; a slow line of 50 kB a second brings it in 40 s.
ANSWER_BYTES = 16 * MIB  # as sent, and again once unpacked
ANSWER_VALUES = 500_000
ANSWER_SECONDS = 120.0
# A JSON file of a run, of a checkpoint or beside raw files: the largest known has 20 kB.
JSON_BYTES = 64 * MIB
JSON_VALUES = 2_000_000
JSON_LEVELS = 64  # results.json has 8
# A study's file: a hundred times the largest study of the project.
STUDY_CHARACTERS = 200_000
STUDY_LEVELS = 20
# A raw file: five years of minutes are 2.6 million rows, of 150 bytes each where it is CSV.
RAW_BYTES = 2_048 * MIB  # of the file, and of the columns that are read once unpacked
RAW_ROWS = 10_000_000
RAW_MARKS = 400_000_000  # commas, quotes and blanks of a CSV file: 160 a row of 2.4 million
LINE_BYTES = 100_000
# A table of a run: the forecasts of ten models over three years have 2 million cells in 6 MB.
TABLE_BYTES = 4_096 * MIB  # of the file, and once unpacked
TABLE_CELLS = 500_000_000
# A file of a checkpoint: the largest network here has 0.3 million weights of 4 bytes.
CHECKPOINT_BYTES = 1_024 * MIB


class LimitError(RuntimeError):
    """This machine, or its shell, does not allow what a run needs; names limit and way out."""


def check_limits(folder: Path) -> None:
    """Refuse to begin a run that would die in the middle, or in its imports.

    The limit of open files is raised for this process, and for those that it starts, as far as the
    system allows.

    Parameters
    ----------
    folder : Path
        Where the run writes; need not be there yet.

    Raises
    ------
    LimitError
        Too few open files, too little memory or room, or a folder that cannot be written to. All
        that lacks is named, with what was found and what is needed.
    """
    faults = [*_shell_faults(), *_memory_faults(), *_disk_faults(folder)]
    if faults:
        raise LimitError("\n".join(faults))


def _shell_faults() -> Iterator[str]:
    try:
        import resource
    except ImportError:  # Windows, which has none of these
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # As far as the hard limit allows, which only an administrator may raise.
    wanted = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft != resource.RLIM_INFINITY and soft < OPEN_FILES:
        yield (
            f"open files: found a limit of {soft}; a run needs {OPEN_FILES}: ulimit -n "
            f"{OPEN_FILES} in a new shell, or a higher limit from whoever runs this machine"
        )
    for name, needed, option in (
        ("RLIMIT_AS", ADDRESSES, "-v"),
        ("RLIMIT_DATA", MEMORY, "-d"),
        ("RLIMIT_FSIZE", DISK, "-f"),
    ):
        limit = resource.getrlimit(getattr(resource, name))[0]
        if limit != resource.RLIM_INFINITY and limit < needed:
            what = "size of a file" if name == "RLIMIT_FSIZE" else "memory"
            yield (
                f"{what}: found a limit of {limit // MIB:,} MiB (ulimit {option}); a run needs "
                f"{needed // MIB:,} MiB: ulimit {option} unlimited in a new shell"
            )


def _memory_faults() -> Iterator[str]:
    free, where = psutil.virtual_memory().available, "on this machine"
    try:
        allowed = int(_CGROUP.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no container, or "max"
        allowed = free
    if allowed < free:
        free, where = allowed, "in this container"
    if free < MEMORY:
        yield (
            f"memory: found {free // MIB:,} MiB free {where}; a run needs {MEMORY // MIB:,} MiB: "
            "end other programs, or use a larger machine"
        )


def _disk_faults(folder: Path) -> Iterator[str]:
    # The folder may not be there yet: its nearest parent says what may be written.
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not os.access(there, os.W_OK):
        yield f"disk: {there} cannot be written to by this user; a run writes to {folder}"
    for place in dict.fromkeys((there, Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(place).free
        if free < DISK:
            yield (
                f"disk: found {free // MIB:,} MiB free for {place}; a run needs {DISK // MIB:,} "
                "MiB or more: make room there"
            )
