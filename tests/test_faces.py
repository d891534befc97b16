"""What a notebook or another project may rely on: the names that the rooms' faces hand on."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import dvol_utils

PACKAGE = Path(dvol_utils.__file__).parent
NOTEBOOKS = sorted((PACKAGE.parent / "notebooks").glob("*.ipynb"))
FACES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).parent.parts)
    for path in PACKAGE.rglob("__init__.py")
    if path.parent != PACKAGE
)


@pytest.mark.parametrize("room", FACES)
def test_a_face_hands_on_what_it_names(room):
    face = importlib.import_module(room)
    for name in getattr(face, "__all__", ()):
        handed = taken(f"{room}.{name}")
        # A function that is named like its module would hide it, or be hidden by it.
        if not isinstance(handed, ModuleType):
            assert not (Path(face.__file__).parent / f"{name}.py").exists()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_use_faces_alone(path):
    beside = [name for name in used(tree(path)) if not may_be_used(name)]
    assert beside == []


@pytest.mark.parametrize(
    "code",
    [
        "from dvol_utils.results.persistence import against_level",
        "from dvol_utils.study.files import hash_of",
        "from dvol_utils import trading\ntrading.backtest",
        "from dvol_utils.plots import data as plots\nplots._axis",
        "import dvol_utils.study.files",
    ],
)
def test_what_no_face_names_is_noticed(code):
    assert not all(may_be_used(name) for name in used(ast.parse(code)))


def test_a_face_loads_nothing_that_is_not_asked_for():
    code = (
        "import sys, dvol_utils.forecasting, dvol_utils.report, dvol_utils.plots;"
        "print({'torch', 'matplotlib', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def tree(path: Path) -> ast.Module:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return ast.parse("\n".join(code))


def used(code: ast.Module) -> Iterator[str]:
    """Dotted names of this package that code imports, and what it takes from modules."""
    modules: dict[str, str] = {}
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("dvol_utils"))
        elif isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "dvol_utils":
            for alias in node.names:
                modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    yield from modules.values()
    for node in ast.walk(code):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            home = modules.get(node.value.id)
            if home and isinstance(taken(home), ModuleType):
                yield f"{home}.{node.attr}"


def may_be_used(name: str) -> bool:
    """Whether a face names it, or it is a public name of a module that a face names."""
    *rooms, last = name.split(".")
    if last.startswith("_"):
        return False
    if rooms == ["dvol_utils"]:
        return name in FACES
    home = ".".join(rooms)
    if home in FACES:
        return last in taken(home).__all__
    return len(rooms) > 1 and home.startswith("dvol_utils.") and may_be_used(home)


def taken(name: str) -> object:
    """A module, or a thing inside one."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        home, _, last = name.rpartition(".")
        return getattr(taken(home), last)
