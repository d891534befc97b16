"""The prose of README and docs/ is easy to read: its sentences are short."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MEAN, LONGEST = 17, 35  # words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sentences_are_short(page):
    text = page.read_text(encoding="utf-8")
    running = [words(sentence) for sentence in running_sentences(text)]
    everywhere = [*running_sentences(text), *cell_sentences(text)]
    assert [sentence for sentence in everywhere if words(sentence) > LONGEST] == []
    assert sum(running) / len(running) <= MEAN  # cells are short and would flatter the mean


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
