"""Where a model fails, in sentences made from the tables of `evaluation.worst`."""

from __future__ import annotations

import pandas as pd

from dvol_utils.evaluation.forecast_table import add_calendar
from dvol_utils.significance.crps import reliability
from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import day, hour, number, percent

_TOP_WEEKS = 2


def week_finding(weeks: pd.DataFrame, worst: pd.DataFrame, model: str) -> str:
    """In how many weeks a model lost, and how much of that in its worst.

    Parameters
    ----------
    weeks, worst : DataFrame
        `weekly_losses` and `worst_weeks`.
    model : str
    """
    if worst.empty:
        return f"{label(model)} lost to persistence in none of {len(weeks)} weeks."
    lost = weeks.loc[weeks["excess"] > 0, "excess"]
    held = worst["excess"].sum() / lost.sum()
    first = worst.iloc[0]
    return (
        f"{label(model)} lost to persistence in {len(lost)} of {len(weeks)} weeks; the worst "
        f"{len(worst)} hold {percent(held)} of what it lost in these. Worst was the week from "
        f"{day(first['week'])}: RMSE {first['rmse']:.2f} points against "
        f"{first['rmse_persistence']:.2f}, the largest move {number(first['largest_move'], '+.1f')}"
        f" points, {first['jump_hours']} of {first['n']} hours in the jump regime."
    )


def best_week_finding(weeks: pd.DataFrame, best: pd.DataFrame, model: str) -> str:
    """What the two best weeks of a model hold of all that it gained, beside those of no gain.

    Parameters
    ----------
    weeks, best : DataFrame
        `weekly_losses` and `best_weeks`.
    model : str
    """
    if best.empty:
        return f"{label(model)} gained on persistence in none of {len(weeks)} weeks."
    top, net = best.head(_TOP_WEEKS), -weeks["excess"].sum()
    named = " and ".join(day(week) for week in sorted(top["week"]))
    start = f"Its best weeks are those from {named}"
    if net <= 0:
        return f"{start}; over all weeks it gained nothing."
    return f"{start}: they hold {percent(-top['excess'].sum() / net)} of its net gain."


def week_titles(worst: pd.DataFrame) -> dict[pd.Timestamp, str]:
    """A finding a week, by its Monday, for `week_close_ups`."""
    return {
        row.week: f"Week from {day(row.week)}: RMSE {row.rmse:.2f} points, "
        f"persistence {row.rmse_persistence:.2f}"
        for row in worst.itertuples()
    }


def move_title(table: pd.DataFrame) -> str:
    """The finding of `move_finding` as short as a figure's title."""
    large = table.iloc[-1]
    return (
        f"Moves above {large['smallest']:.1f} points: RMSE {large['rmse']:.2f} points, "
        f"persistence {large['rmse_persistence']:.2f}"
    )


def coverage_by_month(judged: pd.DataFrame, model: str) -> pd.DataFrame:
    """Share of outcomes in a model's 90 % interval: `month` (text), `covered_90, low, high, n`.

    Parameters
    ----------
    judged : DataFrame
        Forecasts with quantiles (`with_quantiles`); without any there are no rows here.
    model : str
    """
    columns = ["month", "covered_90", "low", "high", "n"]
    of_model = add_calendar(judged[judged["model"] == model])
    if of_model.empty:
        return pd.DataFrame(columns=columns)
    shares = reliability(of_model.assign(month=of_model["month"].dt.strftime("%Y-%m")), by="month")
    rows = shares[(shares["share"] == "within") & (shares["nominal"] == 0.9)]
    return rows.rename(columns={"observed": "covered_90"})[columns].reset_index(drop=True)


def coverage_title(covered: pd.DataFrame) -> str:
    """The range of monthly shares, and how many differ from 90 %, from `coverage_by_month`."""
    out = int(((covered["low"] > 0.9) | (covered["high"] < 0.9)).sum())
    low, high = 100 * covered["covered_90"].min(), 100 * covered["covered_90"].max()
    return (
        f"The 90 % interval holds {low:.0f} to {high:.0f} % by month; {out or 'none'} of "
        f"{len(covered)} months beyond chance"
    )


def move_finding(table: pd.DataFrame, model: str) -> str:
    """How a model does where the move is large and where it is small, from `error_by_move`."""
    small, large = table.iloc[0], table.iloc[-1]
    share = large["n"] / table["n"].sum()
    said = (
        f"In the {percent(share)} of hours with the largest moves, above {large['smallest']:.1f} "
        f"points, the RMSE of {label(model)} is {large['rmse']:.2f} points against "
        f"{large['rmse_persistence']:.2f} of persistence"
    )
    if pd.notna(large["foreseen"]):
        said += f": it had foreseen {percent(large['foreseen'])} of these moves"
    return (
        f"{said}. Where DVOL moved least, by up to {small['largest']:.1f} points, it is "
        f"{small['rmse']:.2f} against {small['rmse_persistence']:.2f}."
    )


def miss_finding(missed: pd.DataFrame, model: str) -> str:
    """How often and how far outcomes lie outside the 90 % interval, from `missed_hours`."""
    if missed.empty:
        return f"There are no intervals for {label(model)}: too few past errors are known."
    above, below = (row for _, row in missed.iterrows())
    said = (
        f"{percent(above['share'])} of outcomes lie above the 90 % interval of {label(model)} and "
        f"{percent(below['share'])} below it, where 5 % each are meant"
    )
    out = missed[missed["hours"] > 0]
    if out.empty:
        return f"{said}."
    long, far = out.loc[out["longest"].idxmax()], out.loc[out["farthest"].idxmax()]
    return (
        f"{said}. The longest stretch outside is {long['longest']} hours; the farthest outcome "
        f"lies {far['farthest']:.1f} points {far['side'].split()[0]} it, at "
        f"{hour(far['farthest_target'])} UTC."
    )
