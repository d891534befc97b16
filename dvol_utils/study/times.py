"""The one reader of times that people write: on a command line, in SET, in a study's file."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import pandas as pd

VALID = "should be ISO 8601, such as 2024-11-22 05:00 (UTC), 2024-11-22T05:00+02:00 or 2024-11-22"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Hours and minutes, perhaps seconds; an offset in hours, perhaps minutes, or Z.
_TIME = re.compile(
    _DAY.pattern + r"([Tt ][0-9]{2}(:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?)?"
    r"([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
_YEARS = range(1970, 2300)  # beyond them it is a slip of the pen


def read_time(value: Any, *, now: bool = False) -> pd.Timestamp:
    """A moment as people write it.

    Parameters
    ----------
    value : str, datetime, date or Timestamp
        Text in the extended form of ISO 8601, at least a day, with an offset or in UTC. A number is
        no time: nothing says whether it counts seconds, milliseconds or days.
    now : bool
        Whether `now` is a time here, too: the present moment, not that of a study's file, which
        would be another study every hour.

    Returns
    -------
    Timestamp
        In UTC.

    Raises
    ------
    ValueError
        It is something else; the message says what is valid.
    """
    valid = VALID + (", or now" if now else "")
    if now and value == "now":
        return pd.Timestamp.now("UTC")
    if isinstance(value, str) and not _TIME.fullmatch(value.strip()):
        raise ValueError(f"{valid}")
    if not isinstance(value, str | date):  # a datetime is a date, and a Timestamp a datetime
        raise ValueError(f"{valid}; a number is no time")
    try:
        text = isinstance(value, str)
        # Upper case: fromisoformat takes neither "t" nor "z".
        time = pd.Timestamp(datetime.fromisoformat(value.strip().upper()) if text else value)
        time = time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")
    except ValueError as error:  # a month of 13, a day of 31 in June
        raise ValueError(f"{valid}: {error}") from None
    if time is pd.NaT or time.year not in _YEARS:
        raise ValueError(f"{valid}, from 1970 on and before 2300")
    return time


def read_day(value: Any) -> date:
    """A day as people write it, 2024-11-22; ValueError where it is something else."""
    valid = "should be a day in ISO 8601, such as 2024-11-22"
    # A datetime is a date to Python, and would lose its hour here.
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value.strip()):
        raise ValueError(valid)
    try:
        return date.fromisoformat(value.strip())
    except ValueError as error:
        raise ValueError(f"{valid}: {error}") from None
