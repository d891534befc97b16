"""Figures of notebook 03: learning curves and what was learnt."""

from __future__ import annotations

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dvol_utils.plots.style import (
    BLACK,
    BLUE,
    GREY,
    MODEL_COLOURS,
    MODEL_DASHES,
    MODEL_MARKERS,
    ORANGE,
    PAPER,
    SKY,
    VERMILION,
    WIDTH,
    axes,
    mark_off_scale,
    new_figure,
    styled,
)
from dvol_utils.study.model_names import label
from dvol_utils.wording.inputs import input_name
from dvol_utils.wording.numbers import number, percent

_LOWEST_SKILL = -15.0  # worse forecasts are written at this place
_LOSSES = {"validation_loss": "validation loss", "train_loss": "training loss,\nwith dropout"}
_SPLITS = ((SKY, None), (ORANGE, "///"), (BLUE, "..."))
_REGIME_DOTS = {"normal": ("o", BLUE), "jump": ("D", VERMILION)}


@styled
def learning_curves(history: pd.DataFrame) -> Figure:
    """Validation and training loss by epoch, a panel each: columns `model, seed, epoch, *_loss`.

    Losses are weighted means of squared scaled targets (dimensionless); each panel has a scale of
    its own, and a thin line a seed.
    """
    figure = new_figure(WIDTH, 4.8)
    panels = figure.subplots(2, 1, sharex=True)
    for ax, (kind, words) in zip(panels, _LOSSES.items(), strict=True):
        for model, rows in history.groupby("model", sort=False):
            form = {"color": MODEL_COLOURS[model], "ls": MODEL_DASHES.get(model, "-")}
            for place, (_, curve) in enumerate(rows.groupby("seed", sort=False)):
                text = label(model) if place == 0 else None
                ax.plot(curve["epoch"], curve[kind], **form, linewidth=1.1, label=text)
                if kind == "validation_loss":
                    best = curve.loc[curve[kind].idxmin()]
                    marker = MODEL_MARKERS.get(model, "o")
                    ax.plot(best["epoch"], best[kind], marker, color=form["color"], ms=6)
        ax.set_ylabel(words)
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[-1].set_xlabel("epoch")
    names = panels[0].get_legend_handles_labels()
    figure.legend(*names, loc="outside lower center", ncols=4)
    figure.suptitle(loss_finding(history), x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def loss_finding(history: pd.DataFrame) -> str:
    """In which epochs the networks' validation losses are lowest."""
    best = history.loc[history.groupby(["model", "seed"])["validation_loss"].idxmin(), "epoch"]
    epochs, last = _span(best.min(), best.max()), history["epoch"].max()
    return f"Validation loss is lowest after epoch {epochs} of up to {last:.0f}"


def _span(first: float, last: float) -> str:
    return f"{first:.0f}" if first == last else f"{first:.0f} to {last:.0f}"


@styled
def validation_skill(choices: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Validation skill of every model, a dot per seed, a line at their mean: `model, seed, skill`.

    The best model is blue, all others grey.
    """
    shown = choices[choices["model"] != "persistence"].assign(skill=100 * choices["skill"])
    means = shown.groupby("model", sort=False)["skill"].mean().sort_values(ascending=False)
    ax = axes(ax, height=0.9 + 0.34 * len(means))
    for place, (model, mean) in enumerate(means.items()):
        if mean < _LOWEST_SKILL:
            mark_off_scale(ax, place, mean)
            continue
        colour, skills = BLUE if place == 0 else GREY, shown.loc[shown["model"] == model, "skill"]
        ax.plot(skills, np.full(len(skills), place), "o", color=colour, ms=6, alpha=0.7)
        ax.plot(mean, place, "|", color=BLACK, ms=14, mew=1.6)
    ax.axvline(0, color=BLACK, lw=1)
    ax.set_yticks(range(len(means)), [label(model) for model in means.index])
    ax.set_ylim(len(means) - 0.5, -0.5)
    ax.set(xlabel="skill against persistence on validation rows, %", title=seed_finding(choices))
    return ax


def seed_finding(choices: pd.DataFrame) -> str:
    """The model that forecasts the validation rows best, and how far seeds of one are apart."""
    groups = choices.groupby("model", sort=False)["skill"]
    means, apart = groups.mean(), (groups.max() - groups.min())[groups.size() > 1]
    said = f"{label(means.idxmax())} is best on validation rows: skill {percent(means.max())}"
    if len(apart):
        said += f"; seeds of one network are up to {number(100 * apart.max(), '.1f')} points apart"
    return said


@styled
def protocol_timeline(
    splits: pd.DataFrame, folds: pd.DataFrame, *, title: str, ax: Axes | None = None
) -> Axes:
    """When rows are learnt from, chosen on and judged on, and when models are fitted anew.

    Parameters
    ----------
    splits : DataFrame
        `split_summary`.
    folds : DataFrame
        `fold_summary`; a tick at the first origin of each fold.
    title : str
        The finding.
    ax : Axes, optional
        Axes to draw on.
    """
    ax = axes(ax, height=1.7)
    for (_, row), (colour, hatch) in zip(splits.iterrows(), _SPLITS, strict=False):
        start, end = mdates.date2num([row["first_origin"], row["last_origin"]])
        ax.broken_barh([(start, end - start)], (0, 1), facecolors=colour, hatch=hatch, ec="white")
        text = f"{row['split']}\n{row['rows']:,} h"
        ax.annotate(
            text, ((start + end) / 2, 0.5), ha="center", va="center", bbox=PAPER, fontsize=7.5
        )
    starts = mdates.date2num(folds["first_origin"])
    ax.plot(starts, np.full(len(starts), -0.25), "|", color=BLACK, ms=9, mew=1.2)
    ax.xaxis_date()
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
    ax.set(yticks=[0.5, -0.25], yticklabels=["rows", "fitted anew"], ylim=(-0.5, 1.1))
    ax.grid(visible=False, axis="y")
    ax.set_title(title)
    return ax


def timeline_finding(splits: pd.DataFrame, folds: pd.DataFrame) -> str:
    """How often models are fitted anew before the test and within it."""
    test = splits.loc[splits["split"] == "test", "first_origin"].iloc[0]
    within = int((folds["first_origin"] >= test).sum())
    return f"Models are fitted {len(folds)} times, {within} of them in the test, on rows before"


@styled
def target_distribution(target: np.ndarray, *, ax: Axes | None = None) -> Axes:
    """Histogram of the scaled target on the training rows, beside a normal curve."""
    ax = axes(ax)
    target = pd.Series(target)
    sd = target.std()
    # The tails are gathered at the ends, not left out.
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

    Columns `feature, group, jump_regime, weight` of `selection_table`. Inputs are ordered by group,
    every other group is shaded, and `wording.inputs` names them.
    """
    weights = table.set_index(["feature", "jump_regime"])["weight"].unstack()  # noqa: PD010
    groups = table.drop_duplicates("feature").set_index("feature")["group"]
    equal = 100 / len(weights)
    shown = 100 * weights.sort_values("all", ascending=False).head(largest)
    # By groups as they first appear, not by the alphabet.
    order = groups[shown.index].map({name: i for i, name in enumerate(pd.unique(groups))})
    shown = shown.loc[order.sort_values(kind="stable").index]
    ax = axes(ax, height=1.1 + 0.28 * len(shown))
    places = np.arange(len(shown))
    drawn = [name for name in _REGIME_DOTS if name in shown]
    ax.hlines(places, shown[drawn].min(axis=1), shown[drawn].max(axis=1), color=GREY, lw=1)
    for name in drawn:
        marker, colour = _REGIME_DOTS[name]
        ax.plot(shown[name], places, marker, color=colour, ms=6, label=f"{name} hours")
    _shade_groups(ax, list(groups[shown.index]))
    ax.axvline(equal, color=BLACK, lw=1, ls=":")
    ax.annotate(" all alike", (equal, 1), xycoords=("data", "axes fraction"), va="top")
    ax.set_yticks(places, [input_name(name) for name in shown.index])
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_xlim(left=0)
    ax.set(xlabel=f"mean weight, % (of {len(weights)} inputs)", title=weight_finding(table))
    ax.legend(loc="best")
    return ax


def _shade_groups(ax: Axes, groups: list[str]) -> None:
    """Every other group of neighbouring rows shaded, each named at the right edge."""
    starts = [i for i, name in enumerate(groups) if i == 0 or name != groups[i - 1]]
    for turn, (start, end) in enumerate(zip(starts, [*starts[1:], len(groups)], strict=True)):
        if turn % 2 == 0:
            ax.axhspan(start - 0.5, end - 0.5, color=GREY, alpha=0.12, lw=0, zorder=0)
        place = {"xycoords": ("axes fraction", "data"), "ha": "left", "va": "center"}
        text = f" {groups[start]}"
        ax.annotate(text, (1, (start + end - 1) / 2), **place, color=GREY, annotation_clip=False)


def weight_finding(table: pd.DataFrame) -> str:
    """The input with the largest mean weight over all hours: `selection_table`."""
    weights = table[table["jump_regime"] == "all"].set_index("feature")["weight"]
    times = weights.max() * len(weights)
    return (
        f"On average most weight, {percent(weights.max())}, goes to "
        f"{input_name(weights.idxmax())}: {times:.1f} times an equal share"
    )
