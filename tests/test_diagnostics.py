from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from forecast_tables import forecast_table

from dvol_utils.evaluation import average_seeds, score
from dvol_utils.evaluation.diagnostics import (
    calibration,
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
    assert list(calibration(only)) == list(calibration(FORECASTS))


def test_calibration_needs_two_bins():
    with pytest.raises(ValueError, match="bins: found 1; should be at least 2"):
        calibration(FORECASTS, 1)


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


STATISTICS = {
    "rolling": lambda rows: rolling_skill(rows, 24),
    "calibration": calibration,
    "distribution": error_distribution,
    "histogram": error_histogram,
    "liveliest": liveliest,
}


@pytest.mark.parametrize("name", STATISTICS)
def test_missing_values_and_no_rows_are_refused(name):
    spoilt = FORECASTS.copy()
    spoilt.loc[3, "y_pred"] = np.nan
    with pytest.raises(ValueError, match=r"y_pred of model persistence.*found nan"):
        STATISTICS[name](spoilt)
    with pytest.raises(ValueError, match="found no rows"):
        STATISTICS[name](FORECASTS.head(0))


def test_errors_that_never_change_lie_in_one_bin():
    table = error_histogram(FORECASTS.assign(y_pred=FORECASTS["y_true"] + 2.0), 5)
    own = table[table["model"] == "har"]
    assert own["density"].tolist() == pytest.approx([0, 0, 5, 0, 0])
    assert own["error"].iloc[2] == pytest.approx(-2)


def test_an_outcome_that_never_moves_has_no_rolling_skill():
    flat = FORECASTS.assign(y_true=50.0, y_origin=50.0)
    assert rolling_skill(flat, 24)["skill"].isna().all()
