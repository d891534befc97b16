"""Significance: bootstrap intervals, and tests that allow for overlapping targets."""

from dvol_utils.significance.bootstrap import (
    bootstrap_difference,
    bootstrap_interval,
    regime_difference,
)
from dvol_utils.significance.comparison import (
    diebold_mariano,
    diebold_mariano_pairs,
    direction_test,
    model_confidence_set,
    optimal_block,
)

__all__ = [
    "bootstrap_difference",
    "bootstrap_interval",
    "diebold_mariano",
    "diebold_mariano_pairs",
    "direction_test",
    "model_confidence_set",
    "optimal_block",
    "regime_difference",
]
