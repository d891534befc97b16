"""A folder for the files of processes that are at work, which does not outlive them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dvol_utils.study.lock import is_abandoned, try_lock

_PREFIX = "dvol-scratch-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder for a block; those whose owners were killed are removed before.

    Raises
    ------
    OSError
        There is no room for it.
    """
    _remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        handle = os.open(folder, os.O_RDONLY)
        try:
            # Held while it is in use: a folder that nobody holds is taken for abandoned.
            try_lock(handle, folder)
            yield folder
        finally:
            os.close(handle)


def _remove_abandoned() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        is_ours = (
            not folder.is_symlink() and folder.is_dir() and folder.stat().st_uid == os.getuid()
        )
        if is_ours and is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)
