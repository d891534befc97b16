"""Fetch the raw store from the public sources, or bring it up to date.

Each page of a download is kept in `<raw_dir>/.fetch/` as it arrives, so that an interrupted
download goes on where it stopped. A finished one is checked, merged with the file that is there,
written in one step, and noted in `<raw_dir>/manifest.json`.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from dvol_utils.data.fetching.deribit import server_time
from dvol_utils.data.fetching.http import Client, FetchError, open_client
from dvol_utils.data.fetching.manifest import read_manifest
from dvol_utils.data.fetching.pages import milliseconds
from dvol_utils.data.fetching.series import SPECS
from dvol_utils.data.fetching.update import File, Outcome, UpdateRun, fetch_file
from dvol_utils.data.raw.store import series_path
from dvol_utils.study.data_section import SeriesName
from dvol_utils.study.params import ParameterError
from dvol_utils.study.times import read_time

_CLOCK_TOLERANCE_MS = 60_000


def fetch_store(
    raw_dir: Path | str,
    *,
    assets: Iterable[str],
    start: pd.Timestamp | str | None = None,
    end: pd.Timestamp | str | None = None,
    series: Iterable[SeriesName] = tuple(SPECS),
    base_urls: Mapping[str, str] | None = None,
    cost: Callable[[list[str]], str] = ", ".join,
    log: Callable[[str], None] = print,
    now: pd.Timestamp | None = None,
    timeout_s: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[Outcome]:
    """Fetch what the raw store lacks; what it has is compared with the source, never lost.

    Parameters
    ----------
    raw_dir : Path or str
        Folder of the raw store; made where it is missing.
    assets : iterable of str
        Asset codes, e.g. `BTC`.
    start, end : Timestamp or str, optional
        First and last moment wanted, UTC: bars open at or after `start` and close by `end`.
        Default: from the start of each history to the last closed bar. Neither shortens a file
        that is there.
    series : iterable of {"dvol", "price", "funding", "onchain"}
        Which series.
    base_urls : mapping, optional
        Addresses in place of the public ones, by `deribit`, `coinmetrics`, `blockchain`.
    cost : callable
        Says of some columns that did not come what this costs.
    log : callable
        Takes lines of progress.
    now : Timestamp, optional
        The local clock, for comparison only: Deribit's clock decides which bars are closed.
    timeout_s : float
        Seconds to wait for each answer.
    sleep, clock : callable
        Wait for seconds, and a clock in seconds that never goes back.

    Returns
    -------
    list of Outcome
        One a file that is there; `not_fetched` says what no source gave.

    Raises
    ------
    ParameterError
        An asset, time or address that cannot be used.
    UnreachableError
        No connection to Deribit, the first source to be asked.
    FetchError
        A file of DVOL or price, or every file, could not be brought up to date; the message names
        source, range and reason of each. The other files were, and pages that arrived are kept for
        the next call.

    Notes
    -----
    Funding and on-chain values are optional: what fails of them is said, with `cost`, and asked for
    again by the next call. A bar, or a settled funding rate, that differs from the stored one by
    more than rounding, or a stored row that the source lacks, is refused: the file stays, and what
    arrived is kept beside it as `<file>.refused.csv`. On-chain values of the last 14 stored days
    may change; each change is noted in the manifest. A numeric string is read as the number that it
    spells; null counts as missing.
    """
    codes = [_asset_code(asset) for asset in assets]
    bounds = [None if t is None else _moment(t) for t in (start, end)]
    folder = Path(raw_dir)
    outcomes: list[Outcome] = []
    failed: dict[bool, list[FetchError]] = {True: [], False: []}  # by whether it is optional
    lines: list[str] = []
    with open_client(base_urls, timeout_s=timeout_s, log=log, sleep=sleep, clock=clock) as client:
        local = milliseconds(pd.Timestamp.now("UTC") if now is None else now)
        moment = _now(client, local, log)  # before anything is made: there may be no network
        with _alone(folder):
            run = UpdateRun(folder, client, moment, *bounds, log, read_manifest(folder))
            for asset in codes:
                for name in series:
                    file = File(asset, name, SPECS[name], series_path(folder, asset, name))
                    try:
                        outcome = fetch_file(run, file)
                        outcomes.append(outcome)
                        lacking = outcome.not_fetched
                    except FetchError as error:
                        failed[file.spec.optional].append(error)
                        lacking = {}
                        if file.spec.optional:
                            lacking = dict.fromkeys(file.spec.columns_of(asset), str(error))
                        else:
                            log(f"failed: {error}")
                    lines += _lines(file.path.name, lacking, cost)
    # Where nothing came at all the error below says it, without a line for each cost.
    if outcomes or failed[False]:
        for line in lines:
            log(line)
    errors = failed[False] or ([] if outcomes else failed[True])
    if errors:
        raise errors[0] if len(errors) == 1 else FetchError("\n".join(map(str, errors)))
    return outcomes


def _lines(
    name: str, lacking: Mapping[str, str], cost: Callable[[list[str]], str]
) -> Iterator[str]:
    """One line per reason why columns did not come, with what they cost."""
    for reason in dict.fromkeys(lacking.values()):
        columns = [column for column, why in lacking.items() if why == reason]
        yield f"{name}: not fetched: {cost(columns)}: {reason}"


def _asset_code(asset: str) -> str:
    if not asset.isalnum() or not asset.isascii():
        raise ParameterError(f"asset {asset!r}: should be a code such as BTC")
    return asset.upper()


def _moment(moment: pd.Timestamp | str) -> int:
    try:
        return milliseconds(read_time(moment))
    except ValueError as error:
        raise ParameterError(f"time {moment!r}: {error}") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two downloads into one folder would take each other's pages; the second is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            # On the folder: the lock ends with the process, however it ends, and leaves no file.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FetchError(f"{folder}: another download is at work there") from None
        yield
    finally:
        os.close(handle)


def _now(client: Client, local: int, log: Callable[[str], None]) -> int:
    """Deribit's clock: the local one may be off, and would let open bars in or leave bars out."""
    now = server_time(client)
    if abs(local - now) > _CLOCK_TOLERANCE_MS:
        off = pd.Timedelta(abs(local - now), unit="ms").round("s")
        side = "ahead of" if local > now else "behind"
        log(f"the local clock is {off} {side} Deribit's, which decides what bars are closed")
    return now
