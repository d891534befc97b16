from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from weekly_panel import made_up

from dvol_utils.data.checks.seasonality import (
    ACTIVITY,
    activity_by_weekday,
    activity_words,
    change_by_hour,
    change_by_weekday,
    equality_words,
)

LONG = 400  # shorter samples reject equal means too often


def newey_west(values: np.ndarray, slots: np.ndarray, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Slot means and their standard errors: Bartlett weights, scaled by n / (n - k)."""
    names = sorted(set(slots))
    x = np.array([[1.0 if slot == name else 0.0 for name in names] for slot in slots])
    beta = np.linalg.solve(x.T @ x, x.T @ values)
    scores = x * (values - x @ beta)[:, None]
    meat = scores.T @ scores
    for lag in range(1, lags + 1):
        gamma = scores[lag:].T @ scores[:-lag]
        meat += (1 - lag / (lags + 1)) * (gamma + gamma.T)
    bread = np.linalg.inv(x.T @ x)
    n, k = x.shape
    return beta, np.sqrt(np.diag(n / (n - k) * bread @ meat @ bread))


def test_hourly_means_and_intervals_equal_a_literal_newey_west():
    panel = made_up()
    table = change_by_hour(panel, coverage=0.9)
    change = 1e4 * np.diff(np.log(panel["dvol_close"]))
    mean, error = newey_west(change, (panel["time"].iloc[1:].dt.hour - 1).to_numpy() % 24, 24)
    np.testing.assert_allclose(table["mean"], mean, rtol=1e-9, atol=1e-9)
    width = norm.ppf(0.95) * error
    np.testing.assert_allclose(table["high"] - table["mean"], width, rtol=1e-8)
    np.testing.assert_allclose(table["mean"] - table["low"], width, rtol=1e-8)
    assert table["slot"].tolist() == list(range(24))
    assert table["n"].tolist() == [69] + [70] * 23


def test_weekday_means_are_of_changes_ahead_of_the_origin():
    panel = made_up()
    table = change_by_weekday(panel, horizon_hours=24)
    level = np.log(panel["dvol_close"].to_numpy())
    ahead = 100 * (level[24:] - level[:-24])
    mean, error = newey_west(ahead, panel["time"].iloc[:-24].dt.day_of_week.to_numpy(), 48)
    np.testing.assert_allclose(table["mean"], mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(table["high"] - mean, norm.ppf(0.975) * error, rtol=1e-8)
    assert table["n"].sum() == len(ahead)


def test_a_pattern_is_found_and_noise_is_not():
    table = change_by_hour(made_up(hour_bp=-100))
    assert table["p_value"].iloc[0] < 1e-6
    lowest = table.loc[table["mean"].idxmin()]
    assert lowest["slot"] == 8
    assert lowest["high"] < 0
    samples = [change_by_hour(made_up(seed, days=LONG)) for seed in range(40)]
    assert np.mean([table["p_value"].iloc[0] < 0.05 for table in samples]) <= 0.15


def test_changes_beside_imputed_hours_do_not_count():
    panel = made_up()
    panel.loc[100:101, "imputed"] = True
    assert change_by_hour(panel)["n"].sum() == len(panel) - 1 - 3
    assert change_by_weekday(panel, horizon_hours=24)["n"].sum() == len(panel) - 24 - 4


@pytest.mark.parametrize("lag_hours", [0, 12, 30])
def test_activity_counts_for_the_day_it_belongs_to(lag_hours):
    table = activity_by_weekday(made_up(lag_hours=lag_hours), publication_lag_hours=lag_hours)
    means = table[table["column"] == "transfer_volume_usd"].set_index("slot")["mean"]
    relative = 7 / (5 + 0.5 + 0.4)
    expected = [relative] * 5 + [0.5 * relative, 0.4 * relative]
    np.testing.assert_allclose(means, expected, rtol=0.02)
    assert table["column"].unique().tolist() == list(ACTIVITY)
    assert (table["p_value"] < 1e-6).all()


def test_a_panel_without_onchain_values_has_an_empty_table():
    panel = made_up().assign(**dict.fromkeys(ACTIVITY, np.nan))
    table = activity_by_weekday(panel, publication_lag_hours=12)
    assert table.empty
    assert list(table) == [
        *("asset", "column", "slot", "mean", "low", "high", "n", "f_statistic", "p_value")
    ]


def test_words():
    table = pd.DataFrame({"f_statistic": [10.46], "p_value": [3e-9]})
    assert equality_words(table) == "F = 10.5, p < 0.001"
    assert equality_words(table.assign(p_value=0.0416)) == "F = 10.5, p = 0.042"


def test_the_quietest_day_is_named():
    table = activity_by_weekday(made_up(), publication_lag_hours=12)
    assert activity_words(table).startswith("on Sundays transfers fall to 47 % of their mean")
    others = table[table["column"] != "transfer_volume_usd"].assign(
        mean=lambda t: 1 + t["slot"] / 10
    )
    assert activity_words(others) == "on Mondays active addresses fall to 100 % of their mean"


def test_weekdays_of_daily_bars_are_those_of_their_closes():
    panel = made_up(days=LONG)
    panel["imputed"] = panel["time"].dt.hour != 0
    table = change_by_weekday(panel, horizon_hours=24, step_hours=24)
    closes = panel[~panel["imputed"]]
    change = 100 * np.diff(np.log(closes["dvol_close"]))
    days = closes["time"].iloc[:-1].dt.day_of_week.to_numpy()
    mean, error = newey_west(change, days, 2)
    np.testing.assert_allclose(table["mean"], mean, rtol=1e-9, atol=1e-9)
    width = norm.ppf(0.975) * error
    np.testing.assert_allclose(table["high"] - table["mean"], width, rtol=1e-9)
    assert change_by_weekday(panel, horizon_hours=30, step_hours=24).empty
