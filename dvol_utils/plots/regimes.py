"""Figures of the evaluation: tidy tables in, axes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dvol_utils.plots.style import (
    BLACK,
    BLUE,
    GREY,
    MODEL_COLOURS,
    MODEL_DASHES,
    VERMILION,
    WIDTH,
    axes,
    label_ends,
    mark_off_scale,
    new_figure,
    styled,
)
from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import written

# A model with less skill than this (percent) is named, not drawn: it would flatten all others.
SKILL_FLOOR = -30.0
_REGIME_MARKERS = {
    "normal": ("o", BLUE),
    "jump": ("D", VERMILION),
    "low": ("v", BLUE),
    "middle": ("o", GREY),
    "high": ("^", VERMILION),
    "first": ("<", BLUE),
    "second": (">", VERMILION),
}
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_REGIME_TITLES = {"jump_regime": "origin in hours", "level_regime": "level of DVOL"}


@styled
def skill_by_regime(
    scores: pd.DataFrame, regime: str, *, title: str, ax: Axes | None = None
) -> Axes:
    """Skill of each model in each regime: `score(forecasts, ("model", regime))`."""
    shown = scores[scores["model"] != "persistence"]
    models = list(pd.unique(shown["model"]))
    ax = axes(ax, height=0.8 + 0.38 * len(models))
    # A model off the scale in one regime has no place on it in the others.
    lowest = 100 * shown.groupby("model")["skill"].min()
    off_scale = lowest[lowest < SKILL_FLOOR]
    for model, skill in off_scale.items():
        mark_off_scale(ax, models.index(model), skill)
    for value, rows in shown[~shown["model"].isin(off_scale.index)].groupby(regime, sort=False):
        marker, colour = _REGIME_MARKERS.get(str(value), ("s", BLACK))
        places = [models.index(model) for model in rows["model"]]
        ax.plot(100 * rows["skill"], places, marker, color=colour, label=str(value))
    _model_rows(ax, models)
    ax.axvline(0, color=BLACK, linewidth=0.8)
    ax.set(xlabel="skill against persistence, %", title=title)
    if ax.get_legend_handles_labels()[0]:  # none where every model is off the scale
        ax.legend(title=_REGIME_TITLES.get(regime), loc="best", frameon=True, edgecolor="none")
    return ax


@styled
def hour_of_week_gain(gains: pd.DataFrame, *, title: str) -> Figure:
    """Share of one model's gain by weekday and hour of the origin, with sums beside and above.

    Parameters
    ----------
    gains : DataFrame
        `weekday` (0 is Monday), `hour`, `share` (of the squared error saved in all hours; they add
        up to one). Shares below zero, where persistence did better, have a dash.
    title : str
        The finding.
    """
    # Hours without a row stay, or the map would lose a column.
    grid = 100 * gains.pivot_table(index="weekday", columns="hour", values="share", dropna=False)
    grid = grid.reindex(index=range(7), columns=range(24))
    figure = new_figure(WIDTH, 4.4)
    shape = {"width_ratios": [4, 1], "height_ratios": [1, 2.2]}
    (top, corner), (ax, right) = figure.subplots(2, 2, gridspec_kw=shape, sharex="col")
    corner.set_visible(False)
    sns.heatmap(
        grid, ax=ax, cmap="RdBu", center=0, robust=True, linewidths=0.3,
        cbar_kws={"label": "share of the gain, %", "orientation": "horizontal", "extend": "both",
                  "shrink": 0.7, "aspect": 40},
    )  # fmt: skip
    for row, column in np.argwhere(grid.to_numpy() < 0):
        ax.annotate("−", (column + 0.5, row + 0.5), ha="center", va="center", fontsize=8)
    ax.set_yticks(np.arange(7) + 0.5, DAYS, rotation=0)
    ax.set_xticks(np.arange(0, 24, 3) + 0.5, [f"{hour:02d}" for hour in range(0, 24, 3)])
    ax.set(xlabel="hour of the origin, UTC", ylabel="")
    _signed_bars(top.bar, grid.sum().to_numpy())
    _signed_bars(right.barh, grid.sum(axis=1).to_numpy())
    right.set(ylim=(7, 0), yticks=[], xlabel="by day, %")
    top.set_ylabel("by hour, %")
    top.tick_params(labelbottom=False)
    for side in (ax, top, right):
        side.grid(visible=False)
    top.axhline(0, color=BLACK, linewidth=0.8)
    right.axvline(0, color=BLACK, linewidth=0.8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def _signed_bars(bars: Callable, shares: np.ndarray) -> None:
    hatches = np.where(shares < 0, "///", "")
    for place, (share, hatch) in enumerate(zip(shares, hatches, strict=True)):
        colour = BLUE if share >= 0 else VERMILION
        bars(place + 0.5, share, 0.8, color=colour, hatch=hatch, edgecolor="white", linewidth=0)


@styled
def summed_gains(
    curves: Mapping[str, pd.DataFrame],
    jumps: pd.Series,
    weeks: Sequence[pd.Timestamp],
    *,
    title: str,
    ax: Axes | None = None,
) -> Axes:
    """Squared error saved over persistence, summed: one line per model of `summed_gain`.

    Parameters
    ----------
    curves : mapping of model to DataFrame
        The first is thick and has its band.
    jumps : Series of times
        Origins in the jump regime: a rug at the foot.
    weeks : sequence of times
        Mondays of weeks to be marked.
    title : str
        The finding.
    ax : Axes, optional
        Axes to draw on.
    """
    ax = axes(ax, height=3.8)
    ends = []
    for place, (model, rows) in enumerate(curves.items()):
        colour = BLUE if place == 0 else _colour(model)
        if place == 0:
            ax.fill_between(
                rows["origin"], rows["low"], rows["high"], color=colour, alpha=0.15, lw=0
            )
        form = {"color": colour, "ls": "-" if place == 0 else _dashes(model)}
        ax.plot(rows["origin"], rows["gain"], **form, linewidth=2.2 if place == 0 else 1.2)
        ends.append((rows["gain"].iloc[-1], label(model), colour))
    ax.axhline(0, color=BLACK, linewidth=0.8)
    for week in weeks:
        ax.axvspan(week, week + pd.Timedelta(days=7), color=GREY, alpha=0.25, linewidth=0)
        place = {"xycoords": ("data", "axes fraction"), "va": "top", "ha": "right"}
        ax.annotate(f"{week:%d %b} ", (week, 0.99), **place, fontsize=8.5, color=GREY)
    rug = {"linestyle": "", "marker": "|", "ms": 5, "color": VERMILION, "alpha": 0.4}
    ax.plot(jumps, np.full(len(jumps), 0.015), transform=ax.get_xaxis_transform(), **rug)
    last = max(rows["origin"].max() for rows in curves.values())
    label_ends(ax, last, ends)
    _date_axis(ax)
    ax.set(ylabel="squared error saved, points²", title=title)
    ax.set_xlabel("origin; red marks at the foot: jump regime")
    return ax


@styled
def month_skill(
    scores: pd.DataFrame, *, title: str, least: int = 0, ax: Axes | None = None
) -> Axes:
    """Skill of each model in each month, percent: `month, model, skill, n` (`monthly_skill`).

    Blue where a model is ahead of persistence, red where it is behind, the number in each cell and
    the hours below the month. Months of fewer than `least` hours are hatched: too short to judge.
    """
    shown = scores[~scores["model"].isin(["persistence", "seasonal_naive"])]
    models, months = pd.unique(shown["model"]), sorted(shown["month"].unique())
    ax = axes(ax, height=2.2 + 0.36 * len(models), width=max(WIDTH, 2.2 + 0.42 * len(months)))
    grid = 100 * shown.pivot_table(index="model", columns="month", values="skill", dropna=False)
    grid = grid.reindex(index=models, columns=months)
    hours = shown.groupby("month")["n"].max().reindex(months)
    grid.columns = range(len(months))  # seaborn names them by its own rules otherwise
    texts = grid.map(lambda skill: written(skill, 0)).to_numpy()
    sns.heatmap(
        grid, ax=ax, cmap="RdBu", center=0, vmin=SKILL_FLOOR, vmax=-SKILL_FLOOR, annot=texts,
        fmt="", annot_kws={"fontsize": 8}, cbar_kws={"label": "skill, %", "extend": "both",
        "orientation": "horizontal", "shrink": 0.6, "aspect": 40},
    )  # fmt: skip
    for place in np.flatnonzero(hours.to_numpy() < least):
        cells = Rectangle((place, 0), 1, len(models), hatch="///", fill=False, ec=GREY, lw=0)
        ax.add_patch(cells)
    names = [f"{name}\n{count:,}" for name, count in zip(_month_names(months), hours, strict=True)]
    ax.set_xticks(np.arange(len(months)) + 0.5, names, fontsize=8, rotation=0)
    ax.set_yticks(np.arange(len(models)) + 0.5, [label(model) for model in models], rotation=0)
    ax.grid(visible=False)
    ax.set(xlabel="month of the origin, with its hours", ylabel="", title=title)
    return ax


def _model_rows(ax: Axes, models: Sequence[str]) -> None:
    """Models from top to bottom in the order given."""
    ax.set_yticks(range(len(models)), [label(model) for model in models])
    ax.set_ylim(len(models) - 0.5, -0.5)


def _month_names(months: Sequence[pd.Timestamp]) -> list[str]:
    """Short names, with the year below the first and below each January."""
    return [
        f"{month:%b\n%Y}" if place == 0 or month.month == 1 else f"{month:%b}"
        for place, month in enumerate(months)
    ]


def _date_axis(ax: Axes) -> None:
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(ax.xaxis.get_major_locator()))


def _colour(model: str) -> str:
    return MODEL_COLOURS.get(model, GREY)


def _dashes(model: str) -> str | tuple:
    return MODEL_DASHES.get(model, "-")
