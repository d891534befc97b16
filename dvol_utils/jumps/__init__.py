"""Jumps: the Lee-Mykland test, its alternatives, and what its flags are worth."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules={"patterns", "quality"},
    submod_attrs={
        "detection": ["detect_jumps", "hourly_log_returns", "panel_periodicity", "price_jumps"],
        "periodicity": ["periodicity_factor", "periodicity_wsd"],
        "published_rule": ["jumps_by_rule", "published_jumps", "published_rules"],
        "statistics": [
            "benjamini_hochberg",
            "critical_value",
            "gumbel_constants",
            "gumbel_quantile",
            "lee_mykland",
            "normal_p_values",
            "spurious_rate",
            "universal_threshold",
        ],
    },
)
