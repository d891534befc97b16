"""A model that the package does not know: its rows, what is refused, and what its page says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from market import small_jumps, small_panel, small_study

from dvol_utils.evaluation import evaluation_rows
from dvol_utils.forecasting import forecast_table, own_forecasts
from dvol_utils.models.linear import RidgeForecaster
from dvol_utils.pages.own_model import own_finding
from dvol_utils.samples import build_samples

NOTEBOOK = Path(__file__).parents[1] / "notebooks/11_your_own_model.ipynb"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    made = small_study(models=["persistence", "har"], walk={"test": "monthly"})
    made._root = tmp_path_factory.mktemp("project")
    return made


@pytest.fixture(scope="module")
def samples(study):
    panel = small_panel()
    return build_samples(panel, small_jumps(panel, study), study)


def test_a_model_of_the_package_has_the_rows_that_the_study_gives_it(study, samples):
    table, _ = forecast_table(samples, study, keep_simple=False)
    har = table[table["model"] == "har"].reset_index(drop=True)
    mine = own_forecasts(lambda: RidgeForecaster(["har"]), samples, study, name="mine")
    assert len(set(mine["fold"])) > 1
    pd.testing.assert_frame_equal(mine.assign(model="har"), har, check_exact=True)
    _, test = evaluation_rows(pd.concat([table, mine]), "BTC")
    assert test["model"].unique().tolist() == ["persistence", "har", "mine"]


class Answers:
    """Says what it is given, whatever it is asked."""

    def __init__(self, answer):
        self.answer = answer

    def fit(self, samples):
        """Nothing to learn."""

    def predict(self, samples):
        """The answer."""
        return self.answer(samples)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda samples: samples.dvol[1:], r"mine: predict returned shape \(.*should be .*one per"),
        (lambda samples: samples.dvol * np.nan, r"predict returned nan at .*a finite number of"),
    ],
)
def test_forecasts_that_cannot_be_compared_are_refused(study, samples, answer, message):
    with pytest.raises(ValueError, match=message):
        own_forecasts(lambda: Answers(answer), samples, study, name="mine")


def test_a_name_that_is_taken_is_refused(study, samples):
    with pytest.raises(ValueError, match=r"name: found 'har', a model of this package"):
        own_forecasts(lambda: Answers(lambda s: s.dvol), samples, study, name="har")


def compared(*rows: tuple[str, float, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["model_b", "estimate", "p_value"])
    return table.assign(model_a="Mine", low=table["estimate"] - 0.02, high=table["estimate"] + 0.02)


def test_the_finding_names_those_that_differ_beyond_chance():
    table = compared(
        ("persistence", 0.031, 0.2), ("har", 0.05, 0.01), ("ridge_decay", -0.05, 0.04),
        ("boosted_trees", -0.09, 0.06),
    )  # fmt: skip
    assert own_finding(table, hours=1200, coverage=0.95) == (
        "On 1,200 test hours Mine has a skill of 3.1 % (95 % interval 1.1 to 5.1 %; p = 0.200). "
        "It is better than HAR and worse than Time-weighted ridge beyond chance."
    )
    alone = own_finding(compared(("persistence", 0.031, 0.2)), hours=1200, coverage=0.95)
    assert alone.endswith("It differs from no other model beyond chance.")


def test_the_notebook_stays_short():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len([line for line in "\n".join(code).splitlines() if line.strip()]) < 60
