"""The smallest study from end to end, judged by what it leaves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dvol_utils.evaluation import average_seeds, score
from dvol_utils.report.execute import NotebookError, execute_notebook
from dvol_utils.report.expected import differences, headline_numbers, read_expected
from dvol_utils.study.files import ArtefactError, file_hash
from dvol_utils.study.loading import load_study
from dvol_utils.study.stages import study_notebooks
from dvol_utils.study.tables import read_table

pytestmark = pytest.mark.slow
HOME = Path(__file__).parents[1]
NOTEBOOKS = study_notebooks(load_study("smoke"))


@pytest.fixture
def project(smoke_project: Path) -> Path:
    return smoke_project


@pytest.fixture
def study(project):
    return load_study(project / "params/smoke.yaml")


def test_every_stage_leaves_its_table(study):
    panel, jumps = read_table(study, "panel"), read_table(study, "jumps")
    assert len(panel) == study.data.simulated.hours
    pd.testing.assert_series_equal(panel["time"], jumps["time"])
    assert jumps["is_jump"].any()
    assert jumps["true_jump"].any()
    assert {"model", "metric", "value"} <= set(read_table(study, "metrics"))
    assert {"model_a", "model_b", "p_value"} <= set(read_table(study, "significance"))
    assert {"model", "month", "p_holm"} <= set(read_table(study, "months"))
    assert read_table(study, "horizons")["horizon_hours"].unique().tolist() == study.horizons


def test_the_numbers_are_those_that_are_expected(study):
    """A change on purpose: `dvol verify --study smoke --rerun --accept`, and the same for demo."""
    expected = read_expected(load_study(HOME / "params/smoke.yaml"))
    table = differences(expected["numbers"], headline_numbers(study), exact=False)
    assert table[~table["ok"]].to_dict("records") == []


def test_all_models_are_scored_on_the_same_test_rows(study):
    forecasts = read_table(study, "forecasts")
    test = forecasts[forecasts["split"] == "test"]
    assert test["model"].unique().tolist() == study.models
    assert len({frozenset(rows) for _, rows in test.groupby("model")["origin"]}) == 1
    assert test["origin"].min() >= study.split.test_start
    validation = forecasts[forecasts["split"] == "validation"]
    assert validation["target_time"].max() < study.split.test_start


def test_results_are_the_scores_of_the_forecasts(study):
    results = json.loads((study.run_dir / "results.json").read_text())
    forecasts = read_table(study, "forecasts")
    scores = score(average_seeds(forecasts[forecasts["split"] == "test"])).set_index("model")
    assert set(results["models"]) == set(study.models)
    for name, entry in results["models"].items():
        assert entry["rmse"]["estimate"] == pytest.approx(scores.loc[name, "rmse"], rel=1e-12)
        assert entry["rmse"]["low"] < entry["rmse"]["estimate"] < entry["rmse"]["high"]
    assert results["models"]["persistence"]["skill"]["estimate"] == 0
    assert results["answer"][-1].startswith("The best forecast that this simulated market allows")
    assert results["simulated"] is True


def test_checkpoints_hold_weights_configuration_and_history(study):
    folder = study.run_dir / "checkpoints/lstm_baseline/0-0"
    config = json.loads((folder / "config.json").read_text())
    assert config["parameter_count"] == 212_609  # the published eleven inputs
    assert len(pd.read_csv(folder / "history.csv")) == study.training.epochs
    assert file_hash(folder / "model.safetensors") == config["weights_sha256"]


def test_the_manifest_names_parameters_data_and_versions(study):
    manifest = json.loads((study.run_dir / "manifest.json").read_text())
    assert sorted(manifest["stages"]) == [path.stem for path in NOTEBOOKS]
    assert {"parameters_hash", "packages", "git_commit", "seeds"} <= set(manifest)


def test_the_site_has_a_page_for_each_notebook_and_says_that_data_is_simulated(study):
    pages = sorted(path.stem for path in study.report_dir.glob("*.html"))
    assert pages == sorted([*(path.stem for path in NOTEBOOKS), "glossary", "index"])
    for page in study.report_dir.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "Simulated data" in text, page.name
        assert str(study.root) not in text, f"{page.name}: a path of this machine"


def test_training_again_gives_the_same_bits_and_page(project, study, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    forecasts = file_hash(study.run_dir / "forecasts.parquet")
    shutil.rmtree(study.run_dir / "checkpoints")
    again = execute_notebook(
        HOME / "notebooks/03_lstm_training.ipynb", tmp_path / "03.ipynb", study="smoke"
    )
    assert file_hash(study.run_dir / "forecasts.parquet") == forecasts
    first = json.loads((study.run_dir / "notebooks/03_lstm_training.ipynb").read_text())
    assert _outputs(json.loads(again.read_text())) == _outputs(first)


def test_a_notebook_without_its_predecessor_says_what_to_run(project, tmp_path, monkeypatch):
    root = tmp_path / "elsewhere"
    shutil.copytree(project / "params", root / "params")
    monkeypatch.chdir(root)
    with pytest.raises(NotebookError, match=r"panel\.parquet is missing: run `make report"):
        execute_notebook(
            HOME / "notebooks/02_jump_detection.ipynb", root / "02.ipynb", study="smoke"
        )
    assert not (root / "02.ipynb").exists()


def test_tables_of_other_parameters_are_refused(project):
    other = load_study(project / "params/smoke.yaml", {"jumps.alpha": 0.05})
    with pytest.raises(ArtefactError, match=r"jumps\.parquet was made with other parameters"):
        read_table(other, "jumps")
    np.testing.assert_array_equal(read_table(other, "panel")["asset"].unique(), ["BTC"])


def _outputs(notebook: dict) -> list:
    """What each cell shows on its page, where progress lines (tag `log`) stay out."""
    return [
        cell.get("outputs")
        for cell in notebook["cells"]
        if "log" not in cell["metadata"].get("tags", [])
    ]
