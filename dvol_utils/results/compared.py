"""Published, rebuilt and leak-free forecasts on the same hours, for first page and README."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dvol_utils.results.headline import COLUMNS, Column, bounds, skill_bounds
from dvol_utils.results.results_json import ComparedResult, Comparison, Results
from dvol_utils.wording.numbers import coverage_text, hour, hours_text, in_percent, written

COMPARED_COLUMNS = {
    **{name: COLUMNS[name] for name in ("rmse", "r2", "mae", "mape", "direction")},
    "consecutive": Column("Consecutive direction", "%", 1, None),
    "skill": COLUMNS["skill"],
}
_SENTENCES = 3  # claim, worth, why


def compared_table(comparison: Comparison) -> pd.DataFrame:
    """The compared forecasts, one a row.

    Returns
    -------
    DataFrame
        Indexed by `label`: `label`, the columns `COMPARED_COLUMNS` in the units that are shown,
        `skill_low` and `skill_high` (percent); NaN where a number is not known.
    """
    rows = {result.label: _row(result) for result in comparison.forecasts}
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.astype(dict.fromkeys(table.columns.difference(["label"]), float))


def persistence_words(results: Results) -> str:
    """What persistence is in these results."""
    if results.persistence_hours is None:
        return "persistence"
    return f"persistence, DVOL {hours_text(results.persistence_hours)} before the target"


def compared_markdown(results: Results, comparison: Comparison, coverage: float) -> str:
    """The compared forecasts as a Markdown table, a line on their hours, and the answer's core."""
    interval = f" ({coverage_text(coverage)} interval)"
    heads = [
        ", ".join(filter(None, (column.heading, column.unit)))
        for column in COMPARED_COLUMNS.values()
    ]
    lines = [
        ["Forecast", *heads[:-1], heads[-1] + interval],
        ["---", *["---:"] * len(heads)],
        *(_markdown_row(row) for row in compared_table(comparison).itertuples()),
    ]
    rows = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    said = "\n".join(f"- {sentence}" for sentence in results.answer[:_SENTENCES])
    return f"{rows}\n\n*{hours_line(results, comparison)}*\n\n{said}"


def hours_line(results: Results, comparison: Comparison) -> str:
    """How many hours the forecasts stand on, which, and what their skill refers to."""
    test = comparison.test
    data = "Simulated data: " if results.simulated else ""
    return (
        f"{data}{test.rows:,} test hours, origins {hour(test.start)} to {hour(test.end)} UTC; "
        f"skill against {persistence_words(results)}"
    )


def _row(result: ComparedResult) -> dict[str, Any]:
    plain = {name: getattr(result, name).estimate for name in ("rmse", "r2", "mae", "mape")}
    shares = {
        name: in_percent(getattr(result, name).estimate) for name in ("direction", "consecutive")
    }
    return {"label": result.label, **plain, **shares, **skill_bounds(result)}


def _markdown_row(row: Any) -> list[str]:
    cells = [
        written(getattr(row, name), column.decimals) for name, column in COMPARED_COLUMNS.items()
    ]
    cells[-1] = f"{cells[-1]} {bounds(row)}".strip()
    return [row.label.replace("|", r"\|"), *cells]
