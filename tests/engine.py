"""A small network to train, and what training leaves."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from market import small_jumps, small_panel, small_study
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dvol_utils.samples.samples import Samples, build_samples
from dvol_utils.study.params import StudyParams
from dvol_utils.training import NetworkForecaster
from dvol_utils.training.processes.job import write_job

# The learning rate is halved on the way, and patience ends it long before the last epoch.
ENDS_EARLY = {
    "training.epochs": 40,
    "training.patience": 4,
    "training.lr_patience": 1,
    "training.learning_rate": 0.02,
    "training.precision": "float32",
    "training.keep_seconds": 0,
    "features.groups": ["har"],
}
# Of a finished checkpoint, all but times; the same bytes wherever and however often it began.
LASTING = ("model.safetensors", "config.json", "history.csv")


def tiny_study(**overrides: Any) -> StudyParams:
    return small_study(**{**ENDS_EARLY, **overrides})


@functools.cache
def tiny_samples() -> Samples:
    study = tiny_study()
    panel = small_panel()
    return build_samples(panel, small_jumps(panel, study), study)


def tiny_forecaster(folder: Path, seed: int = 3, **overrides: Any) -> NetworkForecaster:
    return NetworkForecaster(
        "lstm_baseline", tiny_study(**overrides), seed=seed, checkpoint=folder / "checkpoint"
    )


def tiny_job(folder: Path, samples: Samples | None = None, **overrides: Any) -> Path:
    """A job for `trainers.train`, whose checkpoint goes into the same folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_job(folder, tiny_forecaster(folder, **overrides), samples or tiny_samples())
    return folder


def left(folder: Path) -> dict[str, bytes]:
    """What a finished training left that must always be the same."""
    return {name: (folder / "checkpoint" / name).read_bytes() for name in LASTING}


def config(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "checkpoint/config.json").read_text())


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    """TensorBoard's steps and values."""
    events = EventAccumulator(str(folder / "checkpoint"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]
