"""Report: notebooks are executed and become an offline site, and a run is checked."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, submodules={"display", "provenance"})
