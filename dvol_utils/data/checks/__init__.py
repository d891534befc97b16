"""Page 01: what the data are, and whether they are fit for the study."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules={"distributions", "quality", "seasonality", "verdict"},
    submod_attrs={
        "ticks": ["wrong_ticks"],
        "coverage": [
            "coverage_calendar",
            "coverage_table",
            "ended_sentences",
            "gaps",
            "panel_coverage",
        ],
    },
)
