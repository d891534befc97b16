"""What the published numbers mean, in sentences made from the page's tables."""

from __future__ import annotations

import pandas as pd

from dvol_utils.published.comparison import (
    ALL_INPUTS,
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
from dvol_utils.results.published_figures import PUBLISHED_FIGURES
from dvol_utils.wording.numbers import interval_text, number, p_text, percent

_SMALL = 0.006  # what the study calls the same: "under 0.6 %" of R²


def meaning(intervals: pd.DataFrame, steps: pd.DataFrame, hours: int, coverage: float) -> list[str]:
    """The plain answer: claim, worth, why, what the network adds, what is left when leaks go.

    Parameters
    ----------
    intervals : DataFrame
        `comparison.intervals`.
    steps : DataFrame
        `comparison.decomposition`.
    hours : int
        Target hours that the forecasts are compared on.
    coverage : float
        Coverage of the intervals.

    Returns
    -------
    list of str
        Five sentences.
    """
    theirs = PUBLISHED_FIGURES["overall"]
    rmse, r2, skill = (_estimates(intervals, name) for name in ("rmse", "r2", "skill"))
    day, old, hour = (NAIVE[age] for age in (DAY, INFORMATION_AGE, 1))
    # The last two steps both add to the second: see `decomposition`.
    network, level = steps["added"].iloc[-2:]
    ours = metric(intervals, OURS[HAR], "skill")
    return [
        f"What was claimed: that the largest network forecasts DVOL a day ahead with R² "
        f"{theirs['r2']} and RMSE {theirs['rmse']:.2f} points, on {theirs['n']:,} test hours.",
        f"What it is worth: on those hours as rebuilt here ({hours:,}), DVOL a day before the "
        f"target, taken as the forecast, has R² {r2[day]:.3f} and RMSE {rmse[day]:.2f}. The "
        f"published skill against that persistence is {percent(skill['Published'])}: "
        + _ratio(1 - skill["Published"]),
        f"Why the R² is high all the same: the level moves slowly. A rolling mean of 720 hours "
        f"alone has {r2[ROLLING]:.3f}, {_beside(r2[ROLLING], theirs['r2'])} the published figure; "
        f"the published mapping back to points hands it to every forecast. Persistence has "
        f"{r2[old]:.3f} at {INFORMATION_AGE} hours, the age of the newest lagged input, and "
        f"{r2[hour]:.3f} at one hour.",
        f"By the same rules our largest network has RMSE {rmse[REPRODUCED]:.2f}, but its inputs "
        f"reach up to one hour before the target. With lags and on-chain values alone the smallest "
        f"network goes from {rmse[ALL_INPUTS]:.2f} to {rmse[LAGS_ONLY]:.2f}. To the rolling mean "
        f"and the day-old level the largest adds {number(network, '.4f')} of R², where the single "
        f"level one hour before the target adds {number(level, '.4f')}.",
        f"Without the leaks, and with the forecast made a full day ahead, a linear model (HAR + "
        f"calendar) has a skill of {percent(ours['estimate'])} "
        f"({interval_text(ours, coverage, '.1f', 100, ' %')}): {_left(ours)}.",
    ]


def inputs_sentence(intervals: pd.DataFrame) -> str:
    """What the smallest network reaches with fewer inputs, beside persistence."""
    rmse = _estimates(intervals, "rmse")
    names = (*BLIND, NAIVE[INFORMATION_AGE], NAIVE[1])
    listed = "; ".join(f"{name[0].lower()}{name[1:]}: {rmse[name]:.2f}" for name in names)
    return f"RMSE in points by what a forecast could know. {listed[0].upper()}{listed[1:]}."


def spread_title(scores: pd.DataFrame) -> str:
    """How far sizes lie apart, and seeds of one size. `scores` is `seed_scores`."""
    supervision = scores["model"].str.split(", ").str[-1]
    parts = []
    for name, rows in scores.groupby(supervision, sort=False):
        sizes = rows["rmse"].max() - rows["rmse"].min()
        # Seeds beside sizes: a size that differs less than its seeds do is none.
        parts.append(f"{name}: sizes {sizes:.3f} points apart, {_seeds_apart(rows)}")
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
        f"hours survive that test. Flaws that move skill beyond chance, one at a time and each of "
        f"{len(flaws)} differences by itself: {'; '.join(moved) or 'none'}."
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
            f"points of RMSE, {sure} (Diebold-Mariano {p_text(row.p_holm)} after Holm); single "
            f"pairs of seeds: better in {row.better}, worse in {row.worse} of {row.pairs}"
        )
    inside = ", ".join(sets.loc[sets["averaged_in"], "model"])
    sure = tests[tests["p_holm"] < level]
    better, worse = int((sure["gain"] > 0).sum()), int((sure["gain"] <= 0).sum())
    lead = (
        f"Does size help? Of {len(tests)} comparisons of a larger with a smaller network, by their "
        f"mean forecasts, the larger is better beyond chance in {better} and worse in {worse}; "
        if len(tests)
        else "Does size help? One size was trained; "
    )
    return [
        f"{lead}RMSE by supervision, {spread_title(scores)}.",
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
    theirs = PUBLISHED_FIGURES["normal"]["r2"] - PUBLISHED_FIGURES["jump"]["r2"]
    r2, rmse = rows.loc["r2"], rows.loc["rmse"]
    return (
        f"The published R² differs by {100 * theirs:.2f} percentage points between normal and jump "
        f"hours (\u201cunder 0.6 %\u201d); for {model} jump less normal is "
        f"{number(100 * r2['estimate'], '+.2f')} ({interval_text(r2, coverage, '.2f', 100)}), "
        f"{_beside_small(r2)}; RMSE differs by {number(rmse['estimate'], '+.3f')} points "
        f"({interval_text(rmse, coverage, '.3f')})."
    )


def _estimates(intervals: pd.DataFrame, name: str) -> pd.Series:
    return intervals[intervals["metric"] == name].set_index("model")["estimate"]


def _beside_small(gap: pd.Series) -> str:
    if gap["low"] > _SMALL or gap["high"] < -_SMALL:
        return "a larger difference, beyond chance"
    inside = gap["low"] >= -_SMALL and gap["high"] <= _SMALL
    return "so the data " + ("exclude" if inside else "allow") + " larger differences"


def _seeds_apart(scores: pd.DataFrame) -> str:
    if (scores["seeds"] < 2).all():
        return "with one seed each"
    return f"seeds of one size up to {(scores['rmse_high'] - scores['rmse_low']).max():.3f}"


def _beside(value: float, other: float) -> str:
    return "above" if value > other else "below"


def _ratio(ratio: float) -> str:
    if ratio > 1:
        return f"its squared error is {ratio:.1f} times as large."
    return f"its squared error is {ratio:.2f} of that of persistence."


def _left(skill: pd.Series) -> str:
    if skill["low"] > 0:
        return "better than persistence, beyond chance"
    if skill["estimate"] > 0:
        return "better than persistence, but not beyond chance"
    return "worse than persistence" + (", beyond chance" if skill["high"] < 0 else "")
