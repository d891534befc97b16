"""Pages of a download: what was asked for, what arrived, and what waits on disk for the rest."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from dvol_utils.data.fetching.fields import JoinError, refuse
from dvol_utils.study.bounded import read_json
from dvol_utils.study.files import replacing, write_json

FieldValues = tuple[float | None, ...]
Rows = dict[int, FieldValues]
Query = tuple[str, dict[str, str]]  # path and arguments


class Window(NamedTuple):
    """Timestamps from first to last, both included, on a grid; UTC milliseconds."""

    first: int
    last: int
    step: int

    @property
    def rows(self) -> int:
        """How many timestamps."""
        return (self.last - self.first) // self.step + 1

    def __str__(self) -> str:
        return f"{utc(self.first)} to {utc(self.last)} UTC"

    def widened(self) -> Window:
        """One step more at both ends, for sources that leave an end out."""
        return self._replace(first=self.first - self.step, last=self.last + self.step)

    def parts(self, rows: int) -> list[Window]:
        """The window cut into stretches of at most so many rows."""
        size = rows * self.step
        starts = range(self.first, self.last + 1, size)
        return [self._replace(first=a, last=min(a + size - self.step, self.last)) for a in starts]


class RawPage(NamedTuple):
    """Rows of one response, and what to ask for next (None: no more)."""

    rows: Rows
    next: str | int | None = None


def milliseconds(moment: pd.Timestamp | str) -> int:
    """A moment as UTC milliseconds; without a zone it is UTC."""
    time = pd.Timestamp(moment)
    time = time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")
    # `value` counts nanoseconds, whatever unit the Timestamp has.
    return time.value // 1_000_000


def utc(stamp_ms: int) -> str:
    """A timestamp for people, e.g. `2021-03-24 00:00`."""
    return f"{pd.Timestamp(stamp_ms, unit='ms'):%Y-%m-%d %H:%M}"


def tidy(
    rows: Iterable[tuple[int, FieldValues]], page_window: Window, before: RawPage | None = None
) -> Rows:
    """Rows in order of time, each once, checked against what was asked and what came before.

    Parameters
    ----------
    rows : iterable of (timestamp, values)
        As they arrived, in any order.
    page_window : Window
        Rows may lie one step outside it; not further, and not off its grid.
    before : Page, optional
        The page before this one: rows that both hold must agree.

    Raises
    ------
    FlawedResponseError
        A row off the grid, outside the window, or in contradiction to another.
    """
    allowed, tidied = page_window.widened(), {}
    for time, values in rows:
        if not allowed.first <= time <= allowed.last:
            refuse(f"a row at {time} ({_when(time)}) is outside the range asked for, {page_window}")
        if time % page_window.step:
            refuse(f"a row at {utc(time)} is off the grid of {page_window.step // 60_000} minutes")
        tidied[time] = combined(time, values, tidied[time]) if time in tidied else values
    # Called for its refusal: rows that two pages share have to agree.
    for time in tidied.keys() & (before.rows.keys() if before else ()):
        combined(time, tidied[time], before.rows[time])
    return dict(sorted(tidied.items()))


def combined(time: int, values: FieldValues, others: FieldValues) -> FieldValues:
    """The values of a row that came twice: equal where both are there, else the one that is."""
    if values == others:
        return values
    pairs = list(zip(values, others, strict=True))
    if any(a != b and a is not None and b is not None for a, b in pairs):
        shown = f"{_shown(others)}; {_shown(values)}"
        raise JoinError(f"two rows at {utc(time)} contradict each other: {shown}")
    return tuple(b if a is None else a for a, b in pairs)


def joined_pages(pages: Iterable[RawPage]) -> Rows:
    """The rows of all pages, in order of time."""
    rows: Rows = {}
    for page in pages:
        for time, values in page.rows.items():
            rows[time] = combined(time, values, rows[time]) if time in rows else values
    return dict(sorted(rows.items()))


def missing(stamps: list[int], step: int) -> list[Window]:
    """Stretches of the grid between the first stamp and the last that have no row."""
    return [Window(a + step, b - step, step) for a, b in itertools.pairwise(stamps) if b - a > step]


def iso(stamp_ms: int) -> str:
    """A timestamp for files, e.g. `2021-03-24T00:00Z`."""
    return f"{pd.Timestamp(stamp_ms, unit='ms'):%Y-%m-%dT%H:%MZ}"


class PageStore:
    """The pages of one unfinished download, each a file written whole or not at all."""

    def __init__(self, folder: Path, job: dict[str, Any]) -> None:
        self.folder, self.job = folder, job

    def open(self) -> None:
        """Note what is being downloaded, before its first page."""
        write_json(self.folder / "job.json", self.job)

    def save(self, part: str, index: int, page: RawPage) -> None:
        """Keep a page, named by its number and range."""
        stamps = list(page.rows) or [0]
        path = self.folder / part / f"{index:05d}_{stamps[0]}-{stamps[-1]}.json"
        rows = [[time, *values] for time, values in page.rows.items()]
        with replacing(path) as temporary:
            temporary.write_text(json.dumps({"next": page.next, "rows": rows}), encoding="utf-8")

    def load(self, part: str) -> list[RawPage]:
        """The pages kept so far, in the order of their arrival, up to the first damaged one."""
        pages: list[RawPage] = []
        for path in sorted((self.folder / part).glob("*.json")):
            page = _read_page(path)
            # After a gap in the numbers pages are of no use: each was asked for by the one before.
            if page is None or not path.name.startswith(f"{len(pages):05d}_"):
                path.unlink()
            else:
                pages.append(page)
        return pages

    def forget(self, part: str, index: int) -> None:
        """Drop the pages of a part from a number on."""
        for path in sorted((self.folder / part).glob("*.json"))[index:]:
            path.unlink()

    def remove(self) -> None:
        """Forget the download: it is finished, or of no more use."""
        # The mark first, so that a stop on the way leaves nothing that looks unfinished.
        (self.folder / "job.json").unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):  # others are at work, or it never was
            self.folder.parent.rmdir()


def unfinished_job(folder: Path) -> dict[str, Any] | None:
    """What an interrupted download in this folder was about; None where there is none."""
    try:
        job = read_json(folder / "job.json")
    except (FileNotFoundError, ValueError):
        return None
    return job if isinstance(job, dict) else None


def _read_page(path: Path) -> RawPage | None:
    try:
        content = read_json(path)
        return RawPage({row[0]: tuple(row[1:]) for row in content["rows"]}, content["next"])
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def _when(time: int) -> str:
    try:
        return utc(time)
    except (pd.errors.OutOfBoundsDatetime, OverflowError):
        return "no date"


def _shown(values: FieldValues) -> str:
    return ", ".join("null" if value is None else f"{value:.12g}" for value in values)
