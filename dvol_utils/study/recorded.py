"""The parameters that a study's run was made with."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from dvol_utils.study.files import ArtefactError
from dvol_utils.study.loading import study_from
from dvol_utils.study.params import StudyParams


def recorded_study(study: StudyParams, manifest: dict[str, Any]) -> StudyParams:
    """The parameters that the run was made with: those of the file, and overrides.

    Raises
    ------
    ArtefactError
        They are not those of this version of the code.
    """
    try:
        recorded = study_from(manifest["parameters"], study.root)
    except (ValidationError, KeyError):
        raise ArtefactError(
            f"{study.run_dir / 'manifest.json'}: its parameters are not those of this version: run "
            f"`make report STUDY={study.name}`"
        ) from None
    # Private attributes are no parameters, and so not in the manifest.
    recorded._trial = study.trial
    return recorded
