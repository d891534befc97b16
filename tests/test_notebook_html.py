from __future__ import annotations

import re

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_markdown_cell, new_notebook
from study_files import code_cell, write

from dvol_utils.report import display
from dvol_utils.report.notebook_html import held_together, notebook_page

LONG = "a sentence of more than sixty characters, which should not be squeezed into a narrow column"


@pytest.fixture
def page(tmp_path):
    """Makes the page of a notebook that shows a table."""

    def make(frame, prose="Prose."):
        shown = code_cell("display.table(frame)", lambda: display.table(frame, "What it shows"))
        shown.execution_count = 1
        cells = [new_markdown_cell(f"# Title\n\n{prose}"), shown]
        path = write(new_notebook(cells=cells), tmp_path / "03_lstm_training.ipynb")
        return BeautifulSoup(notebook_page(path).body, "html.parser")

    return make


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("skill 7.3 %, 95 % interval", "skill 7.3_%, 95_% interval"),
        ("with p = 0.028, p < 0.001", "with p_=_0.028, p_<_0.001"),
        ("a step = 2, 3 models", "a step =_2, 3 models"),
        ("% of 5 rows", "% of 5 rows"),
    ],
)
def test_numbers_hold_together(text, held):
    assert held_together(text).replace("\N{NO-BREAK SPACE}", "_") == held


def test_prose_holds_together_and_code_stays_as_it_is(page):
    shown = page(
        pd.DataFrame({"a": [1.0]}), "In 95 % of hours p = 0.1, as `p = 0.1` says: <!-- 5 % -->"
    )
    said = shown.find("p")
    assert "95\N{NO-BREAK SPACE}% of hours p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}0.1" in said.text
    assert said.code.text == "p = 0.1"
    assert "5\N{NO-BREAK SPACE}% -->" not in said.text


def test_columns_are_set_by_what_their_cells_hold(page):
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime(["2024-01-01 05:00", None]),
            "month": ["2024-01", "–"],
            "value": [1.5, -2.0],
            "model": ["HAR + calendar", "HAR"],
            "asset": ["BTC", "ETH"],
            "meaning": [LONG, "none"],
        }
    )
    classes = [cell.get("class", []) for cell in page(frame).select("thead th")]
    assert classes == [["words"], ["date"], ["date"], ["num"], [], ["sentence"]]


@pytest.mark.parametrize(
    ("columns", "turned", "points"),
    [(2, False, 8.0), (12, False, 520 / (12 * 7.6)), (20, True, 770 / (20 * 7.6))],
)
def test_a_wide_table_is_printed_smaller_and_a_very_wide_one_turned(page, columns, turned, points):
    frame = pd.DataFrame({f"column {n:03}": ["0123456789 (0123 to 5)"] for n in range(columns)})
    box = page(frame).find("table").parent
    assert ("turned" in box["class"]) == turned
    size = float(re.fullmatch(r"--print-size: ([\d.]+)pt", box["style"]).group(1))
    assert size == pytest.approx(points, abs=0.05)


def test_captions_are_numbered_and_name_their_box(page):
    table = page(pd.DataFrame({"a": [1.0]})).find("table")
    assert table.caption.get_text() == "Table 1. What it shows"
    assert table.parent["aria-label"] == "Table 1. What it shows"


def test_long_lines_of_code_scroll_by_the_keyboard(page):
    assert [pre["tabindex"] for pre in page(pd.DataFrame({"a": [1.0]})).find_all("pre")] == ["0"]


@pytest.fixture
def sections(tmp_path):
    """Makes the page of a notebook of some cells."""

    def make(*cells):
        for cell in cells:
            if cell.cell_type == "code":
                cell.execution_count = 1
        path = write(new_notebook(cells=list(cells)), tmp_path / "04_sections.ipynb")
        return BeautifulSoup(notebook_page(path).body, "html.parser")

    return make


def test_the_closing_answer_stands_under_the_question_and_nowhere_else(sections):
    page = sections(
        new_markdown_cell("# Title\n\nWhat is it?\n\nMore words."),
        new_markdown_cell("## Detail"),
        code_cell("display.answer(found)", lambda: display.answer("A finding.")),
        new_markdown_cell("## Answer"),
        code_cell("display.answer(text)", lambda: display.answer("It is this.")),
    )
    assert page.get_text().count("It is this.") == 1
    words = [element.get_text().strip() for element in page.find_all(["h2", "p"])]
    assert words[:5] == ["What is it?", "Answer#", "It is this.", "More words.", "Detail#"]


def test_a_section_with_nothing_to_show_is_not_rendered_but_its_code_is_kept(sections):
    page = sections(
        new_markdown_cell("# Title\n\nWhat is it?"),
        new_markdown_cell("## Empty\n\nWords about it."),
        code_cell("empty()", display.leave_out),
        new_markdown_cell("## Full\n\nOther words."),
        code_cell("display.answer(text)", lambda: display.answer("Seen.")),
    )
    shown = page.get_text()
    assert "Words about it." not in shown
    assert "Other words." in shown
    assert "Seen." in shown
    assert "empty()" in page.select_one(".made").get_text()


def test_a_term_is_linked_where_it_is_used_first_and_not_in_code(sections):
    page = sections(new_markdown_cell("# Title\n\nWhat?\n\n`skill` and skill, then skill again."))
    assert [link["href"] for link in page.select("a.term")] == ["glossary.html#skill"]
    assert page.code.get_text() == "skill"


def test_a_longer_table_goes_to_the_file_of_its_extract(tmp_path):
    short, long = pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    shown = code_cell("display.table(short)", lambda: display.table(short, "Some", full=long))
    shown.execution_count = 1
    path = tmp_path / "03_x.ipynb"
    page = notebook_page(
        write(new_notebook(cells=[new_markdown_cell("# T\n\nWhat?"), shown]), path)
    )
    assert page.tables == {"tables/03_x-1.csv": "a,b\n1,3\n2,4\n"}
    assert str(page.body).count("<table") == 1


def test_groups_stand_above_heads_and_rows_and_in_the_file(tmp_path):
    frame = pd.DataFrame(
        {("", "loss"): ["l", "l", "m"], ("", "model"): list("abc"), ("g", "x"): 1, ("g", "y"): 2}
    )
    shown = code_cell("t", lambda: display.table(frame, "Some", sections="loss"))
    shown.execution_count = 1
    page = notebook_page(
        write(
            new_notebook(cells=[new_markdown_cell("# T\n\nWhat?"), shown]), tmp_path / "03_x.ipynb"
        )
    )
    table = BeautifulSoup(str(page.body), "html.parser").table
    assert [cell["scope"] for cell in table.thead.find_all("th")] == ["colgroup"] + 3 * ["col"]
    assert table.thead.th["colspan"] == "2"
    assert [row.get_text(strip=True) for row in table.select("tr.section")] == ["l", "m"]
    assert {cell["scope"] for cell in table.select("tr.section th")} == {"rowgroup"}
    text = page.tables["tables/03_x-1.csv"]
    assert text == ",model,g: x,g: y\nl,a,1,2\nl,b,1,2\nm,c,1,2\n"
