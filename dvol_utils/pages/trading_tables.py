"""The tables of the trading page: strategies or parts of time down, instruments across."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from dvol_utils.pages.trading import LABELS
from dvol_utils.study.model_names import label
from dvol_utils.trading.simulation import NO_RULE
from dvol_utils.wording.columns import pivoted, readable, with_interval
from dvol_utils.wording.numbers import hours_text

BARE = "Without a model"
_AMOUNTS = ["annual_return", "annual_gross", "annual_cost", "volatility", "drawdown"]
_MONEY = ["annual_return", "annual_gross", "volatility", "sharpe", "low", "high", "break_even"]
_MONEY += ["turnover", "drawdown", "in_market", "hit_rate"]


def named(table: pd.DataFrame) -> pd.DataFrame:
    """The table with instruments, benchmarks and rules by name, for readers."""
    there = [name for name in ("instrument", "model", "rule") if name in table]
    return table.assign(
        **{name: table[name].map(lambda key: LABELS.get(key, key)) for name in there}
    )


def without_idle(table: pd.DataFrame) -> pd.DataFrame:
    """A `summary` without amounts where no position was held: closing alone is no trade."""
    there = [name for name in _AMOUNTS if name in table]
    idle = table["in_market"] == 0
    return table.assign(**{name: table[name].where(~idle, np.nan) for name in there})


def by_strategy(results: pd.DataFrame) -> pd.DataFrame:
    """A `summary` for readers, `strategy` (the model) standing above its rules.

    Rules without a model are together, each by its own name.
    """
    bare = results["rule"] == NO_RULE
    shown = named(without_idle(results))
    # A rule without a model has no model to stand under.
    strategy = results["model"].map(label).where(~bare, BARE)
    rule = shown["rule"].where(~bare, shown["model"])
    return readable(shown.drop(columns="model").assign(strategy=strategy, rule=rule))


def strategy_grid(results: pd.DataFrame) -> pd.DataFrame:
    """What each strategy earned and could bear, the instruments side by side."""
    values = ["annual_return", "annual_gross", "break_even"]
    return pivoted(by_strategy(results), "instrument", values, index=("strategy", "rule"))


def with_sharpe(results: pd.DataFrame, first: Iterable[str]) -> pd.DataFrame:
    """All of a `summary` for readers, Sharpe ratios with their intervals, after columns `first`."""
    bounds = {"sharpe_low": "low", "sharpe_high": "high"}
    rows = named(without_idle(results)).rename(columns=bounds)
    return with_interval(rows[[*first, *_MONEY]], "sharpe")


def costs_shown(grid: pd.DataFrame) -> pd.DataFrame:
    """`cost_grid` for readers: half-spreads down, under their delay; instruments across."""
    filled = grid["delay_hours"].map(lambda hours: f"Filled {hours_text(hours)} after the forecast")
    shown = readable(named(grid.assign(filled=filled)))
    values = ["annual_return", "sharpe"]
    return pivoted(shown, "instrument", values, index=("filled", "half_spread"))


def parts_shown(parts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Summaries by instrument and part of time, by what the parts are of; instruments across.

    Each table has `instrument, part` and the columns of `summary`.
    """
    tables = [table.assign(kind=kind) for kind, table in parts.items()]
    shown = readable(named(without_idle(pd.concat(tables, ignore_index=True))))
    values = ["annual_return", "sharpe"]
    return pivoted(shown, "instrument", values, index=("kind", "part", "days"))
