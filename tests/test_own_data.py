"""Panels from files that somebody brings: Parquet, other names, bars of another length."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvol_utils.data.checks.coverage import coverage_calendar, gaps
from dvol_utils.data.panel import build_panel
from dvol_utils.data.raw.files import RawStoreError
from dvol_utils.data.raw.store import series_path
from dvol_utils.data.simulated import market
from dvol_utils.study.data_section import DataParams

START = pd.Timestamp("2021-01-01", tz="UTC")
HOUR = pd.Timedelta(hours=1)
SIMULATED = DataParams(simulated={"start": START, "hours": 400, "seed": 5})
OWN = DataParams(source="raw_store")
OHLC = ("open", "high", "low", "close")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    market.write_store(folder, SIMULATED)
    return folder


def own(minutes: int, **changes: object) -> DataParams:
    return DataParams(source="raw_store", frequency_minutes=minutes, **changes)


def bars(minutes: int, n: int, seed: int = 0) -> pd.DataFrame:
    """DVOL bars from `START` with the raw store's columns."""
    rng = np.random.default_rng(seed)
    close = (60 * np.exp(np.cumsum(0.003 * rng.standard_normal(n)))).round(2)
    opened = np.concatenate((close[:1], close[:-1]))
    high, low = np.maximum(opened, close) + 0.25, np.minimum(opened, close) - 0.25
    stamps = int(START.timestamp()) * 1_000 + 60_000 * minutes * np.arange(n)
    columns = ("timestamp", *(f"dvol_{name}" for name in OHLC))
    return pd.DataFrame(dict(zip(columns, (stamps, opened, high, low, close), strict=True)))


def put(folder: Path, table: pd.DataFrame, params: DataParams, series: str = "dvol") -> Path:
    path = series_path(folder, "BTC", series, params)
    table.to_csv(path, index=False)
    return path


def test_a_store_of_parquet_files_gives_the_same_panel(store, tmp_path):
    for file in store.glob("btc_*.csv"):
        if "true_jumps" not in file.name:
            pd.read_csv(file).to_parquet(tmp_path / f"{file.stem}.parquet", index=False)
    assert len(list(tmp_path.iterdir())) == 4
    pd.testing.assert_frame_equal(build_panel(tmp_path, SIMULATED), build_panel(store, SIMULATED))


def test_other_names_units_and_asset_give_the_same_panel(store, tmp_path):
    names = {"timestamp": "Date", "dvol_close": "Last", "dvol_open": "First"}
    for series in ("dvol", "price", "funding", "onchain"):
        table = pd.read_csv(series_path(store, "BTC", series))
        time = pd.to_datetime(table["timestamp"], unit="ms")
        table["timestamp"] = time.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        table = table.rename(columns=names) if series == "dvol" else table
        table.to_csv(series_path(tmp_path, "SOL", series), index=False)
    params = DataParams(
        source="raw_store", assets=["SOL"], timestamp_unit="iso", columns={"dvol": names}
    )
    expected = build_panel(store, SIMULATED).assign(asset="SOL")
    pd.testing.assert_frame_equal(build_panel(tmp_path, params), expected)


@pytest.mark.parametrize("minutes", [1, 15, 30])
def test_short_bars_give_the_hours_that_they_make_up(tmp_path, minutes):
    params, a_bar = own(minutes), pd.Timedelta(minutes=minutes)
    table = bars(minutes, 30 * 60 // minutes)
    put(tmp_path, table, params)
    panel = build_panel(tmp_path, params).set_index("time")
    assert panel.index.tolist() == [START + k * HOUR for k in range(1, 31)]
    assert not panel["imputed"].any()
    closes = pd.to_datetime(table["timestamp"], unit="ms", utc=True) + a_bar
    table = table.set_index(pd.DatetimeIndex(closes))
    for hour in panel.index[[0, 7, 29]]:
        within = table[(table.index > hour - HOUR) & (table.index <= hour)]
        assert panel.loc[hour, "dvol_open"] == within["dvol_open"].iloc[0]
        assert panel.loc[hour, "dvol_high"] == within["dvol_high"].max()
        assert panel.loc[hour, "dvol_low"] == within["dvol_low"].min()
        assert panel.loc[hour, "dvol_close"] == within["dvol_close"].iloc[-1]


def test_an_hour_without_a_short_bar_is_imputed(tmp_path):
    table = bars(1, 600)
    gone = table.index[125:300]  # from 02:05 to 04:59: a part of 02:00 to 03:00 is left
    put(tmp_path, table.drop(gone), own(1))
    panel = build_panel(tmp_path, own(1)).set_index("time")
    imputed = panel.index[panel["imputed"]]
    assert imputed.tolist() == [START + 4 * HOUR, START + 5 * HOUR]
    assert panel.loc[START + 3 * HOUR, "dvol_close"] == table["dvol_close"].iloc[124]
    assert (panel.loc[imputed, [f"dvol_{n}" for n in OHLC]] == table["dvol_close"].iloc[124]).all(
        axis=None
    )


def test_a_file_without_a_whole_hour_is_refused(tmp_path):
    path = put(tmp_path, bars(1, 59), own(1))
    with pytest.raises(RawStoreError, match=f"^{path}: no whole hour from 2021-01-01 00:00"):
        build_panel(tmp_path, own(1))


@pytest.mark.parametrize("hours", [4, 24])
def test_long_bars_are_known_from_their_close_and_imputed_between(tmp_path, hours):
    params, table = own(60 * hours), bars(60 * hours, 6)
    put(tmp_path, table, params)
    panel = build_panel(tmp_path, params).set_index("time")
    at = [START + hours * HOUR * k for k in range(1, 7)]
    assert panel.index.tolist() == list(pd.date_range(at[0], at[-1], freq="h"))
    assert panel.index[~panel["imputed"]].tolist() == at
    for name in OHLC:
        assert panel.loc[at, f"dvol_{name}"].tolist() == table[f"dvol_{name}"].tolist()
    between = panel.loc[at[2] + HOUR : at[3] - HOUR]
    assert len(between) == hours - 1
    assert (between[[f"dvol_{n}" for n in OHLC]] == table["dvol_close"].iloc[2]).all(axis=None)
    assert gaps(panel.reset_index(), step_hours=hours).empty


def test_only_the_gap_beyond_a_bars_length_counts(tmp_path):
    params, table = own(1_440), bars(1_440, 12)
    put(tmp_path, table.drop(5), params)
    panel = build_panel(tmp_path, params)  # 47 hours between two closes: 24 beyond the bar
    table_of_gaps = gaps(panel, step_hours=24)
    assert table_of_gaps[["columns", "hours"]].to_numpy().tolist() == [["DVOL or price bar", 47]]
    put(tmp_path, table.drop([5, 6]), params)
    message = (
        r"btc_dvol_daily\.csv: no bar for 48 hours, closes 2021-01-07 00:00:00\+00:00 to "
        r"2021-01-08 23:00:00\+00:00; data\.max_fill_hours allows 24"
    )
    with pytest.raises(RawStoreError, match=message):
        build_panel(tmp_path, params)


def test_volume_of_long_bars_stays_an_amount_an_hour(tmp_path):
    params = own(240)
    table = bars(240, 6)
    put(tmp_path, table, params)
    price = table.rename(columns=lambda name: name.removeprefix("dvol_"))
    put(tmp_path, price.assign(quote_volume=4e6), params, "price")
    panel = build_panel(tmp_path, params)
    assert (panel["volume"] == 1e6).all()


def test_hourly_prices_beside_daily_dvol(store, tmp_path):
    params = own(1_440, price_frequency_minutes=60)
    put(tmp_path, bars(1_440, 10), params)
    price = pd.read_csv(series_path(store, "BTC", "price"))
    put(tmp_path, price, params, "price")
    panel = build_panel(tmp_path, params).set_index("time")
    hourly = price.set_index(pd.to_datetime(price["timestamp"], unit="ms", utc=True) + HOUR)
    assert panel["price_close"].tolist() == hourly["close"].reindex(panel.index).tolist()
    assert panel["imputed"].mean() == pytest.approx(23 / 24, abs=0.01)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_price_in_other_bars_than_declared_is_named(tmp_path, kind):
    params = own(1_440)
    put(tmp_path, bars(1_440, 10), params)
    assert build_panel(tmp_path, params)["price_close"].isna().all()
    path = tmp_path / f"btc_price_hourly.{kind}"
    path.write_bytes(b"")
    message = (
        f"{path}: its name says bars of 60 minutes, data.frequency_minutes says 1,440; declare "
        "data.price_frequency_minutes: 60, or move the file away"
    )
    with pytest.raises(RawStoreError, match=f"^{re.escape(message)}$"):
        build_panel(tmp_path, params)


def test_columns_that_are_not_there_stay_empty(tmp_path):
    absent = dict.fromkeys(f"dvol_{name}" for name in OHLC[:3])
    params = own(1_440, columns={"dvol": absent})
    put(tmp_path, bars(1_440, 6)[["timestamp", "dvol_close"]], params)
    panel = build_panel(tmp_path, params)
    assert panel[list(absent)].isna().all(axis=None)
    assert gaps(panel, step_hours=24).empty
    assert set(coverage_calendar(tmp_path, params, panel)["series"]) == {"DVOL close"}


@settings(max_examples=30, deadline=None)
@given(minutes=st.sampled_from([1, 20, 60, 240, 1_440]), where=st.floats(0.3, 0.9))
def test_no_bar_enters_before_it_closes(tmp_path_factory, minutes, where):
    folder = tmp_path_factory.getbasetemp() / "bars"
    folder.mkdir(exist_ok=True)
    params, table = own(minutes), bars(minutes, max(20, 420 // minutes))
    put(folder, table, params)
    whole = build_panel(folder, params)
    row = int(where * len(table))
    put(folder, table.assign(**{n: table[n].where(table.index < row, table[n] + 5)
                                for n in table if n != "timestamp"}), params)  # fmt: skip
    changed = build_panel(folder, params)
    known = pd.Timestamp(table["timestamp"][row], unit="ms", tz="UTC") + minutes * HOUR / 60
    before = whole["time"] < known
    pd.testing.assert_frame_equal(changed[before], whole[before])
    at = whole["time"] == known.ceil("h")
    assert (changed.loc[at, "dvol_close"] == whole.loc[at, "dvol_close"] + 5).all()
    assert at.sum() == 1
