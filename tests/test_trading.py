from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from forecast_tables import forecast_table
from hypothesis import given, settings
from hypothesis import strategies as st
from market import small_panel, small_study
from scipy import stats

from dvol_utils import trading
from dvol_utils.evaluation import evaluation_rows
from dvol_utils.pages.trading import fees_sentence, foresight_sentence, trading_answer
from dvol_utils.pages.trading_tables import (
    costs_shown,
    named,
    parts_shown,
    strategy_grid,
    without_idle,
)
from dvol_utils.plots import trading as plots
from dvol_utils.study.judging_section import TradingParams
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import ParameterError
from dvol_utils.trading import performance
from dvol_utils.trading.costs import FEES_UNTIL

DAYS = trading.schedule(
    pd.Timestamp("2024-01-01 00:00", tz="UTC"),
    pd.Timestamp("2024-01-06 09:00", tz="UTC"),
    hour=8,
    delay_hours=1,
)
FREE = TradingParams(position_cap=100, stop_drawdown=1e9)


def run(
    signal,
    gain,
    *,
    cost=0.6,
    size=1.0,
    params=FREE,
    marked=None,
    rolled=False,
    tradable=True,
    charged=None,
):
    """A back-test of made-up gains, one per day."""
    gain = np.asarray(gain, dtype=float)
    start = pd.Timestamp("2024-01-01 08:00", tz="UTC")
    days = trading.schedule(
        start, start + pd.Timedelta(days=len(gain), hours=1), hour=8, delay_hours=1
    )
    gains = pd.DataFrame(
        {"gain": gain, "marked": gain if marked is None else marked, "rolled": rolled}
    )
    return trading.back_test(
        days,
        pd.Series(signal, days["origin"], dtype=float),
        gains,
        size=np.full(len(gain), size),
        side_cost=np.full(len(gain), cost),
        tradable=np.broadcast_to(tradable, len(gain)),
        params=params,
        charged=charged,
    )


def test_five_trades_by_hand_to_the_cent():
    """100,000 dollars, 0.2 % a point: 200 dollars a point; 0.60 points a side are 120 dollars."""
    trades = run([1, 1, -1, 0, -1], [1.50, -2.25, -3.00, 4.00, 0.75], size=0.2)
    dollars = (1_000 * trades[["gross", "cost", "net", "equity"]]).round(2)
    assert dollars["gross"].tolist() == [300.00, -450.00, 600.00, 0.00, -150.00]
    # in; kept; turned round; out; in and, at the end, out again
    assert dollars["cost"].tolist() == [120.00, 0.00, 240.00, 120.00, 240.00]
    assert dollars["net"].tolist() == [180.00, -450.00, 360.00, -120.00, -390.00]
    assert dollars["equity"].tolist() == [180.00, -270.00, 90.00, -30.00, -420.00]


def test_a_day_is_decided_filled_and_left_an_hour_after_the_next_decision():
    assert len(DAYS) == 5
    first = DAYS.iloc[0]
    assert [str(first[name])[5:16] for name in ("origin", "fill", "next_origin", "exit")] == [
        "01-01 08:00",
        "01-01 09:00",
        "01-02 08:00",
        "01-02 09:00",
    ]
    assert (DAYS["exit"][:-1].to_numpy() == DAYS["fill"][1:].to_numpy()).all()
    week = trading.schedule(
        DAYS["origin"][0],
        DAYS["origin"][0] + pd.Timedelta(days=30),
        hour=8,
        delay_hours=2,
        horizon_hours=168,
    )
    assert set(week["origin"].diff().dropna()) == {pd.Timedelta(days=7)}
    with pytest.raises(ValueError, match="delay_hours: found 0; should be at least 1"):
        trading.schedule(DAYS["origin"][0], DAYS["exit"][0], hour=8, delay_hours=0)


def test_zero_positions_give_zeros():
    trades = run([0, 0, 0, 0], [3, -2, 5, 1])
    assert (trades[["position", "traded", "gross", "cost", "net", "equity"]] == 0).all(axis=None)
    row = trading.summary(trades.assign(instrument="a", model="b", rule="c"), reps=50).iloc[0]
    assert (row["annual_return"], row["drawdown"], row["turnover"]) == (0, 0, 0)
    assert row[["sharpe", "sharpe_low", "hit_rate", "break_even"]].isna().all()


def test_a_perfect_forecast_earns_and_a_random_one_loses_the_costs():
    rng = np.random.default_rng(0)
    gain = 2 * rng.standard_normal(4_000)
    perfect = run(np.sign(gain), gain)
    assert perfect["net"].mean() == pytest.approx(np.abs(gain).mean() - 0.6, abs=0.03)
    random = run(rng.choice([-1, 1], len(gain)), gain)
    # Half of the days turn the position round: two sides of 0.6 points.
    assert random["cost"].mean() == pytest.approx(0.6, abs=0.03)
    assert abs(random["gross"].mean()) < 3 * 2 / len(gain) ** 0.5
    assert random["net"].mean() < -0.45


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.floats(-5, 5)), min_size=2, max_size=20))
def test_costs_are_monotone_and_exhaust_the_gain_at_the_break_even(pairs):
    signal, gain = zip(*pairs, strict=True)
    nets = [run(signal, gain, cost=cost)["net"].to_numpy() for cost in (0.0, 0.25, 0.5, 1.0)]
    assert all((cheap >= dear).all() for cheap, dear in pairwise(nets))
    trades = run(signal, gain)
    row = trading.summary(trades.assign(instrument="a", model="b", rule="c"), reps=2).iloc[0]
    if trades["traded"].sum() > 0:
        assert run(signal, gain, cost=row["break_even"])["net"].sum() == pytest.approx(0, abs=1e-9)


def test_a_rolled_contract_is_paid_for_on_both_sides():
    trades = run([1, 1, 1], [0, 0, 0], rolled=np.array([False, True, False]))
    assert trades["traded"].tolist() == [1, 2, 1]


def test_positions_are_capped_and_kept_where_nothing_is_known_or_nobody_trades():
    params = TradingParams(position_cap=0.5, stop_drawdown=1e9)
    trades = run([1, np.nan, -1, -1], [0] * 4, params=params, tradable=[True, True, False, True])
    assert trades["position"].tolist() == [0.5, 0.5, 0.5, -0.5]


def test_exposure_falls_in_proportion_from_half_the_limit_to_the_limit():
    """Losses of 0, 2, 3, 4 and 4.6 of at most 4: exposure 1, 1, 0.5, 0, 0."""
    params = TradingParams(position_cap=100, stop_drawdown=4, stop_days=30)
    trades = run([1] * 5, [-2, -1, -2, -9, -9], cost=0.0, params=params)
    assert trades["exposure"].tolist() == [1, 1, 0.5, 0, 0]
    assert trades["position"].tolist() == [1, 1, 0.5, 0, 0]
    # Seen at the next origin only half a point more was lost, so the fall comes a day later.
    later = run([1] * 3, [-2, -1, -2], cost=0.0, params=params, marked=[-1.5, -0.5, -2])
    assert later["exposure"].tolist() == [1, 1, 0.75]


@pytest.mark.parametrize("reached", [2, 3, 4])
def test_a_hair_more_of_a_loss_changes_a_position_by_no_more(reached):
    """Losses a little below and above where control begins, within, and where it ends."""
    params = TradingParams(position_cap=100, stop_drawdown=4)
    below, above = (
        run([1] * 2, [-reached + hair, 0], cost=0.0, params=params)["position"]
        for hair in (1e-4, -1e-4)
    )
    assert (below - above).abs().max() <= 1.001e-4


def test_a_loss_that_left_no_position_is_forgotten_with_its_peak():
    """The peak of the first origin is within two days of the third, not of the fourth."""
    params = TradingParams(position_cap=100, stop_drawdown=5, stop_days=2)
    trades = run([1] * 7, [-9] * 7, cost=0.0, params=params)
    assert trades["exposure"].tolist() == [1, 0, 0, 1, 0, 0, 1]
    costly = run([1] * 2, [0, 0], cost=4.0, params=params)
    assert costly["exposure"].tolist() == [1, pytest.approx(2 * (1 - 4 / 5))]


def test_drawdown_control_closes_a_position_that_has_no_forecast():
    params = TradingParams(position_cap=100, stop_drawdown=5, stop_days=2)
    trades = run([1, np.nan, np.nan, np.nan, 1], [-9] * 5, cost=0.0, params=params)
    assert trades["position"].tolist() == [1, 0, 0, 1, 0]
    nobody = run([1, 1, 1, 1], [-9] * 4, params=params, tradable=[True, False, True, True])
    assert nobody["position"].tolist() == [1, 1, 0, 0]


def test_drawdown_control_counts_days_where_decisions_are_a_week_apart():
    start = pd.Timestamp("2024-01-01 08:00", tz="UTC")
    weeks = trading.schedule(
        start, start + pd.Timedelta(days=50), hour=8, delay_hours=1, horizon_hours=168
    )
    gains = pd.DataFrame({"gain": -9.0, "marked": -9.0, "rolled": False}, weeks.index)
    trades = trading.back_test(
        weeks,
        pd.Series(1.0, weeks["origin"]),
        gains,
        size=np.ones(len(weeks)),
        side_cost=np.zeros(len(weeks)),
        tradable=np.ones(len(weeks), dtype=bool),
        params=TradingParams(position_cap=100, stop_drawdown=5, stop_days=14),
    )
    assert trades["exposure"].tolist() == [1, 0, 0, 1, 0, 0, 1]


def test_other_costs_are_charged_for_the_same_positions():
    params = TradingParams(position_cap=100, stop_drawdown=5)
    signal, gain = [1, 1, -1, 1], [-2, -1.5, 1, -2]
    usual = run(signal, gain, params=params)
    dear = run(signal, gain, params=params, charged=2.0)
    assert (usual["exposure"] < 1).any()
    assert dear["position"].tolist() == usual["position"].tolist()
    np.testing.assert_allclose(dear["cost"], usual["traded"] * 2.0)
    assert dear["equity"].iloc[-1] == pytest.approx((dear["gross"] - dear["cost"]).sum())


def test_deflated_sharpe_is_that_of_the_paper():
    expected, probability = trading.deflated_sharpe(
        2.5 / 250**0.5, n=1_250, skew=-3, kurtosis=10, trials=100, variance=0.5 / 250
    )
    assert (round(expected, 4), round(probability, 4)) == (0.1132, 0.9004)
    with pytest.raises(ValueError, match="n, trials: found 9 and 1; should be at least 2"):
        trading.deflated_sharpe(0.1, n=9, skew=0, kurtosis=3, trials=1, variance=1)


def test_summary_against_a_literal_reckoning():
    rng = np.random.default_rng(1)
    trades = run(rng.choice([-1, 0, 1], 200), rng.standard_normal(200), size=0.3)
    trades = trades.assign(instrument="a", model="b", rule="c")
    row = trading.summary(trades, reps=200, block_days=5).iloc[0]
    net, years = trades["net"], 200 / 365.25
    assert row["annual_return"] == pytest.approx(net.sum() / years)
    assert row["volatility"] == pytest.approx(net.std() * 365.25**0.5)
    assert row["sharpe"] == pytest.approx(net.mean() / net.std() * 365.25**0.5)
    worst = max(max(0.0, *net.cumsum()[: i + 1]) - net.cumsum()[i] for i in range(len(net)))
    assert row["drawdown"] == pytest.approx(worst)
    held = trades[trades["position"] != 0]
    assert row["hit_rate"] == pytest.approx((held["net"] > 0).mean())
    assert row["in_market"] == pytest.approx(len(held) / 200)
    assert row["turnover"] == pytest.approx(trades["traded"].sum() / 0.3 / years)
    assert row["sharpe_low"] < row["sharpe"] < row["sharpe_high"]


def test_tiny_positions_hardly_count():
    """Half the days hold a hundredth of the others' position, against the market."""
    signal = np.tile([1.0, -0.01], 50)
    trades = run(signal, np.ones(100), cost=0.0).assign(instrument="a", model="b", rule="c")
    row = trading.summary(trades, reps=2).iloc[0]
    assert row["in_market"] == pytest.approx(1.01**2 / 1.0001 / 2)
    assert row["hit_rate"] == pytest.approx(1 / 1.01)
    days = 100 / 365.25
    assert row["turnover"] == pytest.approx(trades["traded"].sum() / (1.0001 / 1.01) / days)


def test_the_interval_of_the_sharpe_ratio_is_about_as_wide_as_theory_says():
    """Independent normal returns: standard error sqrt((1 + SR^2 / 2) / T) of a day's ratio."""
    net = 0.1 + np.random.default_rng(2).standard_normal(2_000)
    low, high = performance.sharpe_interval(net, 1, block=1, reps=2_000, coverage=0.95, seed=0)
    width = 2 * 1.96 * math.sqrt((1 + 0.1**2 / 2) / len(net))
    assert high - low == pytest.approx(width, rel=0.08)


def test_the_interval_of_the_sharpe_ratio_counts_resamples_without_a_trade():
    """One good day of 300 is missing from a third of the resamples: zero is in the interval."""
    net = np.zeros(300)
    net[100] = 5.0
    low, high = performance.sharpe_interval(net, 365.25, block=10, reps=500, coverage=0.95, seed=0)
    assert low == 0
    assert high > 1


def test_blocks_are_days_where_decisions_are_a_week_apart(monkeypatch):
    blocks = []
    drawn = performance._resamples
    monkeypatch.setattr(
        performance,
        "_resamples",
        lambda values, block, *rest: (blocks.append(block), drawn(values, block, *rest))[1],
    )
    trades = run(np.ones(20), np.random.default_rng(0).standard_normal(20))
    trades = trades.assign(instrument="a", model="b", rule="c")
    weekly = trades.assign(exit=trades["fill"] + pd.Timedelta(days=7))
    for rows in (trades, weekly):
        trading.summary(rows, block_days=14, reps=20)
        trading.equity_band(rows, block_days=14, reps=20, coverage=0.9, seed=0)
    assert blocks == [14, 14, 2, 2]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("sign", [1, -1, 1, 0, 0.5]),
        ("scaled", [1, -0.5, 0, 0, 0.5]),
        ("interval_50", [1, 0, 0, 0, -0.25]),
        ("interval_90", [0.25, 0, 0, 0, 0]),
        ("mean", [3.25 / 4, -1.5 / 4, 1 / 4, 0, 0.75 / 4]),
    ],
)
def test_signals_by_rule(rule, expected):
    """A tick is 0.2 points; the last interval is narrower than a tick and excludes the forecast."""
    rows = pd.DataFrame(
        {
            "origin": pd.date_range("2024", periods=5, freq="D", tz="UTC"),
            "y_origin": 60.0,
            "y_pred": [62.0, 59.0, 61.0, 60.0, 60.1],
            "q05": [60.05, 55, np.nan, 56, 59],
            "q25": [60.5, 57, np.nan, 58, 59.85],
            "q75": [63.5, 61, np.nan, 62, 59.95],
            "q95": [66, 65, np.nan, 64, 61],
        }
    )
    signal = trading.forecast_signal(rows, rule, 0.2)
    assert signal.tolist() == pytest.approx(expected)
    bare = rows.drop(columns=["q05", "q25", "q75", "q95"])
    share = {"sign": 1, "mean": 1 / 4}.get(rule, 0)
    found = trading.forecast_signal(bare, rule, 0.2).tolist()
    assert found == pytest.approx([share * each for each in (1, -1, 1, 0, 0.5)])
    twice = pd.concat([rows, rows.head(1)])
    with pytest.raises(ValueError, match=r"forecasts: origin 2024-01-01 .* stands twice"):
        trading.forecast_signal(twice, rule, 0.2)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="rule: found 'best'; should be one of sign, scaled, int"):
        trading.forecast_signal(pd.DataFrame(), "best", 0.1)


def test_benchmarks_follow_or_oppose_the_last_error_of_persistence():
    dvol = pd.Series([50.0, 51, 49, 49.05], pd.date_range("2024", periods=4, freq="h", tz="UTC"))
    found = [trading.benchmark_signal(name, dvol, 1, 0.1)[1:] for name in ("momentum", "reversal")]
    assert found[0].tolist() == pytest.approx([1, -1, 0.5])
    assert found[1].tolist() == pytest.approx([-1, 1, -0.5])
    assert (trading.benchmark_signal("always_short", dvol, 1, 0.1) == -1).all()
    assert (trading.benchmark_signal("flat", dvol, 1, 0.1) == 0).all()
    with pytest.raises(ValueError, match="name: found 'long'; should be one of flat, always_short"):
        trading.benchmark_signal("long", dvol, 1, 0.1)


@pytest.fixture(scope="module")
def hours():
    return trading.hourly(small_panel(1_400), "BTC")


@pytest.fixture(scope="module")
def days(hours):
    return trading.schedule(hours.index[800], hours.index[-1], hour=8, delay_hours=1)


def test_the_paper_index_earns_the_change_of_dvol(hours, days):
    gains = trading.instruments.paper_index(days, hours)
    row = days.iloc[3]
    assert gains["gain"][3] == hours["dvol"][row["exit"]] - hours["dvol"][row["fill"]]
    assert gains["marked"][3] == hours["dvol"][row["next_origin"]] - hours["dvol"][row["fill"]]


def test_futures_expire_on_wednesdays_and_price_in_the_return_to_the_mean(hours, days):
    gains = trading.instruments.futures_proxy(days, hours, persistence=0.5, tick=0.1)
    expiry = gains["expiry"]
    assert set(expiry.dt.day_of_week) == {2}
    assert set(expiry.dt.hour) == {8}
    assert (expiry >= days["exit"]).all()
    assert (expiry - days["exit"] < pd.Timedelta(days=7)).all()
    assert gains["rolled"].sum() == expiry.nunique() - 1
    row, mean = days.iloc[5], hours["dvol"].rolling(720, min_periods=1).mean()
    prices = []
    for time in (row["fill"], row["exit"]):
        left = (expiry[5] - time) / pd.Timedelta(days=7)
        exact = mean[time] + (hours["dvol"][time] - mean[time]) * 0.5**left
        prices.append(round(exact / 0.1) * 0.1)
    assert gains["gain"][5] == pytest.approx(prices[1] - prices[0], abs=1e-9)
    at_expiry = trading.instruments.futures_proxy(days, hours, persistence=1, tick=1e-9)
    paper = trading.instruments.paper_index(days, hours)
    np.testing.assert_allclose(at_expiry["gain"], paper["gain"], atol=1e-6)


def test_weekly_persistence_of_a_series_that_halves():
    gap = 8 * 0.5 ** (np.arange(3_000) / 168)
    dvol = pd.Series(60 + gap)
    mean = dvol.rolling(720, min_periods=1).mean()
    now, later = (dvol - mean)[:-168], (dvol.shift(-168) - mean)[:-168]
    expected = np.linalg.lstsq(now.to_numpy()[:, None], later.to_numpy(), rcond=None)[0][0]
    assert trading.weekly_persistence(dvol) == pytest.approx(min(max(expected, 0), 1))
    assert trading.weekly_persistence(dvol[:10]) == 1


def black_scholes(spot, strike, sigma, years):
    d1 = (np.log(spot / strike) + sigma**2 * years / 2) / (sigma * years**0.5)
    call = spot * stats.norm.cdf(d1) - strike * stats.norm.cdf(d1 - sigma * years**0.5)
    return 2 * call - spot + strike, 2 * stats.norm.cdf(d1) - 1, d1


def test_a_straddles_gain_is_that_of_revaluation_and_hedge():
    """One hour of a price move and a change of volatility, by Black and Scholes in full."""
    times = pd.date_range("2024-01-01 08:00", periods=3, freq="h", tz="UTC")
    market = pd.DataFrame(
        {"dvol": [60.0, 60.0, 60.3], "price": [100.0, 100.0, 100.8], "tradable": True}, times
    )
    day = pd.DataFrame(
        {"origin": times[:1], "fill": times[1:2], "next_origin": times[2:], "exit": times[2:]}
    )
    found = trading.instruments.straddle(day, market).iloc[0]
    years, hour = 30 / 365, 1 / 8_760
    before, delta, d1 = black_scholes(100, 100, 0.6, years)
    after, _, _ = black_scholes(100.8, 100, 0.603, years - hour)
    vega = 2 * 100 * stats.norm.pdf(d1) * years**0.5 / 100  # per volatility point
    assert found["gain"] == pytest.approx((after - before - delta * 0.8) / vega, rel=0.02)
    assert found["gain"] == found["vega_part"] + found["gamma_part"]
    assert found["vega_part"] == pytest.approx(0.3)


def test_a_day_of_straddles_is_unbiased_against_revaluation():
    """Each day of a market with moving volatility: struck, hedged each hour, revalued, closed."""
    rng = np.random.default_rng(4)
    count = 24 * 600 + 1
    sigma = 0.6 * np.exp(0.3 * np.sin(np.arange(count) / 500) + 0.003 * rng.standard_normal(count))
    price = 100 * np.exp(np.cumsum(0.65 / 8_760**0.5 * rng.standard_normal(count)))
    times = pd.date_range("2024-01-01 09:00", periods=count, freq="h", tz="UTC")
    market = pd.DataFrame({"dvol": 100 * sigma, "price": price, "tradable": True}, times)
    fill = times[24:-1:24]
    days = pd.DataFrame({"origin": fill - pd.Timedelta(hours=1), "fill": fill})
    days = days.assign(
        next_origin=days["origin"] + pd.Timedelta(days=1), exit=fill + pd.Timedelta(days=1)
    )
    found = trading.instruments.straddle(days, market)["gain"].to_numpy()
    start, years = np.arange(24, count - 1, 24), 30 / 365
    strike = price[start]
    value, delta, d1 = black_scholes(strike, strike, sigma[start], years)
    vega = 2 * strike * stats.norm.pdf(d1) * years**0.5 / 100
    hedged = np.zeros(len(start))
    for hour in range(1, 25):
        now, before = price[start + hour], price[start + hour - 1]
        after, later, _ = black_scholes(now, strike, sigma[start + hour], years - hour / 8_760)
        hedged += after - value - delta * (now - before)
        value, delta = after, later
    exact = hedged / vega
    assert np.corrcoef(found, exact)[0, 1] > 0.99
    assert abs((found - exact).mean()) < 0.01
    assert np.abs(exact).mean() > 0.3


def test_a_straddle_is_struck_anew_on_wednesdays(hours):
    for hour, roll in ((8, "Wed 09:00"), (7, "Wed 08:00"), (5, "Thu 06:00")):
        days = trading.schedule(hours.index[800], hours.index[-1], hour=hour, delay_hours=1)
        rolled = trading.instruments.straddle(days, hours)["rolled"]
        assert set(days["fill"][rolled].dt.strftime("%a %H:%M")) == {roll}


def test_cost_a_side_of_each_instrument():
    params = TradingParams(half_spread=0.25, slippage=0.05, fee_pct=0.05, straddle_fee=0.53)
    costs = {
        name: trading.side_cost(name, np.array([60.0]), params)[0] for name in trading.INSTRUMENTS
    }
    assert costs == pytest.approx(
        {
            "paper_index": 0.25 + 0.05 + 0.03,
            "futures_proxy": 0.3 + 0.05 + 0.03,  # whole ticks
            "straddle": 0.25 + 0.05 + 0.265,
        }
    )
    with pytest.raises(ValueError, match="instrument: found 'spot'; should be one of paper_index"):
        trading.side_cost("spot", np.array([60.0]), params)


def test_sizes_aim_at_the_target_volatility(hours, days):
    sizes = trading.unit_sizes(days, hours["dvol"], TradingParams(target_volatility=20))
    change = hours["dvol"].diff(24)[: days["origin"][4]].tail(720)
    assert sizes[4] == pytest.approx(20 / 365.25**0.5 / (change**2).mean() ** 0.5)


@pytest.fixture(scope="module")
def market():
    """Validation and test rows of made-up forecasts, and the hours they are about."""
    table = forecast_table(1_500, validation_rows=1_000, seed=3)
    spread = np.array([-3, -1, 0, 1, 3]) / 4
    change = table["y_pred"] - table["y_origin"]
    quantiles = {
        name: table["y_pred"] + 0.5 * z * (1 + change.abs())
        for name, z in zip(["q05", "q25", "q50", "q75", "q95"], spread, strict=True)
    }
    table = table.assign(**quantiles)
    rows = table[(table["model"] == "har")]
    level = pd.concat(
        [rows.set_index("origin")["y_origin"], rows.set_index("target_time")["y_true"].tail(24)]
    )
    price = 30_000 * np.exp(0.006 * np.random.default_rng(0).standard_normal(len(level)).cumsum())
    panel = pd.DataFrame({"time": level.index, "asset": "BTC", "dvol_close": level.to_numpy()})
    panel = panel.assign(price_close=price, imputed=False)
    return *evaluation_rows(table, "BTC"), trading.hourly(panel, "BTC")


def test_a_study_is_traded_on_every_instrument_by_every_strategy(market):
    validation, test, hours = market
    study = small_study(
        **{"split.validation_start": "2024-11-01 00:00", "split.test_start": "2024-11-22 05:00"}
    )
    pairs = trading.strategies(["persistence", "har", "lstm_large"], "lstm_large")
    assert len(pairs) == 5 + 5 + 4
    tried = trading.simulate(validation, hours, study, pairs, instruments=["futures_proxy"])
    assert tried["exit"].max() <= validation["target_time"].max()
    trades = trading.simulate(test, hours, study, pairs)
    sizes = trades.groupby(["instrument", "model", "rule"]).size()
    assert (sizes == sizes.iloc[0]).all()
    assert len(sizes) == 3 * len(pairs)
    assert set(trades["instrument"]) == set(trading.INSTRUMENTS)
    grid = trading.cost_grid(test, hours, study, ("lstm_large", trading.MEAN))
    assert len(grid) == 3 * 2 * 3
    for _, part in grid.groupby(["instrument", "delay_hours"]):
        assert part["annual_return"].is_monotonic_decreasing
        assert np.ptp(part["annual_gross"]) == 0
    whole = trading.summary(trades, reps=20)
    base = grid[(grid["half_spread"] == 0.5) & (grid["delay_hours"] == 1)].set_index("instrument")
    mine = whole[(whole["model"] == "lstm_large") & (whole["rule"] == "mean")].set_index(
        "instrument"
    )
    np.testing.assert_allclose(base["annual_return"], mine["annual_return"])
    hourly = trading.by_hour(test, hours, study, ("lstm_large", trading.MEAN))
    own = hourly.set_index("hour")["annual_return"][study.trading.hour]
    assert own == pytest.approx(mine["annual_return"]["futures_proxy"])
    chance = {
        name: trading.deflated(
            trading.one(trades, name, ("lstm_large", trading.MEAN)), trading.summary(tried, reps=2)
        )
        for name in trading.INSTRUMENTS
    }
    assert chance["straddle"]["trials"] == 14
    gains = trading.annual_gains(whole, ("lstm_large", trading.MEAN), hourly)
    after = whole[whole["model"] == "lstm_large"].set_index(["instrument", "rule"])["annual_return"]
    for name, gain in gains.items():
        four = [after[name, rule] for rule in trading.TRADING_RULES]
        assert (gain["rules_lowest"], gain["rules_highest"]) == (min(four), max(four))
        assert gain["after"] == after[name, "mean"] < gain["before"]
    assert gains["futures_proxy"]["hours_highest"] == hourly["annual_return"].max()
    assert "hours_lowest" not in gains["straddle"]
    told = trading_answer(whole, ("lstm_large", trading.MEAN), gains, chance, study)
    assert len(told) == 1 + 3 + 2
    assert told[-1].startswith("**")
    assert set(named(whole)["instrument"]) != set(whole["instrument"])
    strategies = strategy_grid(whole)
    assert len(strategies) == len(pairs)
    assert strategies["", "strategy"].unique().tolist() == ["LSTM large", "HAR", "Without a model"]
    assert strategies.shape[1] == 2 + 3 * 3
    costs = costs_shown(grid)
    assert len(costs) == 2 * 3
    assert costs["", "filled"].unique().tolist()[0] == "Filled 1 hour after the forecast"
    halves = trades.assign(part=trading.half_years(trades))
    split = parts_shown({"k": trading.summary(halves, ["instrument", "part"], reps=2)})
    assert split["", "part"].tolist() == ["2024 H2", "2025 H1"]
    assert split["straddle, approximated", "Sharpe ratio"].notna().all()
    assert set(trading.half_years(trades)) == {"2024 H2", "2025 H1"}


def literal_signal(row, tick):
    """The mean of the four rules, case by case."""
    change = row["y_pred"] - row["y_origin"]
    way = 1 if change > 0 else -1
    total = way * (1 if abs(change) >= tick else abs(change) / tick)
    half = max((row["q75"] - row["q25"]) / 2, tick)
    total += way * (1 if abs(change) >= half else abs(change) / half)
    for low, high in (("q25", "q75"), ("q05", "q95")):
        if row[low] > row["y_origin"]:
            total += min((row[low] - row["y_origin"]) / tick, 1)
        if row[high] < row["y_origin"]:
            total -= min((row["y_origin"] - row[high]) / tick, 1)
    return total / 4


def literal_trades(rows, hours, params, learnt, *, delay, instrument):
    """Net gains of the mean rule, hour by hour from the page's text and in its simplest words."""
    dvol, hour = hours["dvol"], pd.Timedelta(hours=1)
    mean = dvol.rolling(720, min_periods=1).mean()
    early = (dvol - mean)[dvol.index < learnt].iloc[:-168]
    later = early.index + 168 * hour
    b = (early * (dvol[later].to_numpy() - mean[early.index])).sum() / (early**2).sum()

    def wednesday(time):
        while (time.weekday(), time.hour) != (2, 8):
            time += hour
        return time

    def price(time, fill, leave):
        if instrument == "futures_proxy":
            left = (wednesday(leave) - time) / pd.Timedelta(days=7)
            exact = mean[time] + (dvol[time] - mean[time]) * min(max(b, 0), 1) ** left
            return round(exact / params.tick) * params.tick
        gamma, sigma = 0.0, dvol[fill] / 100
        if instrument == "straddle":
            for at in pd.date_range(fill + hour, time, freq="h"):
                squared = np.log(hours["price"][at] / hours["price"][at - hour]) ** 2
                gamma += 100 * (squared - sigma**2 / 8_760) / (2 * sigma * 30 / 365)
        return dvol[time] + gamma

    nets, equities, before, week, entry = [], {}, 0.0, None, None
    last = rows.index[-1] + 24 * hour
    origins = [at for at in rows.index if at.hour == 8 and at + (24 + delay) * hour <= last]
    for at in origins:
        fill, leave = at + delay * hour, at + (24 + delay) * hour
        marked = sum(nets)
        if entry is not None:  # the last trade is known to this origin only
            marked -= before * (price(entry[1], *entry) - price(at, *entry))
        equities[at] = marked
        recent = [equities[then] for then in equities if (at - then).days <= params.stop_days]
        lost = (max(recent) - marked) / params.stop_drawdown
        exposure = 1 if lost <= 1 / 2 else 2 * (1 - lost) if lost < 1 else 0
        changes = dvol.diff(24)[:at].tail(24 * params.volatility_days)
        unit = params.target_volatility / (365.25 * (changes**2).mean()) ** 0.5
        full = unit * literal_signal(rows.loc[at], params.tick)
        full = math.copysign(min(abs(full), params.position_cap), full)
        wanted = full * exposure
        new = wednesday(leave if instrument == "futures_proxy" else fill + hour)
        rolled = instrument != "paper_index" and week is not None and new != week
        traded = abs(wanted) + abs(before) if rolled else abs(wanted - before)
        if at == origins[-1]:
            traded += abs(wanted)
        fee = params.fee_pct / 100 * dvol[at]
        if instrument == "straddle":
            fee = params.straddle_fee / 2
        gain = price(leave, fill, leave) - price(fill, fill, leave)
        nets.append(wanted * gain - traded * (params.half_spread + params.slippage + fee))
        week, entry, before = new, (fill, leave), wanted
    return nets


@pytest.mark.parametrize("delay", [1, 2])
@pytest.mark.parametrize("instrument", trading.INSTRUMENTS)
def test_a_whole_simulation_against_a_literal_reckoning(market, instrument, delay):
    _, test, hours = market
    study = small_study(
        **{
            "split.validation_start": "2024-11-01 00:00",
            "split.test_start": "2024-11-22 05:00",
            "trading.stop_drawdown": 0.8,
            "trading.stop_days": 10,
            "trading.volatility_days": 10,
        }
    )
    found = trading.simulate(
        test, hours, study, [("har", "mean")], delay_hours=delay, instruments=[instrument]
    )
    rows = test[test["model"] == "har"].set_index("origin")
    expected = literal_trades(
        rows,
        hours,
        study.trading,
        study.split.validation_start,
        delay=delay,
        instrument=instrument,
    )
    assert {0, 1} < set(found["exposure"])  # none, full, and between
    np.testing.assert_allclose(found["net"], expected, atol=1e-9)


def test_figures_draw_what_they_get(market):
    _, test, hours = market
    study = small_study(
        **{"split.validation_start": "2024-11-01 00:00", "split.test_start": "2024-11-22 05:00"}
    )
    trades = trading.simulate(test, hours, study, [("har", "mean"), ("always_short", "none")])
    mine = trading.one(trades, "straddle", ("har", "mean"))
    band = trading.equity_band(mine, block_days=5, reps=50, coverage=0.9, seed=0)
    assert (band["low"] <= band["high"]).all()
    ax = plots.equity_curves({"HAR": band, "other": mine}, title="t")
    curve = next(line for line in ax.lines if len(line.get_xdata()) == len(mine))
    np.testing.assert_allclose(curve.get_ydata(), mine["net"].cumsum())
    assert len(ax.containers) == 1
    assert {"HAR", "other"} <= {text.get_text() for text in ax.texts}
    ax = plots.straddle_parts(mine, title="t")
    total = sum(ax.lines[i].get_ydata()[-1] for i in range(3))
    assert ax.lines[3].get_ydata()[-1] == pytest.approx(total)
    grid = trading.cost_grid(test, hours, study, ("har", "mean"))
    ax = plots.cost_lines(grid, 0.5, title="t")
    first = grid[grid["instrument"] == grid["instrument"].iloc[0]].head(3)
    expected = [first["annual_gross"].iloc[0], *first["annual_return"]]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), expected)
    assert ax.lines[0].get_xdata()[0] == 0
    clock = pd.DataFrame(
        {"hour": range(24), "annual_return": -1.0, "annual_gross": np.arange(24.0)}
    )
    ax = plots.hour_bars(clock, 8, title="t")
    assert [bar.get_height() for bar in ax.patches] == [-1.0] * 24
    assert len({bar.get_facecolor() for bar in ax.patches}) == 2


def test_forecasts_that_nobody_could_trade_are_named():
    assert foresight_sentence(small_study()) == ""
    assert fees_sentence(FEES_UNTIL, small_study()) == ""
    own = load_study("bitcoin")
    assert fees_sentence(FEES_UNTIL - pd.Timedelta(hours=1), own) == ""
    assert "new fees since 2026-08-01, and these rows reach to 2026-08-01" in fees_sentence(
        FEES_UNTIL, own
    )
    short = small_study(**{"target.horizon_hours": 1})
    assert foresight_sentence(short).startswith("**Not worth trading:** the forecasts reach 1 hour")
    leaky = small_study(**{"target.kind": "scaled_level"})
    assert foresight_sentence(leaky).startswith(
        "**Not a simulation of what could have been done:**"
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("half_spreads", [0.5, 0.25], r"half_spreads \[0.5, 0.25\] should be in ascending order"),
        ("delays_hours", [0], "trading.delays_hours.0: found 0; should be greater than or equal"),
    ],
)
def test_parameters_that_cannot_be_are_refused(key, value, message):
    with pytest.raises(ParameterError, match=message):
        small_study(**{f"trading.{key}": value})


def answer_of(study=None, *, days=300, chance=0.97, rivals=(), **changes):
    """The sentences about one strategy on paper index and futures proxy, and its rivals."""
    row = {"model": "har", "rule": "mean", "annual_return": 9.0, "annual_gross": 20.0, "days": days}
    row |= {"sharpe": 1.0, "sharpe_low": 0.5, "sharpe_high": 3.0, "break_even": 0.4}
    row |= {"in_market": 1.0, "years": 0.5, **changes}
    row["annual_cost"] = 20 - row["annual_return"]
    paper = row | {"instrument": "paper_index", "sharpe_low": 9.0}
    own = row | {"instrument": "futures_proxy"}
    others = [own | {"model": name, "rule": "none", "sharpe": ratio} for name, ratio in rivals]
    found = {"trials": 12, "probability": chance}
    both = {"paper_index": found, "futures_proxy": found}
    ranges = {"rules_lowest": -2.04, "rules_highest": 11.0}
    gains = {
        "paper_index": ranges,
        "futures_proxy": ranges | {"hours_lowest": -5.0, "hours_highest": 12.0},
    }
    results = pd.DataFrame([paper, own, *others])
    return trading_answer(results, ("har", "mean"), gains, both, study or real_study())


def real_study(**overrides):
    return small_study(**{"data.source": "raw_store", **overrides})


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            {},
            "The forecast survives realistic costs on the DVOL-futures proxy, as far as this "
            "approximation goes.",
        ),
        (
            {"chance": 0.6},
            "The forecast earns after realistic costs on the DVOL-futures proxy, but not beyond "
            "the luck of the configurations tried.",
        ),
        (
            {"sharpe_low": -0.5},
            "The forecast is not shown to survive realistic costs: the gain on the DVOL-futures "
            "proxy is within what chance would bring.",
        ),
        (
            {"annual_return": -9.0, "sharpe_low": -3.0, "chance": 0.0},
            "The forecast does not survive realistic costs on any instrument that could be traded.",
        ),
        (
            {"in_market": 0.0, "sharpe": math.nan, "sharpe_low": math.nan, "chance": math.nan},
            "The forecast led to no position, so there is nothing that costs could take.",
        ),
        (
            {"days": 290, "in_market": 0.1},
            "The forecast earns after realistic costs on the DVOL-futures proxy, but in too few "
            "trades (29) to tell that from luck.",
        ),
        (
            {"rivals": [("always_short", 1.0), ("momentum", 0.9)]},
            "The forecast survives realistic costs on the DVOL-futures proxy, as far as this "
            "approximation goes. A rule without a model does as well: Always short on the "
            "DVOL-futures proxy.",
        ),
    ],
)
def test_the_closing_sentence_follows_from_the_numbers(found, words):
    told = answer_of(**found)
    assert told[-1] == f"**{words}**"
    if "annual_return" not in found and found.get("in_market") != 0:
        assert "A cost of 0.40 points a side takes the whole gain, and 0.22 is paid: " in told[2]
        assert "is paid: 0.50 half-spread, 0.05 slippage and −0.33 fee." in told[2]


def test_every_gain_has_its_days_and_its_range_beside_it():
    told = answer_of()
    assert "HAR is traded by the mean of four rules, at a half-spread" in told[0]
    gain = "+4.5 % of capital over 183 days (+9.0 % a year) after costs (20.0 % a year before)"
    ranges = "After costs, single rules return −2.0 to 11.0 % a year"
    assert f"Paper index (not tradable): {gain}. {ranges}. Sharpe" in told[1]
    assert f"{gain}. {ranges}, hours of decision −5.0 to 12.0 %. Sharpe ratio 1.00" in told[2]


def test_a_side_costs_what_its_parts_cost():
    params = TradingParams(half_spread=0.42, slippage=0.05, fee_pct=0.05, straddle_fee=0.53)
    for name in trading.INSTRUMENTS:
        paid = trading.side_cost(name, np.array([40.0]), params)[0]
        parts = trading.cost_parts(name, paid, params)
        assert sum(parts.values()) == pytest.approx(paid)
        assert parts["half-spread"] == pytest.approx(0.5 if name == trading.FUTURES else 0.42)
        assert parts["fee"] == pytest.approx(0.265 if name == trading.STRADDLE else 0.02)


def test_days_without_a_position_have_no_figures_though_closing_cost():
    trades = run([0, 0, 0], [1, 2, 1]).assign(cost=[0.6, 0, 0], net=[-0.6, 0, 0])
    row = trading.summary(trades.assign(instrument="a", model="b", rule="c"), reps=10)
    assert row[["sharpe", "sharpe_low", "sharpe_high"]].isna().all(axis=None)
    assert without_idle(row)[["annual_return", "annual_gross"]].isna().all(axis=None)


def test_the_closing_sentence_says_what_it_rests_on():
    assert answer_of(small_study())[-1].startswith("**In the simulated market, the forecast surv")
    leaky = real_study(**{"target.kind": "scaled_level"})
    assert answer_of(leaky)[-1].startswith("**With what nobody knows at the origin, the forecast")
    free = real_study(**{"trading.half_spread": 0})
    assert "survives costs without a spread on the DVOL-futures proxy" in answer_of(free)[-1]
    assert "Of all 1 back-tests on DVOL-futures proxy, benchmarks" in answer_of()[-2]
