"""Does what is on disk still agree with itself: scores, parameters, raw files, pages, README?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dvol_utils.evaluation import METRICS, score
from dvol_utils.report.execute import read_executed
from dvol_utils.report.provenance import recorded_hashes
from dvol_utils.report.site import executed_notebooks
from dvol_utils.results.after_study import after_table
from dvol_utils.results.persistence import study_rows
from dvol_utils.results.readme import after_block, after_name, readme_block, results_block
from dvol_utils.results.results_json import Comparison, Results, Scores, read_results
from dvol_utils.study.effective import changed, effective, parameters_hash
from dvol_utils.study.files import ArtefactError, file_hash
from dvol_utils.study.params import StudyParams
from dvol_utils.study.recorded import recorded_study
from dvol_utils.study.stages import AFTER, SIGNIFICANCE
from dvol_utils.study.tables import read_manifest, read_table
from dvol_utils.study.trials import check_made
from dvol_utils.wording.numbers import hour

_TOLERANCE = 1e-9
_MOST_FAULTS = 5  # where much differs, a few lines say so
_REPORTED = "Published"  # the row that stands as it was reported: no forecasts to score


class Check(NamedTuple):
    """A check's name, whether it holds, and what was found."""

    name: str
    ok: bool
    detail: str


def run_checks(study: StudyParams, recompute: Callable[[StudyParams], Results]) -> list[Check]:
    """Check a finished run against its parameters, its data and what is said about it.

    Parameters
    ----------
    study : StudyParams
        The study as its file and the command line's overrides give it now.
    recompute : callable
        `pages.recomputed.recomputed_results`, which stands above this room.

    Returns
    -------
    list of Check
        `scores`: the numbers of `results.json` equal a new scoring of `forecasts.parquet` (test
        rows, mean over seeds) and, for the published rules, of `compared.parquet` to 1e-9;
        `claims`: intervals, tests, the chosen model, claims and answer come out of the forecasts
        again, and page 05 shows the claims; `parameters`: the run was made with today's
        parameters;
        `raw files`: those still there have the recorded hashes; `notebooks`: every cell has run;
        `after the study`, where the run has that page: its numbers come out of its forecasts
        again; `README`: its blocks of results are those of the run.

    Raises
    ------
    ArtefactError
        There is no finished run.
    """
    check_made(study)
    results = read_results(study)
    manifest = read_manifest(study)
    recorded = recorded_study(study, manifest)
    has_after = AFTER.name in manifest["stages"]
    after = [_check("after the study", lambda: _after(recorded, results))] if has_after else []
    return [
        _check("scores", lambda: _scores(recorded, results)),
        _check("claims", lambda: _claims(recorded, results, manifest, recompute)),
        _check("parameters", lambda: _parameters(study, recorded, results, manifest)),
        _check("raw files", lambda: _raw_files(recorded, manifest)),
        _check("notebooks", lambda: _notebooks(study)),
        *after,
        _check("README", lambda: _readme(recorded, results, has_after=has_after)),
    ]


def _check(name: str, find: Callable[[], tuple[list[str], str]]) -> Check:
    """A check holds where `find` returns no faults; its second value says what was looked at."""
    try:
        faults, looked_at = find()
    except (ArtefactError, ValueError) as error:
        faults, looked_at = [str(error)], ""
    return Check(name, not faults, "; ".join(faults) or looked_at)


def _scores(recorded: StudyParams, results: Results) -> tuple[list[str], str]:
    _, test = study_rows(recorded)
    scores = score(test).set_index("model")
    faults = [
        f"{model}: in one of results.json and forecasts.parquet only"
        for model in sorted(set(results.models) ^ set(scores.index))
    ]
    for model, result in results.models.items():
        if model in scores.index:
            faults += _differences(model, result, scores.loc[model], results.test.rows)
    looked_at = f"{len(scores)} models, {results.test.rows:,} test hours scored again"
    if results.comparison is None:
        return faults, looked_at
    faults += _compared(read_table(recorded, "compared"), results.comparison)
    return faults, f"{looked_at}; {len(results.comparison.forecasts)} compared forecasts"


def _claims(
    recorded: StudyParams,
    results: Results,
    manifest: dict[str, Any],
    recompute: Callable[[StudyParams], Results],
) -> tuple[list[str], str]:
    if SIGNIFICANCE.name not in manifest.get("stages", {}):
        return [], "the run has not come to its tests"
    # The page on the published study adds a comparison, and has an answer of its own.
    left_out = {"comparison"} if results.comparison is None else {"comparison", "answer"}
    again = recompute(recorded)
    both = (part.model_dump(mode="json", exclude=left_out) for part in (results, again))
    faults = list(_stated_otherwise(*both))
    page = read_executed(recorded.run_dir / "notebooks" / f"{SIGNIFICANCE.name}.ipynb")
    shown = json.dumps([cell.get("outputs", []) for cell in page.cells], ensure_ascii=False)
    faults += [
        f"{SIGNIFICANCE.name}.ipynb does not show {sentence!r}"
        for sentence in again.claims
        # As the file has it: signs escaped alike, without the outer quotes.
        if json.dumps(sentence, ensure_ascii=False)[1:-1] not in shown
    ]
    return faults[:_MOST_FAULTS], f"{len(again.claims)} claims and all tests computed again"


def _stated_otherwise(stated: Any, again: Any, where: str = "") -> Iterator[str]:
    """Where two contents of `results.json` differ, numbers by more than 1e-9, a line each."""
    if isinstance(stated, Mapping) and isinstance(again, Mapping):
        for key in sorted(stated.keys() | again.keys()):
            place = f"{where}.{key}" if where else str(key)
            yield from _stated_otherwise(stated.get(key), again.get(key), place)
    elif isinstance(stated, list) and isinstance(again, list) and len(stated) == len(again):
        for place, both in enumerate(zip(stated, again, strict=True)):
            yield from _stated_otherwise(*both, f"{where}[{place}]")
    elif isinstance(stated, float) and isinstance(again, float):
        if not np.isclose(stated, again, rtol=0, atol=_TOLERANCE):
            yield f"{where} is {again:.10g}, results.json says {stated:.10g}"
    elif stated != again:
        yield f"{where} is {again!r}, results.json says {stated!r}"


def _compared(table: pd.DataFrame, comparison: Comparison) -> Iterator[str]:
    scores = score(table).set_index("model")
    stated = {result.label: result for result in comparison.forecasts}
    for name in sorted((set(scores.index) ^ set(stated)) - {_REPORTED}):
        yield f"{name}: in one of results.json and compared.parquet only"
    for name in scores.index.intersection(list(stated)):
        yield from _differences(name, stated[name], scores.loc[name], comparison.test.rows)


def _differences(model: str, result: Scores, scored: pd.Series, rows: int) -> Iterator[str]:
    if int(scored["n"]) != rows:
        yield f"{model}: {int(scored['n'])} test rows, results.json says {rows}"
    for metric in METRICS:
        stated = getattr(result, metric).estimate
        stated = np.nan if stated is None else stated
        if not np.isclose(stated, scored[metric], rtol=0, atol=_TOLERANCE, equal_nan=True):
            yield f"{model}: {metric} is {scored[metric]:.10g}, results.json says {stated:.10g}"


def _parameters(
    study: StudyParams, recorded: StudyParams, results: Results, manifest: dict[str, Any]
) -> tuple[list[str], str]:
    run = parameters_hash(recorded)
    faults = [
        f"{name} says parameters {found}, those of the run hash to {run}"
        for name, found in (
            ("manifest.json", manifest["parameters_hash"]),
            ("results.json", results.parameters_hash),
        )
        if found != run
    ]
    differ = changed(effective(study), effective(recorded))
    faults += [f"{key} is {now!r}, the run had {then!r}" for key, (now, then) in differ.items()]
    return faults, run


def _raw_files(recorded: StudyParams, manifest: dict[str, Any]) -> tuple[list[str], str]:
    hashes = recorded_hashes(manifest)
    there = {name: recorded.raw_dir / name for name in hashes}
    there = {name: path for name, path in there.items() if path.is_file()}
    faults = [
        f"{path} has changed since the run"
        for name, path in there.items()
        if file_hash(path) != hashes[name]
    ]
    if not hashes:
        faults.append("manifest.json records no raw file")
    return faults, f"{len(there)} of {len(hashes)} recorded files are there, unchanged"


def _notebooks(study: StudyParams) -> tuple[list[str], str]:
    paths = executed_notebooks(study)
    for path in paths:
        read_executed(path)
    return [], f"{len(paths)} executed to the end"


def _after(recorded: StudyParams, results: Results) -> tuple[list[str], str]:
    """What came after the study, judged again from its forecasts there."""
    forecasts, stated = (read_table(recorded, name) for name in ("after_forecasts", "after"))
    again = after_table(forecasts, recorded, results.chosen)
    both = (
        table.astype(object).where(table.notna(), None).to_dict("records")
        for table in (stated, again)
    )
    faults = [fault.replace("results.json", "after.parquet") for fault in _stated_otherwise(*both)]
    if stated.empty:
        return faults, "the data hold too few hours after the study's end"
    until = hour(forecasts["target_time"].max())
    return faults[:_MOST_FAULTS], f"{stated['n'].max():,} hours, outcomes up to {until}"


def _readme(recorded: StudyParams, results: Results, *, has_after: bool) -> tuple[list[str], str]:
    readme = recorded.root / "README.md"
    if recorded.trial:
        return [], "a trial: README holds the study's own results"
    block = readme_block(readme, recorded.name)
    if block is None:
        return [], f"holds no results of {recorded.name}"
    blocks = {recorded.name: results_block(results, recorded.significance.coverage)}
    after = after_block(recorded) if has_after else None
    if after is not None:
        blocks[after_name(recorded.name)] = after
    if any(readme_block(readme, name) != body for name, body in blocks.items()):
        return [f"{readme.name}: other results; run `dvol readme --study {recorded.name}`"], ""
    return [], "its results are those of results.json" + (
        "" if after is None else " and of what came after the study"
    )
