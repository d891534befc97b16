"""The best forecast in the simulated market: its law, the market's own code, and nothing to add."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.signal import lfilter

from dvol_utils.data.raw.files import HOUR_MS
from dvol_utils.data.simulated import law, market
from dvol_utils.data.simulated.oracle import followed, log_means, oracle_forecasts
from dvol_utils.study.params import SimulatedParams

START = pd.Timestamp("2021-03-24", tz="UTC")
HORIZON = 24
HOME = Path(__file__).parents[1]
MARKET = SimulatedParams(start=START, hours=40_000, seed=11)
PLACE = np.arange(2_000, MARKET.hours - HORIZON, 25)


def noise_from(noise: law.Noise, hour: int) -> law.Noise:
    """What chance adds from an hour on."""
    volatility, *others = noise
    return law.Noise(tuple(part[hour:] for part in volatility), *(part[hour:] for part in others))


@pytest.fixture(scope="module")
def run():
    """A whole market as its law makes it: opens, chance, hours."""
    params = SimulatedParams(start=START, hours=1_000, seed=4)
    return params, *market._dvol_hours(params, market._streams(params, "BTC")[:4])


@pytest.mark.parametrize("cut", [1, 39_999, 40_000, 40_700])
def test_a_market_followed_on_from_a_state_is_the_market_to_the_bit(run, cut):
    _, stamps, noise, hours = run
    again = law.follow(noise_from(noise, cut), stamps[cut:], hours.state.at(cut - 1))
    for name in ("log_volatility", "sigma", "jump", "log_level"):
        np.testing.assert_array_equal(getattr(again, name), getattr(hours, name)[cut:])
    for ours, theirs in zip(
        (*again.state.volatility, *again.state.decays, again.state.excitement),
        (*hours.state.volatility, *hours.state.decays, hours.state.excitement),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs[cut:])


def test_states_are_those_of_the_market_that_is_written(run):
    params, _, _, hours = run
    opens, states = market.dvol_states(params)
    table = market.simulate_market(params)["dvol"]
    assert opens.tolist() == table["timestamp"].tolist()
    level, _ = law.linear_level(states.change[1:], states.at(0))
    close = np.round(law.MEDIAN_LEVEL * np.exp(level + law.calendar(opens[1:])), 2)
    assert close.tolist() == table["dvol_close"].iloc[1:].tolist()
    assert jumps_of(hours) == len(market.simulate_market(params)["true_jumps"])


def jumps_of(hours: law.Hours) -> int:
    return int((hours.jump[-1_000:] != 0).sum())


def test_many_origins_at_once_are_each_alone(run):
    _, stamps, _, hours = run
    place = np.array([40_010, 40_300, 40_999])
    told = (np.random.SeedSequence(1), HORIZON, 5)
    many = followed(hours.state.at(place), stamps[place] + HOUR_MS, *told)
    assert many.shape == (3, 5)
    for row, at in zip(many, place, strict=True):
        one = slice(at, at + 1)
        told = (np.random.SeedSequence(1), HORIZON, 5)
        alone = followed(hours.state.at(one), stamps[one] + HOUR_MS, *told)
        np.testing.assert_array_equal(alone[0], row)


@pytest.mark.parametrize("horizon", [1, 24, 72])
def test_paths_agree_with_the_formula_of_the_log_mean(run, horizon):
    """Also after jumps, where excitement and aftershocks are high."""
    _, stamps, _, hours = run
    after_jump = np.flatnonzero(hours.jump[40_000:])[:3] + 40_000
    for number, at in enumerate([40_100, *after_jump]):
        one = slice(at, at + 1)
        opens = stamps[one] + HOUR_MS
        known = log_means(hours.state.at(one), opens, horizon)
        sequence = np.random.SeedSequence([7, number])
        paths = followed(hours.state.at(one), opens, sequence, horizon, 10_000)
        error = paths.std() / np.sqrt(paths.size)
        assert abs(paths.mean() - known[0]) < 4 * error
        assert error < 1.2e-3


def test_without_jumps_and_moving_volatility_paths_agree_with_the_formula_of_the_level(
    run, monkeypatch
):
    """Then the variance of the log level is a sum, and the mean of the level follows from it."""
    params, *_ = run
    monkeypatch.setattr(law, "_SIGMA_PARTS", tuple((m, 0.0) for m, _ in law._SIGMA_PARTS))
    monkeypatch.setattr(law, "_SIGMA", 0.02)
    for name in ("_BASE_RATE", "_KICK", "_MEAN_JUMP"):
        monkeypatch.setattr(law, name, 0.0)
    origins = pd.date_range(START + pd.Timedelta(days=30), periods=3, freq="5h")
    found = oracle_forecasts(params, origins, horizon_hours=HORIZON, paths=20_000)
    opens, states = market.dvol_states(params)
    impulse = np.eye(1, HORIZON)[0]
    weight = law.linear_level(impulse, law.REST)[0][::-1]  # of each hour's change in the last level
    for origin, row in found.iterrows():
        at = int((origin - START) / pd.Timedelta(hours=1)) - 1
        ahead = opens[at] + HOUR_MS * np.arange(1, HORIZON + 1)
        size = law._SIGMA * law.hour_of_week_factor(ahead, law._HOUR_SIZE, law._WEEKDAY_SIZE)
        log_variance = ((weight * size) ** 2).sum()
        one = slice(at, at + 1)
        log_mean = log_means(states.at(one), opens[one] + HOUR_MS, HORIZON)[0]
        level = law.MEDIAN_LEVEL * np.exp(log_mean)
        expected = level * (1 + log_variance / 2)  # third moments are below a thousandth of it
        assert row["mean"] - level == pytest.approx(expected - level, rel=0.1)
        assert abs(row["mean"] - expected) < 5 * row["mean_se"] + 0.02 * (expected - level)
        assert row["variance"] == pytest.approx(level**2 * log_variance, rel=0.05)


def test_an_origin_does_not_depend_on_what_else_is_asked():
    params = SimulatedParams(start=START, hours=600, seed=2)
    origins = pd.date_range(START + pd.Timedelta(days=10), periods=30, freq="h")
    told = {"horizon_hours": HORIZON, "paths": 20}
    many = oracle_forecasts(params, origins, **told)
    some = oracle_forecasts(params, origins[[29, 3, 25]], **told)
    pd.testing.assert_frame_equal(some, many.iloc[[29, 3, 25]], check_exact=True)
    other = oracle_forecasts(params, origins[:1], asset="ETH", **told)
    assert other["mean"].iloc[0] != many["mean"].iloc[0]


def test_origins_outside_the_market_are_refused():
    params = SimulatedParams(start=START, hours=400, seed=2)
    last = START + pd.Timedelta(hours=400)
    told = {"horizon_hours": HORIZON, "paths": 2}
    assert len(oracle_forecasts(params, pd.DatetimeIndex([last]), **told)) == 1
    for origin in (START, last + pd.Timedelta(hours=1), last - pd.Timedelta(minutes=30)):
        with pytest.raises(ValueError, match=r"origins: found 2021.*should be hours from 2021-03-"):
            oracle_forecasts(params, pd.DatetimeIndex([origin]), **told)
    with pytest.raises(ValueError, match="asset 'SOL'"):
        oracle_forecasts(params, pd.DatetimeIndex([last]), asset="SOL", **told)


@pytest.fixture(scope="module")
def long() -> pd.DataFrame:
    """One origin every 25 hours of a long market, so that no two targets share an hour."""
    params, place = MARKET, PLACE
    dvol = market.simulate_market(params)["dvol"]["dvol_close"]
    stamps, states = market.dvol_states(params)
    origins = pd.to_datetime(stamps[place] + HOUR_MS, unit="ms", utc=True)
    found = oracle_forecasts(params, origins, horizon_hours=HORIZON, paths=100).reset_index()
    log = np.log(dvol)
    week = 2 * np.pi * ((stamps // HOUR_MS) % 168) / 168
    change = states.change
    features = {
        "gap_24h": log - log.rolling(24).mean(),
        "gap_168h": log - log.rolling(168).mean(),
        "gap_720h": log - log.rolling(720).mean(),
        "level": log,
        "change": change,
        "size": np.abs(change),
        "day's change": log.diff(24),
        "volatility": log.diff().abs().rolling(24).mean(),
        "excitement": states.excitement,
        "sine": np.sin(week),
        "cosine": np.cos(week),
    }
    table = pd.DataFrame(features).iloc[place].reset_index(drop=True)
    ahead = dvol.shift(-HORIZON)
    return found.assign(
        **table,
        y_origin=dvol.iloc[place].to_numpy(),
        y_true=ahead.iloc[place].to_numpy(),
        stays=(dvol * np.exp(law.calendar(stamps + 24 * HOUR_MS) - law.calendar(stamps)))
        .iloc[place]
        .to_numpy(),
    )


def test_nothing_known_at_the_origin_says_more_of_the_errors(long):
    """The regression of the oracle's errors, in their standard deviations, on what is known."""
    sd = np.sqrt(long["variance"])
    error = ((long["y_true"] - long["mean"]) / sd).to_numpy()
    columns = long.columns[long.columns.get_loc("gap_24h") : long.columns.get_loc("y_origin")]
    known = (long[columns] - long[columns].mean()) / long[columns].std()
    known["oracle's change"] = (long["mean"] - long["y_origin"]) / sd
    x = np.column_stack([np.ones(len(known)), known])
    residual = error - x @ np.linalg.lstsq(x, error, rcond=None)[0]
    free = len(error) - x.shape[1]
    f = ((error**2).sum() - (residual**2).sum()) / x.shape[1] / ((residual**2).sum() / free)
    assert stats.f.sf(f, x.shape[1], free) > 0.05
    assert 1 - residual.var() / error.var() < 2 * x.shape[1] / len(error)
    missed = ((long["y_true"] - long["mean"]) ** 2).mean()
    assert long["variance"].mean() == pytest.approx(missed, rel=0.1)


def test_the_same_regression_finds_what_persistence_leaves(long):
    """The check itself: the errors of persistence do follow the oracle's change, one for one."""
    step = long["mean"] - long["y_origin"]
    slope = (step * (long["y_true"] - long["y_origin"])).sum() / (step**2).sum()
    assert slope == pytest.approx(1, abs=0.2)


def test_the_oracle_beats_what_knows_less(long):
    def squared(forecast):
        return ((long["y_true"] - forecast) ** 2).mean()

    assert squared(long["mean"]) < 0.97 * squared(long["y_origin"])
    assert squared(long["mean"]) < squared(long["stays"]) < squared(long["y_origin"])
    # what is lost by another forecast is its distance from the oracle's, up to chance
    loss = squared(long["y_origin"]) - squared(long["mean"])
    assert loss == pytest.approx(((long["mean"] - long["y_origin"]) ** 2).mean(), rel=0.35)


def test_the_past_of_dvol_gives_nearly_all_of_it(long):
    """The closes alone, through the law's filter turned round; docs/method.md says so."""
    dvol = market.simulate_market(MARKET)["dvol"]
    stamps = dvol["timestamp"].to_numpy()
    keep = np.exp(-1 / np.array(law._DECAY_HOURS))
    alone = [np.poly(np.delete(keep, k)) for k in range(3)]
    push = np.convolve(np.array(law._DECAY_WEIGHTS) @ alone, [1, law._MOMENTUM])
    log_level = np.log(dvol["dvol_close"].to_numpy() / law.MEDIAN_LEVEL) - law.calendar(stamps)
    change = lfilter(np.poly(keep), push, log_level)
    _, states = market.dvol_states(MARKET)
    assert np.std((change - states.change)[1_000:]) < 2e-4  # rounded closes
    decays = law.linear_level(change, law.REST)[1]
    known = states._replace(change=change, decays=decays).at(PLACE)
    ahead = law.linear_level(np.zeros((len(PLACE), HORIZON)), known)[0][:, -1]
    forecast = law.MEDIAN_LEVEL * np.exp(ahead + law.calendar(stamps[PLACE] + HORIZON * HOUR_MS))
    gap, step = (((long["mean"] - other) ** 2).sum() for other in (forecast, long["y_origin"]))
    assert 0.85 < 1 - gap / step < 0.97


@pytest.mark.parametrize("name", ["demo", "smoke"])
def test_no_model_reaches_what_the_oracle_does(name):
    text = (HOME / f"params/{name}.expected.json").read_text(encoding="utf-8")
    numbers = json.loads(text)["numbers"]
    shares = {key: value for key, value in numbers.items() if key.startswith("oracle.shares.")}
    assert len(shares) >= 5
    assert shares.pop("oracle.shares.persistence") == 0
    assert all(share < 1 for share in shares.values())
    scored = [key for key in numbers if key.startswith("models.") and key.endswith("rmse.estimate")]
    assert all(numbers["oracle.rmse.estimate"] < numbers[key] for key in scored)
    assert 0 < numbers["oracle.expected_skill_se"] < 0.05 * numbers["oracle.expected_skill"]
