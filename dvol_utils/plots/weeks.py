"""Every week of the test as a small picture of its own, drawn by the page itself (SVG)."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd
from markupsafe import Markup

from dvol_utils.evaluation.worst import rows_of_weeks
from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import day, number

_WIDE, _HIGH, _EDGE = 168, 80, 4  # units of a picture: an hour is one wide
_STEP = 2  # hours from point to point


def weeks_html(forecasts: pd.DataFrame, model: str, weeks: pd.DataFrame) -> Markup:
    """A picture a week in order of time: outcome, persistence, one model and its 90 % interval.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset, one row per origin and model.
    model : str
    weeks : DataFrame
        `weekly_losses` of the model.

    Returns
    -------
    Markup
        A list of pictures that need no script, and take the page's colours; the page's script adds
        a choice of one week.
    """
    rows = rows_of_weeks(forecasts[forecasts["model"] == model], weeks, len(weeks))
    pictures = "".join(
        _week(rows[rows["week"] == row.week].sort_values("target_time"), row)
        for row in weeks.itertuples()
    )
    said = (
        f"All {len(weeks)} weeks of the test: outcome (thick), {label(model)} (blue) with its 90 % "
        "interval, persistence (dashed); points² saved over persistence."
    )
    return Markup(  # noqa: S704 made of numbers, and of escaped text
        f'<figure class="weeks"><div class="grid">{pictures}</div>'
        f"<figcaption>{html.escape(said)}</figcaption></figure>"
    )


def _week(rows: pd.DataFrame, week: object) -> str:
    """One week as an SVG with its words."""
    rows = rows.iloc[::_STEP]
    start = rows["target_time"].iloc[0]
    across = ((rows["target_time"] - start) / pd.Timedelta(hours=1)).to_numpy()
    band = rows.reindex(columns=["q05", "q95"]).astype(float)
    lines = {"naive": "y_origin", "forecast": "y_pred", "outcome": "y_true"}
    values = rows[list(lines.values())]
    low = np.nanmin([values.min().min(), band.min().min()])
    high = np.nanmax([values.max().max(), band.max().max()])

    def points(level: pd.Series) -> str:
        room = _HIGH - 2 * _EDGE
        # SVG counts from the top down; a flat week has no height to divide by.
        down = _EDGE + room * (high - level.to_numpy()) / ((high - low) or 1.0)
        return " ".join(f"{x:.0f},{y:.1f}" for x, y in zip(across, down, strict=True))

    drawn = ""
    if band.notna().all(axis=None):
        # Back along the upper edge, so that the polygon closes.
        back = " ".join(reversed(points(band["q95"]).split()))
        drawn = f'<polygon class="band" points="{points(band["q05"])} {back}"/>'
    for kind, column in lines.items():
        drawn += f'<polyline class="{kind}" points="{points(rows[column])}"/>'
    saved = f"{number(-week.excess, '+.1f')} points²"
    said = (
        f"Week from {day(week.week)}: {saved} saved over persistence, DVOL {low:.0f} to "
        f"{high:.0f} points"
    )
    return (
        f'<div class="week" data-week="{day(week.week)}"><p>{day(week.week)}<br>'
        f"{saved}<br><small>{low:.0f} to {high:.0f} points</small></p>"
        f'<svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{html.escape(said)}" '
        f'preserveAspectRatio="none">{drawn}</svg></div>'
    )
