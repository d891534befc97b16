"""A raw file's bytes, if they are no more than a file of bars has."""

from __future__ import annotations

from pathlib import Path

from dvol_utils.data.raw.files import RawFile
from dvol_utils.study import limits
from dvol_utils.study.bounded import OversizeError, read_bytes

_FEWER = "keep the hours and columns that are needed, or longer bars"


def read_content(path: Path) -> bytes:
    """A raw file's bytes.

    Raises
    ------
    RawStoreError
        More bytes, and in a CSV file more rows, fields or characters a line, than a file of bars
        has.
    """
    file = RawFile(path, {})
    try:
        content = read_bytes(path, limits.RAW_BYTES)
    except OversizeError as error:
        file.refuse(f"{error}; {_FEWER}")
    if path.suffix != ".parquet":
        _check_amount(file, content)
        _check_lines(file, content)
    return content


def _check_amount(file: RawFile, content: bytes) -> None:
    """The reader notes the place of each of these characters."""
    marks = sum(map(content.count, (b",", b'"', b" ", b"\t")))
    for what, found, most in (
        ("rows", content.count(b"\n"), limits.RAW_ROWS),
        ("commas, quotes and blanks", marks, limits.RAW_MARKS),
    ):
        if found > most:
            file.refuse(f"found {found:,} {what}; should be at most {most:,}; {_FEWER}")


def _check_lines(file: RawFile, content: bytes) -> None:
    """Each is a few numbers; a file without line breaks would be taken apart as one header."""
    start = 0
    # From line break to line break, each as far on as the limit allows: no line is split up.
    while len(content) - start > limits.LINE_BYTES:
        end = content.rfind(b"\n", start, start + limits.LINE_BYTES + 1)
        if end < 0:
            message = f"found more than {limits.LINE_BYTES:,} bytes without a line break"
            row = content.count(b"\n", 0, start) - 1
            file.refuse(f"{message}; should be one row per bar, and columns few", row=row)
        start = end + 1
