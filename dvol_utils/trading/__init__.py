"""What a forecast would be worth: signal, size, costs, back-test and its evaluation."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "backtest": ["back_test", "schedule", "unit_sizes"],
        "costs": [
            "FUTURES",
            "INSTRUMENTS",
            "PAPER_INDEX",
            "STRADDLE",
            "cost_parts",
            "side_cost",
        ],
        "instruments": ["hourly", "instrument_gains", "weekly_persistence"],
        "performance": [
            "deflated",
            "deflated_sharpe",
            "deflated_table",
            "equity_band",
            "summary",
            "worst_days",
        ],
        "signals": ["BENCHMARKS", "MEAN", "TRADING_RULES", "benchmark_signal", "forecast_signal"],
        "simulation": [
            "NO_RULE",
            "annual_gains",
            "by_hour",
            "cost_grid",
            "half_years",
            "one",
            "simulate",
            "strategies",
        ],
    },
)
