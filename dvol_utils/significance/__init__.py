"""Significance: bootstrap intervals, and tests that allow for overlapping targets."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "accuracy": [
            "clark_west",
            "clark_west_pairs",
            "diebold_mariano",
            "diebold_mariano_pairs",
            "equal_loss",
        ],
        "bootstrap": ["bootstrap_difference", "bootstrap_interval", "regime_difference"],
        "conditional": ["expected_better", "giacomini_white", "giacomini_white_pairs"],
        "crps": ["crps_against_persistence", "reliability"],
        "decay": ["decay_tests"],
        "gains": ["calibration", "summed_gain"],
        "losses": ["LOSSES", "gain_moments", "three_losses"],
        "months": ["monthly_skill"],
        "power": ["detectable_gain", "hours_needed", "time_to_know"],
        "regimes": ["regime_skill"],
        "regressions": ["direction_test", "mincer_zarnowitz", "unbiasedness_test"],
        "resampling": ["Resampling", "block_length", "optimal_block"],
        "sets": ["model_confidence_set", "superior_ability"],
    },
)
