"""What notebooks say to those who run them: what to change, what it costs, exercises that work."""

from __future__ import annotations

import ast
import builtins
import json
import re
from pathlib import Path

import pytest

from dvol_utils.study.loading import load_study

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9][0-9]_*.ipynb"))
STUDIES = {"07": "published", "09": "multi_asset", "13": "bitcoin"}  # the others: smoke


def cells_of(path: Path) -> list[dict]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells]


def exercises(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)\n```", cells_of(path)[-1]["source"], re.S)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_says_what_to_change_and_ends_with_three_exercises(path):
    cells = cells_of(path)
    first_code = next(place for place, cell in enumerate(cells) if cell["cell_type"] == "code")
    before = cells[first_code - 1]
    assert "**What to change:**" in before["source"]
    assert re.search(r"\*\*What it costs:\*\* .*(second|minute)", before["source"])
    assert len(exercises(path)) == 3
    for cell in (before, cells[-1]):
        assert cell["metadata"]["tags"] == ["lab"]  # stays out of pages


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_exercises_set_keys_that_exist_and_use_names_of_their_notebook(path):
    code = [cell["source"] for cell in cells_of(path) if cell["cell_type"] == "code"]
    known = bound("\n".join(code)) | set(dir(builtins))
    for exercise in exercises(path):
        tree = ast.parse(exercise)
        if exercise.startswith("overrides"):
            overrides = ast.literal_eval(tree.body[0].value)
            load_study(STUDIES.get(path.stem[:2], "smoke"), overrides)
        else:
            used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            assert used <= known | bound(exercise)


def bound(code: str) -> set[str]:
    """Names that code gives a meaning."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return names
