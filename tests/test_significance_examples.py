from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

from dvol_utils import significance

MODULES = [f"{significance.__name__}.{m.name}" for m in pkgutil.iter_modules(significance.__path__)]

FUNCTIONS = [name for name in significance.__all__ if callable(getattr(significance, name))]


@pytest.mark.parametrize("name", MODULES)
def test_worked_examples_come_out_as_written(name):
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_test_has_a_worked_example(name):
    assert len(examples(getattr(significance, name))) > 0


def test_what_was_moved_is_still_offered():
    assert set(significance.__all__) - set(FUNCTIONS) == {"LOSSES"}
    for name in FUNCTIONS:
        module = inspect.getmodule(getattr(significance, name))
        assert isinstance(module, ModuleType)
        assert module.__name__ in MODULES


def examples(function: object) -> list[doctest.Example]:
    return doctest.DocTestParser().get_examples(inspect.getdoc(function) or "")
