"""Text of other origin, fit to be shown."""

from __future__ import annotations


def printable(text: object) -> str:
    """Text without control characters but line ends: a terminal obeys them, and answers and files
    of others may hold some.
    """
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in str(text))
