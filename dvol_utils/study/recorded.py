"""The run that a study has: its manifest, and the parameters that it was made with."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from dvol_utils import __version__
from dvol_utils.study.files import ArtefactError, read_json
from dvol_utils.study.loading import study_from
from dvol_utils.study.params import StudyParams


def read_manifest(study: StudyParams) -> dict[str, Any]:
    """`runs/<study>/manifest.json` of a run that this version can read.

    Raises
    ------
    ArtefactError
        It is missing or damaged, or a version with other formats left it.
    """
    path = study.run_dir / "manifest.json"
    manifest = read_json(path)
    version = manifest.get("version", "before 0.2.0")
    if _formats(version) != _formats(__version__):
        raise ArtefactError(
            f"{path}: version {version} of the project left this run at commit "
            f"{manifest.get('git_commit') or 'unknown'}, this is version {__version__}: run "
            f"`make report STUDY={study.name}` again, or read it with that commit"
        )
    return manifest


def recorded_study(study: StudyParams, manifest: dict[str, Any]) -> StudyParams:
    """The parameters that the run was made with: those of the file, and overrides.

    Raises
    ------
    ArtefactError
        They are not those of this version of the code.
    """
    try:
        return study_from(manifest["parameters"], study.root)
    except (ValidationError, KeyError):
        raise ArtefactError(
            f"{study.run_dir / 'manifest.json'}: its parameters are not those of this version: run "
            f"`make report STUDY={study.name}`"
        ) from None


def _formats(version: str) -> list[str]:
    """What a version's files depend on: 0.2 of 0.2.1."""
    return version.split(".")[:2]
