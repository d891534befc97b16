"""The site as a browser shows it, from `file://`, offline."""

from __future__ import annotations

import shutil

import pytest
import yaml
from study_files import TINY_STUDY, finished_project

from dvol_utils.params import load_study
from dvol_utils.report.site import build_site

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
PAGES = ("index.html", "01_data_preparation.html", "02_jump_detection.html")
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
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    (root / "params").mkdir()
    (root / "params/tiny.yaml").write_text(yaml.safe_dump(TINY_STUDY), encoding="utf-8")
    return build_site(load_study(finished_project(root) / "params/tiny.yaml")).parent


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, site):
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
        page.goto((site / name).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", PAGES)
def test_page_loads_itself_alone_and_without_complaint(opened, site, name):
    page = opened(name)
    asked = [url for url in page.requests if not url.startswith("data:")]
    assert asked == [(site / name).as_uri()]
    assert page.complaints == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [320, 390, 800, 1600])
def test_page_never_scrolls_sideways(opened, name, width):
    page = opened(name, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_wide_table_scrolls_in_its_own_box(opened):
    box = opened(PAGES[1], width=390).locator(".scroll:has(caption)")
    wide, shown = box.evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert wide > 2 * shown


@pytest.mark.parametrize("name", PAGES)
def test_every_image_has_alt_text_and_is_drawn(opened, name):
    images = opened(name).eval_on_selector_all(
        "img", "all => all.map(e => [e.alt, e.naturalWidth])"
    )
    assert images
    assert all(alt.strip() and width > 100 for alt, width in images)


def test_one_switch_unfolds_and_folds_all_code(opened):
    page = opened(PAGES[1])
    code = page.locator("details.code")
    switch = page.get_by_role("button", name="Show all code")
    states = "all => all.map(e => e.open)"
    assert code.evaluate_all(states) == [False] * 7
    assert page.get_by_text('study = "tiny"').is_hidden()
    for pressed in (True, False):
        switch.press("Enter")
        assert code.evaluate_all(states) == [pressed] * 7
        assert switch.get_attribute("aria-pressed") == str(pressed).lower()
        assert page.get_by_text('study = "tiny"').is_visible() == pressed
    assert page.locator("details:not(.code)[open]").count() == 0


def test_without_script_code_unfolds_one_by_one_and_no_dead_switch_is_shown(opened):
    page = opened(PAGES[1], script=False)
    assert page.locator("#code-switch").is_hidden()
    page.locator("summary", has_text="Parameters of this run").click()
    assert page.get_by_text('study = "tiny"').is_visible()


def column(page, number):
    cells = page.locator(f"table.sortable tbody td:nth-of-type({number})")
    return cells.evaluate_all("all => all.map(e => e.dataset.value)")


def sorts(page):
    headings = page.locator("table.sortable thead th")
    return headings.evaluate_all("all => all.map(e => e.getAttribute('aria-sort'))")


def test_table_sorts_by_a_click_and_says_how(opened):
    page = opened("index.html")
    before = [float(value) for value in column(page, 1)]
    assert before != sorted(before)
    heading = page.get_by_role("button", name="RMSE").first
    heading.click()
    assert [float(value) for value in column(page, 1)] == sorted(before)
    assert sorts(page) == ["none", "ascending", *["none"] * 7]
    heading.click()
    assert [float(value) for value in column(page, 1)] == sorted(before, reverse=True)
    assert sorts(page) == ["none", "descending", *["none"] * 7]


def test_table_sorts_by_the_keyboard_with_missing_numbers_last(opened):
    page = opened("index.html")
    for _ in range(2):
        page.get_by_role("button", name="Direction").first.press("Space")
        values = column(page, 5)
        assert values[-1] == ""
        assert "" not in values[:-1]


def test_table_sorts_by_the_models_names(opened):
    page = opened("index.html")
    page.get_by_role("button", name="Model").press("Enter")
    names = page.locator("table.sortable tbody th").all_inner_texts()
    assert names == sorted(names, key=str.lower)
    assert names[0] == "HAR"


def test_skip_link_is_first_and_leads_to_the_content(opened):
    page = opened("index.html")
    page.keyboard.press("Tab")
    focused = "document.activeElement"
    assert page.evaluate(f"{focused}.textContent") == "Skip to the content"
    assert page.evaluate(f"{focused}.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate(f"{focused}.id") == "main"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", PAGES[:2])
def test_text_stands_out_from_its_background(opened, name, dark):
    page = opened(name, dark=dark)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    assert [text for contrast, text in contrasts if contrast < 4.5] == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_follows_the_readers_colour_scheme(opened, dark):
    page = opened("index.html", dark=dark)
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, colour[4:-1].split(","))) < 150) == dark


def test_print_shows_everything_but_navigation(opened):
    page = opened(PAGES[1])
    page.emulate_media(media="print")
    assert page.locator("main h1").is_visible()
    assert page.locator("figure img").is_visible()
    assert page.locator("aside.simulated").is_visible()
    gone = page.locator("nav.contents, nav.turn, header.site, #code-switch")
    assert gone.filter(visible=True).count() == 0
    boxes = page.locator(".scroll").evaluate_all(
        "all => all.map(e => getComputedStyle(e).overflow)"
    )
    assert set(boxes) == {"visible"}
