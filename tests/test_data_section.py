from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from dvol_utils.data.raw.schemas import SCHEMAS
from dvol_utils.data.simulated import market
from dvol_utils.study.data_section import INDISPENSABLE, RAW_COLUMNS, SIMULATED_ASSETS, DataParams
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import ParameterError


def test_columns_are_those_of_the_raw_store():
    held = {series: tuple(c.name for c in schema.columns) for series, schema in SCHEMAS.items()}
    assert held == RAW_COLUMNS
    assert set(INDISPENSABLE) < {"timestamp", *(n for names in RAW_COLUMNS.values() for n in names)}


def test_the_simulated_market_knows_its_assets():
    for asset in SIMULATED_ASSETS:
        assert "dvol" in market.simulate_market(
            DataParams(simulated={"hours": 400}).simulated, asset
        )


@pytest.mark.parametrize("asset", ["BTC", "SOL", "1INCH", "A" * 12])
def test_any_asset_code(asset):
    assert DataParams(source="raw_store", assets=[asset]).assets == [asset]


@pytest.mark.parametrize("asset", ["", "X", "btc", "BTC-USD", "../BTC", "A" * 13, "BTC\n", "ÄÖ"])
def test_what_is_no_asset_code(asset):
    message = "should be 2 to 12 capital letters or digits, such as BTC"
    with pytest.raises(ValidationError, match=message):
        DataParams(source="raw_store", assets=[asset])


@pytest.mark.parametrize("minutes", [1, 2, 5, 15, 30, 60, 120, 240, 720, 1_440])
def test_frequencies(minutes):
    params = DataParams(source="raw_store", frequency_minutes=minutes)
    assert params.bar_minutes("dvol") == params.bar_minutes("price") == minutes


@pytest.mark.parametrize("minutes", [-60, 0, 7, 45, 90, 100, 300, 1_380, 2_880])
def test_what_is_no_frequency(minutes):
    message = "should be minutes that divide an hour, or hours that divide a day: 1, 5, 15"
    with pytest.raises(ValidationError, match=message):
        DataParams(source="raw_store", frequency_minutes=minutes)


def test_prices_may_have_their_own_frequency():
    params = DataParams(source="raw_store", frequency_minutes=1_440, price_frequency_minutes=60)
    assert (params.bar_minutes("dvol"), params.bar_minutes("price")) == (1_440, 60)
    message = "price_frequency_minutes 240 should be at most 60 or frequency_minutes 1"
    with pytest.raises(ValidationError, match=message):
        DataParams(source="raw_store", frequency_minutes=1, price_frequency_minutes=240)


REFUSED = {
    "unknown series": (
        {"columns": {"spot": {"close": "c"}}},
        "columns.spot.[key]: found 'spot'; should be 'dvol', 'price', 'funding' or 'onchain'",
    ),
    "unknown column": (
        {"columns": {"dvol": {"close": "value"}}},
        "columns.dvol.close: should be one of timestamp, dvol_open, dvol_high, dvol_low, dvol_",
    ),
    "indispensable": (
        {"columns": {"price": {"close": None}}},
        "columns.price.close: found null; every file needs it",
    ),
    "unit": ({"timestamp_unit": "ns"}, "timestamp_unit: found 'ns'; should be 'ms', 's', 'us' or "),
    "limits": ({"quality": {"stale": 3}}, "quality.stale: unknown key; valid keys here: longest_"),
}


@pytest.mark.parametrize(("values", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_descriptions_of_files_are_refused(tmp_project, values, message):
    with pytest.raises(ParameterError, match=re.escape(message)):
        load_study("tiny", {"data": {"source": "raw_store", **values}})


SIMULATED_REFUSED = {
    "asset": ({"assets": ["SOL"]}, "assets: found SOL; the simulated market knows BTC and ETH"),
    "frequency": ({"frequency_minutes": 1}, "frequency_minutes describes the files of source:"),
    "unit": ({"timestamp_unit": "s"}, "timestamp_unit describes the files of source: raw_store"),
    "columns": ({"columns": {"dvol": {}}}, "columns describes the files of source: raw_store"),
}


@pytest.mark.parametrize(("values", "message"), SIMULATED_REFUSED.values(), ids=SIMULATED_REFUSED)
def test_the_simulated_market_writes_its_own_files(values, message):
    with pytest.raises(ValidationError, match=message):
        DataParams(**values)


def test_a_study_names_its_columns_in_yaml(tmp_project):
    study = load_study(
        "tiny",
        {
            "data.source": "raw_store",
            "data.columns.dvol.timestamp": "date",
            "data.columns": {"dvol": {"dvol_open": None}},
        },
    )
    assert study.data.columns == {"dvol": {"timestamp": "date", "dvol_open": None}}
