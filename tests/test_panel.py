from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dvol_utils.data.checks.coverage import gaps, panel_coverage
from dvol_utils.data.panel import VALUE_COLUMNS, build_panel, check_length
from dvol_utils.data.raw.files import RawStoreError
from dvol_utils.data.raw.store import series_path
from dvol_utils.data.simulated import market
from dvol_utils.study.data_section import DataParams
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import StudyParams

REAL = Path(__file__).parents[2] / "shared/data"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
START = pd.Timestamp("2021-01-01", tz="UTC")
PARAMS = DataParams(simulated={"start": START, "hours": 400, "seed": 5})
ROWS_DIFFER_BY = {"dvol": 1, "price": 1, "funding": 0, "onchain": 36}  # hours until known


def hour(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def milliseconds(time: pd.Timestamp) -> int:
    return int(time.timestamp()) * 1000


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    market.write_store(folder, PARAMS)
    return folder


@pytest.fixture
def raw(store, tmp_path) -> Path:
    """A copy of the store that a test may damage."""
    for file in store.glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def table_of(folder: Path, series: str) -> pd.DataFrame:
    return pd.read_csv(series_path(folder, "BTC", series))


def edit(folder: Path, series: str, change) -> None:
    table = change(table_of(folder, series))
    table.to_csv(series_path(folder, "BTC", series), index=False)


def without(first: str, last: str):
    """Drop the bars that open from `first` to `last`."""
    low, high = milliseconds(hour(first)), milliseconds(hour(last))
    return lambda table: table[~table["timestamp"].between(low, high)]


def at(panel: pd.DataFrame, time: str) -> pd.Series:
    return panel.set_index("time").loc[hour(time)]


def study_over(panel: pd.DataFrame, **overrides: object) -> StudyParams:
    first = panel["time"].iloc[0]
    splits = {
        "split.validation_start": str(first + pd.Timedelta(hours=250)),
        "split.test_start": str(first + pd.Timedelta(hours=320)),
        "jumps.window": 94,
        "features.scaling_window_hours": 48,
        "target.volatility_window_hours": 48,
        "edge.start": None,
        "edge.chose": [],
    }
    return load_study("smoke", splits | overrides)


def test_the_panel_has_one_row_an_hour_labelled_by_the_close(store):
    panel = build_panel(store, PARAMS)
    assert list(panel) == ["time", "asset", *VALUE_COLUMNS, "imputed"]
    assert panel["time"].tolist() == list(
        pd.date_range("2021-01-01 01:00", periods=400, freq="h", tz="UTC")
    )
    assert set(panel["asset"]) == {"BTC"}
    assert not panel["imputed"].any()
    assert not panel.isna().any(axis=None)
    raw_dvol, raw_price = table_of(store, "dvol"), table_of(store, "price")
    bar = raw_dvol[raw_dvol["timestamp"] == milliseconds(hour("2021-01-03 09:00"))].iloc[0]
    row = at(panel, "2021-01-03 10:00")
    for name in ("dvol_open", "dvol_high", "dvol_low", "dvol_close"):
        assert row[name] == bar[name]
    bar = raw_price[raw_price["timestamp"] == milliseconds(hour("2021-01-03 09:00"))].iloc[0]
    assert row["price_close"] == bar["close"]
    assert row["volume"] == bar["quote_volume"]


def test_onchain_values_enter_a_lag_after_the_end_of_their_day(store):
    panel = build_panel(store, PARAMS)
    raw = table_of(store, "onchain").set_index("timestamp")["mvrv"]
    third, fourth = (raw.loc[milliseconds(hour(f"2021-01-0{day}"))] for day in (3, 4))
    assert third != fourth
    assert at(panel, "2021-01-05 11:00")["mvrv"] == third
    assert at(panel, "2021-01-05 12:00")["mvrv"] == fourth
    without_lag = build_panel(store, PARAMS.model_copy(update={"publication_lag_hours": 0}))
    assert at(without_lag, "2021-01-04 23:00")["mvrv"] == third
    assert at(without_lag, "2021-01-05 00:00")["mvrv"] == fourth


def test_funding_enters_at_its_settlement(store):
    panel = build_panel(store, PARAMS)
    raw = table_of(store, "funding").set_index("timestamp")["funding_rate"]
    before, after = (raw.loc[milliseconds(hour(f"2021-01-04 {h}"))] for h in ("00:00", "08:00"))
    assert before != after
    assert at(panel, "2021-01-04 07:00")["funding_rate"] == before
    assert at(panel, "2021-01-04 08:00")["funding_rate"] == after


def test_values_from_before_the_first_hour_are_known_in_it(raw):
    cut = milliseconds(START - pd.Timedelta(hours=8))
    edit(raw, "funding", lambda t: t[t["timestamp"] != milliseconds(START)])
    panel = build_panel(raw, PARAMS)
    expected = table_of(raw, "funding").set_index("timestamp")["funding_rate"].loc[cut]
    assert panel["funding_rate"].iloc[0] == expected


def test_nothing_is_filled_backward(raw):
    first = milliseconds(hour("2021-01-05"))
    for series in ("price", "funding", "onchain"):
        edit(raw, series, lambda t: t[t["timestamp"] >= first])
    panel = build_panel(raw, PARAMS).set_index("time")
    assert panel["price_close"].first_valid_index() == hour("2021-01-05 01:00")
    assert panel["funding_rate"].first_valid_index() == hour("2021-01-05 00:00")
    assert panel["mvrv"].first_valid_index() == hour("2021-01-06 12:00")
    assert not panel["imputed"].any()


@pytest.mark.parametrize("series", ["dvol", "price"])
def test_a_short_gap_becomes_flat_bars_flagged_as_imputed(raw, series):
    whole = build_panel(raw, PARAMS)
    edit(raw, series, without("2021-01-04 10:00", "2021-01-04 12:00"))
    panel = build_panel(raw, PARAMS)
    hours = [hour(f"2021-01-04 {h}:00") for h in (11, 12, 13)]
    assert panel.loc[panel["imputed"], "time"].tolist() == hours
    last_close = at(whole, "2021-01-04 10:00")[f"{series}_close"]
    bars = panel.loc[panel["imputed"], [f"{series}_{n}" for n in ("open", "high", "low", "close")]]
    assert (bars == last_close).all(axis=None)
    others = ~panel["imputed"]
    pd.testing.assert_frame_equal(panel[others], whole[others])


def test_a_gap_as_long_as_allowed_is_filled_and_a_longer_one_refused(raw):
    edit(raw, "dvol", without("2021-01-04 10:00", "2021-01-05 09:00"))
    assert build_panel(raw, PARAMS)["imputed"].sum() == 24
    strict = PARAMS.model_copy(update={"max_fill_hours": 23})
    message = (
        r"btc_dvol_hourly\.csv: no bar for 24 hours, closes 2021-01-04 11:00:00\+00:00 to "
        r"2021-01-05 10:00:00\+00:00; data\.max_fill_hours allows 23: bring the missing rows, or "
        r"choose data\.start and data\.end beside the gap"
    )
    with pytest.raises(RawStoreError, match=message):
        build_panel(raw, strict)


def test_a_long_gap_may_lie_outside_start_and_end(raw):
    edit(raw, "dvol", without("2021-01-04 10:00", "2021-01-06 09:00"))
    after = PARAMS.model_copy(update={"start": hour("2021-01-06 11:00")})
    assert build_panel(raw, after)["time"].iloc[0] == hour("2021-01-06 11:00")
    before = PARAMS.model_copy(update={"end": hour("2021-01-04 10:00")})
    assert build_panel(raw, before)["time"].iloc[-1] == hour("2021-01-04 10:00")
    within = PARAMS.model_copy(update={"start": hour("2021-01-06 09:00")})
    with pytest.raises(RawStoreError, match="no bar for 48 hours, closes 2021-01-04 11:00"):
        build_panel(raw, within)


def test_a_price_that_ends_early_is_refused_as_a_gap(raw):
    edit(raw, "price", without("2021-01-10 00:00", "2021-12-31 00:00"))
    with pytest.raises(RawStoreError, match=r"btc_price_hourly\.csv: no bar for 184 hours"):
        build_panel(raw, PARAMS)


def test_start_and_end_beyond_the_data_are_refused(raw):
    late = PARAMS.model_copy(update={"start": hour("2022-01-01 00:00")})
    message = r"btc_dvol_hourly\.csv: no hour is left from data\.start 2022-01-01 .* the file holds"
    with pytest.raises(RawStoreError, match=message):
        build_panel(raw, late)


def test_empty_open_high_low_stay_empty_and_are_no_gap(raw):
    names = ["dvol_open", "dvol_high", "dvol_low"]

    def blank(table):
        table.loc[30:52, names] = np.nan
        return table

    edit(raw, "dvol", blank)
    panel = build_panel(raw, PARAMS)
    assert panel[names].isna().all(axis=1).to_numpy().nonzero()[0].tolist() == list(range(30, 53))
    assert not panel["imputed"].any()
    table = gaps(panel)
    assert table[["columns", "hours", "action"]].to_numpy().tolist() == [
        ["dvol_open, dvol_high, dvol_low", 23, "left empty"]
    ]


def test_empty_transfer_days_keep_the_last_known_value(raw):
    day = milliseconds(hour("2021-01-06"))

    def blank(table):
        table.loc[table["timestamp"] == day, "transfer_volume_usd"] = np.nan
        return table

    edit(raw, "onchain", blank)
    panel = build_panel(raw, PARAMS)
    known = table_of(raw, "onchain").set_index("timestamp")
    row = at(panel, "2021-01-07 12:00")
    assert row["transfer_volume_usd"] == known.loc[day - DAY_MS, "transfer_volume_usd"]
    assert row["mvrv"] == known.loc[day, "mvrv"]


def test_stale_values_go_missing(raw):
    edit(raw, "onchain", without("2021-01-03", "2022-01-01"))
    edit(raw, "funding", without("2021-01-03 00:00", "2021-01-06 00:00"))
    panel = build_panel(raw, PARAMS).set_index("time")
    assert panel["mvrv"].last_valid_index() == hour("2021-01-10 12:00")  # known 01-03 12:00
    funding = panel["funding_rate"].isna()
    assert funding[funding].index.min() == hour("2021-01-03 17:00")  # settled 01-02 16:00
    assert funding[funding].index.max() == hour("2021-01-06 07:00")


def test_absent_series_leave_empty_columns(raw):
    for series in ("price", "funding", "onchain"):
        series_path(raw, "BTC", series).unlink()
    panel = build_panel(raw, PARAMS)
    assert panel["dvol_close"].notna().all()
    empty = [name for name in VALUE_COLUMNS if not name.startswith("dvol")]
    assert panel[empty].isna().all(axis=None)
    assert (panel[empty].dtypes == "float64").all()
    assert not panel["imputed"].any()


def test_dvol_is_required(raw):
    series_path(raw, "BTC", "dvol").unlink()
    with pytest.raises(RawStoreError, match=r"btc_dvol_hourly\.csv: no such file"):
        build_panel(raw, PARAMS)


def test_assets_stand_one_after_the_other(tmp_path):
    params = PARAMS.model_copy(update={"assets": ["ETH", "BTC"]})
    market.write_store(tmp_path, params)
    panel = build_panel(tmp_path, params)
    assert panel["asset"].tolist() == ["BTC"] * 400 + ["ETH"] * 400
    assert panel.groupby("asset")["time"].is_monotonic_increasing.all()
    alone = build_panel(tmp_path, PARAMS)
    pd.testing.assert_frame_equal(panel.iloc[:400], alone)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    series=st.sampled_from(["dvol", "price", "funding", "onchain"]),
    where=st.floats(0, 1, exclude_max=True),
    factor=st.floats(1.1, 3.0),
    only_one=st.booleans(),
)
def test_no_value_enters_before_it_is_known(store, tmp_path, series, where, factor, only_one):
    """Change one raw row, or it and all later ones: panel rows before it is known stay."""
    whole = build_panel(store, PARAMS)
    for file in store.glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    table = table_of(store, series)
    row = int(where * len(table))
    rows = [row] if only_one else list(range(row, len(table)))
    values = [name for name in table if name != "timestamp"]
    table[values] = table[values].astype(float)
    table.loc[rows, values] *= factor
    table.to_csv(series_path(tmp_path, "BTC", series), index=False)
    changed = build_panel(tmp_path, PARAMS)
    known = pd.Timestamp(table.loc[row, "timestamp"], unit="ms", tz="UTC")
    known += pd.Timedelta(hours=ROWS_DIFFER_BY[series])
    before = whole["time"] < known
    pd.testing.assert_frame_equal(changed[before], whole[before])
    if known in set(whole["time"]):
        assert not changed.loc[whole["time"] == known].equals(whole.loc[whole["time"] == known])


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(series=st.sampled_from(["dvol", "price"]), first=st.integers(1, 370), n=st.integers(1, 24))
def test_dropping_bars_changes_no_earlier_row(store, tmp_path, series, first, n):
    whole = build_panel(store, PARAMS)
    for file in store.glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    gap = [milliseconds(START) + HOUR_MS * hour for hour in range(first, first + n)]
    edit(tmp_path, series, lambda table: table[~table["timestamp"].isin(gap)])
    panel = build_panel(tmp_path, PARAMS)
    pd.testing.assert_frame_equal(panel.iloc[:first], whole.iloc[:first])
    assert panel["imputed"].to_numpy().nonzero()[0].tolist() == list(range(first, first + n))


def test_coverage_counts_hours(raw):
    edit(raw, "dvol", without("2021-01-04 10:00", "2021-01-04 12:00"))
    edit(
        raw, "onchain", lambda table: table[table["timestamp"] >= milliseconds(hour("2021-01-02"))]
    )
    table = panel_coverage(build_panel(raw, PARAMS)).set_index("column")
    close, mvrv = table.loc["dvol_close"], table.loc["mvrv"]
    assert (close["hours"], close["missing"], close["imputed"]) == (400, 0, 3)
    assert mvrv["first"] == hour("2021-01-03 12:00")
    assert (mvrv["hours"], mvrv["missing"], mvrv["imputed"]) == (341, 59, 0)
    assert mvrv["share"] == 341 / 400
    assert table.index.tolist() == VALUE_COLUMNS


def test_gaps_say_what_was_done(raw):
    edit(raw, "dvol", without("2021-01-04 10:00", "2021-01-04 12:00"))
    edit(raw, "funding", without("2021-01-06 00:00", "2021-01-09 00:00"))
    table = gaps(build_panel(raw, PARAMS))
    assert table.to_numpy().tolist() == [
        [
            "BTC",
            "DVOL or price bar",
            hour("2021-01-04 11:00"),
            hour("2021-01-04 13:00"),
            3,
            "carried forward, not scored",
        ],
        [
            "BTC",
            "funding_rate",
            hour("2021-01-06 17:00"),
            hour("2021-01-09 07:00"),
            63,
            "left empty",
        ],
    ]


def test_check_length_accepts_a_panel_that_is_long_enough(store):
    panel = build_panel(store, PARAMS)
    check_length(panel, study_over(panel))
    needed = study_over(panel, **{"split.test_start": "2021-01-16 16:00"})
    check_length(panel, needed)  # the last hour is exactly the first target


def test_a_panel_that_ends_before_the_first_target_is_refused(store):
    panel = build_panel(store, PARAMS)
    study = study_over(panel, **{"split.test_start": "2021-01-16 17:00"})
    message = (
        r"btc_dvol_hourly\.csv: ends 2021-01-17 16:00:00\+00:00, before 2021-01-17 17:00:00\+00:00,"
        r" which the test from split\.test_start 2021-01-16 17:00:00\+00:00 needs; bring later data"
    )
    with pytest.raises(RawStoreError, match=message):
        check_length(panel, study)


def test_other_series_than_dvol_may_end(raw):
    edit(raw, "onchain", without("2021-01-03", "2022-01-01"))
    panel = build_panel(raw, PARAMS)
    check_length(panel, study_over(panel))
    assert panel["mvrv"].isna().any()


def test_a_series_that_starts_after_training_is_refused(raw):
    edit(raw, "price", lambda t: t[t["timestamp"] >= milliseconds(hour("2021-01-13"))])
    panel = build_panel(raw, PARAMS)
    message = r"btc_price_hourly\.csv: starts 2021-01-13 01:00:00\+00:00, not before split\.valid"
    with pytest.raises(RawStoreError, match=message):
        check_length(panel, study_over(panel))


@pytest.mark.parametrize(
    "key",
    [
        "jumps.window",
        "features.scaling_window_hours",
        "target.volatility_window_hours",
        "training.window_hours",
    ],
)
def test_a_window_longer_than_the_training_rows_is_refused(store, key):
    panel = build_panel(store, PARAMS)  # 250 hours before validation, less the embargo of 24
    check_length(panel, study_over(panel, **{key: 226}))
    with pytest.raises(RawStoreError, match=rf"^{key} 227 is longer than the 226 training rows"):
        check_length(panel, study_over(panel, **{key: 227}))


@pytest.mark.skipif(not REAL.is_dir(), reason="no real data here")
def test_real_bitcoin_has_no_imputed_hour():
    study = load_study("bitcoin")
    panel = build_panel(REAL, DataParams(source="raw_store", assets=["BTC", "ETH"]))
    btc, eth = panel[panel["asset"] == "BTC"], panel[panel["asset"] == "ETH"]
    check_length(btc, study)
    assert (len(btc), len(eth)) == (39_985, 29_160)
    assert not panel["imputed"].any()
    names = ["dvol_open", "dvol_high", "dvol_low"]
    assert not btc.drop(columns=names).isna().any(axis=None)
    runs = gaps(btc)
    assert (len(runs), set(runs["hours"])) == (52, {23})
    assert eth["price_close"].isna().all()


def test_hours_beyond_the_range_of_nanoseconds_have_a_panel(tmp_path):
    start = hour("2262-04-01")
    params = DataParams(simulated={"start": start, "hours": 720})
    market.write_store(tmp_path, params)
    panel = build_panel(tmp_path, params)
    assert panel["time"].iloc[-1] == start + pd.Timedelta(hours=720)
    assert panel[VALUE_COLUMNS].iloc[-1].notna().all()


def test_a_study_of_the_published_numbers_needs_their_series(raw):
    study = load_study("demo", {"published_page": True, "data.source": "raw_store"})
    panel = build_panel(raw, PARAMS).assign(mvrv=np.nan)
    message = r"published rules read price_close, .*; the panel has no mvrv: bring that series, or"
    with pytest.raises(RawStoreError, match=message):
        check_length(panel, study)
