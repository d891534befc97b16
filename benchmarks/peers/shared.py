"""What the programs compared have in common: the rows, the series made of them, and the scores."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from torch import nn

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated.market import write_store
from dvol_utils.jumps import detect_jumps
from dvol_utils.models.lstm import LADDER
from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.samples import Samples, build_samples
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import StudyParams

T = TypeVar("T")
INFERENCE_BATCH = 1024  # windows
REPEATS = 3  # of the forecasts; the fastest counts


@dataclass(frozen=True)
class Task:
    """One network to be trained: of which program, how large, how long, on how many threads."""

    program: str
    model: str
    precision: str
    passes: int
    seed: int
    threads: int


def load_samples(
    name: str, raw: Path | None, overrides: dict[str, Any]
) -> tuple[Samples, StudyParams]:
    """A study's samples, from a raw store in place of its own where one is given."""
    overrides = overrides | {"training.devices": "cpu"}
    if raw:
        overrides["data.raw_dir"] = str(raw.resolve())
    study = load_study(name, overrides)
    if raw and study.is_simulated:
        raise SystemExit(
            f"--raw {raw}: study {study.name} simulates its data; choose one that reads a raw "
            "store, e.g. bitcoin"
        )
    with tempfile.TemporaryDirectory() as folder:
        raw_dir = study.raw_dir
        if study.is_simulated:
            raw_dir = Path(folder)
            write_store(raw_dir, study.data)
        panel = build_panel(raw_dir, study.data)
    return build_samples(panel, detect_jumps(panel, study.jumps), study), study


def hourly_table(samples: Samples, study: StudyParams, first: int, last: int) -> pd.DataFrame:
    """The hours that windows and targets of the rows `first` to `last` reach, as a peer's series.

    `y` is our target, at the hour at which it is known, `weight` that of its squared error (0 where
    we learn from no such row); the other columns are the inputs of that hour.
    """
    weight = np.zeros(len(samples.target))
    for rows in (samples.rows("train"), samples.rows("validation")):
        weight[rows] = samples.loss_weights(study.training.jump_weight)[rows]
    hours = np.arange(first - study.training.window_hours + 1, last + samples.horizon + 1)
    known = hours - samples.horizon  # the origin whose target an hour brings
    inputs = samples.features[feature_columns(study.features.groups)].iloc[hours].fillna(0.0)
    inputs = inputs.set_axis(samples.times[hours].tz_localize(None)).astype(np.float32)
    target = np.nan_to_num(samples.target[known])
    known_then = {"y": target.astype(np.float32), "weight": weight[known].astype(np.float32)}
    return inputs.assign(**known_then)


def result(
    network: nn.Module,
    samples: Samples,
    forecast: np.ndarray,
    *,
    seconds: float,
    forecast_rate: float,
    passes: int,
    windows: int,
    batch: str,
) -> dict[str, Any]:
    """What is shown of a network: `forecast` is of the scaled target at the validation rows."""
    return {
        "parameters": sum(value.numel() for value in network.parameters()),
        "batch": batch,
        "passes": passes,
        "training": windows / seconds,
        "seconds": seconds,
        "forecast": forecast_rate,
        "skill": skill(samples, forecast),
    }


def size_name(model: str) -> str:
    """Hidden units and layers, e.g. 128 x 2."""
    return f"{LADDER[model]['hidden_size']} x {LADDER[model]['num_layers']}"


def timed(work: Callable[[], T], task: Task, repeats: int = 1) -> tuple[T, float]:
    """What `work` returns, and the seconds of the fastest of some repeats.

    CPU seconds, where there is one thread; with more, some of them only wait.
    """
    clock = time.process_time if task.threads == 1 else time.perf_counter
    best = math.inf
    for _ in range(repeats):
        started = clock()
        values = work()
        best = min(best, clock() - started)
    return values, best


def skill(samples: Samples, forecast: np.ndarray) -> float:
    """1 - squared errors / those of persistence, in index points, over the validation rows."""
    rows = samples.rows("validation")
    outcome, points = samples.outcome[rows], samples.to_points(forecast, rows)
    return 1 - np.sum((points - outcome) ** 2) / np.sum((samples.dvol[rows] - outcome) ** 2)
