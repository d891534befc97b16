"""The overview page: what stands on it, from the headline numbers."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from dvol_utils.artefacts import replacing
from dvol_utils.display import MISSING, written
from dvol_utils.plots.report import skill_intervals
from dvol_utils.plots.style import MODEL_LABELS
from dvol_utils.results.headline import (
    COLUMNS,
    Column,
    ModelResult,
    Results,
    best_models,
    bounds,
    headline_table,
    hour,
    written_p,
)

_DOTS_PER_INCH = 130
_HOURS = {"overall": "all hours", "normal": "normal hours", "jump": "jump hours"}


def skill_figure(results: Results, coverage: float) -> dict[str, Any]:
    """Skill of every model but persistence: `image` (PNG, base64), its size, `alt`, `caption`."""
    rivals = _rivals(results)
    shown = [f"{row.label} {written(row.skill, 1)} {bounds(row)}" for row in rivals.itertuples()]
    return {
        **_png(_skill_axes(rivals)),
        "alt": f"Skill against persistence in percent with its interval: {'; '.join(shown)}.",
        "caption": (
            "Skill of each model against persistence on the test hours, with its "
            f"{100 * coverage:g} % bootstrap interval. Zero is persistence itself; right of zero "
            "is better."
        ),
    }


def write_picture(results: Results, path: Path) -> None:
    """Write the skill figure as an SVG file, the same bytes for the same results."""
    with replacing(path) as temporary, mpl.rc_context({"svg.hashsalt": results.study}):
        figure = _skill_axes(_rivals(results)).get_figure()
        figure.savefig(temporary, format="svg", metadata={"Date": None})
        plt.close(figure)


def _rivals(results: Results) -> pd.DataFrame:
    return headline_table(results).drop(index="persistence", errors="ignore")


def _skill_axes(rivals: pd.DataFrame) -> Axes:
    best = rivals.loc[rivals["skill"].idxmax()]
    above = int((rivals["skill_low"] > 0).sum())
    title = (
        f"Best: {best['label']}, {written(best['skill'], 1)} %; "
        f"{above} of {len(rivals)} intervals lie above zero"
    )
    return skill_intervals(rivals, title=title)


def _png(ax: Axes) -> dict[str, Any]:
    figure, buffer = ax.get_figure(), io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    plt.close(figure)
    width, height = (round(inches * 96) for inches in figure.get_size_inches())
    return {"image": base64.b64encode(buffer.getvalue()).decode(), "width": width, "height": height}


def headline(results: Results, coverage: float) -> dict[str, Any]:
    """The headline table as the page writes it: `caption`, `columns` and `rows` of cells."""
    table = headline_table(results)
    return {
        "columns": [*COLUMNS.values(), Column("In MCS", "", 0, None)],
        "rows": [_headline_row(row, best_models(table)) for row in table.itertuples()],
        "caption": (
            f"All models on the same {results.test.rows:,} test hours, origins "
            f"{hour(results.test.start)} to {hour(results.test.end)} UTC. Brackets: "
            f"{100 * coverage:g} % bootstrap interval. DM p: Diebold-Mariano test against "
            "persistence. MCS: model confidence set, the models that no other one beats beyond "
            "chance. Bold: best of its column."
        ),
    }


def _headline_row(row: Any, best: dict[str, set[str]]) -> dict[str, Any]:
    cells = []
    for name, column in COLUMNS.items():
        value = getattr(row, name)
        text = written_p(value) if name == "dm_p_value" else written(value, column.decimals)
        note = bounds(row) if name == "skill" else ""
        cells.append(_cell(value, text, note, row.Index in best.get(name, ())))
    cells.append(_cell(float(row.in_mcs), "yes" if row.in_mcs else "no", "", False))
    return {"label": row.label, "cells": cells}


def _cell(value: float, text: str, note: str, best: bool) -> dict[str, Any]:
    return {"value": "" if pd.isna(value) else value, "text": text, "note": note, "best": best}


def regimes(results: Results) -> dict[str, Any]:
    """RMSE and skill of each model in each regime: `headings` and `rows` of text."""
    names = list(dict.fromkeys(regime.regime for regime in results.regimes))
    rows: dict[str, dict[str, str]] = {}
    for regime in results.regimes:
        rmse = MISSING if regime.rmse is None else written(regime.rmse, 3)
        skill = "" if regime.skill is None else f" ({written(100 * regime.skill, 1)})"
        rows.setdefault(regime.model, {})[regime.regime] = rmse + skill
    hours = {regime.regime: regime.n for regime in results.regimes}
    return {
        "headings": [{"name": name, "rows": f"{hours[name]:,}"} for name in names],
        "rows": [
            {"label": _label(results, model), "cells": [row.get(name, MISSING) for name in names]}
            for model, row in rows.items()
        ],
    }


def published(results: Results) -> dict[str, Any]:
    """The published scores, then this study's of persistence and the same networks."""
    study = results.published
    if not study:
        return {"rows": []}
    main, ladder = study["model"], study.get("ladder", [])
    rows = [
        (f"Published {_label(results, main)}, {_HOURS[name]}", study[name])
        for name in _HOURS
        if name in study
    ]
    rows += [
        (f"Published {_label(results, row['model'])}{' (about)' if row.get('about') else ''}", row)
        for row in ladder
        if row["model"] != main
    ]
    rows += [
        (f"This study: {result.label}", {"n": results.test.rows, **_estimates(result)})
        for name, result in results.models.items()
        if name in ("persistence", *(row["model"] for row in ladder))
    ]
    names = ("rmse", "r2", "mae", "mape", "direction")
    return {
        "columns": [Column("Hours", "", 0, None), *(COLUMNS[name] for name in names)],
        "rows": [{"label": label, "cells": _scores(scores, names)} for label, scores in rows],
        "caption": (
            f"Published: {study.get('source', 'source unknown')}. Its data, inputs and test hours "
            "are not those of this study, so judge a model by persistence on its own hours."
        ),
    }


def _estimates(result: ModelResult) -> dict[str, float | None]:
    return {name: getattr(result, name).estimate for name in COLUMNS if name != "dm_p_value"}


def _scores(scores: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    cells = [f"{scores['n']:,}" if "n" in scores else MISSING]
    for name in names:
        value = scores.get(name)
        if value is not None and name == "direction":
            value *= 100
        cells.append(MISSING if value is None else written(value, COLUMNS[name].decimals))
    return cells


def _label(results: Results, model: str) -> str:
    known = results.models.get(model)
    return known.label if known else MODEL_LABELS.get(model, model)
