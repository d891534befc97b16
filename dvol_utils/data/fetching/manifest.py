"""`manifest.json` of the raw store: where each file comes from, its hash, holes and revisions.

```
{"files": {"btc_dvol_hourly.csv": {
    "sources": [{"source", "base_url", "path", "query"}],    # the last download
    "asked_from": time, "first": time, "last": time, "rows": int, "sha256": hexadecimal,
    "fetched_at": time,
    "holes": [{"from": time, "to": time, "rows": int}],
    "revisions": [{"time", "column", "old", "new", "fetched_at"}],
    "not_fetched": {column: {"from": time, "reason": text}}}}}
```
`not_fetched`, where it is there, holds the columns that no source gave, and from when on.
Times are UTC, as in `2021-03-24T00:00Z`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from dvol_utils.data.fetching.http import FetchError
from dvol_utils.data.fetching.pages import Window, iso, milliseconds, missing
from dvol_utils.data.fetching.series import Spec
from dvol_utils.data.fetching.sources import SOURCES, shown_url
from dvol_utils.study.files import ArtefactError, file_hash, read_json, write_json

Entry = dict[str, Any]


def read_manifest(folder: Path) -> dict[str, Entry]:
    """Entries by file name; none where there is no manifest yet.

    Raises
    ------
    FetchError
        The manifest is damaged.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        return {}
    try:
        return dict(read_json(path)["files"])
    except (ArtefactError, KeyError, TypeError, ValueError):
        raise FetchError(f"{path} is damaged: delete it; the files beside it stay") from None


def write_manifest(folder: Path, files: dict[str, Entry]) -> None:
    """Write `manifest.json`, whole or not at all."""
    write_json(folder / "manifest.json", {"files": files})


def describe_file(
    path: Path,
    table: pd.DataFrame,
    spec: Spec,
    *,
    asset: str,
    window: Window,
    urls: dict[str, str],
    now: int,
    revisions: list[dict[str, Any]],
    not_fetched: dict[str, dict[str, str]],
    entry: Entry,
) -> Entry:
    """A file's entry after a download.

    Parameters
    ----------
    path : Path
        The file, written already.
    table : DataFrame
        Its content, index `timestamp` in milliseconds.
    spec, asset, window, urls
        What was asked for, and where.
    now : int
        Time of the download, UTC milliseconds.
    revisions : list
        Stored values that this download changed.
    not_fetched : dict
        Columns that this download lacks, and from when on.
    entry : Entry
        The file's entry before; empty for a new file.
    """
    asked_from = iso(window.first)
    fetched_at = f"{pd.Timestamp(now, unit='ms'):%Y-%m-%dT%H:%M:%SZ}"
    sources = []
    for part in spec.parts_of(asset):
        if not_fetched.keys() >= set(part.columns):
            continue
        method, query = part.query(asset, window)
        title, url = SOURCES[part.source].title, shown_url(urls[part.source])
        sources.append({"source": title, "base_url": url, "path": method, "query": query})
    described = {
        "sources": sources,
        # As text: ISO times of one form sort as the times do.
        "asked_from": min(asked_from, entry.get("asked_from", asked_from)),
        "first": iso(int(table.index[0])),
        "last": iso(int(table.index[-1])),
        "rows": len(table),
        "sha256": file_hash(path),
        "fetched_at": fetched_at,
        "holes": [
            {"from": iso(hole.first), "to": iso(hole.last), "rows": hole.rows}
            for hole in table_holes(table, spec.step)
        ],
        "revisions": [
            *entry.get("revisions", []),
            *({**revision, "fetched_at": fetched_at} for revision in revisions),
        ],
    }
    return described | ({"not_fetched": not_fetched} if not_fetched else {})


def missing_since(entry: Entry) -> dict[str, int]:
    """By column that no source gave, its first missing timestamp in milliseconds."""
    return {name: milliseconds(lack["from"]) for name, lack in entry.get("not_fetched", {}).items()}


def table_holes(table: pd.DataFrame, step: int) -> list[Window]:
    """Stretches without a row between a table's first row and its last."""
    return missing([int(time) for time in table.index], step)


def known_holes(entry: Entry) -> set[tuple[int, int]]:
    """Holes that stayed at the last download, as first and last timestamp in milliseconds."""
    holes = entry.get("holes", [])
    return {(milliseconds(hole["from"]), milliseconds(hole["to"])) for hole in holes}
