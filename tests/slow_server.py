"""A server on 127.0.0.1 that answers with whatever pieces it is given, as slowly as they come."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def serving(pieces: Callable[[], Iterable[bytes]]) -> Iterator[str]:
    """Its address; each request gets the pieces, headers among them, until the client leaves."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()
        thread = threading.Thread(target=_serve, args=(server, pieces, over))
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            with suppress(OSError):
                socket.create_connection(server.getsockname(), timeout=1).close()
            thread.join()


def head(*lines: str) -> bytes:
    """The beginning of an answer that says all is well."""
    return "\r\n".join(["HTTP/1.1 200 OK", "Connection: close", *lines, "", ""]).encode()


def _serve(
    server: socket.socket, pieces: Callable[[], Iterable[bytes]], over: threading.Event
) -> None:
    while not over.is_set():
        connection, _ = server.accept()
        with connection, suppress(OSError):  # the client has left
            connection.recv(65_536)
            for piece in pieces():
                if over.is_set():
                    return
                connection.sendall(piece)
