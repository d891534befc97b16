"""Evaluation: the forecast table, its metrics, and where forecasts are good or bad."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules={"diagnostics", "worst"},
    submod_attrs={
        "ended": ["ended_scores"],
        "forecast_table": [
            "add_calendar",
            "average_seeds",
            "check_forecasts",
            "evaluation_rows",
            "squared_errors",
        ],
        "quantile_scores": ["coverage", "crps", "with_quantiles"],
        "scores": ["METRICS", "SUMS", "contributions", "metrics_from_sums", "score"],
    },
)
