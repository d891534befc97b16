"""Other parameters than those of a study's file, tried without harm to the study's run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dvol_utils.study.effective import changed, effective, flat, neutral_keys
from dvol_utils.study.files import ArtefactError
from dvol_utils.study.loading import load_study, study_from
from dvol_utils.study.params import ParameterError, StudyParams, Trial
from dvol_utils.study.tables import read_manifest
from dvol_utils.study.threads import stay_on_one_thread


def open_study(name_or_path: str | Path, overrides: Mapping[str, Any] | None = None) -> StudyParams:
    """The study as a notebook works on it, beside the study's run where that is another.

    The notebook's kernel then works on one thread, so that it finds the same bits on every machine.

    Parameters
    ----------
    name_or_path, overrides
        As `load_study` takes them.

    Returns
    -------
    StudyParams
        With the parameters of the study's file, and of the run in `runs/<study>/` where there is
        one, the notebook works there. With others it is a trial: what it makes goes to
        `runs/<study>/trials/<hash>/`, what it reads comes from there, or from the run where the
        changed parameters make no difference. The raw store is that of the run unless the overrides
        name one.

    Raises
    ------
    ParameterError
        As `load_study` raises it.
    ArtefactError
        The run's manifest is damaged.
    """
    stay_on_one_thread()
    # Asked first, since the run's raw store is read where the overrides name none.
    recorded = _recorded(load_study(name_or_path, overrides))
    study = load_study(name_or_path, _with_raw_store(overrides, recorded))
    others = _changes(study, name_or_path)
    # Another raw store is another run here: which it was is not known from its name.
    neutral = neutral_keys() - {"data.raw_dir"}
    since = {} if recorded is None else changed(effective(study), recorded, neutral=neutral)
    return _trial(study, since | others) if since or others else study


def commanded_study(
    name_or_path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    trained: str | None = None,
) -> StudyParams:
    """The study as a command works on it: overrides that change a result make it a trial.

    Parameters
    ----------
    name_or_path, overrides, trained
        As `load_study` takes them.

    Returns
    -------
    StudyParams
        With the parameters of the study's file the command works on the study's run, whatever
        that was made with. With others it works on a trial, the one that a notebook with the same
        overrides opens: `run_dir` and `report_dir` are the trial's own. A raw store in another
        place is no trial; a trial without one of its own reads that of the study's run.

    Raises
    ------
    ParameterError, ArtefactError
        As `open_study`.
    """
    study = load_study(name_or_path, overrides, trained=trained)
    if not _changes(study, name_or_path):
        return study
    given = _with_raw_store(overrides, _recorded(study))
    study = load_study(name_or_path, given, trained=trained)
    return _trial(study, _changes(study, name_or_path))


def check_made(study: StudyParams) -> None:
    """Refuse a trial that nobody has made: what is read in its place is the study's own run.

    Raises
    ------
    ArtefactError
        Says which command makes it.
    """
    if study.trial is not None and not (study.run_dir / "manifest.json").is_file():
        raise ArtefactError(
            f"{study.run_dir}: no such trial; it is made by `make report STUDY={study.name} "
            f"SET='{study.trial.settings}'`"
        )


def trial_at(folder: Path) -> StudyParams:
    """The trial that was run in `runs/<study>/trials/<hash>/`.

    Raises
    ------
    ArtefactError
        No trial was run there.
    """
    manifest = folder.resolve() / "manifest.json"
    if folder.resolve().parent.name != "trials" or not manifest.is_file():
        raise ArtefactError(
            f"{folder}: no finished trial; should be a folder runs/STUDY/trials/HASH that "
            '`make report STUDY=... SET="key=value"` has made'
        )
    # Up from runs/STUDY/trials/HASH/manifest.json.
    root = manifest.parents[4]
    file = root / "params" / f"{manifest.parents[2].name}.yaml"
    trial_study = load_study(file)
    trial_study._trial = Trial(manifest.parent.name, {})
    trial = study_from(read_manifest(trial_study)["parameters"], root)
    trial._trial = Trial(manifest.parent.name, _changes(trial, file))
    return trial


def _recorded(study: StudyParams) -> dict[str, Any] | None:
    """Parameters of the study's run, where there is one."""
    there = (study.run_dir / "manifest.json").is_file()
    return read_manifest(study)["parameters"] if there else None


def _with_raw_store(
    overrides: Mapping[str, Any] | None, recorded: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Overrides, with the raw store of the run where they name none."""
    given, raw = dict(overrides or {}), flat(recorded or {}).get("data.raw_dir")
    return given if raw is None or "data.raw_dir" in flat(given) else {**given, "data.raw_dir": raw}


def _changes(study: StudyParams, name_or_path: str | Path) -> dict[str, tuple[Any, Any]]:
    """Where a study's results may differ from those of its file, by dotted key."""
    try:
        unchanged = load_study(name_or_path)
    except ParameterError:  # a file that names no study before the overrides complete it
        return {}
    return changed(effective(study), effective(unchanged))


def _trial(study: StudyParams, changes: dict[str, tuple[Any, Any]]) -> StudyParams:
    left_out = neutral_keys() - {"data.raw_dir"}
    kept = {key: value for key, value in flat(effective(study)).items() if key not in left_out}
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
    study._trial = Trial(digest[:12], changes)
    return study
