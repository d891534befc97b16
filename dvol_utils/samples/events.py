"""Events whose time is known in advance: option expiries.

Monthly options expire on the last Friday of the month at 08:00 UTC; those of March, June, September
and December are the quarterly ones, which hold most of the open interest.

References
----------
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
    placed, after, before = (
        expiries.searchsorted(moments, side="right")
        for moments in (times, times + window, times - window)
    )
    return after > placed, placed > before
