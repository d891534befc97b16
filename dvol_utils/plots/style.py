"""The look that all figures share: colours that survive print, grey and colour-blindness."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy.optimize import isotonic_regression

from dvol_utils.study.model_names import MODEL_NAMES
from dvol_utils.wording.numbers import number

# Okabe and Ito's palette, ordered so that neighbours also differ in lightness.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, BLACK, GREY = "#56B4E9", "#CC79A7", "#F0E442", "#111111", "#7F7F7F"
PALE = "#C4C4C4"
BROWN = "#6B4423"  # not theirs, nor are these: as dark as they have to be to stand apart
NAVY, OLIVE, CRIMSON = "#1B2A6B", "#7A7A00", "#B0003A"

# A model without a colour or marker of its own takes the next spare one.
_SPARE_COLOURS, _SPARE_MARKERS = ("#0E6655", "#7B3FBF", "#8D6E63"), ("*", "p", "d")


def _for_every_model(chosen: Mapping[str, str], spare: Sequence[str]) -> dict[str, str]:
    free = iter(spare)
    return {name: chosen[name] if name in chosen else next(free, spare[-1]) for name in MODEL_NAMES}


_COLOURS = {
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
MODEL_COLOURS = _for_every_model(_COLOURS, _SPARE_COLOURS)
# In grey print a line is known by its dashes or its marker: twelve greys are not told apart.
MODEL_DASHES = {
    "persistence": (0, (4, 2)),
    "seasonal_naive": (0, (1, 2)),
    "har": (0, (6, 2, 1, 2)),
    "har_calendar": (0, (1, 1)),
    "boosted_trees": (0, (6, 2, 1, 2, 1, 2)),
    "lstm_baseline": (0, (6, 1.5)),
    "lstm_large": (0, (4, 1, 1, 1)),
    "lstm_ultra": (0, (2, 1)),
    "lstm_tuned": (0, (8, 2)),
    "attention": (0, (3, 1, 1, 1, 1, 1)),
}
_MARKERS = {
    "persistence": "|",
    "seasonal_naive": "x",
    "har": "v",
    "har_calendar": "^",
    "ridge_decay": "o",
    "boosted_trees": "s",
    "lstm_baseline": "<",
    "lstm_large": ">",
    "lstm_ultra": "h",
    "lstm_tuned": "D",
    "attention": "P",
    "ensemble": "X",
}
MODEL_MARKERS = _for_every_model(_MARKERS, _SPARE_MARKERS)

_STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
}

_PROCESS = ("backend", "backend_fallback", "interactive", "toolbar")  # of windows, not of figures

PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # behind text that crosses lines
WIDTH = 7.2  # inches: a column of text at the size that its letters are meant to have
_FEWEST_LETTERS = 12  # in a line of a title
_APART = 13.0  # points between two labels at lines' ends

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def plain() -> Iterator[None]:
    """Matplotlib's own settings for what is drawn in the block, whatever the user's are.

    The user's come back after it.
    """
    defaults = {name: value for name, value in mpl.rcParamsDefault.items() if name not in _PROCESS}
    with mpl.rc_context(defaults):
        yield


def styled(plot: Callable[P, R]) -> Callable[P, R]:
    """Draw a figure in the project's style and leave the global style alone."""

    @functools.wraps(plot)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with plain(), mpl.rc_context(_STYLE):
            return plot(*args, **kwargs)

    return wrapper


def axes(ax: Axes | None = None, *, height: float = 3.1, width: float = WIDTH) -> Axes:
    """The given axes, or new ones at column width (inches)."""
    return ax if ax is not None else new_figure(width, height).subplots()


def new_figure(width: float, height: float) -> Figure:
    """An empty figure (inches) that belongs to no window: pyplot would ask the user's backend."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def label_ends(ax: Axes, right: float | datetime, ends: Sequence[tuple[float, str, str]]) -> None:
    """Names right of where lines end, moved apart where they would overlap.

    Parameters
    ----------
    ax : Axes
        Axes whose vertical limits are final.
    right : float or time
        Where the lines end.
    ends : sequence of (height, text, colour)
        One line each.
    """
    # Points of a label turned into units of the axis.
    low, high = ax.get_ylim()
    inches = ax.get_position().height * ax.figure.get_figheight()
    gap = _APART / (72 * inches) * (high - low)
    ordered = sorted(ends, key=lambda end: end[0])
    steps = gap * np.arange(len(ordered))
    # The places nearest to the lines' ends (least squares) that are a gap apart.
    heights = np.array([height for height, _, _ in ordered], dtype=float)
    nearest = isotonic_regression(heights - steps).x if len(ordered) else steps
    places = np.clip(nearest, low, max(low, high - gap * (len(ordered) - 1))) + steps
    for place, (_, text, colour) in zip(places, ordered, strict=True):
        ax.annotate(
            text,
            (right, place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            bbox=PAPER,
            annotation_clip=False,
        )


def mark_off_scale(ax: Axes, place: float, skill: float) -> None:
    """Write a skill (percent) too low for the axis at the left end of its row."""
    text = f"◂ {number(skill, '.0f')} %"
    ax.annotate(text, (0.01, place), xycoords=ax.get_yaxis_transform(), va="center", bbox=PAPER)


def lay_out(figure: Figure) -> None:
    """Place what a figure is made of, as drawing it does before anything is drawn."""
    engine = figure.get_layout_engine()
    if engine is None or not figure.axes:
        figure.draw_without_rendering()
    else:
        engine.execute(figure)


def fit_titles(figure: Figure) -> bool:
    """Lay a figure out, and break titles that would reach beyond its right edge.

    Returns
    -------
    bool
        Whether one was broken, and what lies below it has to be laid out again.
    """
    lay_out(figure)
    return break_titles(figure)


def break_titles(figure: Figure) -> bool:
    """`fit_titles` of a figure that is laid out already."""
    before = [text.get_text() for text in figure.findobj(is_title)]
    for text in figure.findobj(is_title):
        words, box = " ".join(text.get_text().split()), text.get_window_extent()
        room = 0.98 * (figure.bbox.x1 - max(box.x0, 0))
        letters = max(len(line) for line in text.get_text().splitlines())
        while text.get_window_extent().width > room and letters > _FEWEST_LETTERS:
            letters -= 1
            text.set_text(textwrap.fill(words, letters))
    return before != [text.get_text() for text in figure.findobj(is_title)]


def fit_labels(figure: Figure) -> None:
    """Break names of axes that are longer than the figure is wide, or their axis high."""
    for ax in figure.axes:
        for text, room in (
            (ax.xaxis.label, 0.9 * figure.bbox.width),
            (ax.yaxis.label, 1.05 * ax.bbox.height),
        ):
            letters = len(text.get_text())
            while _length(text, ax) > room and letters > _FEWEST_LETTERS:
                letters -= 1
                text.set_text(textwrap.fill(" ".join(text.get_text().split()), letters))


def _length(text: Text, ax: Axes) -> float:
    box = text.get_window_extent()
    return box.width if text is ax.xaxis.label else box.height


def is_title(artist: object) -> bool:
    """Whether a text is a title on the left, or the one above all panels."""
    if not isinstance(artist, Text) or not artist.get_text():
        return False
    if artist.axes is None:
        return artist.figure is not None and artist.get_text() == artist.figure.get_suptitle()
    return artist.get_text() == artist.axes.get_title(loc="left")
