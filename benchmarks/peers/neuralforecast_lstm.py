"""neuralforecast's LSTM on our windows, with the settings that served it best here.

- Its series is our target, dated by the hour at which it is known, without a scaler of its own; its
  past 24 values are an input beside ours (`hist_exog_list`).
- It forecasts 24 steps at once (`recurrent=False`). Its loss counts the last step alone
  (`horizon_weight`), which is what is scored, and the only one for which it sees the whole window;
  `available_mask` carries the weights.
- A decoder of our head's width; batches of `BATCH` windows at the rate `RATE`, which did best on
  validation rows of the real data in five passes of 128 x 2 (of 32 to 1,024 windows, 5e-5 to 1e-3,
  and a loss on the last step or on all). Its windows are drawn at random for each step, so a pass
  is as many steps as the windows fill.
"""

from __future__ import annotations

import importlib.metadata
import math
from typing import Any

import numpy as np
import torch
from neuralforecast.losses.pytorch import MSE
from neuralforecast.models import LSTM
from neuralforecast.tsdataset import TimeSeriesDataset
from shared import INFERENCE_BATCH, REPEATS, Task, hourly_table, result, timed
from trainer import quiet, trainer_options

from dvol_utils.models.lstm import LADDER
from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.samples import Samples
from dvol_utils.study.params import StudyParams

NAME = f"neuralforecast {importlib.metadata.version('neuralforecast')} LSTM"
BATCH, RATE = 256, 1e-4


def peer_series(samples: Samples, study: StudyParams) -> tuple[TimeSeriesDataset, int]:
    """Our rows as the peer's series, and how many hours at its end are for validation."""
    first, last = samples.rows("train")[0], samples.rows("validation")[-1]
    table = hourly_table(samples, study, first, last).rename(columns={"weight": "available_mask"})
    frame = table.rename_axis("ds").reset_index().assign(unique_id=samples.asset)
    validation_hours = last + samples.horizon - samples.rows("validation")[0]
    return TimeSeriesDataset.from_df(frame)[0], int(validation_hours)


def build(task: Task, samples: Samples, study: StudyParams, steps: int) -> LSTM:
    """The peer's network with its trainer, `steps` a pass."""
    horizon, training, size = samples.horizon, study.training, LADDER[task.model]
    return LSTM(
        h=horizon,
        input_size=training.window_hours,
        recurrent=False,
        encoder_n_layers=size["num_layers"],
        encoder_hidden_size=size["hidden_size"],
        encoder_dropout=size["dropout"],
        decoder_layers=2,
        decoder_hidden_size=size["hidden_size"] // 2,
        hist_exog_list=feature_columns(study.features.groups),
        loss=MSE(horizon_weight=torch.eye(horizon)[-1]),
        scaler_type="identity",
        learning_rate=RATE,
        optimizer=torch.optim.Adam,
        optimizer_kwargs={"weight_decay": training.weight_decay},
        max_steps=task.passes * steps,
        val_check_steps=steps,
        windows_batch_size=BATCH,
        inference_windows_batch_size=INFERENCE_BATCH,
        random_seed=task.seed,
        **trainer_options(task.precision, training, "ptl/val_loss"),
    )


def run(task: Task, samples: Samples, study: StudyParams) -> dict[str, Any]:
    """Train, forecast the validation rows, and say how fast and how well."""
    quiet()
    rows = samples.rows("validation")
    steps = math.ceil(len(samples.rows("train")) / BATCH)

    def fit() -> tuple[LSTM, TimeSeriesDataset]:
        dataset, validation_hours = peer_series(samples, study)
        model = build(task, samples, study, steps)
        model.fit(dataset, val_size=validation_hours)
        model.set_test_size(validation_hours)
        return model, dataset

    (model, dataset), seconds = timed(fit, task)
    steps_ahead, forecast_seconds = timed(
        lambda: model.predict(dataset, step_size=1), task, REPEATS
    )
    forecast = np.full(len(samples.target), np.nan)
    forecast[rows[0] : rows[-1] + 1] = steps_ahead.reshape(-1, samples.horizon)[:, -1]
    return result(
        model,
        samples,
        forecast[rows],
        seconds=seconds,
        forecast_rate=(rows[-1] + 1 - rows[0]) / forecast_seconds,
        passes=task.passes,
        windows=task.passes * steps * BATCH,
        batch=f"{BATCH} windows",
    )
