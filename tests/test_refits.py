from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from market import small_jumps, small_panel, small_study
from safetensors.numpy import load_file
from trainers import TINY

from dvol_utils.evaluation import check_forecasts
from dvol_utils.forecasting.forecasters import make_forecaster, network_folders
from dvol_utils.forecasting.train_command import train_network
from dvol_utils.forecasting.walk import fold_networks, forecast_table, walk_network
from dvol_utils.models.linear import RidgeForecaster
from dvol_utils.models.lstm import LADDER
from dvol_utils.models.networks import build_network
from dvol_utils.pages.training import training_overview, training_summary
from dvol_utils.samples.folds import fold_rows, fold_samples, study_folds
from dvol_utils.samples.samples import Samples, build_samples
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import StudyParams
from dvol_utils.training import NetworkForecaster, TrainingError
from dvol_utils.training.checkpoints.networks import read_config
from dvol_utils.training.checkpoints.sealed import CheckpointError
from dvol_utils.training.processes.job import read_job, write_job

WALK = {
    "walk.validation": "monthly",
    "walk.test": "monthly",
    "walk.stop_days": 10,
    "walk.half_life_days": 60,
    "split.validation_start": "2022-04-01 00:00",
    "split.test_start": "2022-05-15 00:00",
    "training.epochs": 2,
    "training.seeds": [0, 1],
    "features.groups": ["har"],
    "models": ["persistence", "har", "lstm_baseline"],
}


def walked(root: Path, **overrides: object) -> tuple[StudyParams, Samples]:
    """A study of three folds: two of validation rows, one of test rows."""
    study = small_study(**{**WALK, **overrides})
    study._root = root
    panel = small_panel()
    return study, build_samples(panel, small_jumps(panel, study), study)


def quiet(line: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_networks):
    study = small_study(**{"training.epochs": 1, "training.seeds": [0, 1]})
    study._root = tmp_path_factory.mktemp("project")
    panel = small_panel()
    samples = build_samples(panel, small_jumps(panel, study), study)
    return study, samples, forecast_table(samples, study, log=lambda line: None)[0]


def test_models_that_are_fitted_once_stand_in_fold_0_with_the_studys_own_split(run):
    """Every model as it is without the walk: fitted on the samples as they are."""
    study, samples, table = run
    rows = np.concatenate([samples.rows("validation"), samples.rows("test")])
    assert (table["fold"] == 0).all()
    for (name, seed), part in table.groupby(["model", "seed"]):
        assert part["origin"].tolist() == samples.times[rows].tolist()
        assert part["split"].tolist() == samples.split[rows].tolist()
        if name != "lstm_baseline":
            alone = make_forecaster(name, study)
            alone.fit(samples)
        else:
            folder = study.run_dir / "alone" / str(seed)
            alone = NetworkForecaster(name, study, seed=seed, checkpoint=folder)
            alone.fit(samples)
        np.testing.assert_array_equal(part["y_pred"], alone.predict(samples)[rows])


@pytest.fixture(scope="module", params=[None, 1], ids=["cold", "warm"])
def walk(request, tmp_path_factory, tiny_networks):
    root = tmp_path_factory.mktemp("walk")
    study, samples = walked(root, **{"walk.warm_epochs": request.param})
    return study, samples, *forecast_table(samples, study, log=quiet)


@pytest.fixture(scope="module")
def tiny_networks():
    """Networks train in this process, so that they can be small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dvol_utils.forecasting.walk.default_workers", lambda: 1)
        patch.setitem(LADDER, "lstm_baseline", TINY)
        yield


def test_a_walk_gives_a_valid_table_of_all_models_on_the_same_rows(walk):
    study, samples, table, failures = walk
    check_forecasts(table)
    assert failures == {}
    assert table["model"].unique().tolist() == study.models
    rows = len(samples.rows("validation")) + len(samples.rows("test"))
    assert (table.groupby(["model", "seed"]).size() == rows).all()


def test_the_fold_is_the_folds_number_and_the_split_the_studys_own(walk):
    study, samples, table, _ = walk
    folds = study_folds(samples, study)
    assert len(folds) == 3
    for fold in folds:
        within = (table["origin"] >= fold.start) & (table["origin"] < fold.end)
        assert (table.loc[within, "fold"] == fold.number).all()
    is_test = table["origin"] >= study.split.test_start
    np.testing.assert_array_equal(table["split"], np.where(is_test, "test", "validation"))


def test_persistence_does_not_change_with_a_walk(walk):
    table = walk[2]
    persistence = table[table["model"] == "persistence"]
    np.testing.assert_array_equal(persistence["y_pred"], persistence["y_origin"])


def test_every_fold_has_a_ridge_of_its_own(walk):
    study, samples, table, _ = walk
    har = table[table["model"] == "har"].set_index("origin")["y_pred"]
    for fold in study_folds(samples, study):
        ridge = RidgeForecaster(["har"])
        ridge.fit(fold_samples(samples, fold, study.walk))
        rows = fold_rows(samples, fold)
        np.testing.assert_array_equal(har[samples.times[rows]], ridge.predict(samples)[rows])


def test_every_fold_and_seed_leaves_its_checkpoint(walk):
    study = walk[0]
    folders = network_folders(study, folds=range(3))
    assert [folder.name for folder in folders] == ["0-0", "1-0", "2-0", "0-1", "1-1", "2-1"]
    configs = [read_config(folder) for folder in folders]
    assert [config["fold"] for config in configs] == [0, 1, 2, 0, 1, 2]
    epochs = [2, 2, 2] if study.walk.warm_epochs is None else [2, 1, 1]
    assert [config["epochs"] for config in configs] == epochs * 2
    assert not (study.run_dir / "checkpoints/lstm_baseline/3-0").exists()
    line = (folders[1] / "progress.log").read_text().splitlines()
    assert all(text.startswith("lstm_baseline seed 0 fold 1: ") for text in line)


def test_the_overview_has_a_row_a_model(walk, run):
    study = walk[0]
    folders = network_folders(study, folds=range(3))
    summary, overview = training_summary(folders), training_overview(folders)
    assert overview["folds"].tolist() == [3]
    assert overview["seeds"].tolist() == [2]
    assert overview["epochs"].tolist() == [summary["epochs"].median()]
    assert overview["validation_loss"].tolist() == [
        pytest.approx(summary["validation_loss"].mean())
    ]
    fixed = network_folders(run[0])
    pd.testing.assert_frame_equal(training_overview(fixed), training_summary(fixed))
    assert training_overview([]).empty


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model.safetensors")


def test_a_warm_network_begins_with_the_weights_before_it(tmp_path, tiny_networks):
    """Without a step worth mentioning, the weights of all folds are the first fold's."""
    study, samples = walked(tmp_path, **{"walk.warm_epochs": 1})
    folds = study_folds(samples, study)
    networks = list(fold_networks("lstm_baseline", 0, folds, samples, study))
    first, second = networks[0][0], networks[1][0]
    first.fit(networks[0][1])
    learnt = weights(first.checkpoint)
    begun = {name: value.numpy() for name, value in second.untrained().state_dict().items()}
    seeds = {
        name: value.numpy()
        for name, value in build_network("lstm_baseline", 6, 0).state_dict().items()
    }
    for name, value in learnt.items():
        np.testing.assert_array_equal(begun[name], value)
    assert any(not np.array_equal(begun[name], value) for name, value in seeds.items())
    assert first.study.training.epochs == 2
    assert second.study.training.epochs == 1


def test_a_warm_network_is_trained_again_when_the_one_before_it_changes(tmp_path, tiny_networks):
    study, samples = walked(tmp_path, **{"walk.warm_epochs": 1})
    folds = study_folds(samples, study)
    one = walk_network("lstm_baseline", 0, folds, samples, study)
    folders = network_folders(study, folds=range(3))[:3]
    times = [(folder / "config.json").stat().st_mtime_ns for folder in folders]
    np.testing.assert_array_equal(walk_network("lstm_baseline", 0, folds, samples, study), one)
    assert [(folder / "config.json").stat().st_mtime_ns for folder in folders] == times
    # Another seed's network in the place of fold 0: the folds after it no longer follow from it.
    walk_network("lstm_baseline", 1, folds[:1], samples, study)
    shutil.rmtree(folders[0])
    shutil.copytree(folders[0].with_name("0-1"), folders[0])
    (_, _), (second, learnt), _ = list(fold_networks("lstm_baseline", 0, folds, samples, study))
    second.fit(learnt)
    assert (folders[1] / "config.json").stat().st_mtime_ns != times[1]


def test_a_warm_network_without_the_one_before_it_says_so(tmp_path, tiny_networks):
    study, samples = walked(tmp_path, **{"walk.warm_epochs": 1})
    folds = study_folds(samples, study)
    _, (second, learnt), _ = list(fold_networks("lstm_baseline", 0, folds, samples, study))
    with pytest.raises(CheckpointError, match=r"lstm_baseline/0-0/config\.json is damaged"):
        second.fit(learnt)


def test_a_warm_network_travels_as_a_job(tmp_path, tiny_networks):
    study, samples = walked(tmp_path, **{"walk.warm_epochs": 1})
    folds = study_folds(samples, study)
    _, (second, learnt), _ = list(fold_networks("lstm_baseline", 0, folds, samples, study))
    write_job(tmp_path, second, learnt)
    read, received = read_job(tmp_path)
    assert (read.fold, read.begins_with) == (1, second.begins_with.absolute())
    assert read.study.training.epochs == 1
    assert json.loads((tmp_path / "job.json").read_text())["fold"] == 1
    np.testing.assert_array_equal(received.rows("train"), learnt.rows("train"))


def test_a_network_that_fails_in_one_fold_has_no_rows_and_names_the_fold(
    tmp_path, tiny_networks, monkeypatch
):
    study, samples = walked(tmp_path)
    real = NetworkForecaster.fit

    def fit(self, learnt):
        if (self.seed, self.fold) == (1, 2):
            raise TrainingError("loss is nan")
        real(self, learnt)

    monkeypatch.setattr(NetworkForecaster, "fit", fit)
    table, failures = forecast_table(samples, study, log=quiet)
    assert failures == {"lstm_baseline seed 1": "TrainingError: fold 2: loss is nan"}
    check_forecasts(table)
    assert table.loc[table["model"] == "lstm_baseline", "seed"].unique().tolist() == [0]
    assert len(network_folders(study, failures, range(3))) == 3


@pytest.mark.parametrize("warm_epochs", [None, 1])
def test_dvol_train_trains_the_network_of_every_fold(tmp_path, tiny_networks, warm_epochs):
    study = load_study(
        "smoke",
        {
            "walk.validation": "never",
            "walk.test": "monthly",
            "walk.stop_days": 10,
            "walk.warm_epochs": warm_epochs,
        },
    )
    study._root = tmp_path
    trained = train_network(study, "lstm_baseline", seed=0)
    folders = network_folders(study, folds=range(3))
    assert [read_config(folder)["fold"] for folder in folders] == [0, 1, 2]
    assert trained["folder"] == folders[-1]
    assert trained["epochs"] == (warm_epochs or 2)
    again = train_network(study, "lstm_baseline", seed=0)
    assert again == trained
