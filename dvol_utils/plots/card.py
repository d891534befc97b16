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

_BANDS = (("q05", "q95", 0.16, "90 % interval"), ("q25", "q75", 0.32, "50 % interval"))
_NAMED = 2


@styled
def week_gains(weeks: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """What each week won or lost against persistence: one bar per week of `weekly_losses`.

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
    forecasts: pd.DataFrame, model: str, *, title: str, ax: Axes | None = None
) -> Axes:
    """Outcome, persistence and one model's forecast with its intervals, by target hour.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset, one row per origin and model; without quantiles no band is drawn.
    model : str
    title : str
        The finding.
    """
    ax = axes(ax, height=3.2)
    rows = forecasts[forecasts["model"] == model].sort_values("target_time")
    time = rows["target_time"]
    for low, high, alpha, text in _BANDS:
        band = rows.reindex(columns=[low, high]).astype(float)
        if band.notna().all(axis="columns").any():
            form = {"color": BLUE, "alpha": alpha, "linewidth": 0, "label": text}
            ax.fill_between(time, *band.to_numpy().T, **form)
    ax.plot(time, rows["y_origin"], color=GREY, linestyle="--", label="persistence")
    ax.plot(time, rows["y_pred"], color=BLUE, label=label(model))
    ax.plot(time, rows["y_true"], color=BLACK, linewidth=1.8, label="outcome")
    _date_axis(ax)
    ax.set(xlabel="target hour, UTC", ylabel="DVOL, index points", title=title)
    return ax


@styled
def week_close_ups(
    forecasts: pd.DataFrame, model: str, titles: Mapping[pd.Timestamp, str]
) -> Figure:
    """`week_close_up` of each `week` of the forecasts (`rows_of_weeks`), one below the other."""
    weeks = list(pd.unique(forecasts["week"]))
    figure = new_figure(WIDTH, 0.4 + 2.4 * len(weeks))
    panels = figure.subplots(len(weeks), 1, squeeze=False)[:, 0]
    for week, ax in zip(weeks, panels, strict=True):
        week_close_up(forecasts[forecasts["week"] == week], model, title=titles[week], ax=ax)
        ax.set_xlabel("target hour, UTC" if ax is panels[-1] else "")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
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
    """Share of outcomes within the 90 % interval by month: `month, covered_90, low, high, n`.

    `month` is text; the whiskers allow for neighbouring hours that are nearly the same, and are
    red where they leave out what is meant.
    """
    ax = axes(ax, height=3.0)
    for place, row in enumerate(table.itertuples()):
        shares = 100 * np.array([row.low, row.covered_90, row.high])
        colour = VERMILION if shares[2] < 90 or shares[0] > 90 else BLUE
        reach = [[shares[1] - shares[0]], [shares[2] - shares[1]]]
        marker = "D" if colour == VERMILION else "o"
        ax.errorbar(place, shares[1], reach, fmt=marker, color=colour, capsize=2.5)
    ax.axhline(90, color=BLACK, linewidth=0.8)
    heads = zip(table["month"], table["n"], strict=True)
    names = [f"{month}\n{hours:,} h" for month, hours in heads]
    ax.set_xticks(range(len(table)), names, fontsize=8)
    ax.set(xlabel="month of the origin", ylabel="in the interval, % of hours", title=title)
    return ax


def _date_axis(ax: Axes) -> None:
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
