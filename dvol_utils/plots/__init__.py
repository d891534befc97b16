"""Figures: tables in, matplotlib axes out. One module per notebook; nothing is computed here."""

import pkgutil

__all__ = sorted(module.name for module in pkgutil.iter_modules(__path__))
