"""How sure the forecasts are, in sentences."""

from __future__ import annotations

import pandas as pd

from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import number, p_text, percent

# What the 90 % interval should cover on the test rows, overall and in jump hours.
AIMS = {"all": (0.88, 0.92), "jump": (0.85, 0.95)}


def coverage_sentences(overall: pd.DataFrame, regimes: pd.DataFrame, model: str) -> list[str]:
    """Whether a model's 90 % interval covers what it should, overall and in jump hours.

    Parameters
    ----------
    overall, regimes : DataFrame
        `reliability` of the test rows, all together and by `jump_regime`.
    model : str

    Returns
    -------
    list of str
        A sentence on all rows and one on jump hours, each with what was measured.
    """
    if model not in set(overall["model"]):
        return [f"There are no intervals for {label(model)}: too few past errors are known."]
    every, jumps = (
        table[(table["model"] == model) & (table["share"] == "within") & (table["nominal"] == 0.9)]
        for table in (overall, regimes)
    )
    row = every.iloc[0]
    said = [
        f"The 90 % interval of {label(model)} covers {_covered(row)} of the {row['n']:,} test "
        f"rows, {_aim(row, 'all')}."
    ]
    jumps = jumps[jumps["jump_regime"] == "jump"]
    if jumps.empty:
        return [*said, "No test row is in the jump regime."]
    row = jumps.iloc[0]
    return [
        *said,
        f"In the {row['n']:,} jump hours it covers {_covered(row)}, {_aim(row, 'jump')}.",
    ]


def crps_sentence(table: pd.DataFrame, model: str | None) -> str:
    """A model's CRPS beside that of persistence.

    Parameters
    ----------
    table : DataFrame
        `crps_against_persistence` of the test rows.
    model : str or None
    """
    rows = table[table["model"] == model]
    if rows.empty:
        return "There is no CRPS to set beside that of persistence."
    row = rows.iloc[0]
    ends = " to ".join(number(100 * row[end], ".1f") for end in ("low", "high"))
    return (
        f"The CRPS of {label(row['model'])} is {row['crps']:.3f} points against "
        f"{row['persistence_crps']:.3f} of persistence with intervals from its own past errors: a "
        f"skill of {percent(row['crps_skill'])} (interval {ends} %), Diebold-Mariano "
        f"{p_text(row['p_value'])}."
    )


def _covered(row: pd.Series) -> str:
    return f"{percent(row['observed'])} ({percent(row['low'])} to {percent(row['high'])})"


def _aim(row: pd.Series, regime: str) -> str:
    low, high = AIMS[regime]
    aim = f"{100 * low:.0f} to {100 * high:.0f} %"
    if low <= row["observed"] <= high:
        return f"within the {aim} aimed for"
    return f"{'fewer' if row['observed'] < low else 'more'} than the {aim} aimed for"
