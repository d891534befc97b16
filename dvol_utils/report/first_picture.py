"""The first page's picture: the last weeks, the gain over time, and all models."""

from __future__ import annotations

from typing import Any

import pandas as pd
from markupsafe import Markup

from dvol_utils.plots.first_page import cumulative_gain, recent_weeks, skill_intervals
from dvol_utils.report.display import picture, picture_html
from dvol_utils.report.front import recent
from dvol_utils.results.front import Front
from dvol_utils.results.headline import bounds
from dvol_utils.results.results_json import Results
from dvol_utils.study.model_names import ORACLE
from dvol_utils.wording.numbers import coverage_text, written

ORACLE_FIGURE = (
    "Oracle, hollow: what the simulated market's own law forecasts from its state; no model."
)
_MILLION = 1_000_000


def three_panel_figure(
    results: Results, rivals: pd.DataFrame, coverage: float, front: Front
) -> dict[str, Any]:
    """The picture: `html` of its panels, one below the other, `alt`, `caption`.

    Parameters
    ----------
    results : Results
    rivals : DataFrame
        Rows of `headline_table` without persistence, the chosen model among them.
    coverage : float
        Coverage of the intervals.
    front : Front
    """
    titles = _titles(rivals.loc[results.chosen], front)
    named = rivals.assign(label=_with_sizes(rivals["label"], front.parameters))
    drawn = (
        recent_weeks(recent(front), results.chosen, title=titles[0]),
        cumulative_gain(front.where.path, title=titles[1]).get_figure(),
        skill_intervals(named, title=titles[2], chosen=results.chosen).get_figure(),
    )
    shown = "; ".join(
        f"{row.label} {written(row.skill, 1)} {bounds(row)}".strip() for row in rivals.itertuples()
    )
    alts = (*titles[:2], f"{titles[2]}. Skill in percent with its interval: {shown}")
    panels = [
        picture_html(picture(panel), f"{alt}.") for panel, alt in zip(drawn, alts, strict=True)
    ]
    return {
        "html": Markup().join(panels),
        "alt": f"{'. '.join(alts)}.",
        "caption": _caption(coverage, oracle=ORACLE in rivals.index),
    }


def _titles(chosen: pd.Series, front: Front) -> tuple[str, str, str]:
    end = front.where.path.iloc[-1]
    # By the band's end: what the sum of all gains may have been by chance.
    zero = "holds" if end["low"] <= 0 <= end["high"] else "leaves out"
    return (
        f"The last four weeks: DVOL and {chosen['label']}",
        f"Gain over no change: {written(end['gain'], 0)} points², its interval {zero} zero",
        f"{chosen['label']}, chosen beforehand: {written(chosen['skill'], 1)} %",
    )


def _caption(coverage: float, *, oracle: bool) -> str:
    sure = coverage_text(coverage)
    return (
        "Top: DVOL, the chosen model's forecast with its 90 % interval, and no change "
        "(persistence), by the hour that was forecast. Middle: squared error of no change less "
        f"that of the model, summed up, with a {sure} interval; it rises where the model does "
        f"better. Bottom: skill of each model with its {sure} interval: simple ones, trees, "
        "networks with their number of parameters, combination. The chosen one is in colour."
        + (f" {ORACLE_FIGURE}" if oracle else "")
    )


def _with_sizes(labels: pd.Series, parameters: dict[str, int]) -> list[str]:
    return [
        f"{text}, {_size(parameters[name])}" if name in parameters else text
        for name, text in labels.items()
    ]


def _size(parameters: int) -> str:
    """A number of parameters, short."""
    if parameters >= _MILLION:
        return f"{parameters / _MILLION:.1f} M"
    return f"{parameters:,}"
