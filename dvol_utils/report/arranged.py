"""A notebook's cells as a page is read: the answer first, code and parameters last."""

from __future__ import annotations

import csv
import io

from bs4 import BeautifulSoup, Tag

_HEADINGS = ["h1", "h2", "h3"]


def answer_first(soup: BeautifulSoup) -> None:
    """Move the closing section "Answer" under the question, the page's first paragraph."""
    headings = [
        heading for heading in soup.find_all("h2") if heading.get_text().strip() == "Answer"
    ]
    title = soup.find("h1")
    if not headings or title is None:
        return
    said = [prose for prose in soup.select(".output > .prose") if _comes_after(prose, headings[-1])]
    if not said:
        return
    box = soup.new_tag("section")
    box["class"] = "answer"
    box.extend([headings[-1].extract(), *(prose.extract() for prose in said)])
    (title.find_next("p") or title).insert_after(box)


def without_empty(soup: BeautifulSoup) -> None:
    """Drop sections that have nothing to show, as `display.leave_out` marks them, but their code.

    A section reaches from its heading to the next of its level or above.
    """
    for mark in soup.select(".left-out"):
        heading = mark.find_previous(["h2", "h3"])
        ends = _HEADINGS[: _HEADINGS.index(heading.name) + 1]
        cell = heading.find_parent(class_="cell")
        while cell is not None:
            following = cell.find_next_sibling(class_="cell")
            _empty(cell)
            cell = None if following is None or following.find(ends) else following


def _empty(cell: Tag) -> None:
    if "prose" in cell["class"]:
        cell.decompose()
    for output in cell.select(".output") if not cell.decomposed else ():
        output.decompose()


def making_last(soup: BeautifulSoup) -> None:
    """Gather parameters and code in one folded section at the end, and drop cells left empty."""
    blocks = soup.select("details.code")
    if not blocks:
        return
    folded = soup.new_tag("details")
    folded["class"] = "code"
    summary = soup.new_tag("summary")
    summary.string = "Parameters and code"
    folded.append(summary)
    for details in soup.select(".output > details:not(.code)"):  # effective parameters
        folded.append(_labelled(soup, details, details.summary.get_text()))
    for block in blocks:
        folded.append(_labelled(soup, block, _label(block)))
    section = soup.new_tag("section")
    section["class"] = "made"
    heading = soup.new_tag("h2")
    heading.string = "How this page was made"
    section.extend([heading, folded])
    soup.append(section)
    # Inner boxes before outer ones: a cell is empty once its outputs are gone.
    for cell in soup.select(".output, .cell"):  # outputs first, cells after them
        if not cell.get_text(strip=True) and not cell.find(["img", "table"]):
            cell.decompose()


def downloads(soup: BeautifulSoup, stem: str) -> dict[str, str]:
    """A CSV file for each table with a caption, linked below it: text by path from the page.

    A table of class `full` is what the table before it is an extract of. Its rows go to the file,
    and it leaves the page.
    """
    files: dict[str, str] = {}
    for number, caption in enumerate(soup.find_all("caption"), start=1):
        table = caption.parent
        full = table.find_next_sibling("table", class_="full")
        name = f"tables/{stem}-{number}.csv"
        # The file has all rows even where the page shows an extract.
        files[name] = _csv(full or table)
        if full is not None:
            full.decompose()
        line, link = soup.new_tag("p"), soup.new_tag("a", href=name, download="")
        line["class"] = "csv"
        link.string = f"Table {number} as CSV" + (", all rows and columns" if full else "")
        line.append(link)
        table.insert_after(line)
    return files


def _csv(table: Tag) -> str:
    """A table's text; heads carry their group, and rows what stands above them, in columns."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    heads = zip(*(_spread(row) for row in table.select("thead tr")), strict=True)
    above = [""] if table.select_one("tr.section") else []
    lines.writerow([*above, *(": ".join(filter(None, parts)) for parts in heads)])
    for row in table.select("tbody tr"):
        if "section" in row.get("class", []):
            above = [row.get_text().strip()]
        else:
            lines.writerow([*above, *_spread(row)])
    return text.getvalue()


def _spread(row: Tag) -> list[str]:
    """The text of each column of a row; a cell over several is said in each."""
    cells = row.find_all(["th", "td"])
    # Once in each column that it spans, so that all lines of the file are as long.
    return [" ".join(c.get_text().split()) for c in cells for _ in range(int(c.get("colspan", 1)))]


def _comes_after(element: Tag, heading: Tag) -> bool:
    return element.find_previous("h2") is heading


def _label(block: Tag) -> str:
    """What a block of code is: what its fold says, or the section that it stands in."""
    named = block.summary.get_text()
    heading = block.find_previous(_HEADINGS)
    return heading.get_text().strip() if named == "Code" and heading else named


def _labelled(soup: BeautifulSoup, details: Tag, label: str) -> Tag:
    """The contents of a fold under a line that says what they are."""
    box = soup.new_tag("div")
    box["class"] = "part"
    line = soup.new_tag("p")
    line.string = label
    details.summary.decompose()
    box.append(line)
    box.extend([child.extract() for child in list(details.children)])
    details.decompose()
    return box
