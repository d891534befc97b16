"""Wording: numbers, tests and tables as readers see them."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "columns": ["group_shares", "interval_grid", "pivoted", "readable", "with_interval"],
        "numbers": ["digits", "number", "percent", "persistence_sentence", "written"],
        "text": ["listed"],
    },
)
