"""Figures of the jump test: flags over time, their sizes, their hours, known events."""

from __future__ import annotations

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dvol_utils.plots.style import (
    BLACK,
    BLUE,
    GREY,
    VERMILION,
    WIDTH,
    axes,
    label_ends,
    new_figure,
    styled,
)

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DIRECTIONS = (("up", 1, "^", VERMILION), ("down", -1, "v", BLUE))
_LINES = ((BLUE, "-"), (VERMILION, "--"), (GREY, ":"))


@styled
def plot_flags(panel: pd.DataFrame, jumps: pd.DataFrame, *, title: str = "") -> Figure:
    """DVOL's level, and below it the flags of each month, upward and downward; the first asset."""
    first = (panel["asset"] == panel["asset"].iloc[0]).to_numpy()
    time, flags = panel.loc[first, "time"], jumps[first]
    figure = new_figure(WIDTH, 3.9)
    ax, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [2, 1]})
    ax.plot(time, panel.loc[first, "dvol_close"], color=GREY, linewidth=0.8)
    ax.set_ylabel("DVOL, index points")
    month = time.dt.normalize() - pd.to_timedelta(time.dt.day - 1, unit="D")
    for name, sign, _, colour in _DIRECTIONS:
        hit = (flags["is_jump"] & (np.sign(flags["jump_size"]) == sign)).to_numpy()
        # Downward flags are counted below the axis.
        counts = sign * pd.Series(hit, index=month.array).groupby(level=0).sum()
        form = {"width": pd.Timedelta(days=26), "align": "edge", "color": colour}
        below.bar(counts.index, counts, **form, hatch="" if sign > 0 else "///", label=name)
    below.axhline(0, color=BLACK, linewidth=0.8)
    below.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    below.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
    below.xaxis.set_major_formatter(mdates.ConciseDateFormatter(below.xaxis.get_major_locator()))
    below.set(ylabel="flags a month", xlabel="bar close, UTC")
    below.legend(loc="best", ncols=2)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


@styled
def plot_sizes(jumps: pd.DataFrame, *, title: str = "", ax: Axes | None = None) -> Axes:
    """Histogram of flagged log returns, upward and downward, by absolute size."""
    ax = axes(ax, height=2.8)
    size = 100 * jumps.loc[jumps["is_jump"], "jump_size"]
    # Not empty, where no hour was flagged.
    edges = np.linspace(0, max(float(size.abs().max()), 1.0) if len(size) else 1.0, 31)
    for name, sign, _, colour in _DIRECTIONS:
        part = size[np.sign(size) == sign].abs()
        line, words = ("-", "solid") if sign > 0 else ("--", "dashed")
        ax.hist(part, edges, histtype="step", linewidth=1.6, linestyle=line, color=colour)
        ax.text(
            0.98,
            0.9 if sign > 0 else 0.8,
            f"{name} ({words}): {len(part):,} hours",
            color=colour,
            ha="right",
            transform=ax.transAxes,
        )
    ax.set(title=title, xlabel="absolute log return of the flagged hour, %", ylabel="hours")
    return ax


@styled
def plot_hours_of_week(counts: pd.Series, *, title: str = "", ax: Axes | None = None) -> Axes:
    """Number of flags in each hour of the week, from counts per slot 0 .. 167.

    Cells with more than half as many as the fullest have their number.
    """
    ax = axes(ax, height=2.9)
    grid = counts.to_numpy().reshape(7, 24)
    texts = np.where(grid > max(grid.max() / 2, 1), grid.astype(int).astype(str), "")
    sns.heatmap(
        grid, ax=ax, cmap="Blues", vmin=0, annot=texts, fmt="", linewidths=0.4,
        cbar_kws={"label": "flags", "pad": 0.01, "ticks": MaxNLocator(nbins=5, integer=True)},
    )  # fmt: skip
    ax.set_xticks(np.arange(0, 24, 3) + 0.5, [f"{hour:02d}" for hour in range(0, 24, 3)])
    ax.set_yticks(np.arange(7) + 0.5, _WEEKDAYS, rotation=0)
    ax.set(title=title, xlabel="hour of the bar's open, UTC")
    ax.grid(visible=False)
    return ax


def fullest_slots(counts: pd.Series) -> str:
    """The two hours of the week with most flags, in words, from counts per slot 0 .. 167."""
    slots = counts.sort_values(ascending=False, kind="stable").head(2)
    return " and ".join(
        f"{_WEEKDAYS[slot // 24]} {slot % 24:02d}:00 ({count:.0f})" for slot, count in slots.items()
    )


@styled
def plot_periodicity(factors: pd.DataFrame, *, title: str = "", ax: Axes | None = None) -> Axes:
    """Factors per slot, one line per column, named at the right end."""
    ax = axes(ax, height=2.8)
    ends = []
    for (name, line), (colour, dashes) in zip(factors.items(), _LINES, strict=False):
        ax.step(line.index, line, dashes, where="mid", color=colour, linewidth=1.1)
        ends.append((line.iloc[-1], str(name), colour))
    ax.axhline(1, color=BLACK, linewidth=0.8, linestyle=":")
    if len(factors) == 168:
        ax.set_xticks(np.arange(0, 168, 24), _WEEKDAYS)
    label_ends(ax, factors.index[-1], ends)
    label = "hour of the week (Monday 00:00 UTC on)" if len(factors) == 168 else "hour, UTC"
    ax.set(title=title, xlabel=label, ylabel="volatility, average hour = 1")
    return ax


@styled
def plot_events(windows: pd.DataFrame, *, title: str, columns: int = 3) -> Figure:
    """DVOL around each event with its flags, one panel per event (see `event_windows`)."""
    events = list(windows["event"].unique())
    rows = max(1, -(-len(events) // columns))
    fig = new_figure(WIDTH, 0.6 + 1.9 * rows)
    grid = fig.subplots(rows, columns, squeeze=False)
    for ax, event in zip(grid.flat, events, strict=False):
        hours = windows[windows["event"] == event]
        _level(ax, hours["time"], hours["dvol_close"], hours)
        day = pd.Timestamp(event, tz="UTC")
        ax.axvspan(day, day + pd.Timedelta(days=1), color=GREY, alpha=0.15, linewidth=0)
        flagged = int(hours["is_jump"].sum())
        ax.set_title(f"{event}: {flagged} flagged", fontsize=10, fontweight="normal")
        ax.xaxis.set_major_locator(mdates.DayLocator(interval=3))
        ax.xaxis.set_major_formatter(mdates.DateFormatter("%d %b"))
    for ax in grid.flat[len(events) :]:
        ax.set_axis_off()
    for ax in grid[:, 0]:
        ax.set_ylabel("DVOL, points")
    fig.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return fig


def _level(ax: Axes, time: pd.Series, level: pd.Series, jumps: pd.DataFrame) -> None:
    ax.plot(time, level, color=GREY, linewidth=0.8, alpha=0.7)
    for _, sign, marker, colour in _DIRECTIONS:
        hit = (jumps["is_jump"] & (np.sign(jumps["jump_size"]) == sign)).to_numpy()
        ax.plot(time[hit], level[hit], linestyle="", marker=marker, color=colour, markersize=3.5)
