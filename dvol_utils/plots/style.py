"""The look that all figures share: colours that survive print, grey and colour-blindness."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

# Okabe and Ito's palette, ordered so that neighbours also differ in lightness.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, BLACK, GREY = "#56B4E9", "#CC79A7", "#F0E442", "#111111", "#7F7F7F"
BROWN = "#6B4423"  # not theirs, nor are these: as dark as they have to be to stand apart
NAVY, OLIVE, CRIMSON = "#1B2A6B", "#7A7A00", "#B0003A"

MODEL_COLOURS = {
    "persistence": BLACK,
    "seasonal_naive": GREY,
    "har": ORANGE,
    "har_calendar": VERMILION,
    "ridge_decay": GREEN,
    "boosted_trees": BROWN,
    "lstm_baseline": SKY,
    "lstm_large": BLUE,
    "lstm_ultra": PURPLE,
    "lstm_tuned": NAVY,
    "attention": OLIVE,
    "ensemble": CRIMSON,
}
MODEL_LABELS = {
    "persistence": "Persistence",
    "seasonal_naive": "Seasonal naive (week)",
    "har": "HAR",
    "har_calendar": "HAR + calendar",
    "ridge_decay": "Time-weighted ridge",
    "boosted_trees": "Boosted trees",
    "lstm_baseline": "LSTM baseline",
    "lstm_large": "LSTM large",
    "lstm_ultra": "LSTM ultra",
    "lstm_tuned": "LSTM tuned",
    "attention": "Attention",
    "ensemble": "Ensemble",
}

_STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "font.size": 9.5,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
}

P = ParamSpec("P")
R = TypeVar("R")


def styled(plot: Callable[P, R]) -> Callable[P, R]:
    """Draw a figure in the project's style and leave the global style alone."""

    @functools.wraps(plot)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(_STYLE):
            return plot(*args, **kwargs)

    return wrapper


def axes(ax: Axes | None = None, *, height: float = 3.2, width: float = 8.0) -> Axes:
    """The given axes, or new ones at column width (inches)."""
    return ax if ax is not None else plt.subplots(figsize=(width, height))[1]
