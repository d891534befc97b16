"""The leak-free twin of a study of the published rules, and the same twin with one flaw."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dvol_utils.data.panel import build_panel
from dvol_utils.forecasting.forecast_rows import forecast_rows
from dvol_utils.forecasting.walk import fit_networks
from dvol_utils.jumps import jumps_by_rule, published_jumps
from dvol_utils.models.linear import RidgeForecaster
from dvol_utils.samples.features import build_features
from dvol_utils.samples.samples import Samples, build_samples
from dvol_utils.samples.scaling import OWN_PAST
from dvol_utils.study.fitting_section import FeatureParams, JumpParams, SplitParams, TargetParams
from dvol_utils.study.params import StudyParams
from dvol_utils.training import NetworkForecaster, TrainingError
from dvol_utils.training.processes.many import Failure

LEAK_FREE = "Leak-free"
VARIANT_GROUPS = ["published", "calendar"]
RIDGE, NETWORK, HAR = "ridge", "lstm_baseline", "har_calendar"

# name: (overrides of the twin, what else is done to it)
_FLAWED: dict[str, tuple[dict[str, Any], str]] = {
    LEAK_FREE: ({}, ""),
    "Published jump rule": ({"jumps.rule": "published"}, ""),
    "Jump thresholds of training rows": ({"jumps.rule": "published"}, "early thresholds"),
    "Scaled by all rows": ({}, "scaled by all"),
    "Scaled by training rows": ({}, "scaled by training"),
    "Target scaled by its own window": ({"target.kind": "scaled_level"}, ""),
    "Target scaled at the origin": (
        {"target.kind": "scaled_level", "target.scaled_at": "origin"},
        "",
    ),
    "On-chain lag 0": ({"data.publication_lag_hours": 0}, ""),
    "On-chain from the day's start": ({"data.publication_lag_hours": -24}, ""),
    "Hours dropped": ({"data.incomplete_bars": "drop"}, ""),
}
# A flaw, and the variant that differs from it by the flaw alone.
PAIRS = (
    ("Published jump rule", LEAK_FREE),
    ("Published jump rule", "Jump thresholds of training rows"),
    ("Scaled by all rows", "Scaled by training rows"),
    ("Target scaled by its own window", "Target scaled at the origin"),
    ("On-chain lag 0", LEAK_FREE),
    ("On-chain from the day's start", LEAK_FREE),
    ("Hours dropped", LEAK_FREE),
)


def leak_free(study: StudyParams) -> StudyParams:
    """The study with leak-free rules: its data, dates of the splits and seeds, nothing else."""
    defaults = {
        "incomplete_bars": "keep",
        "start": None,
        "publication_lag_hours": type(study.data).model_fields["publication_lag_hours"].default,
    }
    judgement = study.judgement
    training = {
        "supervision": "dense",
        **judgement.model_dump(exclude={"seeds"}),
        "seeds": judgement.seeds,
    }
    twin = study.model_copy(
        update={
            "data": study.data.model_copy(update=defaults),
            "split": SplitParams(**study.split.model_dump(exclude={"separate_scaling"})),
            "jumps": JumpParams(),
            "features": FeatureParams(groups=VARIANT_GROUPS),
            "target": TargetParams(),
            "training": study.training.model_copy(update=training),
        }
    )
    # Set again: a copy with other sections should read the same folders.
    twin._root = study.root
    return twin


def dense(study: StudyParams) -> StudyParams:
    """The study with dense supervision, its own rules and seeds, trained as the page says."""
    judgement = study.judgement.model_dump(exclude={"seeds"})
    update = {"training": study.training.model_copy(update={"supervision": "dense", **judgement})}
    changed = study.model_copy(update=update)
    changed._root = study.root
    return changed


def with_values(study: StudyParams, changes: Mapping[str, Any]) -> StudyParams:
    """The study with some values of its sections, `section.key`, replaced."""
    sections: dict[str, Any] = {}
    for key, value in changes.items():
        section, _, name = key.partition(".")
        held = sections.get(section, getattr(study, section))
        sections[section] = held.model_copy(update={name: value})
    changed = study.model_copy(update=sections)
    changed._root = study.root
    return changed


def variant_forecasts(study: StudyParams) -> pd.DataFrame:
    """Test forecasts of the leak-free twin and of the twin with each flaw.

    Parameters
    ----------
    study : StudyParams
        A study of the published rules.

    Returns
    -------
    DataFrame
        Rows of the forecast table with `variant`. Models are ridge on the published inputs and
        the calendar, the smallest network on the same and, leak-free only, `har_calendar`.
    """
    tables, networks, places = [], [], []
    for name, (changes, extra) in _FLAWED.items():
        samples, twin = variant_samples(study, changes, extra)
        regressions = {RIDGE: VARIANT_GROUPS} | (
            {HAR: ["har", "calendar"]} if name == LEAK_FREE else {}
        )
        for model, groups in regressions.items():
            ridge = RidgeForecaster(groups)
            ridge.fit(samples)
            rows = scored_rows(samples, ridge.predict(samples), model)
            tables.append(rows.assign(variant=name))
        for seed in twin.training.seeds:
            networks.append((judged_network(twin, NETWORK, seed, name), samples))
            places.append((name, seed))
    forecasts = network_forecasts(networks, study)
    for (name, seed), (_, samples), forecast in zip(places, networks, forecasts, strict=True):
        tables.append(scored_rows(samples, forecast, NETWORK, seed).assign(variant=name))
    return pd.concat(tables, ignore_index=True)


def variant_samples(
    study: StudyParams, changes: Mapping[str, Any], extra: str = ""
) -> tuple[Samples, StudyParams]:
    """Samples of the leak-free twin with some values changed."""
    twin = with_values(leak_free(study), changes)
    panel = build_panel(twin.raw_dir, twin.data)
    before = twin.split.validation_start if extra == "early thresholds" else None
    # Thresholds of earlier rows alone: what is left of the rule without its look ahead.
    early = before is not None
    jumps = published_jumps(panel, before=before) if early else jumps_by_rule(panel, twin.jumps)
    samples = build_samples(panel, jumps, twin)
    if extra.startswith("scaled by"):
        raw = build_features(panel, jumps, twin)
        rows = slice(None) if extra == "scaled by all" else samples.rows("train")
        samples = fixed_scaling(samples, raw, rows, twin.features.clip)
    return samples, twin


def fixed_scaling(
    samples: Samples, raw: pd.DataFrame, rows: np.ndarray | slice, clip: float
) -> Samples:
    """Columns without natural units scaled by mean and deviation of `rows`, not of their past."""
    scaled = samples.features.copy()
    for name in OWN_PAST:
        fitted = raw[name].iloc[rows]
        scaled[name] = ((raw[name] - fitted.mean()) / fitted.std()).clip(-clip, clip)
    return dataclasses.replace(samples, features=scaled)


def judged_network(study: StudyParams, model: str, seed: int, folder: str) -> NetworkForecaster:
    """A network of the page on the published numbers, not yet fitted."""
    checkpoint = judged_checkpoint(study, folder, model, seed)
    return NetworkForecaster(model, study, seed=seed, checkpoint=checkpoint)


def network_forecasts(
    networks: Sequence[tuple[NetworkForecaster, Samples]], study: StudyParams
) -> list[np.ndarray]:
    """Forecasts of networks, trained side by side or read from their checkpoints.

    Raises
    ------
    TrainingError
        One of them could not be trained; the page needs all.
    """
    forecasts = fit_networks(networks, study, log=lambda line: None)
    for (network, _), forecast in zip(networks, forecasts, strict=True):
        if isinstance(forecast, Failure):
            raise TrainingError(f"{network.checkpoint}: {forecast.error}")
    return forecasts


def judged_checkpoint(study: StudyParams, folder: str, model: str, seed: int) -> Path:
    """Where a network of the page on the published numbers lies."""
    # A name for readers is no name of a folder.
    place = "".join(c if c.isalnum() else "_" for c in folder.lower())
    return study.run_dir / "judgement" / place / model / str(seed)


def scored_rows(
    samples: Samples,
    forecast: np.ndarray,
    model: str,
    seed: int = 0,
    splits: tuple[str, ...] = ("test",),
) -> pd.DataFrame:
    """The forecast table's rows of the scored hours of some splits; `forecast` is of all hours."""
    rows = np.concatenate([samples.rows(split) for split in splits])
    return forecast_rows(samples, rows, forecast[rows], model=model, seed=seed)
