"""Figures of the trading simulation: tidy tables in, axes out."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dvol_utils.plots.style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    PALE,
    PURPLE,
    VERMILION,
    axes,
    label_ends,
    styled,
)

_LINES = (
    (BLUE, "-"),
    (ORANGE, (0, (6, 1))),
    (BLACK, (0, (1, 1))),
    (PURPLE, (0, (6, 2, 1, 2))),
    (GREY, (0, (3, 1))),
    (VERMILION, (0, (2, 1, 1, 1))),
)
_MARKERS = ("o", "s", "^")


@styled
def equity_curves(
    curves: Mapping[str, pd.DataFrame], *, title: str, ax: Axes | None = None
) -> Axes:
    """Summed net gains of several back-tests, each labelled at its end.

    The first has a whisker where it ends: where it might have ended, of `equity_band`. Of the
    others `exit, equity` are used.
    """
    ax = axes(ax, height=3.8)
    ends = []
    for place, ((name, curve), line) in enumerate(zip(curves.items(), _LINES, strict=False)):
        colour, dashes = line
        if place == 0:
            last = curve.iloc[-1]
            reach = [[last["equity"] - last["low"]], [last["high"] - last["equity"]]]
            ax.errorbar(last["exit"], last["equity"], reach, color=colour, capsize=4, lw=1.6)
        width = 2.0 if place == 0 else 1.2
        ax.plot(curve["exit"], curve["equity"], color=colour, ls=dashes, linewidth=width)
        ends.append((curve["equity"].iloc[-1], name, colour))
    ax.axhline(0, color=BLACK, linewidth=0.8)
    label_ends(ax, max(curve["exit"].iloc[-1] for curve in curves.values()), ends)
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
    ax.set(ylabel="summed gain after costs, % of capital", title=title)
    return ax


@styled
def cost_lines(grid: pd.DataFrame, assumed: float, *, title: str, ax: Axes | None = None) -> Axes:
    """Annual return against the half-spread, one line per instrument from no cost on: `cost_grid`.

    Rows of the shortest delay. A cross marks where a line meets zero, a shaded stripe the
    half-spread that the study assumes.
    """
    ax = axes(ax, height=3.6)
    ends = []
    rows = grid[grid["delay_hours"] == grid["delay_hours"].min()]
    for place, (name, part) in enumerate(rows.groupby("instrument", sort=False)):
        colour, dashes = _LINES[place % len(_LINES)]
        # The gain before costs is what a spread, slippage and fee of nothing would leave.
        spreads = np.array([0.0, *part["half_spread"]])
        returns = np.array([part["annual_gross"].iloc[0], *part["annual_return"]])
        form = {"color": colour, "ls": dashes, "marker": _MARKERS[place % len(_MARKERS)]}
        ax.plot(spreads, returns, **form, ms=5)
        for left, right in zip(range(len(spreads) - 1), range(1, len(spreads)), strict=True):
            # Where a line goes from gain to loss between two spreads of the grid.
            if returns[left] > 0 >= returns[right]:
                share = returns[left] / (returns[left] - returns[right])
                even = spreads[left] + share * (spreads[right] - spreads[left])
                ax.plot(even, 0, "X", color=colour, ms=9, zorder=4)
        ends.append((returns[-1], str(name), colour))
    ax.axhline(0, color=BLACK, linewidth=0.8)
    ax.axvspan(0.9 * assumed, 1.1 * assumed, color=GREY, alpha=0.25, lw=0)
    at = {"xycoords": ("data", "axes fraction"), "va": "top", "fontsize": 9, "color": GREY}
    ax.annotate(" assumed here", (1.1 * assumed, 0.99), **at)
    label_ends(ax, rows["half_spread"].max(), ends)
    ax.set(
        xlabel="half-spread, points a side (0: before any cost; crosses: no gain left)",
        ylabel="return, % of capital a year",
        title=title,
    )
    return ax


@styled
def hour_bars(table: pd.DataFrame, hour: int, *, title: str, ax: Axes | None = None) -> Axes:
    """Annual return before and after costs by the hour of the decision: `by_hour`.

    The study's own `hour` is drawn dark.
    """
    ax = axes(ax, height=3.0)
    colours = [BLUE if value == hour else PALE for value in table["hour"]]
    ax.bar(table["hour"], table["annual_return"], color=colours, width=0.7)
    ax.plot(
        table["hour"],
        table["annual_gross"],
        "D",
        color=BLACK,
        ms=4,
        mfc="white",
        ls="",
    )
    ax.axhline(0, color=BLACK, linewidth=0.8)
    ax.set_xticks(range(0, 24, 3))
    last = table.iloc[-1]
    names = {"annual_gross": "before costs", "annual_return": "after costs"}
    ends = [(last[column], text, BLACK) for column, text in names.items()]
    label_ends(ax, last["hour"] + 0.5, ends)
    ax.set(
        xlabel="hour of the decision, UTC",
        ylabel="return, % of capital a year",
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
    lines = ((ORANGE, "-"), (VERMILION, "-."), (GREY, "--"), (BLUE, "-"))
    for (name, part), (colour, dashes) in zip(parts.items(), lines, strict=True):
        total, width = part.cumsum(), 2.0 if name == "together" else 1.2
        ax.plot(trades["exit"], total, color=colour, ls=dashes, linewidth=width)
        ends.append((total.iloc[-1], name, colour))
    ax.axhline(0, color=BLACK, linewidth=0.8)
    label_ends(ax, trades["exit"].iloc[-1], ends)
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
    ax.set(ylabel="summed gain, % of capital", title=title)
    return ax
