"""Figure of the page on horizons: a tidy table in, a figure out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dvol_utils.plots.regimes import SKILL_FLOOR
from dvol_utils.plots.style import BLACK, BLUE, GREY, WIDTH, new_figure, styled
from dvol_utils.study.model_names import label

_COLUMNS = 2


@styled
def skill_by_horizon(table: pd.DataFrame, *, title: str) -> Figure:
    """Skill with its interval at each horizon, one panel per model: `horizon_table`.

    Blue and filled where a horizon's validation rows choose the model, else grey and hollow. A
    model that is below `SKILL_FLOOR` at most horizons has no panel, and whiskers end there.
    """
    hours = list(pd.unique(table["horizon_hours"]))
    # By most horizons, so that one bad horizon hides no model.
    low = (100 * table["skill"] < SKILL_FLOOR).groupby(table["model"], sort=False).mean() > 0.5
    models = list(low.index[~low]) or list(low.index)
    rows = -(-len(models) // _COLUMNS)
    figure = new_figure(WIDTH, 0.6 + 2.1 * rows)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False, sharex=True, sharey=True)
    for ax, model in zip(grid.flat, models, strict=False):
        _panel(ax, table[table["model"] == model], hours)
        ax.set_title(label(model), fontsize=10, fontweight="normal")
    for ax in grid.flat[len(models) :]:
        ax.set_axis_off()
    for ax in grid[:, 0]:
        ax.set_ylabel("skill, %")
    for ax in grid[-1]:
        ax.set_xlabel("horizon, hours")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def _panel(ax: Axes, rows: pd.DataFrame, hours: list[int]) -> None:
    rows = rows[100 * rows["skill"] >= SKILL_FLOOR]
    for row in rows.itertuples():
        low, skill, high = 100 * np.array([row.low, row.skill, row.high])
        reach = [[skill - max(low, SKILL_FLOOR)], [high - skill]]
        colour, face = (BLUE, BLUE) if row.chosen else (GREY, "white")
        form = {"fmt": "o", "color": colour, "mfc": face, "capsize": 2.5, "ms": 7}
        ax.errorbar(hours.index(row.horizon_hours), skill, reach, **form)
    ax.axhline(0, color=BLACK, linewidth=0.8)
    ax.set_xticks(range(len(hours)), [str(value) for value in hours])
    ax.set_xlim(-0.5, len(hours) - 0.5)
    ax.tick_params(labelbottom=True)
