"""The package's own code: what a file imports, and a mark that changes with what it does.

What is made by code is made again when that code changes, and no list has to be kept by hand.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
# What learns; other rooms hand it tables and parameters, whose values are compared themselves.
_LEARNING = ("samples", "models", "training")


def imported_files(path: Path) -> set[Path]:
    """Files of this package that a module or notebook imports, directly or not.

    Imports inside functions and for type checking count: they may cost a run too many, and never
    leave one out. The table that a module reads, a CSV file of its name, comes with it.
    """
    reached: set[Path] = set()
    waiting = [path]
    while waiting:
        new = direct_imports(waiting.pop()) - reached
        reached |= new
        waiting += new
    return reached | {table for path in reached if (table := path.with_suffix(".csv")).is_file()}


@cache
def direct_imports(path: Path) -> frozenset[Path]:
    """Files of this package that a module or notebook itself imports."""
    return frozenset(file for name in _imported_names(_tree(path)) for file in _files(name))


def words_of(path: Path) -> set[str]:
    """Every name and text in the code of a notebook or module, and of what it imports.

    Of the room `study`, which knows all parameters, it has what functions say whose names are
    among these words: a property that reads a parameter stands for it.
    """
    modules = [file for file in {path, *imported_files(path)} if file.suffix != ".csv"]
    others = [file for file in modules if not file.is_relative_to(PACKAGE / "study")]
    words = set().union(*(_words_in(file) for file in others))
    said = _said_by_name()
    # Until nothing is added: a property may read another one.
    while new := set().union(*(said[name] for name in words & said.keys())) - words:
        words |= new
    return words


@cache
def _said_by_name() -> dict[str, set[str]]:
    """Words in the functions of the room `study`, by the functions' names."""
    said: dict[str, set[str]] = {}
    for file in sorted((PACKAGE / "study").rglob("*.py")):
        for node in ast.walk(_tree(file)):
            if isinstance(node, ast.FunctionDef):
                said[node.name] = said.get(node.name, set()) | _words(node)
    return said


@cache
def _words_in(path: Path) -> set[str]:
    return _words(_tree(path))


def _words(tree: ast.AST) -> set[str]:
    """Names, attributes, arguments and texts in a piece of code."""
    kept = {ast.Name: "id", ast.Attribute: "attr", ast.arg: "arg", ast.keyword: "arg"}
    nodes = list(ast.walk(tree))
    names = {getattr(node, kept[type(node)]) for node in nodes if type(node) in kept}
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
    return {word for word in names | texts if isinstance(word, str)}


def learning_code(modules: Iterable[str], *, alone: Iterable[str] = ()) -> dict[str, str]:
    """Marks of the code by which something is learnt, by file.

    Parameters
    ----------
    modules : iterable of str
        Dotted names; what they import from the rooms samples, models and training comes with them.
        Those of other packages are left out.
    alone : iterable of str
        Dotted names without what they import.

    Returns
    -------
    dict
        Mark of each file, 12 hexadecimal digits, by its path in the package. It does not change
        with comments, docstrings, the form of the text, and the words of errors.
    """
    reached = set(_modules(alone))
    waiting = [path for path in _modules(modules) if path not in reached]
    while waiting:
        path = waiting.pop()
        reached.add(path)
        waiting += [file for file in direct_imports(path) - reached if _learns(file)]
    return {path.relative_to(PACKAGE).as_posix(): _mark(path) for path in sorted(reached)}


def changed_code(then: Mapping[str, str] | None, now: Mapping[str, str]) -> str | None:
    """Which files differ between two results of `learning_code`, in words; None if none does."""
    if then is None:
        return "none was noted"
    differ = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    return ", ".join(differ) or None


def _modules(names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        package, *parts = name.split(".")
        if package == PACKAGE.name:
            yield PACKAGE.joinpath(*parts).with_suffix(".py")


def _learns(path: Path) -> bool:
    return path.relative_to(PACKAGE).parts[0] in _LEARNING and path.name != "__init__.py"


@cache
def _mark(path: Path) -> str:
    return hashlib.sha256("".join(_shape(_tree(path), [])).encode()).hexdigest()[:12]


def _shape(node: Any, words: list[str]) -> list[str]:
    """Add a syntax tree's words, alike in all versions of Python, without what is only said."""
    if isinstance(node, list):
        words.append("[")
        for part in node:
            _shape(part, words)
        words.append("]")
    elif not isinstance(node, ast.AST):
        words.append(repr(node))
    # Of an error only its kind: its words change no result.
    elif isinstance(node, ast.Raise):
        words.append("(Raise ")
        _shape(node.exc.func if isinstance(node.exc, ast.Call) else node.exc, words)
        words.append(")")
    else:
        words.append(f"({type(node).__name__} ")
        for name in node._fields:
            part = getattr(node, name, None)
            if name == "body" and _has_docstring(part):
                part = part[1:]
            # Fields that a version of Python adds empty would change every mark.
            if part is not None and part != [] and name != "ctx":  # which the place tells
                words.append(f"{name}=")
                _shape(part, words)
        words.append(")")
    return words


def _has_docstring(body: Any) -> bool:
    """A text that stands alone at the beginning of a block, where it computes nothing."""
    first = body[0] if isinstance(body, list) and body else None
    return (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )


def _tree(path: Path) -> ast.Module:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
    return ast.parse(text)


def _imported_names(tree: ast.Module) -> Iterator[str]:
    """Dotted names of all that is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files(name: str) -> Iterator[Path]:
    """The packages and the module of a dotted name, which may end in a thing inside the module.

    Where a room's face hands on a name, it is the module that counts, not the whole room.
    """
    first, *parts = name.split(".")
    if first != PACKAGE.name:
        return
    place = PACKAGE
    yield place / "__init__.py"
    for part in parts:
        place = place.joinpath(*_face(place).get(part, part).split("."))
        yield from _module(place)
    yield from _handed_on(place)


def _handed_on(room: Path) -> Iterator[Path]:
    """All that a room hands on, for which it stands where it is taken whole."""
    for module in sorted(set(_face(room).values())):
        place = room.joinpath(*module.split("."))
        yield from _module(place)
        yield from _handed_on(place)


def _module(place: Path) -> Iterator[Path]:
    candidates = (place.with_suffix(".py"), place / "__init__.py")
    yield from (file for file in candidates if file.is_file())


@cache
def _face(folder: Path) -> dict[str, str]:
    """Names that a room's `__init__` hands on when they are asked for, with their modules."""
    file = folder / "__init__.py"
    handed: dict[str, str] = {}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8") if file.is_file() else "")):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy.attach":
            said = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
            handed |= {module: module for module in said.get("submodules", ())}
            for module, names in said.get("submod_attrs", {}).items():
                handed |= dict.fromkeys(names, module)
    return handed
