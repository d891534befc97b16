"""What split and data decide is refused before anything is trained, and the key is named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from market import small_jumps, small_panel, small_study
from test_cli import dvol

from dvol_utils.forecasting.plan import check_plan
from dvol_utils.samples.samples import build_samples
from dvol_utils.study.params import ParameterError

PLAIN = {"models": ["persistence", "har"], "horizons": [], "features.groups": ["har"]}
LAST = pd.Timestamp("2022-01-03", tz="UTC") + pd.Timedelta(hours=3_600)  # of the panel


def check(panel=None, **overrides):
    panel = small_panel() if panel is None else panel
    study = small_study(**{**PLAIN, **overrides})
    jumps = pd.concat([small_jumps(part, study) for _, part in panel.groupby("asset")])
    samples = build_samples(panel, jumps, study, asset=study.data.assets[0])
    check_plan(samples, panel, jumps, study)


def refused(panel=None, **overrides) -> list[str]:
    with pytest.raises(ParameterError) as caught:
        check(panel, **overrides)
    lines = str(caught.value).splitlines()
    assert all(line.startswith("study smoke: ") for line in lines)
    return [line.removeprefix("study smoke: ") for line in lines]


def test_a_study_that_can_be_run_is_left_alone():
    check()
    check(horizons=[1, 24, 168])
    check(**{"split.test_start": str(LAST - pd.Timedelta(hours=96)), "horizons": [1]})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"significance.block_hours": 554},
            r"significance\.block_hours: found 554; one block of the bootstrap is 554 hours, and "
            r"there are 553 of the test's origins, 2022-05-09 00:00 to 2022-06-01 00:00: "
            r"shorten it, move split\.test_start or split\.test_end, or bring longer data$",
        ),
        (
            {"target.horizon_hours": 300},
            r"target\.horizon_hours: found 300; one block of the bootstrap is 300 hours, and there "
            r"are 277 of",
        ),
        (
            {"horizons": [1, 24, 576]},
            r"horizons: found 576; should leave 576 test rows or more, leaves 1: leave it out",
        ),
        ({"horizons": [720]}, r"horizons: found 720; should leave 1 validation rows or more, leav"),
        (
            {"horizons": [1], "features.lags_from": "row"},
            r"horizons: found \[1\] with features\.lags_from row; should be left out",
        ),
        (
            {"published_page": True},
            r"published_page: found true; models should name one of lstm_baseline, lstm_large, ",
        ),
        (
            {"published_page": True},
            r"published_page: found true with target\.kind log_change; the published rules ",
        ),
        (
            {"walk.test": "monthly", "walk.stop_days": 104},
            r"fold 0, from 2022-04-18 .*: no usable row to learn from: ",
        ),
    ],
)
def test_what_would_fail_after_training_is_refused_before_it(overrides, message):
    faults = refused(**overrides)
    assert any(re.match(message, fault) for fault in faults), faults


def test_a_test_of_a_few_hours_is_told_all_that_it_lacks():
    faults = refused(**{"split.test_start": str(LAST - pd.Timedelta(hours=30)), "horizons": [24]})
    keys = [fault.partition(":")[0] for fault in faults]
    assert keys == [
        "target.horizon_hours", "split.test_start", "horizons",
    ]  # fmt: skip


def test_several_assets_need_a_model_to_pool_and_rows_each():
    second = small_panel(seed=1, asset="ETH")
    both = pd.concat([small_panel(), second], ignore_index=True)
    two = {"data.assets": ["BTC", "ETH"]}
    assert refused(both, **two)[0].startswith("models ['persistence', 'har']: found none to pool")
    pooled = {**two, "models": ["persistence", "ridge_decay"]}
    check(both, **pooled)
    both.loc[(both["asset"] == "ETH") & (both["time"] > "2022-04-01"), "dvol_close"] = np.nan
    assert "split has no usable row" in refused(both, **pooled)[0]


def test_notebook_03_asks_before_it_trains():
    notebook = Path(__file__).parents[1] / "notebooks/03_lstm_training.ipynb"
    cells = ["".join(cell["source"]) for cell in json.loads(notebook.read_text())["cells"]]
    asked = next(i for i, cell in enumerate(cells) if "check_plan(samples, panel, jumps" in cell)
    assert asked < next(i for i, cell in enumerate(cells) if "= forecast_table(samples" in cell)


def test_train_refuses_a_late_fold_before_the_first_network(tmp_project):
    short = ["features.scaling_window_hours=240", "target.volatility_window_hours=240",
             "evaluation.level_window_hours=240", "walk.test=monthly", "walk.stop_days=55",
             "split.validation_start=2021-03-01", "split.test_start=2021-03-10"]  # fmt: skip
    settings = [word for setting in short for word in ("--set", setting)]
    said = dvol("train", "--study", "tiny", "--model", "lstm_baseline", *settings, status=2)
    assert "no usable row to learn from" in said
    assert not list(tmp_project.glob("runs/tiny/checkpoints/**/*.safetensors"))
