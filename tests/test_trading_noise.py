"""No headline number of the trading simulation hangs on the last digits of the forecasts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from forecast_tables import TEST_START, forecast_table
from market import small_study

from dvol_utils import trading
from dvol_utils.evaluation import evaluation_rows

QUANTILES = {"q05": -1.0, "q25": -0.4, "q50": 0.0, "q75": 0.4, "q95": 1.0}  # from y_pred, points
FORECASTS = ["y_pred", *QUANTILES]
SPLITS = {"split.validation_start": "2024-11-01 00:00", "split.test_start": str(TEST_START)[:16]}
USUAL = {"trading.volatility_days": 10, "trading.stop_drawdown": 1_000}
# A limit of six days' target volatility, which both markets reach; a study's own is thirty.
CONTROLLED = USUAL | {"trading.stop_drawdown": 3}
STRATEGY = ("har", trading.MEAN)
LARGEST = 0.05  # change allowed, % of capital a year, or of a Sharpe ratio


def made_up(seed):
    """Forecasts of validation and test rows, and the hours they are about."""
    models = {"har": (0.1, 0.4, 1)}
    table = forecast_table(1_500, validation_rows=1_500, seed=seed, models=models)
    table = table.assign(**{name: table["y_pred"] + shift for name, shift in QUANTILES.items()})
    last = table.set_index("target_time")["y_true"].tail(24)
    level = pd.concat([table.set_index("origin")["y_origin"], last])
    steps = np.random.default_rng(seed).standard_normal(len(level))
    panel = pd.DataFrame({"time": level.index, "asset": "BTC", "dvol_close": level.to_numpy()})
    price = 30_000 * np.exp(0.006 * steps.cumsum())
    return table, trading.hourly(panel.assign(price_close=price, imputed=False), "BTC")


def at_the_edge(table, seed):
    """The same, but most days near an edge: no change, or an interval that ends there."""
    rng = np.random.default_rng(seed)
    place = rng.integers(5, size=len(table))  # of the forecast, or an end of its intervals
    edges = ["y_pred", "q25", "q75", "q05"]
    shift = np.zeros(len(table))
    for number, name in enumerate(edges):
        shift = np.where(place == number, table["y_origin"] - table[name], shift)
    shift += 1e-5 * rng.standard_normal(len(table)) * (place < len(edges))
    return table.assign(**{name: table[name] + shift for name in FORECASTS})


def with_noise(table, seed, size=1e-4):
    rng = np.random.default_rng(seed)
    noise = size * rng.standard_normal((len(table), len(FORECASTS)))
    return table.assign(**{n: table[n] + noise[:, i] for i, n in enumerate(FORECASTS)})


def headlines(table, hours, study, clock=True):
    """Every number that the page's sentences and the noted facts give, and the trades."""
    validation, test = evaluation_rows(table, "BTC")
    pairs = trading.strategies(["har"], "har")
    early = trading.simulate(validation, hours, study, pairs, instruments=[trading.FUTURES])
    tried = trading.summary(early, reps=2)
    trades = trading.simulate(test, hours, study, pairs)
    results = trading.summary(trades, reps=200)
    by_hour = trading.by_hour(test, hours, study, STRATEGY) if clock else results[:1]
    mine = results[(results["model"] == "har") & (results["rule"] == trading.MEAN)]
    found = {}
    for name, gains in trading.annual_gains(results, STRATEGY, by_hour).items():
        row = mine.set_index("instrument").loc[name]
        chance = trading.deflated(trading.one(trades, name, STRATEGY), tried)
        found |= {(name, key): value for key, value in gains.items()}
        found |= {(name, key): row[key] for key in ("sharpe", "sharpe_low", "sharpe_high")}
        found[name, "probability"] = chance["probability"]
    return pd.Series(found), trades


@pytest.mark.parametrize("edge", [False, True], ids=["anywhere", "at the edge"])
@pytest.mark.parametrize("params", [USUAL, CONTROLLED], ids=["usual", "controlled"])
@pytest.mark.parametrize("seed", [1, 2])
def test_noise_of_a_ten_thousandth_point_moves_no_headline(seed, params, edge):
    table, hours = made_up(seed)
    if edge:
        table = at_the_edge(table, seed)
    study = small_study(**SPLITS, **params)
    clock = seed == 1 and params is CONTROLLED and edge  # 24 simulations: once is enough
    usual, trades = headlines(table, hours, study, clock)
    assert usual.notna().all()
    exposure = trades.loc[trades["rule"] == trading.MEAN, "exposure"]
    assert (exposure.min() < 0.3) == (params is CONTROLLED)
    for other in range(3):
        moved, _ = headlines(with_noise(table, other), hours, study, clock)
        change = (moved - usual).abs()
        assert 0 < change.max() < LARGEST, change[change >= LARGEST]


def test_forecasts_within_a_hundred_thousandth_of_no_change_earn_and_cost_nothing():
    table, hours = made_up(0)
    noise = 1e-5 * np.random.default_rng(0).standard_normal(len(table))
    table = table.assign(y_pred=table["y_origin"] + noise)
    table = table.assign(**{name: table["y_pred"] + shift for name, shift in QUANTILES.items()})
    study = small_study(**SPLITS, **USUAL)
    found, trades = headlines(table, hours, study, clock=False)
    own = trades[trades["model"] == "har"]
    assert 0 < own["position"].abs().max() < 1e-3
    gains = found[found.index.get_level_values(1).isin(["before", "after", "rules_lowest"])]
    assert gains.abs().max() < LARGEST
