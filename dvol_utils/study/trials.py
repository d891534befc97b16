"""Other parameters than those of a study's run, tried in a notebook without harm to the run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dvol_utils.study.effective import changed, effective, flat, neutral_keys
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import StudyParams, Trial
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
        With the parameters of the run in `runs/<study>/`, as its manifest has them, the notebook
        works there. With others it is a trial: what it makes goes to
        `runs/<study>/trials/<hash>/`, what it reads comes from there, or from the run where the
        changed parameters make no difference. Before there is a run, overrides make the trial.
        The raw store is that of the run unless the overrides name one.

    Raises
    ------
    ParameterError
        As `load_study` raises it.
    ArtefactError
        The run's manifest is damaged.
    """
    stay_on_one_thread()
    study = load_study(name_or_path, overrides)
    manifest = study.run_dir / "manifest.json"
    recorded = read_manifest(study)["parameters"] if manifest.is_file() else None
    raw = flat(recorded or {}).get("data.raw_dir")
    if raw is not None and "data.raw_dir" not in flat(overrides or {}):
        study = load_study(name_or_path, {**(overrides or {}), "data.raw_dir": raw})
    now = effective(study)
    then = effective(load_study(name_or_path)) if recorded is None else recorded
    # Another raw store is another run here: which it was is not known from its name.
    neutral = neutral_keys() - {"data.raw_dir"}
    changes = changed(now, then, neutral=neutral)
    if changes:
        kept = {key: value for key, value in flat(now).items() if key not in neutral}
        digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
        study._trial = Trial(digest[:12], changes)
    return study
