"""Jumps: the Lee-Mykland test, its alternatives, and what its flags are worth."""

from dvol_utils.jumps.detection import (
    detect_jumps,
    hourly_log_returns,
    panel_periodicity,
    price_jumps,
)
from dvol_utils.jumps.periodicity import periodicity_factor, periodicity_wsd
from dvol_utils.jumps.published_rule import jumps_by_rule, published_jumps, published_rules
from dvol_utils.jumps.statistics import (
    benjamini_hochberg,
    critical_value,
    gumbel_constants,
    gumbel_quantile,
    lee_mykland,
    normal_p_values,
    spurious_rate,
    universal_threshold,
)

__all__ = [
    "benjamini_hochberg",
    "critical_value",
    "detect_jumps",
    "gumbel_constants",
    "gumbel_quantile",
    "hourly_log_returns",
    "jumps_by_rule",
    "lee_mykland",
    "normal_p_values",
    "panel_periodicity",
    "periodicity_factor",
    "periodicity_wsd",
    "price_jumps",
    "published_jumps",
    "published_rules",
    "spurious_rate",
    "universal_threshold",
]
