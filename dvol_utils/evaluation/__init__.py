"""Evaluation: the forecast table, its metrics, and where forecasts are good or bad."""

from dvol_utils.evaluation.forecast_table import (
    add_calendar,
    average_seeds,
    check_forecasts,
    evaluation_rows,
)
from dvol_utils.evaluation.quantile_scores import coverage, crps, with_quantiles
from dvol_utils.evaluation.scores import METRICS, SUMS, contributions, metrics_from_sums, score

__all__ = [
    "METRICS",
    "SUMS",
    "add_calendar",
    "average_seeds",
    "check_forecasts",
    "contributions",
    "coverage",
    "crps",
    "evaluation_rows",
    "metrics_from_sums",
    "score",
    "with_quantiles",
]
