"""An executed notebook as the body of a page: answer first, anchors, tables that scroll."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from bs4 import BeautifulSoup, Tag
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor

from dvol_utils.report.arranged import answer_first, downloads, making_last, without_empty
from dvol_utils.report.execute import NotebookError, read_executed
from dvol_utils.report.glossary import link_terms

TEMPLATES = Path(__file__).with_name("templates")
_HELD = re.compile(r"(?<=\d) (?=%)|(?<=\bp) (?=[=<])|(?<=[=<]) (?=\d)")
_PRINT_WIDTH, _TURNED_WIDTH = 520, 770  # printed paper, upright and turned, in points
_LEAST_PRINT, _MOST_PRINT = 5.0, 8.0  # size of a printed table's type, in points
_SECTIONS = ["h2", "h3"]
_LOADING = ("script", "iframe", "object", "embed", "link", "base")


class Heading(NamedTuple):
    """An entry of the table of contents."""

    level: str
    anchor: str
    text: str


class Page(NamedTuple):
    """A notebook's page: `stage`, `number` and `short` come from its file name, the rest from its
    cells; `question` is what the first paragraph asks, `tables` are CSV files by their place
    beside the page.
    """

    file: str
    stage: str
    number: str
    short: str
    title: str
    question: str
    contents: list[Heading]
    tables: dict[str, str]
    body: Markup


def notebook_page(path: Path) -> Page:
    """The page of an executed notebook; the same cells and outputs give the same bytes.

    Parameters
    ----------
    path : Path
        Executed notebook, named like `02_jump_detection.ipynb`.

    Raises
    ------
    NotebookError
        The notebook is damaged, not complete, has no title, or something in it would be loaded
        from elsewhere when the page is read.
    """
    soup = BeautifulSoup(_cells_html(path), "html.parser")
    title = soup.find("h1")
    if title is None:
        raise NotebookError(f"{path}: no title; should begin with a Markdown cell '# Title'")
    for repeated in soup.select(".study, .simulated"):  # the page itself says it, above all cells
        repeated.decompose()
    _refuse_loading(soup, path)
    _describe_images(soup, path)
    first = title.find_next("p")
    question = _question(_text(first)) if first else ""
    # Sections go before they are moved and numbered.
    without_empty(soup)
    answer_first(soup)
    making_last(soup)
    # Headings are given new ones.
    taken = {other["id"] for other in soup.find_all(id=True) if other.name not in _SECTIONS}
    contents = [_anchor(heading, soup, taken) for heading in soup.find_all(_SECTIONS)]
    for kind, name in (("Figure", "figcaption"), ("Table", "caption")):
        for number, caption in enumerate(soup.find_all(name), start=1):
            _number(caption, f"{kind} {number}.", soup)
    link_terms(soup)
    _hold_together(soup)
    tables = downloads(soup, path.stem)
    for table in soup.find_all("table"):
        _tidy_table(table, soup)
    for block in soup.find_all("pre"):
        block["tabindex"] = "0"  # long lines scroll, by the keyboard too
    number, _, name = path.stem.partition("_")
    return Page(
        file=f"{path.stem}.html",
        stage=path.stem,
        number=number,
        short=_short(name),
        title=_text(title),
        question=question,
        contents=contents,
        tables=tables,
        body=Markup(soup.decode(formatter="minimal")),  # noqa: S704 a page shows its notebook
    )


def _cells_html(path: Path) -> str:
    exporter = HTMLExporter(
        template_name="cells",
        extra_template_basedirs=[str(TEMPLATES)],
        exclude_anchor_links=True,
    )
    # a progress bar's rewritten line is shown as it ended
    exporter.register_preprocessor(CoalesceStreamsPreprocessor, enabled=True)
    return exporter.from_notebook_node(read_executed(path))[0]


def _refuse_loading(soup: BeautifulSoup, path: Path) -> None:
    for element in soup.find_all(True):
        source = element.get("src") or element.get("srcset") or element.get("data")
        outside = source is not None and not source.startswith("data:")
        styled = re.search(r"url\(|@import", element.get("style", "") + _style_text(element))
        acting = [name for name, value in element.attrs.items() if _acts(name, value)]
        if acting:
            raise NotebookError(
                f"{path}: <{element.name} {acting[0]}>: would run a script; pages run the site's "
                "own alone"
            )
        if element.name in _LOADING or outside or styled:
            raise NotebookError(
                f"{path}: <{element.name}> {str(source or '')[:80]!r}: would be loaded when the "
                "page is read; pages hold everything themselves, figures by display.figure"
            )


def _acts(name: str, value: Any) -> bool:
    """Whether an attribute runs a script: when something happens, or when it is followed."""
    # Browsers pass over blanks and control characters in an address.
    address = re.sub(r"[\s\x00-\x1f]", "", str(value)).lower()
    return name.lower().startswith("on") or address.startswith(("javascript:", "vbscript:"))


def _style_text(element: Tag) -> str:
    return element.get_text() if element.name == "style" else ""


def _describe_images(soup: BeautifulSoup, path: Path) -> None:
    for image in soup.find_all("img"):
        alt = image.get("alt", "").strip()
        if not alt or alt.startswith("No description has been provided"):
            raise NotebookError(f"{path}: a figure without alt text; show it by display.figure")


def _anchor(heading: Tag, soup: BeautifulSoup, taken: set[str]) -> Heading:
    text = _text(heading)
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section"
    # Headings of the same name get a number, and no two the same one.
    names = [slug, *(f"{slug}-{number}" for number in range(2, len(taken) + 3))]
    heading["id"] = next(name for name in names if name not in taken)
    taken.add(heading["id"])
    link = soup.new_tag("a", href=f"#{heading['id']}")
    link["class"] = "anchor"
    link["aria-label"] = f"Link to section {text}"
    link.string = "#"
    heading.append(link)
    return Heading(heading.name, heading["id"], text)


def _number(caption: Tag, number: str, soup: BeautifulSoup) -> None:
    label = soup.new_tag("b")
    label.string = number
    caption.insert(0, label, " ")


def _short(name: str) -> str:
    """What a menu calls a page, by its file's name."""
    text = name.replace("_", " ").replace("lstm", "LSTM")
    return text[0].upper() + text[1:]


def held_together(text: str) -> str:
    """The text without line ends between a number and its percent sign, or within "p = 0.1"."""
    return _HELD.sub("\N{NO-BREAK SPACE}", text)


def _hold_together(soup: BeautifulSoup) -> None:
    for text in soup.find_all(string=_HELD):
        if text.find_parent(["pre", "code"]) is None:
            # As the same kind of text: a comment stays a comment.
            text.replace_with(type(text)(held_together(text)))


def _tidy_table(table: Tag, soup: BeautifulSoup) -> None:
    """Scroll in an own box, and name headings' scope."""
    table.attrs.pop("border", None)
    for row in table.find_all("tr"):
        row.attrs.pop("style", None)
    for cell in table.find_all("th"):
        scope = "row" if cell.find_parent("tbody") else "col"
        cell["scope"] = f"{scope}group" if cell.get("colspan") else scope
    box = soup.new_tag("div", role="region", tabindex="0")
    box["aria-label"] = _table_label(table)
    # Cells over several columns say nothing of one column's width.
    ems = _least_ems([row.find_all(["th", "td"], colspan=False) for row in table.find_all("tr")])
    turned = _PRINT_WIDTH / ems < _LEAST_PRINT
    points = (_TURNED_WIDTH if turned else _PRINT_WIDTH) / ems
    box["class"] = ["scroll", "turned"] if turned else "scroll"
    box["style"] = f"--print-size: {min(points, _MOST_PRINT):.1f}pt"
    table.wrap(box)


def _question(text: str) -> str:
    """A paragraph up to its first question mark; whole where it asks nothing."""
    question, mark, _ = text.partition("?")
    return question + mark


def _table_label(table: Tag) -> str:
    folded = table.find_parent("details")
    named = table.find("caption") or (folded and folded.find("summary"))
    return _text(named) if named else "Table"


def _least_ems(rows: list[list[Tag]]) -> float:
    """How wide a table is at least, in sizes of its type: lines break at spaces alone."""
    words: dict[int, int] = {}
    for row in rows:
        for column, cell in enumerate(row):
            longest = max(map(len, re.split("[ \n]+", cell.get_text())))
            words[column] = max(words.get(column, 0), longest)
    return sum(0.66 * longest + 1.0 for longest in words.values())


def _text(element: Tag) -> str:
    return " ".join(element.get_text().split())
