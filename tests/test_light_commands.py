"""Commands load what they use: nobody waits for a library that draws, fits or trains nothing."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from served import run_study
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dvol_utils.models.linear import PENALTY, WeightedRidge
from dvol_utils.study.threads import one_thread

_RUN = """
import sys
from typer.testing import CliRunner
from dvol_utils.cli import app
done = CliRunner().invoke(app, sys.argv[2:])
print(done.output)
assert done.exit_code == 0, done.output
heavy = [name for name in sys.argv[1].split(",") if name in sys.modules]
assert not heavy, f"loaded without need: {heavy}"
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    models = ["persistence", "har", "boosted_trees"]
    return run_study(tmp_path_factory.mktemp("light"), models=models, training={}, walk={})


def assert_light(heavy, *words):
    """Run a command in a process of its own, in which it loads none of some libraries."""
    command = [sys.executable, "-c", _RUN, ",".join(heavy), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_loads_neither_tables_nor_models():
    assert_light(["pandas", "numpy", "pydantic", "torch", "matplotlib"], "--help")


@pytest.mark.parametrize("model", ["persistence", "har", "boosted_trees"])
def test_a_forecast_of_a_simple_model_loads_nothing_that_draws_fits_or_trains(study, model):
    heavy = ["matplotlib", "seaborn", "arch", "statsmodels", "sklearn", "torch", "nbconvert"]
    path = study.root / "params/served.yaml"
    assert_light(heavy, "forecast", "--study", str(path), "--model", model)


@pytest.mark.parametrize("order", ["C", "F"])
def test_ridge_forecasts_have_the_bits_of_scikit_learns_pipeline(order):
    drawn = np.random.default_rng(0)
    inputs = np.asarray(drawn.normal(3, 2, (2_000, 9)), order=order)
    target, weight = inputs @ drawn.normal(size=9) + drawn.normal(size=2_000), drawn.random(2_000)
    ours, theirs = WeightedRidge(), make_pipeline(StandardScaler(), Ridge(alpha=PENALTY))
    ours.fit(inputs, target, weight)
    with one_thread():
        theirs.fit(
            inputs, target, standardscaler__sample_weight=weight, ridge__sample_weight=weight
        )
        expected = theirs.predict(inputs)
    np.testing.assert_array_equal(ours.predict(inputs), expected)
