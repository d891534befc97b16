"""Report: notebooks are executed and become an offline site, and a run is checked."""

import sys

import lazy_loader as lazy

# Checking a notebook would first compile a grammar of web addresses, which none of its fields are:
# more than a second of every command. What asks for it takes it for not installed.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

__getattr__, __dir__, __all__ = lazy.attach(__name__, submodules={"display", "provenance"})
