"""One drawn figure for every reader: wide or narrow, on light or on dark paper."""

from __future__ import annotations

import io
import textwrap
from itertools import pairwise
from math import ceil, floor

import matplotlib as mpl
import matplotlib.dates as mdates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator
from matplotlib.transforms import Bbox, TransformedBbox
from PIL import Image

from dvol_utils.plots.style import break_titles, fit_labels, is_title, lay_out, styled

NARROW = 3.5  # inches: the width of a phone, where an inch is 100 pixels of a page
_SMALLER = 0.85  # letters of the narrow figure beside those of the wide one
_COLOURS = 255  # of a palette; letters and lines need few, maps of heat some more
DARK_PAPER = np.array([21, 24, 28]) / 255  # the pages' own dark background
_LIFT = 0.75  # an exponent below one keeps pale bands visible on dark paper
_MOST_DATES = 5
_NAME = 20  # letters of a row's name on a line
_LETTERS = 50  # of a title's line on a phone, before it is measured


def pixels(figure: Figure) -> Image.Image:
    """The figure, which is laid out, as an image of few colours, cut to what is drawn."""
    cut = figure.get_tightbbox().padded(mpl.rcParams["savefig.pad_inches"])
    engine = figure.get_layout_engine()
    figure.set_layout_engine("none")  # drawing would lay out once more
    try:
        image = _drawn(figure, cut)
    finally:
        figure.set_layout_engine(engine)
    # A palette, whose colours `on_dark` exchanges.
    return image.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


def _drawn(figure: Figure, cut: Bbox) -> Image.Image:
    """What lies in a box (inches) of a figure."""
    canvas = FigureCanvasAgg(figure)
    left, low, right, high = TransformedBbox(cut, figure.dpi_scale_trans).extents
    pad = figure.dpi * mpl.rcParams["savefig.pad_inches"]
    width, height = canvas.get_width_height()
    if min(left, low, width - right, height - high) < -pad:  # names reach beyond the sheet
        buffer = io.BytesIO()
        quick = {"compress_level": 1}  # it is packed again, with a palette
        figure.savefig(buffer, format="png", dpi=figure.dpi, bbox_inches=cut, pil_kwargs=quick)
        return Image.open(buffer).convert("RGB")
    canvas.draw()  # once, where savefig with a box would draw twice
    sheet = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    box = (floor(left), height - ceil(high), ceil(right), height - floor(low))
    image = Image.new("RGB", (box[2] - box[0], box[3] - box[1]), "white")
    image.paste(sheet, (-box[0], -box[1]))
    return image


def on_dark(image: Image.Image) -> Image.Image:
    """The same image for dark paper: the palette's light and dark change places, hues stay."""
    dark = image.copy()
    dark.putpalette(dark_colours(np.array(image.getpalette()).reshape(-1, 3)).ravel().tolist())
    return dark


def dark_colours(colours: np.ndarray) -> np.ndarray:
    """Colours (n, 3; 0 to 255) with lightness turned round: white becomes the dark paper."""
    light = np.asarray(colours) / 255
    # HSL lightness is the mean of the largest and the smallest part.
    ends = light.max(axis=1, keepdims=True) + light.min(axis=1, keepdims=True)
    turned = np.clip(light + 1 - ends, 0, 1) ** _LIFT
    return np.rint(255 * (DARK_PAPER + (1 - DARK_PAPER) * turned)).astype(int)


@styled
def make_narrow(figure: Figure) -> None:
    """Lay a drawn figure out anew for a phone: smaller letters, fewer dates, broken titles."""
    figure.set_size_inches(NARROW, figure.get_figheight())
    for text in figure.findobj(Text):
        text.set_fontsize(_SMALLER * text.get_fontsize())
        if is_title(text):
            text.set_text(textwrap.fill(" ".join(text.get_text().split()), _LETTERS))
    for ax in figure.axes:
        ax.tick_params(labelsize=_SMALLER * 10)
        locator = ax.xaxis.get_major_locator()
        if isinstance(locator, mdates.AutoDateLocator):
            locator.maxticks = dict.fromkeys(locator.maxticks, _MOST_DATES)
            locator.minticks = 2
    for holder in [figure, *figure.axes]:
        _stack_legends(holder)
    for ax in figure.axes:
        _break_names(ax)
    lay_out(figure)
    for ax in figure.axes:
        _thin_ticks(ax)
    fit_labels(figure)
    break_titles(figure)
    lay_out(figure)


def _stack_legends(holder: Figure | Axes) -> None:
    """Legends in one column, or in two below all panels: their columns are set once, so anew."""
    below = isinstance(holder, Figure)
    legends = list(holder.legends) if below else [holder.get_legend()]
    for old in filter(None, legends):
        words = [text.get_text() for text in old.get_texts()]
        form = {"title": old.get_title().get_text() or None, "fontsize": _SMALLER * 10}
        form |= {"loc": "outside lower center", "ncols": 2} if below else {"loc": "best"}
        handles = old.legend_handles
        old.remove()
        # within axes it may lie on other things, but not squeeze them
        holder.legend(handles, words, **form).set_in_layout(below)


def _break_names(ax: Axes) -> None:
    """Long names of rows on several lines, so that they leave room for what is drawn."""
    names = [name.get_text() for name in ax.get_yticklabels()]
    if isinstance(ax.yaxis.get_major_locator(), FixedLocator) and any(names):
        broken = [textwrap.fill(name, _NAME) for name in names]
        ax.set_yticks(ax.get_yticks(), broken, fontsize=_SMALLER * 9 if broken != names else None)


def _thin_ticks(ax: Axes) -> None:
    """Hide names below the axis until none touches the next."""
    names = [name for name in ax.get_xticklabels() if name.get_text() and name.get_visible()]
    boxes = [name.get_window_extent() for name in names]
    for step in range(1, len(names) + 1):
        shown = boxes[::step]
        if all(a.x1 < b.x0 for a, b in pairwise(shown)):
            break
    for place, name in enumerate(names):
        name.set_visible(place % step == 0)
