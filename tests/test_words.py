"""Prose is easy to read: README's and docs/', notebooks', and what the code says and tells."""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
ROOMS = sorted(path for path in (ROOT / "dvol_utils").iterdir() if path.is_dir())
MEAN, LONGEST = 17, 35  # words
SECTION = re.compile(r"\n *[A-Z][a-z]+\n *-{4,}\n")  # of a docstring, such as its parameters
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sentences_are_short(page):
    text = page.read_text(encoding="utf-8")
    running = [words(sentence) for sentence in running_sentences(text)]
    everywhere = [*running_sentences(text), *cell_sentences(text)]
    assert [sentence for sentence in everywhere if words(sentence) > LONGEST] == []
    assert sum(running) / len(running) <= MEAN  # cells are short and would flatter the mean


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_sentence_of_a_notebook_is_long(notebook):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    prose = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    said = [text for cell in prose for text in running_sentences(cell)]
    assert [sentence for sentence in said if words(sentence) > LONGEST] == []


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.name)
def test_no_sentence_of_code_is_long(room):
    """Messages and pages' texts, and docstrings up to their first section."""
    for path in sorted(room.rglob("*.py")):
        for text in code_texts(ast.parse(path.read_text(encoding="utf-8"))):
            for sentence in running_sentences(text):
                assert words(sentence) <= LONGEST, f"{path}: {sentence}"


def test_texts_of_code_are_read_whole():
    long = " ".join(["word"] * 30)
    code = f'''"""{long}\n\nNotes\n-----\n{long} {long}\n"""\nx = f"{long} {{y}} b. c" "d"'''
    assert [text.strip() for text in code_texts(ast.parse(code))] == [long, f"{long} x b. cd"]


def test_too_long_a_sentence_is_seen():
    long = " ".join(["word"] * (LONGEST + 1))
    for text in (f"Short. {long}.", f"- One.\n- {long}", f"1. {long}\n   and more"):
        assert max(map(words, running_sentences(text))) > LONGEST
    assert max(map(words, cell_sentences(f"| a | b |\n| --- | --- |\n| 1 | {long} |"))) > LONGEST


def test_what_is_no_prose_is_left_out():
    text = "# A b\n\n```\ncode. here\n```\n<!-- c\nd -->\nSee [a, b](c.md) and `x y. z`: 0.5.\n"
    assert running_sentences(text) == ["See link and code: 0.5."]
    assert cell_sentences("| a | b \\| c |\n|:---|---:|\n| one. Two. | 3 |") == [
        "a", "b / c", "one.", "Two.", "3",
    ]  # fmt: skip
    assert running_sentences("One (two). Three?\n- four\n- five; six\n\nSeven") == [
        "One (two).", "Three?", "four", "five; six", "Seven",
    ]  # fmt: skip


def code_texts(tree: ast.Module):
    """String literals, a value in one standing for a word; of docstrings what sections follow."""
    nodes = list(ast.walk(tree))
    heads = [node.body[0] for node in nodes if isinstance(node, DOCUMENTED) and node.body]
    docs = {id(head.value) for head in heads if isinstance(head, ast.Expr)}
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                getattr(part, "value", "") if isinstance(part, ast.Constant) else "x"
                for part in node.values
            )
        elif isinstance(getattr(node, "value", None), str) and id(node) not in parts:
            text = re.sub(r"\x08(\n *\S.*)+", "", node.value)  # lines of commands
            yield SECTION.split(text)[0] if id(node) in docs else text


def running_sentences(text: str) -> list[str]:
    """Sentences of paragraphs and list items; an item ends its sentence."""
    lines = [line for line in plain(text).splitlines() if not re.match(r"\s*(#|\|)", line)]
    blocks = re.split(r"\n\s*\n|\n\s*(?=(?:[-*]|\d+\.) )", "\n".join(lines))
    return [part for block in blocks for part in split(re.sub(r"^\s*([-*]|\d+\.) ", "", block))]


def cell_sentences(text: str) -> list[str]:
    """Sentences of the tables' cells, without the rows that separate head from body."""
    rows = [line.strip() for line in plain(text).splitlines() if line.lstrip().startswith("|")]
    rows = [row.replace("\\|", "/") for row in rows if not re.fullmatch(r"[|:\s-]+", row)]
    return [part for row in rows for cell in row.strip("|").split("|") for part in split(cell)]


def plain(text: str) -> str:
    """The text without code fences, comments and pictures; a link or code span is one word."""
    for pattern, word in (
        (r"^```.*?^```$", ""),
        (r"<!--.*?-->", ""),
        (r"`[^`]+`", "code"),
        (r"!\[[^\]]*\]\([^)]*\)", ""),
        (r"\[[^\]]*\]\([^)]*\)", "link"),
    ):
        text = re.sub(pattern, word, text, flags=re.MULTILINE | re.DOTALL)
    return text


def split(block: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?])[\"*)]*\s+", " ".join(block.split())) if part]


def words(sentence: str) -> int:
    return len(sentence.split())
