"""Significance: bootstrap intervals, and tests that allow for overlapping targets."""

from dvol_utils.significance.accuracy import (
    clark_west,
    clark_west_pairs,
    diebold_mariano,
    diebold_mariano_pairs,
)
from dvol_utils.significance.bootstrap import (
    bootstrap_difference,
    bootstrap_interval,
    regime_difference,
)
from dvol_utils.significance.conditional import (
    expected_better,
    giacomini_white,
    giacomini_white_pairs,
)
from dvol_utils.significance.crps import crps_against_persistence, reliability
from dvol_utils.significance.months import monthly_skill
from dvol_utils.significance.regressions import direction_test, mincer_zarnowitz, unbiasedness_test
from dvol_utils.significance.resampling import Resampling, block_length, optimal_block
from dvol_utils.significance.sets import model_confidence_set, superior_ability

__all__ = [
    "Resampling",
    "block_length",
    "bootstrap_difference",
    "bootstrap_interval",
    "clark_west",
    "clark_west_pairs",
    "crps_against_persistence",
    "diebold_mariano",
    "diebold_mariano_pairs",
    "direction_test",
    "expected_better",
    "giacomini_white",
    "giacomini_white_pairs",
    "mincer_zarnowitz",
    "model_confidence_set",
    "monthly_skill",
    "optimal_block",
    "regime_difference",
    "reliability",
    "superior_ability",
    "unbiasedness_test",
]
