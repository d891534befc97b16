"""What each test found, in a sentence or two made from its table."""

from __future__ import annotations

import pandas as pd
from scipy.stats import binomtest

from dvol_utils.results.judging import LEVEL
from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import number, p_text, percent


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
        f"{number(top['statistic'], '.2f')} standard errors, and the best of {len(superior)} "
        f"models without any gain reaches as much in {chance} of samples."
    )
    white = superior["p_reality_check"].min()
    if (white < LEVEL) == (top["p_value"] < LEVEL):
        return f"{best} White's reality check agrees ({p_text(white)})."
    return (
        f"{best} White's reality check gives {p_text(white)}: it weighs gains in squared points "
        "alike, however uncertain they are."
    )


def conditional_finding(conditional: pd.DataFrame) -> str:
    """Whether the past tells which of two models will be better, from `giacomini_white_pairs`."""
    if conditional.empty:
        return "The study has no such pair of models."
    told = conditional[conditional["p_value"] < LEVEL]
    among = f"{len(conditional)} pairs"
    if told.empty:
        return (
            f"In none of {among} can the better model be told, on average or from the last known "
            f"difference (smallest {p_text(conditional['p_value'].min())})."
        )
    listed = "; ".join(
        f"{label(row.model_a)} against {label(row.model_b)} ({p_text(row.p_value)}, the first is "
        f"expected to be better in {percent(row.expected_better)} of hours)"
        for row in told.itertuples()
    )
    return f"In {len(told)} of {among} the better model can be told at p < {LEVEL}: {listed}."


def nested_finding(nested: pd.DataFrame) -> str:
    """How many larger models hold something the smaller lacks, from `clark_west_pairs`."""
    if nested.empty:
        return "The study has no nested models."
    gained = nested[nested["p_value"] < LEVEL]
    smaller = int((gained["mean_difference"] < 0).sum())
    found = f"{len(gained)} of {len(nested)} larger models hold something the smaller lacks"
    if gained.empty:
        return f"{found} at p < {LEVEL}."
    if smaller == len(gained):
        return f"{found} at p < {LEVEL}, and all of these have the smaller error on the test rows."
    return (
        f"{found} at p < {LEVEL}, but only {smaller} of these have the smaller error on the test "
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
    if abs(row["slope"] - 1) < 2 * row["slope_se"]:
        return f"{who} cannot be taken at face value, they are off on average: {line}."
    return (
        f"{who} cannot be taken at face value, the changes they foretell are {size} than those "
        f"that come: {line}."
    )


def month_finding(months: pd.DataFrame, model: str) -> str:
    """In how many months a model is ahead of persistence, from `monthly_skill`.

    Notes
    -----
    The sign test asks how often as many months would come out ahead if each were a toss of a coin:
    one-sided, every month alike however many rows it holds.
    """
    own = months[(months["model"] == model) & months["skill"].notna()]
    if own.empty:
        return "Persistence is the only model, so no month speaks for another."
    ahead, beyond = int((own["skill"] > 0).sum()), int((own["low"] > 0).sum())
    tested = own[own["p_holm"] < LEVEL]
    better = int((tested["skill"] > 0).sum())
    chance = binomtest(ahead, len(own), alternative="greater").pvalue
    best, worst = own.loc[own["skill"].idxmax()], own.loc[own["skill"].idxmin()]
    return (
        f"{label(model)} is ahead of persistence in {ahead} of {len(own)} months; were each month "
        f"a toss of a coin, as many or more would be ahead with {p_text(chance)}. Its interval "
        f"lies above zero in {beyond or 'none'} of them; after Holm's correction over the months "
        f"it is better at p < {LEVEL} in {better or 'none'}. Its best month is "
        f"{best['month']:%Y-%m} (skill {percent(best['skill'])}), its worst {worst['month']:%Y-%m} "
        f"({percent(worst['skill'])})."
    )
