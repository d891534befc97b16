"""Figures of forecasts beside what came: changes, errors, calibration, validation to test."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dvol_utils.plots.regimes import SKILL_FLOOR
from dvol_utils.plots.style import (
    BLACK,
    BLUE,
    GREY,
    PAPER,
    VERMILION,
    WIDTH,
    axes,
    label_ends,
    new_figure,
    styled,
)
from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import percent, written


@styled
def change_cloud(
    forecasts: pd.DataFrame, model: str, *, title: str, ax: Axes | None = None
) -> Axes:
    """Change that came against change forecast, with the share of hours in each quadrant."""
    ax = axes(ax, height=4.2, width=0.9 * WIDTH)
    rows = forecasts[forecasts["model"] == model]
    forecast, outcome = rows["y_pred"] - rows["y_origin"], rows["y_true"] - rows["y_origin"]
    # Without the last half percent, which would make the cloud a point.
    wide, high = np.quantile(np.abs(forecast), 0.995), np.quantile(np.abs(outcome), 0.995)
    # Never empty, where a model forecasts no change.
    ends = (-max(wide, 0.01), max(wide, 0.01), -max(high, 0.01), max(high, 0.01))
    cloud = ax.hexbin(
        forecast.clip(*ends[:2]), outcome.clip(*ends[2:]), gridsize=34, bins="log", cmap="Blues",
        mincnt=1, extent=ends, linewidths=0.1,
    )  # fmt: skip
    ax.axhline(0, color=BLACK, linewidth=0.9)
    ax.axvline(0, color=BLACK, linewidth=0.9)
    for (x, y), share in quadrant_shares(forecast, outcome).items():
        place = (0.98 if x > 0 else 0.02, 0.97 if y > 0 else 0.03)
        text = f"{'right' if x == y else 'wrong'}: {percent(share)}"
        sides = {"ha": "right" if x > 0 else "left", "va": "top" if y > 0 else "bottom"}
        ax.annotate(text, place, xycoords="axes fraction", **sides, bbox=PAPER)
    ax.figure.colorbar(cloud, ax=ax, label="hours", pad=0.02)
    ax.set(xlabel=f"change forecast by {label(model)}, points", ylabel="change that came, points")
    ax.set_title(title)
    return ax


def quadrant_shares(forecast: pd.Series, outcome: pd.Series) -> dict[tuple[int, int], float]:
    """Share of the moves called (neither is zero) by the signs of forecast and outcome change."""
    called = (forecast != 0) & (outcome != 0)
    signs = pd.Series(list(zip(np.sign(forecast), np.sign(outcome), strict=True)))[
        called.to_numpy()
    ]
    pairs = [(x, y) for x in (-1, 1) for y in (-1, 1)]
    return {pair: float((signs == pair).mean()) if len(signs) else 0.0 for pair in pairs}


@styled
def error_quantiles(
    forecasts: pd.DataFrame, model: str, *, title: str, ax: Axes | None = None
) -> Axes:
    """Quantiles of persistence's absolute error less those of the model, by share of hours.

    Above zero the model's errors are smaller there: among the small ones on the left, among the
    large ones on the right.
    """
    ax = axes(ax, height=2.9)
    shares = np.linspace(0.01, 0.99, 99)
    of_model, naive = (
        (rows["y_true"] - rows["y_pred"]).abs().quantile(shares).to_numpy()
        for rows in (forecasts[forecasts["model"] == name] for name in (model, "persistence"))
    )
    saved = naive - of_model
    ax.plot(100 * shares, saved, color=BLUE, linewidth=1.8)
    sides = ((saved >= 0, BLUE, None, "smaller"), (saved <= 0, VERMILION, "///", "larger"))
    for there, colour, hatch, word in sides:
        if (there & (saved != 0)).any():
            form = {"color": colour, "hatch": hatch, "alpha": 0.25, "linewidth": 0}
            text = f"errors of {label(model)} are {word}"
            ax.fill_between(
                100 * shares, 0, saved, where=there, interpolate=True, **form, label=text
            )
    ax.axhline(0, color=BLACK, linewidth=0.8)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="upper left")
    ax.set(
        xlabel="hours with errors up to this size, %",
        ylabel="quantile of |error|:\npersistence less model, points",
        title=title,
        xlim=(0, 100),
    )
    return ax


@styled
def calibration_bins(bins: pd.DataFrame, model: str, *, title: str) -> Figure:
    """Change that came by change forecast, with intervals, and where the forecasts lie below.

    Parameters
    ----------
    bins : DataFrame
        `significance.calibration` of the model.
    model : str
    title : str
        The finding.
    """
    figure = new_figure(0.9 * WIDTH, 4.2)
    ax, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1]})
    x, y = bins["forecast_change"], bins["outcome_change"]
    reach = [y - bins["low"], bins["high"] - y]
    ax.errorbar(x, y, reach, fmt="o", color=BLUE, ecolor=GREY, capsize=2.5, label=label(model))
    ends = [x.min(), x.max()]
    ax.plot(ends, ends, color=BLACK, linewidth=0.9, linestyle="--", label="as forecast")
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.legend(loc="upper left")
    ax.set_ylabel("mean change that came, points")
    sns.rugplot(x=x, ax=below, height=1, color=BLUE, linewidth=2)
    below.set(yticks=[], ylabel="bins", xlabel="mean change forecast, points; as many hours each")
    below.grid(visible=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


@styled
def validation_to_test(
    skills: pd.DataFrame, best: str, *, title: str, ax: Axes | None = None
) -> Axes:
    """Skill on validation and on test rows, one line per model: `model, validation, test` (shares).

    The chosen model is blue, all others grey; one below `SKILL_FLOOR` is left out.
    """
    ax = axes(ax, height=3.9, width=0.85 * WIDTH)
    values = 100 * skills.set_index("model")[["validation", "test"]]
    shown = values[values.min(axis=1) >= SKILL_FLOOR]
    ends = []
    for model, row in shown.iterrows():
        is_best = model == best
        form = {"color": BLUE if is_best else GREY, "linewidth": 2.4 if is_best else 1.0}
        ax.plot([0, 1], row, **form, marker="o", ms=6 if is_best else 4, zorder=3 if is_best else 2)
        ends.append((row["test"], f"{label(str(model))} {written(row['test'], 1)}", form["color"]))
    ax.axhline(0, color=BLACK, linewidth=0.8)
    ax.set_xticks([0, 1], ["validation rows", "test rows"])
    ax.set_xlim(-0.15, 1.02)
    ax.set(ylabel="skill against persistence, %", title=title)
    label_ends(ax, 1.0, ends)
    return ax
