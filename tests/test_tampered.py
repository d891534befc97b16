"""What somebody has changed by hand in a finished run is noticed before it is told on."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from dvol_utils.cli import app
from dvol_utils.study.files import SEAL, ArtefactError, sealed
from dvol_utils.study.loading import load_study
from dvol_utils.study.tables import read_table

pytestmark = pytest.mark.slow
PAGE = "notebooks/05_bootstrap_significance.ipynb"


@pytest.fixture
def run(smoke_project: Path, tmp_path: Path, monkeypatch) -> Path:
    shutil.copytree(smoke_project, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs/smoke"


def dvol(*words: str, status: int) -> str:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == status, done.output
    return done.output


def changed(path: Path, change, *, seal: bool) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    if seal:
        del content[SEAL]
        content = sealed(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def change_answer(results: dict) -> None:
    results["answer"][0] = "DVOL can be forecast without error."


def change_p_value(results: dict) -> None:
    results["models"]["har"]["dm_p_value"] = 1e-6


def change_interval(results: dict) -> None:
    results["models"]["har"]["skill"]["low"] = 0.05


def change_chosen(results: dict) -> None:
    results["chosen"] = "persistence"


CHANGES = [change_answer, change_p_value, change_interval, change_chosen]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_results_json_is_refused_by_all_who_read_it(run, change):
    changed(run / "results.json", change, seal=False)
    for command in ("verify", "site"):
        said = dvol(command, "--study", "smoke", status=2)
        assert "results.json was changed since it was written" in said


@pytest.mark.parametrize("change", CHANGES)
def test_verify_computes_it_again_where_the_seal_was_forged(run, change):
    changed(run / "results.json", change, seal=True)
    said = dvol("verify", "--study", "smoke", status=1)
    assert re.search(r"claims +FAILED", said)


def test_a_number_in_an_executed_notebook_is_noticed(run):
    path = run / PAGE
    text = path.read_text(encoding="utf-8")
    number = re.search(r"(\d\.\d{3}) points", text)[1]
    path.write_text(text.replace(number, "0.123"), encoding="utf-8")
    assert "was changed since it was run" in dvol("site", "--study", "smoke", status=2)
    assert "was changed since it was run" in dvol("verify", "--study", "smoke", status=1)


def test_rewritten_forecasts_with_kept_metadata_are_refused(run):
    path = run / "forecasts.parquet"
    arrow = pq.read_table(path)
    table = arrow.to_pandas()
    table.loc[table["model"] == "har", "y_pred"] = table["y_true"]
    pq.write_table(pa.Table.from_pandas(table, schema=arrow.schema), path)
    study = load_study("smoke")
    with pytest.raises(ArtefactError, match="was changed since it was written"):
        read_table(study, "forecasts")
    for command in ("forecast", "score"):
        assert "was changed since it was written" in dvol(command, "--study", "smoke", status=2)
    assert "was changed since it was written" in dvol("verify", "--study", "smoke", status=1)


def test_a_table_that_was_only_copied_is_the_same(run):
    study = load_study("smoke")
    before = read_table(study, "panel")
    path = run / "panel.parquet"
    pq.write_table(pq.read_table(path), path, compression="zstd")
    pd.testing.assert_frame_equal(read_table(study, "panel"), before)
