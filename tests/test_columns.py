from __future__ import annotations

import numpy as np
import pandas as pd
from forecast_tables import forecast_table

from dvol_utils.evaluation import average_seeds, score
from dvol_utils.significance.bootstrap import bootstrap_difference, bootstrap_interval
from dvol_utils.significance.resampling import Resampling
from dvol_utils.wording.columns import interval_grid, pivoted, readable, with_interval

FORECASTS = average_seeds(forecast_table(100))
DRAWS = Resampling(block_hours=24, reps=50, seed=0)


def test_scores_have_names_and_units():
    scores = score(FORECASTS)
    table = readable(scores)
    assert list(table.columns) == [
        "model",
        "R²",
        "RMSE, points",
        "MAE, points",
        "MAPE, %",
        "skill, %",
        "direction right, %",
        "rows",
    ]
    assert table["model"].tolist()[0] == "Persistence"
    np.testing.assert_allclose(table["skill, %"], 100 * scores["skill"])
    assert table["rows"].tolist() == ["100"] * 7


def test_p_values_and_counts_in_words():
    table = pd.DataFrame(
        {
            "model_a": ["har", "new"],
            "model_b": ["lstm_large", "har"],
            "p_value": [1e-5, 0.25],
            "p_bartlett": [1e-6, 0.2],
            "p_holm": [0.0123, np.nan],
            "n": [7843, np.nan],
        }
    )
    assert readable(table).to_dict("list") == {
        "first model": ["HAR", "new"],
        "second model": ["LSTM large", "HAR"],
        "p": ["< 0.001", "0.250"],
        "p, Bartlett": ["< 0.001", "0.200"],
        "p after Holm": ["0.012", "–"],
        "rows": ["7,843", "–"],
    }


def test_grid_of_intervals():
    table = pd.DataFrame(
        {
            "model": ["har", "har", "persistence", "persistence"],
            "metric": ["rmse", "skill", "rmse", "skill"],
            "estimate": [1.5, 0.054, 2.0, np.nan],
            "low": [1.25, -0.01, 1.9, np.nan],
            "high": [1.75, 0.1, 2.1, np.nan],
        }
    )
    grid = interval_grid(table)
    assert grid.to_dict("list") == {
        "model": ["HAR", "Persistence"],
        "RMSE, points": ["1.500 (1.250\u00a0to\u00a01.750)", "2.000 (1.900\u00a0to\u00a02.100)"],
        "skill, %": ["5.4 (−1.0\u00a0to\u00a010.0)", "–"],
    }


def test_grids_of_real_tables_keep_rows_and_order():
    regimes = bootstrap_interval(FORECASTS, ["skill", "rmse"], by="jump_regime", resampling=DRAWS)
    grid = interval_grid(regimes)
    assert list(grid.columns) == ["model", "jump regime", "skill, %", "RMSE, points"]
    assert len(grid) == 14
    assert grid["model"].iloc[0] == "Persistence"
    against = interval_grid(regimes, prefix="difference")
    row = regimes[(regimes["model"] == "har") & (regimes["metric"] == "rmse")].iloc[0]
    cell = against.loc[(against["model"] == "HAR"), "RMSE, points"].iloc[0]
    assert cell.startswith(f"{row['difference']:.3f}".replace("-", "−"))
    pairs = bootstrap_difference(FORECASTS, "mae", [("har", "persistence")], resampling=DRAWS)
    assert list(interval_grid(pairs).columns) == ["first model", "second model", "MAE, points"]


def test_truth_values_are_words_and_text_stays():
    table = pd.DataFrame({"model": ["har"], "included": [True], "averaged_p": [1e-4]})
    assert readable(table).iloc[0].tolist() == ["HAR", "yes", "< 0.001"]


def test_turnover_is_counted_and_sharpe_ratios_have_two_decimals():
    table = pd.DataFrame(
        {"turnover": [287.56], "sharpe": [-1.6457], "low": [-4.27], "high": [0.912]}
    )
    shown = with_interval(table, "sharpe")
    assert shown["positions turned over a year"].tolist() == ["288"]
    assert shown["Sharpe ratio"].tolist() == ["−1.65 (−4.27\u00a0to\u00a00.91)"]


def test_groups_stand_side_by_side_and_one_value_stands_above_them():
    shown = pd.DataFrame(
        {"model": ["a", "b", "a"], "half": [1, 1, 2], "x": [1.0, 2.0, 3.0], "y": [4.0, 5.0, 6.0]}
    )
    both = pivoted(shown, "half", ["x", "y"])
    assert list(both) == [("", "model"), ("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")]
    assert both["2", "x"].tolist()[0] == 3.0
    assert both["2", "x"].isna().tolist() == [False, True]
    assert list(pivoted(shown, "half", ["x"])) == [("", "model"), ("x", "1"), ("x", "2")]
    deeper = pivoted(shown.assign(loss="l"), "half", ["x", "y"], index=["loss", "model"])
    assert deeper["", "model"].tolist() == ["a", "b"]
