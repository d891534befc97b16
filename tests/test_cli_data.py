"""`dvol data`: the fetch that `make report` begins with where the data is missing."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml
from exchange_server import FUNDING, HOUR, PRICE, TRANSFERS, ExchangeServer
from test_cli import dvol

from dvol_utils.data.raw.store import read_series

STUDY = {
    "title": "Fetched",
    "data": {"source": "raw_store"},
    "split": {"validation_start": "2021-04-10 00:00", "test_start": "2021-04-20 00:00"},
}


@pytest.fixture(scope="module")
def exchange():
    server = ExchangeServer()
    server.http.start()
    yield server
    server.release.set()
    server.http.stop()


@pytest.fixture
def project(tmp_project, exchange):
    (tmp_project / "params/fetched.yaml").write_text(yaml.safe_dump(STUDY))
    exchange.reset()
    return tmp_project


def urls(exchange):
    return [f"--base-url={source}={url}" for source, url in exchange.urls.items()]


def test_data_fetches_every_series_of_the_study(project, exchange):
    exchange.serve(900)
    dvol("data", "--study", "fetched", *urls(exchange))
    store = project / "data/raw"
    assert sorted(path.name for path in store.glob("*.csv")) == [
        "btc_dvol_hourly.csv", "btc_funding_8h.csv", "btc_onchain_daily.csv",
        "btc_price_hourly.csv",
    ]  # fmt: skip
    assert len(read_series(store, "BTC", "dvol")) == 900


def test_raw_asset_and_range_choose_place_asset_and_hours(project, exchange, tmp_path):
    exchange.serve(900, asset="ETH")
    where = tmp_path / "elsewhere"
    where.mkdir()
    dvol(
        "data", "--study", "fetched", "--asset", "ETH", "--from", "2021-03-30", "--to",
        "2021-04-05", "--raw", where, *urls(exchange),
    )  # fmt: skip
    series = read_series(where, "ETH", "dvol")
    assert series.index[0] == pd.Timestamp("2021-03-30", tz="UTC")
    assert series.index[-1] == pd.Timestamp("2021-04-04 23:00", tz="UTC")
    assert not (project / "data").exists()


def test_only_what_the_study_lacks_is_fetched(project, exchange):
    exchange.serve(900)
    first = dvol("data", "--study", "fetched", "--if-needed", *urls(exchange))
    assert "btc_dvol_hourly.csv is not there; fetching" in first
    asked = len(exchange.http.log)
    assert dvol("data", "--study", "fetched", "--if-needed", *urls(exchange)) == ""
    assert len(exchange.http.log) == asked
    late = ["--set", "split.test_start=2021-05-20"]
    again = dvol("data", "--study", "fetched", "--if-needed", *late, *urls(exchange))
    assert "btc_dvol_hourly.csv ends 2021-04-30 12:00, the study needs 2021-05-21 00:00" in again


def test_files_of_ones_own_are_never_fetched(project, exchange):
    daily = ["--set", "data.frequency_minutes=1440"]
    assert dvol("data", "--study", "fetched", "--if-needed", *daily, *urls(exchange)) == ""
    said = dvol("data", "--study", "fetched", *daily, *urls(exchange), status=2)
    assert "data.frequency_minutes describes files of your own" in said
    assert not (project / "data").exists()


def test_without_a_network_it_says_what_to_do(project):
    nowhere = "--base-url=deribit=http://127.0.0.1:9"
    said = dvol("data", "--study", "fetched", nowhere, status=2)
    assert "no connection to http://127.0.0.1:9" in said
    assert "make report STUDY=fetched RAW=folder" in said
    assert not (project / "data").exists()


def test_a_simulated_study_has_nothing_to_fetch(project):
    assert "choose a study with data.source: raw_store" in dvol("data", "--study", "tiny", status=2)


def test_a_base_url_without_a_source_is_refused(project):
    said = dvol("data", "--study", "fetched", "--base-url", "http://x", status=2)
    assert "should read SOURCE=URL" in said


def onchain(project):
    return read_series(project / "data/raw", "BTC", "onchain")


def test_what_failed_is_said_with_its_cost_and_made_good_by_the_next_report(project, exchange):
    exchange.serve(900)
    exchange.fault("HTML 403", TRANSFERS, times=2)
    exchange.fault("404", FUNDING, times=2)
    first = dvol("data", "--study", "fetched", "--if-needed", *urls(exchange))
    ladder = "LSTM baseline, LSTM large, LSTM ultra cannot be fitted"
    assert f"not fetched: transfer_volume_usd ({ladder}): Blockchain.com" in first
    assert "not fetched: funding_rate (no model reads it): Deribit funding" in first
    assert onchain(project)["transfer_volume_usd"].isna().all()
    assert onchain(project)["mvrv"].notna().all()
    files = {path: path.read_bytes() for path in (project / "data/raw").glob("*.[cj]s*")}
    exchange.now += 48 * HOUR  # no other series moves on: the study would run again
    second = dvol("data", "--study", "fetched", "--if-needed", *urls(exchange))
    assert "data: btc_funding_8h.csv is not there; btc_onchain_daily.csv lacks transfer" in second
    assert files == {path: path.read_bytes() for path in (project / "data/raw").glob("*.[cj]s*")}
    dvol("data", "--study", "fetched", "--if-needed", *urls(exchange))
    assert onchain(project)["transfer_volume_usd"].notna().all()
    assert len(read_series(project / "data/raw", "BTC", "dvol")) == 900
    assert len(read_series(project / "data/raw", "BTC", "funding")) == 900 // 8 + 1
    assert dvol("data", "--study", "fetched", "--if-needed", *urls(exchange)) == ""


def test_without_a_network_a_store_that_lacks_an_optional_series_will_do(project, exchange):
    exchange.serve(900)
    exchange.fault("404", FUNDING, times=100)
    dvol("data", "--study", "fetched", *urls(exchange))
    nowhere = "--base-url=deribit=http://127.0.0.1:9"
    said = dvol("data", "--study", "fetched", "--if-needed", nowhere)
    assert "data: not fetched: funding_rate (no model reads it): Deribit time: no conn" in said
    (project / "data/raw/btc_price_hourly.csv").unlink()
    said = dvol("data", "--study", "fetched", "--if-needed", nowhere, status=2)
    assert "Deribit time: no connection" in said
    exchange.faults.clear()
    dvol("data", "--study", "fetched", "--if-needed", *urls(exchange))
    assert len(read_series(project / "data/raw", "BTC", "price")) == 900


def test_a_required_series_that_fails_is_an_error_with_the_rest_kept(project, exchange):
    exchange.serve(900)
    exchange.fault("404", PRICE, times=100)
    exchange.fault("HTML 403", TRANSFERS, times=100)
    said = dvol("data", "--study", "fetched", *urls(exchange), status=2)
    assert "dvol: Deribit price of BTC, 2020-12-01 00:00 to" in said
    assert "not fetched: transfer_volume_usd" in said
    assert len(onchain(project)) == 37


def test_a_store_of_ones_own_is_not_completed(project, exchange):
    exchange.serve(900)
    dvol("data", "--study", "fetched", *urls(exchange))
    for name in ("manifest.json", "btc_price_hourly.csv", "btc_onchain_daily.csv"):
        (project / "data/raw" / name).unlink()
    asked = len(exchange.http.log)
    assert dvol("data", "--study", "fetched", "--if-needed", *urls(exchange)) == ""
    assert len(exchange.http.log) == asked
