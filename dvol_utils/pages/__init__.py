"""Sentences and tables of the pages: one module a notebook, named as its plots."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules={
        "assets",
        "attention_weights",
        "card",
        "claims",
        "established",
        "failing",
        "first_page",
        "horizons",
        "jumps",
        "published",
        "regimes",
        "significance",
        "trading",
        "training",
    },
)
