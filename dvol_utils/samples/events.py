"""Events whose time is known in advance: option expiries and releases that move all markets.

Monthly options expire on the last Friday of the month at 08:00 UTC; those of March, June, September
and December are the quarterly ones, which hold most of the open interest.

A release of macroeconomic news is the statement of the Federal Open Market Committee (FOMC) after a
meeting, 14:00 in Washington, or that of the US consumer price index (CPI), 08:30 there. Both are
scheduled months ahead; the lists hold the days on which they came, or are to come, up to
`LAST_RELEASE`.

References
----------
Board of Governors of the Federal Reserve System. FOMC calendars.
https://www.federalreserve.gov/monetarypolicy/fomccalendars.htm

Bureau of Labor Statistics. Schedule of releases for the Consumer Price Index.
https://www.bls.gov/schedule/news_release/cpi.htm

Deribit. Contract Introduction Policy.
https://support.deribit.com/hc/en-us/articles/25944688876957-Contract-Introduction-Policy
"""

from __future__ import annotations

import numpy as np
import pandas as pd

_EXPIRY_TIME = pd.Timedelta(hours=8)
_LAST_FRIDAY = pd.offsets.LastWeekOfMonth(weekday=4)
_REACH = pd.Timedelta(days=40)  # longer than from one monthly expiry to the next
_QUARTERLY = (3, 6, 9, 12)

# Month-day of the FOMC's statements.
_FOMC = {
    2021: "01-27 03-17 04-28 06-16 07-28 09-22 11-03 12-15",
    2022: "01-26 03-16 05-04 06-15 07-27 09-21 11-02 12-14",
    2023: "02-01 03-22 05-03 06-14 07-26 09-20 11-01 12-13",
    2024: "01-31 03-20 05-01 06-12 07-31 09-18 11-07 12-18",
    2025: "01-29 03-19 05-07 06-18 07-30 09-17 10-29 12-10",
    2026: "01-28 03-18 04-29 06-17 07-29 09-16 10-28 12-09",
}
# Month-day of the CPI's releases; October 2025 was never published, and others came late then.
_CPI = {
    2021: "01-13 02-10 03-10 04-13 05-12 06-10 07-13 08-11 09-14 10-13 11-10 12-10",
    2022: "01-12 02-10 03-10 04-12 05-11 06-10 07-13 08-10 09-13 10-13 11-10 12-13",
    2023: "01-12 02-14 03-14 04-12 05-10 06-13 07-12 08-10 09-13 10-12 11-14 12-12",
    2024: "01-11 02-13 03-12 04-10 05-15 06-12 07-11 08-14 09-11 10-10 11-13 12-11",
    2025: "01-15 02-12 03-12 04-10 05-13 06-11 07-15 08-12 09-11 10-24 12-18",
    2026: "01-13 02-13 03-11 04-10 05-12 06-10 07-14 08-12 09-11 10-14 11-10 12-10",
}
_SCHEDULES = ((_FOMC, "14:00"), (_CPI, "08:30"))
LAST_RELEASE = pd.Timestamp("2026-12-10 13:30", tz="UTC")


def option_expiries(
    start: pd.Timestamp, end: pd.Timestamp, *, quarterly: bool = False
) -> pd.DatetimeIndex:
    """Expiry times (UTC) of the monthly or only of the quarterly options, `start` to `end`.

    Parameters
    ----------
    start, end : Timestamp
        First and last moment of interest (UTC), both included.
    quarterly : bool
        Only the expiries of March, June, September and December.
    """
    days = pd.date_range(start.normalize() - _REACH, end.normalize() + _REACH, freq=_LAST_FRIDAY)
    expiries = days + _EXPIRY_TIME
    if quarterly:
        expiries = expiries[expiries.month.isin(_QUARTERLY)]
    return expiries[(expiries >= start) & (expiries <= end)]


def near_expiry(
    times: pd.DatetimeIndex, hours: int, *, quarterly: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Whether options expire within the next hours, and whether they did within the past ones.

    Parameters
    ----------
    times : DatetimeIndex
        Hours (UTC), at least one, in order.
    hours : int
        Length of both windows, at least 1.
    quarterly : bool
        Count only quarterly expiries.

    Returns
    -------
    ahead, behind : ndarray of bool
        Shape (times,). An expiry at t lies behind t, not ahead of it; one `hours` ago no longer
        counts.
    """
    if hours < 1:
        raise ValueError(f"hours: found {hours}; should be at least 1")
    window = pd.Timedelta(hours=hours)
    expiries = option_expiries(times[0] - window, times[-1] + window, quarterly=quarterly)
    known, after, before = (
        expiries.searchsorted(moments, side="right")
        for moments in (times, times + window, times - window)
    )
    return after > known, known > before


def macro_releases() -> pd.DatetimeIndex:
    """Times (UTC) of the FOMC's statements and the CPI's releases, in order."""
    local = [
        f"{year}-{day} {clock}"
        for schedule, clock in _SCHEDULES
        for year, days in schedule.items()
        for day in days.split()
    ]
    return pd.DatetimeIndex(local).tz_localize("America/New_York").tz_convert("UTC").sort_values()


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
        Shape (times,); 0 beyond the last release that is listed.
    """
    if not 0 <= after_hours < hours:
        raise ValueError(f"after_hours: found {after_hours}; should be from 0 to less than {hours}")
    releases = macro_releases()
    near, far = (
        releases.searchsorted(times + pd.Timedelta(hours=h), side="right")
        for h in (after_hours, hours)
    )
    return far - near
