from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from exchange_server import (
    DAY,
    DVOL,
    FUNDING,
    HOUR,
    METRICS,
    PRICE,
    TRANSFERS,
    ExchangeServer,
    Market,
    Table,
    made_up_market,
    milliseconds,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trainers import PATIENCE

from dvol_utils.data.fetching import update
from dvol_utils.data.fetching.fetch import fetch_store
from dvol_utils.data.fetching.http import FetchError, UnreachableError
from dvol_utils.data.panel import build_panel
from dvol_utils.data.raw.schemas import SCHEMAS
from dvol_utils.data.raw.store import read_series
from dvol_utils.study.data_section import DataParams
from dvol_utils.study.files import file_hash
from dvol_utils.study.params import ParameterError

REAL = Path(__file__).parents[2] / "shared/data"
FILES = {name: f"btc_{schema.file}" for name, schema in SCHEMAS.items()}
PATHS = {"dvol": DVOL, "price": PRICE, "funding": FUNDING, "onchain": METRICS}
FULL = 40_000
SMALL = 2_500
# Of `FULL` hours in pages of 1,000: each holds two rows of the page before.
PAGES = 41


@pytest.fixture(scope="module")
def server():
    server = ExchangeServer()
    server.http.start()
    yield server
    server.http.stop()


@pytest.fixture
def exchange(server):
    server.reset()
    yield server
    server.release.set()


class Clock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.time, self.waits = 0.0, []

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.waits.append(seconds)

    def __call__(self) -> float:
        return self.time


class Fetch:
    """`fetch_store` against the local server, with its log and waits kept."""

    def __init__(self, exchange: ExchangeServer, folder: Path) -> None:
        self.exchange, self.folder = exchange, folder
        self.log: list[str] = []
        self.clock = Clock()

    def __call__(self, *series: str, **options) -> list:
        now = pd.Timestamp(self.exchange.now, unit="ms", tz="UTC")
        defaults = {
            "assets": ["BTC"],
            "base_urls": self.exchange.urls,
            "log": self.log.append,
            "now": now,
            "timeout_s": 10.0,
            "sleep": self.clock.sleep,
            "clock": self.clock,
        }
        chosen = {"series": series} if series else {}
        return fetch_store(self.folder, **chosen, **(defaults | options))

    @property
    def manifest(self) -> dict:
        return json.loads((self.folder / "manifest.json").read_text())["files"]

    def kept_pages(self, file: str, part: str) -> int:
        return len(list((self.folder / ".fetch" / Path(file).stem / part).glob("*.json")))


@pytest.fixture
def fetch(exchange, tmp_path):
    return Fetch(exchange, tmp_path / "raw")


def expected(market: Market, series: str) -> pd.DataFrame:
    """What the raw store's reader should give of a market."""
    held: Table = dict(getattr(market, "metrics" if series == "onchain" else series))
    if series == "onchain":
        held = {t: (*v[:3], market.transfers.get(t, (np.nan,))[0]) for t, v in held.items()}
    if series == "funding":
        held = {t: v for t, v in held.items() if t % (8 * HOUR) == 0}
    times = pd.to_datetime(list(held), unit="ms", utc=True)
    names = [column.name for column in SCHEMAS[series].columns]
    index = pd.DatetimeIndex(times, name="timestamp").as_unit("us")
    return pd.DataFrame(list(held.values()), index=index, columns=names, dtype="float64")


def assert_served(folder: Path, market: Market, *series: str, until: int | None = None) -> None:
    for name in series or SCHEMAS:
        wanted = expected(market, name)
        if until is not None:
            step = pd.Timedelta(hours=SCHEMAS[name].step_hours if name != "funding" else 0)
            wanted = wanted[wanted.index + step <= pd.Timestamp(until, unit="ms", tz="UTC")]
        pd.testing.assert_frame_equal(
            read_series(folder, "BTC", name), wanted, check_exact=True, check_freq=False
        )


# --- everything goes well


def test_full_fetch_gives_the_served_doubles_and_says_where_they_are_from(exchange, fetch):
    market = exchange.serve(FULL)
    outcomes = fetch()
    assert_served(fetch.folder, market, until=exchange.now)
    assert exchange.count(DVOL) == PAGES
    assert [outcome.rows for outcome in outcomes] == [FULL, FULL, FULL // 8 + 1, FULL // 24]
    assert sorted(path.name for path in fetch.folder.iterdir()) == [*sorted(FILES.values()),
                                                                     "manifest.json"]  # fmt: skip
    for name, file in FILES.items():
        entry = fetch.manifest[file]
        assert entry["sha256"] == file_hash(fetch.folder / file)
        assert entry["rows"] == len(read_series(fetch.folder, "BTC", name))
        assert entry["holes"] == entry["revisions"] == []
    dvol = fetch.manifest[FILES["dvol"]]
    assert (dvol["first"], dvol["last"]) == ("2021-03-24T00:00Z", "2025-10-15T15:00Z")
    assert dvol["fetched_at"] == "2025-10-15T16:00:00Z"
    assert dvol["sources"] == [
        {
            "source": "Deribit",
            "base_url": exchange.urls["deribit"],
            "path": "public/get_volatility_index_data",
            "query": {
                "currency": "BTC",
                "resolution": "3600",
                "start_timestamp": str(milliseconds("2021-03-23 23:00")),
                "end_timestamp": str(milliseconds("2025-10-15 16:00")),
            },
        }
    ]
    onchain = fetch.manifest[FILES["onchain"]]["sources"]
    assert [source["source"] for source in onchain] == ["Coin Metrics", "Blockchain.com"]


def test_the_open_bar_and_what_follows_are_not_stored(exchange, fetch):
    market = exchange.serve(SMALL)
    exchange.now -= 30 * HOUR - 59 * 60_000  # 01:59 before the close of a bar
    fetch()
    assert_served(fetch.folder, market, until=exchange.now)
    last = read_series(fetch.folder, "BTC", "dvol").index[-1]
    assert last + pd.Timedelta(hours=1) == pd.Timestamp(exchange.now, unit="ms", tz="UTC").floor(
        "h"
    )


def test_other_assets_come_without_transfer_volume(exchange, fetch):
    market = exchange.serve(SMALL, asset="ETH")
    fetch(assets=["eth"])
    table = read_series(fetch.folder, "ETH", "onchain")
    wanted = expected(market, "onchain").iloc[: SMALL // 24, :3]
    pd.testing.assert_frame_equal(table.iloc[:, :3], wanted, check_exact=True, check_freq=False)
    assert table["transfer_volume_usd"].isna().all()
    assert exchange.count(TRANSFERS) == 0
    assert [s["source"] for s in fetch.manifest["eth_onchain_daily.csv"]["sources"]] == [
        "Coin Metrics"
    ]


def test_from_and_to_choose_bars_that_begin_and_close_between_them(exchange, fetch):
    market = exchange.serve(SMALL)
    fetch(start="2021-04-01 00:30", end=pd.Timestamp("2021-04-11 06:30", tz="UTC"))
    first, last = pd.Timestamp("2021-04-01 01:00", tz="UTC"), pd.Timestamp("2021-04-11 05:00Z")
    assert list(read_series(fetch.folder, "BTC", "dvol").index[[0, -1]]) == [first, last]
    assert list(read_series(fetch.folder, "BTC", "funding").index[[0, -1]]) == [
        pd.Timestamp("2021-04-01 08:00Z"),
        pd.Timestamp("2021-04-11 00:00Z"),
    ]
    assert list(read_series(fetch.folder, "BTC", "onchain").index[[0, -1]]) == [
        pd.Timestamp("2021-04-02", tz="UTC"),
        pd.Timestamp("2021-04-10", tz="UTC"),
    ]
    # Later the file grows at both ends, without losing anything.
    fetch()
    assert len(read_series(fetch.folder, "BTC", "dvol")) == SMALL - 8 * 24 - 1
    fetch(start="2021-03-24")
    assert_served(fetch.folder, market, until=exchange.now)


@pytest.mark.parametrize("offset", [-1, 0])
@pytest.mark.parametrize("end_included", [True, False])
def test_paging_conventions_lose_no_row(exchange, fetch, offset, end_included):
    market = exchange.serve(SMALL)
    exchange.continuation_offset, exchange.end_included = offset, end_included
    fetch("dvol", "price", "funding")
    assert_served(fetch.folder, market, "dvol", "price", "funding", until=exchange.now)


def test_sources_that_return_fewer_rows_than_documented_lose_none(exchange, fetch):
    market = exchange.serve(SMALL)
    exchange.price_rows, exchange.funding_rows, exchange.metric_rows = 700, 200, 30
    fetch()
    assert_served(fetch.folder, market, until=exchange.now)
    assert exchange.count(METRICS) == 1 + 4  # pages of 30 days, and one look before the first


def test_history_that_begins_later_than_asked_is_no_hole(exchange, fetch):
    market = made_up_market(SMALL, first="2021-06-01")
    exchange.markets["BTC"], exchange.now = market, max(market.dvol) + HOUR
    fetch("dvol", "price")
    assert_served(fetch.folder, market, "dvol", "price", until=exchange.now)
    assert fetch.manifest[FILES["dvol"]]["holes"] == []


# --- faults that pass

PASSING = [
    "429", "429 with Retry-After", "429 with a date", "500", "502", "503", "time-out",
    "reset connection", "truncated", "cut", "HTML", "JSON-RPC busy", "empty page",
    "repeated page", "continuation stays", "out of order", "strings for numbers",
    "words for numbers", "off the grid", "in seconds", "in contradiction", "a hole", "null values",
]  # fmt: skip
HARMLESS = {"out of order", "strings for numbers"}
WAITS = {"429 with Retry-After": {7.0}, "429 with a date": {8.0, 9.0}}


def test_a_fetch_of_40_000_hours_with_every_fault_is_exact(exchange, fetch):
    market = exchange.serve(FULL, decimals=2)
    for number, kind in enumerate(PASSING):
        # One fault more each time: a page that failed has already been asked for once more.
        exchange.fault(kind, DVOL, after=2 * number + 1)
    fetch("dvol", timeout_s=1.0)
    assert_served(fetch.folder, market, "dvol")
    assert fetch.manifest[FILES["dvol"]]["holes"] == []
    assert len([line for line in fetch.log if "asks again in" in line]) >= len(PASSING) - 4


@pytest.mark.parametrize("kind", PASSING)
def test_every_passing_fault_costs_one_request_and_no_row(exchange, fetch, kind):
    market = exchange.serve(SMALL, decimals=2)
    exchange.fault(kind, DVOL, after=1)
    fetch("dvol", timeout_s=0.5 if kind == "time-out" else 10.0)
    assert_served(fetch.folder, market, "dvol")
    if kind != "time-out":  # a busy machine may be late more than once
        assert exchange.count(DVOL) == 3 + (kind not in HARMLESS)
    if kind in WAITS:
        assert WAITS[kind] & set(fetch.clock.waits)
    assert fetch.manifest[FILES["dvol"]]["holes"] == []


@pytest.mark.parametrize(
    ("path", "series", "kind"),
    [
        (path, series, kind)
        for series, path in PATHS.items()
        if series != "dvol"
        for kind in ("429", "truncated", "out of order", "strings for numbers", "a hole",
                     "null values", "empty page", "off the grid")
    ]
    + [(PRICE, "price", "uneven arrays"), (PRICE, "price", "in contradiction")]
    + [(METRICS, "onchain", "continuation stays"), (METRICS, "onchain", "repeated page")]
    + [(TRANSFERS, "onchain", kind) for kind in ("503", "HTML", "empty page", "off the grid")],
)  # fmt: skip
def test_passing_faults_of_the_other_series(exchange, fetch, path, series, kind):
    market = exchange.serve(5_500, decimals=4)
    exchange.metric_rows = 100
    exchange.fault(kind, path, after=1 if path != TRANSFERS else 0)
    fetch(series, start="2021-03-24")
    assert_served(fetch.folder, market, series, until=exchange.now)


def test_waits_grow_and_limits_hold(exchange, fetch):
    exchange.serve(200)
    exchange.fault("500", DVOL, times=5)
    fetch("dvol")
    assert fetch.clock.waits == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert sum("HTTP 500; asks again in" in line for line in fetch.log) == 5


# --- faults that stay

STAYING = {
    "429": r"HTTP 429 \(tried 6 times\)",
    "429 for an hour": "the server asks to wait 3,600 s",
    "500": r"HTTP 500 \(tried 6 times\)",
    "404": "HTTP 404 with text/plain",
    "time-out": r"no answer in time \(ReadTimeout\) \(tried 6 times\)",
    "reset connection": r"the connection broke off \(.*\) \(tried 6 times\)",
    "truncated": r"the connection broke off \(.*\) \(tried 6 times\)",
    "cut": "HTTP 200 with application/json in place of JSON",
    "HTML": "HTTP 200 with text/html.* in place of JSON, beginning '<!DOCTYPE html>",
    "JSON-RPC busy": "HTTP 400, error 10028, too_many_requests",
    "JSON-RPC error": "HTTP 400, error 11050, bad_request",
    "empty page": r"an empty page where rows were promised \(tried 6 times\)",
    "repeated page": r"the page .* came again \(tried 2 times\)",
    "continuation stays": r"the continuation .* does not move back \(tried 2 times\)",
    "words for numbers": "open: found 'n/a'; should be a finite number",
    "off the grid": "is off the grid of 60 minutes",
    "in seconds": "is outside the range asked for",
    "in contradiction": "contradict each other",
}


@pytest.mark.parametrize("kind", STAYING)
def test_a_fault_that_stays_names_source_range_and_reason_and_keeps_the_pages(
    exchange, fetch, kind
):
    market = exchange.serve(4_800, decimals=2)
    exchange.fault(kind, DVOL, after=3, times=100)
    reason = STAYING[kind]
    where = r"Deribit DVOL of BTC, 2021-03-24 00:00 to 2021-06-\d\d \d\d:\d\d UTC: "
    with pytest.raises(FetchError, match=f"(?s)^{where}.*{reason}.*no file is written") as error:
        fetch("dvol", timeout_s=1.0 if kind == "time-out" else 10.0)
    assert "run the command again" in str(error.value)
    assert not (fetch.folder / FILES["dvol"]).exists()
    # Of two pages that contradict each other either may be wrong.
    kept = 2 if kind == "in contradiction" else 3
    assert fetch.kept_pages(FILES["dvol"], "dvol") == kept
    assert exchange.count(DVOL) <= 3 + 6
    exchange.faults.clear()
    exchange.release.set()
    asked = exchange.count(DVOL)
    fetch("dvol")
    assert exchange.count(DVOL) - asked == 5 - kept  # only what was missing
    assert_served(fetch.folder, market, "dvol")
    assert any(f"goes on after {kept} pages" in line for line in fetch.log)


def test_a_wrong_page_that_the_next_one_shows_up_is_asked_for_again(exchange, fetch):
    market = exchange.serve(SMALL, decimals=2)
    exchange.fault("in contradiction", DVOL)
    with pytest.raises(FetchError, match=r"Deribit DVOL of BTC, .* contradict each other"):
        fetch("dvol")
    fetch("dvol")
    assert_served(fetch.folder, market, "dvol")


def test_a_wrong_page_that_a_hole_shows_up_is_asked_for_again(exchange, fetch):
    market = exchange.serve(500, decimals=2)
    served = market._replace(dvol=without(market.dvol, list(market.dvol)[100]))
    exchange.markets["BTC"] = served
    exchange.fault("in contradiction", DVOL)
    with pytest.raises(FetchError, match=r"^Deribit dvol of BTC, .* contradict each other"):
        fetch("dvol")
    fetch("dvol")
    assert_served(fetch.folder, served, "dvol")


def test_one_series_that_fails_does_not_stop_the_others(exchange, fetch):
    market = exchange.serve(SMALL)
    exchange.fault("500", PRICE, times=100)
    exchange.fault("404", TRANSFERS, times=100)
    with pytest.raises(FetchError, match=r"^Deribit price .*HTTP 500.*no file is written.*$"):
        fetch()
    assert_served(fetch.folder, market, "dvol", "funding", until=exchange.now)
    assert sorted(fetch.manifest) == sorted(FILES[n] for n in ("dvol", "funding", "onchain"))
    (line,) = (line for line in fetch.log if "not fetched" in line)
    assert line.startswith(
        "btc_onchain_daily.csv: not fetched: transfer_volume_usd: Blockchain.com"
    )


@pytest.mark.parametrize("source", ["http://127.0.0.1:9/v4", "https://example.org/v4"])
def test_a_next_page_on_another_host_is_refused(exchange, fetch, source):
    exchange.serve(SMALL)
    exchange.metric_rows, exchange.next_host = 30, source
    exchange.fault("404", TRANSFERS, times=100)
    with pytest.raises(FetchError, match=r"next_page_url: found 'http.*; should lie at http://127"):
        fetch("onchain")
    assert all(path in (METRICS, TRANSFERS, "get_time") for path, _ in exchange.requests)


# --- optional series: each source and metric stands for itself


def chain(market: Market, *lost: str, until: int) -> pd.DataFrame:
    """The on-chain file that is due where some columns did not come."""
    wanted = expected(market, "onchain")
    wanted = wanted[wanted.index + pd.Timedelta(days=1) <= pd.Timestamp(until, unit="ms", tz="UTC")]
    return wanted.assign(**dict.fromkeys(lost, np.nan))


def assert_chain(fetch: Fetch, market: Market, *lost: str) -> None:
    held = read_series(fetch.folder, "BTC", "onchain")
    wanted = chain(market, *lost, until=fetch.exchange.now)
    pd.testing.assert_frame_equal(held, wanted, check_exact=True, check_freq=False)
    missing = set(fetch.manifest[FILES["onchain"]].get("not_fetched", {}))
    assert missing - {"market_cap_usd", "price_usd"} == set(lost)


@pytest.mark.parametrize(
    "kind", ["empty page", "HTML 403", "HTML", "500", "404", "429 for an hour"]
)
def test_transfer_volume_that_fails_costs_that_column_until_it_comes(exchange, fetch, kind):
    market = exchange.serve(SMALL)
    exchange.fault(kind, TRANSFERS, times=100)
    outcomes = fetch(cost=lambda columns: f"{' and '.join(columns)} (the ladder)")
    assert len(outcomes) == 4
    assert_chain(fetch, market, "transfer_volume_usd")
    lines = [line for line in fetch.log if "not fetched: " in line]
    assert len(lines) == 1
    assert "btc_onchain_daily.csv: not fetched: transfer_volume_usd (the ladder): Bl" in lines[0]
    sources = fetch.manifest[FILES["onchain"]]["sources"]
    assert [source["source"] for source in sources] == ["Coin Metrics"]
    # In vain: nothing is written. Then the source is back, and what was missing comes.
    before = {path: path.read_bytes() for path in fetch.folder.glob("*.*")}
    fetch()
    assert {path: path.read_bytes() for path in fetch.folder.glob("*.*")} == before
    exchange.faults.clear()
    fetch()
    assert_chain(fetch, market)
    assert fetch.manifest[FILES["onchain"]]["revisions"] == []
    assert any("transfer_volume_usd: 104 missing values came" in line for line in fetch.log)


@pytest.mark.parametrize("name", ["active_addresses", "transaction_count", "mvrv"])
@pytest.mark.parametrize("how", ["refused_metrics", "empty_metrics"])
def test_a_metric_that_fails_costs_no_other(exchange, fetch, name, how):
    market = exchange.serve(SMALL)
    asked = {"active_addresses": "AdrActCnt", "transaction_count": "TxCnt", "mvrv": "CapMVRVCur"}
    getattr(exchange, how).add(asked[name])
    fetch("onchain")
    assert_chain(fetch, market, name)
    # In vain: nothing is written.
    before = (fetch.folder / "manifest.json").read_bytes()
    fetch("onchain")
    assert (fetch.folder / "manifest.json").read_bytes() == before
    getattr(exchange, how).clear()
    fetch("onchain")
    assert_chain(fetch, market)


def test_coin_metrics_that_fail_leave_transfer_volume(exchange, fetch):
    market = exchange.serve(SMALL)
    exchange.fault("500", METRICS, times=1_000)
    fetch("onchain")
    assert_chain(fetch, market, "active_addresses", "transaction_count", "mvrv")
    exchange.faults.clear()
    fetch("onchain")
    assert_chain(fetch, market)


def test_a_source_that_dies_later_keeps_what_it_gave_and_costs_what_follows(exchange, fetch):
    market = exchange.serve(SMALL)
    exchange.now -= 40 * DAY
    fetch("onchain")
    dead = max(t for t in market.transfers if t + DAY <= exchange.now)
    exchange.now += 40 * DAY
    exchange.fault("HTML 403", TRANSFERS, times=100)
    fetch("onchain")
    held = read_series(fetch.folder, "BTC", "onchain")["transfer_volume_usd"].dropna()
    assert held.index[-1] == pd.Timestamp(dead, unit="ms", tz="UTC")
    assert len(read_series(fetch.folder, "BTC", "onchain")) == SMALL // 24
    exchange.faults.clear()
    fetch("onchain")
    assert_chain(fetch, market)


def test_funding_that_fails_stops_nothing(exchange, fetch):
    market = exchange.serve(SMALL)
    exchange.fault("404", FUNDING, times=100)
    outcomes = fetch()
    assert [outcome.file for outcome in outcomes] == [
        FILES[n] for n in ("dvol", "price", "onchain")
    ]
    assert any("btc_funding_8h.csv: not fetched: funding_rate: Deribit" in x for x in fetch.log)
    exchange.faults.clear()
    fetch()
    assert_served(fetch.folder, market, until=exchange.now)


# --- holes


def without(table: Table, *times: int) -> Table:
    return {t: v for t, v in table.items() if t not in times}


def test_a_hole_that_stays_is_recorded_and_left_to_the_reader(exchange, fetch):
    market = exchange.serve(SMALL)
    times = list(market.dvol)
    lost = [*times[1_000:1_023], times[2_000]]
    exchange.markets["BTC"] = served = market._replace(dvol=without(market.dvol, *lost))
    (outcome,) = fetch("dvol")
    assert_served(fetch.folder, served, "dvol")
    assert outcome.holes == 2
    assert exchange.count(DVOL) == 3 + 2 * 2  # each hole is asked for twice
    assert fetch.manifest[FILES["dvol"]]["holes"] == [
        {"from": "2021-05-04T16:00Z", "to": "2021-05-05T14:00Z", "rows": 23},
        {"from": "2021-06-15T08:00Z", "to": "2021-06-15T08:00Z", "rows": 1},
    ]
    assert any("2 holes of 24 rows stay, first 2021-05-04 16:00" in line for line in fetch.log)
    panel = build_panel(fetch.folder, DataParams(max_fill_hours=23))
    assert panel["imputed"].sum() == 24


def test_null_closes_that_stay_are_holes_and_null_opens_are_empty_cells(exchange, fetch):
    market = exchange.serve(500)
    times = list(market.dvol)
    dvol = dict(market.dvol)
    dvol[times[100]] = (*dvol[times[100]][:3], None)
    dvol[times[200]] = (None, None, None, dvol[times[200]][3])
    exchange.markets["BTC"] = market._replace(dvol=dvol)
    fetch("dvol")
    assert_served(fetch.folder, market._replace(dvol=without(dvol, times[100])), "dvol")
    assert fetch.manifest[FILES["dvol"]]["holes"][0]["rows"] == 1


@pytest.mark.parametrize("omit", [False, True])
def test_a_row_that_lacks_a_key_has_no_value_as_with_null(exchange, fetch, omit):
    market = exchange.serve(SMALL)
    exchange.omit_nulls = omit
    funded = list(market.funding)
    times = [time for time in funded if time % (8 * HOUR) == 0]
    days = list(market.metrics)
    market.funding[times[50]] = (None,)
    market.metrics[days[40]] = (*market.metrics[days[40]][:3], None, None)
    market.metrics[days[50]] = (None, *market.metrics[days[50]][1:])
    market.transfers[days[60]] = (None,)
    fetch("funding", "onchain")
    assert (
        pd.to_datetime(times[50], unit="ms", utc=True)
        not in read_series(fetch.folder, "BTC", "funding").index
    )
    table = read_series(fetch.folder, "BTC", "onchain")
    at = {day: pd.to_datetime(day, unit="ms", utc=True) for day in days}
    assert at[days[50]] not in table.index
    assert table.loc[at[days[40]], ["active_addresses", "mvrv"]].notna().all()
    assert np.isnan(table.loc[at[days[60]], "transfer_volume_usd"])
    assert fetch.manifest[FILES["funding"]]["holes"][0]["rows"] == 1


def test_a_recent_hole_is_filled_by_an_update_of_one_page(exchange, fetch):
    market = exchange.serve(SMALL)
    times = list(market.dvol)
    exchange.now -= 10 * HOUR
    lost = times[-300:-290]
    exchange.markets["BTC"] = market._replace(dvol=without(market.dvol, *lost))
    fetch("dvol")
    exchange.markets["BTC"], exchange.now = market, exchange.now + 10 * HOUR
    asked = exchange.count(DVOL)
    fetch("dvol")
    assert exchange.count(DVOL) == asked + 1
    assert_served(fetch.folder, market, "dvol")
    assert fetch.manifest[FILES["dvol"]]["holes"] == []


def test_a_known_hole_costs_an_update_no_request(exchange, fetch):
    market = exchange.serve(SMALL)
    exchange.now -= 10 * HOUR
    served = market._replace(dvol=without(market.dvol, list(market.dvol)[-100]))
    exchange.markets["BTC"] = served
    fetch("dvol")
    asked, exchange.now = exchange.count(DVOL), exchange.now + 10 * HOUR
    fetch("dvol")
    assert exchange.count(DVOL) == asked + 1
    assert_served(fetch.folder, served, "dvol")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_the_paging_and_the_holes_nothing_is_lost(server, tmp_path_factory, data):
    server.reset()
    hours = data.draw(st.integers(30, 400))
    market = server.serve(hours, decimals=2)
    inside = list(market.dvol)[1:-1]
    lost = data.draw(st.sets(st.sampled_from(inside), max_size=20))
    served = market._replace(dvol=without(market.dvol, *lost), price=without(market.price, *lost))
    server.markets["BTC"] = served
    server.dvol_rows = data.draw(st.integers(30, 100))
    server.price_rows = data.draw(st.integers(200, 400))
    server.continuation_offset = data.draw(st.sampled_from([-1, 0]))
    server.end_included = data.draw(st.booleans())
    # Not twice the same request; and of a first page that is wrong nothing can be known.
    kinds = sorted(set(PASSING) - {"time-out", "a hole", "in contradiction"})
    for path in (DVOL, PRICE):
        for after in data.draw(st.sets(st.sampled_from([0, 2, 4]))):
            server.fault(data.draw(st.sampled_from(kinds)), path, after=after)
    fetch = Fetch(server, tmp_path_factory.mktemp("raw"))
    fetch("dvol", "price", start="2021-03-24")
    assert_served(fetch.folder, served, "dvol", "price")
    holes = fetch.manifest[FILES["dvol"]]["holes"]
    assert sum(hole["rows"] for hole in holes) == len(lost)


# --- clocks, kills, and two at a time


@pytest.mark.parametrize("hours", [-24 * 400, -3, 3, 24 * 400])
def test_a_local_clock_that_is_off_changes_nothing(exchange, fetch, hours):
    market = exchange.serve(SMALL)
    exchange.now -= 2 * HOUR
    local = pd.Timestamp(exchange.now + hours * HOUR, unit="ms", tz="UTC")
    fetch("dvol", "funding", now=local)
    assert_served(fetch.folder, market, "dvol", "funding", until=exchange.now)
    side = "ahead of" if hours > 0 else "behind"
    assert fetch.log[0].endswith(f"{side} Deribit's, which decides what bars are closed")


def test_a_clock_that_is_right_is_not_mentioned(exchange, fetch):
    exchange.serve(100)
    fetch("dvol")
    assert not any("clock" in line for line in fetch.log)


def test_a_server_without_a_sane_clock_is_refused(exchange, fetch):
    exchange.serve(100)
    exchange.clock = exchange.now // 1000
    with pytest.raises(FetchError, match=r"Deribit time: result: found \d+; should be the time in"):
        fetch("dvol")


def test_a_kill_between_two_pages_costs_at_most_one_page(exchange, fetch):
    market = exchange.serve(FULL, decimals=2)
    code = (
        "import json, sys; from dvol_utils.data.fetching.fetch import fetch_store; "
        "fetch_store(sys.argv[1], assets=['BTC'], series=['dvol'], "
        "base_urls=json.loads(sys.argv[2]), sleep=lambda s: None)"
    )
    command = [sys.executable, "-c", code, str(fetch.folder), json.dumps(exchange.urls)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def kill(path: str, number: int) -> None:
        if path == DVOL and number == 20:
            os.kill(process.pid, signal.SIGKILL)

    exchange.hooks.append(kill)
    assert process.wait(PATIENCE) == -signal.SIGKILL
    assert fetch.kept_pages(FILES["dvol"], "dvol") == 19
    assert not (fetch.folder / FILES["dvol"]).exists()
    exchange.hooks.clear()
    fetch("dvol")
    assert exchange.count(DVOL) == PAGES + 1
    assert_served(fetch.folder, market, "dvol")
    assert not (fetch.folder / ".fetch").exists()


def test_an_interrupted_download_is_finished_before_what_came_since(exchange, fetch):
    market = exchange.serve(SMALL)
    exchange.now -= 24 * HOUR
    exchange.fault("404", DVOL, after=2)
    with pytest.raises(FetchError, match="404"):
        fetch("dvol")
    exchange.now += 24 * HOUR
    fetch("dvol")
    assert exchange.count(DVOL) == 3 + 1 + 1  # with the failed one, and one for the last day
    assert_served(fetch.folder, market, "dvol")


@pytest.mark.parametrize("step", ["write_manifest", "write_json", "_checked"])
def test_a_stop_at_any_step_of_writing_loses_nothing(exchange, fetch, monkeypatch, step):
    market = exchange.serve(SMALL)

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(update, step, stop)
        with pytest.raises(KeyboardInterrupt):
            fetch("dvol")
    asked = exchange.count(DVOL)
    fetch("dvol")
    assert exchange.count(DVOL) == asked
    assert_served(fetch.folder, market, "dvol")
    assert fetch.manifest[FILES["dvol"]]["sha256"] == file_hash(fetch.folder / FILES["dvol"])
    assert not (fetch.folder / ".fetch").exists()


def test_a_damaged_page_is_asked_for_again(exchange, fetch):
    market = exchange.serve(SMALL)
    exchange.fault("404", DVOL, after=2)
    with pytest.raises(FetchError, match="404"):
        fetch("dvol")
    (page,) = (fetch.folder / ".fetch/btc_dvol_hourly/dvol").glob("00001_*")
    page.write_text(page.read_text()[:-50])
    fetch("dvol")
    assert exchange.count(DVOL) == 3 + 2
    assert_served(fetch.folder, market, "dvol")


def test_pages_of_another_server_are_not_mixed_in(exchange, fetch):
    market = exchange.serve(SMALL)
    exchange.fault("404", DVOL, after=2)
    with pytest.raises(FetchError, match="404"):
        fetch("dvol")
    elsewhere = exchange.urls | {"deribit": exchange.urls["deribit"] + "/mirror"}
    fetch("dvol", base_urls=elsewhere)
    assert exchange.count(DVOL) == 3 + 3
    assert_served(fetch.folder, market, "dvol")


def test_a_second_download_into_the_same_folder_is_refused(exchange, fetch):
    exchange.serve(100)
    caught = []

    def again(path: str, number: int) -> None:
        if path == DVOL and not caught:
            caught.append(None)
            with pytest.raises(FetchError, match="another download is at work there") as error:
                fetch("dvol")
            caught.append(error)

    exchange.hooks.append(again)
    fetch("dvol")
    assert len(caught) == 2


# --- updates


def grown(exchange: ExchangeServer, fetch: Fetch, *series: str, hours: int = 10) -> Market:
    """Fetch a market, then let it grow."""
    market = exchange.serve(SMALL)
    exchange.now -= hours * HOUR
    fetch(*series)
    exchange.now += hours * HOUR
    exchange.requests.clear()
    return market


def test_an_update_costs_one_page_a_series(exchange, fetch):
    market = grown(exchange, fetch, hours=30)
    before = {name: file_hash(fetch.folder / file) for name, file in FILES.items()}
    outcomes = fetch()
    assert sorted(path for path, _ in exchange.requests) == sorted(
        [DVOL, PRICE, FUNDING, METRICS, TRANSFERS, "get_time"]
    )
    assert_served(fetch.folder, market, until=exchange.now)
    assert all(file_hash(fetch.folder / FILES[name]) != before[name] for name in FILES)
    assert [outcome.rows - outcome.rows_before for outcome in outcomes] == [30, 30, 4, 2]
    start = int(dict(exchange.requests)[DVOL]["start_timestamp"])
    assert start == max(market.dvol) - (30 + 48 + 1) * HOUR
    assert fetch.manifest[FILES["dvol"]]["asked_from"] == "2021-03-24T00:00Z"


def test_what_is_up_to_date_is_not_asked_for(exchange, fetch):
    exchange.serve(SMALL)
    fetch()
    before = {path: path.read_bytes() for path in fetch.folder.iterdir()}
    exchange.requests.clear()
    fetch()
    assert [path for path, _ in exchange.requests] == ["get_time"]
    assert {path: path.read_bytes() for path in fetch.folder.iterdir()} == before


def test_columns_and_rows_that_only_the_file_has_stay(exchange, fetch):
    market = grown(exchange, fetch, "price")
    path = fetch.folder / FILES["price"]
    table = pd.read_csv(path, index_col="timestamp")
    table["remark"] = "own"
    table.to_csv(path)
    (fetch.folder / "manifest.json").unlink()
    fetch("price")
    assert_served(fetch.folder, market, "price")
    remarks = pd.read_csv(path)["remark"]
    assert (remarks == "own").sum() == SMALL - 10
    assert remarks.isna().sum() == 10


def test_a_late_cell_is_filled_and_noted(exchange, fetch):
    market = exchange.serve(SMALL)
    exchange.now -= 10 * HOUR
    late = list(market.dvol)[-20]
    bare = (None, *market.dvol[late][1:])
    exchange.markets["BTC"] = market._replace(dvol=market.dvol | {late: bare})
    fetch("dvol")
    exchange.markets["BTC"], exchange.now = market, exchange.now + 10 * HOUR
    (outcome,) = fetch("dvol")
    assert_served(fetch.folder, market, "dvol")
    assert outcome.revisions == 1
    (revision,) = fetch.manifest[FILES["dvol"]]["revisions"]
    assert (revision["column"], revision["old"]) == ("dvol_open", None)


def test_a_source_that_prints_fewer_decimals_changes_nothing(exchange, fetch):
    market = grown(exchange, fetch, "dvol")
    rounded = {t: tuple(round(x, 3) for x in v) for t, v in market.dvol.items()}
    exchange.markets["BTC"] = market._replace(dvol=rounded)
    fetch("dvol")
    mixed = dict(list(market.dvol.items())[:-10] + list(rounded.items())[-10:])
    assert_served(fetch.folder, market._replace(dvol=mixed), "dvol")
    assert fetch.manifest[FILES["dvol"]]["revisions"] == []


@pytest.mark.parametrize("series", ["dvol", "price", "funding"])
def test_a_closed_bar_that_changed_is_refused_and_both_versions_stay(exchange, fetch, series):
    market = grown(exchange, fetch, series)
    path = fetch.folder / FILES[series]
    content, entry = path.read_bytes(), fetch.manifest
    held = getattr(market, series)
    time = list(held)[-25] // (8 * HOUR) * (8 * HOUR)
    changed = held | {time: (*held[time][:-1], 1.001 * held[time][-1])}
    exchange.markets["BTC"] = market._replace(**{series: changed})
    last = SCHEMAS[series].columns[-1].name
    reason = f"refused: {last} at 2021-.* is stored as .* and came as .*1 values differ.*stays as"
    with pytest.raises(FetchError, match=f"^Deribit {series} of BTC, 2021.* UTC: {reason}"):
        fetch(series)
    assert path.read_bytes() == content
    assert fetch.manifest == entry
    refused = path.with_suffix(".refused.csv")
    refused.rename(path)
    (fetch.folder / "manifest.json").unlink()
    assert_served(fetch.folder, exchange.markets["BTC"], series, until=exchange.now)


def test_a_download_that_shrinks_the_series_is_refused(exchange, fetch):
    market = grown(exchange, fetch, "dvol")
    path = fetch.folder / FILES["dvol"]
    content = path.read_bytes()
    lost = list(market.dvol)[-30:-20]
    exchange.markets["BTC"] = market._replace(dvol=without(market.dvol, *lost))
    with pytest.raises(FetchError, match="refused: 10 rows are stored that the download lacks, th"):
        fetch("dvol")
    assert path.read_bytes() == content
    assert path.with_suffix(".refused.csv").is_file()
    # The source recovers.
    exchange.markets["BTC"] = market
    fetch("dvol")
    assert_served(fetch.folder, market, "dvol")


def test_a_first_download_that_the_reader_would_refuse_is_kept_aside(exchange, fetch):
    market = exchange.serve(100)
    time = list(market.dvol)[50]
    exchange.markets["BTC"] = market._replace(dvol=market.dvol | {time: (5e3, 5e3, 5e3, 5e3)})
    with pytest.raises(FetchError, match=r"refused: .* line 52: column dvol_open: found 5000"):
        fetch("dvol")
    assert [path.name for path in fetch.folder.iterdir()] == ["btc_dvol_hourly.refused.csv"]


def test_a_damaged_file_is_left_alone(exchange, fetch):
    grown(exchange, fetch, "dvol")
    path = fetch.folder / FILES["dvol"]
    path.write_bytes(content := path.read_bytes()[:-5])
    reason = r"cannot be brought up to date: .* has changed since it was fetched.* move it away"
    with pytest.raises(FetchError, match=reason):
        fetch("dvol")
    assert path.read_bytes() == content


def test_a_parquet_file_of_ones_own_is_left_alone(exchange, fetch):
    exchange.serve(100)
    fetch.folder.mkdir()
    (fetch.folder / "btc_dvol_hourly.parquet").touch()
    with pytest.raises(FetchError, match=r"btc_dvol_hourly\.parquet is there already and is not"):
        fetch("dvol")
    assert exchange.count(DVOL) == 0


def test_recent_onchain_values_may_be_revised_and_come_late(exchange, fetch):
    market = exchange.serve(SMALL)
    exchange.now -= 48 * HOUR
    days = [day for day in market.metrics if day + DAY <= exchange.now]
    early = market._replace(
        metrics=market.metrics | {days[-2]: (1e6, *market.metrics[days[-2]][1:]),
                                  days[-1]: (None, *market.metrics[days[-1]][1:])},
        transfers=without(market.transfers, days[-3]),
    )  # fmt: skip
    exchange.markets["BTC"] = early
    fetch("onchain")
    assert read_series(fetch.folder, "BTC", "onchain").index[-1].value // 1_000_000 == days[-2]
    exchange.markets["BTC"], exchange.now = market, exchange.now + 48 * HOUR
    (outcome,) = fetch("onchain")
    assert_served(fetch.folder, market, "onchain", until=exchange.now)
    assert outcome.revisions == 2
    late, revised = fetch.manifest[FILES["onchain"]]["revisions"]
    assert (late["column"], late["old"]) == ("transfer_volume_usd", None)
    assert (revised["column"], revised["old"]) == ("active_addresses", 1e6)
    assert revised["new"] == market.metrics[days[-2]][0]
    assert any("active_addresses at" in line and "was 1000000" in line for line in fetch.log)


def test_an_old_onchain_value_that_changed_is_refused(exchange, fetch):
    market = exchange.serve(SMALL)
    fetch("onchain", start="2021-03-25")
    day = list(market.metrics)[5]
    changed = market.metrics | {day: (2e6, *market.metrics[day][1:])}
    exchange.markets["BTC"] = market._replace(metrics=changed)
    reason = r"^Coin Metrics and Blockchain.com onchain of BTC, .*: refused: active_addresses at"
    with pytest.raises(FetchError, match=reason):
        fetch("onchain", start="2021-03-24")


def test_a_day_of_zero_transfer_volume_is_an_empty_cell(exchange, fetch):
    market = exchange.serve(SMALL)
    day = list(market.transfers)[50]
    exchange.markets["BTC"] = market._replace(transfers=market.transfers | {day: (0.0,)})
    fetch("onchain")
    served = market._replace(transfers=without(market.transfers, day))
    assert_served(fetch.folder, served, "onchain", until=exchange.now)


# --- wrong calls


def test_wrong_arguments_are_named(exchange, fetch):
    exchange.serve(100)
    with pytest.raises(ParameterError, match=r"asset '\.\./x': should be a code such as BTC"):
        fetch(assets=["../x"])
    for text in ("soon", ""):
        with pytest.raises(ParameterError, match=f"time '{text}': should be ISO 8601"):
            fetch(start=text)
    with pytest.raises(ParameterError, match="base URL of 'binance': should be of one of deribit"):
        fetch(base_urls={"binance": "https://example.org"})
    with pytest.raises(ParameterError, match="found 'ftp://x'; should be https://host/path"):
        fetch(base_urls={"deribit": "ftp://x"})
    with pytest.raises(FetchError, match=r"Deribit dvol of BTC, .*: no bar begins and closes in"):
        fetch("dvol", start="2021-03-25 00:30", end="2021-03-25 01:30")
    assert not any(path != "get_time" for path, _ in exchange.requests)


def test_without_a_network_the_first_request_says_so(fetch):
    urls = dict.fromkeys(("deribit", "coinmetrics", "blockchain"), "http://127.0.0.1:9/api")
    with pytest.raises(
        UnreachableError, match=r"^Deribit time: no connection to http://127.0.0.1:9"
    ):
        fetch(base_urls=urls)
    assert fetch.clock.waits == [1.0]
    assert not fetch.folder.exists()


# --- the real data


@pytest.mark.skipif(not REAL.is_dir(), reason="no real data beside the project")
def test_a_server_of_the_real_values_gives_the_real_store_and_panel(exchange, fetch):
    real = {name: read_series(REAL, "BTC", name) for name in SCHEMAS}
    whole = pd.read_csv(REAL / FILES["onchain"], index_col="timestamp")
    metrics = whole[["active_addresses", "transaction_count", "mvrv", "market_cap_usd",
                     "price_usd"]]  # fmt: skip
    tables = [
        as_table(real[name]) for name in ("dvol", "price", "funding")
    ] + [as_table(metrics), as_table(real["onchain"][["transfer_volume_usd"]])]  # fmt: skip
    exchange.markets["BTC"] = Market(*tables)
    exchange.now = milliseconds("2025-10-16 00:30")
    fetch(start="2020-12-01")
    for name, table in real.items():
        got = read_series(fetch.folder, "BTC", name)
        pd.testing.assert_frame_equal(got, table, check_exact=True, check_freq=False)
    assert fetch.manifest[FILES["dvol"]]["holes"] == []
    params = DataParams(source="raw_store")
    pd.testing.assert_frame_equal(
        build_panel(fetch.folder, params), build_panel(REAL, params), check_exact=True
    )


def as_table(frame: pd.DataFrame) -> Table:
    stamps = frame.index
    if isinstance(stamps, pd.DatetimeIndex):
        stamps = stamps.as_unit("ms").astype("int64")
    values = [tuple(None if np.isnan(x) else x for x in row) for row in frame.to_numpy().tolist()]
    return dict(zip(stamps.tolist(), values, strict=True))
