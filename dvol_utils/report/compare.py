"""One page with several finished studies side by side: results, parameters, differences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from dvol_utils.evaluation import score
from dvol_utils.report import overview
from dvol_utils.report.site import page_templates, same_run
from dvol_utils.results.chosen_model import choose
from dvol_utils.results.headline import ShownColumn
from dvol_utils.results.persistence import study_rows
from dvol_utils.results.results_json import Results, read_results
from dvol_utils.results.shared_rows import (
    difference_sentence,
    least_rows,
    prefixed,
    rows_mismatch,
    settings_mismatch,
    shared_rows,
    study_differences,
)
from dvol_utils.study.effective import describe
from dvol_utils.study.files import ArtefactError, replacing
from dvol_utils.study.loading import load_study
from dvol_utils.study.made_by import code_words
from dvol_utils.study.model_names import label
from dvol_utils.study.params import ParameterError, StudyParams
from dvol_utils.study.recorded import recorded_study
from dvol_utils.study.tables import read_manifest
from dvol_utils.study.trials import trial_at
from dvol_utils.wording.numbers import MISSING, coverage_text, hour, number, written, written_p
from dvol_utils.wording.text import listed

# A study's own names, and where its raw files lie, which changes no result.
_NO_DIFFERENCE = ("name", "title", "data.raw_dir")


class ComparedRun(NamedTuple):
    """A finished study: the parameters of its run, what it found, where from, its test rows."""

    study: StudyParams
    results: Results
    code: str
    test: pd.DataFrame
    chosen: str | None


def compare_studies(names: Sequence[str | Path], output: Path | None = None) -> Path:
    """Write one page that shows finished studies side by side.

    Parameters
    ----------
    names : sequence of str or Path
        Two or more studies, as `load_study` takes them, or trials, `<study>/trials/<hash>`, also
        by their folders in `runs/`.
    output : Path, optional
        The page, `.html`; otherwise `reports/compare-<study>-<study>.html` beside the first
        study's pages.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ParameterError
        Fewer than two studies, one of them twice, an unknown one, or an `output` that is no page.
    ArtefactError
        A study is not finished; the message says which command makes it.
    """
    studies = [_known(name) for name in names]
    labels = [_label(study) for study in studies]
    _check_names(labels)
    page = output or studies[0].root / "reports" / f"compare-{'-'.join(labels)}.html"
    if page.suffix != ".html" or page.is_dir():
        raise ParameterError(f"output {str(page)!r}: should be a file that ends in .html")
    html = comparison_html([finished_run(study) for study in studies])
    with replacing(page) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return page


def finished_run(study: StudyParams) -> ComparedRun:
    """Read what a run of a study left, with the parameters that it was run with.

    Raises
    ------
    ArtefactError
        Something is missing, damaged, or of another run; the message says which command makes it.
    """
    # A trial's own folder, not `artefact`: a trial without a run of its own is not finished.
    path, advice = study.run_dir / "manifest.json", f"run `make report STUDY={study.name}`"
    if not path.is_file():
        raise ArtefactError(f"study {study.name} is not finished: {path} is missing: {advice}")
    results, manifest = read_results(study), read_manifest(study)
    same_run(study, results, manifest)
    recorded = recorded_study(study, manifest)
    validation, test = study_rows(recorded)
    named = recorded.model_copy(update={"name": _label(study)})
    return ComparedRun(named, results, code_words(manifest), test, choose(score(validation)))


def comparison_html(runs: Sequence[ComparedRun]) -> str:
    """The page of finished studies; the same runs give the same text."""
    templates = page_templates(title=listed(run.study.name for run in runs))
    return templates.get_template("compare.html.j2").render(
        studies=[_study_facts(run) for run in runs],
        headline=headline_tables(runs),
        parameters=parameter_differences([run.study for run in runs]).to_dict("records"),
        names=[run.study.name for run in runs],
        pairs=[compared_pair(a, b) for a, b in combinations(runs, 2)],
        simulated=[run.study.name for run in runs if run.results.simulated],
    )


def headline_tables(runs: Sequence[ComparedRun]) -> dict[str, Any]:
    """The headline tables below one another: `caption`, `columns`, and `rows` that name a study."""
    # Without the published comparison, whose columns are others.
    tables = {
        run.study.name: overview.headline_cells(
            run.results.model_copy(update={"comparison": None}), run.study.significance.coverage
        )
        for run in runs
    }
    rows = [{"study": name, **row} for name, table in tables.items() for row in table["rows"]]
    return {
        "columns": next(iter(tables.values()))["columns"],
        "rows": rows,
        "caption": (
            "Every model on all test hours of its own study, as that study reported it. Brackets: "
            "bootstrap interval. Skill and DM p (Diebold-Mariano): against the study's "
            "persistence. MCS: model confidence set. "
            "Rows of two studies can be set against each other only where their test hours match, "
            "as above."
        ),
    }


def parameter_differences(studies: Sequence[StudyParams]) -> pd.DataFrame:
    """Parameters whose values differ between studies, without names and `data.raw_dir`.

    Returns
    -------
    DataFrame
        `parameter, meaning`, and `values`: the studies' values in their order, `none` for an
        empty list and a dash where a study has no such parameter.
    """
    tables = [describe(study).replace("", "none").set_index("parameter") for study in studies]
    meanings: dict[str, str] = {}
    for table in tables:
        # The first study's words stand where both have a parameter.
        meanings = {**table["meaning"], **meanings}
    rows = [
        (parameter, meanings[parameter], values)
        for parameter in meanings
        if parameter not in _NO_DIFFERENCE
        and len(set(values := [table["value"].get(parameter, MISSING) for table in tables])) > 1
    ]
    return pd.DataFrame(rows, columns=["parameter", "meaning", "values"])


def compared_pair(a: ComparedRun, b: ComparedRun) -> dict[str, Any]:
    """Two studies on their shared test rows, as the page writes it.

    Returns
    -------
    dict
        `title`; `reason` where rows do not match; otherwise `sentence`, and `table` with `caption`,
        `columns` and `rows` of cells.
    """
    title = f"{a.study.name} and {b.study.name}"
    settings, overlap = a.study.significance, a.study.overlap_hours
    reason = settings_mismatch(a.study, b.study) or rows_mismatch(
        a.test, b.test, least_rows(settings, overlap)
    )
    pairs = _model_pairs(a, b)
    if reason is None and not pairs:
        reason = "no model but persistence in both studies"
    if reason is not None:
        return {"title": title, "reason": reason}
    rows = shared_rows({run.study.name: run.test for run in (a, b)})
    named = [(prefixed(a.study.name, x), prefixed(b.study.name, y)) for x, y in pairs]
    table = study_differences(rows, named, overlap_hours=overlap, settings=settings)
    hours = int(rows["origin"].nunique())
    # Only where both have chosen: persistence alone chooses nothing.
    chosen = pairs.index((a.chosen, b.chosen)) if (a.chosen, b.chosen) in pairs else None
    return {
        "title": title,
        "reason": None,
        "sentence": ""
        if chosen is None
        else difference_sentence(table.iloc[chosen], hours, settings.coverage),
        "table": {
            "caption": _caption(a, b, hours),
            "columns": _columns(a.study.name, b.study.name),
            "rows": [
                {"label": _pair_label(x, y, (a.chosen, b.chosen)), "cells": _cells(row)}
                for (x, y), row in zip(pairs, table.itertuples(), strict=True)
            ],
        },
    }


def _label(study: StudyParams) -> str:
    """The name of a study, of a trial with what tells it from the study."""
    return f"{study.name}-trial-{study.trial.name}" if study.trial else study.name


def _known(name: str | Path) -> StudyParams:
    try:
        if Path(name).is_dir():
            return trial_at(Path(name))
        match Path(name).parts:
            case (study, "trials", _):
                return trial_at(load_study(study).root / "runs" / name)
        return load_study(name)
    except ParameterError as error:
        raise ParameterError(
            f"{error}\nOnly finished studies are compared: once its file is right, run "
            f"`make report STUDY={Path(name).stem}`"
        ) from None


def _check_names(names: list[str]) -> None:
    if len(names) < 2:
        raise ParameterError(f"studies: found {len(names)}; should be two or more to compare")
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise ParameterError(f"studies: found {twice[0]} twice; should be different studies")


def _study_facts(run: ComparedRun) -> dict[str, Any]:
    first, *others = run.study.data.assets
    test = run.results.test
    return {
        "name": run.study.name,
        "title": run.results.title,
        "data": "simulated" if run.results.simulated else "real",
        "asset": f"{first} (learnt with {', '.join(others)})" if others else first,
        "horizon": f"{run.study.target.horizon_hours} h",
        "origins": f"{hour(test.start)} to {hour(test.end)}",
        "rows": f"{test.rows:,}",
        "parameters": run.results.parameters_hash,
        "commit": run.code,
    }


def _model_pairs(a: ComparedRun, b: ComparedRun) -> list[tuple[str, str]]:
    """The chosen models, then every model that both have; persistence is the same by definition."""
    theirs = set(b.test["model"])
    both = [(m, m) for m in a.results.models if m in theirs and m != "persistence"]
    chosen = [(a.chosen, b.chosen)] if a.chosen and b.chosen else []
    return list(dict.fromkeys([*chosen, *both]))


def _pair_label(x: str, y: str, chosen: tuple[str | None, str | None]) -> str:
    name = label(x) if x == y else f"{label(x)} against {label(y)}"
    return f"{name} (chosen)" if (x, y) == chosen else name


def _columns(a: str, b: str) -> list[ShownColumn]:
    return [
        ShownColumn("RMSE", a, 3, None),
        ShownColumn("RMSE", b, 3, None),
        ShownColumn("Skill, %", a, 1, None),
        ShownColumn("Skill, %", b, 1, None),
        ShownColumn("Difference", "percentage points", 1, None),
        ShownColumn("DM p", "", 3, None),
        ShownColumn("DM p", "Bartlett", 3, None),
        ShownColumn("DM p", "Holm", 3, None),
    ]


def _cells(row: Any) -> list[dict[str, Any]]:
    plain = [(row.rmse_a, 3), (row.rmse_b, 3), (100 * row.skill_a, 1), (100 * row.skill_b, 1)]
    bounds = f"({number(100 * row.low, '.1f')} to {number(100 * row.high, '.1f')})"
    return [
        *(overview.cell(value, written(value, decimals), "") for value, decimals in plain),
        overview.cell(100 * row.difference, number(100 * row.difference, "+.1f"), bounds),
        *(overview.cell(p, written_p(p), "") for p in (row.p_value, row.p_bartlett, row.p_holm)),
    ]


def _caption(a: ComparedRun, b: ComparedRun, hours: int) -> str:
    coverage = coverage_text(a.study.significance.coverage)
    names = a.study.name, b.study.name
    return (
        f"Models of {names[0]} and {names[1]} on the {hours:,} test rows that both have, with the "
        f"same outcomes. Difference: skill in {names[0]} less skill in {names[1]}, positive where "
        f"{names[0]} is better; brackets: {coverage} bootstrap interval, both on the same "
        f"resamples, with the settings of {names[0]}. DM p: Diebold-Mariano test of equal squared "
        "error; Bartlett: the same test as others print it, which finds too much; Holm: after a "
        "correction for the number of lines. Chosen: the models with the "
        "lowest error on each study's own validation rows."
    )
