from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dvol_utils.data.panel import build_panel, check_length
from dvol_utils.data.raw.files import RawStoreError
from dvol_utils.data.raw.store import raw_hashes, read_series
from dvol_utils.data.simulated import market as simulated
from dvol_utils.data.simulated.market import simulate_market, true_jumps, write_store
from dvol_utils.data.simulated.stylised import REFERENCE_FACTS, stylised_facts
from dvol_utils.jumps import detect_jumps
from dvol_utils.study.data_section import DataParams
from dvol_utils.study.fitting_section import JumpParams
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import SimulatedParams

HOURS = 40_000
SEEDS = (0, 1, 2, 3)
START = pd.Timestamp("2021-03-24", tz="UTC")


def data_params(**market: object) -> DataParams:
    return DataParams(simulated={"start": START, "hours": 2_000, "seed": 0} | market)


@pytest.fixture(scope="module")
def facts(tmp_path_factory) -> pd.Series:
    """Mean of each stylised fact over a few markets as long as Bitcoin's history."""
    columns = {}
    for seed in SEEDS:
        folder = tmp_path_factory.mktemp("raw")
        params = data_params(hours=HOURS, seed=seed)
        write_store(folder, params)
        panel = build_panel(folder, params)
        columns[seed] = stylised_facts(panel, detect_jumps(panel, JumpParams())).set_index(
            "statistic"
        )["value"]
    return pd.DataFrame(columns).mean(axis=1)


@pytest.fixture(scope="module")
def jumps() -> pd.Series:
    """Times (hours) and sizes of the true jumps of one long market."""
    market = simulate_market(SimulatedParams(start=START, hours=400_000, seed=9))
    table = market["true_jumps"]
    hours = (table["timestamp"] - market["dvol"]["timestamp"].iloc[0]) // 3_600_000
    return table["jump_size"].set_axis(hours)


# statistic: lowest and highest accepted mean of four markets; Bitcoin's own figure lies inside
# unless the module's docstring says that it does not.
BANDS = {
    "DVOL mean, points": (48, 80),
    "DVOL sd, points": (9, 26),
    "DVOL minimum, points": (18, 50),
    "DVOL maximum, points": (90, 220),
    "autocorrelation of log DVOL, 1 h": (0.9975, 0.9999),
    "autocorrelation of log DVOL, 24 h": (0.95, 0.995),
    "autocorrelation of log DVOL, 168 h": (0.80, 0.96),
    "autocorrelation of log DVOL, 720 h": (0.50, 0.90),
    "hourly change sd, log": (0.009, 0.0112),
    "hourly change kurtosis": (30, 180),
    "hourly change skewness": (0.2, 4),
    "autocorrelation of changes, 1 h": (0.01, 0.09),
    "autocorrelation of absolute changes, 1 h": (0.24, 0.38),
    "autocorrelation of absolute changes, 24 h": (0.07, 0.13),
    "autocorrelation of absolute changes, 168 h": (0.035, 0.08),
    "24-hour change sd, log": (0.042, 0.052),
    "168-hour change sd, log": (0.093, 0.120),
    "720-hour change sd, log": (0.150, 0.195),
    "price return sd, hourly log": (0.0045, 0.0075),
    "price return kurtosis": (6, 30),
    "correlation of change and price return": (-0.21, -0.14),
    "correlation of change and absolute price return": (0.14, 0.21),
    "mean change of the bar from 08:00, bp": (-34, -25),
    "mean change of bars from 00:00 to 04:00, bp": (-9.5, -6),
    "mean change of bars from 10:00 to 15:00, bp": (5.5, 8.5),
    "mean 24-hour change from Monday, %": (-0.2, 0.6),
    "mean 24-hour change from Tuesday, %": (-0.4, 0.4),
    "mean 24-hour change from Wednesday, %": (-1.2, -0.4),
    "mean 24-hour change from Thursday, %": (-1.9, -1.0),
    "mean 24-hour change from Friday, %": (-1.0, -0.3),
    "mean 24-hour change from Saturday, %": (0.9, 1.7),
    "mean 24-hour change from Sunday, %": (0.9, 1.7),
    "jumps, % of hours": (0.7, 0.95),
    "jumps upward, % of jumps": (56, 68),
    "jump size median, %": (3.9, 5.0),
    "jump size 95th percentile, %": (10, 14),
    "jump frequency within a day of another, relative": (1.5, 2.7),
    "transfers on Saturdays, relative": (0.50, 0.55),
    "transfers on Sundays, relative": (0.43, 0.48),
    "active addresses on Saturdays, relative": (0.93, 0.97),
    "active addresses on Sundays, relative": (0.88, 0.92),
}


def test_every_reference_fact_has_a_band():
    assert list(BANDS) == list(REFERENCE_FACTS)
    inside = {name: low <= REFERENCE_FACTS[name] <= high for name, (low, high) in BANDS.items()}
    assert all(inside.values()), [name for name, flag in inside.items() if not flag]


@pytest.mark.parametrize("statistic", BANDS)
def test_the_market_looks_like_bitcoins(facts, statistic):
    low, high = BANDS[statistic]
    assert low <= facts[statistic] <= high


def test_true_jumps_have_the_stated_share_direction_and_sizes(jumps):
    size = jumps.abs()
    assert len(jumps) / 400_000 == pytest.approx(0.007, rel=0.06)
    assert (jumps > 0).mean() == pytest.approx(0.68, abs=0.03)
    assert size.median() == pytest.approx(0.043, rel=0.06)
    assert size.quantile(0.95) == pytest.approx(0.118, rel=0.12)


def test_jumps_come_twice_as_often_within_a_day_of_another(jumps):
    happens = np.zeros(400_000, bool)
    happens[jumps.index] = True
    recent = pd.Series(happens).shift(1, fill_value=False).rolling(24, min_periods=1).sum() > 0
    assert happens[recent].mean() / happens.mean() == pytest.approx(2.0, abs=0.25)


def test_a_true_jump_shows_in_its_bar():
    market = simulate_market(SimulatedParams(start=START, hours=40_000, seed=2))
    dvol = market["dvol"].set_index("timestamp")
    change = np.log(dvol["dvol_close"] / dvol["dvol_open"])
    size = market["true_jumps"].set_index("timestamp")["jump_size"]
    rest = change.loc[size.index] - size
    assert size.abs().max() > 0.15
    assert np.corrcoef(change.loc[size.index], size)[0, 1] > 0.9
    assert rest.abs().median() < 0.25 * size.abs().median()


def test_the_store_reads_back_and_makes_a_panel_without_a_hole(tmp_path):
    params = data_params()
    write_store(tmp_path, params)
    market = simulate_market(params.simulated)
    for series in ("dvol", "price", "funding", "onchain"):
        read = read_series(tmp_path, "BTC", series)
        assert read.to_numpy().tolist() == market[series][list(read)].to_numpy().tolist()
    panel = build_panel(tmp_path, params)
    assert len(panel) == 2_000
    assert panel["time"].iloc[0] == START + pd.Timedelta(hours=1)
    assert not panel["imputed"].any()
    assert not panel.isna().any(axis=None)


def test_true_jumps_are_labelled_by_the_close(tmp_path):
    write_store(tmp_path, data_params())
    table = simulate_market(data_params().simulated)["true_jumps"]
    jumps = true_jumps(tmp_path, "BTC")
    opens = pd.to_datetime(table["timestamp"], unit="ms", utc=True)
    assert jumps.index.tolist() == (opens + pd.Timedelta(hours=1)).tolist()
    assert jumps.tolist() == table["jump_size"].tolist()
    assert (jumps.index.name, jumps.name) == ("time", "jump_size")
    with pytest.raises(RawStoreError, match=r"eth_true_jumps\.csv: no such file; only a simulated"):
        true_jumps(tmp_path, "ETH")


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(tmp_path):
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        write_store(tmp_path / name, data_params(seed=seed))
    first, again, other = (raw_hashes(tmp_path / name) for name in ("first", "again", "other"))
    assert len(first) == 5
    assert first == again
    assert not set(first.values()) & set(other.values())


def test_global_random_state_is_neither_used_nor_moved():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    one = simulate_market(data_params().simulated)["dvol"]
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    pd.testing.assert_frame_equal(simulate_market(data_params().simulated)["dvol"], one)


def test_a_longer_market_begins_with_the_same_values():
    short = simulate_market(SimulatedParams(start=START, hours=1_000, seed=4))
    long = simulate_market(SimulatedParams(start=START, hours=3_000, seed=4))
    for name, table in short.items():
        assert table.to_numpy().tolist() == long[name].iloc[: len(table)].to_numpy().tolist()


def test_assets_have_their_own_market():
    params = SimulatedParams(start=START, hours=1_000, seed=0)
    btc, eth = (simulate_market(params, asset) for asset in ("BTC", "ETH"))
    assert btc["dvol"]["dvol_close"].tolist() != eth["dvol"]["dvol_close"].tolist()
    assert btc["price"]["close"].iloc[720] > 5 * eth["price"]["close"].iloc[720]
    with pytest.raises(ValueError, match="asset 'SOL': should be one of BTC, ETH"):
        simulate_market(params, "SOL")


@pytest.mark.parametrize("start", ["2021-01-01 05:00", "2021-01-03 23:00"])
def test_a_market_may_start_at_any_hour(tmp_path, start):
    params = data_params(start=start, hours=400)
    write_store(tmp_path, params)
    panel = build_panel(tmp_path, params)
    assert len(panel) == 400
    assert not panel.isna().any(axis=None)


def test_bars_hold_open_and_close_and_start_at_the_last_close():
    dvol = simulate_market(SimulatedParams(start=START, hours=5_000, seed=1))["dvol"]
    low, high = dvol["dvol_low"], dvol["dvol_high"]
    for name in ("dvol_open", "dvol_close"):
        assert dvol[name].between(low, high).all()
    assert dvol["dvol_open"].iloc[1:].tolist() == dvol["dvol_close"].iloc[:-1].tolist()
    assert (high > low).mean() > 0.99


@pytest.mark.parametrize("name", ["demo", "smoke"])
def test_the_simulated_studies_are_long_enough(tmp_path, name):
    study = load_study(name)
    write_store(tmp_path, study.data)
    check_length(build_panel(tmp_path, study.data), study)


def test_a_full_disk_leaves_no_half_file(tmp_path, monkeypatch):
    def full(self, path, **kwargs):
        path.write_text("timestamp,dvol_open")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(simulated.pd.DataFrame, "to_csv", full)
    with pytest.raises(OSError, match="No space left"):
        write_store(tmp_path, data_params())
    assert list(tmp_path.iterdir()) == []
