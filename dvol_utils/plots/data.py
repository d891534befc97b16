"""Figures of notebook 01: coverage, series, distributions and calendar patterns."""

from __future__ import annotations

import matplotlib.dates as mdates
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import StrMethodFormatter

from dvol_utils.plots.style import BLUE, GREEN, GREY, ORANGE, VERMILION, axes, styled

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ACTIVITY = {
    "transfer_volume_usd": ("transfers", VERMILION),
    "active_addresses": ("active addresses", BLUE),
    "transaction_count": ("transactions", GREEN),
}


@styled
def plot_coverage(
    coverage: pd.DataFrame, gaps: pd.DataFrame, *, title: str, ax: Axes | None = None
) -> Axes:
    """One bar a column from its first to its last value; hours without a value are cut out.

    Parameters
    ----------
    coverage, gaps : DataFrame
        Tables of `panel.coverage` and `panel.gaps`, of one asset.
    title : str
        The finding.
    ax : Axes, optional
        Axes to draw on.
    """
    ax = axes(ax, height=3.8)
    columns = coverage["column"].tolist()
    for row, held in enumerate(coverage.itertuples()):
        if pd.isna(held.first):
            continue
        left, right = mdates.date2num([held.first, held.last])
        ax.barh(row, right - left, left=left, height=0.55, color=BLUE)
    for gap in gaps.itertuples():
        left, right = mdates.date2num([gap.start, gap.end + pd.Timedelta(hours=1)])
        colour = "white" if gap.action == "left empty" else ORANGE
        span = {"left": left, "height": 0.55, "color": colour, "edgecolor": colour}
        for name in gap.columns.split(", "):
            if name in columns:
                # The edge keeps a gap of hours visible on an axis of years.
                ax.barh(columns.index(name), right - left, linewidth=0.6, **span)
    ax.set_yticks(range(len(columns)), columns)
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    _date_axis(ax)
    ax.set_title(title)
    return ax


@styled
def plot_series(
    daily: pd.DataFrame,
    column: str,
    *,
    title: str,
    unit: str,
    boundaries: dict[str, pd.Timestamp] | None = None,
    log: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """One line over time, with named boundaries as dashed verticals.

    Parameters
    ----------
    daily : DataFrame
        `time` and `column`, thinned before: a point a day draws the same line as one an hour.
    column : str
        Column to draw.
    title, unit : str
        The finding; the label of the vertical axis.
    boundaries : dict, optional
        Times to mark, by their names.
    log : bool
        Logarithmic vertical axis.
    ax : Axes, optional
        Axes to draw on.
    """
    ax = axes(ax)
    ax.plot(daily["time"], daily[column], color=BLUE, linewidth=1.0)
    if log:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        ax.yaxis.set_minor_formatter(StrMethodFormatter("{x:,.0f}"))
    for name, time in (boundaries or {}).items():
        ax.axvline(time, color=GREY, linestyle="--", linewidth=1.0)
        ax.annotate(
            f" {name}", (time, 0.98), xycoords=("data", "axes fraction"), va="top", color=GREY
        )
    _date_axis(ax)
    ax.set_ylabel(unit)
    ax.set_title(title)
    return ax


@styled
def plot_histogram(
    density: pd.DataFrame,
    *,
    title: str,
    xlabel: str,
    log: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Density of a variable, with the normal density of the same mean and variance.

    Parameters
    ----------
    density : DataFrame
        `left, right, density, normal`, as of `diagnostics.histogram`.
    title, xlabel : str
        The finding; name and unit of the variable.
    log : bool
        Logarithmic density axis, which shows the tails.
    ax : Axes, optional
        Axes to draw on.
    """
    ax = axes(ax)
    width = density["right"] - density["left"]
    ax.bar(density["left"], density["density"], width, align="edge", color=BLUE, alpha=0.75)
    middle = (density["left"] + density["right"]) / 2
    ax.plot(middle, density["normal"], color=VERMILION, label="normal, same mean and sd")
    if log:
        ax.set_yscale("log")
        seen = density.loc[density["density"] > 0, "density"]
        ax.set_ylim(seen.min() / 2, seen.max() * 2)
    ax.legend(loc="upper right")
    ax.set_xlabel(xlabel)
    ax.set_ylabel("density")
    ax.set_title(title)
    return ax


@styled
def plot_slot_means(
    means: pd.DataFrame, *, title: str, unit: str, xlabel: str, ax: Axes | None = None
) -> Axes:
    """Mean by hour of day or weekday, with intervals; slots whose interval excludes 0 are dark.

    Parameters
    ----------
    means : DataFrame
        `slot, mean, low, high` of one asset; 7 slots are labelled as weekdays.
    title, unit, xlabel : str
        The finding; label of the vertical axis; label of the slots.
    ax : Axes, optional
        Axes to draw on.
    """
    ax = axes(ax)
    clear = (means["low"] > 0) | (means["high"] < 0)
    colours = [BLUE if flag else GREY for flag in clear]
    ax.bar(means["slot"], means["mean"], color=colours, width=0.7)
    errors = [means["mean"] - means["low"], means["high"] - means["mean"]]
    ax.errorbar(means["slot"], means["mean"], errors, fmt="none", ecolor="black", capsize=2)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.grid(visible=False, axis="x")
    _slot_axis(ax, means)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(unit)
    ax.set_title(title)
    return ax


@styled
def plot_activity(activity: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """On-chain activity by weekday, relative to its mean, one line a series.

    Parameters
    ----------
    activity : DataFrame
        `column, slot, mean, low, high` of one asset.
    title : str
        The finding.
    ax : Axes, optional
        Axes to draw on.
    """
    ax = axes(ax)
    for column, part in activity.groupby("column", sort=False):
        label, colour = _ACTIVITY[str(column)]
        ax.plot(part["slot"], part["mean"], color=colour, marker="o", markersize=4, label=label)
        ax.fill_between(part["slot"], part["low"], part["high"], color=colour, alpha=0.15)
    ax.axhline(1, color="black", linewidth=0.8)
    ax.legend(loc="lower left")
    _slot_axis(ax, activity)
    ax.set_xlabel("UTC weekday of the value")
    ax.set_ylabel("relative to the mean day")
    ax.set_title(title)
    return ax


def _date_axis(ax: Axes) -> None:
    locator = mdates.AutoDateLocator()
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))


def _slot_axis(ax: Axes, means: pd.DataFrame) -> None:
    slots = sorted(set(means["slot"]))
    if len(slots) <= len(_WEEKDAYS):
        ax.set_xticks(slots, [_WEEKDAYS[slot] for slot in slots])
    else:
        ax.set_xticks([slot for slot in slots if slot % 2 == 0])
