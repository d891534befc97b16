from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from dvol_utils.plots.style import (
    _COLOURS,
    _MARKERS,
    MODEL_COLOURS,
    MODEL_DASHES,
    MODEL_MARKERS,
    axes,
    fit_titles,
    is_title,
    label_ends,
    styled,
)
from dvol_utils.plots.variants import NARROW, dark_colours, make_narrow
from dvol_utils.report.display import picture
from dvol_utils.study.model_names import MODEL_NAMES

HERE = Path(__file__).parent


def test_models_are_told_apart_without_colour():
    assert {*_COLOURS, *_MARKERS} <= set(MODEL_NAMES)
    assert set(MODEL_MARKERS) == set(MODEL_COLOURS) == set(MODEL_NAMES)
    assert len(set(MODEL_COLOURS.values())) == len(MODEL_COLOURS)
    assert len(set(MODEL_MARKERS.values())) == len(MODEL_MARKERS)
    assert set(MODEL_DASHES) < set(MODEL_NAMES)
    assert len(set(map(str, MODEL_DASHES.values()))) == len(MODEL_DASHES)


@pytest.mark.parametrize("heights", [[1.0, 1.0, 1.0], [0.2, 9.9, 10.0], [0.0, 0.1], [5.0]])
def test_labels_at_ends_do_not_overlap_and_stay_near_their_lines(heights):
    ax = axes()
    ax.set_ylim(0, 10)
    label_ends(ax, 1.0, [(height, f"{i}", "black") for i, height in enumerate(heights)])
    places = np.array([text.xy[1] for text in ax.texts])
    apart = 10 * 13 / (72 * ax.get_position().height * ax.figure.get_figheight())
    assert (np.diff(np.sort(places)) >= apart - 1e-9).all()
    assert (places >= 0).all()
    assert (places <= 10).all()
    assert np.abs(places - sorted(heights)).max() <= apart * len(heights)
    assert [text.get_text() for text in ax.texts] == [str(i) for i in range(len(heights))]
    plt.close(ax.figure)


def test_labels_that_have_room_stand_where_their_lines_end():
    ax = axes()
    ax.set_ylim(0, 10)
    label_ends(ax, 1.0, [(8.0, "high", "red"), (2.0, "low", "blue")])
    label_ends(ax, 1.0, [])
    assert {text.get_text(): text.xy[1] for text in ax.texts} == pytest.approx(
        {"high": 8.0, "low": 2.0}
    )
    plt.close(ax.figure)


@pytest.mark.parametrize("panels", [False, True])
def test_titles_are_broken_where_they_would_leave_the_figure(panels):
    words = "Every word of a title that is much too long for its narrow figure is kept"
    figure, ax = plt.subplots(figsize=(4, 2), layout="constrained")
    ax.set_yticks([0.5], ["a long name of a row"])
    if panels:
        figure.suptitle(words, x=0.01, ha="left")
    else:
        ax.set_title(words, loc="left")
    fit_titles(figure)
    text = figure.get_suptitle() if panels else ax.get_title(loc="left")
    assert "\n" in text
    assert " ".join(text.split()) == words
    title = next(artist for artist in figure.findobj(plt.Text) if artist.get_text() == text)
    figure.draw_without_rendering()
    assert title.get_window_extent().x1 <= figure.bbox.x1
    fit_titles(figure)
    assert (figure.get_suptitle() if panels else ax.get_title(loc="left")) == text
    plt.close(figure)


def test_a_short_title_stays_as_it_is():
    figure, ax = plt.subplots()
    ax.set_title("Short", loc="left")
    fit_titles(figure)
    assert ax.get_title(loc="left") == "Short"
    plt.close(figure)


# What people have in a matplotlibrc; with usetex and without LaTeX a figure cannot be drawn at all.
OF_USERS = {
    "usetex": {"text.usetex": True},
    "dark": dict(mpl.style.library["dark_background"]),
    "xkcd": {"path.sketch": (1, 100, 2), "font.family": "cursive"},
    "large": {"font.size": 30, "figure.dpi": 300, "savefig.dpi": 20, "savefig.transparent": True},
    "zone": {"timezone": "Asia/Tokyo", "axes.formatter.use_locale": True},
    "layout": {"figure.autolayout": True, "savefig.bbox": "tight", "savefig.pad_inches": 3},
    "cycle": {"axes.prop_cycle": "cycler('color', ['k'])", "lines.marker": "o", "axes.ymargin": 1},
}


def drawn() -> dict[str, object]:
    weeks = pd.date_range("2021-01-04", periods=30, freq="W-MON", tz="UTC")
    table = pd.DataFrame({"week": weeks, "gain": np.linspace(-1, 2, 30), "share": 0.5})
    calendar = pd.DataFrame(
        {"time": pd.date_range("2021-01-01", periods=3, tz="UTC"), "value": [1.0, 2.0, 3.0]}
    )
    return picture(lines(table, calendar).get_figure())


@styled
def lines(table: pd.DataFrame, calendar: pd.DataFrame):
    ax = axes()
    ax.plot(table["week"], table["gain"], label="gain")
    ax.bar(calendar["time"], calendar["value"], width=20)
    ax.set_title("A title of £5 & 10 %", loc="left")
    ax.legend()
    return ax


@pytest.mark.parametrize("settings", OF_USERS.values(), ids=OF_USERS)
def test_figures_are_the_same_whatever_the_user_has_set(settings):
    plain_picture = drawn()
    with mpl.rc_context(settings):
        before = dict(mpl.rcParams)
        assert drawn() == plain_picture
        assert dict(mpl.rcParams) == before


def test_figures_are_drawn_without_the_users_backend(tmp_path):
    """A window's backend is not there on a server; figures of the pages never ask for it."""
    (tmp_path / "matplotlibrc").write_text("backend: TkAgg\ntext.usetex: True\nfont.size: 40\n")
    program = "from test_plots_style import drawn\nprint(drawn()['image'])"
    environment = {**os.environ, "MATPLOTLIBRC": str(tmp_path), "PYTHONPATH": str(HERE)}
    environment |= {"MPLBACKEND": "TkAgg"}
    environment.pop("DISPLAY", None)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == drawn()["image"], done.stderr


def test_dark_colours_turn_lightness_and_keep_hues():
    light = np.array([[255, 255, 255], [0, 0, 0], [0, 114, 178], [217, 234, 244]])
    paper, ink, blue, pale = dark_colours(light)
    assert paper.tolist() == [21, 24, 28]
    assert ink.min() >= 254
    assert np.argsort(blue).tolist() == [0, 1, 2]
    assert blue.mean() > 114
    assert (pale > paper + 10).any()  # a pale band is still seen


def test_a_narrow_figure_fits_a_phone_and_keeps_all_words():
    ax = axes()
    times = pd.date_range("2024-11-01", periods=300, tz="UTC")
    ax.plot(times, np.linspace(0, 1, 300), label="a line with a long name")
    ax.legend(ncols=3)
    title = "A title that is wide enough for a desktop and much too wide for any phone at all"
    ax.set_title(title, loc="left")
    ax.set_xlabel("a name of an axis that is far too long for the screen of a phone, and more")
    fit_titles(ax.figure)
    make_narrow(ax.figure)
    assert ax.figure.get_figwidth() == NARROW
    assert ax.get_title(loc="left").split() == title.split()
    ax.figure.draw_without_rendering()
    for text in (ax.xaxis.label, *ax.figure.findobj(is_title)):
        box = text.get_window_extent()
        assert -1 <= box.x0 < box.x1 <= ax.figure.bbox.x1 + 1
    boxes = [name.get_window_extent() for name in ax.get_xticklabels() if name.get_visible()]
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a line with a long name"]


def test_names_below_an_axis_are_thinned_on_a_phone():
    ax = axes()
    ax.set_xticks(range(24), [f"hour {hour}" for hour in range(24)])
    make_narrow(ax.figure)
    shown = [name.get_text() for name in ax.get_xticklabels() if name.get_visible()]
    assert 1 < len(shown) < 12
    assert shown[0] == "hour 0"
