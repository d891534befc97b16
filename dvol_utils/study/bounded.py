"""Reading what somebody else may have made: sizes are bounded before anything is unpacked.

The bounds stand in `limits.py`, each with what real files need.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dvol_utils.study import limits

_STRING_OR_BRACKET = re.compile(r'"[^"]*"|[\[\]{}]')


class OversizeError(ValueError):
    """More than a bound allows; the message says what was found and what is allowed."""


def check_size(path: Path, most: int) -> None:
    """Raise `OversizeError` where a file has more bytes than `most`."""
    size = path.stat().st_size
    if size > most:
        raise OversizeError(f"found {size:,} bytes; should be at most {most:,}")


def read_bytes(path: Path, most: int) -> bytes:
    """A whole file of at most so many bytes.

    Raises
    ------
    OversizeError
        It has more, or goes on growing.
    OSError
        It cannot be read.
    """
    check_size(path, most)
    with path.open("rb") as file:
        content = file.read(most + 1)  # a pipe or a device has no size of its own
    if len(content) > most:
        raise OversizeError(f"found more than {most:,} bytes; should be at most that")
    return content


def read_text(path: Path, most: int) -> str:
    """A whole UTF-8 text of at most so many bytes; errors as of `read_bytes`."""
    return read_bytes(path, most).decode("utf-8")


def read_json(path: Path) -> Any:
    """The values of a JSON file, as `parse_json` gives them."""
    return parse_json(read_bytes(path, limits.JSON_BYTES), most_values=limits.JSON_VALUES)


def parse_json(
    content: bytes, *, most_values: int, parse_constant: Callable[[str], Any] | None = None
) -> Any:
    """The values of a JSON text, of which a few bytes may otherwise become many objects.

    Parameters
    ----------
    content : bytes
        UTF-8.
    most_values : int
        Values, lists and objects, as many as commas and opening brackets.
    parse_constant : callable, optional
        As of `json.loads`.

    Raises
    ------
    OversizeError
        More values, or nested more deeply than `limits.JSON_LEVELS`.
    ValueError
        Not JSON, or not UTF-8.
    """
    # Counted without parsing: a few bytes of commas become many objects in memory.
    values = sum(map(content.count, (b",", b"[", b"{")))
    if values > most_values:
        raise OversizeError(f"found about {values:,} values; should be at most {most_values:,}")
    # With or without a byte order mark, which some editors put before JSON.
    text = content.decode("utf-8-sig")
    _check_levels(text)
    return json.loads(text, parse_constant=parse_constant)


def _check_levels(text: str) -> None:
    """Before the parser, which takes a level of its stack for each."""
    level = 0
    if "\\" in text:  # an escaped quote does not end its string
        text = text.replace("\\\\", "").replace('\\"', "")
    for mark in _STRING_OR_BRACKET.finditer(text):
        first = text[mark.start()]
        level += (first in "[{") - (first in "]}")
        if level > limits.JSON_LEVELS:
            raise OversizeError(
                f"found more than {limits.JSON_LEVELS} levels of nested values; should be fewer"
            )
