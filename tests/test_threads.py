"""The same bits on one thread, on two and on four: training, forecasting, judging."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from engine import LASTING
from market import small_jumps, small_panel, small_study
from threadpoolctl import threadpool_info, threadpool_limits
from trainers import PATIENCE

from dvol_utils.forecasting.walk import forecast_table
from dvol_utils.models.networks import build_network
from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.samples import build_samples
from dvol_utils.significance.resampling import resampled_sums
from dvol_utils.study.threads import one_thread
from dvol_utils.training import NetworkForecaster
from dvol_utils.training.loop import fit_network
from dvol_utils.training.processes.many import run_tasks
from dvol_utils.training.run import train_checkpoint

THREADS = (1, 2, 4)
# Large enough that torch would share its products between threads.
QUICK = {
    "training.batch_size": 8,
    "features.groups": ["har", "calendar", "expiry", "macro"],
}


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Torch and every BLAS and OpenMP library as on a machine with so many cores."""
    before = torch.get_num_threads()
    with threadpool_limits(number):
        torch.set_num_threads(number)
        try:
            yield
            assert torch.get_num_threads() == number
        finally:
            torch.set_num_threads(before)


def market(**overrides):
    ladder = {} if "models" in overrides else {"training.epochs": 1}
    study = small_study(**QUICK, **ladder, **overrides)
    panel = small_panel()
    return study, build_samples(panel, small_jumps(panel, study), study)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["lstm_baseline", "lstm_large", "lstm_tuned", "attention"])
def test_a_network_learns_the_same_weights(tmp_path, name, precision):
    study, samples = market(**{"training.precision": precision})
    found = []
    for number in THREADS:
        folder = tmp_path / f"{number}"
        with threads(number):
            forecaster = NetworkForecaster(name, study, seed=0, checkpoint=folder)
            forecaster.fit(samples)
            forecast = forecaster.predict(samples)
        found.append([(folder / name).read_bytes() for name in LASTING] + [forecast.tobytes()])
    assert found[0] == found[1] == found[2]


def test_training_runs_on_one_thread(tmp_path):
    study, samples = market()
    forecaster = NetworkForecaster("lstm_tuned", study, seed=0, checkpoint=tmp_path / "0")
    seen = []
    with threads(2):
        train_checkpoint(
            forecaster, samples, on_epoch=lambda row: seen.append(torch.get_num_threads())
        )
    assert set(seen) == {1}


def test_a_network_that_goes_on_learns_the_same_weights(tmp_path):
    """Two epochs on one machine, the third on another."""
    study, samples = market(**{"training.precision": "float32", "training.keep_seconds": 0})
    study = study.model_copy(
        update={"training": study.training.model_copy(update={"epochs": 3, "patience": 3})}
    )

    def crash(row):
        if row["epoch"] == 2:
            raise ArithmeticError

    found = []
    for first, then in ((1, 4), (4, 1), (2, 2)):
        folder = tmp_path / f"{first}-{then}"
        forecaster = NetworkForecaster("lstm_baseline", study, seed=0, checkpoint=folder)
        with threads(first), pytest.raises(ArithmeticError):
            train_checkpoint(forecaster, samples, on_epoch=crash)
        with threads(then):
            forecaster.fit(samples)
        found.append([(folder / name).read_bytes() for name in LASTING])
    assert found[0] == found[1] == found[2]


def test_every_model_forecasts_the_same():
    names = ["har", "har_calendar", "ridge_decay", "boosted_trees", "lstm_tuned", "ensemble"]
    models = {"models": ["persistence", *names], "ensemble.members": names[:-1]}
    study, samples = market(**models, **{"networks.lstm_tuned.epochs": 2})
    tables = []
    for number in THREADS:
        with threads(number):
            table, failures = forecast_table(samples, study, keep_simple=False)
        assert not failures
        tables.append(table["y_pred"].to_numpy().tobytes())
    assert tables[0] == tables[1] == tables[2]


def test_a_bootstrap_sums_the_same():
    values = np.random.default_rng(0).standard_normal((8_000, 40))
    sums = []
    for number in THREADS:
        with threads(number):
            sums.append(resampled_sums(values, block_hours=24, reps=200, seed=0).tobytes())
    assert sums[0] == sums[1] == sums[2]


@pytest.mark.parametrize("workers", [1, 2])
def test_tasks_run_on_one_thread_each_and_leave_the_number_as_it_was(workers):
    with threads(2):
        seen = run_tasks([torch.get_num_threads] * 3, workers=workers)
    assert seen == [1, 1, 1]


def test_a_local_cluster_leaves_the_environment_as_it_was():
    before = dict(os.environ)
    seen = run_tasks([torch.get_num_threads] * 2, cluster="local", workers=1)
    assert seen == [1, 1]
    assert dict(os.environ) == before


def test_one_thread_is_left_again_after_an_error():
    def fails():
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
        assert torch.get_num_threads() == 1
        raise ArithmeticError

    with threads(2), pytest.raises(ArithmeticError):
        one_thread()(fails)()


def test_a_kernel_stays_on_one_thread_with_all_that_it_loads_and_starts():
    """Libraries that were loaded before, ones that come after, and processes of its own."""
    code = """
import numpy, subprocess, sys
from dvol_utils.study.threads import stay_on_one_thread
stay_on_one_thread()
import scipy.linalg, sklearn.ensemble, torch
from threadpoolctl import threadpool_info
print({pool["num_threads"] for pool in threadpool_info()}, torch.get_num_threads())
child = "import os; print(os.environ['OMP_NUM_THREADS'])"
print(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout)
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout.split() == ["{1}", "1", "1"]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["lstm_baseline", "attention"])
def test_training_inside_somebody_elses_autocast_learns_the_same_weights(name, precision):
    """Whose cache would hold the first step's weights, and whose arithmetic take the gradients."""
    study, samples = market(**{"training.precision": precision})
    weights = []
    for enabled in (None, True, False):
        network = build_network(name, len(feature_columns(study.features.groups)), seed=0)
        if enabled is None:
            fit_network(network, samples, study, seed=0)
        else:
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                fit_network(network, samples, study, seed=0)
        weights.append({key: value.clone() for key, value in network.state_dict().items()})
    for other in weights[1:]:
        assert all(torch.equal(value, other[key]) for key, value in weights[0].items())


def test_opening_a_study_keeps_the_process_to_one_thread(tmp_project):
    from dvol_utils.study.trials import open_study

    with threads(2):
        open_study("tiny")
        assert torch.get_num_threads() == 1
        torch.set_num_threads(2)
