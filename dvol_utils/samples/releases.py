"""Releases of news that move all markets, known in advance: `releases.csv` beside this module.

A release is the statement of the Federal Open Market Committee (FOMC) after a meeting, or that of
the US consumer price index (CPI). The table has one row per release: `release`, `date` and `time`
in Washington, `status` and `source`. Status `announced` is a day on which it came, or that its
publisher has named; `candidate` a day that others expect. A `disputed` day, on which lists differ,
counts for nothing, and the list of its kind ends before it.

References
----------
Board of Governors of the Federal Reserve System. FOMC calendars.
https://www.federalreserve.gov/monetarypolicy/fomccalendars.htm

Bureau of Labor Statistics. Schedule of releases for the Consumer Price Index.
https://www.bls.gov/schedule/news_release/cpi.htm
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

RELEASES = Path(__file__).with_suffix(".csv")
STATUSES = ("announced", "candidate", "disputed")
LOOK_AHEAD_HOURS = 48  # the market prices a release for about two days before it


@cache
def releases() -> pd.DataFrame:
    """The table of releases.

    Returns
    -------
    DataFrame
        `release` (FOMC, CPI), `time` (UTC), `status`, `source`, in order of time.
    """
    table = pd.read_csv(RELEASES, dtype=str)
    local = pd.to_datetime(table["date"] + " " + table["time"])
    times = local.dt.tz_localize("America/New_York").dt.tz_convert("UTC")
    columns = ["release", "time", "status", "source"]
    return table.assign(time=times).sort_values("time", ignore_index=True)[columns]


def macro_releases() -> pd.DatetimeIndex:
    """Times (UTC) of all releases that count, in order."""
    table = releases()
    return pd.DatetimeIndex(table.loc[table["status"] != "disputed", "time"])


def releases_ahead(times: pd.DatetimeIndex, hours: int, after_hours: int = 0) -> np.ndarray:
    """Number of macroeconomic releases due after each hour.

    Parameters
    ----------
    times : DatetimeIndex
        Hours (UTC).
    hours : int
        Releases up to this many hours after a time count.
    after_hours : int
        Those up to so many hours after it do not.

    Returns
    -------
    ndarray of int
        Shape (times,); 0 beyond the last release that is listed, see `release_notes`.
    """
    if not 0 <= after_hours < hours:
        raise ValueError(f"after_hours: found {after_hours}; should be from 0 to less than {hours}")
    due = macro_releases()
    near, far = (
        due.searchsorted(times + pd.Timedelta(hours=h), side="right") for h in (after_hours, hours)
    )
    return far - near


def listed_until() -> dict[str, pd.Timestamp]:
    """By kind of release, the last that is listed (UTC) before any disputed one."""
    ends = {}
    for kind, of_release in releases().groupby("release", sort=False):
        certain = (of_release["status"] != "disputed").cummin()
        ends[str(kind)] = of_release.loc[certain, "time"].iloc[-1]
    return ends


def release_notes(first: pd.Timestamp, last: pd.Timestamp) -> list[str]:
    """What hours from `first` to `last` (UTC) do not know of releases, a sentence each.

    No sentence where every release is announced that falls due up to `LOOK_AHEAD_HOURS` after the
    last of them.
    """
    seen = last + pd.Timedelta(hours=LOOK_AHEAD_HOURS)
    ends = {kind: end for kind, end in listed_until().items() if end < seen}
    ended = [f"{kind} at {end:%Y-%m-%d %H:%M}" for kind, end in ends.items()]
    notes = []
    if ended:
        notes.append(
            f"The list of releases ends before these hours do ({'; '.join(ended)} UTC): from there "
            "the inputs macro_ahead and macro_later take every day for one without that news. "
            f"Add later days to dvol_utils/samples/{RELEASES.name}."
        )
    table = releases()
    expected = table[(table["status"] == "candidate") & table["time"].between(first, seen)]
    if len(expected):
        days = [f"{row.release} {row.time:%Y-%m-%d}" for row in expected.itertuples()]
        notes.append(
            f"Days of releases that were expected, not announced, when the list was made: "
            f"{', '.join(days)}."
        )
    return notes
