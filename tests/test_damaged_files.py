"""Damage to a valid file: the reader gives the same values or refuses, and never others.

What a file's text can show is damage that leaves every number as it is written or unreadable:
lines, separators, encodings, quotes, characters that stand in no number. A digit in place of
another digit is a valid file; only the manifest's hash can tell, and then it tells every damage.
Lines that are missing altogether are a gap, and the panel treats them as one.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvol_utils.data.raw.files import RawStoreError
from dvol_utils.data.raw.store import read_series, series_path

HOUR, DAY = 3_600_000, 86_400_000
START = 1_609_459_200_000  # 2021-01-01 00:00 UTC
ROWS = 8
IN_NUMBERS = b"0123456789+-.eE"
Damage = Callable[[bytes], bytes]


def table_of(series: str) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    steps = {"dvol": HOUR, "price": HOUR, "funding": 8 * HOUR, "onchain": DAY}
    table = pd.DataFrame({"timestamp": START + steps[series] * np.arange(ROWS)})
    if series in ("dvol", "price"):
        close = (60 if series == "dvol" else 30_000) * np.exp(0.01 * rng.standard_normal(ROWS))
        prefix = "dvol_" if series == "dvol" else ""
        table[f"{prefix}open"] = close.round(2)
        table[f"{prefix}high"] = (1.01 * close).round(2)
        table[f"{prefix}low"] = (0.99 * close).round(2)
        table[f"{prefix}close"] = close.round(2)
    if series == "dvol":
        table.loc[2:3, ["dvol_open", "dvol_high", "dvol_low"]] = np.nan
    elif series == "price":
        table["quote_volume"] = rng.integers(0, 10**9, ROWS)
        table["symbol"] = "BTC USD"
    elif series == "funding":
        table["funding_rate"] = (1e-4 * rng.standard_normal(ROWS)).round(8)
    else:
        table["active_addresses"] = rng.integers(10**5, 10**6, ROWS)
        table["transaction_count"] = rng.integers(10**5, 10**6, ROWS)
        table["mvrv"] = rng.uniform(1, 3, ROWS).round(8)
        table["transfer_volume_usd"] = [*rng.uniform(1e9, 9e9, ROWS - 1), np.nan]
    return table


CONTENT = {
    series: table_of(series).to_csv(index=False, lineterminator="\n").encode()
    for series in ("dvol", "price", "funding", "onchain")
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("damaged")


def outcome(folder: Path, series: str, content: bytes) -> pd.DataFrame | None:
    """What the reader makes of a file: a table, or None where it refuses."""
    series_path(folder, "BTC", series).write_bytes(content)
    try:
        return read_series(folder, "BTC", series)
    except RawStoreError:
        return None


def assert_same_values(read: pd.DataFrame, whole: pd.DataFrame) -> None:
    """Every row that was read is a row of the undamaged file, with its values."""
    assert list(read) == list(whole)
    pd.testing.assert_frame_equal(read, whole[whole.index.isin(read.index)], check_exact=True)


# Damage that a file's text can show, each as a function of the bytes.

PLACE = st.floats(0, 1, exclude_max=True)
STRANGE = [bytes([byte]) for byte in range(256) if byte not in IN_NUMBERS]
STRANGE_TEXT = ["nan", "NaN", "inf", "null", "N/A", "None", "x", "£", "\ufeff", "\0", "\u2212", "٣"]
SEPARATORS = [";", "|", "\t", " ", ".", ", ", "\\t"]
FOREIGN_DIGITS = ["٠١٢٣٤٥٦٧٨٩", "０１２３４５６７８９", "⁰¹²³⁴⁵⁶⁷⁸⁹"]


def at(content: bytes, place: float) -> int:
    return int(place * len(content))


def on_lines(change: Callable[[list[bytes]], list[bytes]]) -> Damage:
    return lambda content: b"".join(change(content.splitlines(keepends=True) or [b""]))


def delete_line(place: float) -> Damage:
    return on_lines(lambda lines: lines[: at(lines, place)] + lines[at(lines, place) + 1 :])


def repeat_line(place: float, other: float) -> Damage:
    def change(lines: list[bytes]) -> list[bytes]:
        line = lines[at(lines, place)]
        return [*lines[: at(lines, other)], line, *lines[at(lines, other) :]]

    return on_lines(change)


def swap_lines(place: float, other: float) -> Damage:
    def change(lines: list[bytes]) -> list[bytes]:
        a, b = at(lines, place), at(lines, other)
        lines[a], lines[b] = lines[b], lines[a]
        return lines

    return on_lines(change)


def end_lines(ending: bytes, every: int) -> Damage:
    def change(lines: list[bytes]) -> list[bytes]:
        return [
            line[:-1] + ending if number % every == 0 and line.endswith(b"\n") else line
            for number, line in enumerate(lines)
        ]

    return on_lines(change)


def insert(place: float, text: bytes) -> Damage:
    return lambda content: content[: at(content, place)] + text + content[at(content, place) :]


def replace_byte(place: float, byte: bytes) -> Damage:
    return lambda content: content[: at(content, place)] + byte + content[at(content, place) + 1 :]


def replace_text(old: bytes, new: bytes, count: int) -> Damage:
    return lambda content: content.replace(old, new, count)


def cell_rewritten(place: float, rewrite: Callable[[str], str]) -> Damage:
    """Rewrite one cell of a row, in whatever form the file has by now."""

    def damage(content: bytes) -> bytes:
        pieces = content.split(b",")
        i = 1 + int(place * (len(pieces) - 1)) if len(pieces) > 1 else 0
        text = pieces[i].decode("latin-1")
        cell, end, rest = text.partition("\n")
        pieces[i] = (rewrite(cell) + end + rest).encode()
        return b",".join(pieces)

    return damage


def with_exponent(cell: str) -> str:
    try:
        return f"{float(cell):.17e}"
    except ValueError:
        return cell


def with_thousands(mark: str) -> Callable[[str], str]:
    def rewrite(cell: str) -> str:
        whole, point, rest = cell.partition(".")
        return f"{int(whole):,}".replace(",", mark) + point + rest if whole.isdigit() else cell

    return rewrite


def in_script(digits: str) -> Callable[[str], str]:
    return lambda cell: cell.translate({ord("0") + n: digit for n, digit in enumerate(digits)})


def quoted(cell: str) -> str:
    return f'"{cell}"'


def on_cells(change: Callable[[list[bytes]], list[bytes]]) -> Damage:
    """Change the fields of every line and leave its end alone."""

    def line_changed(line: bytes) -> bytes:
        text = line.rstrip(b"\r\n")
        return b",".join(change(text.split(b","))) + line[len(text) :]

    return on_lines(lambda lines: [line_changed(line) for line in lines])


def encoded(encoding: str) -> Damage:
    return lambda content: content.decode("latin-1").encode(encoding, "replace")


def without_column(place: float) -> Damage:
    return on_cells(lambda row: row[: at(row, place)] + row[at(row, place) + 1 :])


quote_all = on_cells(lambda row: [b'"' + cell + b'"' for cell in row])
columns_reversed = on_cells(lambda row: row[::-1])
REWRITES = [
    with_exponent,
    *(with_thousands(mark) for mark in (",", "'", " ", "_", "\u00a0")),
    *(in_script(digits) for digits in FOREIGN_DIGITS),
    quoted,
    lambda cell: cell.replace(".", ","),
    lambda cell: f" {cell}",
    lambda cell: f"{cell}\t",
    lambda cell: f'"{cell}',
]

# Damage to the layout leaves every number alone; damage to the text makes it unreadable or leaves
# it alone, as long as it comes once: two changes of text can make up a third one.
LAYOUT_DAMAGE = st.one_of(
    st.builds(delete_line, PLACE),
    st.builds(repeat_line, PLACE, PLACE),
    st.builds(swap_lines, PLACE, PLACE),
    st.builds(end_lines, st.sampled_from([b"\r\n", b"\r", b"\n\n", b""]), st.integers(1, 4)),
    st.builds(without_column, PLACE),
    st.just(quote_all),
    st.just(columns_reversed),
    st.just(lambda content: content + content),
)
TEXT_DAMAGE = st.one_of(
    st.builds(insert, PLACE, st.sampled_from([*STRANGE, *(t.encode() for t in STRANGE_TEXT)])),
    st.builds(replace_byte, PLACE, st.sampled_from(STRANGE)),
    st.builds(
        replace_text,
        st.sampled_from([b",", b"\n", b"timestamp", b"close"]),
        st.sampled_from([separator.encode() for separator in SEPARATORS]),
        st.sampled_from([1, 2, -1]),
    ),
    st.builds(cell_rewritten, PLACE, st.sampled_from(REWRITES)),
    st.builds(encoded, st.sampled_from(["utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp500"])),
    st.builds(lambda place: lambda content: content[: at(content, place)], PLACE),
)


@settings(max_examples=500, deadline=None)
@given(
    series=st.sampled_from(list(CONTENT)),
    layout=st.lists(LAYOUT_DAMAGE, max_size=2),
    text=TEXT_DAMAGE,
)
def test_visible_damage_never_gives_other_values(folder, series, layout, text):
    whole = outcome(folder, series, CONTENT[series])
    content = CONTENT[series]
    for damage in (*layout, text):
        content = damage(content)
    read = outcome(folder, series, content)
    if read is not None:
        assert_same_values(read, whole)
        lines = len(content.splitlines())
        assert len(read) == min(lines - 1, ROWS)


# With a manifest, every damage shows.

ANY_DAMAGE = st.one_of(
    LAYOUT_DAMAGE,
    TEXT_DAMAGE,
    st.builds(insert, PLACE, st.binary(min_size=1, max_size=8)),
    st.builds(insert, PLACE, st.sampled_from([bytes([byte]) for byte in IN_NUMBERS])),
    st.builds(replace_byte, PLACE, st.binary(min_size=0, max_size=3)),
    st.builds(replace_byte, PLACE, st.sampled_from([bytes([byte]) for byte in IN_NUMBERS])),
    st.binary(max_size=60).map(lambda new: lambda content: new),
)


@functools.cache
def parquet(series: str) -> bytes:
    buffer = io.BytesIO()
    table_of(series).to_parquet(buffer, index=False)
    return buffer.getvalue()


def listed(folder: Path, path: Path, content: bytes) -> None:
    entry = {path.name: {"sha256": hashlib.sha256(content).hexdigest()}}
    (folder / "manifest.json").write_text(json.dumps({"files": entry}))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@settings(max_examples=150, deadline=None)
@given(
    series=st.sampled_from(list(CONTENT)),
    damages=st.lists(ANY_DAMAGE, min_size=1, max_size=3),
)
def test_with_a_manifest_every_damage_is_refused(tmp_path_factory, kind, series, damages):
    folder = tmp_path_factory.getbasetemp() / f"listed_{kind}_{series}"
    folder.mkdir(exist_ok=True)
    path = series_path(folder, "BTC", series).with_suffix(f".{kind}")
    whole = CONTENT[series] if kind == "csv" else parquet(series)
    listed(folder, path, whole)
    content = whole
    for damage in damages:
        content = damage(content)
    path.write_bytes(content)
    if content == whole:
        assert len(read_series(folder, "BTC", series)) == ROWS
    else:
        with pytest.raises(RawStoreError, match=r"has changed since it was fetched"):
            read_series(folder, "BTC", series)


def test_undamaged_files_are_read(folder):
    for series, content in CONTENT.items():
        whole = table_of(series).set_index("timestamp")
        read = outcome(folder, series, content)
        assert read.index.as_unit("ms").astype("int64").tolist() == whole.index.tolist()
        np.testing.assert_array_equal(read, whole[list(read)])


@pytest.mark.parametrize("series", CONTENT)
def test_harmless_forms_are_read(folder, series):
    """The property is no empty one: these forms come through."""
    whole = outcome(folder, series, CONTENT[series])
    forms = (quote_all, end_lines(b"\r\n", 1), encoded("utf-8-sig"), columns_reversed)
    for form in forms:
        pd.testing.assert_frame_equal(outcome(folder, series, form(CONTENT[series])), whole)


def test_a_quoted_cell_in_a_file_without_quotes_is_refused(folder):
    content = CONTENT["dvol"].replace(b"59.", b'"59."', 1)
    assert content != CONTENT["dvol"]
    assert outcome(folder, "dvol", content) is None
