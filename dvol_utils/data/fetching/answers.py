"""The body of an answer, read piece by piece within bounds of size and time."""

from __future__ import annotations

import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import httpx

from dvol_utils.study import limits
from dvol_utils.study.bounded import OversizeError

_GZIP = 16 + zlib.MAX_WBITS
# A packing that can be unpacked in pieces of a size that the reader chooses.
ACCEPTED_ENCODING = "gzip"


class Answer(NamedTuple):
    """What a server sent, unpacked."""

    status: int
    headers: httpx.Headers
    content: bytes


class PackingError(ValueError):
    """A body that cannot be unpacked: not gzip, or cut short."""


def read_answer(response: httpx.Response) -> Answer:
    """The whole of a response whose body has not been read.

    Raises
    ------
    OversizeError
        More than `limits.ANSWER_BYTES`, as sent or unpacked.
    PackingError
        Packed otherwise than asked for, or damaged.
    """
    announced = response.headers.get("content-length", "")
    if announced.isdecimal() and float(announced) > limits.ANSWER_BYTES:
        _refuse_size(f"{int(announced[:20]):,} bytes announced")
    pieces = _counted(response.iter_raw(), "sent")
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        pieces = _counted(_unpacked(pieces), "unpacked")
    elif encoding not in ("", "identity"):
        raise PackingError(f"packed as {encoding[:40]!r}; should be {ACCEPTED_ENCODING} or plain")
    return Answer(response.status_code, response.headers, b"".join(pieces))


def _counted(pieces: Iterator[bytes], what: str) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limits.ANSWER_BYTES:
            _refuse_size(f"more than {limits.ANSWER_BYTES:,} bytes {what}")
        yield piece


def _refuse_size(found: str) -> None:
    raise OversizeError(f"{found}; should be at most {limits.ANSWER_BYTES:,}")


def _unpacked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """A piece of 64 kB may hold 64 MB: none is unpacked further than is let through."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        for piece in pieces:
            rest = piece
            while rest:
                yield unpacker.decompress(rest, limits.MIB)
                rest = unpacker.unconsumed_tail
    except zlib.error as error:
        raise PackingError(f"not readable as gzip ({error})") from None
    yield unpacker.flush()
    if not unpacker.eof:
        raise PackingError("the packed answer is cut short")


class Deadline:
    """Ends a request that takes too long, whatever it is waiting for.

    A time-out of `httpx` holds for each piece of an answer: a server that sends a byte a second,
    of its body or of its headers, never exceeds it.
    """

    def __init__(self) -> None:
        self.passed = False
        self._socket: socket.socket | None = None

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Shut the connection down if the block is not left in time."""
        self.passed = False
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def watch(self, event: str, info: dict[str, Any]) -> None:
        """Note the connection in use; the `trace` of a request."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.passed:  # while it was connecting
                self._end()

    def _end(self) -> None:
        self.passed = True
        if self._socket is not None:
            with suppress(OSError):  # closed already
                self._socket.shutdown(socket.SHUT_RDWR)
