from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from weekly_panel import made_up

from dvol_utils.data.checks.distributions import (
    bar_changes,
    daily_closes,
    fitness,
    histogram,
    tail_table,
    unit_root_table,
)
from dvol_utils.data.checks.seasonality import change_by_hour


def dvol_panel(log_level: np.ndarray) -> pd.DataFrame:
    time = pd.date_range("2022-01-03 01:00", periods=len(log_level), freq="h", tz="UTC")
    frame = pd.DataFrame({"time": time, "asset": "BTC", "dvol_close": 60 * np.exp(log_level)})
    return frame.assign(price_close=30_000.0, imputed=False)


def ornstein(memory: float, days: int = 400, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    level = np.zeros(24 * days)
    for i, shock in enumerate(0.01 * rng.standard_normal(len(level) - 1)):
        level[i + 1] = (1 - 1 / memory) * level[i] + shock
    return level


def test_a_random_walk_and_a_stationary_level_are_told_apart():
    def verdicts(level: np.ndarray) -> dict[tuple[str, str], bool]:
        table = unit_root_table(dvol_panel(level))
        return table.set_index(["series", "test"])["reject"].to_dict()

    hourly, daily = "log DVOL, hourly", "log DVOL, daily close"
    walk, stationary = verdicts(ornstein(1e12)), verdicts(ornstein(24, days=800))
    assert walk == {
        (hourly, "ADF"): False,
        (hourly, "KPSS"): True,
        (daily, "ADF"): False,
        (daily, "KPSS"): True,
    }
    assert stationary == {
        (hourly, "ADF"): True,
        (hourly, "KPSS"): False,
        (daily, "ADF"): True,
        (daily, "KPSS"): False,
    }


def test_the_adf_statistic_is_the_t_value_of_the_lagged_level():
    log_level = ornstein(200)
    table = unit_root_table(dvol_panel(log_level))
    row = table[(table["series"] == "log DVOL, hourly") & (table["test"] == "ADF")].iloc[0]
    y = np.log(60 * np.exp(log_level))
    dy, lags = np.diff(y), 48
    rows = [[1.0, y[t]] + [dy[t - lag] for lag in range(1, lags + 1)] for t in range(lags, len(dy))]
    x, target = np.array(rows), dy[lags:]
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ target
    residual = target - x @ beta
    variance = residual @ residual / (len(target) - x.shape[1])
    assert row["statistic"] == pytest.approx(beta[1] / np.sqrt(variance * inverse[1, 1]), rel=1e-5)
    assert (row["lags"], row["observations"]) == (48, len(target))


def test_the_kpss_statistic_is_the_sum_of_squared_partial_sums():
    log_level = ornstein(200)
    table = unit_root_table(dvol_panel(log_level))
    row = table[(table["series"] == "log DVOL, hourly") & (table["test"] == "KPSS")].iloc[0]
    e = np.log(60 * np.exp(log_level))
    e -= e.mean()
    n, lags = len(e), int(row["lags"])
    long_run = e @ e / n
    for lag in range(1, lags + 1):
        long_run += 2 / n * (1 - lag / (lags + 1)) * (e[lag:] @ e[:-lag])
    assert lags == 24 * table["lags"].iloc[1]  # as many days as on daily closes
    assert row["statistic"] == pytest.approx((np.cumsum(e) ** 2).sum() / n**2 / long_run)


def test_too_short_series_are_left_out():
    table = unit_root_table(dvol_panel(ornstein(24, days=30)))
    assert set(table["series"]) == {"log DVOL, hourly"}


def test_daily_closes_are_the_last_hours_of_utc_days():
    panel = dvol_panel(np.arange(60) / 100)
    days = daily_closes(panel)
    assert days["time"].tolist() == [
        pd.Timestamp(f"2022-01-{day}", tz="UTC") for day in ("04 00:00", "05 00:00", "05 12:00")
    ]
    assert days["dvol_close"].tolist() == panel["dvol_close"].iloc[[23, 47, 59]].tolist()


def test_changes_stay_within_an_asset_and_away_from_imputed_hours():
    panel = dvol_panel(np.arange(10) / 100)
    panel.loc[4, "imputed"] = True
    both = pd.concat([panel, panel.assign(asset="ETH", imputed=False)], ignore_index=True)
    change = bar_changes(both)["change"]
    assert change.isna().to_numpy().nonzero()[0].tolist() == [0, 4, 5, 10]
    assert change.dropna().tolist() == pytest.approx([0.01] * 16)


def test_a_histogram_is_a_density():
    values = pd.Series(np.random.default_rng(0).standard_normal(20_000) * 3 + 1)
    table = histogram(values, bins=40, tail=0.0)
    width = table["right"] - table["left"]
    assert (table["density"] * width).sum() == pytest.approx(1)
    middle = (table["left"] + table["right"]) / 2
    expected = norm.pdf(middle, values.mean(), values.std())
    np.testing.assert_allclose(table["normal"], expected)
    assert np.abs(table["density"] - table["normal"]).max() < 0.01
    trimmed = histogram(values, bins=40, tail=0.05)
    inside = (trimmed["density"] * (trimmed["right"] - trimmed["left"])).sum()
    assert inside == pytest.approx(0.9, abs=1e-3)


def test_tails_count_hours_beyond_k_standard_deviations():
    rng = np.random.default_rng(1)
    change = 0.01 * rng.standard_normal(2_000)
    change[[500, 900]] = (0.2, -0.3)
    table = tail_table(dvol_panel(np.cumsum(change))).set_index("beyond_sd")
    kept = change[1:]
    score = np.abs(kept - kept.mean()) / kept.std(ddof=1)
    for k in (1, 2, 3, 5, 10):
        assert table.loc[k, "bars"] == sum(1 for value in score if value > k)
        assert table.loc[k, "share_percent"] == pytest.approx(
            100 * table.loc[k, "bars"] / len(kept)
        )
    assert table.loc[2, "normal_percent"] == pytest.approx(4.5500264)


def checks(*failures: str) -> pd.DataFrame:
    rows = [("BTC", "closes", True, "all there"), ("BTC", "clocks", None, "no price")]
    rows += [("BTC", "broken", False, words) for words in failures]
    return pd.DataFrame(rows, columns=["asset", "check", "passed", "words"])


def test_data_that_failed_a_check_is_not_fit():
    panel = made_up().assign(price_close=1.0)
    found = checks("a clock is off", "a feed had stopped")
    (words,) = fitness(panel, unit_root_table(panel), change_by_hour(panel), found)
    assert words.startswith(
        "**The data of BTC is not fit for the study** (a clock is off; a feed had stopped): 1,680 "
        "hours from 2022-01-03 01:00"
    )


def test_daily_bars_are_described_day_by_day():
    panel = made_up(days=200).assign(price_close=1.0)
    panel["imputed"] = panel["time"].dt.hour != 0
    panel["dvol_close"] = panel["dvol_close"].mask(panel["imputed"]).ffill().bfill()
    daily = panel[~panel["imputed"]]
    change = bar_changes(panel, step_hours=24).dropna()
    assert change["time"].tolist() == daily["time"].tolist()[1:]
    np.testing.assert_allclose(change["change"], np.diff(np.log(daily["dvol_close"])))
    assert set(unit_root_table(panel, step_hours=24)["series"]) == {"log DVOL, daily close"}
    by_hour = change_by_hour(panel, step_hours=24)
    assert by_hour.empty
    (words,) = fitness(panel, unit_root_table(panel, step_hours=24), by_hour, checks())
    assert "Changes" not in words


def test_words_of_fitness_come_from_the_numbers():
    panel = made_up(hour_bp=-100).assign(price_close=1.0)
    panel.loc[[50, 51], "imputed"] = True
    (words,) = fitness(panel, unit_root_table(panel), change_by_hour(panel), checks())
    assert words.startswith(
        "**The data of BTC is fit for the study**: 1,680 hours from 2022-01-03 01:00 to "
        "2022-03-14 00:00 UTC, of which 2 (0.12 %) are imputed and never scored."
    )
    assert "in the bar from 08:00 UTC: calendar features have something to learn." in words
    plain = made_up(seed=3).assign(price_close=1.0)
    (words,) = fitness(plain, unit_root_table(plain), change_by_hour(plain), checks())
    assert "of which none is imputed." in words
    assert "Changes do not differ by hour of day (F = " in words
