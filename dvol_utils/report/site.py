"""The HTML site of a study: a page for each executed notebook and an overview, all offline."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from dvol_utils.report import front, glossary, overview
from dvol_utils.report.display import SIMULATED_NOTICE, failures_by_reason
from dvol_utils.report.execute import read_executed
from dvol_utils.report.notebook_html import TEMPLATES, Page, held_together, notebook_page
from dvol_utils.report.provenance import provenance
from dvol_utils.results.front import Front
from dvol_utils.results.headline import headline_table
from dvol_utils.results.results_json import NoResults, Results, read_results
from dvol_utils.study.effective import describe
from dvol_utils.study.files import ArtefactError, remove_unfinished, replacing
from dvol_utils.study.made_by import code_words, commit_words, made_by, this_code
from dvol_utils.study.params import StudyParams
from dvol_utils.study.recorded import recorded_study
from dvol_utils.study.stages import (
    CARD,
    DATA,
    SIGNIFICANCE,
    TRAINING,
    study_notebooks,
    study_stages,
)
from dvol_utils.study.tables import read_manifest

_PUBLISHED_QUESTION = (
    "What did the published study of DVOL claim, what are its numbers worth beside persistence on "
    "the same hours, and why?"
)
_QUESTION = (
    "How well can the implied-volatility index DVOL be forecast {horizon} hours ahead, and does a "
    "larger, jump-aware LSTM help?"
)


# Words of the first page, made by `pages.front.read_front`, which stands above this room.
ReadFront = Callable[[StudyParams, Results, dict[str, Any]], Front | None]


def build_site(study: StudyParams, read_front: ReadFront) -> Path:
    """Write `reports/<study>/` from the executed notebooks, `results.json` and `manifest.json`.

    A trial's pages lie in `trials/<hash>/` below, and each says on top what was changed.
    A study that ends with its data page has no results, and an overview that says so.

    Every file is made before any is replaced, and `index.html` is replaced last, so that a failure
    leaves the old site as it was. Files of notebooks or tables no longer there are removed.

    Parameters
    ----------
    study : StudyParams
    read_front : callable
        `pages.front.read_front`, which stands above this room.

    Returns
    -------
    Path
        `index.html` in `study.report_dir`.

    Raises
    ------
    ArtefactError
        No executed notebooks, or no results; the message says which command makes them.
    NotebookError
        An executed notebook is not complete, or cannot be shown offline.
    """
    judged = read_results(study) if SIGNIFICANCE in study_stages(study) else None
    manifest = read_manifest(study)
    if judged is not None:
        same_run(study, judged, manifest)
    results = judged or _no_results(study, manifest)
    pages = [notebook_page(path) for path in executed_notebooks(study)]
    templates = _templates(study, results, manifest, pages)
    stages = {name: commit_words(code) for name, code in made_by(manifest).items()}
    texts = {
        study.report_dir / page.file: _notebook_html(templates, page, pages, stages)
        for page in pages
    }
    index = study.report_dir / "index.html"
    recorded = recorded_study(study, manifest)
    front_words = read_front(recorded, results, manifest) if isinstance(results, Results) else None
    shown, files = _front(front_words, recorded, results)
    texts[index] = _index_html(templates, recorded, results, manifest, shown)
    texts[study.report_dir / glossary.FILE] = templates.get_template("glossary.html.j2").render(
        terms=glossary.TERMS, models=glossary.model_rows(recorded)
    )
    # After all is rendered: an error's words may hold the folder too.
    texts = {path: _without_places(text, recorded) for path, text in texts.items()}
    texts |= _sources(study)
    texts |= {study.report_dir / name: text for page in pages for name, text in page.tables.items()}
    made = {path: text.encode() for path, text in texts.items()}
    made |= {study.report_dir / "downloads" / name: content for name, content in files.items()}
    remove_unfinished(study.report_dir, but="trials")  # of a build that was killed
    _replace_all(made, last=index)
    kinds = ("*.html", "tables/*.csv", "notebooks/*.ipynb", "downloads/*")
    # After the new pages stand, so that no link leads nowhere in between.
    for old in {path for kind in kinds for path in study.report_dir.glob(kind)} - set(made):
        old.unlink()
    return index


def _no_results(study: StudyParams, manifest: dict[str, Any]) -> NoResults:
    reason = (
        f"DVOL comes in bars of {study.data.step_hours} hours here. The jump test and the "
        "forecasts need hourly returns, so the study ends with its data page."
    )
    facts = (study.name, study.title, study.is_simulated, manifest["parameters_hash"])
    return NoResults(*facts, answer=[reason])


def executed_notebooks(study: StudyParams) -> list[Path]:
    """The executed notebooks of those that the study is made of, in their order.

    Raises
    ------
    ArtefactError
        There are no notebooks, or one has not been executed; the message says which command does.
    """
    sources = study_notebooks(study)
    if not sources:
        raise ArtefactError(f"{study.root / 'notebooks'}: no notebooks there")
    executed = [study.run_dir / "notebooks" / source.name for source in sources]
    for path in executed:
        if not path.is_file():
            raise ArtefactError(f"{path} is missing: run `make report STUDY={study.name}`")
    return executed


def _without_places(text: str, study: StudyParams) -> str:
    """The text without where a raw store lies on this machine: its folder's name alone."""
    raw = study.data.raw_dir
    return text.replace(str(raw), raw.name) if raw.is_absolute() else text


def _sources(study: StudyParams) -> dict[Path, str]:
    """The notebooks beside their pages, which may be moved or published alone."""
    folder = study.report_dir / "notebooks"
    return {folder / path.name: path.read_text(encoding="utf-8") for path in study_notebooks(study)}


def _question(study: StudyParams) -> str:
    if study.published_page:
        return _PUBLISHED_QUESTION
    return _QUESTION.format(horizon=study.target.horizon_hours)


def _failures(manifest: dict[str, Any]) -> dict[str, str]:
    """Models that could not be trained, and why."""
    return manifest["stages"].get(TRAINING.name, {}).get("failures", {})


def _durations(study: StudyParams) -> dict[str, float]:
    """Seconds that each stage took, as its executed notebook tells."""
    notebooks = {path.stem: read_executed(path) for path in executed_notebooks(study)}
    papermill = {
        stage: notebook.metadata.get("papermill", {}) for stage, notebook in notebooks.items()
    }
    return {stage: facts["duration"] for stage, facts in papermill.items() if facts.get("duration")}


def _card(manifest: dict[str, Any]) -> dict[str, str] | None:
    """Where the model card lies and what it says; None for a run without one."""
    said = manifest["stages"].get(CARD.name, {}).get("summary")
    return None if said is None else {"file": f"{CARD.name}.html", "summary": said}


def _found(manifest: dict[str, Any]) -> dict[str, str]:
    """What the stages found, in words, by stage; the card's stands in a section of its own."""
    stages = manifest["stages"].items()
    return {
        stage: facts["summary"].replace("**", "")
        for stage, facts in stages
        if "summary" in facts and stage != CARD.name
    }


def same_run(study: StudyParams, results: Results, manifest: dict[str, Any]) -> None:
    """Refuse results and manifest of different runs (`ArtefactError`)."""
    if results.parameters_hash != manifest["parameters_hash"]:
        raise ArtefactError(
            f"{study.run_dir}: results.json (parameters {results.parameters_hash}) and "
            f"manifest.json (parameters {manifest['parameters_hash']}) are of different runs: "
            f"run `make report STUDY={study.name}`"
        )


def _replace_all(files: dict[Path, bytes], *, last: Path) -> None:
    with ExitStack() as stack:
        # the stack unwinds backwards: what is entered first takes its place last
        for path in sorted(files, key=lambda path: path != last):
            stack.enter_context(replacing(path)).write_bytes(files[path])


def _templates(
    study: StudyParams, results: Results | NoResults, manifest: dict[str, Any], pages: list[Page]
) -> jinja2.Environment:
    """The templates, with what every page of a study shows."""
    return page_templates(
        results=results,
        commit=code_words(manifest),
        written_by=commit_words(this_code(study.root)),
        pages=pages,
        trial=study.trial,
        simulated_notice=SIMULATED_NOTICE,
    )


def page_templates(**shown: Any) -> jinja2.Environment:
    """The templates with style, script and what else every page shows."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: held_together(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = (
        Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704 the package's own files
        for name in ("style.css", "site.js")
    )
    # No other script runs on a page, whatever has found its way into a table or an error.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    templates.globals.update(style=style, script=script, script_hash=f"sha256-{digest}", **shown)
    return templates


def _notebook_html(
    templates: jinja2.Environment, page: Page, pages: list[Page], stages: dict[str, str]
) -> str:
    """A stage's page; `stages` are the commits that they were made by."""
    place = pages.index(page)
    made_by_code = {"commit": stages[page.stage]} if page.stage in stages else {}
    return templates.get_template("notebook.html.j2").render(
        page=page,
        notebook=f"notebooks/{page.stage}.ipynb",
        previous=pages[place - 1] if place else None,
        following=pages[place + 1] if place + 1 < len(pages) else None,
        **made_by_code,
    )


def _index_html(
    templates: jinja2.Environment,
    study: StudyParams,
    results: Results | NoResults,
    manifest: dict[str, Any],
    shown: dict[str, Any],
) -> str:
    return templates.get_template("index.html.j2").render(
        question=_question(study),
        failures=failures_by_reason(_failures(manifest)),
        unfit=manifest["stages"].get(DATA.name, {}).get("fit") is False,
        card=_card(manifest),
        found=_found(manifest),
        **shown,
        provenance=provenance(study, results, manifest, _durations(study)),
        parameters=describe(study).to_dict("records"),
    )


def _front(
    front_words: Front | None, study: StudyParams, results: Results | NoResults
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What the first page shows of the results, and its downloads by name."""
    if isinstance(results, NoResults):
        return {"figure": None, "headline": None, "where": None}, {}
    coverage = study.significance.coverage
    shown = {
        "figure": overview.skill_figure(results, coverage, front_words),
        "headline": overview.headline_cells(results, coverage),
        "regimes": overview.regimes(results),
        "published": overview.published(results),
        "where": None,
    }
    if front_words is None:
        return shown, {}
    listed, files = front.front_files(front_words, headline_table(results))
    chosen = {
        "where": front.where_section(front_words, coverage),
        "established": front_words.established,
        "limits": front_words.limits,
        "cited": front.cited(study),
        "downloads": listed,
    }
    return shown | chosen, files
