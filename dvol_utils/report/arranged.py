"""A notebook's cells as a page is read: the answer first, code and parameters last."""

from __future__ import annotations

from bs4 import BeautifulSoup, Tag

_HEADINGS = ["h1", "h2", "h3"]


def answer_first(soup: BeautifulSoup) -> None:
    """Move the closing section "Answer" under the question, the page's first paragraph."""
    found = [heading for heading in soup.find_all("h2") if heading.get_text().strip() == "Answer"]
    title = soup.find("h1")
    if not found or title is None:
        return
    said = [prose for prose in soup.select(".output > .prose") if _comes_after(prose, found[-1])]
    if not said:
        return
    box = soup.new_tag("section")
    box["class"] = "answer"
    box.extend([found[-1].extract(), *(prose.extract() for prose in said)])
    (title.find_next("p") or title).insert_after(box)


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
    for cell in soup.select(".output, .cell"):  # outputs first, cells after them
        if not cell.get_text(strip=True) and not cell.find(["img", "table"]):
            cell.decompose()


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
