"""A value that jumps away and back without a sign of it elsewhere makes the data unfit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dvol_utils.data.checks.ticks import wrong_ticks
from dvol_utils.data.panel import build_panel
from dvol_utils.data.raw.store import read_series, series_path
from dvol_utils.study.data_section import DataParams
from dvol_utils.study.params import QualityParams

REAL = Path(__file__).parents[2] / "shared"
PARAMS = DataParams(source="raw_store", assets=["BTC", "ETH"])
COLUMNS = {
    "dvol": ["dvol_open", "dvol_high", "dvol_low", "dvol_close"],
    "price": ["open", "high", "low", "close"],
}
REAL_CRASHES = ("2021-05-19", "2022-11-08", "2025-10-10")


def edit(folder: Path, asset: str, series: str, change) -> None:
    path = series_path(folder, asset, series)
    table = pd.read_csv(path)
    numbers = {name: float for name in table if name != "timestamp"}
    table = table.astype(numbers)
    left = change(table)
    (table if left is None else left).to_csv(path, index=False)


def found(folder: Path, params: DataParams = PARAMS) -> pd.DataFrame:
    return wrong_ticks(folder, params, build_panel(folder, params))


def spoil(series: str, rows: list[int], factor: float, how: str):
    """A whole bar, or its close with the high or low that it needs, or a close without bars."""
    columns = COLUMNS[series]

    def change(table: pd.DataFrame) -> None:
        if how == "without bars":
            table[columns[:3]] = np.nan
        names = columns if how == "whole bar" else columns[3:]
        table.loc[rows, names] *= factor
        if how == "close":
            for name, pick in ((columns[1], "max"), (columns[2], "min")):
                table.loc[rows, name] = table.loc[rows, [name, columns[3]]].agg(pick, axis=1)

    return change


def test_simulated_markets_hold_no_wrong_tick(market_store):
    assert found(market_store).empty


HOWS = ["whole bar", "close", "without bars"]
ROWS = [[900], [900, 901], [900, 901, 902], [1_999], [0]]
# Ten times would be no possible DVOL here.
WRONG = [("BTC", 1.5, how, rows) for how in HOWS for rows in ROWS] + [
    (asset, factor, how, [900]) for asset, factor in (("BTC", 0.5), ("ETH", 8.0)) for how in HOWS
]


@pytest.mark.parametrize(("asset", "factor", "how", "rows"), WRONG)
def test_a_wrong_close_of_dvol_is_found(raw, asset, factor, how, rows):
    edit(raw, asset, "dvol", spoil("dvol", rows, factor, how))
    table = found(raw)
    assert table["row"].tolist() == [row + 2 for row in rows]
    assert set(table["column"]) == {"dvol_close"}
    assert set(table["file"]) == {f"{asset.lower()}_dvol_hourly.csv"}
    read = read_series(raw, asset, "dvol", PARAMS)
    assert table["time"].tolist() == read.index[rows].tolist()
    assert table["value"].tolist() == read["dvol_close"].iloc[rows].tolist()
    named = PARAMS.model_copy(update={"quality": QualityParams(true_ticks=list(table["time"]))})
    assert found(raw, named).empty
    edit(raw, asset, "dvol", lambda t: t.loc[t.index.delete(rows)])
    assert found(raw).empty


@pytest.mark.parametrize("factor", [10.0, 1.5, 0.5])
@pytest.mark.parametrize("how", ["whole bar", "close"])
@pytest.mark.parametrize("row", [720 + 900, 720 + 1_999])
def test_a_wrong_close_of_the_price_is_found(raw, factor, how, row):
    edit(raw, "BTC", "price", spoil("price", [row], factor, how))
    table = found(raw)
    assert table[["column", "row"]].to_numpy().tolist() == [["close", row + 2]]


@pytest.mark.parametrize(("series", "column", "factor"), [
    ("funding", "funding_rate", 100.0),
    ("price", "quote_volume", 1_000.0),
    ("onchain", "active_addresses", 10.0),
    ("onchain", "active_addresses", 0.1),
    ("onchain", "transaction_count", 10.0),
    ("onchain", "mvrv", 10.0),
    ("onchain", "transfer_volume_usd", 100.0),
])  # fmt: skip
def test_a_wrong_value_of_any_series_is_found(raw, series, column, factor):
    row = 80

    def change(table: pd.DataFrame) -> None:
        at = row if series != "price" else 900
        table.loc[at, column] *= factor

    if series == "funding":  # an ordinary rate, whatever the market had
        edit(raw, "BTC", series, lambda t: t.__setitem__("funding_rate", t["funding_rate"].abs()))
        edit(raw, "BTC", series, lambda t: t.__setitem__("funding_rate", t["funding_rate"] + 1e-4))
    edit(raw, "BTC", series, change)
    table = found(raw)
    assert table[["column", "row"]].to_numpy().tolist() == [
        [column, (row if series != "price" else 900) + 2]
    ]


def test_a_splice_of_two_levels_is_found(raw):
    edit(raw, "BTC", "dvol", spoil("dvol", list(range(900, 920)), 5.0, "whole bar"))
    table = found(raw)
    assert table["row"].tolist() == [902, 922]
    assert table["why"].str.startswith("the level stays there").all()


@pytest.mark.parametrize(("series", "column", "factor"), [
    ("onchain", "transfer_volume_usd", 1e-3), ("onchain", "mvrv", 3.0),
    ("onchain", "active_addresses", 10.0),
])  # fmt: skip
def test_a_few_days_in_another_unit_are_found(raw, series, column, factor):
    def change(table: pd.DataFrame) -> None:
        table.loc[70:75, column] *= factor

    edit(raw, "BTC", series, change)
    table = found(raw)
    assert table[["column", "row"]].to_numpy().tolist() == [[column, 72], [column, 78]]
    assert table["why"].str.startswith("the level stays there").all()


def test_a_spike_that_other_series_show_is_true(raw):
    """Closes alone: what speaks for a spike of 45 % is a price that moved by 15 % with it."""
    edit(raw, "BTC", "dvol", spoil("dvol", [900], 1.45, "without bars"))
    assert len(found(raw)) == 1

    def crash(table: pd.DataFrame) -> None:
        table.loc[720 + 900, "low"] = 0.85 * table.loc[720 + 900, "low"]

    edit(raw, "BTC", "price", crash)
    assert found(raw).empty


def test_a_spike_whose_bars_join_is_true(raw):
    """The next bar opens where the spike closed: so it was traded, if not beyond all measure."""

    def joined(factor: float):
        def change(table: pd.DataFrame) -> None:
            table.loc[900, "dvol_close"] *= factor
            table.loc[901, "dvol_open"] = table.loc[900, "dvol_close"]
            table.loc[[900, 901], "dvol_high"] = table.loc[900, "dvol_close"]

        return change

    edit(raw, "BTC", "dvol", joined(1.4))
    assert found(raw).empty
    edit(raw, "BTC", "dvol", joined(1.4))
    assert found(raw)["row"].tolist() == [902]


def late_row(folder: Path, series: str) -> int:
    """One that both series have."""
    return len(pd.read_csv(series_path(folder, "BTC", series))) - 800


@pytest.mark.parametrize("rows", [4, 24, 48])
@pytest.mark.parametrize(("series", "factor"), [("price", 1.5), ("dvol", 2.5), ("dvol", 0.4)])
def test_a_stretch_whose_bars_begin_elsewhere_is_wrong_however_long(raw, series, factor, rows):
    first = late_row(raw, series)
    edit(raw, "BTC", series, spoil(series, list(range(first, first + rows)), factor, "whole bar"))
    assert {first + 2, first + 2 + rows} & set(found(raw)["row"])  # line 1 is the head


@pytest.mark.parametrize(
    ("series", "column", "factor"),
    [
        ("price", "high", 10),
        ("price", "low", 0.01),
        ("dvol", "dvol_high", 10),
        ("dvol", "dvol_low", 0.1),
    ],
)
def test_a_high_or_low_far_from_its_bar_is_wrong(raw, series, column, factor):
    row = late_row(raw, series)

    def change(table: pd.DataFrame) -> None:
        table.loc[row, column] *= factor

    edit(raw, "BTC", series, change)
    ticks = found(raw)
    assert ticks[["column", "row"]].to_numpy().tolist() == [[column, row + 2]]


def test_an_outage_of_an_exchange_is_no_wrong_volume(raw):
    edit(raw, "BTC", "price", lambda t: t.__setitem__(
        "quote_volume", t["quote_volume"].where(t.index != 900, 5e3)))  # fmt: skip
    assert found(raw).empty


def test_only_rows_that_the_panel_reads_count(raw):
    edit(raw, "BTC", "dvol", spoil("dvol", [100], 10.0, "whole bar"))
    later = PARAMS.model_copy(update={"start": pd.Timestamp("2021-01-20", tz="UTC")})
    assert len(found(raw)) == 1
    assert found(raw, later).empty


@pytest.mark.parametrize("minutes", [15, 240, 1_440])
def test_bars_of_any_length_are_judged_in_their_own_file(tmp_path, minutes):
    params = DataParams(source="raw_store", frequency_minutes=minutes)
    rng = np.random.default_rng(3)
    close = 60 * np.exp(np.cumsum(0.002 * rng.standard_normal(600)))
    opened = np.concatenate((close[:1], close[:-1]))
    index = pd.date_range("2021-01-01", periods=600, freq=f"{minutes}min", tz="UTC")
    bars = (opened, np.maximum(opened, close), np.minimum(opened, close), close)
    table = pd.DataFrame(dict(zip(COLUMNS["dvol"], bars, strict=True)))
    table.insert(0, "timestamp", index.as_unit("ms").asi8)
    path = series_path(tmp_path, "BTC", "dvol", params)
    table.to_csv(path, index=False)
    assert found(tmp_path, params).empty
    table.loc[301, COLUMNS["dvol"]] *= 1.5  # of 15 minutes: neither an hour's open nor its close
    table.to_csv(path, index=False)
    assert found(tmp_path, params)["time"].tolist() == [index[301]]
    path.unlink()
    table.to_parquet(path.with_suffix(".parquet"), index=False)
    assert found(tmp_path, params)["row"].tolist() == [302]


@pytest.mark.skipif(not REAL.is_dir(), reason="no real data here")
@pytest.mark.parametrize("folder", ["data", "data_later"])
@pytest.mark.parametrize("assets", [["BTC"], ["ETH"], ["BTC", "ETH"]])
def test_real_data_holds_no_wrong_tick(folder, assets):
    params = PARAMS.model_copy(update={"assets": assets})
    assert found(REAL / folder, params).empty


@pytest.mark.skipif(not REAL.is_dir(), reason="no real data here")
@pytest.mark.parametrize("day", REAL_CRASHES)
@pytest.mark.parametrize("with_price", [True, False])
@pytest.mark.parametrize("flat", [False, True])
def test_a_real_crash_is_true_even_by_its_closes_alone(tmp_path, day, with_price, flat):
    window = pd.Timestamp(day, tz="UTC") + pd.Timedelta(days=1) * np.array([-20, 20])
    low, high = (int(time.timestamp() * 1_000) for time in window)
    for series in ("dvol", "price") if with_price else ("dvol",):
        table = pd.read_csv(series_path(REAL / "data", "BTC", series))
        table = table[table["timestamp"].between(low, high)]
        if series == "dvol":
            closes = table["dvol_close"] if flat else np.nan
            table = table.assign(**dict.fromkeys(COLUMNS["dvol"][:3], closes))
        table.to_csv(series_path(tmp_path, "BTC", series), index=False)
    assert found(tmp_path, PARAMS.model_copy(update={"assets": ["BTC"]})).empty
