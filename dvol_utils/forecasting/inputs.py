"""What a study's models read, and what they lose where something of it is not there."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from dvol_utils.forecasting.forecasters import make_forecaster
from dvol_utils.samples.features import FEATURE_SOURCES, GROUPS, absent_features
from dvol_utils.samples.releases import release_notes
from dvol_utils.samples.samples import Samples
from dvol_utils.study.model_names import ENSEMBLE, label
from dvol_utils.study.params import StudyParams


def model_inputs(study: StudyParams, model: str) -> dict[str, list[str]]:
    """Input columns by model: of one, or of each that the ensemble combines."""
    names = [model]
    if model == ENSEMBLE:
        names = [name for name in study.ensemble.members if name in study.models]
    return {name: list(getattr(make_forecaster(name, study), "columns", [])) for name in names}


def readers(study: StudyParams, models: Iterable[str], columns: Iterable[str]) -> list[str]:
    """Those of some models that read one of some input columns, themselves or by a member."""
    wanted = set(columns)
    return [
        name
        for name in models
        if any(wanted & set(read) for read in model_inputs(study, name).values())
    ]


def absent_inputs(study: StudyParams, samples: Samples) -> dict[str, str]:
    """Why some of a study's models cannot be fitted: the series that they read is not there.

    Returns
    -------
    dict
        A reason by model. The ensemble has one only where none of its members can be fitted.
    """
    absent = set(absent_features(samples.features))
    reasons = {}
    for model in study.models if absent else []:
        lacking = [
            [name for name in columns if name in absent]
            for columns in model_inputs(study, model).values()
        ]
        if all(lacking):
            sources = dict.fromkeys(
                FEATURE_SOURCES[name] for columns in lacking for name in columns
            )
            reasons[model] = (
                f"reads {', '.join(lacking[0])}, and the data holds no {', '.join(sources)}"
            )
    return reasons


def cost_of(study: StudyParams, columns: Iterable[str]) -> str:
    """Columns of the raw store that are not there, and which models have no forecast for it."""
    names = list(columns)
    features = [name for name, source in FEATURE_SOURCES.items() if source in names]
    models = [label(name) for name in readers(study, study.models, features)] if features else []
    lost = f"{', '.join(models)} cannot be fitted" if models else "no model reads it"
    return f"{', '.join(names)} ({lost})"


def release_sentences(
    study: StudyParams, models: Iterable[str], first: pd.Timestamp, last: pd.Timestamp
) -> list[str]:
    """What some models do not know of releases of news in hours from `first` to `last` (UTC).

    No sentence where none of them reads the calendar of releases, or where it lacks nothing.
    """
    names = readers(study, models, GROUPS["macro"])
    notes = release_notes(first, last) if names else []
    return [*notes, f"It matters to {', '.join(map(label, names))}."] if notes else []
