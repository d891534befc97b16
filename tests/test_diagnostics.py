from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from forecast_tables import forecast_table

from dvol_utils.evaluation import average_seeds, score
from dvol_utils.evaluation.diagnostics import (
    calibration,
    calibration_line,
    error_distribution,
    error_histogram,
    liveliest,
    rolling_skill,
)

FORECASTS = average_seeds(forecast_table(300))
HOUR = pd.Timedelta(hours=1)


def test_rolling_skill_is_the_skill_of_each_window():
    rolling = rolling_skill(FORECASTS, 48)
    for row in rolling.sample(20, random_state=0).itertuples():
        times = FORECASTS["target_time"]
        inside = (times <= row.time) & (times > row.time - 48 * HOUR)
        window = FORECASTS[inside & (FORECASTS["model"] == row.model)]
        assert len(window) == 48
        assert row.skill == pytest.approx(score(window)["skill"].item(), abs=1e-9)


def test_rolling_skill_starts_with_the_first_full_window():
    rolling = rolling_skill(FORECASTS, 48)
    first = FORECASTS["target_time"].min() + 47 * HOUR
    assert rolling.groupby("model")["time"].min().unique().tolist() == [first]
    assert (rolling.groupby("model").size() == 300 - 47).all()


def test_rolling_skill_over_a_gap_counts_hours_not_rows():
    gap = FORECASTS["target_time"].between(*FORECASTS["target_time"].iloc[[100, 149]])
    rolling = rolling_skill(FORECASTS[~gap], 48)
    after = FORECASTS["target_time"].iloc[150]
    found = rolling[(rolling["model"] == "har") & (rolling["time"] == after)]["skill"].item()
    one_hour = FORECASTS[(FORECASTS["target_time"] == after) & (FORECASTS["model"] == "har")]
    assert found == pytest.approx(score(one_hour)["skill"].item())


@pytest.mark.parametrize("hours", [0, 301])
def test_a_window_longer_than_the_rows_is_refused(hours):
    message = f"window_hours: found {hours}; should be 1 to 300, the hours spanned by the targets"
    with pytest.raises(ValueError, match=message):
        rolling_skill(FORECASTS, hours)


def test_calibration_bins_are_means_of_equal_counts():
    bins = calibration(FORECASTS, 5)
    assert "persistence" not in set(bins["model"])
    own = FORECASTS[FORECASTS["model"] == "har"]
    forecast = (own["y_pred"] - own["y_origin"]).to_numpy()
    outcome = (own["y_true"] - own["y_origin"]).to_numpy()
    order = np.argsort(forecast)
    found = bins[bins["model"] == "har"]
    assert found["n"].tolist() == [60] * 5
    np.testing.assert_allclose(
        found["forecast_change"], [forecast[part].mean() for part in np.split(order, 5)]
    )
    np.testing.assert_allclose(
        found["outcome_change"], [outcome[part].mean() for part in np.split(order, 5)]
    )


def test_calibration_without_a_model_that_calls_changes_is_empty():
    only = FORECASTS[FORECASTS["model"] == "persistence"]
    assert calibration(only).empty
    assert calibration_line(only).empty
    assert list(calibration(only)) == list(calibration(FORECASTS))


def test_calibration_needs_two_bins():
    with pytest.raises(ValueError, match="bins: found 1; should be at least 2"):
        calibration(FORECASTS, 1)


def test_calibration_line_is_least_squares_with_hac_errors():
    line = calibration_line(FORECASTS).set_index("model").loc["lstm_large"]
    own = FORECASTS[FORECASTS["model"] == "lstm_large"]
    x = own["y_pred"] - own["y_origin"]
    y = own["y_true"] - own["y_origin"]
    slope = np.cov(x, y)[0, 1] / x.var()
    assert line["slope"] == pytest.approx(slope)
    assert line["intercept"] == pytest.approx(y.mean() - slope * x.mean())
    fit = sm.OLS(y, sm.add_constant(x)).fit()
    robust = fit.get_robustcov_results("HAC", maxlags=23)
    assert line["slope_se"] == pytest.approx(robust.bse[1])
    assert line["slope_se"] != pytest.approx(fit.bse.iloc[1], rel=0.05)


def test_a_forecast_taken_at_face_value_has_slope_one():
    own = FORECASTS[FORECASTS["model"] == "har"].assign(y_pred=lambda rows: rows["y_true"] + 2)
    line = calibration_line(own).iloc[0]
    assert line["slope"] == pytest.approx(1)
    assert line["intercept"] == pytest.approx(-2)


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


def test_error_histogram_is_a_density_of_what_it_shows():
    histogram = error_histogram(FORECASTS, 40, trim=0)
    for _, rows in histogram.groupby("model"):
        width = rows["error"].diff().iloc[1]
        assert (rows["density"] * width).sum() == pytest.approx(1)
    trimmed = error_histogram(FORECASTS, 40, trim=0.05)
    assert trimmed["error"].abs().max() < histogram["error"].abs().max()
    width = trimmed["error"].diff().iloc[1]
    shares = trimmed.groupby("model")["density"].sum() * width
    assert shares.mean() == pytest.approx(0.9, abs=0.005)


def test_the_liveliest_stretch_has_the_widest_range():
    lively = liveliest(FORECASTS, 48)
    times = sorted(lively["target_time"].unique())
    assert (len(times), times[-1] - times[0]) == (48, 47 * HOUR)
    outcome = FORECASTS.groupby("target_time")["y_true"].first().to_numpy()
    ranges = [np.ptp(outcome[i : i + 48]) for i in range(len(outcome) - 47)]
    assert np.ptp(lively["y_true"]) == max(ranges)
