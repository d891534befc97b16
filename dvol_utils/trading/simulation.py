"""The trading simulation of a study: strategies, instruments, costs, on given rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dvol_utils.study.params import StudyParams
from dvol_utils.trading.backtest import back_test, schedule, unit_sizes
from dvol_utils.trading.costs import FUTURES, side_cost
from dvol_utils.trading.instruments import instrument_gains, weekly_persistence
from dvol_utils.trading.performance import KEYS, summary
from dvol_utils.trading.signals import (
    BENCHMARKS,
    MEAN,
    TRADING_RULES,
    benchmark_signal,
    forecast_signal,
)

NO_RULE = "none"
_HAR = ("har", "har_calendar")


def strategies(models: Iterable[str], chosen: str) -> list[tuple[str, str]]:
    """What is back-tested: (model, rule), the mean rule and each of the four, and benchmarks.

    Parameters
    ----------
    models : iterable of str
        Those that the study has.
    chosen : str
        The model chosen on validation rows; HAR is traded beside it.
    """
    there = list(models)
    har = next((name for name in _HAR if name in there), None)
    traded = dict.fromkeys([chosen, *([har] if har else [])])
    pairs = [(model, rule) for model in traded for rule in (MEAN, *TRADING_RULES)]
    return [*pairs, *((name, NO_RULE) for name in BENCHMARKS)]


def simulate(
    forecasts: pd.DataFrame,
    hours: pd.DataFrame,
    study: StudyParams,
    traded: Sequence[tuple[str, str]],
    *,
    delay_hours: int | None = None,
    half_spread: float | None = None,
    hour: int | None = None,
    instruments: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Back-tests of strategies on one split's rows, each from a flat start.

    Parameters
    ----------
    forecasts : DataFrame
        One split's rows of `evaluation_rows`.
    hours : DataFrame
        `hourly` of the same asset.
    study : StudyParams
    traded : sequence of (model, rule)
        Of `strategies`.
    delay_hours, half_spread, hour : optional
        In place of the study's.
    instruments : sequence of str, optional
        Without it all that the data allow.

    Returns
    -------
    DataFrame
        Rows of `back_test` with `asset, split, instrument, model, rule, jump_regime, level_regime`:
        one row per trade (a position from its fill to the next). Nothing of it depends on what
        comes after a position's origin but `gain` and what follows from it.

    Raises
    ------
    ValueError
        The rows are too few for a single trade.
    """
    params, first = study.trading, forecasts["origin"].min()
    days = schedule(
        first,
        # No later than the outcomes that the forecasts are about, or the hours that are known.
        min(forecasts["target_time"].max(), hours.index[-1]),
        hour=params.hour if hour is None else hour,
        delay_hours=params.delays_hours[0] if delay_hours is None else delay_hours,
        horizon_hours=study.target.horizon_hours,
    )
    if days.empty:
        raise ValueError(
            f"forecasts: found origins from {first} to {forecasts['origin'].max()}; should span "
            "at least one trade, from a decision to the next one's fill"
        )
    # Before any row that is traded on, validation included.
    learnt = hours["dvol"][hours.index < study.split.validation_start]
    market = instrument_gains(days, hours, persistence=weekly_persistence(learnt), tick=params.tick)
    level = hours["dvol"].reindex(days["origin"]).to_numpy()
    common = {
        "size": unit_sizes(days, hours["dvol"], params),
        "tradable": hours["tradable"].reindex(days["fill"]).to_numpy(dtype=bool),
        "params": params,
    }
    signals = {pair: _signal(pair, forecasts, hours, study) for pair in traded}
    tables = []
    for instrument in instruments or market:
        if instrument not in market:
            continue
        # Positions are those at the study's own costs, whatever is charged for them.
        costs = {
            "side_cost": side_cost(instrument, level, params),
            "charged": side_cost(instrument, level, params, half_spread),
        }
        for (model, rule), signal in signals.items():
            table = back_test(days, signal, market[instrument], **costs, **common)
            names = {"instrument": instrument, "model": model, "rule": rule}
            tables.append(table.assign(**names))
    return _labelled(pd.concat(tables, ignore_index=True), forecasts)


def cost_grid(
    forecasts: pd.DataFrame,
    hours: pd.DataFrame,
    study: StudyParams,
    strategy: tuple[str, str],
) -> pd.DataFrame:
    """One strategy at every half-spread and delay of the study.

    The positions at a delay are those of the study's own half-spread, so that a row differs from
    another by its costs alone.

    Returns
    -------
    DataFrame
        `instrument, delay_hours, half_spread`, and the columns of `summary`, without intervals.
    """
    tables = []
    for delay in study.trading.delays_hours:
        for half in study.trading.half_spreads:
            trades = simulate(
                forecasts, hours, study, [strategy], delay_hours=delay, half_spread=half
            )
            # Intervals are dropped below, and two resamples are the quickest.
            row = summary(trades, reps=2).assign(delay_hours=delay, half_spread=half)
            tables.append(row.drop(columns=["model", "rule", "sharpe_low", "sharpe_high"]))
    grid = pd.concat(tables, ignore_index=True)
    first = ["instrument", "delay_hours", "half_spread"]
    grid = grid.sort_values(first, key=_places, kind="stable", ignore_index=True)
    return grid[[*first, *(name for name in grid if name not in first)]]


def by_hour(
    forecasts: pd.DataFrame,
    hours: pd.DataFrame,
    study: StudyParams,
    strategy: tuple[str, str],
    instrument: str = FUTURES,
) -> pd.DataFrame:
    """One strategy with its decision at each hour of the day.

    Returns
    -------
    DataFrame
        `hour` (0 to 23), `annual_gross, annual_return` (% of capital), `sharpe`.
    """
    rows = []
    for hour in range(24):
        trades = simulate(forecasts, hours, study, [strategy], hour=hour, instruments=[instrument])
        rows.append(summary(trades, reps=2).assign(hour=hour))
    return pd.concat(rows, ignore_index=True)[["hour", "annual_gross", "annual_return", "sharpe"]]


def annual_gains(
    results: pd.DataFrame, strategy: tuple[str, str], clock: pd.DataFrame
) -> dict[str, dict[str, float]]:
    """A strategy's gain in percent of capital a year by instrument, with the range beside it.

    Parameters
    ----------
    results : DataFrame
        `summary` by instrument, model and rule.
    strategy : (model, rule)
    clock : DataFrame
        `by_hour` on the futures.

    Returns
    -------
    dict
        `before` and `after` costs; `rules_lowest, rules_highest` after costs over the model's four
        rules; on the futures `hours_lowest, hours_highest` over the hours of the decision.
    """
    model, rule = strategy
    gains = {}
    for instrument, rows in results[results["model"] == model].groupby("instrument", sort=False):
        after, before = (rows.set_index("rule")[name] for name in ("annual_return", "annual_gross"))
        four = after[after.index.isin(TRADING_RULES)]
        gains[str(instrument)] = {
            "before": float(before[rule]),
            "after": float(after[rule]),
            "rules_lowest": float(four.min()),
            "rules_highest": float(four.max()),
        }
    hours = clock["annual_return"]
    gains[FUTURES] |= {"hours_lowest": float(hours.min()), "hours_highest": float(hours.max())}
    return gains


def one(trades: pd.DataFrame, instrument: str, strategy: tuple[str, str]) -> pd.DataFrame:
    """The rows of one back-test."""
    mine = trades[list(KEYS)].eq([instrument, *strategy]).all(axis="columns")
    return trades[mine].reset_index(drop=True)


def half_years(trades: pd.DataFrame) -> pd.Series:
    """Calendar half-year of each fill, such as "2025 H1"."""
    fill = trades["fill"].dt
    return fill.year.astype(str) + np.where(fill.month <= 6, " H1", " H2")


def _signal(
    pair: tuple[str, str], forecasts: pd.DataFrame, hours: pd.DataFrame, study: StudyParams
) -> pd.Series:
    model, rule = pair
    tick = study.trading.tick
    if rule == NO_RULE:
        return benchmark_signal(model, hours["dvol"], study.persistence_hours, tick)
    return forecast_signal(forecasts[forecasts["model"] == model], rule, tick)


def _labelled(trades: pd.DataFrame, forecasts: pd.DataFrame) -> pd.DataFrame:
    labels: dict[str, Any] = {name: forecasts[name].iloc[0] for name in ("asset", "split")}
    origins = forecasts.drop_duplicates("origin").set_index("origin")
    for regime in ("jump_regime", "level_regime"):
        # A decision may fall on an hour without a scored forecast.
        labels[regime] = trades["origin"].map(origins[regime]).fillna("unknown")
    trades = trades.assign(**labels)
    first = ["asset", "split", *KEYS]
    return trades[[*first, *(name for name in trades if name not in first)]]


def _places(column: pd.Series) -> pd.Series:
    """Order of appearance for names, value for numbers."""
    return (
        column
        if column.dtype.kind in "if"
        else column.map({name: place for place, name in enumerate(column.unique())})
    )
