"""Figures of quantiles: tidy tables in, axes out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dvol_utils.plots.style import BLACK, BLUE, GREY, VERMILION, axes, styled

_FORMS = {0.5: ("s", BLUE, -0.14), 0.9: ("o", VERMILION, 0.14)}


@styled
def coverage_gaps(
    shares: Mapping[str, pd.DataFrame], *, title: str, ax: Axes | None = None
) -> Axes:
    """Outcomes within each interval less what is meant, percentage points, with 95 % intervals.

    Parameters
    ----------
    shares : mapping of str to DataFrame
        Names of groups of hours, with their line breaks, and `reliability` of one model in each.
    title : str
        The finding.
    ax : Axes, optional
        Axes to draw on.
    """
    ax = axes(ax, height=3.2)
    for nominal, (marker, colour, shift) in _FORMS.items():
        rows = [
            table[(table["share"] == "within") & np.isclose(table["nominal"], nominal)].iloc[0]
            for table in shares.values()
        ]
        gap = np.array([100 * (row["observed"] - nominal) for row in rows])
        reach = [[100 * abs(row["observed"] - row[end]) for row in rows] for end in ("low", "high")]
        form = {"fmt": marker, "color": colour, "ecolor": colour, "capsize": 2.5, "ms": 6}
        places = np.arange(len(rows)) + shift
        ax.errorbar(places, gap, reach, **form, label=f"{100 * nominal:.0f} % interval")
    ax.axhline(0, color=BLACK, linewidth=1.0)
    ax.set_xticks(range(len(shares)), list(shares))
    ax.grid(visible=False, axis="x")
    for place in np.arange(len(shares) - 1) + 0.5:
        ax.axvline(place, color=GREY, linewidth=0.4)
    ax.legend(loc="best", ncols=2)
    ax.set(ylabel="observed less meant,\npercentage points", title=title)
    return ax
