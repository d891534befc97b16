"""An input that ends: its models go on up to there, the others to the end of the data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from market import small_jumps, small_panel, small_study

from dvol_utils.data.checks.coverage import ended_sentences, ended_series
from dvol_utils.evaluation import ended_scores, evaluation_rows
from dvol_utils.forecasting.forecasters import trained_folders
from dvol_utils.forecasting.walk import forecast_table
from dvol_utils.pages.regimes import ended_answer
from dvol_utils.samples.samples import build_samples

END = pd.Timestamp("2022-05-16 00:00", tz="UTC")
MODELS = ["persistence", "har_calendar", "ridge_decay", "lstm_baseline", "ensemble"]


def with_end(panel: pd.DataFrame, column: str, end: pd.Timestamp) -> pd.DataFrame:
    return panel.assign(**{column: panel[column].where(panel["time"] <= end)})


@pytest.fixture(scope="module", params=["never", "monthly"])
def run(request, tmp_path_factory):
    members = {"ensemble.members": ["har_calendar", "lstm_baseline"]}
    study = small_study(
        **{"models": MODELS, "training.epochs": 1, "training.seeds": [0], **members},
        **({"walk.test": "monthly", "walk.stop_days": 20} if request.param == "monthly" else {}),
    )
    study._root = tmp_path_factory.mktemp("project")
    panel = with_end(small_panel(), "transfer_volume_usd", END)
    samples = build_samples(panel, small_jumps(panel, study), study)
    table, failures = forecast_table(samples, study, log=lambda line: None)
    assert not failures
    return study, panel, samples, table


def test_models_that_do_not_read_it_go_on(run):
    _, panel, _, table = run
    last = table.groupby("model")["origin"].max()
    whole = panel["time"].max() - pd.Timedelta(hours=24)
    assert (last[["persistence", "har_calendar", "ridge_decay"]] == whole).all()
    assert (last[["lstm_baseline", "ensemble"]] == END).all()


def test_up_to_the_end_all_stand_on_the_rows_of_a_study_whose_input_goes_on(run):
    study, _, samples, table = run
    panel = small_panel()
    longer = build_samples(panel, small_jumps(panel, study), study)
    before = longer.times <= END
    np.testing.assert_array_equal(samples.scored[before], longer.scored[before])
    rows = table[table["origin"] <= END].groupby("model")["origin"].nunique()
    assert (rows == rows.iloc[0]).all()


def test_living_models_are_compared_on_all_their_rows(run):
    _, panel, _, table = run
    _, test = evaluation_rows(table, "BTC")
    assert set(test["model"]) == {"persistence", "har_calendar", "ridge_decay"}
    assert test["origin"].max() == panel["time"].max() - pd.Timedelta(hours=24)


def test_ended_models_have_the_persistence_of_their_own_rows(run):
    _, _, _, table = run
    scores = ended_scores(table[table["split"] == "test"]).set_index("model")
    assert sorted(scores.index) == ["ensemble", "lstm_baseline"]
    row = scores.loc["lstm_baseline"]
    own = table[(table["model"] == "lstm_baseline") & (table["split"] == "test")]
    error, change = own["y_true"] - own["y_pred"], own["y_true"] - own["y_origin"]
    assert row["n"] == len(own)
    assert row["rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-12)
    assert row["rmse_persistence"] == pytest.approx(np.sqrt((change**2).mean()), rel=1e-12)
    assert row["skill"] == pytest.approx(1 - (error**2).sum() / (change**2).sum(), rel=1e-12)


def test_pages_name_input_end_and_models(run):
    study, panel, _, table = run
    (said,) = ended_sentences(panel)
    assert "`transfer_volume_usd` (last value 2022-05-16 00:00 UTC)" in said
    sentences = ended_answer(ended_scores(table[table["split"] == "test"]), panel, study)
    assert [text.split(" reads ")[0] for text in sentences] == ["LSTM baseline", "Ensemble"]
    assert all("`transfer_volume_usd` (last value 2022-05-16)" in text for text in sentences)


def test_networks_that_ended_leave_no_folder_of_later_folds(run):
    study, _, _, table = run
    folders = trained_folders(study, table)
    assert folders
    assert all((folder / "config.json").is_file() for folder in folders)
    assert len(trained_folders(study, table, newest=True)) == 1


def test_an_input_that_is_only_late_has_not_ended():
    panel = small_panel()
    late = panel["time"].max() - pd.Timedelta(days=13)
    assert ended_series(with_end(panel, "mvrv", late)).empty
    study = small_study(models=["persistence", "har"])
    late_panel = with_end(panel, "mvrv", late)
    assert build_samples(late_panel, small_jumps(panel, study), study).ended == {}


def test_an_input_that_ended_before_the_first_row_costs_its_models_alone():
    study = small_study(**{"models": ["persistence", "har", "lstm_baseline"]})
    panel = with_end(
        small_panel(), "funding_rate", study.split.validation_start - pd.Timedelta("9D")
    )
    samples = build_samples(panel, small_jumps(panel, study), study)
    table, failures = forecast_table(samples, study, log=lambda line: None)
    assert set(table["model"]) == {"persistence", "har"}
    assert set(failures.values()) == {"one of its inputs ended before the first hour to forecast"}
