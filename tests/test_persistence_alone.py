"""A study of persistence alone: the notebooks' own cells, run here, and the site of its results."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from unittest.mock import patch

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from study_files import TINY_STUDY, executed_notebook, source_notebook

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated.market import write_store
from dvol_utils.jumps import jumps_by_rule
from dvol_utils.pages.front import read_front
from dvol_utils.report import display
from dvol_utils.report.site import build_site
from dvol_utils.study.loading import load_study
from dvol_utils.study.tables import read_table, write_table

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
STUDY = {
    **TINY_STUDY,
    "models": ["persistence"],
    "training": {},
    "split": {"validation_start": "2021-02-20 00:00", "test_start": "2021-03-08 00:00"},
    "features": {"scaling_window_hours": 168},
    "target": {"volatility_window_hours": 168},
    "evaluation": {"level_window_hours": 240},
    "significance": {"reps": 50},
}


def run_cells(name: str) -> str:
    """Run a notebook's code in this process; what it displays, as text."""
    shown: list = []
    space: dict = {}
    with patch.object(display, "display", shown.append), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # empty axes, legends without a label
        for cell in nbformat.read(next(NOTEBOOKS.glob(f"{name}*")), 4).cells:
            if cell.cell_type != "code":
                continue
            source = cell.source.replace('study = "demo"', 'study = "tiny"')
            exec(compile(source, name, "exec"), space)
    html = " ".join(item.data for item in shown)
    return " ".join(BeautifulSoup(html, "html.parser").get_text(" ").split())


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    root = tmp_path_factory.mktemp("alone")
    (root / "params").mkdir()
    (root / "params/tiny.yaml").write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(root)
        study = load_study("tiny")
        write_store(study.raw_dir, study.data)
        panel = build_panel(study.raw_dir, study.data)
        write_table(study, "panel", panel)
        write_table(study, "jumps", jumps_by_rule(panel, study.jumps))
        shown = {name: run_cells(name) for name in ("03", "04", "05", "10")}
    source_notebook(root / "notebooks/04_regime_evaluation.ipynb")
    executed_notebook(study, study.run_dir / "notebooks/04_regime_evaluation.ipynb", "Regimes")
    index = BeautifulSoup(build_site(study, read_front).read_text(encoding="utf-8"), "html.parser")
    return study, shown, index


def test_every_stage_runs_and_says_that_there_is_nothing_to_compare(pages):
    study, shown, index = pages
    assert read_table(study, "forecasts")["model"].unique().tolist() == ["persistence"]
    assert "Trained networks" in shown["03"]
    assert "there is no skill to show, and no figure of it" in shown["04"]
    assert shown["04"].endswith("Persistence is the only model, so there is no skill to look for.")
    assert "Skill of the first model less that of the second, percentage points" in shown["05"]
    assert "intervals: none in this study." in shown["05"]
    assert "Persistence is the only model, so there is nothing to compare." in shown["05"]
    assert "was forecast by persistence alone" in index.get_text()
    assert "the card is about it, and has no figure of skill" in shown["10"]
    assert shown["10"].endswith("so there is no other to vouch for.")
    for text in shown.values():
        assert "nan" not in text.split()


def test_the_results_are_whole(pages):
    study, _, _ = pages
    results = json.loads((study.run_dir / "results.json").read_text())
    assert list(results["models"]) == ["persistence"]
    assert results["models"]["persistence"]["skill"]["estimate"] == 0
    assert sum("Cannot be judged" in claim for claim in results["claims"]) == 5


def test_the_site_has_no_figure_and_all_tables(pages):
    _, _, index = pages
    assert index.find("figure") is None
    headline = index.find("table", class_="sortable")
    named = [row.th.text for row in headline.tbody.find_all("tr")]
    assert named == ["Persistence", "Oracle (the market's law)"]
