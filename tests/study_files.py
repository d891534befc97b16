"""Stand-ins for what a run of a study leaves, small enough to make in every test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
from forecast_tables import MODELS, forecast_table
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from dvol_utils.evaluation import METRICS, average_seeds, score
from dvol_utils.report import display
from dvol_utils.results.published_figures import PUBLISHED_FIGURES
from dvol_utils.study import files, tables
from dvol_utils.study.effective import parameters_hash
from dvol_utils.study.loading import load_study
from dvol_utils.study.model_names import label
from dvol_utils.study.params import StudyParams

TINY_STUDY = {
    "title": "Tiny <study> & market",
    "data": {"source": "simulated", "simulated": {"hours": 2000, "seed": 3}},
    "split": {"validation_start": "2021-02-01 00:00", "test_start": "2021-03-01 00:00"},
    "models": list(MODELS),
    "training": {"seeds": [0, 1]},
}
PANEL_RANGE = {"first": "2021-01-01 01:00:00+00:00", "last": "2021-03-25 08:00:00+00:00"}
HOSTILE = "<script>alert(1)</script> & <b>bold</b>"


def source_notebook(path: Path, *code: str, title: str | None = None) -> Path:
    """An unexecuted notebook with a parameters cell and cells of `code`."""
    parameters = new_code_cell('study = "demo"\noverrides = {}', metadata={"tags": ["parameters"]})
    head = new_markdown_cell(f"# {title or path.stem}\n\nWhat does {path.stem} answer?")
    notebook = new_notebook(cells=[head, parameters, *map(new_code_cell, code)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    return write(notebook, path)


def executed_notebook(study: StudyParams, path: Path, title: str) -> Path:
    """A notebook as it is after its run: header, table, figure, stream, answer."""
    frame = pd.DataFrame(
        {"text": [HOSTILE, "plain"], "value": [1234.5678, -0.25]}
        | {f"long column {number}": [1.0, 2.0] for number in range(12)}
    )
    ax = plt.figure(figsize=(4, 2)).add_subplot()
    ax.plot([0, 1], [0, 1])
    cells = [
        new_markdown_cell(f"# {title}\n\nWhat does *this* page answer? A & B."),
        new_code_cell('study = "demo"', metadata={"tags": ["parameters"]}),
        new_code_cell(f'study = "{study.name}"', metadata={"tags": ["injected-parameters"]}),
        code_cell("study_header(study_params)", lambda: display.study_header(study)),
        new_markdown_cell("## Results\n\nProse before the table."),
        code_cell("display.table(frame)", lambda: display.table(frame, f"A table: {HOSTILE}")),
        new_markdown_cell("### Detail\n\nProse before the figure."),
        code_cell("display.figure(ax)", lambda: display.figure(ax, "A caption", "A rising line")),
        new_markdown_cell("## Results\n\nA heading that stands twice."),
        new_code_cell(
            "print(text)",
            outputs=[new_output("stream", name="stdout", text=f"epoch 2 {HOSTILE}\n")],
        ),
        code_cell("display.answer(text)", lambda: display.answer("**The answer** is 4.2 %.")),
    ]
    notebook = new_notebook(cells=cells)
    for count, cell in enumerate(c for c in cells if c.cell_type == "code"):
        cell.execution_count = count + 1
    return write(notebook, path)


def code_cell(source: str, show: Any) -> NotebookNode:
    """A code cell with the outputs that `show` displays."""
    shown: list[Any] = []
    with patch.object(display, "display", shown.append):
        show()
    kinds = (("text/html", "_repr_html_"), ("text/markdown", "_repr_markdown_"))
    outputs = [
        new_output("display_data", {kind: getattr(item, name)() for kind, name in kinds
                                    if hasattr(item, name)})
        for item in shown
    ]  # fmt: skip
    return new_code_cell(source, outputs=outputs)


def write(notebook: NotebookNode, path: Path) -> Path:
    """Write a notebook, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def headline_numbers(study: StudyParams, forecasts: pd.DataFrame) -> dict[str, Any]:
    """`results.json` of a forecast table, with intervals made up around its scores."""
    test = average_seeds(forecasts[forecasts["split"] == "test"])
    scores = score(test).set_index("model")
    regimes = score(test, ("model", "jump_regime")).rename(columns={"jump_regime": "regime"})
    regimes = regimes[["model", "regime", "n", "rmse", "skill"]]
    return {
        "study": study.name,
        "title": study.title,
        "simulated": study.is_simulated,
        "parameters_hash": parameters_hash(study),
        "test": {
            "start": test["origin"].min().isoformat(),
            "end": test["origin"].max().isoformat(),
            "rows": int(test["origin"].nunique()),
        },
        "chosen": "har",
        "models": {
            name: {
                "label": label(name),
                "dm_p_value": None if name == "persistence" else 0.0004 + 0.01 * len(name),
                "dm_p_bartlett": None if name == "persistence" else 0.0002 + 0.01 * len(name),
                "in_mcs": name.startswith("lstm"),
                **{metric: _estimate(row[metric]) for metric in METRICS},
            }
            for name, row in scores.iterrows()
        },
        "regimes": json.loads(regimes.to_json(orient="records", double_precision=15)),
        "published": PUBLISHED_FIGURES,
        "claims": ["LSTM baseline beats persistence.", f"Escaped: {HOSTILE}"],
        "answer": ["First sentence.", "Second sentence.", "Third sentence."],
    }


def _estimate(value: float) -> dict[str, float | None]:
    if pd.isna(value):
        return {"estimate": None, "low": None, "high": None}
    return {"estimate": float(value), "low": float(value) - 0.02, "high": float(value) + 0.02}


def finished_project(root: Path) -> Path:
    """Fill `root` with a run of the study `tiny`: tables, results, manifest, notebooks."""
    study = load_study(root / "params/tiny.yaml")
    (study.raw_dir).mkdir(parents=True)
    raw = study.raw_dir / "btc_dvol_hourly.csv"
    raw.write_text("timestamp,dvol_close\n0,50\n", encoding="utf-8")
    forecasts = forecast_table(300, validation_rows=50)
    tables.write_table(study, "forecasts", forecasts)
    files.write_json(study.run_dir / "results.json", headline_numbers(study, forecasts))
    hashes = {raw.name: files.file_hash(raw)}
    tables.record(study, "01_data_preparation", {"raw_files": hashes, **PANEL_RANGE})
    tables.record(study, "03_lstm_training", {"device": "cpu"})
    for name, title in (("01_data_preparation", "Data"), ("02_jump_detection", "Jumps")):
        source_notebook(root / f"notebooks/{name}.ipynb")
        executed_notebook(study, study.run_dir / f"notebooks/{name}.ipynb", title)
    return root
