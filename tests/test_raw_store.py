from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dvol_utils.data.raw.files import RawStoreError
from dvol_utils.data.raw.schemas import SCHEMAS
from dvol_utils.data.raw.store import raw_hashes, read_series, series_file, series_path, store_table
from dvol_utils.study.data_section import DataParams

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
        re.sub(r",([0-9.]+)\n", r',"\1"\n', DVOL).encode(),
        DVOL.replace("81.5", "8.15e1").encode(),
        DVOL.replace("81.5", "+0081.500").encode(),
        DVOL.replace(str(START), f"{START}.0").encode(),
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
    with pytest.raises(RawStoreError, match="holds no CSV or Parquet file"):
        read_series(tmp_path / "nowhere", "BTC", "dvol")


REFUSED = {
    "empty": ("dvol", "", "the file is empty; should be a header and one row per bar"),
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
    "missing column that a study can do without": (
        "onchain",
        ONCHAIN.replace("mvrv", "other"),
        "line 1: column mvrv: missing; the header reads timestamp, active_addresses, "
        "transaction_count, other, price_usd, transfer_volume_usd; without it: "
        "data.columns.onchain.mvrv: null in the study",
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
    "empty timestamp": (
        "dvol",
        DVOL.replace(str(START + HOUR), ""),
        "line 3: column timestamp: the cell is empty; should be UTC milliseconds",
    ),
    "seconds": (
        "dvol",
        DVOL.replace("00000,", "00,"),
        "line 2: column timestamp: found 1609459200, which looks like seconds; should be "
        "milliseconds (1609459200000), or declare data.timestamp_unit: s",
    ),
    "microseconds": (
        "funding",
        FUNDING.replace("00000,", "00000000,"),
        "line 2: column timestamp: found 1609459200000000, which looks like microseconds; should "
        "be milliseconds (1609459200000), or declare data.timestamp_unit: us",
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
    "a thousands separator": (
        "price",
        PRICE.replace("1000000", "1'000'000"),
        "line 2: column quote_volume: found \"1'000'000\"; should be a number",
    ),
    "a decimal comma": ("dvol", DVOL.replace("81.5", "81,5"), "line 3: found 6 fields"),
    "digits of another script": (
        "dvol",
        DVOL.replace("81.5", "٨١.5"),
        "line 3: column dvol_close: found '٨١.5'; should be a number",
    ),
    "an underscore": ("price", PRICE.replace("28900", "28_900"), "found '28_900'; should be"),
    "a hexadecimal number": ("price", PRICE.replace("28900", "0x70e4"), "found '0x70e4'"),
    "a cell that is not UTF-8": (
        "dvol",
        DVOL.encode().replace(b"81.5", b"81.5\xff"),
        r"line 3: column dvol_close: found '81.5\\xff'; should be a number",
    ),
    "a null byte": (
        "dvol",
        DVOL.replace("81.5", "81\0.5"),
        r"line 3: column dvol_close: found '81\x00.5'; should be a number",
    ),
    "a carriage return": (
        "dvol",
        DVOL.replace("80.5,82.0", "80.5\r,82.0"),
        "line 3: found a carriage return within the line; lines end in a line feed",
    ),
    "a quoted comma": (
        "funding",
        FUNDING.replace("0.0001", '"0,0001"').replace("-4.5e-05", '"-0,000045"'),
        "line 2: found a quote that does not enclose a field without commas",
    ),
    "quotes in one row": (
        "dvol",
        DVOL.replace(",81.5", ',"81.5"'),
        "line 3: found 2 quotes; should be 0, as in line 2",
    ),
    "open quotes": (
        "funding",
        FUNDING.replace(",0", ',"0').replace(",-", ',"-'),
        "line 2: found a quote that does not",
    ),
    "quotes within": (
        "funding",
        FUNDING.replace("0.0", '0.""0').replace("-4", '-4""'),
        "line 2: found a quote that does not",
    ),
    "blanks around a number": (
        "dvol",
        DVOL.replace("81.5", "81. "),
        "line 3: column dvol_close: found '81. '; should be a number",
    ),
    "a tab": ("dvol", DVOL.replace("81.5", "81\t"), r"found '81\t'; should be a number"),
    "UTF-16": ("dvol", DVOL.encode("utf-16"), "the file is UTF-16 text; should be UTF-8"),
    "daily bars as hourly ones": (
        "dvol",
        "timestamp,dvol_open,dvol_high,dvol_low,dvol_close\n"
        + "".join(f"{START + day * 24 * HOUR},,,,80\n" for day in range(5)),
        "most rows are 1,440 minutes apart; data.frequency_minutes says 60",
    ),
    "infinite": ("dvol", DVOL.replace(",81.5", ",inf"), "column dvol_close: found inf; should be"),
    "negative volume": (
        "price",
        PRICE.replace("1000000", "-1"),
        "line 2: column quote_volume: found -1; should be between 0 and 1e+13 USD a bar",
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


def test_any_asset_name_and_any_frequency_have_a_file_name(tmp_path):
    daily = DataParams(source="raw_store", frequency_minutes=1_440, price_frequency_minutes=1)
    names = [series_path(tmp_path, "SOL2", s, daily).name for s in SCHEMAS]
    assert names == [
        "sol2_dvol_daily.csv",
        "sol2_price_1min.csv",
        "sol2_funding_8h.csv",
        "sol2_onchain_daily.csv",
    ]


PARQUET_OF = {
    "integers": lambda table: table,
    "times": lambda table: table.assign(timestamp=pd.to_datetime(table["timestamp"], unit="ms")),
    "times with a zone": lambda table: table.assign(
        timestamp=pd.to_datetime(table["timestamp"], unit="ms", utc=True).dt.tz_convert(
            "Asia/Seoul"
        )
    ),
    "times as index": lambda table: table.set_index(
        pd.to_datetime(table["timestamp"], unit="ms").rename("timestamp")
    ).drop(columns="timestamp"),
    "other columns and order": lambda table: table.iloc[:, ::-1].assign(symbol="BTC", other=1),
}


@pytest.mark.parametrize("change", PARQUET_OF.values(), ids=PARQUET_OF.keys())
def test_parquet_reads_the_same_as_csv(tmp_path, change):
    put(tmp_path, "dvol", DVOL)
    expected = read_series(tmp_path, "BTC", "dvol")
    path = series_path(tmp_path, "BTC", "dvol")
    table = change(pd.read_csv(path))
    path.unlink()
    table.to_parquet(path.with_suffix(".parquet"))
    assert series_file(tmp_path, "BTC", "dvol") == path.with_suffix(".parquet")
    pd.testing.assert_frame_equal(read_series(tmp_path, "BTC", "dvol"), expected)


REFUSED_PARQUET = {
    "text": (
        lambda table: table.assign(dvol_close=table["dvol_close"].astype(str)),
        "column dvol_close: holds cells of type large_string; should be numbers",
    ),
    "truth": (
        lambda table: table.assign(dvol_close=True),
        "column dvol_close: holds cells of type bool; should be numbers",
    ),
    "negative": (
        lambda table: table.assign(dvol_close=[80.5, -81.5, 81.0, 80.25]),
        "row 2: column dvol_close: found -81.5; should be between 0.1 and 1,000 index points",
    ),
    "duplicate": (
        lambda table: table.assign(timestamp=START),
        f"row 2: column timestamp: found {START} a second time (also in row 1); should stand once",
    ),
    "part of a millisecond": (
        lambda table: table.assign(timestamp=pd.to_datetime(1_000_000 * table["timestamp"] + 1)),
        "column timestamp: Casting from timestamp[ns] to timestamp[ms] would lose data",
    ),
    "missing column": (
        lambda table: table.drop(columns="dvol_low"),
        "column dvol_low: missing; the header reads timestamp, dvol_open, dvol_high, dvol_close; "
        "without it: data.columns.dvol.dvol_low: null in the study",
    ),
    "no rows": (lambda table: table.head(0), "the file has columns but no rows"),
    "seconds": (
        lambda table: table.assign(timestamp=table["timestamp"] // 1000),
        "row 1: column timestamp: found 1609459200, which looks like seconds",
    ),
}


@pytest.mark.parametrize(
    ("change", "message"), REFUSED_PARQUET.values(), ids=REFUSED_PARQUET.keys()
)
def test_bad_parquet_files_are_refused(tmp_path, change, message):
    path = put(tmp_path, "dvol", DVOL)
    table = change(pd.read_csv(path))
    path.unlink()
    path = path.with_suffix(".parquet")
    table.to_parquet(path, index=False)
    with pytest.raises(RawStoreError, match=f"^{re.escape(str(path))}: {re.escape(message)}"):
        read_series(tmp_path, "BTC", "dvol")


def as_parquet(folder: Path, series: str, table: pd.DataFrame) -> None:
    table.to_parquet(series_path(folder, "BTC", series).with_suffix(".parquet"), index=False)


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%SZ"])
def test_times_of_a_parquet_file_may_be_declared_text(tmp_path, form):
    path = put(tmp_path, "dvol", DVOL)
    expected, table = read_series(tmp_path, "BTC", "dvol"), pd.read_csv(path)
    path.unlink()
    table["timestamp"] = pd.to_datetime(table["timestamp"], unit="ms").dt.strftime(form)
    as_parquet(tmp_path, "dvol", table)
    params = DataParams(source="raw_store", timestamp_unit="iso")
    pd.testing.assert_frame_equal(read_series(tmp_path, "BTC", "dvol", params), expected)
    found = re.escape(repr(table["timestamp"].iloc[0]))
    advice = rf"column timestamp: holds text, such as {found}; should be numbers or times; declare"
    with pytest.raises(RawStoreError, match=advice):
        read_series(tmp_path, "BTC", "dvol")
    for wrong in ("13/07/2023 12:00", "now"):
        table.loc[2, "timestamp"] = wrong
        as_parquet(tmp_path, "dvol", table)
        message = rf"row 3: column timestamp: found '{wrong}'; should be ISO 8601 text"
        with pytest.raises(RawStoreError, match=message):
            read_series(tmp_path, "BTC", "dvol", params)


def test_half_a_parquet_file_is_refused(tmp_path):
    path = put(tmp_path, "dvol", DVOL)
    pd.read_csv(path).to_parquet(path.with_suffix(".parquet"))
    path.unlink()
    content = path.with_suffix(".parquet").read_bytes()
    for part in (content[: len(content) // 2], content[:-1], b"PAR1", b"no Parquet"):
        path.with_suffix(".parquet").write_bytes(part)
        with pytest.raises(RawStoreError, match="not a whole Parquet file"):
            read_series(tmp_path, "BTC", "dvol")


def test_two_files_of_one_series_are_refused(tmp_path):
    path = put(tmp_path, "dvol", DVOL)
    pd.read_csv(path).to_parquet(path.with_suffix(".parquet"))
    message = (
        r"btc_dvol_hourly\.csv and .*btc_dvol_hourly\.parquet: the raw store should hold one of "
        r"them; remove the other$"
    )
    with pytest.raises(RawStoreError, match=message):
        read_series(tmp_path, "BTC", "dvol")


def stamped(text) -> str:
    """`DVOL` with its timestamps in another form."""
    head, *lines = DVOL.splitlines()
    cells = [line.split(",", 1) for line in lines]
    return "\n".join([head, *(f"{text(int(stamp))},{rest}" for stamp, rest in cells), ""])


def iso(pattern: str):
    return lambda stamp: f"{pd.Timestamp(stamp, unit='ms'):{pattern}}"


UNITS = {
    "s": lambda stamp: stamp // 1000,
    "us": lambda stamp: stamp * 1000,
    "iso": iso("%Y-%m-%d %H:%M"),
    "iso with T and Z": iso("%Y-%m-%dT%H:%M:%SZ"),
    "iso with milliseconds": iso("%Y-%m-%dT%H:%M:%S.000+00:00"),
    "iso in quotes": iso('"%Y-%m-%d %H:%M:%S"'),
    "iso with an offset": lambda stamp: f"{pd.Timestamp(stamp, unit='ms', tz='Asia/Seoul')}",
}


@pytest.mark.parametrize("form", UNITS)
def test_declared_units_of_timestamps_read_the_same(tmp_path, form):
    put(tmp_path, "dvol", DVOL)
    expected = read_series(tmp_path, "BTC", "dvol")
    put(tmp_path, "dvol", stamped(UNITS[form]))
    unit = form.split()[0]
    params = DataParams(source="raw_store", timestamp_unit=unit)
    pd.testing.assert_frame_equal(read_series(tmp_path, "BTC", "dvol", params), expected)
    with pytest.raises(RawStoreError, match="line 2: column timestamp: found "):
        read_series(tmp_path, "BTC", "dvol")


REFUSED_UNITS = {
    "milliseconds for seconds": (
        "s",
        DVOL,
        f"line 2: column timestamp: found {START}, which looks like milliseconds; should be "
        f"seconds ({START // 1000}), or declare data.timestamp_unit: ms",
    ),
    "no time in seconds": (
        "s",
        DVOL.replace(str(START), "17"),
        "found 17, which is no plausible time; should be UTC seconds, such as 1616544000",
    ),
    "numbers for text": ("iso", DVOL, f"line 2: column timestamp: found '{START}'; should be ISO"),
    "no such day": (
        "iso",
        stamped(UNITS["iso"]).replace("2021-01-01 02:00", "2021-02-30 02:00"),
        "line 4: column timestamp: found '2021-02-30 02:00'; should be ISO 8601 text such as "
        "2021-03-24 00:00 or 2021-03-24T00:00:00Z, all rows alike",
    ),
    "day first": (
        "iso",
        stamped(iso("%d.%m.%Y %H:%M")),
        "line 2: column timestamp: found '01.01.2021 00:00'; should be ISO",
    ),
    "some rows with a zone": (
        "iso",
        stamped(UNITS["iso"]).replace("2021-01-01 02:00", "2021-01-01 02:00Z"),
        "line 4: column timestamp: found '2021-01-01 02:00Z'; should be ISO",
    ),
    "some rows without": (
        "iso",
        stamped(UNITS["iso with T and Z"]).replace("T02:00:00Z", "T02:00:00"),
        "line 4: column timestamp: found '2021-01-01T02:00:00'; should be ISO",
    ),
    "half hours": (
        "iso",
        stamped(iso("%Y-%m-%d %H:30")),
        "line 2: column timestamp: found 2021-01-01 00:30:00 (2021-01-01 00:30:00+00:00); should "
        "lie on the full hour",
    ),
    "long ago": (
        "iso",
        stamped(iso("19%y-%m-%d %H:%M")),
        "found 1921-01-01 00:00:00, which is no plausible time; should be a time, such as "
        "2021-03-24 00:00",
    ),
    "part of a millisecond": (
        "us",
        stamped(lambda stamp: stamp * 1000 + 1),
        "found 1609459200000001; should be a whole number of milliseconds",
    ),
    "empty": (
        "iso",
        stamped(UNITS["iso"]).replace("2021-01-01 02:00", ""),
        "line 4: column timestamp: the cell is empty; should be a time",
    ),
}


@pytest.mark.parametrize(("first", "later"), [(1, 1_000), (1_000, 1), (1, 1_000_000)])
def test_a_file_that_changes_its_unit_is_told_so(tmp_path, first, later):
    lines = DVOL.splitlines()
    cells = [line.split(",", 1) for line in lines[1:]]
    rows = [
        f"{int(stamp) * (first if k < 2 else later)},{rest}"
        for k, (stamp, rest) in enumerate(cells)
    ]
    put(tmp_path, "dvol", "\n".join([lines[0], *rows, ""]))
    params = DataParams(source="raw_store", timestamp_unit="ms" if first == 1 else "us")
    names = {1: "milliseconds", 1_000: "microseconds", 1_000_000: "nanoseconds"}
    valid = (START + 2 * HOUR) * first
    message = (
        f"line 4: column timestamp: found {(START + 2 * HOUR) * later}, which looks like "
        f"{names[later]}; should be {names[first]} ({valid}), as in the rows above: the file "
        "changes its unit here"
    )
    with pytest.raises(RawStoreError, match=re.escape(message) + "$"):
        read_series(tmp_path, "BTC", "dvol", params)


def test_each_series_may_have_a_unit_of_its_own(tmp_path):
    put(tmp_path, "dvol", stamped(UNITS["iso"]))
    put(tmp_path, "price", PRICE.replace(str(START), f"{START // 1_000}").replace(
        str(START + HOUR), f"{(START + HOUR) // 1_000}"))  # fmt: skip
    put(tmp_path, "funding", FUNDING)
    params = DataParams(source="raw_store", timestamp_units={"dvol": "iso", "price": "s"})
    first = pd.Timestamp(START, unit="ms", tz="UTC")
    for series in ("dvol", "price", "funding"):
        assert read_series(tmp_path, "BTC", series, params).index[0] == first


@pytest.mark.parametrize("late", [3, 999, -2, 1_000])
@pytest.mark.parametrize("unit", ["ms", "iso", "us"])
def test_settlements_stamped_a_little_late_are_rounded_and_counted(tmp_path, unit, late):
    stamps = [START, START + 8 * HOUR + late, START + 16 * HOUR + late]
    written = {
        "ms": str,
        "us": lambda stamp: str(1_000 * stamp),
        "iso": lambda stamp: f"{pd.Timestamp(stamp, unit='ms'):%Y-%m-%d %H:%M:%S.%f}",
    }[unit]
    rows = "".join(f"{written(stamp)},0.0001\n" for stamp in stamps)
    put(tmp_path, "funding", "timestamp,funding_rate\n" + rows)
    params = DataParams(source="raw_store", timestamp_units={"funding": unit})
    index = read_series(tmp_path, "BTC", "funding", params).index
    assert index.equals(pd.date_range("2021-01-01", periods=3, freq="8h", tz="UTC").as_unit("us"))
    table = store_table(tmp_path, ["BTC"], params)
    assert table["rounded_times"].tolist() == [2]


def test_settlements_more_than_a_second_off_are_refused(tmp_path):
    found = refusal(tmp_path, "funding", FUNDING.replace(str(START), str(START + 1_001)))
    assert found.startswith(f"line 2: column timestamp: found {START + 1_001} (2021-01-01 00:00:01")
    twice = FUNDING + f"{START + 8 * HOUR + 4},0.0002\n"
    assert "a second time" in refusal(tmp_path, "funding", twice)
    assert "full hour" in refusal(tmp_path, "dvol", DVOL.replace(str(START), str(START + 4)))


@pytest.mark.parametrize(
    ("unit", "content", "message"), REFUSED_UNITS.values(), ids=REFUSED_UNITS.keys()
)
def test_timestamps_in_another_unit_than_declared_are_refused(tmp_path, unit, content, message):
    put(tmp_path, "dvol", content)
    params = DataParams(source="raw_store", timestamp_unit=unit)
    with pytest.raises(RawStoreError, match=re.escape(message)):
        read_series(tmp_path, "BTC", "dvol", params)


def test_parquet_numbers_are_no_text(tmp_path):
    path = put(tmp_path, "dvol", DVOL)
    pd.read_csv(path).to_parquet(path.with_suffix(".parquet"))
    path.unlink()
    params = DataParams(source="raw_store", timestamp_unit="iso")
    with pytest.raises(RawStoreError, match=r"found numbers; data\.timestamp_unit says iso$"):
        read_series(tmp_path, "BTC", "dvol", params)


def test_columns_may_have_other_names_and_some_may_be_absent(tmp_path):
    path = put(tmp_path, "dvol", "name,date,last\n" + f"x,{START},80.5\nx,{START + HOUR},81\n")
    names = {"timestamp": "date", "dvol_close": "last"}
    absent = dict.fromkeys(("dvol_open", "dvol_high", "dvol_low"))
    params = DataParams(source="raw_store", columns={"dvol": names | absent})
    table = read_series(tmp_path, "BTC", "dvol", params)
    assert table["dvol_close"].tolist() == [80.5, 81.0]
    assert list(table) == [column.name for column in SCHEMAS["dvol"].columns]
    assert table[list(absent)].isna().all(axis=None)
    undeclared = DataParams(source="raw_store", columns={"dvol": names})
    message = f"{path}: line 1: column dvol_open: missing; the header reads name, date, last; "
    message += "without it: data.columns.dvol.dvol_open: null in the study"
    with pytest.raises(RawStoreError, match=f"^{re.escape(message)}$"):
        read_series(tmp_path, "BTC", "dvol", undeclared)


def test_messages_name_the_columns_of_the_file(tmp_path):
    content = DVOL.replace("dvol_close", "last").replace("81.5", "much")
    path = put(tmp_path, "dvol", content)
    params = DataParams(source="raw_store", columns={"dvol": {"dvol_close": "last"}})
    message = f"{path}: line 3: column last: found 'much'; should be a number"
    with pytest.raises(RawStoreError, match=f"^{re.escape(message)}$"):
        read_series(tmp_path, "BTC", "dvol", params)


def test_the_daily_price_comes_only_when_asked_for_and_there(tmp_path):
    put(tmp_path, "onchain", ONCHAIN)
    assert "price_usd" not in read_series(tmp_path, "BTC", "onchain")
    table = read_series(tmp_path, "BTC", "onchain", with_extra=True)
    assert table["price_usd"].tolist() == [29_000.0, 28_900.0]
    put(tmp_path, "onchain", ONCHAIN.replace("price_usd", "price"))
    assert "price_usd" not in read_series(tmp_path, "BTC", "onchain", with_extra=True)


@pytest.mark.parametrize("minutes", [1, 5, 240, 1_440])
def test_bars_lie_on_the_grid_of_their_length(tmp_path, minutes):
    params = DataParams(source="raw_store", frequency_minutes=minutes)
    path = series_path(tmp_path, "BTC", "dvol", params)

    def write(*stamps: int) -> None:
        rows = "".join(f"{stamp},,,,80\n" for stamp in stamps)
        path.write_text("timestamp,dvol_open,dvol_high,dvol_low,dvol_close\n" + rows)

    step = 60_000 * minutes
    write(START, START + step, START + 3 * step)
    index = read_series(tmp_path, "BTC", "dvol", params).index
    assert (index.astype("int64") // 1000).tolist() == [START, START + step, START + 3 * step]
    assert store_table(tmp_path, ["BTC"], params)["missing_rows"].tolist() == [1]
    write(START, START + step + step // 2, START + 3 * step)
    with pytest.raises(RawStoreError, match=r"line 3: column timestamp: found .* should lie "):
        read_series(tmp_path, "BTC", "dvol", params)
    write(START, START + 2 * step, START + 4 * step)
    with pytest.raises(RawStoreError, match=f"data.frequency_minutes says {minutes:,}$"):
        read_series(tmp_path, "BTC", "dvol", params)


def manifest(folder: Path, **hashes: str) -> None:
    files = {f"btc_{name}.csv": {"sha256": value} for name, value in hashes.items()}
    (folder / "manifest.json").write_text(json.dumps({"files": files}))


def test_a_file_that_is_not_the_fetched_one_is_refused(tmp_path):
    path = put(tmp_path, "dvol", DVOL)
    put(tmp_path, "price", PRICE)
    manifest(tmp_path, dvol_hourly=hashlib.sha256(DVOL.encode()).hexdigest())
    assert len(read_series(tmp_path, "BTC", "dvol")) == 4
    assert len(read_series(tmp_path, "BTC", "price")) == 2  # not listed: somebody's own
    put(tmp_path, "dvol", DVOL.replace("81.5", "81.6"))
    message = (
        f"{path}: has changed since it was fetched: its SHA-256 is "
        f"{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}…, manifest.json says "
        f"{hashlib.sha256(DVOL.encode()).hexdigest()[:12]}…; move it away and fetch it anew with "
        "`dvol data`, or, if the change is yours, delete its entry in manifest.json"
    )
    with pytest.raises(RawStoreError, match=f"^{re.escape(message)}$"):
        read_series(tmp_path, "BTC", "dvol")
    manifest(tmp_path)
    assert read_series(tmp_path, "BTC", "dvol")["dvol_close"].iloc[1] == 81.6


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": 3}', '{"file": {}}', "\0\xff"])
def test_a_damaged_manifest_is_refused(tmp_path, content):
    put(tmp_path, "dvol", DVOL)
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(RawStoreError, match=r"manifest\.json: not a manifest of files; fetch"):
        read_series(tmp_path, "BTC", "dvol")


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


def test_a_column_that_no_study_can_do_without_is_not_said_to_be_spared(tmp_path):
    assert "without it" not in refusal(tmp_path, "dvol", DVOL.replace("dvol_close", "close"))
