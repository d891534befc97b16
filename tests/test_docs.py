"""What is written beside the code: parameters as they are, links that lead somewhere."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import dvol_utils
from dvol_utils.cli import app
from dvol_utils.pages.card import _MEANINGS
from dvol_utils.samples.features import GROUPS
from dvol_utils.study.effective import describe
from dvol_utils.study.loading import load_study
from dvol_utils.study.model_names import MODEL_NAMES
from dvol_utils.study.params import StudyParams
from dvol_utils.study.reference import parameter_reference

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    ROOT / "findings/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
ROW = re.compile(r"^\| `([\w.]+)` \| (.+?) \| (.+?) \| (.+) \|$", re.MULTILINE)


def test_the_page_of_parameters_is_what_the_models_say():
    page = (ROOT / "docs/parameters.md").read_text(encoding="utf-8")
    assert page == parameter_reference(), "run: .venv/bin/dvol reference > docs/parameters.md"


def test_the_command_prints_the_page():
    result = CliRunner().invoke(app, ["reference"])
    assert (result.exit_code, result.stdout) == (0, parameter_reference())


def test_every_parameter_has_its_row():
    rows = [key for key, *_ in ROW.findall(parameter_reference())]
    assert sorted(rows) == sorted(describe(load_study(ROOT / "params/demo.yaml"))["parameter"])


def test_rows_give_type_range_default_and_meaning():
    rows = {key: tuple(rest) for key, *rest in ROW.findall(parameter_reference())}
    assert rows["jumps.alpha"] == (
        "number above 0 and below 0.5", "`0.01`", "level of the jump test",
    )  # fmt: skip
    assert rows["training.patience"][:2] == ("whole number from 1, or null", "`15`")
    assert rows["training.devices"][0] == "`auto` or `cpu`, or whole number from 1 to 1,024"
    assert rows["data.end"][:2] == ("full hour (UTC), or null", "`null`")
    assert rows["trading.delays_hours"][:2] == (
        "non-empty list, each: whole number from 1 to 23", "`[1, 2]`",
    )  # fmt: skip
    assert rows["significance.block_hours"][0] == "whole number, or `auto`"
    assert rows["split.test_start"][1] == "required"
    assert r"(local\|(tcp\|tls)://" in rows["training.cluster"][0]  # no column of the table


def test_defaults_are_those_that_a_study_file_would_have():
    rows = {key: default for key, _, default, _ in ROW.findall(parameter_reference())}
    study = StudyParams(name="s", title="t", data={}, split=SPLIT)
    for key, default in rows.items():
        if default == "required":
            continue
        value = yaml.safe_load(default.strip("`"))
        *sections, name = key.split(".")
        for section in reversed(sections):
            value, name = {name: value}, section
        again = StudyParams(
            **{"name": "s", "title": "t", "data": {}, "split": SPLIT}
            | merged(name, value, {"data": {}, "split": SPLIT})
        )
        assert again == study, key


SPLIT = {"validation_start": "2022-01-01", "test_start": "2023-01-01"}


def merged(name, value, given):
    both = isinstance(value, dict) and name in given
    return {name: {**given[name], **value} if both else value}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    faults = [target for target in links(text) if not leads_somewhere(page, target)]
    assert faults == []


def test_a_broken_link_would_be_seen():
    readme = ROOT / "README.md"
    assert links("see [a](docs/a.md#b), ![c](d.svg) and [e](https://f.org)") == [
        "docs/a.md#b", "d.svg",
    ]  # fmt: skip
    assert leads_somewhere(readme, "docs/models.md#refits")
    assert leads_somewhere(readme, "#two-commands")
    assert not leads_somewhere(readme, "docs/models.md#no-such-heading")
    assert not leads_somewhere(readme, "docs/no_such_page.md")
    assert anchors("# A `b`, c\n\n## A b c\n\n```\n# no heading\n```\n") == ["a-b-c", "a-b-c-1"]


def links(text: str) -> list[str]:
    """Targets of a page's links and pictures, except other hosts."""
    found = re.findall(r"\]\(([^)\s]+)\)", without_code(text))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def leads_somewhere(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if not path.exists():
        return False
    return not anchor or anchor in anchors(path.read_text(encoding="utf-8"))


def anchors(text: str) -> list[str]:
    """What a page's headings are called in links: GitHub's rule."""
    found: list[str] = []
    for heading in re.findall(r"^#+ +(.+?) *$", without_code(text), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        again = sum(
            other == name or re.fullmatch(rf"{name}-\d+", other) is not None for other in found
        )
        found.append(f"{name}-{again}" if again else name)
    return found


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def test_the_picture_of_the_house_is_what_the_code_imports():
    """A change on purpose: `.venv/bin/dvol reference --house`, into docs/extending.md."""
    printed = CliRunner().invoke(app, ["reference", "--house"]).output
    assert printed in (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    assert "study --> samples" in printed
    assert "study --> forecasting" not in printed  # follows from the way over samples


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["version"] == dvol_utils.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = f"{citation['version']} – {citation['date-released']}"
    assert re.findall(r"^## (.*)$", changes, re.M)[:2] == ["Unreleased", released]


def test_every_model_and_group_of_inputs_is_described():
    page = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    for name in (*MODEL_NAMES, *GROUPS):
        assert re.search(rf"^\|[^|]*`{name}`", page, re.MULTILINE), f"docs/models.md lacks {name}"
    assert set(_MEANINGS) == set(GROUPS)  # what the model card says of them


def test_the_messages_of_troubleshooting_are_those_of_the_code():
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    quoted = [
        part.strip(" ':;,()<>")
        for row in re.findall(r"^\| (.+?) \|", page, re.MULTILINE)
        for message in re.findall(r"`([^`]+)`", row)
        for part in re.split(r"\.\.\.?", message)
    ]
    quoted = [part for part in quoted if len(part) >= 8]
    said = literals()
    assert len(quoted) > 60
    assert [part for part in quoted if not any(part in text for text in said)] == []


def literals() -> set[str]:
    """What the code can print: its strings, those with values in them in pieces."""
    modules = [*(ROOT / "dvol_utils").rglob("*.py"), ROOT / "tests/test_browser.py"]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in modules]
    nodes = (node for tree in trees for node in ast.walk(tree))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
    return {text for text in texts if isinstance(text, str)} | {(ROOT / "Makefile").read_text()}


@pytest.mark.parametrize("page", ["method", "extending"])
def test_modules_and_tests_that_are_named_are_there(page):
    text = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    code = re.findall(r"`([^`\n]+)`", text)
    paths = {name for name in code if re.fullmatch(r"[\w/]+(\.py|\.md|/)", name)}
    places = (ROOT, ROOT / "dvol_utils", *([ROOT / "dvol_utils/significance"] * (page == "method")))
    assert len(paths) > 15
    assert {name for name in paths if not any((p / name).exists() for p in places)} == set()
    defined = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/test_*.py"))
    tests = {name for name in code if re.fullmatch(r"test_\w+", name)}
    assert {name for name in tests if f"def {name}(" not in defined} == set()
