"""A finished study's models at work: tomorrow's forecast, and scores on data that came later."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules={"forecast"},
    submod_attrs={"after_study": ["after_the_study"], "later_scores": ["score_later"]},
)
