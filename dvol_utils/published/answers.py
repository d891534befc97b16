"""What the published numbers mean, in sentences made from the page's tables."""

from __future__ import annotations

import pandas as pd

from dvol_utils.published.comparison import (
    BLIND,
    LAGS_ONLY,
    NAIVE,
    OURS,
    REPRODUCED,
    ROLLING,
    metric,
)
from dvol_utils.published.flaws import beyond_chance
from dvol_utils.published.hours import DAY, INFORMATION_AGE
from dvol_utils.published.variants import HAR
from dvol_utils.results.published import PUBLISHED
from dvol_utils.results.words import interval_text, number, p_text, percent


def meaning(intervals: pd.DataFrame, steps: pd.DataFrame, coverage: float) -> list[str]:
    """The plain answer: claim, worth, why, what the network adds, what is left when leaks go.

    Parameters
    ----------
    intervals : DataFrame
        `comparison.intervals`.
    steps : DataFrame
        `comparison.decomposition`.
    coverage : float
        Coverage of the intervals.

    Returns
    -------
    list of str
        Five sentences.
    """
    theirs = PUBLISHED["overall"]
    day, old = NAIVE[DAY], NAIVE[INFORMATION_AGE]
    naive = {name: metric(intervals, name, "r2")["estimate"] for name in (day, old, NAIVE[1])}
    rmse = metric(intervals, day, "rmse")["estimate"]
    theirs_skill = metric(intervals, "Published", "skill")["estimate"]
    mean = metric(intervals, ROLLING, "r2")["estimate"]
    above = "above" if mean > theirs["r2"] else "below"
    ours = metric(intervals, OURS[HAR], "skill")
    network, level = steps["added"].iloc[-2:]
    reproduced = metric(intervals, REPRODUCED, "rmse")["estimate"]
    lagged = metric(intervals, LAGS_ONLY, "rmse")["estimate"]
    return [
        f"The published R² of {theirs['r2']} and RMSE of {theirs['rmse']:.2f} points sound strong, "
        f"but on the same hours DVOL a day before the target, taken as the forecast, has R² "
        f"{naive[day]:.3f} and RMSE {rmse:.2f}.",
        f"Against that persistence the published skill is {percent(theirs_skill)}: "
        + _worse(1 - theirs_skill),
        f"R² is high because the level moves slowly: a rolling mean of 720 hours alone, which the "
        f"published mapping back to points hands to every forecast, has {mean:.3f}, {above} the "
        f"published figure, and persistence has {naive[old]:.3f} at {INFORMATION_AGE} hours, the "
        f"age of the newest lagged input, and {naive[NAIVE[1]]:.3f} at one hour.",
        f"By the same rules our network reaches RMSE {reproduced:.2f}, for some of its inputs know "
        f"what happened up to one hour before the target: with lags and on-chain values alone it "
        f"has {lagged:.2f}, and to the rolling mean and the day-old level the network adds "
        f"{number(network, '.4f')} of R² where the single level one hour before adds "
        f"{number(level, '.4f')}.",
        f"Without the leaks, and with the forecast made a full day ahead, "
        f"a linear model (HAR + calendar) has a skill of {percent(ours['estimate'])} "
        f"({interval_text(ours, coverage, '.1f', 100, ' %')}): " + _left(ours),
    ]


def inputs_sentence(intervals: pd.DataFrame) -> str:
    """What the smallest network reaches with fewer inputs, beside persistence."""
    rmse = [
        f"{name[0].lower()}{name[1:]} {metric(intervals, name, 'rmse')['estimate']:.2f}"
        for name in (*BLIND, NAIVE[INFORMATION_AGE], NAIVE[1])
    ]
    listed = ", ".join(rmse)
    return f"RMSE in points of the smallest network by its inputs, and of persistence: {listed}."


def spread_title(scores: pd.DataFrame) -> str:
    """How far sizes lie apart, and seeds of one size. `scores` is `seed_scores`."""
    supervision = scores["model"].str.split(", ").str[-1]
    parts = []
    for name, rows in scores.groupby(supervision, sort=False):
        sizes = rows["rmse"].max() - rows["rmse"].min()
        seeds = (rows["rmse_high"] - rows["rmse_low"]).max()
        parts.append(f"{name}: sizes {sizes:.3f} points apart, seeds up to {seeds:.3f}")
    return "; ".join(parts)


def flaws_sentence(flaws: pd.DataFrame, rules: pd.DataFrame) -> str:
    """The flaws that move skill beyond chance, and the jump rule, in words."""
    apart = flaws[beyond_chance(flaws)]
    moved = [
        f"{row.flaw} ({row.model}: {number(100 * row.estimate, '+.1f')} percentage points)"
        for row in apart.itertuples()
    ]
    union, real = rules.iloc[-2], rules.iloc[-1]
    return (
        f"The published jump rule flags {percent(union['share'])} of the hours, the test it is "
        f"named after {percent(real['share'])}; {union['survive']:,} of {union['hours']:,} flagged "
        f"hours survive that test. Flaws that move skill beyond chance, one at a time: "
        f"{'; '.join(moved) or 'none'}."
    )


def size_answer(
    scores: pd.DataFrame, tests: pd.DataFrame, sets: pd.DataFrame, level: float
) -> list[str]:
    """Whether size helps: mean forecasts, single forecasts, confidence sets.

    Parameters
    ----------
    scores, tests, sets : DataFrame
        `seed_scores`, `size_tests` and `confidence_sets`.
    level : float
        Level of the tests.
    """
    sentences = []
    for row in tests.itertuples():
        word = "better" if row.gain > 0 else "worse"
        sure = "beyond chance" if row.p_holm < level else "not beyond chance"
        sentences.append(
            f"{row.larger} is {word} than {row.smaller.split(',')[0]} by {abs(row.gain):.3f} "
            f"points of RMSE, {sure} ({p_text(row.p_holm)} after Holm); single pairs of seeds: "
            f"better in {row.better}, worse in {row.worse} of {row.pairs}"
        )
    helps = tests[(tests["gain"] > 0) & (tests["p_holm"] < level)]
    lead = "no step" if helps.empty else f"{len(helps)} of {len(tests)} steps"
    spread = (scores["rmse_high"] - scores["rmse_low"]).max()
    inside = ", ".join(sets.loc[sets["averaged_in"], "model"])
    return [
        f"Size helps beyond chance in {lead} of the ladder; the largest spread between seeds of "
        f"one size is {spread:.3f} points.",
        f"{'; '.join(sentences)}." if sentences else "One size was trained: nothing to compare.",
        f"The model confidence set of the mean forecasts holds {inside}.",
    ]


def regime_sentence(gaps: pd.DataFrame, model: str, coverage: float) -> str:
    """Jump less normal hours: R² as published, and RMSE, with intervals.

    `gaps` is `regime_difference` of `r2` and `rmse`.
    """
    rows = gaps[gaps["model"] == model].set_index("metric")
    if rows["estimate"].isna().any():
        return "Regimes cannot be compared: one of them has no hours."
    theirs = PUBLISHED["normal"]["r2"] - PUBLISHED["jump"]["r2"]
    r2, rmse = rows.loc["r2"], rows.loc["rmse"]
    return (
        f"The published R² differs by {100 * theirs:.2f} percentage points between normal and jump "
        f"hours (\u201cunder 0.6 %\u201d); for {model} jump less normal is "
        f"{number(100 * r2['estimate'], '+.2f')} ({interval_text(r2, coverage, '.2f', 100)}), so "
        f"the data "
        + ("allow" if r2["low"] < -0.006 or r2["high"] > 0.006 else "exclude")
        + f" larger differences; RMSE differs by {number(rmse['estimate'], '+.3f')} points "
        f"({interval_text(rmse, coverage, '.3f')})."
    )


def _worse(ratio: float) -> str:
    if ratio > 1:
        return f"its squared error is {ratio:.1f} times as large."
    return "it improves on it."


def _left(skill: pd.Series) -> str:
    if skill["low"] > 0:
        return "small, but beyond chance."
    return "better than persistence, but not beyond chance." if skill["estimate"] > 0 else "none."
