"""The site as a browser shows it, from `file://`, offline.

Pages are named by their place in `reports/`: those of a stand-in made in a second, and those of the
study `smoke`, whose one run test_study.py judges too.
"""

from __future__ import annotations

import re
import shutil
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup
from forecast_tables import forecast_table
from study_files import TINY_STUDY, finished_project
from test_compare import BETTER, finish

from dvol_utils.pages.front import read_front
from dvol_utils.report.compare import compare_studies
from dvol_utils.report.site import build_site
from dvol_utils.study.loading import load_study
from dvol_utils.study.stages import study_notebooks

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
INDEX, DATA = "tiny/index.html", "tiny/01_data_preparation.html"
COMPARE = "compare-tiny-better.html"
SMOKE = [
    "smoke/index.html",
    *(f"smoke/{path.stem}.html" for path in study_notebooks(load_study("smoke"))),
]
REAL = [pytest.param(name, marks=pytest.mark.slow) for name in SMOKE]
TURNED = [INDEX, DATA, "tiny/02_jump_detection.html"]
PAGES = [*TURNED, COMPARE, *REAL]
# WCAG 2.2 to level AA, and what axe-core holds to be good practice beside it.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
COLOURS = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}
PAPER = 703  # CSS pixels between the margins of an upright A4 page
LANDSCAPE = 1031
UNFOLD = "document.querySelectorAll('details').forEach(d => { d.open = true; })"
# WCAG 2.2, 1.4.3: contrast of text with the first background behind it that is not transparent.
CONTRASTS = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parse(colour).slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (parse(colour)[3] !== 0) return colour;
    }
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(style.color), light(background(element))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), node.textContent.trim().slice(0, 40)]);
  }
  return found;
}"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory):
    """`reports/` of two stand-ins and of their comparison."""
    root = tmp_path_factory.mktemp("project")
    (root / "params").mkdir()
    (root / "params/tiny.yaml").write_text(yaml.safe_dump(TINY_STUDY), encoding="utf-8")
    build_site(load_study(finished_project(root) / "params/tiny.yaml"), read_front)
    finish(root, "better", forecast_table(300, validation_rows=50, models=BETTER))
    return compare_studies([root / "params/tiny.yaml", root / "params/better.yaml"]).parent


@pytest.fixture
def located(request):
    """Where a page lies; `smoke` is run for the first of its pages that is asked for."""

    def locate(name):
        if name.startswith("smoke/"):
            return request.getfixturevalue("smoke_project") / "reports" / name
        return request.getfixturevalue("stand_in") / name

    return locate


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, located):
    """Opens a page of the site; whatever it complains of or asks for is noted on it."""
    contexts = []

    def open_page(name, *, width=1280, dark=False, script=True):
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
        )
        contexts.append(context)
        page = context.new_page()
        page.complaints, page.requests = [], []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(located(name).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", PAGES)
def test_page_loads_itself_alone_and_without_complaint(opened, located, name):
    page = opened(name)
    asked = [url for url in page.requests if not url.startswith("data:")]
    assert asked == [located(name).as_uri()]
    assert page.complaints == []
    assert located(name).stat().st_size < 3e6


@pytest.fixture
def broken_rules():
    """The rules of axe-core that a page breaks, with the elements that do."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe").Axe()

    def run(page, options):
        rules = axe.run(page, options=options).response["violations"]
        return {rule["id"]: [node["html"][:80] for node in rule["nodes"]] for rule in rules}

    return run


@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible_by_the_rules_of_axe(opened, broken_rules, name):
    page, found = opened(name), {}
    for width, scheme in ((1280, "light"), (1280, "dark"), (390, "dark"), (390, "light")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        page.evaluate(UNFOLD)
        found[width, scheme] = broken_rules(page, AXE if scheme == "light" else COLOURS)
    assert [(*seen, broken) for seen, broken in found.items() if broken] == []


def test_axe_finds_what_is_wrong(opened, broken_rules):
    page = opened(DATA)
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<img>')")
    page.evaluate("document.querySelector('h2').outerHTML = '<h5>Too deep</h5>'")
    page.evaluate("document.querySelector('main .prose p').style.color = '#ccc'")
    assert broken_rules(page, AXE).keys() == {"image-alt", "heading-order", "color-contrast"}


@cache
def soup_of(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files_and_places_that_are_there(located, name):
    path = located(name)
    links = [urlsplit(urljoin(path.as_uri(), a["href"])) for a in soup_of(path).select("a[href]")]
    assert len(links) > 3
    for link in links:
        if link.scheme != "file":
            assert link.scheme == "https", link.geturl()
            continue
        target = Path(unquote(link.path))
        assert target.is_file(), link.geturl()
        if link.fragment:
            assert soup_of(target).find(id=unquote(link.fragment)), link.geturl()


@pytest.mark.parametrize("pages", [TURNED, pytest.param(SMOKE, marks=pytest.mark.slow)],
                         ids=["tiny", "smoke"])  # fmt: skip
def test_previous_and_next_go_through_all_pages(opened, pages):
    index, *notebooks = [name.rpartition("/")[2] for name in pages]
    page = opened(pages[0])
    page.click("ol.pages li:first-child a")
    for turn, order in (("next", notebooks), ("prev", notebooks[::-1])):
        for name in order:
            assert page.url.rpartition("/")[2] == name
            assert page.locator("header.site [aria-current]").get_attribute("href") == name
            page.click(f"nav.turn a[rel={turn}]")
        assert page.url.rpartition("/")[2] == index
        page.click(f"ol.pages li:{'last' if turn == 'next' else 'first'}-child a")


@pytest.mark.parametrize("name", PAGES)
def test_headings_begin_with_one_title_and_skip_no_level(located, name):
    headings = soup_of(located(name)).find_all(["h1", "h2", "h3", "h4", "h5", "h6"])
    levels = [int(heading.name[1]) for heading in headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(after - before for before, after in pairwise(levels)) == 1


@pytest.mark.parametrize("name", PAGES)
def test_figures_and_tables_are_numbered_one_after_the_other(located, name):
    soup = soup_of(located(name))
    for kind, tag in (("Figure", "figcaption"), ("Table", "caption")):
        captions = [" ".join(caption.get_text().split()) for caption in soup.find_all(tag)]
        for number, caption in enumerate(captions, start=1):
            assert re.match(rf"{kind} {number}\. \S", caption)
    bare = "figure:not(:has(figcaption)), table:not(:has(caption)):not(details table)"
    assert soup.select(bare) == []


@pytest.mark.parametrize("name", [DATA, *REAL[1:]])
def test_contents_lead_to_every_heading(opened, name):
    page = opened(name)
    entries = page.locator("nav.contents a").evaluate_all("all => all.map(e => e.hash.slice(1))")
    headings = page.locator("main :is(h2, h3)").evaluate_all("all => all.map(e => e.id)")
    assert entries == headings
    page.emulate_media(reduced_motion="reduce")
    page.locator("nav.contents a").last.click()
    sync_api.expect(page.locator("main :is(h2, h3)").last).to_be_in_viewport()


@pytest.mark.parametrize("name", PAGES)
def test_page_never_scrolls_sideways(opened, name):
    page = opened(name)
    wider = []
    for width in (320, 390, 800, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(UNFOLD)
        shown = page.evaluate("document.documentElement.scrollWidth")
        wider += [(width, shown)] if shown > width else []
    assert wider == []


def test_wide_table_scrolls_in_its_own_box_under_its_first_column(opened):
    box = opened(DATA, width=390).locator(".scroll:has(caption)")
    wide, shown = box.evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert wide > 2 * shown
    first = box.locator("tbody td").first
    before = first.bounding_box()
    box.evaluate("e => { e.scrollLeft = 300; }")
    assert box.evaluate("e => e.scrollLeft") == 300
    assert first.bounding_box() == before
    sync_api.expect(box).to_contain_class("scrolled")


@pytest.mark.parametrize("name", [name for name in PAGES if name != COMPARE])
def test_every_image_has_alt_text_and_is_drawn(opened, name):
    images = opened(name).eval_on_selector_all(
        "img", "all => all.map(e => [e.alt, e.naturalWidth])"
    )
    assert images
    assert all(alt.strip() and width > 100 for alt, width in images)


def test_on_a_phone_menus_are_folded_and_open_by_a_tap(opened):
    page = opened(DATA, width=390)
    pages, contents = page.locator("header details"), page.locator("nav.contents details")
    assert page.get_by_role("link", name="Jump detection").is_hidden()
    assert contents.get_by_role("link", name="Detail").is_hidden()
    contents.locator("summary").click()
    assert contents.get_by_role("link", name="Detail").is_visible()
    pages.locator("summary", has_text="Pages: Data preparation").click()
    pages.get_by_role("link", name="Jump detection").click()
    assert page.url.endswith("02_jump_detection.html")
    page.set_viewport_size({"width": 1280, "height": 800})
    sync_api.expect(page.get_by_role("link", name="Data preparation")).to_be_visible()


def test_without_script_menus_are_open_and_nothing_is_out_of_reach(opened):
    page = opened(DATA, width=390, script=False)
    assert page.locator("header").get_by_role("link", name="Jump detection").is_visible()
    assert page.locator("nav.contents").get_by_role("link", name="Detail").is_visible()


def test_on_a_phone_a_figure_can_be_enlarged_and_scrolls_by_itself(opened):
    page = opened(DATA, width=390)
    button = page.get_by_role("button", name="Enlarge figure 1")
    width = "e => e.getBoundingClientRect().width"
    small = page.locator("figure img").evaluate(width)
    button.press("Enter")
    assert page.locator("figure img").evaluate(width) > 1.8 * small
    frame = page.locator("figure .frame")
    assert frame.evaluate("e => e.scrollWidth > e.clientWidth && e.tabIndex === 0")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Shrink figure 1").click()
    assert page.locator("figure img").evaluate(width) == small
    assert opened(DATA).get_by_role("button", name="Enlarge figure 1").is_hidden()


def test_parameters_and_code_unfold_at_the_end_without_script_too(opened):
    for script in (True, False):
        page = opened(DATA, script=script)
        shown = page.get_by_text('study = "tiny"')
        assert shown.is_hidden()
        page.locator("summary", has_text="Parameters and code").click()
        assert shown.is_visible()


def column(page, number):
    cells = page.locator(f"table.sortable tbody td:nth-of-type({number})")
    return cells.evaluate_all("all => all.map(e => e.dataset.value)")


def sorts(page):
    headings = page.locator("table.sortable thead th")
    return headings.evaluate_all("all => all.map(e => e.getAttribute('aria-sort'))")


def test_table_sorts_by_a_click_and_says_how(opened):
    page = opened(INDEX)
    before = [float(value) for value in column(page, 3)]
    assert before != sorted(before)
    heading = page.get_by_role("button", name="RMSE").first
    heading.click()
    assert [float(value) for value in column(page, 3)] == sorted(before)
    assert sorts(page) == [*["none"] * 3, "ascending", *["none"] * 3]
    heading.click()
    assert [float(value) for value in column(page, 3)] == sorted(before, reverse=True)
    assert sorts(page) == [*["none"] * 3, "descending", *["none"] * 3]


@pytest.mark.parametrize("name", [COMPARE, REAL[0]])
def test_every_heading_of_a_table_sorts_it(opened, name):
    page = opened(name)
    tables = page.locator("table.sortable")
    assert tables.count() >= 1
    for table in tables.all():
        for place, button in enumerate(table.locator("thead button").all()):
            button.click()
            texts = table.locator(f"tbody tr > :nth-child({place + 1})").evaluate_all(
                "all => all.map(e => e.dataset.value ?? e.textContent.trim().toLowerCase())"
            )
            there = [text for text in texts if text != ""]
            assert texts == there + [""] * (len(texts) - len(there))
            numeric = table.locator(f"thead th:nth-child({place + 1}).num").count()
            assert there == sorted(there, key=float if numeric else str)


def test_table_sorts_by_the_keyboard_with_missing_numbers_last(opened):
    page = opened(INDEX)
    for _ in range(2):
        page.get_by_role("button", name="Direction").first.press("Space")
        values = column(page, 5)
        assert values[-1] == ""
        assert "" not in values[:-1]


def test_table_sorts_by_the_models_names(opened):
    page = opened(INDEX)
    page.get_by_role("button", name="Model").press("Enter")
    headings = page.locator("table.sortable tbody th")
    names = headings.evaluate_all("all => all.map(e => e.dataset.value)")
    assert names == sorted(names, key=str.lower)
    assert names[0] == "HAR"


def test_skip_link_is_first_and_leads_to_the_content(opened):
    page = opened(INDEX)
    page.keyboard.press("Tab")
    focused = "document.activeElement"
    assert page.evaluate(f"{focused}.textContent") == "Skip to the content"
    assert page.evaluate(f"{focused}.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate(f"{focused}.id") == "main"


@pytest.mark.parametrize("name", PAGES)
def test_text_stands_out_from_its_background(opened, name):
    """Of text in tables, which lies on a gradient, axe only says that it cannot tell."""
    page = opened(name)
    page.evaluate(UNFOLD)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 50
        assert [text for contrast, text in contrasts if contrast < 4.5] == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_follows_the_readers_colour_scheme(opened, dark):
    page = opened(INDEX, dark=dark)
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, colour[4:-1].split(","))) < 150) == dark


def test_print_shows_everything_but_navigation(opened):
    page = opened(DATA)
    page.emulate_media(media="print")
    assert page.locator("main h1").is_visible()
    assert page.locator("figure img").is_visible()
    assert page.locator("aside.simulated").is_visible()
    gone = page.locator("nav.contents, nav.turn, header.site, .made")
    assert gone.filter(visible=True).count() == 0
    boxes = page.locator(".scroll").evaluate_all(
        "all => all.map(e => getComputedStyle(e).overflow)"
    )
    assert set(boxes) == {"visible"}


@pytest.mark.parametrize("name", PAGES)
def test_printed_tables_fit_their_paper(opened, name):
    page = opened(name, width=PAPER)
    page.emulate_media(media="print")
    widths = page.locator("table:visible").evaluate_all(
        "all => all.map(e => [Boolean(e.closest('.turned')), e.getBoundingClientRect().width])"
    )
    assert widths
    assert [width for turned, width in widths if width > (LANDSCAPE if turned else PAPER)] == []
