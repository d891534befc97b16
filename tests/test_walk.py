from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from market import small_jumps, small_panel, small_study

from dvol_utils.evaluation import check_forecasts
from dvol_utils.forecasting import walk
from dvol_utils.forecasting.forecasters import checkpoint_folder, make_forecaster, network_folders
from dvol_utils.forecasting.walk import fit_networks, forecast_table
from dvol_utils.samples.samples import build_samples
from dvol_utils.training import NetworkForecaster, TrainingError
from dvol_utils.training.errors import InterruptedTrainingError
from dvol_utils.training.processes.many import Failure, _attempt


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    study = small_study(**{"training.epochs": 1, "training.log_every": 1, "training.seeds": [0, 1]})
    study._root = tmp_path_factory.mktemp("project")
    panel = small_panel()
    samples = build_samples(panel, small_jumps(panel, study), study)
    return study, samples, forecast_table(samples, study, log=lambda line: None)[0]


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


def test_networks_that_diverge_cost_the_others_nothing(run, monkeypatch):
    study, samples, table = run
    others = walk.run_tasks

    def one_diverges(tasks, **settings):
        first, _ = others(tasks, **settings)
        return [first, Failure("TrainingError: loss is nan", at_fault=True)]

    monkeypatch.setattr(walk, "run_tasks", one_diverges)
    rest, failures = forecast_table(samples, study, log=lambda line: None)
    assert failures == {"lstm_baseline seed 1": "TrainingError: loss is nan"}
    kept = (table["model"] != "lstm_baseline") | (table["seed"] == 0)
    pd.testing.assert_frame_equal(rest, table[kept].reset_index(drop=True))
    assert network_folders(study, failures) == [checkpoint_folder(study, "lstm_baseline", 0)]


def test_a_network_that_lacked_something_fails_the_stage_and_is_made_good(run):
    """As a full disk does, or a checkpoint that was changed: no run without one of its seeds."""
    study, samples, table = run
    folder = checkpoint_folder(study, "lstm_baseline", 1)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-1])
    lacks = r"^lstm_baseline seed 1: CheckpointError: .* was changed or cut short .* is made good$"
    with pytest.raises(InterruptedTrainingError, match=lacks):
        forecast_table(samples, study, log=lambda line: None)
    (folder / "model.safetensors").write_bytes(whole)
    again, failures = forecast_table(samples, study, log=lambda line: None)
    assert failures == {}
    pd.testing.assert_frame_equal(again, table)


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), MemoryError(), RuntimeError("CUDA out of memory"),
     InterruptedTrainingError("ended with status 1"), Failure("its process was killed")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_want_of_room_memory_or_a_device_is_no_fault_of_the_network(run, monkeypatch, error):
    study, samples, _ = run

    def lack(*_):
        raise error

    def tasks(tasks, **_):
        return [error if isinstance(error, Failure) else _attempt(lack) for _task in tasks]

    monkeypatch.setattr(walk, "run_tasks", tasks)
    with pytest.raises(InterruptedTrainingError, match="lstm_baseline seed 0: "):
        forecast_table(samples, study, log=lambda line: None)


def test_a_network_without_its_target_costs_the_other_nothing(run, tmp_path):
    study, samples, _ = run
    target = samples.target.copy()
    target[samples.rows("train")[7]] = np.nan
    spoilt = dataclasses.replace(samples, target=target)
    networks = [
        (NetworkForecaster("lstm_baseline", study, seed=0, checkpoint=tmp_path / name), of)
        for name, of in (("spoilt", spoilt), ("sound", samples))
    ]
    told: list[str] = []
    failure, forecast = fit_networks(networks, study, log=told.append)
    assert failure.error.startswith("TrainingError: the target of 1 train rows is missing")
    assert np.isfinite(forecast[samples.rows("test")]).all()
    assert len(told) == 1
    assert told[0].startswith("lstm_baseline seed 0: epoch   1  train loss ")


def test_no_network_at_all_is_an_error(run, tmp_path):
    study, samples, _ = run
    study = study.model_copy()
    study._root = tmp_path
    target = np.where(samples.split == "train", np.nan, samples.target)
    with pytest.raises(
        TrainingError, match="no network could be trained; the first said: Training"
    ):
        forecast_table(dataclasses.replace(samples, target=target), study, log=lambda line: None)


def test_the_largest_network_begins_first(run, monkeypatch):
    study, samples, _ = run
    begun = []

    def note(tasks, **settings):
        begun.extend(task.args[0].name for task in tasks)
        return begun

    monkeypatch.setattr(walk, "run_tasks", note)
    names = ["lstm_large", "lstm_baseline", "lstm_ultra"]
    networks = [(make_forecaster(name, study), samples) for name in names]
    assert fit_networks(networks, study) == names
    assert begun == ["lstm_ultra", "lstm_large", "lstm_baseline"]
