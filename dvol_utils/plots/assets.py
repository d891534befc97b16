"""Figures of the page on several assets: tidy tables in, axes out."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from dvol_utils.plots.style import BLACK, MODEL_COLOURS, axes, styled
from dvol_utils.study.model_names import label

_MARKERS = {"pooled": "o", "labelled": "D"}


@styled
def pooling_gains(
    table: pd.DataFrame, ways: Mapping[str, str], *, title: str, ax: Axes | None = None
) -> Axes:
    """Dots and whiskers of what pooling changes, an asset, model and way a row: `pooling_table`.

    `ways` maps the pooled ways to their names. Percentage points of skill; right of zero pooling
    is better.
    """
    rows = table[table["difference"].notna()]
    ax = axes(ax, height=1.1 + 0.44 * len(rows))
    names = []
    for place, row in enumerate(rows.itertuples()):
        colour = MODEL_COLOURS.get(row.model, BLACK)
        ax.plot([100 * row.low, 100 * row.high], [place, place], color=colour, linewidth=2)
        ax.plot(100 * row.difference, place, _MARKERS.get(row.way, "s"), color=colour, ms=7)
        model = label(row.model)
        names.append(f"{row.asset}: {model},\n{ways.get(row.way, row.way)}")
    breaks = (rows["asset"] != rows["asset"].shift()).to_numpy().nonzero()[0]
    for place in breaks[1:]:
        ax.axhline(place - 0.5, color=BLACK, linewidth=0.5, linestyle=":")
    ax.set_yticks(range(len(rows)), names)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.axvline(0, color=BLACK, linewidth=0.8)
    ax.set(xlabel="skill pooled less skill alone, percentage points", title=title)
    return ax
