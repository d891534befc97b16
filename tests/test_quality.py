"""Every check of the data page finds the fault that is planted, and nothing in sound data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from market import small_panel

from dvol_utils.data.checks import quality
from dvol_utils.data.checks.coverage import coverage_calendar, coverage_table
from dvol_utils.data.checks.ticks import wrong_ticks
from dvol_utils.data.checks.verdict import findings, verdict
from dvol_utils.data.panel import build_panel
from dvol_utils.data.raw.store import series_path
from dvol_utils.data.simulated import market as simulated
from dvol_utils.study.data_section import DataParams
from dvol_utils.study.params import QualityParams

REAL = Path(__file__).parents[2] / "shared/data"
PARAMS = DataParams(simulated={"start": "2021-01-01", "hours": 1_500, "seed": 5})
HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


@pytest.fixture(scope="module")
def market(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("market")
    simulated.write_store(folder, PARAMS)
    table = pd.read_csv(series_path(folder, "BTC", "onchain"))
    price = pd.read_csv(series_path(folder, "BTC", "price")).set_index("timestamp")["close"]
    table["price_usd"] = price.reindex(table["timestamp"] + 23 * 3_600_000).to_numpy()
    table.to_csv(series_path(folder, "BTC", "onchain"), index=False)
    return folder


@pytest.fixture
def raw(market, tmp_path) -> Path:
    """A copy of the store that a test may damage."""
    for file in market.glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def edit(folder: Path, series: str, change) -> None:
    path = series_path(folder, "BTC", series)
    change(pd.read_csv(path)).to_csv(path, index=False)


def checked(folder: Path, params: DataParams = PARAMS) -> pd.DataFrame:
    panel = build_panel(folder, params)
    return findings(
        panel,
        quality.stale_runs(panel),
        quality.neighbour_outliers(panel, scales=params.quality.outlier_scales),
        quality.close_differences(folder, params, panel),
        quality.lead_lag(panel),
        wrong_ticks(folder, params, panel),
        params,
    )


def failures(found: pd.DataFrame) -> dict[str, str]:
    return found[found["passed"].eq(False)].set_index("check")["words"].to_dict()


def test_sound_data_passes_every_check(market):
    found = checked(market)
    assert found["passed"].tolist() == [True] * 7
    assert verdict(found) == (
        "**Fit for the study: yes.** All 1,500 closes are there. No timestamp stands twice or out "
        "of order. " + " ".join(f"{text[0].upper()}{text[1:]}." for text in found["words"][2:])
    )
    assert found["words"][5] == "hourly and daily closes differ by 0.00 % in the median"


# Coverage


def test_the_calendar_shows_days_that_are_missing_in_part_or_whole(raw):
    gone = [utc("2021-01-05 00:00"), utc("2021-01-06 05:00"), utc("2021-01-06 06:00")]
    gone += list(pd.date_range(utc("2021-01-07"), periods=24, freq="h"))
    stamps = [int(time.timestamp()) * 1_000 for time in gone]
    edit(raw, "dvol", lambda t: t[~t["timestamp"].isin(stamps)])
    edit(
        raw,
        "funding",
        lambda t: t[t["timestamp"] != int(utc("2021-01-09 08:00").timestamp()) * 1_000],
    )
    edit(raw, "onchain", lambda t: t.assign(
        transfer_volume_usd=t["transfer_volume_usd"].where(t.index != 40)))  # fmt: skip
    panel = build_panel(raw, PARAMS)
    calendar = coverage_calendar(raw, PARAMS, panel)
    part = calendar[calendar["share"] < 1].set_index(["series", "day"])["share"].to_dict()
    blank_day = utc("2021-01-01") - 30 * DAY + 40 * DAY
    assert part == {
        ("DVOL close", utc("2021-01-05")): 23 / 24,
        ("DVOL close", utc("2021-01-06")): 22 / 24,
        ("DVOL close", utc("2021-01-07")): 0.0,
        ("DVOL open, high, low", utc("2021-01-05")): 23 / 24,
        ("DVOL open, high, low", utc("2021-01-06")): 22 / 24,
        ("DVOL open, high, low", utc("2021-01-07")): 0.0,
        ("funding", utc("2021-01-09")): 2 / 3,
        ("on-chain transfers", blank_day): 0.0,
    }
    table = coverage_table(calendar).set_index("series")
    days = -(-1_500 // 24)
    counts = table.loc["DVOL close", ["days", "whole", "partial", "empty"]]
    assert counts.tolist() == [days, days - 3, 2, 1]
    assert table["share_percent"].between(90, 100).all()


def test_the_calendar_ends_where_values_could_not_be_known_yet(market):
    panel = build_panel(market, PARAMS)
    calendar = coverage_calendar(market, PARAMS, panel)
    assert (calendar["share"] == 1).all()
    last = calendar.groupby("series")["day"].max()
    assert last["DVOL close"] == (panel["time"].iloc[-1] - HOUR).floor("D")
    assert last["on-chain activity"] == (panel["time"].iloc[-1] - 36 * HOUR).floor("D")


def test_the_calendar_counts_minutes(tmp_path):
    params = DataParams(source="raw_store", frequency_minutes=1)
    stamps = int(utc("2021-01-01").timestamp()) * 1_000 + 60_000 * np.arange(2 * 1_440)
    table = pd.DataFrame({"timestamp": stamps, "dvol_close": 60 + np.arange(2 * 1_440) % 7 / 10})
    table[["dvol_open", "dvol_high", "dvol_low"]] = np.nan
    path = series_path(tmp_path, "BTC", "dvol", params)
    table.drop(range(100, 109)).to_csv(path, index=False)
    panel = build_panel(tmp_path, params)
    calendar = coverage_calendar(tmp_path, params, panel)
    shares = calendar[calendar["series"] == "DVOL close"]["share"].tolist()
    assert shares == [1_431 / 1_440, 1.0]


def test_missing_bars_beyond_the_limit_fail(raw):
    stamps = pd.read_csv(series_path(raw, "BTC", "dvol"))["timestamp"]
    gone = set(stamps[100:120]) | set(stamps[500:520]) | set(stamps[900:920])
    edit(raw, "dvol", lambda t: t[~t["timestamp"].isin(gone)])
    found = checked(raw)
    assert failures(found) == {}
    assert found["words"][0] == "60 of 1,500 closes (4.00 %) are missing"
    strict = PARAMS.model_copy(update={"quality": QualityParams(imputed_share=0.03)})
    assert failures(checked(raw, strict)) == {"closes": "60 of 1,500 closes (4.00 %) are missing"}


# Stale closes


def test_a_feed_that_stops_is_found(raw):
    def stop(table: pd.DataFrame) -> pd.DataFrame:
        rows = table.index[300:320]
        names = [name for name in table if name.startswith("dvol")]
        table.loc[rows, names] = table.loc[rows[0], "dvol_close"]
        return table

    edit(raw, "dvol", stop)
    panel = build_panel(raw, PARAMS)
    longest = quality.stale_runs(panel).iloc[0]
    assert (longest["column"], longest["hours"]) == ("dvol_close", 19)
    assert longest["start"] == panel["time"].iloc[300]
    assert longest["end"] == panel["time"].iloc[319]
    assert longest["value"] == panel["dvol_close"].iloc[300]
    assert failures(checked(raw)) == {
        "stale closes": "dvol_close stays the same for 19 hours from 2021-01-13 13:00"
    }


def test_stale_runs_are_those_of_a_plain_loop():
    panel = small_panel(400)
    rng = np.random.default_rng(3)
    panel["dvol_close"] = rng.integers(50, 53, 400).astype(float)
    panel["imputed"] = rng.random(400) < 0.05
    expected, close = [], panel["dvol_close"].to_numpy()
    start = None
    for i in range(401):
        own = i < 400 and not panel["imputed"][i]
        if start is not None and not (own and close[i] == close[start]):
            if i - 1 > start:
                expected.append((panel["time"][start], panel["time"][i - 1], i - 1 - start))
            start = None
        if own and start is None:
            start = i
    table = quality.stale_runs(panel)
    table = table[table["column"] == "dvol_close"].sort_values("start")
    assert list(table[["start", "end", "hours"]].itertuples(index=False, name=None)) == expected
    assert table["value"].tolist() == [
        panel.set_index("time")["dvol_close"][t] for t, *_ in expected
    ]


def test_imputed_hours_are_no_stale_feed(raw):
    edit(raw, "dvol", lambda t: t.drop(t.index[300:320]))
    assert quality.stale_runs(build_panel(raw, PARAMS))["hours"].max() < 4


# Outliers


def test_a_wrong_tick_is_found_and_a_step_is_none(raw):
    def spoil(table: pd.DataFrame) -> pd.DataFrame:
        names = [name for name in table if name.startswith("dvol")]
        table.loc[700, names] *= 1.5
        table.loc[900:, names] *= 1.5
        table.loc[900, ["dvol_open", "dvol_low"]] /= 1.5  # where the bar before it closed
        return table

    edit(raw, "dvol", spoil)
    panel = build_panel(raw, PARAMS)
    table = quality.neighbour_outliers(panel)
    assert table["time"].tolist() == [panel["time"].iloc[700]]
    row = table.iloc[0]
    assert (row["column"], row["asset"]) == ("dvol_close", "BTC")
    around = panel["dvol_close"].iloc[699:702].tolist()
    assert [row["before"], row["value"], row["after"]] == around
    change = np.abs(np.diff(np.log(panel["dvol_close"].to_numpy())))
    scale = 1.4826 * np.median(change[699 - 24 : 699 + 25])
    assert row["scales"] == pytest.approx(change[699:701].min() / scale)
    found = failures(checked(raw))
    assert list(found) == ["wrong ticks"]  # one of 1,500 is within the limit of their share
    label = utc("2021-01-30 04:00")
    assert found["wrong ticks"] == (
        f"dvol_close is {around[1]:g} beside {around[0]:g} and {around[2]:g} in "
        "btc_dvol_hourly.csv, line 702 (2021-01-30 04:00), though its bar opens at 106.14 and the "
        "bar after it opens at 70.51 and other series moved by at most 0.9 %"
    )
    assert "add its time to `data.quality.true_ticks`." in verdict(checked(raw))
    named = PARAMS.model_copy(update={"quality": QualityParams(true_ticks=[label])})
    assert failures(checked(raw, named)) == {}
    strict = PARAMS.model_copy(
        update={"quality": QualityParams(outlier_share=0.0005, true_ticks=[label])}
    )
    words = "1 close stands out from both neighbours (0.07 %)"
    assert failures(checked(raw, strict)) == {"outliers": words}


def test_no_outlier_beside_a_gap_or_in_a_quiet_market():
    panel = small_panel(400).assign(dvol_close=60.0, price_close=100.0)
    panel.loc[200, "dvol_close"] = 60.01  # one tick of a quiet market
    assert quality.neighbour_outliers(panel).empty
    panel.loc[200, "dvol_close"] = 70.0
    assert len(quality.neighbour_outliers(panel)) == 1
    panel.loc[201, "imputed"] = True
    assert quality.neighbour_outliers(panel).empty


# Clocks


def shifted(series: str, hours: int):
    return lambda table: table.assign(timestamp=table["timestamp"] + hours * 3_600_000)


@pytest.mark.parametrize("hours", [-2, -1, 1, 2])
def test_a_price_whose_clock_is_off_is_found(raw, hours):
    edit(raw, "price", shifted("price", hours))
    panel = build_panel(raw, PARAMS.model_copy(update={"end": utc("2021-03-01")}))
    closes = quality.close_differences(raw, PARAMS, panel).set_index("lag_hours")
    assert closes["spread_percent"].idxmin() == closes["median_percent"].idxmin() == hours
    assert closes.loc[hours, "max_percent"] == pytest.approx(0, abs=1e-9)
    clock = quality.lead_lag(panel).set_index("lag_hours")
    assert clock["with_size"].idxmax() == -hours
    found = failures(checked(raw, PARAMS.model_copy(update={"end": utc("2021-03-01")})))
    size, unit = abs(hours), "hour" if abs(hours) == 1 else "hours"
    assert found == {
        "daily closes": f"daily closes fit the hourly ones best {size} {unit} "
        f"{'after' if hours > 0 else 'before'} their day's end: one of the clocks is shifted",
        "clocks of DVOL and price": f"DVOL moves {size} {unit} "
        f"{'before' if hours > 0 else 'after'} the price rather than with it: one of the clocks is "
        "shifted",
    }
    assert verdict(checked(raw, PARAMS.model_copy(update={"end": utc("2021-03-01")}))).startswith(
        "**Fit for the study: no.** Daily closes fit"
    )


def test_dvol_whose_clock_is_off_is_found(raw):
    edit(raw, "dvol", shifted("dvol", 1))
    assert list(failures(checked(raw))) == ["clocks of DVOL and price"]


def test_a_daily_file_labelled_by_the_days_end_is_found(raw):
    edit(raw, "onchain", lambda t: t.assign(price_usd=t["price_usd"].shift(1)))
    assert list(failures(checked(raw))) == ["daily closes"]
    assert "24 hours before" in failures(checked(raw))["daily closes"]


def test_prices_in_another_currency_are_found(raw):
    edit(raw, "onchain", lambda t: t.assign(price_usd=0.9 * t["price_usd"]))
    words = failures(checked(raw))["daily closes"]
    assert words == "hourly and daily closes differ by 10.00 % in the median"


def test_the_median_and_maximum_difference_are_those_of_a_loop(raw):
    rng = np.random.default_rng(0)
    noise = 1 + 0.001 * rng.standard_normal(len(pd.read_csv(series_path(raw, "BTC", "onchain"))))
    edit(raw, "onchain", lambda t: t.assign(price_usd=noise * t["price_usd"]))
    panel = build_panel(raw, PARAMS)
    hourly = panel.set_index("time")["price_close"]
    daily = pd.read_csv(series_path(raw, "BTC", "onchain"))
    for row in quality.close_differences(raw, PARAMS, panel).itertuples():
        gaps = []
        for stamp, price in zip(daily["timestamp"], daily["price_usd"], strict=True):
            at = pd.Timestamp(stamp, unit="ms", tz="UTC") + DAY + row.lag_hours * HOUR
            if at in hourly.index and price == price:
                gaps.append(100 * (price / hourly[at] - 1))
        assert row.days == len(gaps)
        assert row.median_percent == pytest.approx(np.median(np.abs(gaps)))
        assert row.max_percent == pytest.approx(max(np.abs(gaps)))
        assert row.spread_percent == pytest.approx(np.median(np.abs(gaps - np.median(gaps))))


def test_lead_lag_pairs_a_change_with_the_move_before_it():
    panel = small_panel(500)
    change = np.diff(np.log(panel["dvol_close"]))
    move = np.diff(np.log(panel["price_close"]))
    table = quality.lead_lag(panel, most=2).set_index("lag_hours")
    for lag in range(-2, 3):
        pairs = [(change[i], move[i - lag]) for i in range(499) if 0 <= i - lag < 499]
        y, x = np.array(pairs).T
        assert table.loc[lag, "hours"] == len(pairs)
        assert table.loc[lag, "with_return"] == pytest.approx(np.corrcoef(y, x)[0, 1])
        assert table.loc[lag, "with_size"] == pytest.approx(np.corrcoef(y, np.abs(x))[0, 1])


def test_checks_that_the_data_does_not_allow_count_for_nothing(raw):
    series_path(raw, "BTC", "price").unlink()
    found = checked(raw)
    assert failures(found) == {}
    assert found["passed"].isna().tolist() == [False] * 5 + [True] * 2
    assert verdict(found).endswith(
        " Not checked: hourly against daily closes (no price a day to compare with) and DVOL "
        "against price moves (no price, or no link between them)."
    )
    independent = small_panel(3_000)
    clock = quality.lead_lag(independent)
    assert len(clock) == 7
    found = findings(
        independent,
        quality.stale_runs(independent),
        quality.neighbour_outliers(independent, scales=100),
        quality.close_differences(raw, PARAMS, independent),
        clock,
        wrong_ticks(raw, PARAMS, independent),
        PARAMS,
    )
    assert found.set_index("check")["passed"]["clocks of DVOL and price"] is None


def test_two_assets_are_named(tmp_path):
    params = PARAMS.model_copy(update={"assets": ["BTC", "ETH"]})
    simulated.write_store(tmp_path, params)
    edit(tmp_path, "price", shifted("price", 1))
    words = verdict(checked(tmp_path, params.model_copy(update={"end": utc("2021-03-01")})))
    assert words.startswith("**Fit for the study: no.** BTC: Daily closes fit the hourly")
    assert "DVOL moves 1 hour before the price" in words
    assert "ETH: DVOL" not in words


def test_daily_bars_are_checked_day_by_day(tmp_path):
    params = DataParams(source="raw_store", frequency_minutes=1_440)
    close = 60 * np.exp(np.cumsum(0.03 * np.random.default_rng(1).standard_normal(400))).round(2)
    close[100:106] = close[100]
    close[200] *= 3
    stamps = int(utc("2021-01-01").timestamp()) * 1_000 + 86_400_000 * np.arange(400)
    table = pd.DataFrame({"timestamp": stamps, "dvol_close": close})
    table[["dvol_open", "dvol_high", "dvol_low"]] = np.nan
    table.drop(300).to_csv(series_path(tmp_path, "BTC", "dvol", params), index=False)
    panel = build_panel(tmp_path, params)
    step = params.step_hours
    stale = quality.stale_runs(panel, step_hours=step)
    outliers = quality.neighbour_outliers(panel, step_hours=step)
    assert stale["hours"].iloc[0] == 5 * 24
    assert outliers["time"].tolist() == [utc("2021-01-02") + 200 * DAY]
    closes, clock = quality.close_differences(tmp_path, params, panel), quality.lead_lag(panel)
    ticks = wrong_ticks(tmp_path, params, panel)
    found = findings(panel, stale, outliers, closes, clock, ticks, params)
    assert found["words"][0] == "1 of 400 closes (0.25 %) are missing"
    assert list(failures(found)) == ["stale closes", "outliers", "wrong ticks"]


# Manifest


def test_revisions_and_holes_come_from_the_manifest(tmp_path):
    revision = {"time": "2021-03-24T00:00Z", "column": "mvrv", "old": 2.5, "new": 2.6}
    late = {**revision, "old": 2.6, "new": 2.7, "fetched_at": "2026-11-22T10:00:00Z"}
    files = {
        "btc_onchain_daily.csv": {
            "fetched_at": "2026-11-22T10:00:00Z",
            "holes": [],
            "revisions": [{**revision, "fetched_at": "2026-11-01T10:00:00Z"}, late],
        },
        "btc_dvol_hourly.csv": {
            "fetched_at": "2026-11-22T09:00:00Z",
            "holes": [{"from": "2021-04-24T01:00Z", "to": "2021-04-24T23:00Z", "rows": 23}],
        },
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"files": files}))
    assert quality.fetch_log(tmp_path).to_numpy().tolist() == [
        ["btc_dvol_hourly.csv", "2026-11-22T09:00:00Z", 1, 0],
        ["btc_onchain_daily.csv", "2026-11-22T10:00:00Z", 0, 2],
    ]
    assert quality.not_fetched_log(tmp_path).empty
    lack = {"from": "2020-12-01T00:00Z", "reason": "HTTP 403"}
    files["btc_onchain_daily.csv"]["not_fetched"] = {"mvrv": lack}
    (tmp_path / "manifest.json").write_text(json.dumps({"files": files}))
    assert quality.not_fetched_log(tmp_path).to_numpy().tolist() == [
        ["btc_onchain_daily.csv", "mvrv", "2020-12-01T00:00Z", "HTTP 403"]
    ]
    log = quality.revision_log(tmp_path)
    assert log["new"].tolist() == [2.7, 2.6]
    assert set(log["file"]) == {"btc_onchain_daily.csv"}


def test_a_store_without_a_manifest_has_no_log(tmp_path):
    assert quality.fetch_log(tmp_path).empty
    assert quality.revision_log(tmp_path).empty
    assert list(quality.revision_log(tmp_path)) == [
        "file", "time", "column", "old", "new", "fetched_at"
    ]  # fmt: skip


@pytest.mark.skipif(not REAL.is_dir(), reason="no real data here")
def test_real_bitcoin_is_fit():
    params = DataParams(source="raw_store")
    panel = build_panel(REAL, params)
    found = checked(REAL, params)
    assert found["passed"].tolist() == [True] * 7
    assert len(quality.neighbour_outliers(panel)) == 3
    assert quality.stale_runs(panel)["hours"].max() == 2
    table = coverage_table(coverage_calendar(REAL, params, panel))
    table = table.set_index("series")[["partial", "empty"]]
    assert table.loc["DVOL open, high, low"].tolist() == [52, 0]
    assert table.loc["on-chain transfers"].tolist() == [0, 8]
