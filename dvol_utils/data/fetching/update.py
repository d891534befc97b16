"""One file of the raw store: what it lacks, the download, and the file brought up to date."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from dvol_utils.data.fetching.http import Client, FetchError
from dvol_utils.data.fetching.manifest import (
    Entry,
    describe_file,
    known_holes,
    missing_since,
    table_holes,
    write_manifest,
)
from dvol_utils.data.fetching.merge import (
    ContradictionError,
    merge,
    read_raw,
    with_rows,
    write_raw,
)
from dvol_utils.data.fetching.pages import (
    PageStore,
    Window,
    iso,
    milliseconds,
    unfinished_job,
    utc,
)
from dvol_utils.data.fetching.parts import Wanted, download_parts
from dvol_utils.data.fetching.series import Spec
from dvol_utils.data.fetching.sources import shown_url
from dvol_utils.data.raw.files import RawStoreError
from dvol_utils.data.raw.store import read_series, series_path
from dvol_utils.study.data_section import SeriesName
from dvol_utils.study.files import file_hash, read_json, replacing, write_json

# A hole may still be filled for so long; an update reaches back to it, as far as one page does.
_HOLE_MS = 28 * 24 * 3_600_000


class Outcome(NamedTuple):
    """What became of one file; `not_fetched` has the reason by column that no source gave."""

    file: str
    rows_before: int
    rows: int
    requests: int
    holes: int
    revisions: int
    not_fetched: dict[str, str]


@dataclass(frozen=True)
class UpdateRun:
    """What all series of one call share; times in UTC milliseconds."""

    raw_dir: Path
    client: Client
    now: int
    start: int | None
    end: int | None
    log: Callable[[str], None]
    files: dict[str, Entry]


@dataclass(frozen=True)
class File:
    """One file of the raw store."""

    asset: str
    series: SeriesName
    spec: Spec
    path: Path


def fetch_file(run: UpdateRun, file: File) -> Outcome:
    """Finish an interrupted download of a file, then ask for what came since.

    Parameters
    ----------
    run : Run
        The call's client, clock and range; its `files` gets the file's new manifest entry.
    file : File
        The file; it is written only when a whole download agrees with what it holds.

    Raises
    ------
    FetchError
        The download failed or was refused; the message names source, range and reason. Of an
        optional series a part may fail: the rest is kept, and the outcome says what is missing.
    """
    _catch_up(run, file)
    stored = _stored(run, file)
    before, asked_before = 0 if stored is None else len(stored), run.client.requests
    revisions = 0
    for _ in range(2):
        wanted = _wanted(run, file, stored)
        if wanted is None:
            break
        store, window = _job(run, file, wanted)
        stored, changes = _update(run, file, stored, window, store)
        revisions += changes
        if window == wanted:
            break
    assert stored is not None, "a wanted window ends in rows or in an error"
    requests, holes = run.client.requests - asked_before, table_holes(stored, file.spec.step)
    run.log(
        f"{file.path.name}: {before:,} -> {len(stored):,} rows, to {utc(stored.index[-1])} UTC, "
        f"{requests} requests"
    )
    lacking = run.files.get(file.path.name, {}).get("not_fetched", {})
    reasons = {name: lack["reason"] for name, lack in lacking.items()}
    return Outcome(file.path.name, before, len(stored), requests, len(holes), revisions, reasons)


def _stored(run: UpdateRun, file: File) -> pd.DataFrame | None:
    path = file.path
    if path.with_suffix(".parquet").is_file():
        parquet = path.with_suffix(".parquet")
        raise FetchError(f"{parquet} is there already and is not updated; choose another folder")
    if not path.is_file():
        return None
    try:
        read_series(run.raw_dir, file.asset, file.series)
    except RawStoreError as error:
        raise FetchError(
            f"{path.name} cannot be brought up to date: {error}; mend it, or move it away to fetch "
            "it anew"
        ) from error
    return read_raw(path)


def _wanted(run: UpdateRun, file: File, stored: pd.DataFrame | None) -> Window | None:
    """What to ask for: everything, the end with some overlap, or nothing."""
    spec, entry = file.spec, run.files.get(file.path.name, {})
    begins = milliseconds(spec.begins)
    start = begins if run.start is None else run.start
    if file.series == "dvol":
        start = max(start, begins)  # the index did not exist before
    until = run.now if run.end is None else min(run.now, run.end)
    # Up to the next step of the grid: a bar that began before `start` is not asked for.
    first = -(-start // spec.step) * spec.step
    last = (until - spec.known_after) // spec.step * spec.step
    if stored is None:
        if last < first:
            span = f"{utc(start)} to {utc(until)} UTC"
            raise FetchError(f"{spec.titles(file.asset)} {file.series} of {file.asset}, {span}: "
                             "no bar begins and closes in this range")  # fmt: skip
        return Window(first, last, spec.step)
    held = Window(int(stored.index[0]), int(stored.index[-1]), spec.step)
    asked_from = milliseconds(entry["asked_from"]) if "asked_from" in entry else held.first
    if run.start is not None and first < min(held.first, asked_from):
        return Window(first, max(last, held.last), spec.step)
    since = missing_since(entry).values()
    if last <= held.last and not since:
        return None
    tail = held.last - spec.tail * spec.step
    holes = [a - spec.step for a, _ in known_holes(entry) if a > held.last - _HOLE_MS]
    return Window(max(held.first, min([tail, *holes, *since])), max(last, held.last), spec.step)


def _job(run: UpdateRun, file: File, wanted: Window) -> tuple[PageStore, Window]:
    """The interrupted download where it fits what is wanted, else a new one."""
    folder = _folder(run, file)
    urls = {name: shown_url(url) for name, url in run.client.urls.items()}
    job = {"first": wanted.first, "last": wanted.last, "urls": urls}
    unfinished = unfinished_job(folder) or {}
    last = unfinished.get("last")
    if unfinished == {**job, "last": last} and isinstance(last, int) and last <= wanted.last:
        return PageStore(folder, unfinished), wanted._replace(last=last)
    store = PageStore(folder, job)
    store.remove()
    store.open()
    return store, wanted


def _update(
    run: UpdateRun, file: File, stored: pd.DataFrame | None, window: Window, store: PageStore
) -> tuple[pd.DataFrame, int]:
    """Download a window, merge it with what is stored, and write file and manifest."""
    path, entry = file.path, run.files.get(file.path.name, {})
    name = f"{file.series} of {file.asset}"
    wanted = Wanted(file.spec, name, file.asset, window, store, known_holes(entry))
    fate = "no file is written" if stored is None else f"{path.name} stays as it is"
    try:
        new, reasons = download_parts(run.client, wanted, log=run.log)
    except FetchError as error:
        raise type(error)(
            f"{error}; {fate}; pages that arrived wait in {store.folder}, run the command again "
            "to go on"
        ) from error
    if reasons and stored is not None:  # what a source did not say, it has not denied
        held = stored.index[(stored.index >= window.first) & (stored.index <= window.last)]
        new = new.reindex(new.index.union(held))
    try:
        table, revisions = merge(stored, new, window, revisable_from=_revisable(file.spec, stored))
        checked = _checked(store.folder / "checked", file, table)
    except (ContradictionError, RawStoreError) as error:
        refused = path.with_suffix(".refused.csv")
        write_raw(refused, new if stored is None else with_rows(stored, new))
        store.remove()
        what = f"{file.spec.titles(file.asset)} {name}, {window}"
        message = f"{what}: refused: {error}; {fate}, what arrived is kept in {refused}"
        raise FetchError(message) from error
    not_fetched = _lacking(entry, reasons, window, int(table.index[0]))
    if (
        stored is not None
        and not_fetched.keys() == entry.get("not_fetched", {}).keys()
        and (not_fetched and not revisions and len(table) == len(stored))
    ):
        store.remove()  # asked again in vain: nothing is written that would make a study run again
        return stored, 0
    revisions = _without_first_values(run, file, entry, revisions)
    entry = describe_file(
        checked,
        table,
        file.spec,
        asset=file.asset,
        window=window,
        urls=run.client.urls,
        now=run.now,
        revisions=revisions,
        not_fetched=not_fetched,
        entry=entry,
    )
    write_json(store.folder / "entry.json", entry)
    with replacing(path) as temporary:
        shutil.copyfile(checked, temporary)
    _note(run, file, entry)
    store.remove()
    _report(run, file, window, table, revisions)
    return table, len(revisions)


def _lacking(
    entry: Entry, reasons: dict[str, str], window: Window, first_row: int
) -> dict[str, dict[str, str]]:
    """Columns that are missing after a download of a window, and since when."""
    before, since = entry.get("not_fetched", {}), missing_since(entry)
    lacking = {name: lack for name, lack in before.items() if since[name] < window.first}
    for name, reason in reasons.items():
        begins = max(window.first, first_row)
        first = min(begins, since.get(name, begins))
        lacking[name] = {"from": iso(first), "reason": reason}
    return lacking


def _without_first_values(
    run: UpdateRun, file: File, entry: Entry, revisions: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Revisions but for values that came where no source had given any."""
    since = missing_since(entry)
    kept = [
        revision
        for revision in revisions
        if revision["old"] is not None
        or milliseconds(revision["time"]) < since.get(revision["column"], run.now)
    ]
    if len(kept) < len(revisions):
        names = ", ".join(dict.fromkeys(r["column"] for r in revisions if r not in kept))
        run.log(f"{file.path.name}: {names}: {len(revisions) - len(kept):,} missing values came")
    return kept


def _note(run: UpdateRun, file: File, entry: Entry) -> None:
    run.files[file.path.name] = entry
    write_manifest(run.raw_dir, run.files)


def _catch_up(run: UpdateRun, file: File) -> None:
    """Note a file that was written just before the last call was interrupted."""
    folder = _folder(run, file)
    if (folder / "entry.json").is_file() and file.path.is_file():
        entry = read_json(folder / "entry.json")
        if entry["sha256"] == file_hash(file.path):
            _note(run, file, entry)
            PageStore(folder, {}).remove()


def _folder(run: UpdateRun, file: File) -> Path:
    return run.raw_dir / ".fetch" / file.path.stem


def _revisable(spec: Spec, stored: pd.DataFrame | None) -> int | None:
    if stored is None or not spec.revisable:
        return None
    return int(stored.index[-1]) - spec.tail * spec.step


def _checked(folder: Path, file: File, table: pd.DataFrame) -> Path:
    """A copy for the raw store's reader: what it would refuse does not get into the raw store."""
    path = series_path(folder, file.asset, file.series)
    write_raw(path, table)
    read_series(folder, file.asset, file.series)
    return path


def _report(
    run: UpdateRun, file: File, window: Window, table: pd.DataFrame, revisions: list[dict[str, Any]]
) -> None:
    name, holes = file.path.name, table_holes(table, file.spec.step)
    if holes:
        missing_rows = sum(hole.rows for hole in holes)
        run.log(f"{name}: {len(holes)} holes of {missing_rows:,} rows stay, first {holes[0]}")
    if table.index[-1] < window.last:
        late = window._replace(first=int(table.index[-1]) + window.step)
        run.log(f"{name}: the last {late.rows} rows, {late}, are not there yet")
    for revision in revisions:
        old = "empty" if revision["old"] is None else f"{revision['old']:.12g}"
        change = f"was {old}, is {revision['new']:.12g}"
        run.log(f"{name}: {revision['column']} at {revision['time']} {change}")
