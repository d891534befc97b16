from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from forecast_tables import forecast_table
from scipy import stats

from dvol_utils.evaluation import average_seeds
from dvol_utils.evaluation.diagnostics import (
    error_distribution,
    gain_by_hour_of_week,
    telling_weeks,
)
from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.pages import figure_titles
from dvol_utils.significance import summed_gain
from dvol_utils.significance.hac import degrees, standard_error
from dvol_utils.significance.resampling import Resampling

FORECASTS = average_seeds(forecast_table(300))
DRAWS = Resampling(48, reps=200, seed=0)


def test_gains_by_hour_of_week_add_up_to_the_gain():
    gains = gain_by_hour_of_week(FORECASTS, "har")
    own = FORECASTS[FORECASTS["model"] == "har"]
    saved = (own["y_true"] - own["y_origin"]) ** 2 - (own["y_true"] - own["y_pred"]) ** 2
    assert gains["gain"].sum() == pytest.approx(saved.sum())
    assert gains["share"].sum() == pytest.approx(np.sign(saved.sum()))
    assert (len(gains), gains["n"].sum()) == (168, 300)
    friday = saved[own["origin"].dt.day_of_week == 4].sum()
    assert gains.loc[gains["weekday"] == 4, "gain"].sum() == pytest.approx(friday)
    flat = FORECASTS.assign(y_pred=FORECASTS["y_origin"])
    assert (gain_by_hour_of_week(flat, "har")["share"] == 0).all()


def test_telling_weeks_are_the_best_the_middle_and_the_worst_whole_ones():
    start = pd.date_range("2025-01-06", periods=6, freq="7D", tz="UTC")
    weeks = pd.DataFrame(
        {"week": start, "n": [30, 168, 168, 168, 168, 168], "excess": [-99, 5, -7, 1, 0, -2]}
    )
    told = telling_weeks(weeks).set_index("kind")["week"]
    assert told["Best week"] == start[2]
    assert told["Typical week"] == start[4]
    assert told["Worst week"] == start[1]
    assert list(telling_weeks(weeks.tail(2))["kind"]) == ["Best week"]
    titles = figure_titles.week_kind_titles(telling_weeks(weeks))
    assert titles[start[2]] == "Best week, from 2025-01-20: +7 points² over persistence"


def test_the_band_of_the_summed_gain_ends_as_wide_as_the_variance_of_the_hours_asks_for():
    curve = summed_gain(FORECASTS, "har", resampling=DRAWS)
    losses = squared_errors(FORECASTS)
    saved = (losses["persistence"] - losses["har"]).to_numpy()
    last = curve.iloc[-1]
    assert last["gain"] == pytest.approx(saved.sum())
    reach = stats.t.ppf(0.975, degrees(300)) * 300 * standard_error(saved - saved.mean())
    assert last["high"] - last["low"] == pytest.approx(2 * reach)
    first = curve.iloc[0]
    assert first["high"] - first["low"] < 0.3 * (last["high"] - last["low"])
    pd.testing.assert_frame_equal(curve, summed_gain(FORECASTS, "har", resampling=DRAWS))
    assert list(summed_gain(FORECASTS, "har").columns) == ["origin", "gain"]


def test_error_distribution():
    table = error_distribution(FORECASTS, (0.05, 0.5)).set_index("model")
    errors = (FORECASTS["y_true"] - FORECASTS["y_pred"])[FORECASTS["model"] == "har"]
    assert list(table.columns) == ["mean", "sd", "skew", "kurtosis", "q05", "q50"]
    expected = [
        errors.mean(),
        errors.std(),
        errors.skew(),
        errors.kurt(),
        np.quantile(errors, 0.05),
        np.median(errors),
    ]
    np.testing.assert_allclose(table.loc["har"], expected)


STATISTICS = {
    "hours": lambda rows: gain_by_hour_of_week(rows, "persistence"),
    "distribution": error_distribution,
}


@pytest.mark.parametrize("name", STATISTICS)
def test_missing_values_and_no_rows_are_refused(name):
    spoilt = FORECASTS.copy()
    spoilt.loc[3, "y_pred"] = np.nan
    with pytest.raises(ValueError, match=r"y_pred of model persistence.*found nan"):
        STATISTICS[name](spoilt)
    with pytest.raises(ValueError, match="found no rows"):
        STATISTICS[name](FORECASTS.head(0))


GAINS = pd.DataFrame(
    {"weekday": [0, 5, 5], "hour": [0, 0, 1], "share": [-0.2, 0.9, 0.3], "n": [60, 20, 20]}
)


def test_titles_are_made_of_the_numbers():
    assert figure_titles.weekday_title(GAINS, "har") == (
        "120.0 % of the gain of HAR comes from Saturdays, 40.0 % of the hours; Mondays: a loss"
    )
    lost = GAINS.assign(share=-GAINS["share"])
    assert figure_titles.weekday_title(lost, "har").startswith("HAR saves no squared error")
    curve = pd.DataFrame({"gain": [50.0], "low": [-10.0], "high": [110.0]})
    weeks = pd.DataFrame({"excess": [-30.0, 10.0, -20.0, -10.0]})
    assert figure_titles.cumulative_title(curve, weeks, "har") == (
        "HAR saves 50 points² over the test (−10\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}110), "
        "100.0 % of it net in its two best weeks"
    )
    months = pd.DataFrame({"model": "har", "skill": [0.1, 0.2, -0.1], "n": [90, 700, 744]})
    assert figure_titles.month_title(months, "har", 400) == (
        "HAR is ahead of persistence in 1 of 2 months of at least 400 hours"
    )
    shares = {(1, 1): 0.4, (-1, -1): 0.2, (1, -1): 0.3, (-1, 1): 0.1}
    assert figure_titles.direction_title(shares, 0.25, "har") == (
        "HAR calls 60.0 % of the moves right; forecast and change correlate by 0.25"
    )
    assert figure_titles.slope_title(0.77, 0.1, "har").endswith(
        "(standard error 0.10): beyond chance of 1"
    )
    assert figure_titles.slope_title(0.77, 0.2, "har").endswith("within chance of 1")
    skills = pd.DataFrame(
        {"model": ["har", "ridge_decay"], "validation": [0.1, 0.2], "test": [0.3, 0.05]}
    )
    assert figure_titles.ranking_title(skills, "ridge_decay") == (
        "Time-weighted ridge, chosen on validation rows, is number 2 of 2 on test rows: skill "
        "20.0 % there, 5.0 % here"
    )


def test_the_title_on_coverage_names_the_farthest_share():
    row = {"share": "within", "nominal": 0.5, "observed": 0.4, "low": 0.3, "high": 0.45, "n": 9}
    other = row | {"nominal": 0.9, "observed": 0.88, "low": 0.8, "high": 0.95}
    shares = {"all\n9 h": pd.DataFrame([row, other])}
    assert figure_titles.intervals_title(shares) == (
        "1 of 2 shares differs from what is meant beyond chance; farthest: 40.0 % in the 50 % "
        "interval (all)"
    )


def test_the_title_on_errors_has_middle_and_tail():
    said = figure_titles.error_title(FORECASTS, "har")
    error = (FORECASTS["y_true"] - FORECASTS["y_pred"]).abs()
    own = error[FORECASTS["model"] == "har"]
    assert f"median {own.median():.2f} points" in said
    assert f"above {own.quantile(0.95):.2f}" in said
