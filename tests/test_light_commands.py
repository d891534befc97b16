"""Commands load what they use: nobody waits for a library that draws, fits or trains nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from served import run_study

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
