"""How long until a gain is known: by formula, by simulation, and what it says of losses seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from forecast_tables import forecast_table
from scipy import stats

from dvol_utils.evaluation import average_seeds
from dvol_utils.significance import (
    LOSSES,
    Resampling,
    detectable_gain,
    gain_moments,
    hours_needed,
    three_losses,
    time_to_know,
)
from dvol_utils.significance.hac import degrees, mean_test, periodogram_variance
from dvol_utils.significance.power import HOURS_A_MONTH, HOURS_A_YEAR

FORECASTS = average_seeds(forecast_table(300))


@pytest.mark.parametrize(("hours", "power"), [(1000, 0.8), (8766, 0.8), (8766, 0.5)])
def test_the_gain_is_found_as_often_as_it_says(hours, power):
    gain = detectable_gain(4.0, hours, power=power)
    freedom, shift = degrees(hours), gain / np.sqrt(4.0 / hours)
    critical = stats.t.ppf(0.975, freedom)
    assert stats.nct.sf(critical, freedom, shift) == pytest.approx(power)


def test_counting_agrees_with_the_formula():
    rng, hours, runs = np.random.default_rng(0), 729, 600
    gain = detectable_gain(24.0, hours)
    found = 0
    for _ in range(runs):
        # Sums of 24 shocks of variance 1/24 * 24: a long-run variance of 24.
        shocks = rng.normal(size=hours + 23)
        moments = gain + np.convolve(shocks, np.full(24, 24**-0.5), mode="valid")
        found += mean_test(moments, moments.mean())[1] < 0.05
    assert found / runs == pytest.approx(0.8, abs=0.05)


def test_hours_and_gain_are_each_others_inverse():
    for gain in (0.02, 0.05, 0.3):
        hours = hours_needed(2.0, gain)
        assert detectable_gain(2.0, hours) <= gain
        assert detectable_gain(2.0, hours - 2) >= gain
    assert hours_needed(2.0, 0.0) == hours_needed(2.0, -0.1) == hours_needed(2.0, 1e-9) == np.inf


def test_moments_have_the_gains_of_the_three_losses_as_means():
    draws = Resampling(24, reps=10, seed=0)
    table = three_losses(FORECASTS, 24, resampling=draws).set_index(["model", "loss"])
    for model in ("har", "lstm_ultra"):
        moments = gain_moments(FORECASTS, model)
        assert list(moments) == list(LOSSES)
        assert moments.index.is_monotonic_increasing
        np.testing.assert_allclose(
            moments.mean(), table.loc[model, "loss_gain"].loc[list(LOSSES)], rtol=1e-9
        )
        for loss, series in moments.items():
            found = mean_test(series.to_numpy(), series.mean())
            expected = table.loc[(model, loss), ["statistic", "p_value"]]
            np.testing.assert_allclose(found, expected.to_numpy(float), rtol=1e-6)


def test_time_to_know_says_what_years_can_settle_and_what_is_still_needed():
    found = time_to_know(FORECASTS, "har").set_index("loss")
    moments = gain_moments(FORECASTS, "har")
    for loss, row in found.iterrows():
        variance = periodogram_variance(moments[loss].to_numpy()[:, None]).item()
        assert row["year_2"] == pytest.approx(detectable_gain(variance, 2 * HOURS_A_YEAR))
        assert row["year_1"] > row["year_2"] > row["year_4"]
        needed = hours_needed(variance, row["loss_gain"])
        assert row["months_needed"] == pytest.approx(needed / HOURS_A_MONTH)
        assert row["months_more"] == pytest.approx(max(needed - 300, 0) / HOURS_A_MONTH)


def test_a_model_that_loses_is_never_settled_as_better():
    worse = FORECASTS[FORECASTS["model"] == "har"]
    worse = worse.assign(model="worse", y_pred=2 * worse["y_origin"])
    found = time_to_know(pd.concat([FORECASTS, worse]), "worse").set_index("loss")
    assert found.loc[["squared_error", "absolute_error"], "months_needed"].eq(np.inf).all()
