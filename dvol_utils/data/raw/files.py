"""Cells of a raw file as numbers: CSV text and Parquet, read exactly or refused.

A CSV file is UTF-8 text with a header, commas between fields, a line break after every line, and
plain numbers with a decimal point and no blanks. Fields may stand in quotes, as many in every row,
but hold neither comma nor quote.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from dvol_utils.data.raw.iso import ISO_EXAMPLE, is_time, zone_of
from dvol_utils.study.bounded import OversizeError
from dvol_utils.study.data_section import INDISPENSABLE, RAW_COLUMNS, SeriesName
from dvol_utils.study.parquet import read_raw_columns

HOUR_MS, DAY_MS = 3_600_000, 86_400_000  # files count time in milliseconds
_NUMBER = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class RawStoreError(ValueError):
    """A raw file that cannot be used; the message names file, line, column, and what is valid."""


class RawFile(NamedTuple):
    """A file's path, and what its rows and columns are called in messages."""

    path: Path
    names: Mapping[str, str]  # the project's name of a column: the file's
    row_word: str = "line"
    first_row: int = 2  # of a CSV file the header is line 1
    series: SeriesName | None = None

    def refuse(
        self, message: str, *, row: int | None = None, column: str | None = None
    ) -> NoReturn:
        """Raise for the file, or one of its rows (counted from 0) or columns."""
        place = "" if row is None else f" {self.row_word} {row + self.first_row}:"
        if column is not None:
            place += f" column {self.names.get(column, column)}:"
        raise RawStoreError(f"{self.path}:{place} {message}")

    def refuse_first(self, bad: pd.Series | np.ndarray, message: str, column: str) -> None:
        """Raise for the first row flagged, if any is."""
        if np.any(bad):
            self.refuse(message, row=int(np.argmax(np.asarray(bad))), column=column)


class Cells(NamedTuple):
    """A file's required columns by the project's names; NaN where a cell is empty."""

    file: RawFile
    timestamps: pd.Series  # float64 in the declared unit; datetime64 where the file says it all
    numbers: pd.DataFrame  # float64


def read_cells(
    path: Path,
    content: bytes,
    names: Mapping[str, str],
    *,
    iso_timestamps: bool = False,
    optional: tuple[str, ...] = (),
    series: SeriesName | None = None,
) -> Cells:
    """Read the required columns of a raw file's bytes.

    Parameters
    ----------
    path : Path
        Where the bytes come from; `.parquet` decides how they are read.
    content : bytes
        The whole file.
    names : mapping
        The project's name of each column, `timestamp` among them, to the file's name of it.
    iso_timestamps : bool
        Timestamps that are text are ISO 8601; those of a CSV file are text.
    optional : tuple of str
        Columns of `names` that the file may lack.
    series : str, optional
        Which it is, for messages.

    Raises
    ------
    RawStoreError
        Not a whole file, a column that is missing or stands twice, a cell that is no number.
    """
    if not content or content.isspace():
        RawFile(path, names).refuse("the file is empty; should be a header and one row per bar")
    if path.suffix == ".parquet":
        return _read_parquet(
            RawFile(path, names, "row", 1, series), content, iso_timestamps, optional
        )
    return _read_csv(RawFile(path, names, series=series), content, iso_timestamps, optional)


def _read_csv(
    file: RawFile, content: bytes, iso_timestamps: bool, optional: tuple[str, ...]
) -> Cells:
    content = _plain_lines(file, content)
    header = _header(file, content)
    places = _places(file, header, optional, row=-1)
    _check_fields(file, content, len(header))
    types = dict.fromkeys(map(str, places.values()), pa.float64())
    if iso_timestamps:
        place, start = places["timestamp"], content.index(b"\n") + 1
        first = content[start : content.index(b"\n", start)].split(b",")[place]
        types[str(place)] = pa.timestamp("us", zone_of(first))
    try:
        table = _parse(content, len(header), types)
    except pa.ArrowInvalid:
        _refuse_text(file, content, len(header), places, iso_timestamps)
    columns = {name: table[str(place)] for name, place in places.items()}
    numbers = {n: places[n] for n, cells in columns.items() if pa.types.is_floating(cells.type)}
    # The parser takes `nan`, which is an empty cell below, and blanks around a number, which may
    # stand for a digit that is lost.
    strange = any(pc.any(pc.is_nan(columns[name])).as_py() for name in numbers)
    if strange or _with_blanks(content) & set(numbers.values()):
        _refuse_text(file, content, len(header), numbers, iso_timestamps)
    return _cells(file, columns)


def _plain_lines(file: RawFile, content: bytes) -> bytes:
    """The text without byte order mark, carriage returns and quotes: commas and breaks are left."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        file.refuse("the file is UTF-16 text; should be UTF-8")
    content = content.removeprefix(b"\xef\xbb\xbf")
    lines = content.count(b"\n")
    if not content.endswith(b"\n"):
        message = "the file ends without a line break: it seems cut short; fetch it again whole"
        file.refuse(message, row=lines - 1)
    if lines == 1:
        file.refuse("the file has a header but no rows; should have one row per bar")
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n")
        if b"\r" in content:
            row = content[: content.index(b"\r")].count(b"\n") - 1
            file.refuse(
                "found a carriage return within the line; lines end in a line feed", row=row
            )
    return _unquoted(file, content) if b'"' in content else content


def _unquoted(file: RawFile, content: bytes) -> bytes:
    """The text without the quotes around fields; a writer quotes as many fields in every row."""
    characters = np.frombuffer(content, np.uint8)
    is_quote = characters == ord('"')
    is_separator = (characters == ord(",")) | (characters == ord("\n"))
    quotes, ends = np.flatnonzero(is_quote), np.flatnonzero(characters == ord("\n"))
    number = np.diff(np.searchsorted(quotes, ends), prepend=0)[1:]  # without the header's
    bad = number != number[0]
    if bad.any():
        row = int(np.argmax(bad))
        message = f"found {number[row]} quotes; should be {number[0]}, as in {file.row_word}"
        file.refuse(f"{message} {file.first_row}", row=row)
    opening, closing = quotes[: len(quotes) // 2 * 2].reshape(-1, 2).T
    separators = np.flatnonzero(is_separator)
    encloses = is_separator[opening - 1] | (opening == 0)
    encloses &= separators[np.searchsorted(separators, opening)] == closing + 1
    if len(quotes) % 2 or not encloses.all():
        first = quotes[-1] if encloses.all() else opening[np.argmin(encloses)]
        row = int(np.searchsorted(ends, first)) - 1
        file.refuse("found a quote that does not enclose a field without commas", row=row)
    return characters[~is_quote].tobytes()


def _header(file: RawFile, content: bytes) -> list[str]:
    try:
        return [name.strip() for name in content[: content.index(b"\n")].decode().split(",")]
    except UnicodeDecodeError:
        file.refuse("the header is not UTF-8 text; should be a plain CSV file", row=-1)


def _places(
    file: RawFile, header: list[str], optional: tuple[str, ...], row: int | None
) -> dict[str, int]:
    """Where each column stands in the header."""
    spared = {*RAW_COLUMNS[file.series]} - {*INDISPENSABLE} if file.series else set()
    places = {}
    for name, held in file.names.items():
        if header.count(held) == 1:
            places[name] = header.index(held)
        elif name not in optional or held in header:
            found = "missing" if held not in header else f"stands {header.count(held)} times"
            message = f"{found}; the header reads {', '.join(header)[:200]}"
            if held not in header and name in spared:
                message += f"; without it: data.columns.{file.series}.{name}: null in the study"
            file.refuse(message, row=row, column=name)
    return places


def _check_fields(file: RawFile, content: bytes, width: int) -> None:
    """Every line has as many fields as the header, blank lines included."""
    characters = np.frombuffer(content, np.uint8)
    commas = np.flatnonzero(characters == ord(","))
    ends = np.flatnonzero(characters == ord("\n"))
    fields = np.diff(np.searchsorted(commas, ends), prepend=0)[1:] + 1
    bad = fields != width
    if bad.any():
        row = int(np.argmax(bad))
        file.refuse(f"found {fields[row]} fields; should be {width}, as in the header", row=row)


def _parse(content: bytes, width: int, types: Mapping[str, pa.DataType]) -> pa.Table:
    """The columns named in `types`; each column's name is its number."""
    return pa_csv.read_csv(
        pa.BufferReader(content),
        read_options=pa_csv.ReadOptions(column_names=list(map(str, range(width))), skip_rows=1),
        # Quotes have been checked and taken off by `_unquoted`; a blank line is a row that lacks.
        parse_options=pa_csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
        convert_options=pa_csv.ConvertOptions(
            column_types=types, include_columns=list(types), null_values=[""]
        ),
    )


def _with_blanks(content: bytes) -> set[int]:
    """The columns, by number, in which a field holds a blank or a tab."""
    if b" " not in content and b"\t" not in content:
        return set()
    characters = np.frombuffer(content, np.uint8)
    blanks = np.flatnonzero((characters == ord(" ")) | (characters == ord("\t")))
    commas, ends = (np.flatnonzero(characters == ord(mark)) for mark in ",\n")
    starts = np.concatenate(([-1], ends))[np.searchsorted(ends, blanks)]
    rows = blanks > ends[0]
    columns = np.searchsorted(commas, blanks[rows]) - np.searchsorted(commas, starts[rows])
    return set(np.unique(columns).tolist())


def _refuse_text(
    file: RawFile, content: bytes, width: int, places: Mapping[str, int], iso_timestamps: bool
) -> NoReturn:
    """Find the cell that kept the file from being read."""
    for name, place in places.items():
        try:
            column = _parse(content, width, {str(place): pa.binary()})[str(place)]
        except pa.ArrowInvalid as error:
            file.refuse(f"not readable as CSV ({error})"[:300])
        iso = iso_timestamps and name == "timestamp"
        zone = zone_of(column[0].as_py() or b"")
        for row, cell in enumerate(column.to_pylist()):
            if cell and not (is_time(cell, zone) if iso else _NUMBER.fullmatch(cell)):
                found = cell.decode("utf-8", "backslashreplace")[:60]
                valid = ISO_EXAMPLE if iso else "a number"
                file.refuse(f"found {found!r}; should be {valid}", row=row, column=name)
    file.refuse("not readable as CSV")


def _read_parquet(
    file: RawFile, content: bytes, iso_timestamps: bool, optional: tuple[str, ...]
) -> Cells:
    names = file.names
    try:
        header = pq.read_schema(pa.BufferReader(content)).names
        places = _places(file, header, optional, row=None)
        table = read_raw_columns(content, list(dict.fromkeys(names[name] for name in places)))
    except OversizeError as error:
        file.refuse(f"{error}; keep the hours that are needed, or longer bars")
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        file.refuse(f"not a whole Parquet file ({reason}); fetch it again whole")
    if not table.num_rows:
        file.refuse("the file has columns but no rows; should have one row per bar")
    columns = {}
    for name in places:
        cells = table[names[name]]
        kind = cells.type
        if name == "timestamp" and (pa.types.is_timestamp(kind) or pa.types.is_date32(kind)):
            columns[name] = _milliseconds(file, cells)
        elif name == "timestamp" and kind in (pa.string(), pa.large_string()):
            columns[name] = _times_of_text(file, cells, iso_timestamps)
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            columns[name] = pc.cast(cells, pa.float64(), safe=False)
        else:
            file.refuse(f"holds cells of type {kind}; should be numbers", column=name)
    return _cells(file, columns)


def _times_of_text(file: RawFile, cells: pa.ChunkedArray, declared: bool) -> pa.ChunkedArray:
    """Times of ISO 8601 text, which has to be declared as in a CSV file."""
    first = str(cells[0].as_py())[:60]
    if not declared:
        valid = "numbers or times; declare data.timestamp_unit: iso where they are ISO 8601"
        file.refuse(f"holds text, such as {first!r}; should be {valid}", column="timestamp")
    zone = zone_of(first.encode())
    try:
        return pc.cast(cells, pa.timestamp("us", zone))
    except pa.ArrowInvalid:
        texts = cells.to_pylist()
        row = next(k for k, text in enumerate(texts) if text and not is_time(text.encode(), zone))
        message = f"found {texts[row][:60]!r}; should be {ISO_EXAMPLE}"
        file.refuse(message, row=row, column="timestamp")


def _milliseconds(file: RawFile, cells: pa.ChunkedArray) -> pa.ChunkedArray:
    zone = getattr(cells.type, "tz", None)
    try:
        return pc.cast(cells, pa.timestamp("ms", zone))
    except pa.ArrowInvalid as error:
        file.refuse(f"{error}; should be whole milliseconds", column="timestamp")


def _cells(file: RawFile, columns: Mapping[str, pa.ChunkedArray]) -> Cells:
    series = {name: cells.to_pandas() for name, cells in columns.items()}
    timestamps = series.pop("timestamp")
    return Cells(file, timestamps, pd.DataFrame(series))
