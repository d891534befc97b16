"""Parquet files that somebody else may have made: what they say of themselves is looked at first.

A column of equal values takes a few bytes, however many rows it has, and so does a long text that
stands in each of them.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dvol_utils.study import limits
from dvol_utils.study.bounded import OversizeError, check_size

_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)


def read_whole(path: Path) -> pa.Table:
    """A table of a run; errors as of `read_columns`."""
    check_size(path, limits.TABLE_BYTES)
    return read_columns(path, most_bytes=limits.TABLE_BYTES, most_cells=limits.TABLE_CELLS)


def read_raw_columns(content: bytes, columns: list[str]) -> pa.Table:
    """Columns of a raw file's bytes; errors as of `read_columns`."""
    return read_columns(content, columns, most_bytes=limits.RAW_BYTES, most_rows=limits.RAW_ROWS)


def read_columns(
    source: Path | bytes,
    columns: list[str] | None = None,
    *,
    most_bytes: int,
    most_rows: int | None = None,
    most_cells: int | None = None,
) -> pa.Table:
    """Columns of a Parquet file, all of them by default.

    Parameters
    ----------
    source : Path or bytes
        A file, or the whole content of one.
    columns : list of str, optional
        Names of columns without parts.
    most_bytes : int
        Of these columns once unpacked.
    most_rows, most_cells : int, optional
        Rows of the file, and cells of these columns.

    Raises
    ------
    OversizeError
        By what the file says of itself there is more.
    ArrowException, OSError
        It is damaged.
    """
    schema = pq.read_schema(_opened(source))
    # Texts stay packed until they are counted: a long one in every row fills the memory
    # (tests/test_bounds.py).
    texts = [field.name for field in schema if _is_text(field.type)]
    with pq.ParquetFile(_opened(source), read_dictionary=texts) as parquet:
        _check_amount(parquet.metadata, columns, most_bytes, most_rows, most_cells)
        table = parquet.read(columns=columns)
    for place, name in enumerate(table.column_names):
        if name in texts:
            plain = _written_out(table.column(place), schema.field(name), most_bytes)
            table = table.set_column(place, schema.field(name), plain)
    return table


def _opened(source: Path | bytes) -> Path | pa.NativeFile:
    return pa.BufferReader(source) if isinstance(source, bytes) else source


def _is_text(kind: pa.DataType) -> bool:
    return any(is_text(kind) for is_text in _TEXTS)


def _check_amount(
    metadata: pq.FileMetaData,
    columns: list[str] | None,
    most_bytes: int,
    most_rows: int | None,
    most_cells: int | None,
) -> None:
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
    chunks = [chunk for chunk in chunks if columns is None or chunk.path_in_schema in columns]
    _check("rows", sum(group.num_rows for group in groups), most_rows)
    _check("cells", sum(chunk.num_values for chunk in chunks), most_cells)
    _check("bytes unpacked", sum(chunk.total_uncompressed_size for chunk in chunks), most_bytes)


def _written_out(cells: pa.ChunkedArray, field: pa.Field, most_bytes: int) -> pa.ChunkedArray:
    """Texts as such, if there is room: each stands once in a file, and here in every row."""
    if pa.types.is_dictionary(cells.type):
        size = sum(_text_bytes(chunk) for chunk in cells.chunks)
        _check(f"bytes of text in column {field.name}", size, most_bytes)
    return cells.cast(field.type)


def _text_bytes(cells: pa.DictionaryArray) -> int:
    lengths = pc.binary_length(cells.dictionary).cast(pa.int64())
    return pc.sum(lengths.take(cells.indices)).as_py() or 0


def _check(what: str, found: int, most: int | None) -> None:
    if most is not None and found > most:
        raise OversizeError(f"found {found:,} {what}; should be at most {most:,}")
