"""One series from one source: all its pages, and its holes asked for again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from dvol_utils.data.fetching.fields import JoinError
from dvol_utils.data.fetching.http import Client, FetchError
from dvol_utils.data.fetching.pages import PageStore, RawPage, Rows, Window, joined_pages, missing
from dvol_utils.data.fetching.sources import SOURCES

_TRIES_A_HOLE = 2
_MOST_REQUESTS_FOR_HOLES = 200
_LOG_EVERY = 10


class Part(NamedTuple):
    """Columns that one source gives; a row without a required one counts as missing.

    `late` says that the last rows are often not there yet, which is no reason to ask again;
    `assets` is None where every asset is served. `instead` gives the same columns by other
    requests, or from another source, where the part is refused.
    """

    name: str
    source: str
    columns: tuple[str, ...]
    required: tuple[str, ...]
    pages: Callable[[Client, str, Window, list[RawPage]], Iterator[RawPage]]
    query: Callable[[str, Window], tuple[str, dict[str, str]]]
    late: bool = False
    assets: tuple[str, ...] | None = None
    instead: tuple[Part, ...] = ()


def download(
    client: Client,
    part: Part,
    asset: str,
    window: Window,
    store: PageStore,
    *,
    known_holes: Collection[tuple[int, int]] = (),
    log: Callable[[str], None],
) -> Rows:
    """Rows of a window, from the pages that are there already and those still to come.

    Parameters
    ----------
    client, part, asset
        Whom to ask, and for what.
    window : Window
        Timestamps wanted.
    store : PageStore
        Keeps each page as it arrives.
    known_holes : collection of (first, last)
        Holes that stayed when they were asked for again before; not asked for a third time.
    log : callable
        Takes lines of progress.

    Returns
    -------
    Rows
        Within the window, in order of time, as served: rows may be missing or hold nulls.

    Raises
    ------
    FetchError
        A request failed for good, or pages contradict each other.
    """
    done = store.load(part.name)
    if done:
        log(f"{part.name} of {asset}: goes on after {len(done)} pages fetched before")
    try:
        # A copy: `done` grows in this loop, while the generator still looks at its own.
        for page in part.pages(client, asset, window, list(done)):
            store.save(part.name, len(done), page)
            done.append(page)
            if len(done) % _LOG_EVERY == 0:
                log(f"{part.name} of {asset}: {len(done)} pages")
    except FetchError as error:
        if isinstance(error.__cause__, JoinError):  # the page before may be the wrong one
            store.forget(part.name, len(done) - 1)
        raise
    again = store.load(f"{part.name}_again")
    try:
        rows = _within(joined_pages([*done, *again]), window)
        return _ask_again(client, part, asset, window, rows, store, len(again), known_holes)
    except JoinError as error:  # any page may be the wrong one
        store.forget(part.name, 0)
        store.forget(f"{part.name}_again", 0)
        title = SOURCES[part.source].title
        raise FetchError(f"{title} {part.name} of {asset}, {window}: {error}") from error


def _ask_again(
    client: Client,
    part: Part,
    asset: str,
    window: Window,
    rows: Rows,
    store: PageStore,
    saved: int,
    known_holes: Collection[tuple[int, int]],
) -> Rows:
    """Narrow requests for what is missing, each hole with the rows beside it, so many in all."""
    tries: Counter[Window] = Counter()
    for _ in range(_MOST_REQUESTS_FOR_HOLES):
        holes = _holes(rows, part, window, known_holes)
        hole = next((hole for hole, most in holes if tries[hole] < most), None)
        if hole is None:
            break
        tries[hole] += 1
        pages = []
        for page in part.pages(client, asset, hole, []):
            # Saved as it comes: an interrupted download need not ask again for what it has.
            store.save(f"{part.name}_again", saved, page)
            saved += 1
            pages.append(page)
        rows = _within(joined_pages([RawPage(rows), *pages]), window)
    return rows


def _holes(
    rows: Rows, part: Part, window: Window, known_holes: Collection[tuple[int, int]]
) -> list[tuple[Window, int]]:
    """What is missing, with known neighbours, and how often to ask for it.

    Before the first row and after the last, nothing may be the truth: asking once is enough.
    """
    # A column without any value is no hole: its source does not give it.
    given = [
        any(values[i] is not None for values in rows.values()) for i in range(len(part.columns))
    ]
    needed = [i for i in map(part.columns.index, part.required) if given[i]]
    # A row counts as there only where every column that the source gives has a value.
    stamps = [t for t, values in rows.items() if all(values[i] is not None for i in needed)]
    if not stamps or not needed:
        return []
    holes = [
        (hole.widened(), _TRIES_A_HOLE)
        for hole in missing(stamps, window.step)
        if (hole.first, hole.last) not in known_holes
    ]
    if stamps[0] > window.first:
        holes.append((window._replace(last=stamps[0]), 1))
    if stamps[-1] < window.last and not part.late:
        holes.append((window._replace(first=stamps[-1]), 1))
    return holes


def _within(rows: Rows, window: Window) -> Rows:
    return {time: row for time, row in rows.items() if window.first <= time <= window.last}
