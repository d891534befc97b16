"""All columns of one series from all its sources; of an optional series each may fail alone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import pandas as pd

from dvol_utils.data.fetching.download import Part, download
from dvol_utils.data.fetching.http import Client, FetchError, RefusedError
from dvol_utils.data.fetching.merge import rows_table
from dvol_utils.data.fetching.pages import PageStore, Window
from dvol_utils.data.fetching.series import Spec
from dvol_utils.data.fetching.sources import SOURCES


@dataclass(frozen=True)
class Wanted:
    """A download: of which series and asset, for which timestamps, and what is known of it."""

    spec: Spec
    name: str  # of the series and asset, for messages
    asset: str
    window: Window
    store: PageStore
    known_holes: Collection[tuple[int, int]]


def download_parts(
    client: Client, wanted: Wanted, *, log: Callable[[str], None]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """All columns of a window; rows without a required value are left out.

    Parameters
    ----------
    client : Client
    wanted : Wanted
    log : callable
        Takes lines of progress.

    Returns
    -------
    table : DataFrame
        Index `timestamp` in milliseconds, all columns of the series.
    reasons : dict
        By column that no source gave, why; always empty for a series that is not optional.

    Raises
    ------
    FetchError
        A part of a series failed that is not optional, or no row arrived at all.
    """
    reasons: dict[str, str] = {}
    tables = [
        table
        for part in wanted.spec.parts_of(wanted.asset)
        for table in _part_tables(client, wanted, part, log, reasons)
        if len(table)
    ]
    if not tables:
        why = "; ".join(dict.fromkeys(reasons.values()))
        what = f"{wanted.spec.titles(wanted.asset)} {wanted.name}, {wanted.window}"
        raise FetchError(f"{what}: no row arrived" + (f": {why}" if why else ""))
    columns = [name for part in wanted.spec.parts for name in part.columns]
    return tables[0].join(tables[1:]).reindex(columns=columns), reasons


def _part_tables(
    client: Client,
    wanted: Wanted,
    part: Part,
    log: Callable[[str], None],
    reasons: dict[str, str],
) -> list[pd.DataFrame]:
    """What a part gave, or what the parts gave that are asked instead; `reasons` gets the rest."""
    asset, window, store = wanted.asset, wanted.window, wanted.store
    try:
        rows = download(client, part, asset, window, store, known_holes=wanted.known_holes, log=log)
    except FetchError as error:
        if not wanted.spec.optional:
            raise
        if not (isinstance(error, RefusedError) and part.instead):
            reasons |= dict.fromkeys(part.columns, str(error))
            return []
        log(f"{error}; asks for each of {', '.join(part.columns)} alone")
        again = [_part_tables(client, wanted, other, log, reasons) for other in part.instead]
        return [table for tables in again for table in tables]
    table = rows_table(rows, part.columns)
    if not wanted.spec.optional:
        return [table.dropna(subset=list(part.required))]
    # A column that no row has is the source's lack, not the rows'.
    empty = [name for name in part.columns if table[name].isna().all()]
    title = SOURCES[part.source].title
    reasons |= {name: f"{title}: no value of {name} of {asset}, {window}" for name in empty}
    required = [name for name in part.required if name not in empty]
    return [table.dropna(how="all").dropna(subset=required)]
