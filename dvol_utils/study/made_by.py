"""Which version and commit of the project a run's stages were made by, as its manifest tells it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from dvol_utils import __version__

_SHORT = 12
Code = dict[str, str | None]


def this_code(root: Path) -> Code:
    """`version` and `git_commit` of the code that runs now."""
    return {"version": __version__, "git_commit": git_commit(root)}


def made_by(manifest: Mapping[str, Any]) -> dict[str, Code]:
    """The code that each stage was made by, by stage and in their order.

    Where a version of the project named one commit for all stages, it is that one.
    """
    last = {key: manifest.get(key) for key in ("version", "git_commit")}
    stages = manifest.get("made_by", {})
    return {stage: stages.get(stage, last) for stage in sorted(manifest["stages"])}


def code_words(manifest: Mapping[str, Any]) -> str:
    """The commits of a run: one, or which stages were made by which."""
    stages = made_by(manifest)
    groups = [(code, list(names)) for code, names in groupby(stages, key=stages.get)]
    if len(groups) < 2:
        return commit_words(groups[0][0] if groups else manifest)
    return "; ".join(f"{_span(names)}: {commit_words(code)}" for code, names in groups)


def commit_words(code: Mapping[str, Any]) -> str:
    """A git commit, shortened, with a word on local changes; another version of the project too."""
    full, version = code.get("git_commit"), code.get("version")
    words = "not under version control"
    if full is not None:
        identifier, _, changes = full.partition(" ")
        words = f"{identifier[:_SHORT]} {changes}".strip()
    return words if version in (None, __version__) else f"{words}, version {version}"


def other_code(manifest: Mapping[str, Any], root: Path) -> str | None:
    """One sentence where stages were made by another version or commit than runs now."""
    now, stages = this_code(root), made_by(manifest).values()
    if all(code == now for code in stages):
        return None
    words = commit_words(now)
    if any(code["version"] != __version__ for code in stages):
        words += f", version {__version__}"
    return f"the run was made by other code ({code_words(manifest)}) than this ({words})"


def git_commit(root: Path) -> str | None:
    """The project's commit, with a word on local changes; None without version control."""
    command: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run
    try:
        head = command(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = command(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + (" with local changes" if changed else "")


def _span(stages: list[str]) -> str:
    """Neighbouring stages by their numbers."""
    first, last = stages[0][:2], stages[-1][:2]
    return first if len(stages) == 1 else f"{first} to {last}"
