"""How the tests are shared out among pytest-xdist's workers."""

from __future__ import annotations

import joblib
import pytest
from xdist.scheduler import LoadScopeScheduling

MOST = 8  # workers: each imports torch, and more would wait for the longest module all the same
LONG = ("slow", "faults", "endurance")  # markers


def workers() -> int:
    """As many as there are cores for this process, whatever the machine has."""
    return min(joblib.cpu_count(), MOST)


class BySetUp(LoadScopeScheduling):
    """What is set up for several tests is set up once: a worker runs all tests of a module.

    The tests that judge the run of the study `smoke` are of several modules, and stay together.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.split("::")[0]
        return "smoke" if module.endswith("test_study.py") or "[smoke" in nodeid else module


def longest_first(items: list[pytest.Item]) -> None:
    """Modules with slow tests before all others, so that no worker begins one at the end.

    Either kind keeps the random order that it has.
    """
    slow = {item.path for item in items for mark in LONG if item.get_closest_marker(mark)}
    items.sort(key=lambda item: item.path not in slow)
