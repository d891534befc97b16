"""Fields of a JSON answer, each checked before it counts."""

from __future__ import annotations

import math
import re
from typing import Any, NoReturn

from dvol_utils.data.fetching.http import FlawedResponseError

_TRIES = 2  # waiting rarely mends what a server says, but a broken cache does happen
_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


class JoinError(FlawedResponseError):
    """Two rows of the same time that contradict each other: one of two responses is wrong."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, tries=_TRIES)


def parsed_number(value: Any, name: str) -> float | None:
    """A finite number, or None for null; a decimal number in quotes counts as that number."""
    if value is None or (type(value) is float and math.isfinite(value)):
        return value
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = float(value)
    # True and False are ints in Python, and no values here.
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # An int of JSON may have any number of digits.
        try:
            converted = float(value)
        except OverflowError:
            converted = math.inf
        if math.isfinite(converted):
            return converted
    refuse(f"{name}: found {str(value)[:40]!r}; should be a finite number")


def stamp(value: Any, name: str) -> int:
    """A timestamp as a whole number; null is refused."""
    converted = parsed_number(value, name)
    if converted is None or converted % 1:
        refuse(f"{name}: found {value!r}; should be a whole number of milliseconds or seconds")
    return int(converted)


def field(mapping: Any, key: str, kind: type) -> Any:
    """`mapping[key]`, checked to be there and of a kind."""
    if not isinstance(mapping, dict):
        refuse(f"found {type(mapping).__name__} in place of an object with {key!r}")
    if key not in mapping:
        held = ", ".join(map(str, mapping))[:80] or "nothing"
        refuse(f"the answer lacks {key!r}; it holds {held}")
    if not isinstance(mapping[key], kind):
        refuse(f"{key}: found {type(mapping[key]).__name__}; should be {kind.__name__}")
    return mapping[key]


def number(mapping: Any, key: str) -> float | None:
    """The number at `mapping[key]`; a row that lacks the key has no value, as with null."""
    if not isinstance(mapping, dict):
        refuse(f"found {type(mapping).__name__} in place of an object with {key!r}")
    return parsed_number(mapping.get(key), key)


def refuse(reason: str) -> NoReturn:
    """Refuse a response because of its shape or values."""
    raise FlawedResponseError(reason, tries=_TRIES)
