"""Figure of the page on the years before the test: a tidy table in, a figure out."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dvol_utils.plots.style import (
    BLACK,
    GREY,
    MODEL_COLOURS,
    MODEL_MARKERS,
    PALE,
    WIDTH,
    new_figure,
    styled,
)
from dvol_utils.significance.losses import LOSSES
from dvol_utils.study.model_names import label

_PANELS = {
    "squared_error": "squared error,\n% less than persistence",
    "absolute_error": "absolute error,\n% less than persistence",
    "direction": "direction, points\nmore than chance",
}
_HATCHED = "#DEDEDE"
_REACH = 1.6  # whiskers are cut this far beyond the outermost estimates, so that these stay apart


@styled
def gain_by_half_year(
    halves: pd.DataFrame,
    chosen: Sequence[tuple[pd.Timestamp, pd.Timestamp]],
    test_start: pd.Timestamp,
    *,
    title: str,
) -> Figure:
    """Gain over persistence in each half-year, one panel per loss.

    Parameters
    ----------
    halves : DataFrame
        Half-years of `edge_table`. The chosen model has whiskers and a thick line; the others are
        pale.
    chosen : sequence of (start, end)
        Stretches whose rows once chose settings: hatched.
    test_start : Timestamp
        Where the study's test begins: a dashed line.
    title : str
        The finding.
    """
    figure = new_figure(WIDTH, 6.6)
    panels = figure.subplots(len(LOSSES), 1, sharex=True)
    for ax, loss in zip(panels, LOSSES, strict=True):
        _panel(ax, halves[halves["loss"] == loss])
        ax.set_ylabel(_PANELS[loss])
        first, last = halves["first"].min(), halves["last"].max()
        for start, end in chosen:
            if start < last and end > first:
                span = max(start, first), min(end, last)
                ax.axvspan(*span, facecolor="none", edgecolor=_HATCHED, hatch="///", lw=0, zorder=0)
        ax.axvline(test_start, color=GREY, linewidth=0.9, linestyle=(0, (4, 2)))
    panels[0].annotate(
        "test", (test_start, 1), (3, -10), xycoords=("data", "axes fraction"),
        textcoords="offset points", color=GREY, fontsize=9,
    )  # fmt: skip
    panels[0].fill_between([], [], facecolor="none", edgecolor=GREY, hatch="///", lw=0,
                           label="rows that once chose settings")  # fmt: skip
    panels[0].legend(loc="upper center", bbox_to_anchor=(0.5, 1.3), ncols=3, fontsize=9)
    middles, names = _middles(halves)
    panels[-1].set_xticks(middles, [name.replace(" ", "\n") for name in names])
    figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
    return figure


def _middles(rows: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    once = rows.drop_duplicates("stretch").sort_values("first")
    middle = once["first"] + (once["last"] - once["first"]) / 2
    return mdates.date2num(middle), list(once["stretch"])


def _panel(ax: Axes, halves: pd.DataFrame) -> None:
    """One loss: pale lines of the other models, then the chosen one with its whiskers."""
    others = halves[~halves["chosen"].astype(bool)]
    for number, (_, rows) in enumerate(others.groupby("model", sort=False)):
        form = {"color": PALE, "linewidth": 0.9, "marker": ".", "zorder": 1}
        ax.plot(_middles(rows)[0], 100 * rows["loss_gain"], **form,
                label="other models" if number == 0 else None)  # fmt: skip
    chosen = halves[halves["chosen"].astype(bool)]
    if chosen.empty:
        return
    model, places = chosen["model"].iloc[0], _middles(chosen)[0]
    low, gain, high = (100 * chosen[name].to_numpy() for name in ("low", "loss_gain", "high"))
    colour = MODEL_COLOURS.get(model, BLACK)
    ax.vlines(places, low, high, color=colour, linewidth=1.6, zorder=2)
    form = {"color": colour, "marker": MODEL_MARKERS.get(model, "o"), "ms": 7, "linewidth": 1.8}
    ax.plot(places, gain, **form, zorder=3, label=f"{label(model)}, with intervals")
    ax.axhline(0, color=BLACK, linewidth=0.8, zorder=1)
    _limit(ax, low, high, 100 * halves["loss_gain"].to_numpy())


def _limit(ax: Axes, low: np.ndarray, high: np.ndarray, gains: np.ndarray) -> None:
    """Show all of the chosen model; another far below is cut, not allowed to flatten it."""
    ends = [np.nanmin([*low, 0.0]), np.nanmax([*high, 0.0])]
    room = _REACH * (ends[1] - ends[0])
    inside = gains[np.isfinite(gains) & (gains > ends[0] - room) & (gains < ends[1] + room)]
    bottom, top = min(ends[0], *inside), max(ends[1], *inside)
    margin = 0.06 * (top - bottom or 1.0)
    ax.set_ylim(bottom - margin, top + margin)
