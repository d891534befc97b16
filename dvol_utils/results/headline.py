"""The headline numbers in `results.json`: read, put in a table, and shown in the README."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
from pydantic import BaseModel, Field, ValidationError

from dvol_utils.artefacts import ArtefactError, read_json, replacing
from dvol_utils.display import written
from dvol_utils.params import MODEL_NAMES, StudyParams


class Estimate(BaseModel):
    """A metric and its bootstrap interval; missing where it is not defined."""

    estimate: float | None
    low: float | None
    high: float | None


class ModelResult(BaseModel):
    """A model's scores on the test rows."""

    label: str
    rmse: Estimate
    r2: Estimate
    mae: Estimate
    mape: Estimate
    skill: Estimate
    direction: Estimate
    dm_p_value: float | None
    in_mcs: bool


class RegimeResult(BaseModel):
    """A model's scores in one regime."""

    model: str
    regime: str
    n: int
    rmse: float | None
    skill: float | None


class TestRows(BaseModel):
    """The rows that everything is scored on."""

    start: str
    end: str
    rows: int


class Results(BaseModel):
    """`results.json`; keys that are not named here may be there too."""

    study: str
    title: str
    simulated: bool
    parameters_hash: str
    test: TestRows
    models: dict[str, ModelResult] = Field(min_length=1)
    regimes: list[RegimeResult] = []
    published: dict[str, Any] = {}
    claims: list[str] = []
    answer: list[str] = Field(min_length=1)


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


def read_results(study: StudyParams) -> Results:
    """Read and check `runs/<study>/results.json`.

    Raises
    ------
    ArtefactError
        The file is missing, damaged, or lacks a key; the message says which command makes it.
    """
    path = study.run_dir / "results.json"
    advice = f"run `make report STUDY={study.name}`"
    if not path.is_file():
        raise ArtefactError(f"{path} is missing: {advice}")
    try:
        results = Results.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ArtefactError(f"{path}: {key}: {first['msg']}; {advice}") from None
    # JSON has its keys sorted; readers see persistence first and the ladder in its order
    names = sorted(results.models, key=lambda name: (*MODEL_NAMES, name).index(name))
    return results.model_copy(update={"models": {name: results.models[name] for name in names}})


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


def written_p(value: float) -> str:
    """A p-value as tables show it: never as zero."""
    smallest = 10 ** -COLUMNS["dm_p_value"].decimals
    if value < smallest:
        return f"< {smallest:g}"
    return written(value, COLUMNS["dm_p_value"].decimals)


def bounds(row: Any) -> str:
    """The interval of a `headline_table` row's skill in brackets; empty where it has none."""
    if pd.isna(row.skill_low):
        return ""
    decimals = COLUMNS["skill"].decimals
    return f"({written(row.skill_low, decimals)} to {written(row.skill_high, decimals)})"


def hour(text: str) -> str:
    """An ISO time of `results.json` as readers write it; all times are UTC."""
    return f"{pd.Timestamp(text):%Y-%m-%d %H:%M}"


def markdown_table(results: Results, coverage: float) -> str:
    """The headline table in Markdown, the best of each column in bold, with a line on its rows."""
    table = headline_table(results)
    best = best_models(table)
    notes = {"skill": f" ({100 * coverage:g} % interval)"}
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


def readme_block(readme: Path, study_name: str) -> str | None:
    """The study's result table as the README has it; None where it has none."""
    if not readme.is_file():
        return None
    found = _block(study_name).search(readme.read_text(encoding="utf-8"))
    return found["body"].strip() if found else None


def rewrite_readme(readme: Path, results: Results, coverage: float) -> None:
    """Put the result table between `<!-- results:STUDY -->` and `<!-- /results -->`.

    Raises
    ------
    ArtefactError
        The README has no such block.
    """
    if readme_block(readme, results.study) is None:
        raise ArtefactError(
            f"{readme}: no place for the table; should have a line "
            f"<!-- results:{results.study} --> and after it a line <!-- /results -->"
        )
    body = markdown_table(results, coverage)
    text = readme.read_text(encoding="utf-8")
    text = _block(results.study).sub(
        lambda found: f"{found['start']}\n{body}\n{found['end']}", text, count=1
    )
    with replacing(readme) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _row(result: ModelResult) -> dict[str, Any]:
    return {
        "label": result.label,
        "rmse": result.rmse.estimate,
        "r2": result.r2.estimate,
        "mae": result.mae.estimate,
        "mape": result.mape.estimate,
        "direction": _percent(result.direction.estimate),
        "skill": _percent(result.skill.estimate),
        "skill_low": _percent(result.skill.low),
        "skill_high": _percent(result.skill.high),
        "dm_p_value": result.dm_p_value,
        "in_mcs": result.in_mcs,
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _markdown_row(row: Any, best: dict[str, set[str]]) -> list[str]:
    cells = [row.label.replace("|", r"\|")]
    for name, column in COLUMNS.items():
        value = getattr(row, name)
        text = written_p(value) if name == "dm_p_value" else written(value, column.decimals)
        text = f"**{text}**" if row.Index in best.get(name, ()) else text
        text += f" {bounds(row)}" if name == "skill" else ""
        cells.append(text.strip())
    return [*cells, "yes" if row.in_mcs else "no"]


def _block(study_name: str) -> re.Pattern[str]:
    start, end = re.escape(f"<!-- results:{study_name} -->"), re.escape("<!-- /results -->")
    return re.compile(
        rf"(?P<start>{start})\n(?P<body>(?:(?!<!-- results:).)*?)(?P<end>{end})", re.DOTALL
    )
