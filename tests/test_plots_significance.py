from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from forecast_tables import forecast_table

from dvol_utils.evaluation import average_seeds
from dvol_utils.plots import significance as plots
from dvol_utils.significance import diebold_mariano_pairs, superior_ability
from dvol_utils.significance.resampling import Resampling

FORECASTS = average_seeds(forecast_table(400))
SOME = ["persistence", "seasonal_naive", "har", "lstm_large"]


def test_skill_differences_are_those_from_the_chosen_model():
    table = pd.DataFrame(
        [("har", "ridge_decay", "skill", -0.05, -0.08, -0.02),
         ("lstm_large", "ridge_decay", "skill", 0.01, -0.03, 0.04),
         ("seasonal_naive", "ridge_decay", "skill", -3.0, -4.0, -2.0),
         ("har", "lstm_large", "skill", 0.5, 0.4, 0.6)],
        columns=["model_a", "model_b", "metric", "estimate", "low", "high"],
    )  # fmt: skip
    ax = plots.skill_differences(table, "ridge_decay", title="t")
    assert [name.get_text() for name in ax.get_yticklabels()] == ["LSTM large", "HAR"]
    assert [text.get_text() for text in ax.texts] == ["1.0", "−5.0"]
    assert "Time-weighted ridge" in ax.get_xlabel()
    assert plots.differences_finding(table, "ridge_decay") == (
        "Of 2 models none has more skill than Time-weighted ridge beyond its interval, 1 less"
    )


def test_pair_matrix_is_coloured_by_effect_and_dotted_by_holm():
    pairs = diebold_mariano_pairs(FORECASTS[FORECASTS["model"].isin(SOME)], 24)
    pairs = pairs.assign(p_holm=[0.5, 0.5, 0.01, 0.5, 0.5, 0.5])
    ax = plots.pair_matrix(pairs, 2.0, title="t")
    models = [name.get_text() for name in ax.get_yticklabels()]
    assert models == ["Persistence", "HAR", "LSTM large"]
    grid = ax.collections[0].get_array().reshape(3, 3)
    assert np.ma.getmaskarray(np.ma.masked_invalid(grid)).diagonal().all()
    row = pairs[(pairs["model_a"] == "persistence") & (pairs["model_b"] == "lstm_large")]
    assert grid[0, 2] == pytest.approx(-100 * row["mean_difference"].item() / 2.0)
    assert grid[2, 0] == -grid[0, 2]
    assert sum("●" in text.get_text() for text in ax.texts) == 2
    assert plots.pairs_finding(pairs).startswith("1 of 3 pairs differ after Holm's correction")


def test_size_and_skill_stand_on_a_logarithmic_axis():
    sizes = pd.DataFrame({"model": ["lstm_tuned", "lstm_ultra"], "parameters": [1_352, 5_449_985]})
    intervals = pd.DataFrame(
        {"model": ["lstm_ultra", "har", "lstm_tuned"], "metric": "skill",
         "estimate": [0.015, 0.02, 0.067], "low": -0.01, "high": 0.1}
    )  # fmt: skip
    ax = plots.size_and_skill(sizes, intervals, title="t")
    assert ax.get_xscale() == "log"
    assert [text.xy for text in ax.texts] == [
        (1_352, pytest.approx(6.7)),
        (5_449_985, pytest.approx(1.5)),
    ]
    assert plots.size_finding(intervals, sizes) == (
        "LSTM ultra with 5,449,985 parameters has a skill of 1.5 %, LSTM tuned with 1,352 one of "
        "6.7 %"
    )


def test_joint_gains_stand_against_the_critical_value():
    found = superior_ability(FORECASTS, resampling=Resampling(48, reps=100, seed=0))
    ax = plots.joint_gains(found, title="t")
    shown = found[found["model"] != "seasonal_naive"]
    assert len(ax.get_yticklabels()) == len(shown) < len(found)
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert dots == pytest.approx(shown["statistic"].tolist())
    critical = found["critical_value"].iloc[0]
    dashed = next(line for line in ax.lines if line.get_linestyle() == "--")
    assert dashed.get_xdata()[0] == pytest.approx(critical)
    assert [text.get_text() for text in ax.texts] == [f"needed for\np < 0.05: {critical:.1f}"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # first model on top
