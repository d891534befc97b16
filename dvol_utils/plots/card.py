"""Figures of the model card: tidy tables in, axes out."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dvol_utils.plots.style import BLACK, BLUE, GREY, VERMILION, WIDTH, axes, new_figure, styled
from dvol_utils.study.model_names import label

_BAND = ["q05", "q95"]
_NAMED = 2


@styled
def week_gains(weeks: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """What each week won or lost against persistence: a bar a week of `weekly_losses`.

    The two weeks that lost most are named by their Monday.
    """
    ax = axes(ax, height=2.9)
    gain = -weeks["excess"]
    colours = np.where(gain > 0, BLUE, VERMILION)
    ax.bar(weeks["week"], gain, width=pd.Timedelta(days=6), align="edge", color=colours)
    ax.axhline(0, color=BLACK, linewidth=0.8)
    ax.margins(y=0.15)
    for place in gain[gain < 0].nsmallest(_NAMED).index:
        start = weeks["week"][place]
        ax.annotate(
            f"{start:%d %b}",
            (start + pd.Timedelta(days=3), gain[place]),
            (0, -3),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=8.5,
            color=VERMILION,
        )
    _date_axis(ax)
    ax.set(xlabel="week of the origin", ylabel="gain in squared error, points²", title=title)
    return ax


@styled
def week_close_up(
    forecasts: pd.DataFrame, model: str, *, title: str, legend: bool = True, ax: Axes | None = None
) -> Axes:
    """Outcome, persistence and one model's forecast with its 90 % interval, by target hour.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset, one row an origin and model; without quantiles no band is drawn.
    model : str
    title : str
        The finding.
    legend : bool
        Whether the lines are named; once is enough where several weeks share a figure.
    """
    ax = axes(ax, height=3.2)
    own = forecasts[forecasts["model"] == model].sort_values("target_time")
    time = own["target_time"]
    band = own.reindex(columns=_BAND).astype(float)
    if band.notna().all(axis="columns").any():
        ax.fill_between(
            time, *band.to_numpy().T, color=BLUE, alpha=0.18, linewidth=0, label="90 % interval"
        )
    ax.plot(time, own["y_origin"], color=GREY, linestyle="--", label="persistence")
    ax.plot(time, own["y_pred"], color=BLUE, label=label(model))
    ax.plot(time, own["y_true"], color=BLACK, linewidth=1.8, label="outcome")
    if legend:
        ax.legend(loc="best", ncols=4)
    _date_axis(ax)
    ax.set(xlabel="target hour, UTC", ylabel="DVOL, index points", title=title)
    return ax


@styled
def week_close_ups(
    forecasts: pd.DataFrame, model: str, titles: Mapping[pd.Timestamp, str]
) -> Figure:
    """`week_close_up` of each `week` of the forecasts (`rows_of_weeks`), one below the other."""
    weeks = list(pd.unique(forecasts["week"]))
    figure = new_figure(WIDTH, 2.7 * len(weeks))
    panels = figure.subplots(len(weeks), 1, squeeze=False)
    for place, (week, ax) in enumerate(zip(weeks, panels[:, 0], strict=True)):
        rows = forecasts[forecasts["week"] == week]
        week_close_up(rows, model, title=titles[week], legend=place == 0, ax=ax)
    return figure


@styled
def move_errors(table: pd.DataFrame, model: str, *, title: str, ax: Axes | None = None) -> Axes:
    """RMSE of a model and of persistence by the size of the move that came: `error_by_move`."""
    ax = axes(ax, height=3.2)
    place = np.arange(len(table))
    lines = (("rmse_persistence", "s--", GREY, "Persistence"), ("rmse", "o-", BLUE, model))
    for column, form, colour, name in lines:
        text = label(name)
        ax.plot(place, table[column], form, color=colour, label=text)
    ax.legend(loc="upper left")
    edges = zip(table["smallest"], table["largest"], strict=True)
    ax.set_xticks(place, [f"{low:.1f} to {high:.1f}" for low, high in edges])
    ax.set_ylim(bottom=0)
    ax.set(
        xlabel="absolute move from origin to target, points; as many hours each",
        ylabel="RMSE, points",
        title=title,
    )
    return ax


@styled
def monthly_coverage(table: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """Share of outcomes within the 90 % interval by month: `month` (text), `covered_90`, `n`.

    Each month stands on as many hours as are written at its foot; the line is what is meant.
    """
    ax = axes(ax, height=2.9)
    place, shares = np.arange(len(table)), 100 * table["covered_90"]
    colours = np.where(shares < 90, VERMILION, BLUE)
    ax.vlines(place, 90, shares, color=colours, alpha=0.7)
    ax.scatter(place, shares, color=colours, zorder=3)
    ax.axhline(90, color=BLACK, linewidth=0.8)
    for at, share in zip(place, shares, strict=True):
        up = share >= 90
        ax.annotate(
            f"{share:.0f}",
            (at, share),
            (0, 6 if up else -6),
            textcoords="offset points",
            ha="center",
            va="bottom" if up else "top",
            fontsize=8.5,
        )
    heads = zip(table["month"], table["n"], strict=True)
    ax.set_xticks(place, [f"{month}\n{hours:,} h" for month, hours in heads], fontsize=8)
    ax.margins(y=0.2)
    ax.set(xlabel="month of the origin", ylabel="in the interval, % of hours", title=title)
    return ax


def _date_axis(ax: Axes) -> None:
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
