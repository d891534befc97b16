"""Where the chosen model wins and loses, in sentences made from the tables of `results.where`."""

from __future__ import annotations

import pandas as pd

from dvol_utils.results.where import Where
from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import (
    bounds_text,
    day,
    hours_text,
    interval_text,
    number,
    percent,
)

_NAMED_WEEKS = 2
_HOUR = "hour, UTC"
_MUCH = 2  # times its part of the hours


def where_sentences(where: Where, coverage: float, regime_hours: int) -> list[str]:
    """Where the gain comes from: weekday, direction, weeks, level, jumps, and a caution.

    Parameters
    ----------
    where : Where
    coverage : float
        Coverage of its intervals.
    regime_hours : int
        Hours that the jump regime lasts after a jump.
    """
    without = where.without.set_index("without")
    whole = without.loc["all"]
    days, weeks = (_of_kind(where.parts, kind) for kind in ("weekday", "week"))
    said = []
    if not whole["skill"] > 0:
        said.append(
            f"{label(where.model)} gains nothing over persistence on these hours, so no part of "
            "them has a share of the gain."
        )
    if "best_weekday" in without.index:
        said += _on_weekdays(days, whole, without.loc["best_weekday"], coverage)
    if "best_two_weeks" in without.index:
        said.append(_on_weeks(weeks, without, coverage))
    if whole["skill"] > 0:
        said.append(_on_regimes(where.parts, regime_hours))
    said.append("Days and weeks are picked after the fact: they tell what the gain rests on.")
    return said


def where_line(where: Where) -> str:
    """What most of the gain comes from, for the first page; empty without a gain."""
    without = where.without.set_index("without")
    whole = without.loc["all", "skill"]
    if not whole > 0 or "best_weekday" not in without.index:
        return ""
    top = _best(_of_kind(where.parts, "weekday"))
    share = "More than all" if top["gain_share"] > 1 else _whole(top["gain_share"])
    # Against its part of the hours: a seventh of them may well hold a seventh of the gain.
    much = top["gain_share"] > _MUCH * top["hours_share"]
    line = (
        f"**{'Much of it rests on a few days.' if much else 'It is spread over the week.'}** "
        f"{share} of the gain comes from forecasts made on {top['group']}s, "
        f"{_whole(top['hours_share'])} of the hours; without them the skill is "
        f"{percent(without.loc['best_weekday', 'skill'])} in place of {percent(whole)}"
    )
    if "best_two_weeks" in without.index:
        rest = without.loc["best_two_weeks", "skill"]
        line += f", and without the best two weeks {percent(rest)}"
    return f"{line}."


def where_title(where: Where) -> str:
    """The finding as a figure's title."""
    top = _best(_of_kind(where.parts, "weekday"))
    if not where.without["skill"].iloc[0] > 0:
        return f"{label(where.model)} gains nothing over persistence here"
    return (
        f"{top['group']}s hold {_whole(top['gain_share'])} of the gain in "
        f"{_whole(top['hours_share'])} of the hours"
    )


def readable_parts(where: Where) -> pd.DataFrame:
    """All parts with readers' names, and percentages in place of shares; weeks left out."""
    table = where.parts[where.parts["kind"] != "week"]
    shares = ["hours_share", "part", "low", "high", "gain_share", "skill", "direction"]
    table = table.assign(**{name: 100 * table[name] for name in shares})
    names = {"n": "hours", "part": "part of the skill_pct"}
    heads = {
        "kind": "by",
        "hours_share": "of the hours_pct",
        "low": "part, low_pct",
        "high": "part, high_pct",
        "gain_share": "of the gain_pct",
        "skill": "skill within_pct",
        "direction": "direction right_pct",
    }
    named = {"level_regime": "level of DVOL", "jump_regime": "jump regime", "hour": _HOUR}
    return table.replace({"kind": named}).rename(columns=names | heads)


def shown_parts(where: Where) -> pd.DataFrame:
    """The same without hours of the day, which the figure has; parts with their intervals."""
    table = readable_parts(where)
    table = table[table["by"] != _HOUR]
    ends = [table[name] for name in ("part of the skill_pct", "part, low_pct", "part, high_pct")]
    parts = [
        f"{number(part, '.1f')} {bounds_text(low, high, '.1f')}"
        for part, low, high in zip(*ends, strict=True)
    ]
    columns = ["by", "group", "of the hours_pct", "of the gain_pct", "part of the skill_pct"]
    columns += ["skill within_pct", "direction right_pct"]
    return table.assign(**{"part of the skill_pct": parts})[columns]


def readable_without(where: Where) -> pd.DataFrame:
    """`skill_without` with readers' names, and percentages in place of shares."""
    names = {
        "all": "nothing",
        "best_weekday": "the best weekday",
        "best_two_weeks": "the best two weeks",
        "best_and_worst_two_weeks": "the best two and the worst two weeks",
    }
    table = where.without.replace({"without": names})
    shares = ["skill", "low", "high", "direction"]
    table = table.assign(**{name: 100 * table[name] for name in shares})
    heads = {"n": "hours", "left_out": "which", "without": "left out"}
    return table.rename(columns=heads | {name: f"{name}_pct" for name in shares})


def _of_kind(parts: pd.DataFrame, kind: str) -> pd.DataFrame:
    return parts[parts["kind"] == kind].reset_index(drop=True)


def _best(parts: pd.DataFrame) -> pd.Series:
    return parts.loc[parts["part"].idxmax()]


def _on_weekdays(
    days: pd.DataFrame, whole: pd.Series, without: pd.Series, coverage: float
) -> list[str]:
    top, rest = _best(days), f"without {_best(days)['group']}s"
    share = ""
    if whole["skill"] > 0:
        share = (
            f": {_whole(top['gain_share'])} of the gain over persistence from "
            f"{_whole(top['hours_share'])} of the hours"
        )
    said = [
        f"Forecasts made on {top['group']}s gain most{share}. The skill {rest} is "
        f"{percent(without['skill'])} ({interval_text(without, coverage, '.1f', 100, ' %')}) in "
        f"place of {percent(whole['skill'])}."
    ]
    called = days.dropna(subset=["direction"])
    if len(called):
        high = called.loc[called["direction"].idxmax()]
        low = called.loc[called["direction"].idxmin()]
        said.append(
            f"The direction is right in {percent(high['direction'])} of the moves from "
            f"{high['group']}s, in {percent(low['direction'])} from {low['group']}s, in "
            f"{percent(without['direction'])} {rest} and in {percent(whole['direction'])} on all "
            "hours."
        )
    return said


def _on_weeks(weeks: pd.DataFrame, without: pd.DataFrame, coverage: float) -> str:
    best = weeks.sort_values("part", ascending=False, kind="stable").head(_NAMED_WEEKS)
    named = " and ".join(day(week) for week in sorted(best["group"]))
    # Missing as a whole where there is no gain to have a share of.
    share = best["gain_share"].sum(skipna=False)
    held = f" hold {_whole(share)} of the gain." if pd.notna(share) else " gain most."
    less, both = (without.loc[name] for name in ("best_two_weeks", "best_and_worst_two_weeks"))
    return (
        f"The two best weeks, from {named},{held} Without them the skill is "
        f"{percent(less['skill'])} ({interval_text(less, coverage, '.1f', 100, ' %')}), and "
        f"{percent(both['skill'])} where the two worst are left out as well."
    )


def _on_regimes(parts: pd.DataFrame, regime_hours: int) -> str:
    levels = _of_kind(parts, "level_regime")
    jumps = _of_kind(parts, "jump_regime").set_index("group")
    listed = ", ".join(
        f"{_whole(row.gain_share)} at {row.group} level ({_whole(row.hours_share)} of hours)"
        for row in levels.itertuples()
    )
    said = f"By level of DVOL the gain is {listed}"
    if "jump" in jumps.index:
        row = jumps.loc["jump"]
        said += (
            f". The {hours_text(regime_hours)} after a detected jump hold "
            f"{_whole(row['gain_share'])} of it ({_whole(row['hours_share'])} of hours)"
        )
    return f"{said}."


def _whole(share: float) -> str:
    return f"{number(100 * share, '.0f')} %"
