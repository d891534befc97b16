"""The figure of the report's first page."""

from __future__ import annotations

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dvol_utils.plots.card import week_close_up
from dvol_utils.plots.style import BLACK, BLUE, GREY, WIDTH, axes, new_figure, styled
from dvol_utils.study.model_names import MODELS, ORACLE
from dvol_utils.wording.numbers import written

LEFT_END = -30.0
_GROUPS = {"naive": 0, "linear": 0, "trees": 1, "ladder": 2, "lstm": 2, "attention": 2}
_TOGETHER, _ORACLE, _GAP = 3, 4, 0.6
_WIDE = 600.0  # hours between points that a line of a year needs no more than
_TOP, _MIDDLE = 2.9, 2.4  # inches


@styled
def skill_intervals(
    table: pd.DataFrame,
    *,
    title: str,
    chosen: str | None = None,
    left_end: float = LEFT_END,
    ax: Axes | None = None,
) -> Axes:
    """Skill of each model with its interval, grouped by kind of model, the best of each on top.

    Parameters
    ----------
    table : DataFrame
        One row per model, indexed by model name: `label`, `skill`, `skill_low`, `skill_high`
        (percent; the ends are missing for a skill without an interval). The oracle, which is no
        model, is drawn hollow.
    title : str
        The finding.
    chosen : str, optional
        The model that is drawn in colour; the others are grey.
    left_end : float
        Where the axis ends at the latest (percent), so that a very bad model does not flatten the
        others; one beyond it is named at the edge and does not set the scale.
    """
    ordered = _grouped(table)
    ax = axes(ax, height=forest_height(table))
    seen = table.loc[table["skill"] > left_end, ["skill", "skill_low"]]
    left = max(left_end, 1.15 * min(seen.min().min(), 0)) if len(seen) else left_end
    for row in ordered.itertuples():
        _interval(ax, row, BLUE if row.Index == chosen else GREY, left)
    ax.axvline(0, color=BLACK, linewidth=0.8)
    ax.set_yticks(ordered["place"], ordered["label"])
    for tick, name in zip(ax.get_yticklabels(), ordered.index, strict=True):
        tick.set_fontweight("bold" if name == chosen else "normal")
    ax.set_xlim(left, max(1.15 * table[["skill", "skill_high"]].max().max(), 2.0))
    ax.set_ylim(ordered["place"].min() - 0.6, ordered["place"].max() + 0.6)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("skill: part of the squared error of no change that is removed, %")
    ax.set_title(title)
    return ax


def forest_height(table: pd.DataFrame) -> float:
    """Inches that the panel of all models takes."""
    return 0.9 + 0.24 * max(_grouped(table)["place"].max() + 1, 1)


@styled
def cumulative_gain(path: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """The gain in squared error over persistence, summed over time, with its interval.

    Parameters
    ----------
    path : DataFrame
        `significance.summed_gain`, with its band.
    title : str
        The finding.
    """
    ax = axes(ax, height=_MIDDLE)
    # A line of a year has no room for more points on a page.
    thin = path.iloc[:: max(1, round(len(path) / _WIDE))]
    ax.fill_between(thin["origin"], thin["low"], thin["high"], color=BLUE, alpha=0.15, linewidth=0)
    ax.plot(thin["origin"], thin["gain"], color=BLUE)
    ax.axhline(0, color=BLACK, linewidth=0.8)
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
    ax.set(ylabel="gain so far, points²", title=title)
    return ax


@styled
def recent_weeks(recent: pd.DataFrame, model: str, *, title: str) -> Figure:
    """Outcome, forecast with its interval and persistence, named below: `week_close_up`."""
    figure = new_figure(WIDTH, _TOP)
    ax = figure.subplots()
    week_close_up(recent, model, title=title, ax=ax)
    ax.set_xlabel("")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _grouped(table: pd.DataFrame) -> pd.DataFrame:
    """Rows in order with their `place` from the bottom, groups a gap apart."""
    ranks = [_rank(str(name)) for name in table.index]
    ordered = table.assign(rank=ranks).sort_values(
        ["rank", "skill"], ascending=[False, True], kind="stable"
    )
    gaps = (ordered["rank"] != ordered["rank"].shift()).cumsum() - 1
    # Groups stand apart by a part of a row.
    return ordered.assign(place=np.arange(len(ordered)) + _GAP * gaps.to_numpy())


def _rank(name: str) -> int:
    if name == ORACLE:
        return _ORACLE
    model = MODELS.get(name)
    return 0 if model is None else _GROUPS.get(model.kind, _TOGETHER)


def _interval(ax: Axes, row: tuple, colour: str, left: float) -> None:
    face = "white" if row.Index == ORACLE else colour
    if row.skill > left:
        ax.plot([row.skill_low, row.skill_high], [row.place] * 2, color=colour, linewidth=2)
        ax.plot(row.skill, row.place, "o", color=colour, markersize=6, markerfacecolor=face)
    else:
        ax.annotate("◂ off scale", (left, row.place), va="center", fontsize=8.5)
    ax.annotate(
        f"{written(row.skill, 1)} %",
        (1.01, row.place),
        xycoords=ax.get_yaxis_transform(),
        va="center",
        fontsize=8.5,
        color=BLACK,
        annotation_clip=False,
    )
