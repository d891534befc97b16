"""A study as a command line names it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

# What reads a study stands in the functions: `dvol --help` does without pandas and pydantic.
if TYPE_CHECKING:
    import pandas as pd

    from dvol_utils.study.params import StudyParams

Study = Annotated[str, typer.Option(help="A file of params/, without .yaml.")]
Raw = Annotated[Path | None, typer.Option(help="Folder of the raw store (data.raw_dir).")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A parameter, e.g. training.epochs=3."),
]


def study_of(
    name: str, raw: Path | None, settings: list[str] | None, trained: str | None = None
) -> StudyParams:
    """The study that `--study`, `--raw` and `--set` name; a trial where they change a result."""
    from dvol_utils.study.trials import commanded_study

    study = commanded_study(name, overrides_of(name, raw, settings), trained=trained)
    check_raw_dir(study, raw)
    return study


def trained_study(
    name: str, raw: Path | None, settings: list[str] | None, model: str, devices: str | None
) -> StudyParams:
    """As `study_of`, where `--devices` is no trial: the study's own network, wherever it learns."""
    # Devices change where a network learns, not what: no trial, and so no run of its own.
    study = study_of(name, raw, settings, trained=model)
    if devices is None:
        return study
    there = [*(settings or []), f"training.devices={devices}"]
    training = study_of(name, raw, there, trained=model).training
    return study.model_copy(update={"training": training})


def overrides_of(name: str, raw: Path | None, settings: list[str] | None) -> dict[str, Any]:
    """What `--raw` and `--set` put in place of a study's parameters.

    A folder that is named from here is named from the project, so that both may be moved together.
    """
    from dvol_utils.study.loading import study_file
    from dvol_utils.study.settings import parse_settings

    overrides = parse_settings(settings or [])
    if raw is not None:
        root = study_file(name).parent.parent
        overrides["data.raw_dir"] = str(raw if raw.is_absolute() else os.path.relpath(raw, root))
    return overrides


def check_raw_dir(study: StudyParams, raw: Path | None) -> None:
    """Refuse a `--raw` that the study would not read, or that is not there."""
    from dvol_utils.study.params import ParameterError

    if raw is None:
        return
    if study.is_simulated:
        raise ParameterError(
            f"study {study.name}: a raw store {str(raw)!r} was given, but data.source is "
            "simulated; choose a study with data.source: raw_store"
        )
    if not raw.is_dir():
        raise ParameterError(f"{raw}: no such folder; should hold the raw store's CSV files")


def time_of(text: str | None, option: str) -> pd.Timestamp | None:
    """The moment that an option of the command line names, or `now`; None where it is not given."""
    from dvol_utils.study.params import ParameterError
    from dvol_utils.study.times import read_time

    if text is None:
        return None
    try:
        return read_time(text, now=True)
    except ValueError as error:
        raise ParameterError(f"{option}: found {text!r}; {error}") from None
