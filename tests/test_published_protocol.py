"""The published rules on the same code: what they compute, and that each of them leaks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from market import small_panel, small_study
from pydantic import ValidationError
from test_no_lookahead import changed_after

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated.market import write_store
from dvol_utils.forecasting.walk import forecast_table
from dvol_utils.jumps import jumps_by_rule
from dvol_utils.pages.training import target_text
from dvol_utils.samples.features import build_features
from dvol_utils.samples.samples import build_samples
from dvol_utils.samples.scaling import rolling_location_scale
from dvol_utils.study.loading import load_study

RULES = {
    "split.separate_scaling": True,
    "jumps.rule": "published",
    "jumps.regime_hours": 1,
    "features.groups": ["published"],
    "features.exclude_jumps": False,
    "features.lags_from": "row",
    "target.kind": "scaled_level",
    "target.horizon_hours": 1,
    "models": ["persistence", "har"],
}


def samples_of(panel, **overrides):
    study = small_study(**overrides)
    return build_samples(panel, jumps_by_rule(panel, study.jumps), study)


@pytest.fixture(scope="module")
def panel():
    return small_panel()


@pytest.fixture(scope="module")
def published(panel):
    return samples_of(panel, **RULES)


def test_the_target_is_the_level_in_a_window_that_holds_it(panel, published):
    level = panel["dvol_close"].to_numpy()
    row = published.rows("test")[100]
    window = level[row + 2 - 240 : row + 2]
    assert window[-1] == published.outcome[row]
    assert published.location[row] == pytest.approx(window.mean())
    assert published.scale[row] == pytest.approx(window.std(ddof=1))
    assert published.target[row] == pytest.approx((window[-1] - window.mean()) / window.std(ddof=1))


def test_the_target_maps_back_with_the_same_mean_and_deviation(published):
    rows = published.rows("test")
    np.testing.assert_allclose(
        published.to_points(published.target, None)[rows], published.outcome[rows]
    )
    np.testing.assert_allclose(
        published.to_points(published.target[rows], rows), published.outcome[rows]
    )


def test_scaled_at_the_origin_the_window_ends_there(panel):
    samples = samples_of(panel, **RULES, **{"target.scaled_at": "origin"})
    row = samples.rows("test")[100]
    window = panel["dvol_close"].to_numpy()[row + 1 - 240 : row + 1]
    assert samples.location[row] == pytest.approx(window.mean())
    assert samples.scale[row] == pytest.approx(window.std(ddof=1))


def test_lags_count_back_from_the_row_and_have_their_own_scale(panel):
    study = small_study(**RULES)
    jumps = jumps_by_rule(panel, study.jumps)
    features = build_features(panel, jumps, study)
    level = panel["dvol_close"].to_numpy()
    for name, hours in (("dvol_lag_1d", 24), ("dvol_lag_7d", 168), ("dvol_lag_30d", 720)):
        assert features[name].iloc[2_000] == level[2_000 - hours]
    scaled = build_samples(panel, jumps, study).features["dvol_lag_1d"].iloc[2_000]
    window = level[2_001 - 240 - 24 : 2_001 - 24]
    assert scaled == pytest.approx((level[2_000 - 24] - window.mean()) / window.std(ddof=1))


def test_each_split_loses_its_first_window(panel, published):
    """Of n rows of a split, n - (w - 1) - 24 are scored, as in the published study."""
    study = small_study(**RULES)
    rows = int((panel["time"] >= study.split.test_start).sum())
    assert len(published.rows("test")) == rows - 239 - 24
    first = published.rows("test")[0]
    begin = int((panel["time"] < study.split.test_start).sum())
    assert first == begin + 239 + 23


def test_parts_are_scaled_apart():
    values = pd.Series(np.r_[np.arange(10.0), 100 + np.arange(10.0)])
    scaling = rolling_location_scale(values, values < 0, 4, np.repeat([0, 1], 10))
    assert scaling["location"].isna().tolist() == ([True] * 3 + [False] * 7) * 2
    assert scaling["location"].iloc[13] == 101.5
    np.testing.assert_array_equal(scaling.index, values.index)


def test_rows_are_counted_where_hours_were_dropped(panel):
    """At a hole, the row before it forecasts the row behind it as if it were an hour away."""
    holes = panel.drop(index=range(3_400, 3_423)).reset_index(drop=True)
    study = small_study(**RULES)
    samples = build_samples(holes, jumps_by_rule(holes, study.jumps), study)
    assert samples.outcome[3_399] == panel["dvol_close"][3_423]
    table, _ = forecast_table(samples, study)
    at_hole = table[table["target_time"] == panel["time"][3_423]].iloc[0]
    assert at_hole["y_origin"] == panel["dvol_close"][3_399]
    assert at_hole["origin"] == panel["time"][3_422]


def test_errors_overlap_as_long_as_the_newest_lag_is_old():
    assert small_study().overlap_hours == 24
    assert small_study(**RULES).overlap_hours == 25


def test_incomplete_bars_leave_the_panel(tmp_path):
    data = load_study("smoke").data
    write_store(tmp_path, data)
    file = tmp_path / "btc_dvol_hourly.csv"
    bars = pd.read_csv(file)
    bars.loc[500:522, ["dvol_open", "dvol_high", "dvol_low"]] = np.nan
    bars.to_csv(file, index=False)
    kept, dropped = (
        build_panel(tmp_path, data.model_copy(update={"incomplete_bars": how}))
        for how in ("keep", "drop")
    )
    expected = kept.drop(index=range(500, 523)).reset_index(drop=True)
    pd.testing.assert_frame_equal(dropped, expected)


def test_a_day_is_known_from_its_start_at_the_published_lag(tmp_path):
    data = load_study("smoke").data
    write_store(tmp_path, data)
    early, late = (
        build_panel(tmp_path, data.model_copy(update={"publication_lag_hours": lag}))
        for lag in (-24, 12)
    )
    column = "active_addresses"
    assert (early[column].iloc[100:500].to_numpy() == late[column].iloc[136:536].to_numpy()).all()
    with pytest.raises(ValidationError, match="greater than or equal to -24"):
        type(data)(publication_lag_hours=-25)


# Each rule of the published study, alone: what it lets know of the future.
def test_leak_jump_rule(panel):
    params = small_study(**{"jumps.rule": "published"}).jumps
    cut = 3_100
    one, two = (jumps_by_rule(p, params)["is_jump"][: cut + 1] for p in (panel, crash(panel, cut)))
    assert (one != two).any()


def test_leak_target_scaling(panel):
    cut = 3_100
    other = changed_after(panel, cut)
    for at, leaks in (("target", True), ("origin", False)):
        rules = {"target.kind": "scaled_level", "target.scaled_at": at}
        one, two = (samples_of(p, **rules) for p in (panel, other))
        forecast = np.zeros(len(panel))
        moved = one.to_points(forecast) != two.to_points(forecast)
        known = np.isfinite(one.to_points(forecast))
        assert (moved & known)[: cut + 1].any() == leaks


def test_leak_onchain_values(tmp_path):
    data = load_study("smoke").data
    write_store(tmp_path, data)
    file = tmp_path / "btc_onchain_daily.csv"
    onchain = pd.read_csv(file)
    day = 60
    cut = pd.Timestamp(onchain["timestamp"][day], unit="ms", tz="UTC") + pd.Timedelta(hours=6)
    later = onchain.copy()
    later.loc[day:, ["active_addresses", "mvrv"]] *= 2  # the day goes on for 18 hours
    for lag, leaks in ((-24, True), (0, False), (12, False)):
        panels = []
        for table in (onchain, later):
            table.to_csv(file, index=False)
            made = build_panel(tmp_path, data.model_copy(update={"publication_lag_hours": lag}))
            panels.append(made.loc[made["time"] <= cut, ["active_addresses", "mvrv"]])
        assert panels[0].equals(panels[1]) != leaks


def test_leak_dropped_hours(panel):
    """The row called an hour ahead is a day ahead at a hole, which only the future tells."""
    row = 3_199
    holes = panel.drop(index=range(row + 1, row + 24)).reset_index(drop=True)
    whole, dropped = (samples_of(p, **RULES) for p in (panel, holes))
    assert whole.outcome[row] != dropped.outcome[row]
    np.testing.assert_array_equal(whole.dvol[: row + 1], dropped.dvol[: row + 1])


def crash(panel: pd.DataFrame, cut: int) -> pd.DataFrame:
    """The same market up to `cut`, and a level four times as high, that jumps, after it."""
    other = changed_after(panel, cut)
    other.loc[cut + 1 :, "dvol_close"] *= 4
    return other


def test_a_page_says_what_the_target_of_its_own_study_knows():
    assert target_text(small_study()).startswith("Nothing in inputs or the target's scale is from")
    leaky = target_text(small_study(**RULES))
    assert leaky.startswith("This study follows the published rules (`target.kind: scaled_level`)")
    assert "Nothing" not in leaky
    level = target_text(small_study(**RULES, **{"target.scaled_at": "origin"}))
    assert level.startswith("In this study the target is the level less its rolling mean")
    assert "Nothing in inputs" in level
