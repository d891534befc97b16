"""A label that stands for a longer time than a row, or for one that has not ended, is no row."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dvol_utils.data.panel import build_panel
from dvol_utils.data.raw.files import RawStoreError
from dvol_utils.data.raw.schemas import SCHEMAS
from dvol_utils.data.raw.store import read_series, series_path, step_minutes, store_table
from dvol_utils.data.simulated import market
from dvol_utils.study.data_section import DataParams, SeriesName

REAL = Path(__file__).parents[2] / "shared"
SIMULATED = DataParams(simulated={"start": "2021-01-01", "hours": 2_000, "seed": 5})
PARAMS = DataParams(source="raw_store")
VALUES = {"dvol": "dvol_close", "price": "close", "funding": "funding_rate", "onchain": "mvrv"}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    market.write_store(folder, SIMULATED)
    return folder


def series_table(store: Path, series: SeriesName, params: DataParams = PARAMS) -> pd.DataFrame:
    """A series as the store has it, indexed by time."""
    return read_series(store, "BTC", series, params)


def put(folder: Path, series: SeriesName, table: pd.DataFrame, params: DataParams = PARAMS) -> Path:
    stamps = table.index.as_unit("ms").asi8
    path = series_path(folder, "BTC", series, params)
    table.assign(timestamp=stamps).to_csv(path, index=False)
    return path


def refusal(folder: Path, series: SeriesName, table: pd.DataFrame) -> str:
    path = put(folder, series, table)
    with pytest.raises(RawStoreError) as error:
        read_series(folder, "BTC", series, PARAMS)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value).removeprefix(f"{path}: ")


COARSE = [
    ("funding", "1D", "most rows are 1,440 minutes apart; should be settlements, 480 apart"),
    ("onchain", "W-MON", "most rows are 10,080 minutes apart; should be UTC days, 1,440 apart"),
    ("onchain", "4D", "most rows are 5,760 minutes apart; should be UTC days, 1,440 apart"),
    ("onchain", "MS", "most rows are 4"),
    ("dvol", "1D", "most rows are 1,440 minutes apart; data.frequency_minutes says 60"),
    ("price", "4h", "most rows are 240 minutes apart; data.frequency_minutes says 60"),
]


@pytest.mark.parametrize(("series", "step", "words"), COARSE)
def test_means_of_a_longer_step_are_refused(store, tmp_path, series, step, words):
    table = series_table(store, series)
    longer = {"closed": "left", "label": "left"} if step == "W-MON" else {}
    coarse = table.resample(step, **longer).last().loc[lambda t: t.index >= table.index[0]]
    assert refusal(tmp_path, series, coarse).startswith(words)


@pytest.mark.parametrize(("series", "step", "_"), [row for row in COARSE if row[1] != "MS"])
@pytest.mark.parametrize("place", ["begin", "middle", "end"])
def test_a_stretch_of_a_longer_step_is_refused(store, tmp_path, series, step, _, place):
    table = series_table(store, series)
    rows = min(900, len(table) * 2 // 5)
    first = {"begin": 0, "middle": len(table) // 4, "end": len(table) - rows}[place]
    part = table.iloc[first : first + rows]
    coarse = part[part.index.isin(part.resample(step, closed="left", label="left").first().index)]
    mixed = pd.concat([table.iloc[:first], coarse, table.iloc[first + rows :]])
    words = refusal(tmp_path, series, mixed)
    assert words.startswith(("from 20", "most rows"))
    assert "minutes apart" in words


@pytest.mark.parametrize(("series", "rows"), [
    ("funding", 3), ("onchain", 7), ("dvol", 24), ("dvol", 4), ("price", 8),
])  # fmt: skip
def test_values_repeated_over_a_longer_step_are_refused(store, tmp_path, series, rows):
    table = series_table(store, series)
    if series == "onchain":  # it is too short for twenty weeks
        days = pd.date_range("2020-01-06", periods=400, tz="UTC")
        rng = np.random.default_rng(0)
        noise = np.exp(0.1 * rng.standard_normal((400, table.shape[1])))
        table = pd.DataFrame(1e6 * noise, days, table.columns)
        table = table.assign(mvrv=1 + noise[:, 0], transfer_volume_usd=5e9 * noise[:, 1])
    place = table.index.as_unit("s").asi8 // (60 * step_minutes(series, PARAMS))
    held = table.groupby(place // rows).transform("first")
    words = refusal(tmp_path, series, held)
    assert f"the value changes only every {rows} rows" in words
    # Over a stretch of it as well.
    first = len(table) // 3
    mixed = pd.concat([table.iloc[:first], held.iloc[first:]])
    if len(table) // rows > 120:
        assert "the value changes only every" in refusal(tmp_path, series, mixed)


def test_weekly_values_between_empty_cells_are_refused(store, tmp_path):
    table = series_table(store, "onchain")
    weekly = table["transfer_volume_usd"].where(table.index.day_of_week == 0)
    words = refusal(tmp_path, "onchain", table.assign(transfer_volume_usd=weekly))
    assert words.startswith("column transfer_volume_usd: most rows are 10,080 minutes apart")


@pytest.mark.parametrize("series", VALUES)
@pytest.mark.parametrize("share", [0.02, 0.2])
def test_holes_without_a_pattern_are_none(store, tmp_path, series, share):
    table = series_table(store, series)
    rng = np.random.default_rng(7)
    left = table[rng.random(len(table)) > share]
    put(tmp_path, series, left)
    assert len(read_series(tmp_path, "BTC", series, PARAMS)) == len(left)


def test_a_long_outage_is_a_hole_and_no_pattern(store, tmp_path):
    table = series_table(store, "dvol")
    put(tmp_path, "dvol", table.drop(table.index[300:400]).drop(table.index[600:623]))
    assert len(read_series(tmp_path, "BTC", "dvol", PARAMS)) == len(table) - 123


# Bars that are still open


def moved_to_now(table: pd.DataFrame, series: SeriesName, params: DataParams) -> pd.DataFrame:
    """The same rows; the last one has begun and not ended."""
    step = pd.Timedelta(minutes=step_minutes(series, params))
    return table.set_axis(table.index + (pd.Timestamp.now("UTC").floor(step) - table.index[-1]))


@pytest.mark.parametrize("series", ["dvol", "price", "onchain"])
def test_a_row_that_has_not_ended_is_none(store, tmp_path, series):
    table = moved_to_now(series_table(store, series), series, PARAMS)
    path = put(tmp_path, series, table)
    read = read_series(tmp_path, "BTC", series, PARAMS)
    assert read.index.equals(table.index[:-1].as_unit("us"))
    assert store_table(tmp_path, ["BTC"], PARAMS)["open_rows"].tolist() == [1]
    # Written while it was open, read later: the file's own time tells.
    step = pd.Timedelta(minutes=step_minutes(series, PARAMS))
    then = table.set_axis(table.index - 100 * step)
    put(tmp_path, series, then)
    assert len(read_series(tmp_path, "BTC", series, PARAMS)) == len(table)
    for moment, left_out in ((1, 1), (59, 1), (60, 0)):
        at = (then.index[-1] + moment / 60 * step).timestamp()
        os.utime(path, (at, at))
        assert len(read_series(tmp_path, "BTC", series, PARAMS)) == len(table) - left_out


@pytest.mark.parametrize("minutes", [15, 60, 240, 1_440])
def test_an_open_bar_of_any_length_is_none(tmp_path, minutes):
    params = DataParams(source="raw_store", frequency_minutes=minutes)
    index = pd.date_range("2021-01-01", periods=40, freq=f"{minutes}min", tz="UTC")
    close = 60 + np.arange(40) % 7
    names = [column.name for column in SCHEMAS["dvol"].columns]
    table = pd.DataFrame(dict.fromkeys(names, close), index)
    table[names[:3]] = np.nan
    path = put(tmp_path, "dvol", table, params)
    whole = build_panel(tmp_path, params)
    at = (index[-1] + pd.Timedelta(minutes=1)).timestamp()
    os.utime(path, (at, at))
    panel = build_panel(tmp_path, params)
    left = len(panel)
    assert panel["time"].iloc[-1] <= index[-1]
    pd.testing.assert_frame_equal(panel, whole.iloc[:left])


def test_a_files_time_before_its_rows_says_nothing(store, tmp_path):
    path = put(tmp_path, "dvol", series_table(store, "dvol"))
    for year in (1980, 2021):
        at = pd.Timestamp(f"{year}-02-01").timestamp()
        os.utime(path, (at, at))
        assert len(read_series(tmp_path, "BTC", "dvol", PARAMS)) == 2_000


@pytest.mark.parametrize("series", VALUES)
def test_rows_ahead_of_the_clock_are_refused(store, tmp_path, series):
    step = pd.Timedelta(minutes=step_minutes(series, PARAMS))
    table = moved_to_now(series_table(store, series), series, PARAMS)
    words = refusal(tmp_path, series, table.set_axis(table.index + 3 * step))
    assert words.startswith(f"line {len(table) - 1}: column timestamp: found ")
    assert "later than now" in words


def test_a_store_whose_only_bar_is_open_is_refused(store, tmp_path):
    table = moved_to_now(series_table(store, "dvol"), "dvol", PARAMS)
    assert "its only row ends at" in refusal(tmp_path, "dvol", table.tail(1))


@pytest.mark.skipif(not REAL.is_dir(), reason="no real data here")
@pytest.mark.parametrize("folder", ["data", "data_later"])
def test_the_labels_of_the_real_files_are_accepted(folder):
    table = store_table(REAL / folder, ["BTC", "ETH"], PARAMS)
    assert (table[["open_rows", "rounded_times", "missing_rows"]] == 0).all(axis=None)


@pytest.mark.parametrize(
    ("series", "rows"), [("dvol", 2), ("dvol", 4), ("price", 8), ("funding", 3)]
)
@pytest.mark.parametrize("decimals", [None, 2])
def test_values_on_lines_between_those_of_a_longer_step_are_refused(
    store, tmp_path, series, rows, decimals
):
    table = series_table(store, series)
    kept = np.arange(len(table)) % rows == 0
    drawn = table.astype(float)
    drawn[~kept] = np.nan
    drawn = drawn.interpolate().ffill()
    if decimals is not None:
        drawn = drawn.round(8 if series == "funding" else decimals)
    words = refusal(tmp_path, series, drawn)
    assert "straight lines" in words or "changes only every" in words
