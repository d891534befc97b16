from __future__ import annotations

import numpy as np
import pytest
from market import small_jumps, small_panel, small_study

from dvol_utils.evaluation import check_forecasts
from dvol_utils.walkforward import forecast_table
from dvol_utils.windows import build_samples


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    study = small_study(**{"training.epochs": 1, "training.seeds": [0, 1]})
    study._root = tmp_path_factory.mktemp("project")
    panel = small_panel()
    samples = build_samples(panel, small_jumps(panel, study), study)
    return study, samples, forecast_table(samples, study, log=lambda line: None)


def test_the_table_is_a_valid_forecast_table(run):
    study, _, table = run
    check_forecasts(table)
    assert table["model"].unique().tolist() == study.models
    assert set(table["split"]) == {"validation", "test"}
    assert sorted(table.loc[table["model"] == "lstm_baseline", "seed"].unique()) == [0, 1]


def test_all_models_stand_on_the_same_rows(run):
    _, samples, table = run
    rows = len(samples.rows("validation")) + len(samples.rows("test"))
    assert (table.groupby(["model", "seed"]).size() == rows).all()
    assert table["y_pred"].notna().all()


def test_persistence_forecasts_the_origin(run):
    _, _, table = run
    persistence = table[table["model"] == "persistence"]
    np.testing.assert_array_equal(persistence["y_pred"], persistence["y_origin"])


def test_each_seed_leaves_its_checkpoint(run):
    study, _, _ = run
    for seed in (0, 1):
        folder = study.run_dir / "checkpoints" / "lstm_baseline" / f"0-{seed}"
        assert (folder / "config.json").is_file()
