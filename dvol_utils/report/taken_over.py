"""Stages of a study's run that a trial takes over, since its parameters do not reach them.

What may be reached is told by reading the code, as in `study.source_code`: too much of it costs a
run too many, and nothing that is reached is taken over.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nbformat import NotebookNode
from papermill.translators import translate_parameters

from dvol_utils.report.display import header_html
from dvol_utils.report.execute import read_executed, write_executed
from dvol_utils.report.sound import check_stage
from dvol_utils.study.effective import changed, effective, neutral_keys
from dvol_utils.study.files import ArtefactError, link_or_copy, replacing
from dvol_utils.study.lock import RunBusyError, run_lock
from dvol_utils.study.params import StudyParams
from dvol_utils.study.recorded import recorded_study
from dvol_utils.study.source_code import PACKAGE, imported_files, words_of
from dvol_utils.study.stages import MADE_BY, STAGES, Stage
from dvol_utils.study.tables import (
    claim,
    package_versions,
    read_manifest,
    sections_of,
    take_facts,
)
from dvol_utils.training.checkpoints.sealed import CheckpointError

_HEADER = '<p class="study">'
_NOTICE = (
    '<p class="trial" role="note">Taken over from the study\'s run: what the trial changes does '
    "not reach this page.</p>"
)


def take_over(source: Path, target: Path, study: StudyParams) -> bool:
    """Take what a study's run has left of a stage into a trial, where it would be the same.

    Parameters
    ----------
    source : Path
        The stage's notebook.
    target : Path
        The executed notebook of the trial.
    study : StudyParams
        The trial. Its run's files stay as they are; the trial's are links to them.

    Returns
    -------
    bool
        Whether it could be taken over. If not, nothing was done.
    """
    stage = next((stage for stage in STAGES if stage.name == source.stem), None)
    if stage is None:  # of which nobody knows what it reads
        return False
    run = study.model_copy()
    run._trial = None
    doing = f"a trial that takes over {stage.name}"
    try:
        with run_lock(study.run_dir, doing), run_lock(run.run_dir, doing, shared=True):
            manifest = read_manifest(run)
            keys = changed(effective(study), manifest["parameters"], neutral=_neutral())
            run = recorded_study(run, manifest)
            if is_reached(source, stage, keys) or not _is_current(source, stage, run, manifest):
                return False
            claim(study)
            _take(stage, target, study, run)
            take_facts(study, stage.name, manifest)
    except (ArtefactError, CheckpointError, RunBusyError):
        return False
    return True


def is_reached(source: Path, stage: Stage, keys: Iterable[str]) -> bool:
    """Whether changed parameters, by dotted keys, may change what a stage leaves or shows.

    Asked of the stage and of all that it reads from. They may where one leaves a table made by
    their section, or where its code has words for both section and key. They also may where one
    leaves or reads what tells of the whole run.
    """
    before = _stages_before(stage)
    if any(one.files or "manifest.json" in one.reads for one in before):
        return True
    declared = {part for one in before for table in one.tables for part in sections_of(table.name)}
    notebooks = (source.with_name(f"{one.name}.ipynb") for one in before)
    words = [words_of(notebook) for notebook in notebooks]
    # Section and key both: a key's name alone stands in many places.
    for key in keys:
        parts = key.split(".")
        if parts[0] in declared or any({parts[0], parts[-1]} <= said for said in words):
            return True
    return False


def _stages_before(stage: Stage) -> list[Stage]:
    """The stage and all whose tables or files it reads, through others too."""
    files = {file: one for one in STAGES for file in one.files}
    reached, waiting = [], [stage]
    while waiting:
        one = waiting.pop()
        if one not in reached:
            reached.append(one)
            waiting += [
                files.get(name) or MADE_BY[name] for name in one.inputs if name != "manifest.json"
            ]
    return reached


def _neutral() -> frozenset[str]:
    """Another raw store is another run: its content is not known by its name."""
    return neutral_keys() - {"data.raw_dir"}


def _is_current(source: Path, stage: Stage, run: StudyParams, manifest: dict) -> bool:
    """Whether the run's stage is whole, and younger than its code, its tables and the packages."""
    executed = _executed(source, run)
    # Another version of a library may give other numbers.
    if not executed.is_file() or manifest["packages"] != package_versions():
        return False
    check_stage(stage, executed, run)
    inputs = [run.run_dir / f"{name}.parquet" for name in stage.inputs if name in MADE_BY]
    needs = [source, *imported_files(source), PACKAGE.parent / "constraints.txt", *inputs]
    made = executed.stat().st_mtime_ns
    return all(file.stat().st_mtime_ns <= made for file in needs if file.is_file())


def _executed(source: Path, run: StudyParams) -> Path:
    return run.run_dir / "notebooks" / source.name


def _take(stage: Stage, target: Path, study: StudyParams, run: StudyParams) -> None:
    study.run_dir.mkdir(parents=True, exist_ok=True)
    for table in stage.tables:
        place = study.run_dir / f"{table.name}.parquet"
        place.unlink(missing_ok=True)
        link_or_copy(run.run_dir / place.name, place)
    notebook = read_executed(_executed(target, run))
    _tell_trial(notebook, study)
    with replacing(target) as temporary:
        write_executed(notebook, temporary)


def _tell_trial(notebook: NotebookNode, study: StudyParams) -> None:
    """Have an executed notebook say which trial it stands in, in its header and parameters."""
    assert study.trial is not None
    given = {key: now for key, (now, _) in study.trial.changes.items()}
    parameters = {"study": study.name, "overrides": given}
    notebook.metadata.setdefault("papermill", {})["parameters"] = parameters
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.source = translate_parameters("python3", "python", parameters, "Parameters")
        for output in cell.get("outputs", []):
            shown = output.get("data", {}).get("text/html", "")
            # nbformat holds a text as one string or as a list of lines.
            if "".join(shown).startswith(_HEADER):
                output["data"]["text/html"] = f"{header_html(study)}\n{_NOTICE}"
