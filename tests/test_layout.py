"""The rule of the house: a room imports rooms before it alone, and every module lies in a room."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from dvol_utils.study.source_code import PACKAGE, direct_imports, imported_files

# Rooms of one line do not import each other.
ORDER = (
    ("study",),
    ("wording",),
    ("data", "jumps", "samples", "evaluation"),
    ("models", "significance"),
    ("training",),
    ("forecasting",),
    ("results",),
    ("published", "trading"),
    ("pages",),
    ("plots",),
    ("report",),
    ("serving",),
    ("cli",),
)
PLACE = {room: place for place, rooms in enumerate(ORDER) for room in rooms}
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 320


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def direct(path: Path) -> set[Path]:
    """What a module itself imports, inside functions too; the package on the way left out."""
    return {file for file in direct_imports(path) if file != PACKAGE / "__init__.py"} - {path}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_rooms_before_its_own_alone(path):
    if path == PACKAGE / "__init__.py":
        assert direct(path) == set()
        return
    upward = {
        str(other.relative_to(PACKAGE))
        for other in direct(path)
        if room(other) != room(path) and PLACE[room(other)] >= PLACE[room(path)]
    }
    assert upward == set()


def test_no_circle_of_imports():
    assert {path for path in MODULES if path in reached_from(path)} == set()


def reached_from(path: Path) -> set[Path]:
    """Modules that a module imports, directly or not."""
    reached, waiting = set(), [path]
    while waiting:
        new = direct(waiting.pop()) - reached
        reached |= new
        waiting += new
    return reached


def test_the_rooms_are_those_of_the_rule():
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert rooms == set(PLACE) - {"cli"}
    assert len(PLACE) <= 19


def test_the_command_is_the_only_module_outside_a_room():
    assert sorted(path.name for path in PACKAGE.glob("*.py")) == ["__init__.py", "cli.py"]


def test_the_rooms_have_few_floors():
    """A room's floor is one above the highest that it imports."""
    below = defaultdict(set)
    for path in MODULES:
        below[room(path)] |= {room(other) for other in direct(path)} - {room(path), "__init__"}

    @cache
    def floor(name: str) -> int:
        return 1 + max((floor(other) for other in below[name]), default=0)

    assert max(floor(name) for name in PLACE) <= MOST_FLOORS


MOST_FLOORS = 8


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_few_public_names_stand_for_two_things():
    homes = defaultdict(set)
    for path in MODULES:
        if path.name == "__init__.py":
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for name in defined(node):
                if not name.startswith("_"):
                    homes[name].add(str(path.relative_to(PACKAGE)))
    twice = {name: sorted(files) for name, files in homes.items() if len(files) > 1}
    assert len(twice) <= 8, twice


def defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def test_the_makefile_lists_no_module():
    text = (PACKAGE.parent / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w/$]+\.py\b", text))
    assert named == {"benchmarks/$$what.py", "benchmarks/peers/lstm.py"}


def test_drawing_libraries_are_not_needed_for_a_forecast():
    drawn = {PACKAGE / "plots" / name for name in ("style.py", "__init__.py")}
    for name in ("commands", "forecast", "new_forecasts", "later_scores", "saved_models"):
        assert not drawn & imported_files(PACKAGE / "serving" / f"{name}.py")
