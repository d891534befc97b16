"""Whether what a run has left can still be used, asked before Make takes it for finished.

By the readers that every command reads with, so that what one of them refuses, `make report` makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from dvol_utils.forecasting.forecasters import saved_folder, saved_hash
from dvol_utils.report.execute import read_executed
from dvol_utils.results.results_json import read_results
from dvol_utils.study.effective import changed, effective
from dvol_utils.study.files import ArtefactError
from dvol_utils.study.model_names import ENSEMBLE, NETWORK_NAMES
from dvol_utils.study.params import StudyParams
from dvol_utils.study.stages import STAGES, TRAINING, Stage, study_notebooks
from dvol_utils.study.tables import read_manifest, read_table
from dvol_utils.training.checkpoints.sealed import check_file, read_sealed


def forget_unsound(study: StudyParams, log: Callable[[str], None] = print) -> None:
    """Remove executed notebooks whose results are lost, damaged or stale: Make runs them again.

    Parameters
    ----------
    study : StudyParams
    log : callable
        Is told each stage that will run again, and why.

    Raises
    ------
    CheckpointError
        A checkpoint was changed or cut short. It is for its owner to say whether it is restored, or
        deleted and trained again.
    """
    executed = [study.run_dir / "notebooks" / path.name for path in study_notebooks(study)]
    executed = [path for path in executed if path.is_file()]
    if executed and (fault := _manifest_fault(study)):
        log(f"every stage runs again: {fault}")
        for path in executed:
            path.unlink()
        return
    stages = {stage.name: stage for stage in STAGES}
    for path in executed:
        try:
            check_stage(stages.get(path.stem, Stage(path.stem)), path, study)
        except ArtefactError as error:
            # Without the advice to run Make: it is Make that runs.
            log(f"{path.stem} runs again: {re.split('[:;] run `make', str(error))[0]}")
            path.unlink()
    index = study.report_dir / "index.html"
    if index.is_file() and (lost := list(_lost_pages(study, index))):
        log(f"the site is built again: {lost[0]} is missing or cut short")
        index.unlink()


def _manifest_fault(study: StudyParams) -> str | None:
    """Why the manifest says nothing of this run; one that cannot be read is removed."""
    path = study.run_dir / "manifest.json"
    try:
        recorded = read_manifest(study)["parameters"]
    except ArtefactError as error:
        path.unlink(missing_ok=True)
        return str(error)
    others = changed(effective(study), recorded)
    return f"{path} is of other parameters ({', '.join(others)})" if others else None


def check_stage(stage: Stage, path: Path, study: StudyParams) -> None:
    """Raise ArtefactError unless all that a stage leaves is there, whole, and of this run."""
    read_executed(path)
    manifest = read_manifest(study)
    if stage in STAGES and stage.name not in manifest["stages"]:
        raise ArtefactError(f"manifest.json has nothing of {stage.name}")
    # Read for its refusals: damaged, of other parameters, of an older panel.
    for table in stage.tables:
        read_table(study, table.name)
    if "results.json" in stage.files:
        from dvol_utils.report.site import same_run  # which loads all that pages are made of

        same_run(study, read_results(study), manifest)
    if stage == TRAINING:
        _check_checkpoints(path, study)


def _check_checkpoints(executed: Path, study: StudyParams) -> None:
    """Raise ArtefactError where a model is lost, or is not the one that made the forecasts.

    Bytes of files that are older than the end of their stage are not read again.
    """
    forecasts = read_table(study, "forecasts")
    noted = read_manifest(study)["stages"][TRAINING.name].get("checkpoints", {})
    made = executed.stat().st_mtime
    rows = forecasts.loc[forecasts["model"] != ENSEMBLE, ["model", "seed", "fold"]]
    for row in rows.drop_duplicates().itertuples(index=False):
        folder = saved_folder(study, row.model, int(row.seed), int(row.fold))
        files = [folder / name for name in ("config.json", "model.safetensors")]
        if not all(file.is_file() for file in files):
            raise ArtefactError(f"{folder} holds no fitted model")
        found = saved_hash(folder)
        # Runs of earlier versions noted no hashes.
        if noted.get(f"{row.model}/{folder.name}", found) != found:
            raise ArtefactError(f"{folder} holds another model than the forecasts were made by")
        # Files that nobody has touched since need no second hashing of all their bytes.
        if all(file.stat().st_mtime <= made for file in files):
            continue
        if row.model in NETWORK_NAMES:
            from dvol_utils.training.checkpoints.networks import read_config  # with torch

            read_config(folder)
        else:
            check_file(files[1], read_sealed(files[0])["state_sha256"])


def _lost_pages(study: StudyParams, index: Path) -> Iterator[Path]:
    pages = [index.with_name(f"{path.stem}.html") for path in study_notebooks(study)]
    for page in (*pages, index):
        # A page that was cut short has lost its end.
        if not page.is_file() or not page.read_bytes().rstrip().endswith(b"</html>"):
            yield page
