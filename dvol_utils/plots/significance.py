"""Figures of intervals and tests: tidy tables in, axes out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from dvol_utils.plots.style import BLACK, BLUE, GREY, MODEL_MARKERS, axes, styled
from dvol_utils.results.judging import LEVEL
from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import written

_LEFT_OUT = "seasonal_naive"  # hopeless by construction: it would flatten and colour all others


@styled
def skill_differences(
    differences: pd.DataFrame, best: str, *, title: str, ax: Axes | None = None
) -> Axes:
    """Skill of each model less that of the chosen one, with intervals: `bootstrap_difference`.

    Rows of the metric `skill` whose `model_b` is the chosen model. Blue where the interval lies on
    one side of zero, grey where it does not.
    """
    rows = differences[(differences["metric"] == "skill") & (differences["model_b"] == best)]
    rows = rows[rows["model_a"] != _LEFT_OUT].sort_values("estimate", ascending=False)
    ax = axes(ax, height=1.0 + 0.34 * max(len(rows), 1))
    for place, row in enumerate(rows.itertuples()):
        colour = BLUE if row.low > 0 or row.high < 0 else GREY
        values = 100 * np.array([row.low, row.estimate, row.high])
        reach = [[values[1] - values[0]], [values[2] - values[1]]]
        ax.errorbar(values[1], place, xerr=reach, fmt="o", color=colour, capsize=2.5)
        text = f"{written(values[1], 1)}"
        at = {"xycoords": ("axes fraction", "data"), "va": "center", "annotation_clip": False}
        ax.annotate(text, (1.01, place), **at, color=colour, fontsize=9)
    ax.axvline(0, color=BLACK, linewidth=0.9)
    ax.set_yticks(range(len(rows)), [label(model) for model in rows["model_a"]])
    ax.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    ax.set(xlabel=f"skill less that of {label(best)}, percentage points", title=title)
    return ax


def differences_finding(differences: pd.DataFrame, best: str) -> str:
    """How many of the models shown differ in skill from the chosen one, by their intervals."""
    rows = differences[(differences["metric"] == "skill") & (differences["model_b"] == best)]
    rows = rows[rows["model_a"] != _LEFT_OUT]
    worse, better = int((rows["high"] < 0).sum()), int((rows["low"] > 0).sum())
    return (
        f"Of {len(rows)} models {better or 'none'} has more skill than {label(best)} beyond its "
        f"interval, {worse or 'none'} less"
    )


@styled
def size_and_skill(
    sizes: pd.DataFrame, intervals: pd.DataFrame, *, title: str, ax: Axes | None = None
) -> Axes:
    """Skill of networks against their number of parameters, with intervals.

    Parameters
    ----------
    sizes : DataFrame
        `model, parameters`.
    intervals : DataFrame
        `bootstrap_interval`; rows of the metric `skill`.
    title : str
        The finding.
    ax : Axes, optional
        Axes to draw on.
    """
    ax = axes(ax, height=3.4)
    rows = intervals[intervals["metric"] == "skill"].merge(sizes, on="model")
    for place, row in enumerate(rows.sort_values("parameters").itertuples()):
        values = 100 * np.array([row.low, row.estimate, row.high])
        reach = [[values[1] - values[0]], [values[2] - values[1]]]
        marker = MODEL_MARKERS.get(row.model, "o")
        ax.errorbar(row.parameters, values[1], reach, fmt=marker, color=BLUE, ecolor=GREY, ms=7)
        below = place % 2 == 0  # neighbours' names do not meet
        at = {"xytext": (7, -22 if below else 5), "textcoords": "offset points", "fontsize": 9}
        ax.annotate(f"{label(row.model)}\n{row.parameters:,}", (row.parameters, values[1]), **at)
    ax.axhline(0, color=BLACK, linewidth=0.9)
    ax.set_xscale("log")
    ax.margins(x=0.16)
    ax.set(xlabel="parameters, logarithmic axis", ylabel="skill against persistence, %")
    ax.set_title(title)
    return ax


@styled
def pair_matrix(
    pairs: pd.DataFrame, persistence_loss: float, *, title: str, ax: Axes | None = None
) -> Axes:
    """Differences in skill of every pair, percentage points, with a dot where Holm's p is small.

    Parameters
    ----------
    pairs : DataFrame
        `diebold_mariano_pairs`; the seasonal naive forecast is left out. Blue where the model of
        the row is better than that of the column, red where it is worse.
    persistence_loss : float
        Mean squared error of persistence, which differences are divided by.
    title : str
        The finding.
    ax : Axes, optional
        Axes to draw on.
    """
    pairs = shown_pairs(pairs)
    models = list(dict.fromkeys([*pairs["model_a"], *pairs["model_b"]]))
    ax = axes(ax, height=2.2 + 0.36 * len(models))
    gap = pd.DataFrame(np.nan, models, models)
    dots = pd.DataFrame("", models, models)
    for pair in pairs.itertuples():
        # Losses turned into gains in skill: less loss is more skill.
        gap.loc[pair.model_a, pair.model_b] = -100 * pair.mean_difference / persistence_loss
        gap.loc[pair.model_b, pair.model_a] = -gap.loc[pair.model_a, pair.model_b]
        if pair.p_holm < LEVEL:
            dots.loc[pair.model_a, pair.model_b] = dots.loc[pair.model_b, pair.model_a] = " ●"
    texts = gap.map(lambda value: "" if np.isnan(value) else written(value, 1)) + dots
    sns.heatmap(
        gap, ax=ax, cmap="RdBu", center=0, annot=texts, fmt="", annot_kws={"fontsize": 8},
        cbar=False, linewidths=0.4,
    )  # fmt: skip
    names = [label(model) for model in models]
    ax.set_xticklabels(names, rotation=90)
    ax.set_yticklabels(names, rotation=0)
    ax.grid(visible=False)
    ax.set(title=title, xlabel="skill of the row less that of the column, percentage points")
    return ax


def shown_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs without the seasonal naive forecast, which differs from nearly all others."""
    return pairs[~pairs[["model_a", "model_b"]].isin([_LEFT_OUT]).any(axis="columns")]


def pairs_finding(pairs: pd.DataFrame) -> str:
    """How many of the shown pairs differ after Holm's correction, and how many before it."""
    shown = shown_pairs(pairs)
    sure, seen = (int((shown[name] < LEVEL).sum()) for name in ("p_holm", "p_value"))
    return f"{sure} of {len(shown)} pairs differ after Holm's correction ({seen} without it)"


def size_finding(intervals: pd.DataFrame, sizes: pd.DataFrame) -> str:
    """Skill of the smallest and of the largest network."""
    skill = intervals[intervals["metric"] == "skill"].set_index("model")["estimate"]
    ordered = sizes[sizes["model"].isin(skill.index)].sort_values("parameters")
    (first, few), (last, many) = (ordered.iloc[i][["model", "parameters"]] for i in (0, -1))
    return (
        f"{label(last)} with {many:,} parameters has a skill of {written(100 * skill[last], 1)} %, "
        f"{label(first)} with {few:,} one of {written(100 * skill[first], 1)} %"
    )


@styled
def joint_gains(superior: pd.DataFrame, *, title: str, ax: Axes | None = None) -> Axes:
    """Gain of each model over persistence against chance: `superior_ability`.

    One dot per model; the line is what the best of as many models without any gain exceeds at the
    level of the table's `critical_value`. The seasonal naive forecast is left out.
    """
    superior = superior[superior["model"] != _LEFT_OUT]
    ax = axes(ax, height=1.1 + 0.32 * len(superior))
    ax.axvline(0, color=BLACK, linewidth=0.8)
    for place, row in enumerate(superior.itertuples()):
        beyond = row.statistic > row.critical_value
        colour = BLUE if beyond else GREY
        ax.plot([0, row.statistic], [place, place], color=colour, linewidth=2)
        ax.plot(row.statistic, place, "o", color=colour)
    for critical in superior["critical_value"].head(1):
        ax.axvline(critical, color=BLACK, linewidth=0.9, linestyle="--")
        right = max(critical, superior["statistic"].max())
        ax.set_xlim(right=right + 0.35 * (right - min(superior["statistic"].min(), 0)))
        text = f"needed for\np < {LEVEL}: {critical:.1f}"
        at = {"xytext": (4, 0), "textcoords": "offset points", "va": "top", "fontsize": 9}
        ax.annotate(text, (critical, -0.4), **at)
    ax.set_yticks(range(len(superior)), [label(model) for model in superior["model"]])
    ax.set_ylim(len(superior) - 0.5, -0.5)
    ax.set(xlabel="mean gain over persistence, standard errors", title=title)
    return ax
