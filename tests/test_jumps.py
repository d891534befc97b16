"""Jumps of a panel: alignment, gaps, two assets, no look-ahead, and figures of the result."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from market import small_panel

from dvol_utils.jumps import detect_jumps, hourly_log_returns, panel_periodicity
from dvol_utils.jumps.periodicity import periodicity_factor, periodicity_wsd
from dvol_utils.jumps.statistics import lee_mykland
from dvol_utils.study.fitting_section import JumpParams

PARAMS = JumpParams(window=50, alpha=0.05, n_tests=1_000)
COLUMNS = ["time", "asset", "log_return", "sigma", "periodicity", "statistic", "p_value"]
COLUMNS += ["is_jump", "jump_size"]


def test_rows_columns_and_values_follow_the_panel():
    panel = small_panel(1_000).set_index(pd.RangeIndex(500, 1_500))
    jumps = detect_jumps(panel, PARAMS)
    assert list(jumps.columns) == COLUMNS
    assert jumps.index.equals(panel.index)
    pd.testing.assert_frame_equal(jumps[["time", "asset"]], panel[["time", "asset"]])
    returns = np.log(panel["dvol_close"]).diff()
    np.testing.assert_allclose(jumps["log_return"], returns)
    test = lee_mykland(jumps["log_return"], window=50, alpha=0.05, n_tests=1_000)
    assert jumps["is_jump"].dtype == bool
    pd.testing.assert_frame_equal(
        jumps[["sigma", "statistic", "p_value"]], test[["sigma", "statistic", "p_value"]]
    )
    assert (jumps["is_jump"] == test["is_jump"].fillna(False)).all()
    assert jumps["is_jump"].sum() > 5
    assert (jumps["jump_size"] == jumps["log_return"].where(jumps["is_jump"], 0.0)).all()
    assert (jumps["periodicity"] == 1).all()


def test_returns_into_and_out_of_imputed_hours_are_not_tested():
    panel = small_panel(400)
    panel.loc[200:202, "imputed"] = True
    panel.loc[200:202, "dvol_close"] = panel.loc[199, "dvol_close"]
    panel.loc[300:, "dvol_close"] *= 3  # a jump at 300
    panel = panel.drop(index=[250, 251])  # a hole: 252 is no hourly return
    jumps = detect_jumps(panel, PARAMS)
    untested = jumps.index[jumps["statistic"].isna()]
    assert list(untested) == [*range(50), 200, 201, 202, 203, 252]
    assert jumps.loc[untested, ["sigma", "p_value"]].isna().all(axis=None)
    assert not jumps.loc[untested, "is_jump"].any()
    assert (jumps.loc[untested, "jump_size"] == 0).all()
    assert jumps.loc[300, "is_jump"]
    assert jumps.loc[300, "jump_size"] > 0.9


def test_two_assets_are_tested_apart():
    one, two = small_panel(600, 1), small_panel(450, 2, "ETH")
    both = pd.concat([one, two], ignore_index=True)
    mixed = both.sort_values(["time", "asset"], kind="stable")
    jumps = detect_jumps(mixed, PARAMS)
    assert jumps.index.equals(mixed.index)
    for asset, alone in (("BTC", one), ("ETH", two)):
        rows = jumps[jumps["asset"] == asset].reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, detect_jumps(alone, PARAMS), check_exact=True)


def test_later_hours_move_nothing():
    panel = small_panel(800)
    factors = panel_periodicity(panel, 24, before=panel["time"].iloc[600])
    changed = panel.copy()
    changed.loc[700:, "dvol_close"] *= np.random.default_rng(0).lognormal(0, 1, 100)
    for periodicity in (None, factors):
        whole, other, part = (
            detect_jumps(table, PARAMS, periodicity=periodicity)[:700]
            for table in (panel, changed, panel[:700])
        )
        pd.testing.assert_frame_equal(whole, other, check_exact=True)
        pd.testing.assert_frame_equal(whole, part, check_exact=True)


def test_periodicity_is_estimated_before_a_date_and_looked_up_by_slot():
    panel = pd.concat([small_panel(900, 1), small_panel(900, 2, "ETH")], ignore_index=True)
    before = panel["time"].iloc[700]
    factors = panel_periodicity(panel, 24, before=before)
    changed = panel.copy()
    changed.loc[changed["time"] >= before, "dvol_close"] *= 2
    pd.testing.assert_frame_equal(factors, panel_periodicity(changed, 24, before=before))
    eth = panel[(panel["asset"] == "ETH") & (panel["time"] < before)].set_index("time")
    alone = periodicity_wsd(np.log(eth["dvol_close"]).diff(), 24)
    pd.testing.assert_series_equal(factors["ETH"], alone, check_names=False)

    jumps = detect_jumps(panel, PARAMS, periodicity=factors)
    for asset in ("BTC", "ETH"):
        rows = jumps[jumps["asset"] == asset]
        expected = periodicity_factor(factors[asset], rows["time"])
        np.testing.assert_array_equal(rows["periodicity"], expected)
        np.testing.assert_allclose(
            rows["statistic"], rows["log_return"] / expected / rows["sigma"], rtol=1e-12
        )
    single = detect_jumps(panel, PARAMS, periodicity=factors["BTC"])
    assert single.loc[jumps["asset"] == "BTC", "statistic"].equals(
        jumps.loc[jumps["asset"] == "BTC", "statistic"]
    )


def test_price_is_tested_where_there_is_one():
    panel = small_panel(500)
    panel.loc[:99, "price_close"] = np.nan
    jumps = detect_jumps(panel, PARAMS, column="price_close")
    assert jumps["statistic"].first_valid_index() == 150
    np.testing.assert_allclose(jumps["log_return"][101:], np.log(panel["price_close"]).diff()[101:])


def test_flat_series_has_no_jumps():
    jumps = detect_jumps(small_panel(300).assign(dvol_close=50.0), PARAMS)
    assert jumps["statistic"].isna().all()
    assert not jumps["is_jump"].any()


def test_a_day_without_a_move_has_no_jumps_and_the_hours_after_it_are_tested():
    panel = small_panel(400)
    panel.loc[200:224, "dvol_close"] = panel.loc[200, "dvol_close"]  # 24 zero returns
    jumps = detect_jumps(panel, PARAMS)
    assert (jumps.loc[201:224, "log_return"] == 0).all()
    assert (jumps.loc[201:224, "statistic"] == 0).all()
    assert not jumps.loc[201:224, "is_jump"].any()
    assert jumps.loc[225:, "statistic"].notna().all()
    short = detect_jumps(panel, JumpParams(window=12, alpha=0.05, n_tests=1_000))
    # Ten products of zero: no yardstick, so the first move after the day is not tested.
    assert short.loc[225, ["sigma", "statistic", "p_value"]].isna().all()
    assert not short.loc[225, "is_jump"]
    assert short.loc[225, "jump_size"] == 0


def test_missing_levels_are_not_tested():
    panel = small_panel(400)
    panel.loc[200, "dvol_close"] = np.nan
    jumps = detect_jumps(panel, PARAMS)
    assert list(jumps.index[jumps["statistic"].isna()]) == [*range(50), 200, 201]
    assert not jumps.loc[200:201, "is_jump"].any()
    message = "BTC has 0 hourly returns of dvol_close; jumps.window 50 needs at least as many"
    with pytest.raises(ValueError, match=message):
        detect_jumps(panel.assign(dvol_close=np.nan), PARAMS)


def test_factors_of_a_panel_with_a_flat_day_or_too_few_rows():
    panel = small_panel(900)
    before = panel["time"].iloc[-1] + pd.Timedelta(hours=1)
    flat = panel.copy()
    flat.loc[240:263, "dvol_close"] = flat.loc[239, "dvol_close"]  # a UTC day, open 00 to 23
    without = panel.copy()
    without.loc[240:263, "dvol_close"] = np.nan
    without.loc[264, "dvol_close"] = np.nan  # the return after the flat day is another one
    flat.loc[264, "dvol_close"] = np.nan
    pd.testing.assert_frame_equal(
        panel_periodicity(flat, 24, before=before), panel_periodicity(without, 24, before=before)
    )
    with pytest.raises(ValueError, match=r"panel: no rows before 2021-01-01 .*training rows"):
        panel_periodicity(panel, 24, before=pd.Timestamp("2021-01-01", tz="UTC"))
    with pytest.raises(ValueError, match=r"slot \d+ of 168 has \d usable returns; at least 3"):
        panel_periodicity(panel[:200], 168, before=before)
    with pytest.raises(ValueError, match="slot 0 of 24 has 0 usable returns; at least 3"):
        panel_periodicity(panel.assign(dvol_close=50.0), 24, before=before)


def test_bad_panels_are_named():
    panel = small_panel(300)
    with pytest.raises(ValueError, match=r"columns \['imputed'\] are missing; found \['time'"):
        detect_jumps(panel.drop(columns="imputed"), PARAMS)
    with pytest.raises(ValueError, match="panel: no rows"):
        detect_jumps(panel[:0], PARAMS)
    message = "BTC has 49 hourly returns of dvol_close; jumps.window 50 needs at least as many"
    with pytest.raises(ValueError, match=message):
        detect_jumps(panel[:50], PARAMS)
    with pytest.raises(ValueError, match=r"dvol_close at 2022-01-03 06:00.* is -1.0; should be"):
        detect_jumps(
            panel.assign(dvol_close=panel["dvol_close"].where(panel.index != 5, -1.0)), PARAMS
        )
    with pytest.raises(ValueError, match=r"06:00.* is inf; should be positive and finite"):
        detect_jumps(
            panel.assign(dvol_close=panel["dvol_close"].where(panel.index != 5, np.inf)), PARAMS
        )
    with pytest.raises(ValueError, match=r"time 2022-01-03 05:00.* does not follow the row before"):
        hourly_log_returns(panel.iloc[[0, 1, 5, 4]], "dvol_close")
    with pytest.raises(ValueError, match=r"periodicity: no column BTC; found \['ETH'\]"):
        detect_jumps(panel, PARAMS, periodicity=pd.DataFrame({"ETH": np.ones(24)}))
