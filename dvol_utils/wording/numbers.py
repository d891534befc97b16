"""Numbers, p-values, intervals, times and durations as readers see them, each written here alone.

A minus sign is a true one, which text does not break after; nothing is written as minus zero, no
p-value as zero; a missing number is `MISSING`. Times are UTC and shown to the minute.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

MISSING = "–"
TIME_FORM = "%Y-%m-%d %H:%M"
_SMALLEST_P = 0.001


def number(value: float, form: str) -> str:
    """A number in a format such as `.1f`."""
    text = f"{value:{form}}"
    # Nothing left but zeros and marks: minus zero loses its sign.
    return (text if text.strip("-0.,") else text.lstrip("-")).replace("-", "\N{MINUS SIGN}")


def written(value: float, decimals: int) -> str:
    """A number of a table: rounded, with commas at thousands, a dash where it is missing."""
    return MISSING if pd.isna(value) else number(value, f",.{decimals}f")


def digits(value: float, count: int) -> str:
    """A number to so many significant digits, a dash where it is missing."""
    return MISSING if pd.isna(value) else number(value, f".{count}g")


def in_percent(share: float | None) -> float | None:
    """A share as a percentage, not yet written; None where it is missing."""
    return None if share is None else 100 * share


def percent(share: float) -> str:
    """A share as a percentage."""
    return f"{number(100 * share, '.1f')} %"


def coverage_text(coverage: float) -> str:
    """What part of all cases an interval is meant to cover."""
    return f"{100 * coverage:g} %"


def p_text(p: float) -> str:
    """A p-value in a sentence."""
    return "p < 0.001" if p < _SMALLEST_P else f"p = {p:.3f}"


def written_p(p: float) -> str:
    """A p-value of a table, whose head says that it is one; a dash where it is missing."""
    return f"< {_SMALLEST_P:g}" if p < _SMALLEST_P else written(p, 3)


def short_p(p: float) -> str:
    """A p-value in a cell of a figure, which has room for four letters."""
    return written_p(p).replace(" ", "").replace("0.", ".")


def interval_text(
    row: pd.Series, coverage: float, form: str, scale: float = 1, unit: str = ""
) -> str:
    """`low` and `high` of a row with the interval's coverage, in a sentence."""
    low, high = (number(scale * row[end], form) for end in ("low", "high"))
    return f"{coverage_text(coverage)} interval {low} to {high}{unit}"


def bounds_text(low: float, high: float, form: str) -> str:
    """The ends of an interval in brackets, on one line of a cell: its spaces do not break."""
    return f"({number(low, form)}\u00a0to\u00a0{number(high, form)})"


def hours_text(hours: int) -> str:
    """A number of hours in words."""
    return f"{hours:,} hour" if hours == 1 else f"{hours:,} hours"


def hour(time: Any) -> str:
    """A time, or its ISO text."""
    return f"{pd.Timestamp(time):{TIME_FORM}}"


def day(time: Any) -> str:
    """The day of a time, or of its ISO text."""
    return f"{pd.Timestamp(time):%Y-%m-%d}"


def duration_text(seconds: float) -> str:
    """How long something took."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def persistence_sentence(hours: int, late_hours: int | None) -> str:
    """What persistence is in a study, and whether its models know more.

    Parameters
    ----------
    hours : int
        Age of the level at the target, `persistence_hours` of the study.
    late_hours : int or None
        `late_hours` of the study.
    """
    known = f"Persistence is DVOL {hours_text(hours)} before the target"
    if late_hours is None:
        return f"{known}, at the forecast's origin."
    return (
        f"{known}, the day that the study's forecasts are meant to look ahead. The inputs of its "
        f"models reach up to {hours_text(late_hours)} before the target, so a model that is better "
        "than persistence here has not thereby forecast a day ahead. Regimes are those of the row "
        f"{hours_text(late_hours)} before the target."
    )
