"""Forecasters behind one interface."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "forecaster": ["Forecaster", "Restorable", "State"],
        "networks": ["stopping_networks"],
    },
)
