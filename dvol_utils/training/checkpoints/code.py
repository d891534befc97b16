"""The code that what a checkpoint holds was learnt by: changed code learns anew."""

from __future__ import annotations

from functools import cache

from dvol_utils.models import Forecaster
from dvol_utils.study.source_code import learning_code

_LOOP = "dvol_utils.training.loop"
# What puts a network, its samples and its seed into the loop.
_AROUND = ("dvol_utils.models.networks", "dvol_utils.training.network", "dvol_utils.training.run")


@cache
def network_code(name: str) -> dict[str, str]:
    """Marks of the code by which a network of `NETWORK_NAMES` learns, by file."""
    from dvol_utils.models.networks import network_module  # with torch, which takes seconds

    return learning_code([_LOOP, network_module(name)], alone=_AROUND)


def simple_code(forecaster: Forecaster) -> dict[str, str]:
    """Marks of the code by which a forecaster that is no network learns, by file.

    It is that of its own module, and of the modules of what it is made of.
    """
    parts = [forecaster, *vars(forecaster).values()]
    return learning_code({type(part).__module__ for part in parts})
