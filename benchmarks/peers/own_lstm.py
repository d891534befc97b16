"""Our LSTM, in the two kinds of supervision.

`last` learns from the peers' windows in as many passes, batches of `BATCH` windows at the rate
`RATE`. `dense` learns from all hours of long sequences; a pass has a tenth of the steps, so it
trains as in the study, until it stops by itself, and has more passes to choose from.
"""

from __future__ import annotations

from typing import Any

from shared import REPEATS, Task, result, timed

from dvol_utils.models.networks import build_network
from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.samples import Samples
from dvol_utils.study.params import StudyParams
from dvol_utils.training import fit_network, predict_rows
from dvol_utils.training.sequences import build_sequences

NAME = "ours"
BATCH, RATE = 128, 1e-4


def run(task: Task, samples: Samples, study: StudyParams) -> dict[str, Any]:
    """Train, forecast the validation rows, and say how fast and how well."""
    mode = {"supervision": task.program, "precision": task.precision}
    if task.program == "last":
        mode |= {"batch_size": BATCH, "learning_rate": RATE}
        mode |= {"epochs": task.passes, "patience": task.passes}
    study = study.model_copy(update={"training": study.training.model_copy(update=mode)})
    training, rows = study.training, samples.rows("validation")
    network = build_network(task.model, len(feature_columns(study.features.groups)), task.seed)
    history, seconds = timed(lambda: fit_network(network, samples, study, seed=task.seed), task)
    data = build_sequences(samples, study)
    forecast, forecast_seconds = timed(
        lambda: predict_rows(network, data, rows, training), task, REPEATS
    )
    unit = "windows" if task.program == "last" else f"x {training.chunk_hours} hours"
    return result(
        network,
        samples,
        forecast,
        seconds=seconds,
        forecast_rate=len(rows) / forecast_seconds,
        passes=len(history),
        windows=len(history) * len(samples.rows("train")),
        batch=f"{training.batch_size} {unit}",
    )
