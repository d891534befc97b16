"""Where the chosen model wins and loses: tidy tables in, axes out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dvol_utils.plots.style import (
    BLACK,
    BLUE,
    GREY,
    PAPER,
    VERMILION,
    WIDTH,
    new_figure,
    styled,
)
from dvol_utils.wording.numbers import MISSING, day, number

_HEADS = {
    "weekday": "",
    "level_regime": " level",
    "jump_regime": " hours",
    "week": "",
}
_WEEKS = 2


@styled
def gain_bars(parts: pd.DataFrame, *, title: str) -> Figure:
    """What each group of hours adds to the skill: bars with intervals, hours of the day below.

    Parameters
    ----------
    parts : DataFrame
        `results.where.gain_parts` of all kinds.
    title : str
        The finding.
    """
    rows = drawn_rows(parts)
    figure = new_figure(WIDTH, 1.9 + 0.25 * rows["place"].max() + 1.9)
    top, bottom = figure.subplots(2, 1, height_ratios=[0.25 * rows["place"].max() + 1.2, 1.7])
    _bars(rows, top)
    top.set_title(title)
    hours = parts[parts["kind"] == "hour"]
    at, part = hours["group"].astype(int), 100 * hours["part"]
    bottom.bar(at, part, color=np.where(part > 0, BLUE, VERMILION), alpha=0.75)
    bottom.vlines(at, 100 * hours["low"], 100 * hours["high"], color=GREY, linewidth=1)
    bottom.axhline(0, color=BLACK, linewidth=0.8)
    bottom.set_xticks(range(0, 24, 3))
    bottom.set(xlabel="hour of the day at which the forecast is made, UTC", ylabel="part, % points")
    return figure


def drawn_rows(parts: pd.DataFrame) -> pd.DataFrame:
    """The rows of the bars: weekdays, levels, jump regimes, then the best and worst weeks.

    Returns
    -------
    DataFrame
        The rows with `name` (for readers) and `place` (from the top, groups a gap apart).
    """
    weeks = parts[parts["kind"] == "week"].sort_values("part", ascending=False, kind="stable")
    # With few weeks the best are the worst as well: each stands once.
    ends = weeks if len(weeks) < 2 * _WEEKS else pd.concat([weeks.head(_WEEKS), weeks.tail(_WEEKS)])
    kinds = [parts[parts["kind"] == kind] for kind in ("weekday", "level_regime", "jump_regime")]
    rows = pd.concat([*kinds, ends], ignore_index=True)
    names = [
        f"week from {day(row.group)}" if row.kind == "week" else f"{row.group}{_HEADS[row.kind]}"
        for row in rows.itertuples()
    ]
    gaps = (rows["kind"] != rows["kind"].shift()).cumsum() - 1
    return rows.assign(name=names, place=np.arange(len(rows)) + 0.6 * gaps)


def _bars(rows: pd.DataFrame, ax: Axes) -> None:
    part = 100 * rows["part"]
    colours = np.where(part > 0, BLUE, VERMILION)
    ax.barh(rows["place"], part, color=colours, alpha=0.75, height=0.7)
    ax.hlines(rows["place"], 100 * rows["low"], 100 * rows["high"], color=GREY, linewidth=1.2)
    ax.axvline(0, color=BLACK, linewidth=0.8)
    beside = {"xycoords": ax.get_yaxis_transform(), "va": "center", "fontsize": 8.5}
    ax.annotate("share of gain / of hours ▸", (0.99, -1), ha="right", bbox=PAPER, **beside)
    for row in rows.itertuples():
        text = f"{_whole(row.gain_share)} / {_whole(row.hours_share)}"
        ax.annotate(text, (1.01, row.place), annotation_clip=False, **beside)
    ax.set_yticks(rows["place"], rows["name"])
    ax.set_ylim(rows["place"].max() + 0.7, -1.6)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("part of the skill, percentage points (the parts of a group sum to the skill)")


def _whole(share: float) -> str:
    return MISSING if pd.isna(share) else f"{number(100 * share, '.0f')} %"
