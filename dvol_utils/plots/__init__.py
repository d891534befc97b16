"""Figures: tables in, matplotlib axes out. One module a notebook; nothing is computed here."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules={
        "assets",
        "card",
        "data",
        "first_page",
        "horizons",
        "intervals",
        "jumps",
        "published",
        "regimes",
        "significance",
        "style",
        "trading",
        "training",
    },
)
