"""Figure of the page on what came after the study: a tidy table in, axes out."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

from dvol_utils.plots.style import BLACK, MODEL_COLOURS, PALE, axes, label_ends, styled
from dvol_utils.study.model_names import label

_FORMS = {"saved": "-", "refitted": (0, (4, 1.5))}
_NAMES = {"saved": "as it was", "refitted": "refitted"}
_DRAWN = 600  # points per line: a curve of 7 inches has no room for more


@styled
def cumulative_gain(
    gains: pd.DataFrame, chosen: str | None, *, title: str, ax: Axes | None = None
) -> Axes:
    """Squared error saved over persistence since the study's end, one line per model and way.

    Parameters
    ----------
    gains : DataFrame
        `pages.after.cumulative_gains`; the seasonal naive forecast, which would flatten all others,
        is left out.
    chosen : str or None
        The model that is drawn in its colour and named; the others are pale.
    title : str
        The finding.
    """
    ax = axes(ax, height=3.6)
    ends = []
    for (way, model), rows in gains.groupby(["way", "model"], sort=False):
        if model == "seasonal_naive":
            continue
        # Every so many points and the last one, so that lines end where they end.
        line = rows.iloc[:: max(1, len(rows) // _DRAWN)]
        line = pd.concat([line, rows.tail(1)])
        is_chosen = model == chosen
        colour = MODEL_COLOURS.get(str(model), BLACK) if is_chosen else PALE
        ax.plot(
            line["origin"],
            line["gain"],
            color=colour,
            linestyle=_FORMS[str(way)],
            linewidth=2.0 if is_chosen else 0.9,
            zorder=3 if is_chosen else 2,
        )
        if is_chosen:
            ends.append((line["gain"].iloc[-1], f"{label(str(model))}, {_NAMES[str(way)]}", colour))
    ax.axhline(0, color=BLACK, linewidth=0.8)
    locator = AutoDateLocator(minticks=3, maxticks=8)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    ax.set(xlabel="origin (UTC)", ylabel="saved since the end, squared points", title=title)
    label_ends(ax, gains["origin"].max(), ends)
    return ax
