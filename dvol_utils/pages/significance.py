"""What each test found, in a sentence or two made from its table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.results.judging import LEVEL
from dvol_utils.study.model_names import label
from dvol_utils.wording.columns import LOSS_NAMES
from dvol_utils.wording.numbers import number, p_text, percent

# What the 90 % interval should cover on the test rows, overall and in jump hours.
AIMS = {"all": (0.88, 0.92), "jump": (0.85, 0.95)}


def joint_finding(superior: pd.DataFrame) -> str:
    """Whether any model beats persistence, from `superior_ability`."""
    if superior.empty:
        return "Persistence is the only model, so there is nothing to compare."
    top = superior.loc[superior["statistic"].idxmax()]
    if top["p_value"] < LEVEL:
        lead = "Allowing for the choice among all models, persistence is beaten beyond chance"
    else:
        lead = "Allowing for the choice among all models, nothing beats persistence beyond chance"
    if top["mean_gain"] <= 0:
        return f"{lead}: none of the {len(superior)} has the smaller error."
    chance = "less than 0.1 %" if top["p_value"] < 0.001 else percent(top["p_value"])
    best = (
        f"{lead}: {label(top['model'])} has the most certain gain, "
        f"{number(top['statistic'], '.2f')} standard errors. The best of {len(superior)} "
        f"models without any gain reaches as much in {chance} of samples."
    )
    white = superior["p_reality_check"].min()
    if (white < LEVEL) == (top["p_value"] < LEVEL):
        return f"{best} White's reality check agrees ({p_text(white)})."
    return (
        f"{best} White's reality check gives {p_text(white)}: it weighs gains in squared points "
        "alike, however uncertain they are."
    )


def time_finding(table: pd.DataFrame, model: str) -> str:
    """How long until a model's gains are known, from `time_to_know`: one sentence per loss."""
    said = []
    for row in table.itertuples():
        lead = f"By {LOSS_NAMES[row.loss]}"
        settles = f"a year of hours settles a gain of {percent(row.year_1)}"
        # Written so that a missing gain is none.
        if not row.loss_gain > 0:
            said.append(f"{lead}, {settles}; {label(model)} shows none.")
        elif np.isinf(row.months_needed):
            said.append(
                f"{lead}, {settles}; the {percent(row.loss_gain)} seen are too few to know."
            )
        else:
            needed = number(row.months_needed, ".0f")
            more = "which are there" if row.months_more == 0 else f"{row.months_more:.0f} more"
            seen = f"the {percent(row.loss_gain)} seen need {needed} months"
            said.append(f"{lead}, {settles}; {seen}, {more}.")
    return " ".join(said)


def conditional_finding(conditional: pd.DataFrame) -> str:
    """Whether the past tells which of two models will be better.

    `conditional` is `giacomini_white_pairs` with `p_holm`, over its pairs.
    """
    if conditional.empty:
        return "The study has no such pair of models."
    apart = conditional[conditional["p_holm"] < LEVEL]
    among = f"{len(conditional)} pairs"
    if apart.empty:
        return (
            f"The models of none of {among} can be told apart, on average or from the last known "
            f"difference (smallest {p_text(conditional['p_holm'].min())} after Holm's correction)."
        )
    listed = "; ".join(
        f"{label(row.model_a)} and {label(row.model_b)} ({p_text(row.p_holm)}; the first is "
        f"expected to be better in {percent(row.expected_better)} of hours)"
        for row in apart.itertuples()
    )
    counted = f"The models of {len(apart)} of {among} can be told apart after Holm's correction"
    return f"{counted}: {listed}."


def nested_finding(nested: pd.DataFrame) -> str:
    """How many larger models hold something the smaller lacks, from `clark_west_pairs`."""
    if nested.empty:
        return "The study has no nested models."
    gained = nested[nested["p_value"] < LEVEL]
    smaller = int((gained["mean_difference"] < 0).sum())
    held = f"{len(gained)} of {len(nested)} larger models hold something the smaller lacks"
    if gained.empty:
        return f"{held} at p < {LEVEL}."
    if smaller == len(gained):
        return f"{held} at p < {LEVEL}, and all of these have the smaller error on the test rows."
    return (
        f"{held} at p < {LEVEL}, but only {smaller} of these have the smaller error on the test "
        "rows: the others lose by the noise of their weights what they know."
    )


def unbiased_finding(unbiased: pd.DataFrame, model: str | None) -> str:
    """Whether a model's forecasts can be taken at face value, from `unbiasedness_test`."""
    rows = unbiased[(unbiased["model"] == model) & unbiased["slope"].notna()]
    if rows.empty:
        return "No model that was chosen on validation rows forecasts a change."
    row = rows.iloc[0]
    size = "larger" if row["slope"] < 1 else "smaller"
    line = (
        f"the slope is {number(row['slope'], '.2f')} (standard error "
        f"{number(row['slope_se'], '.2f')}), the intercept {number(row['intercept'], '.2f')} "
        f"points, {p_text(row['p_value'])}"
    )
    if row["p_value"] >= LEVEL:
        return (
            f"Nothing speaks against taking forecasts of {label(row['model'])} as they are: {line}."
        )
    who = f"Forecasts of {label(row['model'])}"
    # The slope is near 1, so that it is the level that is off.
    if abs(row["slope"] - 1) < 2 * row["slope_se"]:
        return f"{who} cannot be taken at face value, they are off on average: {line}."
    return (
        f"{who} cannot be taken at face value, the changes they foretell are {size} than those "
        f"that come: {line}."
    )


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
