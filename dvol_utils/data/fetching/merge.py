"""What is stored and what arrived, put together; a contradiction is refused, never overwritten."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dvol_utils.data.fetching.pages import Rows, Window, iso, utc
from dvol_utils.data.raw.content import read_content
from dvol_utils.study.files import replacing

# Relative. A source that prints fewer decimals has changed nothing; the stored value stays.
ROUNDING = 1e-4


class ContradictionError(ValueError):
    """A download that denies what is stored; the message says where."""


class Merged(NamedTuple):
    """A merged table, and the stored values that changed: `time, column, old, new`."""

    table: pd.DataFrame
    revisions: list[dict[str, Any]]


def rows_table(rows: Rows, columns: tuple[str, ...]) -> pd.DataFrame:
    """Rows as a float64 table with index `timestamp` in milliseconds; null becomes NaN."""
    index = pd.Index(list(rows), name="timestamp", dtype="int64")
    return pd.DataFrame(list(rows.values()), index=index, columns=list(columns), dtype="float64")


def read_raw(path: Path) -> pd.DataFrame:
    """A raw file with all its columns, also those that nothing here knows."""
    content = read_content(path)
    # Read whole, so that a column has one dtype; a byte order mark is no part of a name.
    return pd.read_csv(
        io.BytesIO(content), encoding="utf-8-sig", index_col="timestamp", low_memory=False
    )


def write_raw(path: Path, table: pd.DataFrame) -> None:
    """Write a raw file, whole or not at all; reading it gives the same doubles."""
    with replacing(path) as temporary:
        # Line ends of its own, so that the same table is the same bytes on every system.
        table.to_csv(temporary, index_label="timestamp", lineterminator="\n", encoding="utf-8")


def merge(
    stored: pd.DataFrame | None, new: pd.DataFrame, window: Window, *, revisable_from: int | None
) -> Merged:
    """The stored table with what is new in a download.

    Parameters
    ----------
    stored : DataFrame or None
        Index `timestamp` (milliseconds); may hold columns that the download does not.
    new : DataFrame
        All rows that the source gave for `window`.
    window : Window
        What the download covers.
    revisable_from : int or None
        From this timestamp on the source may change its values; None: never.

    Returns
    -------
    Merged
        Late values (empty before) and revisions are taken over, differences within `ROUNDING` are
        not.

    Raises
    ------
    ContradictionError
        A stored row of the window is not in the download, or a settled value differs.
    """
    if stored is None:
        return Merged(new, [])
    _check_nothing_lost(stored, new, window)
    times = stored.index.intersection(new.index)
    columns = [name for name in new.columns if name in stored.columns]
    old, now = (table.loc[times, columns].to_numpy("float64") for table in (stored, new))
    late = np.isnan(old) & ~np.isnan(now)
    # numpy's own atol of 1e-8 would hide what small funding rates changed by.
    changed = ~np.isclose(old, now, rtol=ROUNDING, atol=1e-12) & ~np.isnan(old) & ~np.isnan(now)
    settled = changed & (
        np.ones((len(times), 1), bool)
        if revisable_from is None
        else (times.to_numpy() < revisable_from)[:, None]
    )
    if settled.any():
        row, column = np.argwhere(settled)[0]
        raise ContradictionError(
            f"{columns[column]} at {utc(times[row])} is stored as {old[row, column]:.12g} and came "
            f"as {now[row, column]:.12g} ({settled.sum():,} values differ)"
        )
    table = with_rows(stored, new.loc[new.index.difference(times)])
    revisions = []
    for row, column in np.argwhere(late | changed):
        table.loc[times[row], columns[column]] = now[row, column]
        before = None if np.isnan(old[row, column]) else float(old[row, column])
        revisions.append(
            {
                "time": iso(times[row]),
                "column": columns[column],
                "old": before,
                "new": float(now[row, column]),
            }
        )
    return Merged(table, revisions)


def with_rows(stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """The stored table with `new` rows in place of its own, every column kept, sorted."""
    kept = stored.loc[stored.index.difference(new.index)]
    columns = [*stored.columns, *(name for name in new.columns if name not in stored.columns)]
    # Without empty ones: pandas would let them have a say in the dtypes.
    tables = [table.reindex(columns=columns) for table in (kept, new) if len(table)]
    return pd.concat(tables).sort_index()


def _check_nothing_lost(stored: pd.DataFrame, new: pd.DataFrame, window: Window) -> None:
    covered = stored.index[(stored.index >= window.first) & (stored.index <= window.last)]
    lost = covered.difference(new.index)
    if len(lost):
        raise ContradictionError(
            f"{len(lost):,} rows are stored that the download lacks, the first at {utc(lost[0])}"
        )
