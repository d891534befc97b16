"""Figures of notebook 03: learning curves and what was learnt."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dvol_utils.plots.style import (
    BLACK,
    BLUE,
    GREY,
    MODEL_COLOURS,
    MODEL_MARKERS,
    VERMILION,
    axes,
    label_ends,
    mark_off_scale,
    styled,
)
from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import number, percent

_LOWEST_SKILL = -15.0  # worse forecasts are written at this place
_REGIME_DOTS = {"normal": ("o", BLUE), "jump": ("D", VERMILION)}


@styled
def learning_curves(history: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Training and validation loss by epoch: columns `model, seed, epoch, *_loss`.

    Losses are weighted means of squared scaled targets (dimensionless).
    """
    ax = axes(ax, height=3.6)
    ends = []
    for (model, seed), rows in history.groupby(["model", "seed"], sort=False):
        colour = MODEL_COLOURS[model]
        ax.plot(rows["epoch"], rows["train_loss"], color=colour, ls=":", alpha=0.7)
        ax.plot(rows["epoch"], rows["validation_loss"], color=colour)
        best = rows.loc[rows["validation_loss"].idxmin()]
        marker = MODEL_MARKERS.get(model, "o")
        ax.plot(best["epoch"], best["validation_loss"], marker, color=colour, ms=6)
        if seed == history["seed"].iloc[0]:
            ends.append((rows["validation_loss"].iloc[-1], label(model), colour))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(
        xlabel="epoch",
        ylabel="weighted loss (squared scaled change)",
        title=loss_finding(history),
    )
    label_ends(ax, history["epoch"].max(), ends)
    kinds = {"training": ":", "validation": "-"}
    ax.legend([Line2D([], [], color=BLACK, ls=ls) for ls in kinds.values()], kinds, loc="best")
    return ax


def loss_finding(history: pd.DataFrame) -> str:
    """In which epochs the networks' validation losses are lowest."""
    best = history.loc[history.groupby(["model", "seed"])["validation_loss"].idxmin(), "epoch"]
    epochs, last = _span(best.min(), best.max()), history["epoch"].max()
    return f"Validation loss is lowest after epoch {epochs} of up to {last:.0f}"


def _span(first: float, last: float) -> str:
    return f"{first:.0f}" if first == last else f"{first:.0f} to {last:.0f}"


@styled
def validation_skill(choices: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Validation skill of every model, one dot a seed: columns `model, seed, skill`."""
    models = list(dict.fromkeys(choices["model"]))
    ax = axes(ax, height=0.9 + 0.38 * len(models))
    for i, model in enumerate(models):
        skill = 100 * choices.loc[choices["model"] == model, "skill"]
        shown = skill[skill >= _LOWEST_SKILL]
        ax.plot(shown, np.full(len(shown), i), "o", color=MODEL_COLOURS[model], ms=6, alpha=0.8)
        if skill.min() < _LOWEST_SKILL:
            mark_off_scale(ax, i, skill.min())
    ax.axvline(0, color=BLACK, lw=1)
    ax.set_yticks(range(len(models)), [label(model) for model in models])
    ax.invert_yaxis()
    ax.set(xlabel="skill against persistence on validation rows, %", title=best_finding(choices))
    return ax


def best_finding(choices: pd.DataFrame) -> str:
    """The model, of one seed, that forecasts the validation rows best."""
    best = choices.loc[choices["skill"].idxmax()]
    name = label(best["model"])
    return f"{name} forecasts the validation rows best: skill {percent(best['skill'])}"


@styled
def target_distribution(target: np.ndarray, *, ax: Axes | None = None) -> Axes:
    """Histogram of the scaled target on the training rows, beside a normal curve."""
    ax = axes(ax)
    target = pd.Series(target)
    sd = target.std()
    ax.hist(target.clip(-6, 6), bins=121, density=True, color=GREY, alpha=0.7)
    grid = np.linspace(-6, 6, 301)
    density = np.exp(-0.5 * (grid / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
    ax.plot(grid, density, color=BLACK)
    ax.annotate("normal curve, same spread", (1.4 * sd, density.max() * 0.42), color=BLACK)
    ax.set(
        xlabel="change of log DVOL over the horizon, in trailing standard deviations",
        ylabel="density, per standard deviation",
        title=f"Scaled by trailing volatility the target still has fat tails "
        f"(excess kurtosis {number(target.kurt(), '.1f')}; normal: 0)",
    )
    return ax


@styled
def input_weights(table: pd.DataFrame, *, largest: int = 15, ax: Axes | None = None) -> Axes:
    """Mean weight of the inputs that have most of it, in normal and in jump hours.

    Columns `feature, jump_regime, weight` of `selection_table`.
    """
    weights = table.set_index(["feature", "jump_regime"])["weight"].unstack()  # noqa: PD010
    equal = 100 / len(weights)
    shown = 100 * weights.sort_values("all", ascending=False).head(largest)
    ax = axes(ax, height=0.9 + 0.26 * len(shown))
    places = np.arange(len(shown))
    drawn = [name for name in _REGIME_DOTS if name in shown]
    ax.hlines(places, shown[drawn].min(axis=1), shown[drawn].max(axis=1), color=GREY, lw=1)
    for name in drawn:
        marker, colour = _REGIME_DOTS[name]
        ax.plot(shown[name], places, marker, color=colour, ms=6, label=f"{name} hours")
    ax.axvline(equal, color=BLACK, lw=1, ls=":")
    ax.annotate(
        " all alike",
        (equal, 1),
        xycoords=("data", "axes fraction"),
        va="top",
    )
    ax.set_yticks(places, shown.index)
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    ax.set(
        xlabel=f"mean weight, % (of {len(weights)} inputs)",
        title=weight_finding(table),
    )
    ax.legend(loc="lower right")
    return ax


def weight_finding(table: pd.DataFrame) -> str:
    """The input with the largest mean weight over all hours: `selection_table`."""
    weights = table[table["jump_regime"] == "all"].set_index("feature")["weight"]
    times = weights.max() * len(weights)
    return (
        f"The largest weight, {percent(weights.max())}, goes to {weights.idxmax()}: "
        f"{times:.1f} times an equal share"
    )
