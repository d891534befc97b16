"""A picture of the house: which rooms of the package import which, drawn from the code itself."""

from __future__ import annotations

from pathlib import Path

from dvol_utils.study.source_code import PACKAGE, direct_imports


def house_picture() -> str:
    """The rooms and their imports as a Mermaid diagram.

    Returns
    -------
    str
        An arrow leads from a room to one that imports it. Those that follow from others are left
        out: where pages import results, and results import significance, pages may import both.
    """
    imports = _room_imports()
    reached = {room: _reached(room, imports) for room in imports}
    lines = ["```mermaid", "flowchart LR"]
    for room in sorted(imports):
        others = imports[room]
        needed = [one for one in others if not any(one in reached[two] for two in others - {one})]
        lines += [f"    {one} --> {room}" for one in sorted(needed)]
    return "\n".join([*lines, "```"])


def _room_imports() -> dict[str, set[str]]:
    """The rooms that each room imports, its own left out."""
    imports: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path != PACKAGE / "__init__.py":
            imported = imports.setdefault(_room(path), set())
            imported |= {_room(file) for file in direct_imports(path) - {PACKAGE / "__init__.py"}}
    return {room: others - {room} for room, others in imports.items()}


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _reached(room: str, imports: dict[str, set[str]]) -> set[str]:
    """All rooms that a room imports, directly or not."""
    return set().union(*({one} | _reached(one, imports) for one in imports[room]))
