"""What the figures of page 04 show, each in a title made from its numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import bounds_text, day, number, percent

_DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


def weekday_title(gains: pd.DataFrame, model: str) -> str:
    """The weekday that brings most of a model's gain, from `gain_by_hour_of_week`."""
    days = gains.groupby("weekday")[["share", "n"]].sum()
    if days["share"].sum() <= 0:
        return f"{label(model)} saves no squared error, so no hour has a share of it"
    most, hours = days["share"].idxmax(), days["n"] / days["n"].sum()
    behind = [_DAYS[weekday] for weekday in days.index[days["share"] < 0]]
    said = (
        f"{percent(days['share'][most])} of the gain of {label(model)} comes from {_DAYS[most]}, "
        f"{percent(hours[most])} of the hours"
    )
    return f"{said}; {' and '.join(behind)}: a loss" if 0 < len(behind) <= 2 else said


def cumulative_title(curve: pd.DataFrame, weeks: pd.DataFrame, model: str) -> str:
    """What a model saved in all, and how much of it in its two best weeks.

    Parameters
    ----------
    curve : DataFrame
        `significance.summed_gain` with its band.
    weeks : DataFrame
        `weekly_losses`.
    model : str
    """
    # `excess` is what was lost: the smallest are the best weeks.
    last, best = curve.iloc[-1], -weeks["excess"].nsmallest(2).sum()
    said = f"{label(model)} saves {number(last['gain'], ',.0f')} points² over the test "
    said += bounds_text(last["low"], last["high"], ",.0f")
    if last["gain"] > 0 and len(weeks) > 2:
        said += f", {percent(best / last['gain'])} of it net in its two best weeks"
    return said


def month_title(months: pd.DataFrame, model: str, least: int) -> str:
    """In how many months that are long enough to judge a model is ahead of persistence."""
    of_model = months[months["model"] == model]
    judged = of_model[of_model["n"] >= least]
    said = f"{label(model)} is ahead of persistence in {(judged['skill'] > 0).sum()} of "
    return said + f"{len(judged)} months of at least {least:,} hours"


def week_kind_titles(kinds: pd.DataFrame) -> dict[pd.Timestamp, str]:
    """A title a week of `telling_weeks`, by its Monday."""
    return {
        row.week: f"{row.kind}, from {day(row.week)}: {number(-row.excess, '+.0f')} points² "
        f"over persistence"
        for row in kinds.itertuples()
    }


def direction_title(shares: Mapping[tuple[int, int], float], correlation: float, model: str) -> str:
    """How often a call was right (`quadrant_shares`), and how far the sizes agree."""
    right = sum(share for (x, y), share in shares.items() if x == y)
    return (
        f"{label(model)} calls {percent(right)} of the moves right; forecast and change correlate "
        f"by {number(correlation, '.2f')}"
    )


def error_title(forecasts: pd.DataFrame, model: str) -> str:
    """The middle and the tail of a model's absolute errors beside persistence's."""
    ends = [
        (rows["y_true"] - rows["y_pred"]).abs().quantile([0.5, 0.95]).to_numpy()
        for rows in (forecasts[forecasts["model"] == name] for name in (model, "persistence"))
    ]
    (middle, tail), (naive_middle, naive_tail) = ends
    return (
        f"|Error| of {label(model)}: median {middle:.2f} points (persistence {naive_middle:.2f}), "
        f"one hour in twenty above {tail:.2f} ({naive_tail:.2f})"
    )


def slope_title(slope: float, error: float, model: str) -> str:
    """What came of each point that a model forecast, by the slope of Mincer and Zarnowitz."""
    # Two standard errors, about what 95 % of chance stays within.
    chance = "within" if abs(slope - 1) < 2 * error else "beyond"
    return (
        f"Of each point of change that {label(model)} forecast, {number(slope, '.2f')} came "
        f"(standard error {error:.2f}): {chance} chance of 1"
    )


def intervals_title(shares: Mapping[str, pd.DataFrame]) -> str:
    """How many shares within intervals differ from what is meant beyond chance: `reliability`."""
    rows = pd.concat(table.assign(group=group) for group, table in shares.items())
    rows = rows[rows["share"] == "within"]
    gap = rows["observed"] - rows["nominal"]
    apart = rows[(rows["low"] > rows["nominal"]) | (rows["high"] < rows["nominal"])]
    far = rows.iloc[int(np.argmax(np.abs(gap)))]
    group = " ".join(str(far["group"]).split("\n")[:1])
    differ = "differs" if len(apart) == 1 else "differ"
    return (
        f"{len(apart) or 'None'} of {len(rows)} shares {differ} from what is meant beyond chance; "
        f"farthest: {percent(far['observed'])} in the {100 * far['nominal']:.0f} % interval "
        f"({group})"
    )


def ranking_title(skills: pd.DataFrame, best: str) -> str:
    """What became of the chosen model's skill, and its place: `model, validation, test`."""
    skill = skills.set_index("model").loc[best]
    place = int((skills["test"] > skill["test"]).sum()) + 1
    return (
        f"{label(best)}, chosen on validation rows, is number {place} of {len(skills)} on test "
        f"rows: skill {percent(skill['validation'])} there, {percent(skill['test'])} here"
    )
