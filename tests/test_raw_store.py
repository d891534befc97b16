from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dvol_utils.data.raw_store import (
    SCHEMAS,
    RawStoreError,
    raw_hashes,
    read_series,
    series_path,
    store_table,
)

REAL = Path(__file__).parents[2] / "shared/data"
START = 1_609_459_200_000  # 2021-01-01 00:00 UTC
HOUR = 3_600_000

DVOL = f"""timestamp,dvol_open,dvol_high,dvol_low,dvol_close
{START},80.0,81.0,79.0,80.5
{START + HOUR},80.5,82.0,80.0,81.5
{START + 2 * HOUR},,,,81.0
{START + 3 * HOUR},81.0,81.0,80.0,80.25
"""
PRICE = f"""timestamp,open,high,low,close,quote_volume,taker_buy_quote
{START},29000.5,29100,28900,29050,1000000,400000
{START + HOUR},29050,29060,28800,28900,0,0
"""
FUNDING = f"""timestamp,funding_rate
{START},0.0001
{START + 8 * HOUR},-4.5e-05
"""
ONCHAIN = f"""timestamp,active_addresses,transaction_count,mvrv,price_usd,transfer_volume_usd
{START},1000000.0,300000,2.5,29000,5e9
{START + 24 * HOUR},900000,310000,2.4,28900,
"""
CONTENT = {"dvol": DVOL, "price": PRICE, "funding": FUNDING, "onchain": ONCHAIN}


def put(folder: Path, series: str, content: str | bytes) -> Path:
    path = series_path(folder, "BTC", series)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(folder: Path, series: str, content: str | bytes) -> str:
    path = put(folder, series, content)
    with pytest.raises(RawStoreError) as error:
        read_series(folder, "BTC", series)
    text = str(error.value)
    assert text.startswith(f"{path}:")
    return text.removeprefix(f"{path}: ")


def test_values_arrive_exactly_with_the_bar_open_as_index(tmp_path):
    put(tmp_path, "dvol", DVOL)
    table = read_series(tmp_path, "BTC", "dvol")
    expected = pd.DataFrame(
        {
            "dvol_open": [80.0, 80.5, np.nan, 81.0],
            "dvol_high": [81.0, 82.0, np.nan, 81.0],
            "dvol_low": [79.0, 80.0, np.nan, 80.0],
            "dvol_close": [80.5, 81.5, 81.0, 80.25],
        },
        index=pd.date_range("2021-01-01", periods=4, freq="h", tz="UTC", name="timestamp"),
    )
    pd.testing.assert_frame_equal(table, expected, check_freq=False, check_index_type=False)
    assert str(table.index.dtype) == "datetime64[us, UTC]"


@pytest.mark.parametrize("series", CONTENT)
def test_only_required_columns_come_back(tmp_path, series):
    put(tmp_path, series, CONTENT[series])
    table = read_series(tmp_path, "BTC", series)
    assert list(table) == [column.name for column in SCHEMAS[series].columns]
    assert (table.dtypes == "float64").all()


def test_forms_of_the_same_file_read_the_same(tmp_path):
    put(tmp_path, "dvol", DVOL)
    plain = read_series(tmp_path, "BTC", "dvol")
    for other in (
        DVOL.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + DVOL.encode(),
        DVOL.replace("timestamp", '"timestamp"').encode(),
    ):
        put(tmp_path, "dvol", other)
        pd.testing.assert_frame_equal(read_series(tmp_path, "BTC", "dvol"), plain)


def test_a_missing_row_stays_missing(tmp_path):
    lines = DVOL.splitlines(keepends=True)
    put(tmp_path, "dvol", "".join(lines[:2] + lines[3:]))
    assert len(read_series(tmp_path, "BTC", "dvol")) == 3
    table = store_table(tmp_path, ["BTC", "ETH"])
    assert table[["file", "rows", "missing_rows", "empty_cells"]].to_numpy().tolist() == [
        ["btc_dvol_hourly.csv", 3, 1, 3]
    ]


def test_a_missing_file_names_what_there_is(tmp_path):
    put(tmp_path, "price", PRICE)
    with pytest.raises(RawStoreError, match=r"btc_dvol_hourly\.csv: no such file; the raw store"):
        read_series(tmp_path, "BTC", "dvol")
    with pytest.raises(RawStoreError, match=r"holds btc_price_hourly\.csv$"):
        read_series(tmp_path, "BTC", "dvol")
    with pytest.raises(RawStoreError, match="holds no CSV file"):
        read_series(tmp_path / "nowhere", "BTC", "dvol")


REFUSED = {
    "empty": ("dvol", "", "the file is empty; should be a header and one row a bar"),
    "only white space": ("dvol", "\n\n", "the file is empty"),
    "only a header": ("dvol", DVOL.splitlines()[0] + "\n", "has a header but no rows"),
    "no final line break": (
        "dvol",
        DVOL[:-1],
        "line 5: the file ends without a line break: it seems cut short; fetch it again whole",
    ),
    "cut within a line": ("dvol", DVOL[:-14], "line 5: the file ends without a line break"),
    "cut line with line break": (
        "dvol",
        DVOL[:-9] + "\n",
        "line 5: found 4 fields; should be 5, as in the header",
    ),
    "a field too many": (
        "price",
        PRICE.replace(",28900,0,0", ",28900,0,0,7"),
        "line 3: found 8 fields; should be 7",
    ),
    "a blank line": ("funding", FUNDING.replace("\n", "\n\n", 1), "line 2: found 1 fields"),
    "missing column": (
        "dvol",
        DVOL.replace("dvol_close", "close"),
        "line 1: column dvol_close: missing; the header reads timestamp, dvol_open, dvol_high, "
        "dvol_low, close",
    ),
    "no timestamp": ("funding", FUNDING.replace("timestamp", "time"), "column timestamp: missing"),
    "column twice": (
        "onchain",
        ONCHAIN.replace("price_usd", "mvrv"),
        "line 1: column mvrv: stands 2 times",
    ),
    "no header": ("dvol", DVOL.split("\n", 1)[1], "line 1: column timestamp: missing"),
    "semicolons": ("dvol", DVOL.replace(",", ";"), "line 1: column timestamp: missing"),
    "not text": ("dvol", b"\x1f\x8b\x08\xff\n\x00\n", "line 1: the header is not UTF-8 text"),
    "text in a number": (
        "dvol",
        DVOL.replace("81.5", "n/a"),
        "line 3: column dvol_close: found 'n/a'; should be a number",
    ),
    "nan is text": ("dvol", DVOL.replace(",,,", ",NaN,,"), "line 4: column dvol_open: found 'NaN'"),
    "a column of truth values": (
        "funding",
        FUNDING.replace("0.0001", "True").replace("-4.5e-05", "False"),
        "line 2: column funding_rate: found 'True'; should be a number",
    ),
    "empty close": (
        "dvol",
        DVOL.replace(",81.5", ","),
        "line 3: column dvol_close: the cell is empty; should be a number (leave the whole row "
        "out for a gap)",
    ),
    "empty price": ("price", PRICE.replace("29050,29060", ",29060"), "line 3: column open: the"),
    "empty active addresses": (
        "onchain",
        ONCHAIN.replace(",900000", ","),
        "line 3: column active_addresses: the cell is empty",
    ),
    "empty timestamp": (
        "dvol",
        DVOL.replace(str(START + HOUR), ""),
        "line 3: column timestamp: the cell is empty; should be UTC milliseconds",
    ),
    "seconds": (
        "dvol",
        DVOL.replace("00000,", "00,"),
        "line 2: column timestamp: found 1609459200, which looks like seconds; should be "
        "milliseconds (1609459200000)",
    ),
    "microseconds": (
        "funding",
        FUNDING.replace("00000,", "00000000,"),
        "line 2: column timestamp: found 1609459200000000, which looks like microseconds; should "
        "be milliseconds (1609459200000)",
    ),
    "nanoseconds": (
        "funding",
        FUNDING.replace("00000,", "00000000000,"),
        "found 1609459200000000000, which looks like nanoseconds",
    ),
    "one row in seconds": (
        "dvol",
        DVOL.replace(str(START + HOUR), str((START + HOUR) // 1000)),
        "line 3: column timestamp: found 1609462800, which looks like seconds",
    ),
    "no time at all": (
        "dvol",
        DVOL.replace(str(START), "17"),
        "line 2: column timestamp: found 17, which is no plausible time; should be UTC "
        "milliseconds, such as 1616544000000",
    ),
    "an ISO date": (
        "dvol",
        DVOL.replace(str(START), "2021-01-01 00:00"),
        "line 2: column timestamp: found '2021-01-01 00:00'; should be a number",
    ),
    "part of a millisecond": (
        "dvol",
        DVOL.replace(str(START), f"{START}.5"),
        f"line 2: column timestamp: found {START}.5; should be a whole number of milliseconds",
    ),
    "duplicate": (
        "dvol",
        DVOL.replace(str(START + HOUR), str(START)),
        f"line 3: column timestamp: found {START} a second time (also in line 2); should stand "
        "once",
    ),
    "unsorted": (
        "dvol",
        DVOL.replace(str(START + HOUR), str(START + 5 * HOUR)),
        f"line 4: column timestamp: found {START + 2 * HOUR}, earlier than line 3; rows should be "
        "in order of time",
    ),
    "off the hour": (
        "dvol",
        DVOL.replace(str(START + HOUR), str(START + HOUR + 60_000)),
        f"line 3: column timestamp: found {START + HOUR + 60_000} (2021-01-01 01:01:00+00:00); "
        "should lie on the full hour",
    ),
    "off the settlement": (
        "funding",
        FUNDING.replace(str(START + 8 * HOUR), str(START + 9 * HOUR)),
        "(2021-01-01 09:00:00+00:00); should lie at 00:00, 08:00 or 16:00 UTC",
    ),
    "off the day": (
        "onchain",
        ONCHAIN.replace(str(START + 24 * HOUR), str(START + 25 * HOUR)),
        "(2021-01-02 01:00:00+00:00); should lie at 00:00 UTC",
    ),
    "negative DVOL": (
        "dvol",
        DVOL.replace(",81.5", ",-81.5"),
        "line 3: column dvol_close: found -81.5; should be between 0.1 and 1,000 index points",
    ),
    "zero DVOL": (
        "dvol",
        DVOL.replace(",81.5", ",0"),
        "line 3: column dvol_close: found 0; should",
    ),
    "infinite": ("dvol", DVOL.replace(",81.5", ",inf"), "column dvol_close: found inf; should be"),
    "negative volume": (
        "price",
        PRICE.replace("1000000", "-1"),
        "line 2: column quote_volume: found -1; should be between 0 and 1e+13 USD an hour",
    ),
    "zero price": ("price", PRICE.replace(",29050,1", ",0,1"), "line 2: column close: found 0"),
    "funding in percent": (
        "funding",
        FUNDING.replace("0.0001", "10"),
        "line 2: column funding_rate: found 10; should be between -0.1 and 0.1 as a share",
    ),
    "no address": (
        "onchain",
        ONCHAIN.replace(",900000", ",0"),
        "line 3: column active_addresses: found 0; should be between 1 and 1e+09",
    ),
    "high below low": (
        "dvol",
        DVOL.replace("81.0,79.0", "78.0,79.0"),
        "line 2: column dvol_high: found 78, below dvol_low 79; should be at least that",
    ),
    "close above high": (
        "dvol",
        DVOL.replace(",81.5", ",82.5"),
        "line 3: column dvol_close: found 82.5; should lie between dvol_low 80 and dvol_high 82",
    ),
    "open below low": (
        "price",
        PRICE.replace("29000.5", "28000.5"),
        "line 2: column open: found 28000.5; should lie between low 28900 and high 29100",
    ),
}


@pytest.mark.parametrize(("series", "content", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_files_are_refused(tmp_path, series, content, message):
    assert message in refusal(tmp_path, series, content)


def test_a_close_may_leave_the_bar_by_rounding(tmp_path):
    put(tmp_path, "dvol", DVOL.replace(",81.5", ",82.01"))
    assert read_series(tmp_path, "BTC", "dvol")["dvol_close"].iloc[1] == 82.01


def test_every_line_number_is_right(tmp_path):
    times = START + HOUR * np.arange(200)
    for row in (0, 57, 199):
        close = np.full(200, 60.0)
        close[row] = -1
        table = pd.DataFrame({"timestamp": times, "o": "", "h": "", "l": "", "c": close})
        table.columns = ["timestamp", "dvol_open", "dvol_high", "dvol_low", "dvol_close"]
        assert f"line {row + 2}:" in refusal(tmp_path, "dvol", table.to_csv(index=False))


def test_hashes_are_of_the_bytes_of_each_csv_file(tmp_path):
    put(tmp_path, "dvol", DVOL)
    put(tmp_path, "price", PRICE)
    (tmp_path / "notes.txt").write_text("no series")
    assert raw_hashes(tmp_path) == {
        "btc_dvol_hourly.csv": hashlib.sha256(DVOL.encode()).hexdigest(),
        "btc_price_hourly.csv": hashlib.sha256(PRICE.encode()).hexdigest(),
    }


@pytest.mark.skipif(not REAL.is_dir(), reason="no real data here")
def test_the_real_files_are_accepted_and_complete():
    table = store_table(REAL, ["BTC", "ETH"])
    assert table.set_index("file")[["rows", "missing_rows", "empty_cells"]].to_dict("index") == {
        "btc_dvol_hourly.csv": {"rows": 39_985, "missing_rows": 0, "empty_cells": 3 * 52 * 23},
        "btc_price_hourly.csv": {"rows": 42_697, "missing_rows": 0, "empty_cells": 0},
        "btc_funding_8h.csv": {"rows": 5_338, "missing_rows": 0, "empty_cells": 0},
        "btc_onchain_daily.csv": {"rows": 1_780, "missing_rows": 0, "empty_cells": 8},
        "eth_dvol_hourly.csv": {"rows": 29_160, "missing_rows": 0, "empty_cells": 0},
    }
