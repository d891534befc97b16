"""Figures of the trading simulation: tidy tables in, axes out."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dvol_utils.plots.style import BLACK, BLUE, CRIMSON, GREEN, GREY, ORANGE, axes, styled

_COLOURS = (CRIMSON, ORANGE, BLUE, GREEN, GREY, BLACK)
_MARKERS = ("o", "s", "^")


@styled
def equity_curves(
    curves: Mapping[str, pd.DataFrame], *, title: str, ax: Axes | None = None
) -> Axes:
    """Summed net gains of several back-tests, each labelled at its end.

    The first is drawn with its band: `equity_band`; of the others `exit, equity` are used.
    """
    ax = axes(ax, height=3.8)
    ends = []
    for place, ((name, curve), colour) in enumerate(zip(curves.items(), _COLOURS, strict=False)):
        if place == 0:
            ax.fill_between(
                curve["exit"], curve["low"], curve["high"], color=colour, alpha=0.15, lw=0
            )
        width = 2.0 if place == 0 else 1.1
        ax.plot(curve["exit"], curve["equity"], color=colour, linewidth=width, label=name)
        ends.append((curve["equity"].iloc[-1], curve["exit"].iloc[-1], name, colour))
    ax.axhline(0, color=BLACK, linewidth=0.8)
    _label_ends(ax, ends)
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
    ax.set(ylabel="summed gain after costs, % of capital", title=title)
    return ax


@styled
def cost_lines(grid: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """Annual return against the half-spread, a line an instrument and delay: `cost_grid`.

    The diamond on the left is the return before costs.
    """
    ax = axes(ax, height=3.6)
    ends = []
    for place, (name, rows) in enumerate(grid.groupby("instrument", sort=False)):
        colour = _COLOURS[place % len(_COLOURS)]
        for style, (delay, part) in zip(
            ("-", "--", ":"), rows.groupby("delay_hours"), strict=False
        ):
            ax.plot(
                part["half_spread"],
                part["annual_return"],
                style,
                marker=_MARKERS[place % len(_MARKERS)],
                color=colour,
                ms=5,
            )
            ax.plot(0, part["annual_gross"].iloc[0], "D", color=colour, ms=5, mfc="white")
            text = f"{name}, {delay} h"
            last = part.iloc[-1]
            ends.append((last["annual_return"], last["half_spread"], text, colour))
    ax.axhline(0, color=BLACK, linewidth=0.8)
    _label_ends(ax, ends)
    ax.set(
        xlabel="half-spread, points a side (diamonds: before any cost)",
        ylabel="return, % of capital a year",
        title=title,
    )
    return ax


@styled
def hour_bars(table: pd.DataFrame, hour: int, *, title: str, ax: Axes | None = None) -> Axes:
    """Annual return before and after costs by the hour of the decision: `by_hour`.

    The study's own `hour` is drawn darker.
    """
    ax = axes(ax, height=3.0)
    colours = [CRIMSON if value == hour else GREY for value in table["hour"]]
    ax.bar(table["hour"], table["annual_return"], color=colours, width=0.7)
    ax.plot(
        table["hour"],
        table["annual_gross"],
        "D",
        color=BLACK,
        ms=4,
        mfc="white",
        label="before costs",
    )
    ax.axhline(0, color=BLACK, linewidth=0.8)
    ax.set_xticks(range(0, 24, 3))
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.set(
        xlabel="hour of the decision, UTC",
        ylabel="return after costs,\n% of capital a year",
        title=title,
    )
    return ax


@styled
def straddle_parts(trades: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """What a straddle's gains are made of: rows of one back-test with `vega_part, gamma_part`."""
    ax = axes(ax, height=3.4)
    parts = {
        "volatility (vega)": trades["position"] * trades["vega_part"],
        "gamma less theta": trades["position"] * trades["gamma_part"],
        "costs": -trades["cost"],
        "together": trades["net"],
    }
    ends = []
    for (name, part), colour in zip(parts.items(), (BLUE, ORANGE, GREY, CRIMSON), strict=True):
        total = part.cumsum()
        ax.plot(trades["exit"], total, color=colour, linewidth=2.0 if name == "together" else 1.1)
        ends.append((total.iloc[-1], trades["exit"].iloc[-1], name, colour))
    ax.axhline(0, color=BLACK, linewidth=0.8)
    _label_ends(ax, ends)
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
    ax.set(ylabel="summed, % of capital", title=title)
    return ax


def _label_ends(ax: Axes, ends: list[tuple]) -> None:
    """Names right of where lines end, moved apart where they would overlap."""
    low, high = ax.get_ylim()
    gap = 0.07 * (high - low)
    ordered = sorted(ends, key=lambda end: end[0])
    places = np.array([end[0] for end in ordered], dtype=float)
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    shift = max(0.0, places[-1] - high) if len(places) else 0.0
    for place, (_, right, text, colour) in zip(places - shift, ordered, strict=True):
        ax.annotate(
            text,
            (right, place),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=8.5,
            annotation_clip=False,
        )
