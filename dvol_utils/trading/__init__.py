"""What a forecast would be worth: signal, size, costs, back-test and its evaluation."""

from dvol_utils.trading.backtest import back_test, schedule, unit_sizes
from dvol_utils.trading.costs import FUTURES, INSTRUMENTS, PAPER_INDEX, STRADDLE, side_cost
from dvol_utils.trading.instruments import hourly, instrument_gains, weekly_persistence
from dvol_utils.trading.performance import (
    deflated,
    deflated_sharpe,
    deflated_table,
    equity_band,
    summary,
    worst_days,
)
from dvol_utils.trading.signals import (
    BENCHMARKS,
    MEAN,
    TRADING_RULES,
    benchmark_signal,
    forecast_signal,
)
from dvol_utils.trading.simulation import (
    NO_RULE,
    annual_gains,
    by_hour,
    cost_grid,
    half_years,
    one,
    simulate,
    strategies,
)

__all__ = [
    "BENCHMARKS",
    "FUTURES",
    "INSTRUMENTS",
    "MEAN",
    "NO_RULE",
    "PAPER_INDEX",
    "STRADDLE",
    "TRADING_RULES",
    "annual_gains",
    "back_test",
    "benchmark_signal",
    "by_hour",
    "cost_grid",
    "deflated",
    "deflated_sharpe",
    "deflated_table",
    "equity_band",
    "forecast_signal",
    "half_years",
    "hourly",
    "instrument_gains",
    "one",
    "schedule",
    "side_cost",
    "simulate",
    "strategies",
    "summary",
    "unit_sizes",
    "weekly_persistence",
    "worst_days",
]
