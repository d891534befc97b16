"""Figures of the evaluation: tidy tables in, axes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dvol_utils.plots.style import (
    BLACK,
    BLUE,
    GREY,
    MODEL_COLOURS,
    MODEL_DASHES,
    MODEL_MARKERS,
    PALE,
    PAPER,
    SKY,
    VERMILION,
    WIDTH,
    axes,
    label_ends,
    mark_off_scale,
    styled,
)
from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import number, written

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
# Clouds of small points differ in lightness, which small markers could not show.
_CLOUDS = {"normal": (".", SKY, 2.2), "jump": ("D", VERMILION, 1.3)}
_REGIME_TITLES = {"jump_regime": "origin in hours", "level_regime": "level of DVOL"}


@styled
def skill_by_regime(
    scores: pd.DataFrame, regime: str, *, title: str, ax: Axes | None = None
) -> Axes:
    """Skill of each model in each regime: `score(forecasts, ("model", regime))`."""
    shown = scores[scores["model"] != "persistence"]
    models = list(pd.unique(shown["model"]))
    ax = axes(ax, height=0.8 + 0.38 * len(models))
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
def hour_of_week_skill(scores: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """Skill of one model by weekday and hour of the origin: `score(..., ("weekday", "hour"))`.

    A dash marks the cells in which it is behind persistence, for readers without colour.
    """
    ax = axes(ax, height=3.0)
    grid = scores.pivot_table(index="weekday", columns="hour", values="skill", dropna=False)
    grid = 100 * grid.reindex(index=range(7), columns=range(24))
    # A single extreme cell should not take the colour from all others.
    limit = max(1.0, float(np.nanquantile(np.abs(grid.to_numpy()), 0.95)))
    image = ax.imshow(grid, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
    for row, column in np.argwhere(grid.to_numpy() < 0):
        dash = "white" if grid.iloc[row, column] < -0.7 * limit else BLACK
        ax.annotate("−", (column, row), ha="center", va="center", color=dash)
    ax.set_yticks(range(7), ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
    ax.set_xticks(range(0, 24, 3), [f"{hour:02d}" for hour in range(0, 24, 3)])
    ax.grid(visible=False)
    ax.set(xlabel="hour of the origin, UTC", title=title)
    ax.figure.colorbar(image, ax=ax, label="skill, %", extend="both", pad=0.01)
    return ax


@styled
def skill_over_time(
    rolling: pd.DataFrame,
    *,
    title: str,
    shown: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Lines of `rolling_skill`, each labelled at its end.

    Parameters
    ----------
    rolling : DataFrame
        `model, time, skill`.
    title : str
        The finding.
    shown : sequence of str, optional
        Models with a line of their own, the first a thick one; the others are pale and without a
        name. All where it is left out.
    ax : Axes, optional
        Axes to draw on.
    """
    ax = axes(ax, height=3.6)
    ends, absent, others = [], [], []
    for model, rows in rolling[rolling["model"] != "persistence"].groupby("model", sort=False):
        skill = 100 * rows["skill"]
        if skill.median() < SKILL_FLOOR:
            absent.append(f"{label(model)}, median {number(skill.median(), '.0f')} %")
            continue
        if shown is not None and model not in shown:
            ax.plot(rows["time"], skill, color=PALE, linewidth=0.8, zorder=1)
            others.append((skill.iloc[-1], model))
            continue
        thick = 2.0 if shown is not None and model == shown[0] else 1.3
        ax.plot(rows["time"], skill, color=_colour(model), ls=_dashes(model), linewidth=thick)
        ends.append((skill.iloc[-1], label(model), _colour(model)))
    ax.axhline(0, color=BLACK, linewidth=0.8)
    if absent:
        text = "not shown: " + "; ".join(absent)
        ax.annotate(text, (0.01, 0.02), xycoords="axes fraction", color=GREY, bbox=PAPER)
    if others:
        ends.append((float(np.median([end for end, _ in others])), "others", GREY))
    label_ends(ax, rolling["time"].max(), ends)
    _date_axis(ax)
    ax.set(ylabel="skill against persistence, %", title=title)
    return ax


@styled
def month_skill(scores: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """Skill of each model in each month, percent: `score(add_calendar(...), ("month", "model"))`.

    Blue where a model is ahead of persistence, red where it is behind, and the number in each cell.
    """
    shown = scores[scores["model"] != "persistence"]
    models, months = pd.unique(shown["model"]), sorted(shown["month"].unique())
    ax = axes(ax, height=1.5 + 0.36 * len(models), width=max(WIDTH, 2.2 + 0.42 * len(months)))
    grid = 100 * shown.pivot_table(index="model", columns="month", values="skill", dropna=False)
    grid = grid.reindex(index=models, columns=months).to_numpy()
    # A hopeless model should not take the colour from all others.
    limit = float(np.clip(np.nanquantile(np.abs(grid), 0.8), 1.0, -SKILL_FLOOR))
    ax.imshow(grid, cmap="RdBu", vmin=-1.2 * limit, vmax=1.2 * limit, aspect="auto")
    for (row, column), skill in np.ndenumerate(grid):
        text = written(skill, 0)
        colour = "white" if abs(skill) > 0.85 * limit else BLACK
        ax.annotate(text, (column, row), ha="center", va="center", color=colour, fontsize=8.5)
    _model_rows(ax, models)
    ax.set_xticks(range(len(months)), _month_names(months))
    ax.grid(visible=False)
    ax.set(xlabel="month of the origin; skill against persistence, %", title=title)
    return ax


@styled
def close_up(
    forecasts: pd.DataFrame, models: Sequence[str], *, title: str, ax: Axes | None = None
) -> Axes:
    """Forecasts of some models against the outcome, by target hour."""
    ax = axes(ax, height=3.4)
    outcome = forecasts[forecasts["model"] == models[0]].sort_values("target_time")
    ax.plot(outcome["target_time"], outcome["y_true"], color=GREY, linewidth=2.4, label="outcome")
    for model in models:
        rows = forecasts[forecasts["model"] == model].sort_values("target_time")
        line = {"color": _colour(model), "ls": _dashes(model), "label": label(model)}
        ax.plot(rows["target_time"], rows["y_pred"], **line)
    ax.legend(loc="best", ncols=len(models) + 1)
    _date_axis(ax)
    ax.set(xlabel="target hour, UTC", ylabel="DVOL, index points", title=title)
    return ax


@styled
def forecast_scatter(
    forecasts: pd.DataFrame, model: str, *, title: str, ax: Axes | None = None
) -> Axes:
    """Outcome against forecast of one model, jump and normal origins apart."""
    ax = axes(ax, height=4.6, width=0.85 * WIDTH)
    rows = forecasts[forecasts["model"] == model]
    for regime in ("normal", "jump"):
        part = rows[rows["jump_regime"] == regime]
        form, colour, size = _CLOUDS[regime]
        ax.plot(part["y_pred"], part["y_true"], form, ms=size, color=colour, label=regime)
    ends = [rows[["y_pred", "y_true"]].min().min(), rows[["y_pred", "y_true"]].max().max()]
    ax.plot(ends, ends, color=BLACK, linewidth=0.8)
    ax.legend(title="origin in hours", markerscale=2.5, loc="upper left")
    ax.set(xlabel=f"forecast of {label(model)}, points", ylabel="outcome, points", title=title)
    return ax


@styled
def error_lines(histogram: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """Densities of `error_histogram`, one line a model."""
    ax = axes(ax)
    for model, rows in histogram.groupby("model", sort=False):
        line = {"color": _colour(model), "ls": _dashes(model), "label": label(model)}
        ax.plot(rows["error"], rows["density"], **line)
    ax.axvline(0, color=BLACK, linewidth=0.8)
    ax.legend()
    ax.set(xlabel="outcome less forecast, index points", ylabel="density, per point", title=title)
    return ax


@styled
def calibration_bins(
    bins: pd.DataFrame, slopes: Mapping[str, float], *, title: str, ax: Axes | None = None
) -> Axes:
    """Bins of `calibration`; `slopes` holds each shown model's slope for its label."""
    ax = axes(ax, height=3.8)
    for model, slope in slopes.items():
        rows = bins[bins["model"] == model]
        text = f"{label(model)}, slope {number(slope, '.2f')}"
        x, y = rows["forecast_change"], rows["outcome_change"]
        form = {"color": _colour(model), "ls": _dashes(model), "marker": _marker(model)}
        ax.plot(x, y, **form, ms=5, label=text)
    shown = bins[bins["model"].isin(list(slopes.keys()))]["forecast_change"]
    ends = [shown.min(), shown.max()]
    ax.plot(ends, ends, color=BLACK, linewidth=0.8, linestyle="--")
    ax.annotate("as forecast ", (ends[1], ends[1]), ha="right", va="bottom")
    ax.legend(loc="upper left")
    ax.set(
        xlabel="mean change forecast, points; a marker a bin",
        ylabel="mean change that came, points",
        title=title,
    )
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


def _marker(model: str) -> str:
    return MODEL_MARKERS.get(model, "o")
