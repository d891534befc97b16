"""Figures of intervals and tests: tidy tables in, axes out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dvol_utils.plots.regimes import SKILL_FLOOR
from dvol_utils.plots.style import BLACK, GREY, MODEL_COLOURS, axes, mark_off_scale, styled
from dvol_utils.results.judging import LEVEL
from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import short_p

_ARROWS = {True: "▲", False: "▼"}
# How far a percentage or a share is multiplied for the axis, and what the axis says.
_AXES = {
    "r2": (1, "R²"),
    "rmse": (1, "RMSE, index points"),
    "mae": (1, "MAE, index points"),
    "mape": (1, "MAPE, %"),
    "skill": (100, "skill against persistence, %"),
    "direction": (100, "moves called right, %"),
}


@styled
def interval_whiskers(
    intervals: pd.DataFrame,
    metric: str,
    *,
    title: str,
    reference: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Estimate and interval of one metric, a model a row: `bootstrap_interval`.

    `reference` is drawn as a line, in the metric's own unit. Models without the metric are left
    out, as is persistence from its own skill.
    """
    rows = intervals[(intervals["metric"] == metric) & intervals["estimate"].notna()]
    if metric == "skill":
        rows = rows[rows["model"] != "persistence"]
    scale, text = _AXES[metric]
    ax = axes(ax, height=0.9 + 0.36 * len(rows))
    for place, row in enumerate(rows.itertuples()):
        colour = MODEL_COLOURS.get(row.model, GREY)
        if metric == "skill" and scale * row.estimate < SKILL_FLOOR:
            mark_off_scale(ax, place, scale * row.estimate)
            continue
        ax.plot([scale * row.low, scale * row.high], [place, place], color=colour, linewidth=2)
        ax.plot(scale * row.estimate, place, "o", color=colour)
    ax.set_yticks(range(len(rows)), [label(model) for model in rows["model"]])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    if reference is not None:
        ax.axvline(scale * reference, color=BLACK, linewidth=0.8)
    ax.set(xlabel=text, title=title)
    return ax


@styled
def pair_matrix(pairs: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """Diebold-Mariano p-values of every pair: `diebold_mariano_pairs`.

    Blue where the model of the row is better than that of the column, red where it is worse, with
    an arrow up or down where p is below `LEVEL`; pale where the difference may be chance.
    """
    models = list(dict.fromkeys([*pairs["model_a"], *pairs["model_b"]]))
    ax = axes(ax, height=1.9 + 0.4 * len(models))
    strength = np.full((len(models), len(models)), np.nan)
    for pair in pairs.itertuples():
        a, b = models.index(pair.model_a), models.index(pair.model_b)
        strength[a, b] = -np.sign(pair.statistic) * (1 - pair.p_value)
        strength[b, a] = -strength[a, b]
        for row, column in ((a, b), (b, a)):
            p = short_p(pair.p_value)
            if pair.p_value < LEVEL:
                p += "\n" + _ARROWS[bool(strength[row, column] > 0)]
            colour = "white" if abs(strength[row, column]) ** 8 > 0.6 else BLACK
            cell = {"ha": "center", "va": "center", "fontsize": 8.5, "linespacing": 0.9}
            ax.annotate(p, (column, row), color=colour, **cell)
    # A high power keeps everything pale that is not close to significant.
    shade = np.sign(strength) * np.abs(strength) ** 8
    ax.imshow(shade, cmap="RdBu", vmin=-1.2, vmax=1.2, aspect="auto")
    names = [label(model) for model in models]
    ax.set_xticks(range(len(models)), names, rotation=90)
    ax.set_yticks(range(len(models)), names)
    ax.grid(visible=False)
    ax.set_title(title)
    return ax


@styled
def joint_gains(superior: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """Gain of each model over persistence against chance: `superior_ability`.

    A dot a model; the line is what the best of as many models without any gain exceeds at the
    level of the table's `critical_value`.
    """
    ax = axes(ax, height=1.1 + 0.36 * len(superior))
    ax.axvline(0, color=BLACK, linewidth=0.8)
    for place, row in enumerate(superior.itertuples()):
        colour = MODEL_COLOURS.get(row.model, GREY)
        ax.plot([0, row.statistic], [place, place], color=colour, linewidth=2)
        ax.plot(row.statistic, place, "o", color=colour)
    for critical in superior["critical_value"].head(1):
        ax.axvline(critical, color=BLACK, linewidth=0.8, linestyle="--")
        right = max(critical, superior["statistic"].max())
        ax.set_xlim(right=right + 0.25 * (right - min(superior["statistic"].min(), 0)))
        ax.annotate(
            " needed by the\n best of all",
            (critical, -0.4),
            xytext=(4, 0),
            textcoords="offset points",
            va="top",
            fontsize=9,
        )
    ax.set_yticks(range(len(superior)), [label(model) for model in superior["model"]])
    ax.set_ylim(len(superior) - 0.5, -0.5)
    ax.set(xlabel="mean gain over persistence, standard errors", title=title)
    return ax
