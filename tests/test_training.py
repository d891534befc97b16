from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from market import small_jumps, small_panel, small_study

from dvol_utils.models.networks import build_network
from dvol_utils.samples.features import GROUPS
from dvol_utils.samples.samples import build_samples
from dvol_utils.training import NetworkForecaster, TrainingError, devices, fit_network, predict_rows
from dvol_utils.training.progress import HISTORY
from dvol_utils.training.sequences import build_sequences


def make(tmp_path: Path, **overrides):
    study = small_study(**overrides)
    panel = small_panel()
    samples = build_samples(panel, small_jumps(panel, study), study)
    forecaster = NetworkForecaster("lstm_baseline", study, seed=3, checkpoint=tmp_path / "0-3")
    return study, samples, forecaster


def test_training_learns_a_target_that_its_inputs_explain():
    study = small_study(
        **{"training.epochs": 15, "training.precision": "float32", "features.groups": ["har"]}
    )
    panel = small_panel()
    samples = build_samples(panel, small_jumps(panel, study), study)
    known = np.tanh(samples.features["gap_24h"].to_numpy())
    samples = dataclasses.replace(samples, target=known)
    network = build_network("lstm_baseline", len(GROUPS["har"]), seed=0)
    history = fit_network(network, samples, study, seed=0)
    rows = samples.rows("validation")
    variance = np.average(
        samples.target[rows] ** 2, weights=samples.loss_weights(study.training.jump_weight)[rows]
    )
    assert min(row["validation_loss"] for row in history) < 0.3 * variance


def test_the_best_epochs_weights_are_restored():
    study, samples, _ = make(
        Path("unused"),
        **{"training.learning_rate": 0.02, "training.epochs": 4, "training.patience": 4},
    )
    network = build_network("lstm_baseline", samples.features.shape[1], seed=0)
    history = fit_network(network, samples, study, seed=0)
    losses = [row["validation_loss"] for row in history]
    assert losses[-1] > min(losses)
    rows = samples.rows("validation")
    forecast = predict_rows(network, build_sequences(samples, study), rows, study.training)
    weight = samples.loss_weights(study.training.jump_weight)[rows]
    loss = np.sum(weight * (forecast - samples.target[rows]) ** 2) / weight.sum()
    assert loss == pytest.approx(min(losses), rel=1e-12)


@pytest.mark.parametrize("has", sorted({devices._has_bfloat16("cpu"), False}))
def test_bfloat16_gives_way_to_float32_without_its_instructions(monkeypatch, has):
    monkeypatch.setattr(devices, "_has_bfloat16", lambda device_type: has)
    forecasts = {}
    for precision in ("float32", "bfloat16"):
        overrides = {"training.epochs": 1, "training.precision": precision}
        study, samples, _ = make(Path("unused"), **overrides)
        used = devices.arithmetic(torch.device("cpu"), study.training)
        assert used == (precision if has else "float32")
        network = build_network("lstm_baseline", samples.features.shape[1], seed=0)
        fit_network(network, samples, study, seed=0)
        sequences = build_sequences(samples, study)
        rows = samples.rows("validation")
        forecasts[precision] = predict_rows(network, sequences, rows, study.training)
    assert np.array_equal(forecasts["float32"], forecasts["bfloat16"]) == (not has)


def test_training_stops_when_patience_is_over():
    study, samples, _ = make(
        Path("unused"),
        **{"training.learning_rate": 0.05, "training.epochs": 30, "training.patience": 2},
    )
    network = build_network("lstm_baseline", samples.features.shape[1], seed=0)
    history = fit_network(network, samples, study, seed=0)
    best = min(range(len(history)), key=lambda i: history[i]["validation_loss"])
    assert len(history) == best + 3 < 30


def test_jump_hours_weigh_more_in_the_loss():
    _, samples, _ = make(Path("unused"))
    assert (samples.loss_weights(1.0) == 1).all()
    weight = samples.loss_weights(2.0)
    assert set(weight[samples.jump_regime == "jump"]) == {2.0}
    assert set(weight[samples.jump_regime == "normal"]) == {1.0}


def test_a_loss_that_is_not_finite_stops_before_the_step():
    study, samples, _ = make(Path("unused"))
    network = build_network("lstm_baseline", samples.features.shape[1], seed=0)
    target = samples.target.copy()
    target[samples.rows("train")[50]] = np.inf
    samples = dataclasses.replace(samples, target=target)
    with pytest.raises(
        TrainingError, match=r"epoch 1, seed 5: try a lower training\.learning_rate"
    ):
        fit_network(network, samples, study, seed=5)
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_missing_target_is_not_learnt_as_no_change(split):
    study, samples, _ = make(Path("unused"))
    row, target = samples.rows(split)[50], samples.target.copy()
    target[row] = np.nan
    network = build_network("lstm_baseline", samples.features.shape[1], seed=0)
    with pytest.raises(TrainingError) as raised:
        fit_network(network, dataclasses.replace(samples, target=target), study, seed=5)
    assert str(raised.value) == (
        f"the target of 1 {split} rows is missing, first at {samples.times[row]}: they should not "
        "count as scored"
    )


def test_weights_that_a_step_spoilt_are_not_taken_for_trained():
    """The loss before the last step was finite, that of the validation after it is not."""
    study, samples, _ = make(
        Path("unused"),
        **{"training.epochs": 1},
    )
    network = build_network("lstm_baseline", samples.features.shape[1], seed=0)
    network.head.register_forward_hook(
        lambda module, inputs, out: out if module.training else out * torch.nan
    )
    with pytest.raises(TrainingError, match="validation loss is nan in epoch 1, seed 5: try"):
        fit_network(network, samples, study, seed=5)


@pytest.mark.parametrize("supervision", ["last", "dense"])
def test_a_forecast_does_not_depend_on_the_rows_asked_for_with_it(tmp_path, supervision):
    study, samples, forecaster = make(
        tmp_path, **{"training.supervision": supervision, "training.precision": "float32"}
    )
    data, rows = build_sequences(samples, study), samples.rows("test")
    everything = predict_rows(forecaster.network, data, rows, study.training)
    some = predict_rows(forecaster.network, data, rows[100:110], study.training)
    np.testing.assert_allclose(some, everything[100:110], atol=1e-6)


def test_last_supervision_reads_one_window_an_origin(tmp_path):
    study, samples, forecaster = make(
        tmp_path, **{"training.supervision": "last", "training.precision": "float32"}
    )
    row = samples.rows("test")[:1]
    data = build_sequences(samples, study)
    forecast = predict_rows(forecaster.network, data, row, study.training)
    window = samples.features.to_numpy(np.float32)[row[0] - 23 : row[0] + 1]
    with torch.inference_mode():
        expected = forecaster.network.eval()(torch.from_numpy(window)[None]).item()
    assert forecast[0] == pytest.approx(expected, rel=1e-4)


def test_a_checkpoint_has_weights_configuration_and_history(tmp_path):
    _, samples, forecaster = make(tmp_path)
    forecaster.fit(samples)
    folder = tmp_path / "0-3"
    history = pd.read_csv(folder / "history.csv")
    config = json.loads((folder / "config.json").read_text())
    assert tuple(history.columns) == HISTORY
    assert history["epoch"].tolist() == [1, 2]
    assert config["parameter_count"] == sum(p.numel() for p in forecaster.network.parameters())
    assert config["validation_loss"] == history["validation_loss"].min()
    assert list(folder.glob("events.out.tfevents.*"))
    assert (folder / "progress.log").read_text().startswith("lstm_baseline seed 3: epoch   2  ")


def test_a_finished_checkpoint_is_loaded_not_trained_again(tmp_path):
    _, samples, first = make(tmp_path)
    first.fit(samples)
    written = (tmp_path / "0-3" / "model.safetensors").stat().st_mtime_ns
    _, _, second = make(tmp_path)
    second.fit(samples)
    np.testing.assert_array_equal(first.predict(samples), second.predict(samples))
    assert (tmp_path / "0-3" / "model.safetensors").stat().st_mtime_ns == written


SCRIPT = """
import sys; sys.path.insert(0, {tests!r})
from pathlib import Path
from test_training import make
_, samples, forecaster = make(Path(sys.argv[1]))
forecaster.fit(samples)
"""


@pytest.mark.slow
def test_two_processes_end_in_the_same_bits(tmp_path):
    script = SCRIPT.format(tests=str(Path(__file__).parent))
    weights = []
    for run in ("one", "two"):
        subprocess.run([sys.executable, "-c", script, str(tmp_path / run)], check=True)
        weights.append((tmp_path / run / "0-3" / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
