"""The headline numbers of `results.json`, and the compared forecasts, in tables for readers."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import pandas as pd

from dvol_utils.results.judging import LEVEL
from dvol_utils.results.results_json import (
    ComparedResult,
    Comparison,
    ModelResult,
    Results,
    Scores,
    TestRows,
)
from dvol_utils.study.model_names import ORACLE
from dvol_utils.wording.numbers import (
    MISSING,
    coverage_text,
    hour,
    hours_text,
    in_percent,
    written,
    written_p,
)


class ShownColumn(NamedTuple):
    """A column of the headline table: how it is written, and which end of it is best."""

    heading: str
    unit: str
    decimals: int
    best: Literal["low", "high"] | None


HEADLINE_COLUMNS = {
    "skill": ShownColumn("Skill", "%", 1, "high"),
    "dm_p_value": ShownColumn("DM p", "", 3, None),
    "rmse": ShownColumn("RMSE", "points", 3, "low"),
    "mae": ShownColumn("MAE", "points", 3, "low"),
    "direction": ShownColumn("Direction", "%", 1, "high"),
    "mape": ShownColumn("MAPE", "%", 2, "low"),
    "r2": ShownColumn("R²", "", 4, "high"),
    "dm_p_bartlett": ShownColumn("DM p, Bartlett", "", 3, None),
}
P_VALUES = ("dm_p_value", "dm_p_bartlett")
SHARE_COLUMN = ShownColumn("Attained", "%", 0, None)
COMPARED_COLUMNS = {
    **{name: HEADLINE_COLUMNS[name] for name in ("rmse", "r2", "mae", "mape", "direction")},
    "consecutive": ShownColumn("Consecutive direction", "%", 1, None),
    "skill": HEADLINE_COLUMNS["skill"],
}
_SENTENCES = 3  # claim, worth, why


def headline_table(results: Results) -> pd.DataFrame:
    """The headline numbers as they are shown, one row per model.

    Returns
    -------
    DataFrame
        Indexed by `model`: `label`, `rmse` and `mae` (index points), `r2`, `mape`, `direction` and
        `skill` (percent), `skill_low` and `skill_high` (its interval, percent), `dm_p_value` and
        `dm_p_bartlett` (Diebold-Mariano against persistence by both variances) and `in_mcs`; NaN
        where a number is not defined. Where the oracle is known also `share`, what a model reaches
        of it (percent).
    """
    rows = {name: _row(result) for name, result in results.models.items()}
    if results.oracle is not None:
        for name, row in rows.items():
            row["share"] = in_percent(results.oracle.shares.get(name))
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    numbers = table.columns.difference(["label", "in_mcs"])
    # As numbers: a column of None alone would stay one of objects.
    return table.astype(dict.fromkeys(numbers, float))


def oracle_row(results: Results) -> pd.DataFrame:
    """The oracle as a row of `headline_table`; no row where it is not known. Nothing tests it."""
    if results.oracle is None:
        return pd.DataFrame()
    row = {**_scores_row(results.oracle), **dict.fromkeys(P_VALUES), "share": 100.0}
    table = pd.DataFrame.from_dict({ORACLE: row}, orient="index").rename_axis("model")
    return table.astype(dict.fromkeys(table.columns.difference(["label"]), float))


def shown_columns(results: Results) -> dict[str, ShownColumn]:
    """The columns of the headline table that a study has, but for the confidence set."""
    oracle_columns = {} if results.oracle is None else {"share": SHARE_COLUMN}
    return HEADLINE_COLUMNS | oracle_columns


def compared_table(comparison: Comparison) -> pd.DataFrame:
    """The compared forecasts, one per row.

    Returns
    -------
    DataFrame
        Indexed by `label`: `label`, the columns `COMPARED_COLUMNS` in the units that are shown,
        `skill_low` and `skill_high` (percent); NaN where a number is not known.
    """
    rows = {result.label: _compared_row(result) for result in comparison.forecasts}
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.astype(dict.fromkeys(table.columns.difference(["label"]), float))


def best_models(table: pd.DataFrame) -> dict[str, set[str]]:
    """The best model or models of each column of `headline_table` that has a best end."""
    best = {}
    for name, column in HEADLINE_COLUMNS.items():
        if column.best is not None:
            # As it is shown, so that models that look alike share the place (test_headline.py).
            shown = table[name].round(column.decimals)
            top = shown.min() if column.best == "low" else shown.max()
            best[name] = set(table.index[shown == top])
    return best


def significance_mark(row: Any) -> tuple[str, str]:
    """How sure it is that a `headline_table` row differs from persistence: a mark and its meaning.

    Two stars where the Diebold-Mariano test and the interval of the skill agree that it does, one
    where the test alone says so, none otherwise. The meaning begins with better or worse.
    """
    # Written so that a missing p-value is no finding.
    if not row.dm_p_value < LEVEL:
        return "", ""
    word = "better" if row.skill > 0 else "worse"
    if row.skill_low > 0 or row.skill_high < 0:
        return "**", f"{word} beyond chance by test and interval"
    return "*", f"{word} beyond chance by the test alone"


def bounds(row: Any) -> str:
    """The interval of a `headline_table` row's skill in brackets; empty where it has none."""
    if pd.isna(row.skill_low):
        return ""
    decimals = HEADLINE_COLUMNS["skill"].decimals
    return f"({written(row.skill_low, decimals)} to {written(row.skill_high, decimals)})"


def in_set_text(row: Any) -> str:
    """Whether a row of `headline_table` is in the confidence set; a dash for the oracle."""
    if row.Index == ORACLE:
        return MISSING
    return "yes" if row.in_mcs else "no"


def persistence_words(results: Results) -> str:
    """What persistence is in these results."""
    if results.persistence_hours is None:
        return "persistence"
    return f"persistence, DVOL {hours_text(results.persistence_hours)} before the target"


def hours_line(results: Results, comparison: Comparison) -> str:
    """How many hours the forecasts stand on, which, and what their skill refers to."""
    data = "Simulated data: " if results.simulated else ""
    against = f"skill against {persistence_words(results)}"
    return f"{data}{_origins(comparison.test)}; {against}"


def markdown_table(results: Results, coverage: float) -> str:
    """The headline table in Markdown, the best of each column in bold, with a line on its rows."""
    table = headline_table(results)
    best = best_models(table)
    columns = shown_columns(results)
    heads = ["Model", *_heads(columns, coverage), "In MCS"]
    every = [*table.itertuples(), *oracle_row(results).itertuples()]
    rows = [_markdown_row(row, columns, best) for row in every]
    data = "Simulated data: " if results.simulated else ""
    marks = [*["---:"] * len(columns), ":---:"]
    return f"{_markdown(heads, marks, rows)}\n\n*{data}{_origins(results.test)}*"


def compared_markdown(results: Results, comparison: Comparison, coverage: float) -> str:
    """The compared forecasts as a Markdown table, a line on their hours, and the answer's core."""
    heads = ["Forecast", *_heads(COMPARED_COLUMNS, coverage)]
    rows = [_compared_markdown_row(row) for row in compared_table(comparison).itertuples()]
    table = _markdown(heads, ["---:"] * len(COMPARED_COLUMNS), rows)
    said = "\n".join(f"- {sentence}" for sentence in results.answer[:_SENTENCES])
    return f"{table}\n\n*{hours_line(results, comparison)}*\n\n{said}"


def _row(result: ModelResult) -> dict[str, Any]:
    return {
        **_scores_row(result),
        "dm_p_value": result.dm_p_value,
        "dm_p_bartlett": result.dm_p_bartlett,
        "in_mcs": result.in_mcs,
    }


def _scores_row(result: Scores) -> dict[str, Any]:
    return {
        "label": result.label,
        "rmse": result.rmse.estimate,
        "r2": result.r2.estimate,
        "mae": result.mae.estimate,
        "mape": result.mape.estimate,
        "direction": in_percent(result.direction.estimate),
        **_skill_bounds(result),
    }


def _compared_row(result: ComparedResult) -> dict[str, Any]:
    plain = {name: getattr(result, name).estimate for name in ("rmse", "r2", "mae", "mape")}
    shares = {
        name: in_percent(getattr(result, name).estimate) for name in ("direction", "consecutive")
    }
    return {"label": result.label, **plain, **shares, **_skill_bounds(result)}


def _skill_bounds(result: Scores) -> dict[str, float | None]:
    """A forecast's skill and its interval, percent."""
    skill = result.skill
    values = {"skill": skill.estimate, "skill_low": skill.low, "skill_high": skill.high}
    return {name: in_percent(value) for name, value in values.items()}


def _origins(test: TestRows) -> str:
    return f"{test.rows:,} test hours, origins {hour(test.start)} to {hour(test.end)} UTC"


def _heads(columns: dict[str, ShownColumn], coverage: float) -> list[str]:
    notes = {"skill": f" ({coverage_text(coverage)} interval)"}
    return [
        ", ".join(filter(None, (column.heading, column.unit))) + notes.get(name, "")
        for name, column in columns.items()
    ]


def _markdown(heads: list[str], marks: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---", *marks], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _markdown_row(
    row: Any, columns: dict[str, ShownColumn], best: dict[str, set[str]]
) -> list[str]:
    # A bar in a name would end the cell.
    cells = [row.label.replace("|", r"\|")]
    for name, column in columns.items():
        value = getattr(row, name)
        text = written_p(value) if name in P_VALUES else written(value, column.decimals)
        text = f"**{text}**" if row.Index in best.get(name, ()) else text
        text += f" {bounds(row)}" if name == "skill" else ""
        cells.append(text.strip())
    return [*cells, in_set_text(row)]


def _compared_markdown_row(row: Any) -> list[str]:
    cells = [
        written(getattr(row, name), column.decimals) for name, column in COMPARED_COLUMNS.items()
    ]
    cells[-1] = f"{cells[-1]} {bounds(row)}".strip()
    return [row.label.replace("|", r"\|"), *cells]
