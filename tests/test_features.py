from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd
import pytest
from market import small_jumps, small_panel, small_study

from dvol_utils.samples.features import (
    GROUPS,
    absent_features,
    build_features,
    feature_columns,
    jump_regime,
    level_regime,
    realised_volatility,
    trailing_volatility,
)
from dvol_utils.study.fitting_section import FeatureGroup


@pytest.fixture(scope="module")
def study():
    return small_study()


@pytest.fixture(scope="module")
def panel():
    return small_panel()


@pytest.fixture(scope="module")
def jumps(panel, study):
    return small_jumps(panel, study)


@pytest.fixture(scope="module")
def features(panel, jumps, study):
    return build_features(panel, jumps, study)


def test_the_published_group_has_the_eleven_published_inputs():
    assert GROUPS["published"] == (
        "dvol_lag_1d", "dvol_lag_7d", "dvol_lag_30d", "transaction_volume", "network_activity",
        "nvrv", "dvol_rv_spread", "jump_indicator", "jump_magnitude", "days_since_jump",
        "jump_cluster_7d",
    )  # fmt: skip


def test_a_study_may_name_every_group_and_no_other():
    assert get_args(FeatureGroup) == tuple(GROUPS)


def test_columns_are_those_of_the_groups_whatever_order_they_are_asked_in(features):
    assert feature_columns(["calendar", "har"]) == [*GROUPS["har"], *GROUPS["calendar"]]
    assert list(features) == feature_columns(list(GROUPS))


def test_lags_count_back_from_the_target(panel, features):
    dvol = panel["dvol_close"].to_numpy()
    row = 1_500
    assert features["dvol_lag_1d"].iloc[row] == dvol[row]
    assert features["dvol_lag_7d"].iloc[row] == dvol[row + 24 - 168]
    assert features["dvol_lag_30d"].iloc[row] == dvol[row + 24 - 720]


def test_lags_never_reach_past_the_origin(panel, jumps):
    week = small_study(**{"target.horizon_hours": 168, "significance.block_hours": 168})
    features = build_features(panel, jumps, week)
    dvol = panel["dvol_close"].to_numpy()
    for name in ("dvol_lag_1d", "dvol_lag_7d"):
        np.testing.assert_array_equal(features[name], dvol)


def test_gaps_are_in_units_of_a_days_volatility(panel, jumps, features):
    level = np.log(panel["dvol_close"].to_numpy())
    flags = jumps["is_jump"].to_numpy()
    row = 2_000
    change = np.diff(level)[row - 240 : row]
    calm = change[~flags[row - 239 : row + 1]]
    day = np.sqrt(24 * np.mean(calm**2))
    expected = (level[row] - level[row - 71 : row + 1].mean()) / day
    assert features["gap_72h"].iloc[row] == pytest.approx(expected, rel=1e-9)


def test_realised_volatility_of_a_constant_move_is_that_move_annualised():
    price = pd.Series(100 * np.exp(0.01 * (np.arange(800) % 2)))
    assert realised_volatility(price).iloc[-1] == pytest.approx(100 * 0.01 * np.sqrt(8_760))


def test_jump_state_counts_from_the_last_jump(panel, study, jumps):
    flags = jumps.assign(is_jump=False, jump_size=0.0)
    flags.loc[[1_000, 1_100], "is_jump"] = True
    flags.loc[[1_000, 1_100], "jump_size"] = [0.05, -0.04]
    features = build_features(panel, flags, study).reset_index()
    assert features["jump_indicator"].sum() == 2
    assert features.loc[1_000, "days_since_jump"] == 0
    assert features.loc[1_048, "days_since_jump"] == pytest.approx(np.log1p(2))
    assert features.loc[999, "days_since_jump"] == pytest.approx(np.log1p(30))
    assert features.loc[1_150, "jump_cluster_7d"] == pytest.approx(np.log1p(2))
    assert features.loc[1_168, "jump_cluster_7d"] == pytest.approx(np.log1p(1))
    assert features.loc[1_000, "jump_magnitude"] > 0 > features.loc[1_100, "jump_magnitude"]


def test_calendar_waves_count_from_monday(panel, features):
    time = panel["time"].dt
    angle = 2 * np.pi * (time.day_of_week * 24 + time.hour).to_numpy() / 168
    np.testing.assert_allclose(features["week_sin_7"], np.sin(7 * angle), atol=1e-12)
    np.testing.assert_allclose(features["week_cos_1"], np.cos(angle), atol=1e-12)


def test_calendar_repeats_every_week_and_differs_within_it(features):
    week = features[list(GROUPS["calendar"])].to_numpy()
    np.testing.assert_allclose(week[:168], week[168:336], atol=1e-12)
    assert len(np.unique(week[:168].round(9), axis=0)) == 168


def test_the_clock_counts_from_midnight_and_from_monday(panel, features):
    time = panel["time"].dt
    np.testing.assert_allclose(features["hour_of_day"] * 24, time.hour, atol=1e-12)
    week = time.day_of_week * 24 + time.hour
    np.testing.assert_allclose(features["hour_of_week"] * 168, week, atol=1e-12)


def test_expiries_are_flagged_for_a_day_before_and_a_day_after(features):
    """Of the small market's months only March 2022 ends a quarter."""
    for kind, expiries in (
        ("month", ["2022-01-28", "2022-02-25", "2022-03-25", "2022-04-29", "2022-05-27"]),
        ("quarter", ["2022-03-25"]),
    ):
        for side, first in (("ahead", 8 - 24), ("behind", 8)):
            hours = [pd.Timestamp(e, tz="UTC") + pd.Timedelta(hours=first) for e in expiries]
            flagged = [h + pd.Timedelta(hours=k) for h in hours for k in range(24)]
            column = features[f"{kind}_expiry_{side}"]
            assert column.index[column == 1].tolist() == flagged
            assert set(column) == {0.0, 1.0}


def test_short_volatility_is_in_units_of_the_targets(panel, jumps, study, features):
    frame, flags = panel.set_index("time"), jumps.set_index("time")
    short, long = (trailing_volatility(frame, flags, hours) for hours in (336, 240))
    np.testing.assert_allclose(features["volatility_336h"], short / long, rtol=1e-12)
    assert features["volatility_336h"].iloc[:168].isna().all()


def test_a_flat_market_has_no_volatility_to_measure_by(panel, jumps):
    study = small_study(**{"features.groups": ["calendar"]})
    flat = panel.assign(**{f"dvol_{bar}": 60.0 for bar in ("open", "high", "low", "close")})
    calm = jumps.assign(is_jump=False)
    assert build_features(flat, calm, study)["volatility_336h"].isna().all()


@pytest.mark.parametrize("hours", [24, 400, 900])
@pytest.mark.parametrize("column", ["price_close", "dvol_close"])
def test_a_stretch_that_stands_still_gives_no_infinite_feature(panel, jumps, study, column, hours):
    still = panel.copy()
    still.loc[1_000 : 1_000 + hours, column] = still.loc[1_000, column]
    features = build_features(still, jumps, study)
    assert not np.isinf(features.to_numpy()).any()
    if column == "price_close":
        assert np.isnan(features["volatility_ratio"].iloc[1_000 + hours])
    moved = build_features(panel, jumps, study)  # before it, nothing has changed
    pd.testing.assert_frame_equal(features.iloc[:1_000], moved.iloc[:1_000])


def test_jumps_do_not_enter_trailing_volatility(panel, jumps, study):
    frame, flags = panel.set_index("time"), jumps.set_index("time")
    calm = trailing_volatility(frame, flags.assign(is_jump=False), 240)
    aware = trailing_volatility(frame, flags, 240)
    assert flags["is_jump"].any()
    assert (aware.dropna() <= calm[aware.notna()] + 1e-12).mean() > 0.9


def test_regimes_look_back_only():
    is_jump = pd.Series([False, True, False, False, False])
    assert jump_regime(is_jump, 3).tolist() == [False, True, True, True, False]
    levels = level_regime(pd.Series([1.0, 2.0, 3.0, 4.0, 0.5, 2.5]), 4)
    assert levels.tolist()[3:] == ["high", "low", "middle"]


def test_a_column_without_its_source_is_missing_throughout(panel, jumps, study):
    features = build_features(panel.assign(transfer_volume_usd=np.nan), jumps, study)
    assert absent_features(features) == ["transaction_volume"]
    assert absent_features(build_features(panel, jumps, study)) == []
