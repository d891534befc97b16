"""A quantity in another unit is refused with its likely unit, and read right once that is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dvol_utils.data.panel import build_panel
from dvol_utils.data.raw.files import RawStoreError
from dvol_utils.data.raw.store import read_series, series_path
from dvol_utils.data.raw.units import USUAL
from dvol_utils.study.data_section import DataParams

REAL = Path(__file__).parents[2] / "shared"
OHLC = ("open", "high", "low", "close")
DVOL = tuple(f"dvol_{name}" for name in OHLC)


def own(asset: str, **changes: object) -> DataParams:
    return DataParams(source="raw_store", assets=[asset], **changes)


def edit(folder: Path, asset: str, series: str, change) -> Path:
    path = series_path(folder, asset, series)
    change(pd.read_csv(path)).to_csv(path, index=False)
    return path


def times(factor: float, *columns: str, rows: slice = slice(None)):
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = table.astype(dict.fromkeys(columns, float))
        table.loc[rows, list(columns)] *= factor
        return table

    return change


WRONG = {
    "DVOL as a fraction": ("dvol", DVOL, 0.01, "a fraction (data.factors.dvol: 100)"),
    "DVOL in basis points": ("dvol", DVOL, 100.0, "basis points (data.factors.dvol: 0.01)"),
    "DVOL a day": ("dvol", DVOL, 365**-0.5, "percent a day (data.factors.dvol: 19.105)"),
    "DVOL over 30 days": (
        "dvol", DVOL, (30 / 365) ** 0.5, "percent over 30 days (data.factors.dvol: 3.48807)",
    ),
    "funding in percent": (
        "funding", ["funding_rate"], 100.0, "percent (data.factors.funding_rate: 0.01)",
    ),
    "volume in millions": (
        "price", ["quote_volume"], 1e-6, "millions (data.factors.quote_volume: 1e+06)",
    ),
    "transfers in millions": (
        "onchain", ["transfer_volume_usd"], 1e-6,
        "millions (data.factors.transfer_volume_usd: 1e+06)",
    ),
    "addresses in thousands": (
        "onchain", ["active_addresses"], 1e-3, "thousands (data.factors.active_addresses: 1000)",
    ),
    "addresses in millions": (
        "onchain", ["active_addresses"], 1e-6, "millions (data.factors.active_addresses: 1e+06)",
    ),
    "transactions in millions": (
        "onchain", ["transaction_count"], 1e-6, "millions (data.factors.transaction_count: 1e+06)",
    ),
    "MVRV in percent": ("onchain", ["mvrv"], 100.0, "percent (data.factors.mvrv: 0.01)"),
}  # fmt: skip


@pytest.mark.parametrize("asset", ["BTC", "ETH"])
@pytest.mark.parametrize(("series", "columns", "factor", "words"), WRONG.values(), ids=WRONG)
def test_another_unit_is_named_and_converted(
    market_store, raw, asset, series, columns, factor, words
):
    path = edit(raw, asset, series, times(factor, *columns))
    with pytest.raises(RawStoreError) as error:
        build_panel(raw, own(asset))
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    assert words in text
    assert "should be " in text
    key, value = words.split("data.factors.")[1].removesuffix(")").split(": ")
    panel = build_panel(raw, own(asset, factors={key: float(value)}))
    # The factor in the message has six digits.
    expected = build_panel(market_store, own(asset))
    pd.testing.assert_frame_equal(panel, expected, rtol=1e-5)


@pytest.mark.parametrize(("series", "columns", "factor"), [
    ("dvol", DVOL, 0.01), ("funding", ["funding_rate"], 100.0), ("price", ["quote_volume"], 1e-6),
])  # fmt: skip
def test_what_is_declared_with_one_is_taken_as_it_is(raw, series, columns, factor):
    edit(raw, "BTC", series, times(factor, *columns))
    key = {"dvol": "dvol"}.get(series, columns[0])
    assert len(build_panel(raw, own("BTC", factors={key: 1.0}))) == 2_000


@pytest.mark.parametrize("asset", ["BTC", "ETH"])
def test_amounts_in_coins_are_named_and_converted(market_store, raw, asset):
    path = edit(
        raw, asset, "price", lambda t: t.assign(quote_volume=t["quote_volume"] / t["close"])
    )
    with pytest.raises(RawStoreError, match=r"coins \(data\.in_coins: \[quote_volume\]\)") as error:
        build_panel(raw, own(asset))
    assert str(error.value).startswith(f"{path}: line 2: column quote_volume: the month from ")
    edit(raw, asset, "onchain", lambda t: t.assign(
        transfer_volume_usd=t["transfer_volume_usd"] / t["price_usd"]))  # fmt: skip
    with pytest.raises(RawStoreError, match=r"coins \(data\.in_coins: \[transfer_volume_usd\]\)"):
        build_panel(raw, own(asset, in_coins=["quote_volume"]))
    params = own(asset, in_coins=["quote_volume", "transfer_volume_usd"])
    expected = build_panel(market_store, own(asset))
    pd.testing.assert_frame_equal(build_panel(raw, params), expected, rtol=1e-12)
    edit(raw, asset, "onchain", lambda t: t.drop(columns="price_usd"))
    with pytest.raises(RawStoreError, match="column price_usd: missing"):
        build_panel(raw, params)


@pytest.mark.parametrize(("series", "columns", "factor"), [
    ("dvol", DVOL, 0.01), ("funding", ["funding_rate"], 100.0),
    ("price", ["quote_volume"], 1e-3), ("onchain", ["transfer_volume_usd"], 1e-6),
])  # fmt: skip
def test_a_unit_that_changes_within_the_file_is_found(raw, series, columns, factor):
    table = pd.read_csv(series_path(raw, "BTC", series))
    half = len(table) // 2
    edit(raw, "BTC", series, times(factor, *columns, rows=slice(half, None)))
    with pytest.raises(RawStoreError, match=r": line \d+: column .*: the month from 202") as error:
        read_series(raw, "BTC", series, own("BTC"))
    line = int(str(error.value).split("line ")[1].split(":")[0])
    assert line > 2


def test_short_bars_are_judged_by_the_hour(tmp_path):
    params = own("BTC", frequency_minutes=15)
    stamps = pd.date_range("2021-01-01", periods=2_000, freq="15min").as_unit("ms").asi8
    close = 30_000 + 10.0 * (np.arange(2_000) % 7)
    bars = {"timestamp": stamps, **dict.fromkeys(OHLC, close)}
    path = series_path(tmp_path, "BTC", "price", params)
    pd.DataFrame(bars | {"quote_volume": 4e5}).to_csv(path, index=False)
    assert len(read_series(tmp_path, "BTC", "price", params)) == 2_000
    pd.DataFrame(bars | {"quote_volume": 2e5}).to_csv(path, index=False)
    with pytest.raises(RawStoreError, match="a median of 8e"):
        read_series(tmp_path, "BTC", "price", params)


def test_a_dvol_that_the_price_does_not_explain_is_refused(raw):
    edit(raw, "BTC", "dvol", times(5.0, *DVOL))
    with pytest.raises(RawStoreError, match=r"while the price realised .* the same asset's"):
        build_panel(raw, own("BTC"))
    assert len(build_panel(raw, own("BTC", factors={"dvol": 0.2}))) == 2_000
    series_path(raw, "BTC", "price").unlink()
    assert len(build_panel(raw, own("BTC"))) == 2_000


def test_units_describe_files_of_a_raw_store():
    with pytest.raises(ValueError, match="factors describes the files of source: raw_store"):
        DataParams(factors={"dvol": 100})
    with pytest.raises(ValueError, match="greater than 0"):
        own("BTC", factors={"dvol": 0})


def test_limits_leave_room_for_the_units_beside_them():
    for usual in USUAL.values():
        for _, factor in usual.others:
            assert abs(np.log(factor)) > np.log(3)
        assert usual.low < usual.middle < usual.high


@pytest.mark.skipif(not REAL.is_dir(), reason="no real data here")
@pytest.mark.parametrize("folder", ["data", "data_later"])
def test_real_series_lie_well_within_their_limits(folder):
    for series in ("dvol", "price", "funding", "onchain"):
        table = read_series(REAL / folder, "BTC", series, own("BTC"))
        for name, values in table.items():
            usual = USUAL.get("dvol" if series == "dvol" else str(name))
            if usual is not None:
                by_month = values.abs().groupby([values.index.year, values.index.month])
                size = by_month.quantile(usual.share)
                assert usual.low * 3 < size.min() <= size.max() < usual.high / 1.9
    build_panel(REAL / folder, DataParams(source="raw_store", assets=["BTC", "ETH"]))
