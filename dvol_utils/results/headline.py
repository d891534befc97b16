"""The headline numbers of `results.json` in a table, and as readers see them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import pandas as pd

from dvol_utils.results.judging import LEVEL
from dvol_utils.results.results_json import ModelResult, Results, Scores
from dvol_utils.wording.numbers import coverage_text, hour, in_percent, written, written_p


class Column(NamedTuple):
    """A column of the headline table: how it is written, and which end of it is best."""

    heading: str
    unit: str
    decimals: int
    best: Literal["low", "high"] | None


COLUMNS = {
    "rmse": Column("RMSE", "points", 3, "low"),
    "r2": Column("R²", "", 4, "high"),
    "mae": Column("MAE", "points", 3, "low"),
    "mape": Column("MAPE", "%", 2, "low"),
    "direction": Column("Direction", "%", 1, "high"),
    "skill": Column("Skill", "%", 1, "high"),
    "dm_p_value": Column("DM p", "", 3, None),
}


def headline_table(results: Results) -> pd.DataFrame:
    """The headline numbers as they are shown, one row a model.

    Returns
    -------
    DataFrame
        Indexed by `model`: `label`, `rmse` and `mae` (index points), `r2`, `mape`, `direction` and
        `skill` (percent), `skill_low` and `skill_high` (its interval, percent), `dm_p_value`
        (Diebold-Mariano against persistence) and `in_mcs`; NaN where a number is not defined.
    """
    rows = {name: _row(result) for name, result in results.models.items()}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    numbers = table.columns.difference(["label", "in_mcs"])
    return table.astype(dict.fromkeys(numbers, float))


def best_models(table: pd.DataFrame) -> dict[str, set[str]]:
    """The best model or models of each column of `headline_table` that has a best end."""
    best = {}
    for name, column in COLUMNS.items():
        if column.best is not None:
            shown = table[name].round(column.decimals)
            top = shown.min() if column.best == "low" else shown.max()
            best[name] = set(table.index[shown == top])
    return best


def significance_mark(row: Any) -> tuple[str, str]:
    """How sure it is that a `headline_table` row differs from persistence: a mark and its meaning.

    Two stars where the Diebold-Mariano test and the interval of the skill agree that it does, one
    where the test alone says so, none otherwise.
    """
    if not row.dm_p_value < LEVEL:
        return "", ""
    if row.skill_low > 0 or row.skill_high < 0:
        return "**", "beyond chance by test and interval"
    return "*", "beyond chance by the test alone"


def bounds(row: Any) -> str:
    """The interval of a `headline_table` row's skill in brackets; empty where it has none."""
    if pd.isna(row.skill_low):
        return ""
    decimals = COLUMNS["skill"].decimals
    return f"({written(row.skill_low, decimals)} to {written(row.skill_high, decimals)})"


def markdown_table(results: Results, coverage: float) -> str:
    """The headline table in Markdown, the best of each column in bold, with a line on its rows."""
    table = headline_table(results)
    best = best_models(table)
    notes = {"skill": f" ({coverage_text(coverage)} interval)"}
    headings = [
        ", ".join(filter(None, (column.heading, column.unit))) + notes.get(name, "")
        for name, column in COLUMNS.items()
    ]
    headings = ["Model", *headings, "In MCS"]
    lines = [headings, ["---", *["---:"] * len(COLUMNS), ":---:"]]
    lines += [_markdown_row(row, best) for row in table.itertuples()]
    rows = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    data = "Simulated data: " if results.simulated else ""
    test = results.test
    origins = f"origins {hour(test.start)} to {hour(test.end)} UTC"
    return f"{rows}\n\n*{data}{test.rows:,} test hours, {origins}*"


def _row(result: ModelResult) -> dict[str, Any]:
    return {
        "label": result.label,
        "rmse": result.rmse.estimate,
        "r2": result.r2.estimate,
        "mae": result.mae.estimate,
        "mape": result.mape.estimate,
        "direction": in_percent(result.direction.estimate),
        **skill_bounds(result),
        "dm_p_value": result.dm_p_value,
        "in_mcs": result.in_mcs,
    }


def skill_bounds(result: Scores) -> dict[str, float | None]:
    """A forecast's skill and its interval, percent."""
    skill = result.skill
    values = {"skill": skill.estimate, "skill_low": skill.low, "skill_high": skill.high}
    return {name: in_percent(value) for name, value in values.items()}


def _markdown_row(row: Any, best: dict[str, set[str]]) -> list[str]:
    cells = [row.label.replace("|", r"\|")]
    for name, column in COLUMNS.items():
        value = getattr(row, name)
        text = written_p(value) if name == "dm_p_value" else written(value, column.decimals)
        text = f"**{text}**" if row.Index in best.get(name, ()) else text
        text += f" {bounds(row)}" if name == "skill" else ""
        cells.append(text.strip())
    return [*cells, "yes" if row.in_mcs else "no"]
