"""darts' BlockRNNModel on our windows, with the settings that served it best here.

- Its series is our target, dated by the hour at which it is known; its past 24 values are an input
  beside ours (`past_covariates`), as for neuralforecast.
- It forecasts one step, 24 hours on (`output_chunk_shift`). With 24 steps at once the last step
  would do as well, the loss on the others could not be left out, and 24 times as many forecasts
  would be made.
- `sample_weight` carries the weights of the squared errors, in training and in validation.
- A decoder of our head's width (`hidden_fc_sizes`); batches of `BATCH` windows at the rate `RATE`,
  which did best on validation rows of the real data in five passes of 128 x 2 (of 32 to 1,024
  windows and 5e-5 to 5e-4; 8.0 % for these, 7.8 % and less for the others).
- Forecasts by `historical_forecasts` without training again, its fast way, `INFERENCE_BATCH`
  windows at a time.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

import numpy as np
import pandas as pd
import torch
from darts import TimeSeries
from darts.models import BlockRNNModel
from shared import INFERENCE_BATCH, REPEATS, Task, hourly_table, result, timed
from trainer import quiet, trainer_options

from dvol_utils.models.lstm import LADDER
from dvol_utils.samples.samples import Samples
from dvol_utils.study.params import StudyParams

NAME = f"darts {importlib.metadata.version('darts')} BlockRNNModel"
BATCH, RATE = 512, 1e-4


def peer_series(
    samples: Samples, study: StudyParams, split: str
) -> tuple[TimeSeries, TimeSeries, TimeSeries]:
    """Target, inputs and weights of a split's rows as the peer's series."""
    rows = samples.rows(split)
    table = hourly_table(samples, study, rows[0], rows[-1])
    inputs = table.drop(columns=["y", "weight"])
    return series(table[["y"]]), series(inputs), series(table[["weight"]])


def series(table: pd.DataFrame) -> TimeSeries:
    """A table of hours as a series, with its columns."""
    return TimeSeries(table.index, table.to_numpy()[:, :, None], components=table.columns)


def build(task: Task, samples: Samples, study: StudyParams) -> BlockRNNModel:
    """The peer's network with its trainer."""
    training, size = study.training, LADDER[task.model]
    return BlockRNNModel(
        input_chunk_length=training.window_hours,
        output_chunk_length=1,
        output_chunk_shift=samples.horizon - 1,
        model="LSTM",
        hidden_dim=size["hidden_size"],
        n_rnn_layers=size["num_layers"],
        dropout=size["dropout"],
        hidden_fc_sizes=[size["hidden_size"] // 2],
        loss_fn=torch.nn.MSELoss(),
        optimizer_cls=torch.optim.Adam,
        optimizer_kwargs={"lr": RATE, "weight_decay": training.weight_decay},
        batch_size=BATCH,
        n_epochs=task.passes,
        random_state=task.seed,
        pl_trainer_kwargs=trainer_options(task.precision, training, "val_loss"),
    )


def run(task: Task, samples: Samples, study: StudyParams) -> dict[str, Any]:
    """Train, forecast the validation rows, and say how fast and how well."""
    quiet()
    train, validation = samples.rows("train"), samples.rows("validation")
    val_target, val_inputs, val_weight = peer_series(samples, study, "validation")

    def fit() -> BlockRNNModel:
        target, inputs, weight = peer_series(samples, study, "train")
        return build(task, samples, study).fit(
            target,
            past_covariates=inputs,
            sample_weight=weight,
            val_series=val_target,
            val_past_covariates=val_inputs,
            val_sample_weight=val_weight,
        )

    def historical() -> TimeSeries:
        return model.historical_forecasts(
            val_target,
            past_covariates=val_inputs,
            forecast_horizon=1,
            retrain=False,
            predict_kwargs={"batch_size": INFERENCE_BATCH},
        )

    model, seconds = timed(fit, task)
    ahead, forecast_seconds = timed(historical, task, REPEATS)
    at = pd.Series(ahead.values()[:, 0], ahead.time_index)
    due = samples.times[validation + samples.horizon].tz_localize(None)
    return result(
        model.model,
        samples,
        at[due].to_numpy(np.float64),
        seconds=seconds,
        forecast_rate=len(at) / forecast_seconds,
        passes=task.passes,
        windows=task.passes * (train[-1] + 1 - train[0]),
        batch=f"{BATCH} windows",
    )
