"""Text fit to be shown: words in a list, and what is of other origin."""

from __future__ import annotations

from collections.abc import Iterable


def listed(words: Iterable[str]) -> str:
    """One word or more as a list in a sentence.

    Examples
    --------
    >>> listed(["6", "24", "72"])
    '6, 24 and 72'
    """
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def printable(text: object) -> str:
    """Text without control characters but line ends: a terminal obeys them, and answers and files
    of others may hold some.
    """
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in str(text))
