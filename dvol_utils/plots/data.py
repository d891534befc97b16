"""Figures of notebook 01: coverage, series, distributions and calendar patterns."""

from __future__ import annotations

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, StrMethodFormatter

from dvol_utils.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    WIDTH,
    axes,
    label_ends,
    new_figure,
    styled,
)

_SHADES = ("#E6C98A", "#8FBBDB")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ACTIVITY = {
    "transfer_volume_usd": ("transfers, USD", VERMILION, "o-"),
    "active_addresses": ("active addresses", BLUE, "s--"),
    "transaction_count": ("transactions", GREEN, "^:"),
}
# Share of a day that is there, from this value on: words and colour.
_SHARES = {
    0.0: ("nothing", "#111111"),
    1e-9: ("less than half", VERMILION),
    0.5: ("at least half", ORANGE),
    1.0: ("the whole day", "#CFE3F1"),
}


@styled
def plot_calendars(calendar: pd.DataFrame, *, title: str) -> Figure:
    """One calendar per series, with what the colours mean.

    Parameters
    ----------
    calendar : DataFrame
        `series, day, share` of one asset, as of `quality.coverage_calendar`.
    title : str
        The finding.
    """
    names = list(dict.fromkeys(calendar["series"]))
    # Rounded up: an odd series has a row of its own.
    rows = -(-len(names) // 2)
    fig = new_figure(WIDTH, 0.7 + 1.8 * rows)
    grid = fig.subplots(rows, 2, squeeze=False, sharex=True)
    for ax, name in zip(grid.flat, names, strict=False):
        plot_calendar(calendar[calendar["series"] == name], title=name, ax=ax)
    for ax in grid.flat[len(names) :]:
        ax.set_visible(False)
    for ax in grid[-1]:
        ax.tick_params(labelbottom=True)
    for ax in grid[:, 1]:
        ax.set_ylabel("")
    handles = [Patch(facecolor=colour, label=words) for words, colour in _SHARES.values()]
    fig.legend(handles=handles[::-1], loc="outside lower center", ncols=len(handles))
    fig.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return fig


@styled
def plot_calendar(calendar: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """Days by months: how much of each UTC day is there; white lies outside of the data.

    Parameters
    ----------
    calendar : DataFrame
        `day, share` (0..1) of one series.
    title : str
        The series.
    ax : Axes, optional
        Axes to draw on.
    """
    ax = axes(ax, height=2.0)
    # Periods know no zone; the days are UTC days already.
    days = calendar["day"].dt.tz_localize(None)
    month = days.dt.to_period("M")
    months = pd.period_range(month.min(), month.max() + 1, freq="M")
    cells = np.full((31, len(months) - 1), np.nan)
    cells[days.dt.day - 1, months.get_indexer(month)] = calendar["share"]
    colours = ListedColormap([colour for _, colour in _SHARES.values()])
    # One edge more than colours: a whole day is a share of 1, which lies below 1.5.
    norm = BoundaryNorm([*_SHARES, 1.5], len(_SHARES))
    edges = mdates.date2num(months.to_timestamp())
    ax.pcolormesh(edges, np.arange(32) + 0.5, cells, cmap=colours, norm=norm)
    ax.invert_yaxis()
    _date_axis(ax)
    ax.set_yticks([1, 15, 31])
    ax.grid(visible=False)
    ax.set_ylabel("day of the month")
    ax.set_title(title, fontsize=10, fontweight="normal")
    return ax


@styled
def plot_lead_lag(clock: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """Correlation of DVOL's changes with price moves at leads and lags.

    Parameters
    ----------
    clock : DataFrame
        `lag_hours, with_return, with_size` of one asset, as of `quality.lead_lag`.
    title : str
        The finding.
    ax : Axes, optional
        Axes to draw on.
    """
    ax = axes(ax, height=2.6)
    # As wide as the gap between bars, whatever the step of the data.
    width = 0.38 * (clock["lag_hours"].diff().min() if len(clock) > 1 else 1)
    kinds = (("with_return", "price return", BLUE), ("with_size", "its absolute value", ORANGE))
    for side, (column, label, colour) in zip((-1, 1), kinds, strict=True):
        places = clock["lag_hours"] + side * width / 2
        ax.bar(places, clock[column], width, color=colour, label=label)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.grid(visible=False, axis="x")
    ax.legend(loc="upper right")
    ax.set_xticks(clock["lag_hours"])
    ax.set_xlabel("hours by which the price move lies before the change of DVOL")
    ax.set_ylabel("correlation")
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
    """One line over time, with named stretches shaded from a dashed line each.

    Parameters
    ----------
    daily : DataFrame
        `time` and `column`, thinned before: a point a day draws the same line as one per hour.
    column : str
        Column to draw.
    title, unit : str
        The finding; the label of the vertical axis.
    boundaries : dict, optional
        Where stretches begin, in order of time, by their names.
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
        ax.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
        ax.yaxis.set_minor_formatter(StrMethodFormatter("{x:,.0f}"))
    starts = [*(boundaries or {}).values(), daily["time"].max()]
    for place, (name, time) in enumerate((boundaries or {}).items()):
        span = {"color": _SHADES[place % 2], "alpha": 0.3, "linewidth": 0, "zorder": 0}
        ax.axvspan(time, starts[place + 1], **span)
        ax.axvline(time, color=GREY, linestyle="--", linewidth=1.0)
        at = {"xycoords": ("data", "axes fraction"), "va": "top"}
        ax.annotate(f" {name}", (time, 0.98), **at)
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
    unit: str,
    log: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Density of a variable, with the normal density of the same mean and variance.

    Parameters
    ----------
    density : DataFrame
        `left, right, density, normal`, as of `distributions.histogram`.
    title, xlabel, unit : str
        The finding; name of the variable; the unit that a density is counted per.
    log : bool
        Logarithmic density axis, which shows the tails.
    ax : Axes, optional
        Axes to draw on.
    """
    ax = axes(ax)
    width = density["right"] - density["left"]
    ax.bar(density["left"], density["density"], width, align="edge", color=BLUE, alpha=0.5)
    middle = (density["left"] + density["right"]) / 2
    ax.plot(middle, density["normal"], color=BLACK, label="normal curve, same mean and spread")
    if log:
        ax.set_yscale("log")
        seen = density.loc[density["density"] > 0, "density"]
        # The normal curve falls without end here, and would set the scale.
        ax.set_ylim(seen.min() / 2, seen.max() * 2)
    ax.legend(loc="upper right")
    ax.set_xlabel(xlabel)
    ax.set_ylabel(f"density, per {unit}")
    ax.set_title(title)
    return ax


@styled
def plot_slot_means(
    means: pd.DataFrame, *, title: str, unit: str, xlabel: str, ax: Axes | None = None
) -> Axes:
    """Mean by hour of day or weekday, with intervals; slots whose interval excludes 0 are filled.

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
    colours = [BLUE if flag else "white" for flag in clear]
    ax.bar(means["slot"], means["mean"], color=colours, edgecolor=BLUE, width=0.7)
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
    """On-chain activity by weekday, relative to its mean, one line per series.

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
    ends = []
    for column, part in activity.groupby("column", sort=False):
        label, colour, form = _ACTIVITY[str(column)]
        ax.plot(part["slot"], part["mean"], form, color=colour, markersize=4, label=label)
        ends.append((part["mean"].iloc[-1], label, colour))
        ax.fill_between(part["slot"], part["low"], part["high"], color=colour, alpha=0.15)
    ax.axhline(1, color="black", linewidth=0.8)
    label_ends(ax, activity["slot"].max(), ends)
    _slot_axis(ax, activity)
    ax.set_xlabel("UTC weekday of the value")
    ax.set_ylabel("mean day = 1")
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
