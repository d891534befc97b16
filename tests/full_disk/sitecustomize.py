"""A disk that is full from a moment on, for all Python processes of a command.

Python imports this module at its start where its folder is on PYTHONPATH. FULL_COUNTER names a file
that grows by one byte for each file below the working directory that is opened for writing, and
each folder that is made; from the FULL_AT-th on there is no room: none can be opened, or with
FULL_LIMIT none grows beyond so many bytes.
"""

import errno
import os
import resource
import sys

_COUNTER = os.environ.get("FULL_COUNTER")
_AT = int(os.environ.get("FULL_AT", "0"))
_LIMIT = os.environ.get("FULL_LIMIT")
_HERE = os.path.join(os.getcwd(), "")


def _watch(event: str, arguments: tuple) -> None:
    if event == "open":
        path, _, flags = arguments
        if not flags & (os.O_WRONLY | os.O_RDWR):
            return
    elif event == "os.mkdir":
        path = arguments[0]
    else:
        return
    if not isinstance(path, str | os.PathLike) or not os.path.abspath(path).startswith(_HERE):
        return
    if "__pycache__" not in str(path):
        _write(path)


def _write(path: str) -> None:
    handle = os.open(_COUNTER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, b".")
    count = os.fstat(handle).st_size
    os.close(handle)
    if not _AT or count < _AT:
        return
    if _LIMIT is None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(_LIMIT), hard))


if _COUNTER:
    sys.addaudithook(_watch)
