"""Figures of the page on the published numbers: tidy tables in, axes out."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dvol_utils.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PAPER,
    PURPLE,
    SKY,
    VERMILION,
    axes,
    styled,
)
from dvol_utils.wording.numbers import number

_CYCLE = (
    (VERMILION, "-"),
    (BLUE, "--"),
    (ORANGE, "-."),
    (GREEN, (0, (1, 1))),
    (PURPLE, (0, (8, 2))),
    (SKY, "-"),
)


@styled
def two_weeks(
    forecasts: pd.DataFrame, models: Mapping[str, str], *, title: str, ax: Axes | None = None
) -> Axes:
    """The outcome and some forecasts by target hour; `models` maps them to their labels."""
    ax = axes(ax, height=3.8)
    outcome = forecasts.drop_duplicates("target_time").sort_values("target_time")
    ax.plot(outcome["target_time"], outcome["y_true"], color=BLACK, linewidth=2.2, label="outcome")
    for (model, text), (colour, dashes) in zip(models.items(), _CYCLE, strict=False):
        rows = forecasts[forecasts["model"] == model].sort_values("target_time")
        ax.plot(rows["target_time"], rows["y_pred"], color=colour, ls=dashes, label=text)
    ax.legend(loc="best")
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
    ax.set(xlabel="target hour, UTC", ylabel="DVOL, index points", title=title)
    return ax


@styled
def r2_steps(steps: pd.DataFrame, published: float, *, title: str, ax: Axes | None = None) -> Axes:
    """R² as inputs are added (`decomposition`), with the published R² as a line."""
    ax = axes(ax, height=1.0 + 0.45 * len(steps))
    ends, added = steps["r2"].to_numpy(), steps["added"].to_numpy()
    places = np.arange(len(steps))
    colours = [GREY, BLUE, SKY, VERMILION]
    for place, end, gain, colour in zip(places, ends, added, colours, strict=False):
        ax.barh(place, gain, left=end - gain, color=colour, height=0.55)
        right = {"xytext": (5, 0), "textcoords": "offset points", "va": "center"}
        ax.annotate(f"{end:.4f}", (max(end, end - gain), place), **right, bbox=PAPER, zorder=3)
    ax.axvline(published, color=BLACK, linestyle="--", linewidth=1)
    text = f"published {published:.4f}"
    ax.annotate(text, (published - 0.01, -0.62), ha="right", va="center")
    ax.set_yticks(places, steps["step"])
    ax.set_ylim(len(steps) - 0.4, -0.9)
    ax.set_xlim(0, 1.2)
    ax.set(xlabel="R² of the level on the test hours", title=title)
    return ax


@styled
def flaw_differences(
    table: pd.DataFrame, *, title: str, limit: float = 30.0, ax: Axes | None = None
) -> Axes:
    """Dots and whiskers of `flaw_table`, a flaw per row and a model per marker, percentage points.

    Differences beyond `limit` are drawn at it, with their number.
    """
    names = [f"{row.flaw}\nagainst {row.against.lower()}" for row in table.itertuples()]
    rows = list(dict.fromkeys(names))
    ax = axes(ax, height=1.0 + 0.55 * len(rows))
    models = list(pd.unique(table["model"]))
    for name, row in zip(names, table.itertuples(), strict=True):
        turn = models.index(row.model)
        place = rows.index(name) + 0.22 * (turn - (len(models) - 1) / 2)
        colour = (BLUE, VERMILION)[turn % 2]
        values = 100 * np.array([row.low, row.estimate, row.high])
        low, middle, high = np.clip(values, -limit, limit)
        ax.plot([low, high], [place, place], color=colour)
        ax.plot(middle, place, "os"[turn % 2], color=colour, ms=5)
        if rows.index(name) == 0:
            side = {"xytext": (5, 0), "textcoords": "offset points", "va": "center"}
            ax.annotate(row.model, (high, place), color=colour, **side)
        if abs(values[1]) > limit:
            side = np.sign(values[1])
            _note(ax, number(values[1], ".0f"), (middle, place), colour, -12 * side)
    ax.axvline(0, color=BLACK, linewidth=0.8)
    ax.set_yticks(range(len(rows)), rows)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set(xlabel="skill with the flaw less skill without, percentage points", title=title)
    return ax


@styled
def seeds(scores: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """RMSE of every seed (`model, seed, rmse`), the mean over seeds marked."""
    models = list(pd.unique(scores["model"]))
    ax = axes(ax, height=0.9 + 0.38 * len(models))
    for place, model in enumerate(models):
        rmse = scores.loc[scores["model"] == model, "rmse"]
        ax.plot(rmse, np.full(len(rmse), place), "o", color=BLUE, alpha=0.6, ms=6)
        ax.plot(rmse.mean(), place, "|", color=BLACK, ms=18, mew=2)
    ax.set_yticks(range(len(models)), models)
    ax.set_ylim(len(models) - 0.5, -0.5)
    ax.set(xlabel="RMSE of single seeds, index points; line: their mean", title=title)
    return ax


def _note(
    ax: Axes, text: str, place: tuple[float, float], colour: str, points_right: float
) -> None:
    ax.annotate(
        text,
        place,
        color=colour,
        xytext=(points_right, 5),
        textcoords="offset points",
        ha="center",
    )
