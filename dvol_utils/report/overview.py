"""The overview page: what stands on it, from the headline numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes

from dvol_utils.plots.first_page import LEFT_END, skill_intervals
from dvol_utils.plots.style import fit_titles, plain
from dvol_utils.report.display import picture, picture_html
from dvol_utils.report.first_picture import ORACLE_FIGURE, three_panel_figure
from dvol_utils.results.front import Front
from dvol_utils.results.headline import (
    COMPARED_COLUMNS,
    HEADLINE_COLUMNS,
    P_VALUES,
    ShownColumn,
    bounds,
    compared_table,
    headline_table,
    hours_line,
    in_set_text,
    oracle_row,
    persistence_words,
    shown_columns,
    significance_mark,
)
from dvol_utils.results.judging import LEVEL
from dvol_utils.results.results_json import Comparison, ModelResult, Results
from dvol_utils.study.files import ArtefactError, replacing
from dvol_utils.study.model_names import ORACLE, label
from dvol_utils.wording.numbers import MISSING, coverage_text, hour, hours_text, written, written_p

_ORACLE_TABLE = (
    "Oracle: the best forecast by the simulated market's own law from its state at the origin, a "
    "reference and no model; it is not among those that are tested. Attained: the share of the "
    "attainable, what a model reaches of the skill that the oracle can expect. It is measured by "
    "the distance from the oracle's forecasts, so that luck of the outcomes does not move it; "
    "below zero, persistence lies nearer."
)
_LEFT_OUT = ("mape", "r2", "dm_p_bartlett")  # stand in the downloads and on page 05
_HOURS = {"overall": "all hours", "normal": "normal hours", "jump": "jump hours"}


def skill_figure(
    results: Results, coverage: float, front: Front | None = None
) -> dict[str, Any] | None:
    """Skill of every model but persistence: `html`, `alt`, `caption`; None where persistence is the
    only model. With `front`, below the last weeks and the gain over time.
    """
    rivals = _rivals(results)
    if rivals.empty:
        return None
    shown = [
        f"{row.label} {written(row.skill, 1)} {bounds(row)}".strip() for row in rivals.itertuples()
    ]
    against = persistence_words(results)
    alt = f"Skill against {against}, in percent with its interval: {'; '.join(shown)}."
    if front is not None and results.chosen in rivals.index:
        return three_panel_figure(results, rivals, coverage, front)
    return {
        "html": picture_html(picture(_skill_axes(results, rivals).get_figure()), alt),
        "alt": alt,
        "caption": (
            f"Skill of each {'forecast' if results.comparison else 'model'} against {against}, on "
            f"the test hours, with its {coverage_text(coverage)} bootstrap interval. Zero is that "
            "persistence itself; right of zero is better."
            + (" Chosen: on the validation rows." if results.chosen in rivals.index else "")
            + (f" {ORACLE_FIGURE}" if ORACLE in rivals.index else "")
        ),
    }


def write_picture(results: Results, path: Path) -> None:
    """Write the skill figure as an SVG file, the same bytes for the same results.

    Raises
    ------
    ArtefactError
        Persistence is the only model, so that there is nothing to draw.
    """
    rivals = _rivals(results)
    if rivals.empty:
        raise ArtefactError(f"{path}: nothing to draw, persistence is the study's only model")
    # Without them matplotlib names parts at random, and dates the file.
    salt = {"svg.hashsalt": results.study}
    with replacing(path) as temporary, plain(), mpl.rc_context(salt):
        figure = _skill_axes(results, rivals).get_figure()
        fit_titles(figure)
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def _rivals(results: Results) -> pd.DataFrame:
    if results.comparison is not None:
        naive = f"Persistence, {results.persistence_hours} h"
        return compared_table(results.comparison).drop(index=naive, errors="ignore")
    models = headline_table(results).drop(index="persistence", errors="ignore")
    return pd.concat([models, oracle_row(results)]) if len(models) else models


def _skill_axes(results: Results, rivals: pd.DataFrame) -> Axes:
    if results.comparison is not None:
        first = rivals.iloc[0]
        title = f"{first['label']}: {written(first['skill'], 1)} % against persistence"
        # The axis reaches the first one, which the page is about.
        left_end = min(LEFT_END, 1.15 * first["skill"])
        return skill_intervals(rivals, title=title, left_end=left_end)
    # The oracle is no model, and counts among none.
    models = rivals.drop(index=ORACLE, errors="ignore")
    above = int((models["skill_low"] > 0).sum())
    title = f"{above} of {len(models)} intervals lie above zero"
    if results.chosen in rivals.index:
        best = rivals.loc[results.chosen]
        title = f"{best['label']}, chosen beforehand: {written(best['skill'], 1)} %; {title}"
        names = rivals["label"].mask(rivals.index == results.chosen, f"{best['label']} (chosen)")
        rivals = rivals.assign(label=names)
    return skill_intervals(rivals, title=title, chosen=results.chosen)


def headline_cells(results: Results, coverage: float) -> dict[str, Any]:
    """The headline table as the page writes it: `caption`, `columns` and `rows` of cells."""
    if results.comparison is not None:
        return _compared(results, results.comparison, coverage)
    table = headline_table(results)
    columns = {k: column for k, column in shown_columns(results).items() if k not in _LEFT_OUT}
    every = [*table.itertuples(), *oracle_row(results).itertuples()]
    return {
        "first": "Model",
        "columns": [*columns.values(), ShownColumn("In MCS", "", 0, None)],
        "rows": [_headline_row(row, columns, results.chosen) for row in every],
        "caption": (
            f"All models on the same {results.test.rows:,} test hours, origins "
            f"{hour(results.test.start)} to {hour(results.test.end)} UTC. Brackets: "
            f"{coverage_text(coverage)} bootstrap interval. Skill is against "
            f"{persistence_words(results)}. DM p: Diebold-Mariano test against it; * below "
            f"{LEVEL:g}, ** with an interval of the skill that leaves zero out as well. MCS: model "
            "confidence set, the models that no other one beats beyond chance; one can drop out "
            "with a smaller error than one that stays, where its differences are measured more "
            "precisely."
            + (" Bold: chosen on the validation rows, before the test." if results.chosen else "")
            + " The downloads below have all scores."
            + (f" {_ORACLE_TABLE}" if results.oracle else "")
        ),
    }


def _compared(results: Results, comparison: Comparison, coverage: float) -> dict[str, Any]:
    rows = []
    for row in compared_table(comparison).itertuples():
        values = {name: getattr(row, name) for name in COMPARED_COLUMNS}
        cells = [
            cell(
                value,
                written(value, COMPARED_COLUMNS[name].decimals),
                bounds(row) if name == "skill" else "",
            )
            for name, value in values.items()
        ]
        rows.append({"label": row.label, "cells": cells, "chosen": False})
    return {
        "first": "Forecast",
        "columns": list(COMPARED_COLUMNS.values()),
        "rows": rows,
        "caption": (
            f"Published, rebuilt and leak-free forecasts: {hours_line(results, comparison)}; "
            f"brackets: {coverage_text(coverage)} bootstrap interval. The published row stands as "
            "it was reported, on the study's own hours; its skill is that of its RMSE beside this "
            "persistence. Reproduced: the largest network by the published rules; its inputs, like "
            "those of the smallest with all inputs, reach later hours than this persistence. "
            "Consecutive direction is the published measure: the sign of the change from one "
            "forecast to the next."
        ),
    }


def _headline_row(row: Any, columns: dict[str, ShownColumn], chosen: str | None) -> dict[str, Any]:
    cells = []
    for name, column in columns.items():
        value = getattr(row, name)
        text = written_p(value) if name in P_VALUES else written(value, column.decimals)
        note = bounds(row) if name == "skill" else ""
        marks = significance_mark(row) if name == "dm_p_value" else None
        if marks and marks[0]:
            note = marks[1].partition(" ")[0]  # stars say how sure, not which way
        cells.append(cell(value, text, note, marks))
    inside = in_set_text(row)
    cells.append(cell(math.nan if inside == MISSING else float(row.in_mcs), inside, ""))
    return {"label": row.label, "cells": cells, "chosen": row.Index == chosen}


def cell(
    value: float, text: str, note: str, marks: tuple[str, str] | None = None
) -> dict[str, Any]:
    """A number as the templates' tables take it: `value` to sort by, `text`, `note` and `marks` (a
    mark, maybe empty, and its meaning) to read.
    """
    shown = {"text": text, "note": note, "marks": marks}
    return {"value": "" if pd.isna(value) else value, **shown}


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
        "caption": _regime_caption(results),
        "headings": [{"name": name, "rows": f"{hours[name]:,}"} for name in names],
        "rows": [
            {"label": _label(results, model), "cells": [row.get(name, MISSING) for name in names]}
            for model, row in rows.items()
        ],
    }


def _regime_caption(results: Results) -> str:
    if results.late_hours is None:
        when = "The regime is known at the origin."
    else:
        when = (
            f"The regime is that of the row {hours_text(results.late_hours)} before the target, by "
            "the study's own jump rule."
        )
    return (
        f"RMSE in index points and, in brackets, skill against {persistence_words(results)}, in "
        f"percent, on the test hours of each regime. {when}"
    )


def published(results: Results) -> dict[str, Any]:
    """The published scores, then this study's of persistence and the same networks."""
    study = results.published
    if not study or results.simulated:  # figures of another market say nothing about this one
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
    names = ("skill", "rmse", "r2", "mae", "mape", "direction")
    return {
        "columns": [ShownColumn("Hours", "", 0, None), *(HEADLINE_COLUMNS[name] for name in names)],
        "rows": [{"label": name, "cells": _scores(scores, names)} for name, scores in rows],
        "caption": (
            f"Published: {study.get('source', 'source unknown')}. {_difference(results)}, so judge "
            "a model by persistence on its own hours. Its direction is that of the change from one "
            "forecast to the next, this study's that of the change since the origin."
        ),
    }


def _difference(results: Results) -> str:
    if results.comparison is None:
        return "Its data, inputs and test hours are not those of this study"
    return "This study follows its rules with public data in place of inputs that are not public"


def _estimates(result: ModelResult) -> dict[str, float | None]:
    return {
        name: getattr(result, name).estimate for name in HEADLINE_COLUMNS if name not in P_VALUES
    }


def _scores(scores: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    cells = [f"{scores['n']:,}" if "n" in scores else MISSING]
    for name in names:
        value = scores.get(name)
        if value is not None and name in ("direction", "skill"):
            value *= 100
        cells.append(MISSING if value is None else written(value, HEADLINE_COLUMNS[name].decimals))
    return cells


def _label(results: Results, model: str) -> str:
    result = results.models.get(model)
    return result.label if result else label(model)
