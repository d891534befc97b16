"""Figures of quantiles: tidy tables in, axes out."""

from __future__ import annotations

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dvol_utils.plots.style import BLACK, BLUE, GREY, VERMILION, WIDTH, axes, styled
from dvol_utils.study.model_names import label

_LINES = {"normal": ("o", BLUE), "jump": ("D", VERMILION)}
_OTHERS = (("s", BLACK), ("^", GREY), ("v", BLUE), ("D", VERMILION))


@styled
def reliability_lines(shares: pd.DataFrame, by: str, *, title: str, ax: Axes | None = None) -> Axes:
    """Share of outcomes below each quantile against its probability, a line a value of `by`.

    `shares` is a table of `reliability`; the bands are its `low` to `high`. Lines on the diagonal
    are quantiles that say what they mean.
    """
    ax = axes(ax, height=4.4, width=0.9 * WIDTH)
    ax.plot([0, 100], [0, 100], color=BLACK, linewidth=0.8, linestyle="--")
    below = shares[shares["share"] == "below"]
    for place, (value, rows) in enumerate(below.groupby(by, sort=False)):
        marker, colour = _LINES.get(str(value), _OTHERS[place % len(_OTHERS)])
        text = f"{label(str(value))}, {rows['n'].iloc[0]:,} rows"
        nominal = 100 * rows["nominal"]
        ax.plot(nominal, 100 * rows["observed"], color=colour, marker=marker, ms=5, label=text)
        ax.fill_between(
            nominal, 100 * rows["low"], 100 * rows["high"], color=colour, alpha=0.15, linewidth=0
        )
    ax.set_xticks(100 * np.sort(below["nominal"].unique()))
    ax.legend(loc="upper left")
    ax.set(
        xlabel="probability of the quantile, %",
        ylabel="outcomes at or below it, %",
        title=title,
        xlim=(0, 100),
        ylim=(0, 100),
    )
    return ax


@styled
def fan_chart(forecasts: pd.DataFrame, model: str, *, title: str, ax: Axes | None = None) -> Axes:
    """Intervals of one model's forecasts and the outcome, by target hour."""
    ax = axes(ax, height=3.6)
    rows = forecasts[forecasts["model"] == model].sort_values("target_time")
    time = rows["target_time"]
    for low, high, alpha, text in (("q05", "q95", 0.18, "90 %"), ("q25", "q75", 0.38, "50 %")):
        ax.fill_between(
            time,
            rows[low],
            rows[high],
            color=BLUE,
            alpha=alpha,
            linewidth=0,
            label=f"{text} interval",
        )
    ax.plot(time, rows["y_pred"], color=BLUE, linewidth=1.0, label="forecast")
    ax.plot(time, rows["y_true"], color=BLACK, linewidth=1.6, label="outcome")
    ax.legend(loc="best", ncols=4)
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
    ax.set(xlabel="target hour, UTC", ylabel="DVOL, index points", title=title)
    return ax
