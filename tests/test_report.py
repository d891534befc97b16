from __future__ import annotations

import base64
import errno
import hashlib
import os
import re
import shutil

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from study_files import HOSTILE, executed_notebook, source_notebook, write

from dvol_utils.pages.front import read_front
from dvol_utils.report import display
from dvol_utils.report.execute import NotebookError
from dvol_utils.report.glossary import TERMS
from dvol_utils.report.notebook_html import notebook_page
from dvol_utils.report.overview import _rivals, _skill_axes
from dvol_utils.report.site import build_site
from dvol_utils.results.headline import headline_table, markdown_table
from dvol_utils.results.results_json import read_results
from dvol_utils.study.effective import describe
from dvol_utils.study.files import ArtefactError, read_json, write_json
from dvol_utils.study.loading import load_study
from dvol_utils.study.tables import record
from dvol_utils.study.trials import commanded_study

PAGES = ["01_data_preparation.html", "02_jump_detection.html", "glossary.html", "index.html"]


@pytest.fixture
def study(finished):
    return load_study("tiny")


@pytest.fixture(scope="module")
def site(finished_once, tmp_path_factory):
    """The study and the pages of a site that is built once; tests read them and change nothing."""
    root = tmp_path_factory.mktemp("site")
    shutil.copytree(finished_once, root, dirs_exist_ok=True)
    study = load_study(root / "params/tiny.yaml")
    return study, built(study)


@pytest.fixture
def pages(site):
    return site[1]


def built(study) -> dict[str, BeautifulSoup]:
    index = build_site(study, read_front)
    return {
        path.name: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in sorted(index.parent.glob("*.html"))
    }


def cells_of(table) -> list[list[str]]:
    return [
        [" ".join(cell.get_text().split()) for cell in row.find_all(["th", "td"])]
        for row in table.find_all("tr")
    ]


def change_results(study, **changes):
    path = study.run_dir / "results.json"
    write_json(path, read_json(path) | changes)


def test_site_has_a_page_for_each_notebook_and_an_overview(pages):
    assert list(pages) == PAGES
    assert [page.title.text for page in pages.values()] == [
        "Data – Tiny <study> & market",
        "Jumps – Tiny <study> & market",
        "Glossary – Tiny <study> & market",
        "Tiny <study> & market",
    ]


def test_every_page_says_once_that_data_are_simulated(pages):
    for page in pages.values():
        assert page.body.get_text().count(display.SIMULATED_NOTICE) == 1


def test_no_page_says_so_of_real_data(study):
    change_results(study, simulated=False)
    for page in built(study).values():
        assert "imulated data" not in page.select_one("aside, main").get_text()


def test_no_page_asks_another_host_for_anything(pages):
    for page in pages.values():
        for name in ("src", "srcset", "data", "poster", "action"):
            for element in page.find_all(attrs={name: True}):
                assert element[name].startswith("data:"), element
        for element in page.find_all("link"):
            assert element["href"] == "data:,"
        assert not re.search(r"@import|url\(", page.style.text)
        policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})
        assert policy["content"].startswith("default-src 'none'; img-src data:;")
        (script,) = page.find_all("script")
        digest = base64.b64encode(hashlib.sha256(script.string.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}';" in policy["content"]
        text = re.sub(r"data:image/png;base64,[^\"]+", "", str(page)).lower()
        for name in ("mathjax", "require.js", "mermaid", "unpkg", "cdn"):
            assert name not in text


def test_what_the_data_hold_is_text_and_never_markup(pages):
    for name, page in pages.items():
        assert HOSTILE in page.get_text() or name == "glossary.html", name
        assert "alert" not in "".join(script.text for script in page.find_all("script"))
        assert [element for element in page.find_all("b") if element.text == "bold"] == []


def test_parameters_and_code_are_folded_at_the_end(pages):
    page = pages["01_data_preparation.html"]
    (folded,) = page.select("details.code")
    assert folded.find_parent("section").h2.text.startswith("How this page was made")
    assert [line.text for line in folded.select(".part > p")] == [
        "Effective parameters", "Default parameters", "Parameters of this run", "Data",
        "Results", "Detail", "Results", "Results",
    ]  # fmt: skip
    assert page.select("details[open]:not(.menu)") == []
    assert 'study = "tiny"' in folded.get_text()
    assert folded.find_all_next("table") == folded.find_all("table")


def test_contents_lead_to_headings_even_of_the_same_name(pages):
    page = pages["01_data_preparation.html"]
    entries = [(link.text, link["href"]) for link in page.select("nav.contents a")]
    assert entries == [
        ("Results", "#results"),
        ("Detail", "#detail"),
        ("Results", "#results-2"),
        ("How this page was made", "#how-this-page-was-made"),
    ]
    headings = page.main.find_all(["h2", "h3"])
    assert [f"#{heading['id']}" for heading in headings] == [target for _, target in entries]


def test_pages_are_linked_in_their_order(site):
    study, pages = site
    turns = {name: page.select("nav.turn a") for name, page in pages.items()}
    links = {name: [link["href"] for link in turn] for name, turn in turns.items()}
    assert links == {PAGES[0]: ["index.html", PAGES[1]], PAGES[1]: [PAGES[0], "index.html"],
                     "glossary.html": [], "index.html": []}  # fmt: skip
    for page in pages.values():
        targets = {link["href"].partition("#")[0] for link in page.find_all("a")} - {""}
        assert all((study.report_dir / target).is_file() for target in targets)
        anchors = {link["href"][1:] for link in page.select('a[href^="#"]')}
        assert anchors <= {element["id"] for element in page.find_all(id=True)}


def test_ids_of_a_page_are_unique_and_landmarks_are_there(pages):
    for page in pages.values():
        ids = [element["id"] for element in page.find_all(id=True)]
        assert len(ids) == len(set(ids))
        assert page.html["lang"] == "en"
        assert len(page.find_all("main")) == len(page.find_all("h1")) == 1
        assert page.select_one("a.skip")["href"] == f"#{page.main['id']}"


def test_tables_scroll_by_themselves_and_set_numbers_right(pages):
    page = pages["01_data_preparation.html"]
    table = page.select_one("table.data:has(caption)")
    assert table.parent["class"] == ["scroll"]
    assert table.parent["aria-label"] == f"Table 1. A table: {HOSTILE}"
    assert [cell["scope"] for cell in table.select("thead th")] == ["col"] * 14
    numeric = ["num" in cell.get("class", []) for cell in table.select("tbody tr td")[:3]]
    assert numeric == [False, True, True]


def test_same_cells_and_outputs_are_the_same_page(study):
    """Only papermill's times and the id of the cell that it injects differ from run to run."""
    path = study.run_dir / "notebooks/01_data_preparation.ipynb"
    first = notebook_page(path)
    notebook = nbformat.read(path, 4)
    notebook.metadata.papermill = {"duration": 1.5, "start_time": "2026-01-01"}
    for number, cell in enumerate(notebook.cells):
        cell.id = f"other-{number}"
        cell.metadata.papermill = {"duration": number, "status": "completed"}
    nbformat.write(notebook, path)
    assert notebook_page(path) == first


def test_site_is_the_same_bytes_twice(study):
    build_site(study, read_front)
    first = {path.name: path.read_bytes() for path in study.report_dir.glob("*.html")}
    build_site(study, read_front)
    assert {path.name: path.read_bytes() for path in study.report_dir.glob("*.html")} == first


def test_overview_gives_the_headline_numbers(site):
    study, pages = site
    page = pages["index.html"]
    lines = [line.text for line in page.select("section.answer p")]
    assert [line for line in lines if line.endswith(" sentence.")] == [
        *("First sentence.", "Second sentence.", "Third sentence."),
    ]
    rows = cells_of(page.select_one("table.sortable"))
    table = headline_table(read_results(study))
    names = [row[0].removesuffix(" chosen") for row in rows]
    assert names == ["Model", *table["label"]]
    baseline = rows[1 + list(table.index).index("lstm_baseline")]
    expected = table.loc["lstm_baseline"]
    assert baseline[3] == f"{expected['rmse']:.3f}"
    assert baseline[1].startswith(f"{expected['skill']:.1f}")
    assert f"({expected['skill_low']:.1f} to {expected['skill_high']:.1f})" in baseline[1]
    assert baseline[6] == "yes"
    persistence = rows[1]
    assert [persistence[place] for place in (0, 2, 5)] == ["Persistence", "–", "–"]


def test_page_readme_and_figure_show_the_same_skill(site):
    study, pages = site
    results = read_results(study)
    rows = cells_of(pages["index.html"].select_one("table.sortable"))[1:]
    on_page = {row[0].removesuffix(" chosen"): row[1].split(" ")[0] for row in rows}
    lines = markdown_table(results, study.significance.coverage).splitlines()[2:-2]
    in_readme = [[cell.strip() for cell in line.strip("|").split("|")[:2]] for line in lines]
    assert on_page == {name: skill.replace("**", "").split(" ")[0] for name, skill in in_readme}
    drawn = {text.get_text() for text in _skill_axes(results, _rivals(results)).texts}
    rivals = {name: skill for name, skill in on_page.items() if name != "Persistence"}
    assert {f"{skill} %" for skill in rivals.values()} <= drawn


def test_overview_names_the_model_that_was_chosen_beforehand(site):
    study, pages = site
    page = pages["index.html"]
    rows = page.select_one("table.sortable").tbody.find_all("tr")
    assert [row.th.text for row in rows if row.th.small] == ["HAR chosen"]
    assert [row.th.text for row in rows if "chosen" in row.get("class", ())] == ["HAR chosen"]
    results = read_results(study)
    ax = _skill_axes(results, _rivals(results))
    assert ax.get_title(loc="left").startswith("HAR, chosen beforehand: ")
    assert [t.get_text() for t in ax.get_yticklabels() if "chosen" in t.get_text()] == [
        "HAR (chosen)"
    ]


def test_overview_figure_says_in_words_what_it_shows(pages):
    weeks, path, image = pages["index.html"].figure.find_all("img")
    assert weeks["alt"].startswith("The last four weeks: DVOL and HAR")
    assert path["alt"].startswith("Gain over no change: ")
    assert image["src"].startswith("data:image/png;base64,")
    assert "LSTM ultra " in image["alt"]
    assert "Persistence" not in image["alt"]


def test_overview_has_regimes_claims_and_pages(pages):
    page = pages["index.html"]
    regimes = cells_of(page.select_one("h2#regimes").find_next("table"))
    assert [cell.partition(" ")[0] for cell in regimes[0]] == ["Model", "normal", "jump"]
    assert len(regimes) == 1 + 7
    # Figures of the real market say nothing beside a simulated one.
    assert page.select_one("h2#published") is None
    assert "LSTM baseline beats persistence." in page.select_one("h2#claims").find_next("ul").text
    assert [item.p.text for item in page.select("ol.pages li")] == (
        ["What does this page answer?"] * 2
    )


def test_overview_tells_where_the_numbers_come_from(site):
    study, pages = site
    page = pages["index.html"]
    manifest = read_json(study.run_dir / "manifest.json")
    told = page.select_one("dl.provenance").get_text(" ")
    (name, digest), *_ = manifest["stages"]["01_data_preparation"]["raw_files"].items()
    for fact in (f"{name}  {digest[:12]}", manifest["parameters_hash"], "0, 1", "300, origins",
                 "panel from 2021-01-01 01:00 to 2021-03-25 08:00 UTC",
        f"torch {manifest['packages']['torch']}", "seed 3, 2,000 hours"):  # fmt: skip
        assert fact in told
    assert digest not in told
    parameters = page.select("table.data")[-1].tbody.find_all("tr")
    assert [row.th.text for row in parameters] == list(describe(study)["parameter"])


def test_pages_name_the_commit_of_each_stage_and_their_own(study, monkeypatch):
    def at(commit):
        monkeypatch.setattr("dvol_utils.study.made_by.git_commit", lambda root: commit)

    at("a" * 40)
    record(study, "03_lstm_training", {"device": "cpu"})
    at("b" * 40)
    pages = built(study)
    told = pages["index.html"].select_one("dl.provenance").get_text(" ", strip=True)
    assert "Code 01: not under version control 03: aaaaaaaaaaaa these pages: bbbbbbbbbbbb" in told
    footers = {name: page.select_one("footer").get_text() for name, page in pages.items()}
    own = "code not under version control, written as a page by bbbbbbbbbbbb."
    assert own in footers["01_data_preparation.html"]
    assert "03: aaaaaaaaaaaa, written as a page by bbb" in footers["index.html"]
    for stage in ("01_data_preparation", "03_lstm_training"):
        record(study, stage, read_json(study.run_dir / "manifest.json")["stages"][stage])
    pages = built(study)
    for page in pages.values():
        assert page.select_one("footer").get_text().strip().endswith("code bbbbbbbbbbbb.")


def test_overview_names_the_networks_that_could_not_be_trained(study):
    assert built(study)["index.html"].select_one("section.failures") is None
    facts = {"device": "cpu", "failures": {"lstm_ultra seed 1": "TrainingError: loss is nan"}}
    record(study, "03_lstm_training", facts)
    told = built(study)["index.html"].select_one("section.failures li").get_text()
    assert told == "lstm_ultra seed 1: TrainingError: loss is nan"


@pytest.mark.parametrize("fit", [True, False])
def test_overview_says_that_data_are_not_fit(study, fit):
    facts = read_json(study.run_dir / "manifest.json")["stages"]["01_data_preparation"]
    record(study, "01_data_preparation", facts | {"fit": fit})
    text = build_site(study, read_front).read_text(encoding="utf-8")
    assert ("The data are not fit for this study" in text) is not fit


def test_overview_says_what_is_established_and_leads_to_the_model_card(study):
    assert built(study)["index.html"].find(id="established") is None
    record(study, "10_model_card", {"summary": "It is established that a < b."})
    told = built(study)["index.html"].find(id="established").find_next("p")
    assert told.get_text() == "It is established that a < b. Model card"
    assert told.a["href"] == "10_model_card.html"


@pytest.mark.parametrize("name", ["results.json", "manifest.json"])
def test_missing_artefact_names_the_command(study, name):
    (study.run_dir / name).unlink()
    with pytest.raises(ArtefactError, match=rf"{name} is missing: run `make report"):
        build_site(study, read_front)
    assert not study.report_dir.exists()


def test_results_without_a_number_name_the_key(study):
    results = read_json(study.run_dir / "results.json")
    del results["models"]["har"]["rmse"]["estimate"]
    write_json(study.run_dir / "results.json", results)
    expected = r"results\.json: models\.har\.rmse\.estimate: Field required; run `make report"
    with pytest.raises(ArtefactError, match=expected):
        build_site(study, read_front)


def test_results_of_another_run_are_refused(study):
    change_results(study, parameters_hash="0123456789ab")
    expected = r"results\.json \(parameters 0123456789ab\) and manifest\.json .* different runs"
    with pytest.raises(ArtefactError, match=expected):
        build_site(study, read_front)


def test_notebook_that_was_not_executed_is_missed(study):
    source_notebook(study.root / "notebooks/03_lstm_training.ipynb")
    with pytest.raises(ArtefactError, match=r"03_lstm_training\.ipynb is missing: run `make rep"):
        build_site(study, read_front)


def test_page_of_a_notebook_that_is_gone_is_removed(study):
    build_site(study, read_front)
    (study.root / "notebooks/02_jump_detection.ipynb").unlink()
    assert list(built(study)) == [PAGES[0], *PAGES[2:]]
    assert [path.name for path in study.report_dir.glob("notebooks/*")] == [
        "01_data_preparation.ipynb"
    ]


def test_incomplete_notebook_leaves_the_old_site(study):
    index = build_site(study, read_front)
    old = index.read_bytes()
    path = study.run_dir / "notebooks/02_jump_detection.ipynb"
    executed_notebook(study, path, "Other title")
    notebook = nbformat.read(path, 4)
    notebook.cells[-1].execution_count = None
    nbformat.write(notebook, path)
    with pytest.raises(NotebookError, match=r"02_jump_detection\.ipynb is not complete: cell 11"):
        build_site(study, read_front)
    assert index.read_bytes() == old


def test_full_disk_leaves_the_old_site(study, monkeypatch):
    build_site(study, read_front)
    old = {path.name: path.read_bytes() for path in study.report_dir.glob("*.html")}
    executed_notebook(study, study.run_dir / "notebooks/01_data_preparation.ipynb", "New title")

    def full_disk(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left on device"):
        build_site(study, read_front)
    assert {path.name: path.read_bytes() for path in study.report_dir.glob("*.html")} == old


def page_of(folder, output):
    """The page of a notebook with a title and one output."""
    cells = [
        new_markdown_cell("# Title\n\nFirst."),
        new_code_cell("1", execution_count=1, outputs=[output]),
    ]
    return notebook_page(write(new_notebook(cells=cells), folder / "01_first.ipynb"))


def html(text):
    return new_output("display_data", {"text/html": text})


@pytest.mark.parametrize(
    "markup",
    [
        '<img src="https://example.org/a.png" alt="a">',
        '<img src="a.png" alt="a">',
        '<script src="https://example.org/a.js"></script>',
        "<script>fetch('https://example.org')</script>",
        '<link rel="stylesheet" href="https://example.org/a.css">',
        '<iframe src="https://example.org"></iframe>',
        '<p style="background: url(https://example.org/a.png)">a</p>',
        "<style>@import 'https://example.org/a.css';</style>",
    ],
)
def test_output_that_would_be_loaded_from_elsewhere_is_refused(tmp_path, markup):
    with pytest.raises(NotebookError, match=r"01_first\.ipynb: <\w+> '.*': would be loaded when"):
        page_of(tmp_path, html(markup))


@pytest.mark.parametrize(
    "markup",
    [
        '<p onclick="go()">a</p>',
        '<a href="javascript:go()">a</a>',
        '<a href=" java\nscript:go()">a</a>',
        '<img src="data:image/png;base64,AA==" alt="a" onerror="go()">',
    ],
)
def test_output_that_would_run_a_script_is_refused(tmp_path, markup):
    with pytest.raises(NotebookError, match=r"01_first\.ipynb: <\w+ \w+>: would run a script"):
        page_of(tmp_path, html(markup))


def test_link_to_another_host_may_stand(tmp_path):
    page = page_of(tmp_path, html('<a href="https://doi.org/10.1093/rfs/hhm056">Lee</a>'))
    assert 'href="https://doi.org/10.1093/rfs/hhm056"' in page.body


@pytest.mark.parametrize(
    "output",
    [
        html('<img src="data:image/png;base64,AAAA">'),
        html('<img src="data:image/png;base64,AAAA" alt=" ">'),
        new_output("display_data", {"image/png": "AAAA", "text/plain": "<Figure>"}),
    ],
)
def test_figure_without_alt_text_is_refused(tmp_path, output):
    with pytest.raises(NotebookError, match="a figure without alt text"):
        page_of(tmp_path, output)


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_stream_is_escaped_and_a_progress_bar_shows_its_end(tmp_path, name):
    stream = new_output("stream", name=name, text=f"10%\r100%\n\x1b[31m{HOSTILE}\x1b[0m\n")
    text = BeautifulSoup(page_of(tmp_path, stream).body, "html.parser").select_one("pre.stream")
    assert text.text == f"100%\n{HOSTILE}\n"


def test_plain_result_is_escaped(tmp_path):
    result = new_output("execute_result", {"text/plain": HOSTILE}, execution_count=1)
    page = BeautifulSoup(page_of(tmp_path, result).body, "html.parser")
    assert page.select_one(".output pre").text == HOSTILE


def test_notebook_without_a_title_is_refused(tmp_path):
    path = write(new_notebook(cells=[new_markdown_cell("Prose.")]), tmp_path / "01_first.ipynb")
    with pytest.raises(NotebookError, match=r"01_first\.ipynb: no title; should begin with a Mark"):
        notebook_page(path)


def test_pages_of_a_trial_say_what_was_changed_and_leave_the_study_alone(study):
    before = {path: path.read_bytes() for path in study.report_dir.rglob("*.*")}
    trial = commanded_study("tiny", {"significance.reps": 999})
    shutil.copytree(study.run_dir, trial.run_dir, ignore=shutil.ignore_patterns("trials"))
    index = build_site(trial, read_front)
    assert index == study.report_dir / "trials" / trial.trial.name / "index.html"
    for page in index.parent.glob("*.html"):
        notice = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").select_one(".trial")
        assert "significance.reps is 999 in place of" in notice.text
        assert (page.parent / notice.a["href"]).resolve() == (study.report_dir / "index.html")
    assert {path: path.read_bytes() for path in before} == before


def test_no_page_says_where_the_raw_store_lies_on_this_machine(study, tmp_path):
    manifest = read_json(study.run_dir / "manifest.json")
    manifest["parameters"]["data"]["raw_dir"] = "/somebody/home/store"
    write_json(study.run_dir / "manifest.json", manifest)
    for page in built(study).values():
        assert "/somebody" not in str(page)


def test_every_page_describes_itself_for_previews(pages):
    for page in pages.values():
        names = [tag.get("name") or tag.get("property") for tag in page.select("meta[content]")]
        assert {"description", "og:title", "og:description"} <= set(names)
        assert page.find("meta", attrs={"name": "description"})["content"]


def test_tables_are_offered_as_files(site):
    study, pages = site
    (link,) = pages[PAGES[0]].select(".csv a")
    lines = (study.report_dir / link["href"]).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("text,value,long column 0")
    assert len(lines) == 3


def test_the_glossary_has_every_term_and_model(site):
    study, pages = site
    page = pages["glossary.html"]
    assert len(page.select("dl.terms dt")) == len(TERMS)
    assert len(page.select("tbody tr")) == len(study.models)
