"""Sentences and tables of the pages: one module per notebook, named as its plots."""

import pkgutil

__all__ = sorted(module.name for module in pkgutil.iter_modules(__path__))
