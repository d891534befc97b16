"""The figure of the report's first page."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from dvol_utils.plots.style import BLACK, MODEL_COLOURS, axes, styled
from dvol_utils.study.model_names import ORACLE
from dvol_utils.wording.numbers import written

LEFT_END = -30.0


@styled
def skill_intervals(
    table: pd.DataFrame, *, title: str, left_end: float = LEFT_END, ax: Axes | None = None
) -> Axes:
    """Skill of each model with its interval, the best on top.

    Parameters
    ----------
    table : DataFrame
        One row a model, indexed by model name: `label`, `skill`, `skill_low`, `skill_high`
        (percent; the ends are missing for a skill without an interval). The oracle, which is no
        model, is drawn hollow.
    title : str
        The finding.
    left_end : float
        Where the axis ends at the latest (percent), so that a very bad model does not flatten the
        others; one beyond it is written at the edge with an arrow and does not set the scale.
    """
    ax = axes(ax, height=0.9 + 0.36 * max(len(table), 1))
    seen = table.loc[table["skill"] > left_end, ["skill", "skill_low"]]
    left = max(left_end, 1.15 * min(seen.min().min(), 0)) if len(seen) else left_end
    ordered = table.sort_values("skill")
    for place, row in enumerate(ordered.itertuples()):
        colour = MODEL_COLOURS.get(row.Index, BLACK)
        ax.plot([row.skill_low, row.skill_high], [place, place], color=colour, linewidth=2.2)
        face = "white" if row.Index == ORACLE else colour
        ax.plot(row.skill, place, "o", color=colour, markersize=6, markerfacecolor=face)
        inside = row.skill > left
        label = f"{written(row.skill, 1)} %"
        ax.annotate(
            label if inside else f"\N{LEFTWARDS ARROW} {label}",
            (max(row.skill, left), place),
            xytext=(0, 6) if inside else (3, 4),
            textcoords="offset points",
            ha="center" if inside else "left",
            fontsize=8.5,
        )
    ax.axvline(0, color=BLACK, linewidth=0.8)
    ax.set_yticks(range(len(ordered)), ordered["label"])
    ax.set_xlim(left, max(1.15 * table[["skill", "skill_high"]].max().max(), 2.0))
    ax.set_ylim(-0.6, len(ordered) - 0.2)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("skill against persistence, % of its squared error")
    ax.set_title(title)
    return ax
