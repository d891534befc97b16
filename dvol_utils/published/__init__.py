"""The published study judged: its rules beside leak-free ones, flaw by flaw, size by size."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__, submodules={"comparison", "flaws", "hours", "size", "variants"}
)
