"""Figure of the page on horizons: a tidy table in, axes out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from dvol_utils.plots.regimes import SKILL_FLOOR
from dvol_utils.plots.style import (
    BLACK,
    GREY,
    MODEL_COLOURS,
    MODEL_MARKERS,
    axes,
    label_ends,
    styled,
)
from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import written

_APART = 0.045  # between two models' whiskers, as a share of the step from 1 hour to 10
_MARGIN = 0.2  # left of the first horizon and right of the last, the same way


@styled
def skill_by_horizon(table: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """Skill with its interval at each horizon, a line a model: `horizon_table`.

    A large full marker is the model chosen on the horizon's validation rows. Models below
    `SKILL_FLOOR` are named, not drawn, and whiskers end there.
    """
    ax = axes(ax, height=4.0)
    hours, models = table["horizon_hours"].unique(), list(pd.unique(table["model"]))
    drawn = table[100 * table["skill"] >= SKILL_FLOOR]
    ends = []
    for model, rows in drawn.groupby("model", sort=False):
        colour = MODEL_COLOURS.get(model, GREY)
        shift = _APART * (models.index(model) - (len(models) - 1) / 2)
        places = rows["horizon_hours"].to_numpy() * 10**shift
        low, skill, high = (100 * rows[name].to_numpy() for name in ("low", "skill", "high"))
        ax.vlines(places, np.maximum(low, SKILL_FLOOR), high, color=colour, alpha=0.7)
        marker, text = MODEL_MARKERS.get(model, "o"), label(model)
        form = {"color": colour, "marker": marker}
        ax.plot(places, skill, **form, linewidth=0.8, ms=5, mfc="white")
        chosen = rows["chosen"].to_numpy()
        ax.plot(places[chosen], skill[chosen], **form, ls="", ms=9, mew=2)
        if rows["horizon_hours"].iloc[-1] == hours[-1]:
            ends.append((skill[-1], text, colour))
        else:
            place = (places[-1], skill[-1])
            ax.annotate(text, place, (9, 0), textcoords="offset points", va="center", color=colour)
    ax.axhline(0, color=BLACK, linewidth=0.8)
    ax.set_xscale("log")
    ax.set_xlim(hours[0] / 10**_MARGIN, hours[-1] * 10**_MARGIN)
    ax.set_xticks(hours, [str(value) for value in hours])
    ax.xaxis.set_minor_locator(NullLocator())
    label_ends(ax, ax.get_xlim()[1], ends)
    _name_absent(ax, table[100 * table["skill"] < SKILL_FLOOR])
    ax.set(xlabel="horizon, hours", ylabel="skill against persistence, %", title=title)
    return ax


def _name_absent(ax: Axes, absent: pd.DataFrame) -> None:
    """Say below the axes which points are not drawn."""
    parts = []
    for model, rows in absent.groupby("model", sort=False):
        skills = [
            f"{written(100 * row.skill, 0)} % at {row.horizon_hours} h" for row in rows.itertuples()
        ]
        parts.append(f"{label(model)} {', '.join(skills)}")
    if parts:
        text = "not shown: " + "\n".join(parts)
        ax.annotate(text, (0, -0.16), xycoords="axes fraction", va="top", color=GREY, fontsize=8.5)
