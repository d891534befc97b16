from __future__ import annotations

import numpy as np
import pytest
from evidence import evidence
from forecast_tables import forecast_table

from dvol_utils.evaluation import average_seeds
from dvol_utils.plots import significance as plots
from dvol_utils.significance import diebold_mariano_pairs, superior_ability
from dvol_utils.significance.resampling import Resampling

FORECASTS = average_seeds(forecast_table(400))
SOME = ["persistence", "har", "lstm_large"]


def test_interval_whiskers_draw_estimate_and_bounds():
    table = evidence().rename(columns={"model_a": "model"})
    intervals = table[table["kind"] == "interval"]
    ax = plots.interval_whiskers(intervals, "skill", title="t", reference=0)
    assert ax.get_yticklabels()[0].get_text() == "HAR"
    row = intervals[(intervals["metric"] == "skill") & (intervals["model"] == "har")].iloc[0]
    assert list(ax.lines[0].get_xdata()) == pytest.approx([100 * row["low"], 100 * row["high"]])
    assert ax.lines[1].get_xdata()[0] == pytest.approx(100 * row["estimate"])
    ax = plots.interval_whiskers(intervals, "rmse", title="t")
    assert len(ax.get_yticklabels()) == 6
    ax = plots.interval_whiskers(intervals, "direction", title="t")
    assert len(ax.get_yticklabels()) == 5  # persistence calls none


def test_pair_matrix_is_blue_where_the_row_is_better():
    pairs = diebold_mariano_pairs(FORECASTS[FORECASTS["model"].isin(SOME)], 24)
    ax = plots.pair_matrix(pairs, title="t")
    shade = ax.images[0].get_array()
    assert np.ma.getmaskarray(shade).diagonal().all()
    better = pairs[(pairs["model_a"] == "persistence") & (pairs["model_b"] == "lstm_large")]
    assert better["mean_difference"].item() > 0
    assert shade[0, 2] < 0 < shade[2, 0]
    assert len(ax.texts) == 6
    cells = {text.xy: text.get_text() for text in ax.texts}  # (column, row)
    sure = better["p_value"].item() < 0.05
    assert ("▲" in cells[0, 2], "▼" in cells[2, 0]) == (sure, sure)


def test_joint_gains_stand_against_the_critical_value():
    found = superior_ability(FORECASTS, resampling=Resampling(48, reps=100, seed=0))
    ax = plots.joint_gains(found, title="t")
    assert ax.get_yticklabels()[1].get_text() == "HAR"
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert dots == pytest.approx(found["statistic"].tolist())
    dashed = next(line for line in ax.lines if line.get_linestyle() == "--")
    assert dashed.get_xdata()[0] == pytest.approx(found["critical_value"].iloc[0])
    assert ax.get_xlim()[1] > max(dots)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # first model on top
