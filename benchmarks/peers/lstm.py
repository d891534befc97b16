r"""neuralforecast's LSTM beside ours: speed and accuracy at 24 hours, one run, one machine.

    make bench-peers STUDY=bitcoin RAW=DIR
    make bench-peers STUDY=bitcoin RAW=DIR \
        ARGS="--models lstm_large --precisions bfloat16 --seeds 0"
    make bench-peers STUDY=smoke ARGS="--passes 1 --seeds 0"  # does it run?

Alike for all: training and validation rows, 24 hours of the same inputs a window, the target
(scaled change over the horizon), the weights of its squared errors, Adam and its weight decay,
gradient clipping, layers, hidden units, dropout, threads, process, version of torch. Each forecasts
the validation rows after every pass and keeps the weights of its best one, so all skills
flatter. Test rows are never read. A window is one target; the training time includes
the forecasts after each pass.

The peer has the settings that served it best here:
- its series is our target, dated by the hour at which it is known, without a scaler of its own; its
  past 24 values are an input beside ours (`hist_exog_list`);
- it forecasts 24 steps at once (`recurrent=False`). Its loss counts the last step alone
  (`horizon_weight`), which is what is scored; `available_mask` carries the weights;
- a decoder of our head's width; batches of `BATCH` windows at the rate `RATE`, which did best on
  validation rows of the real data (of 32 and 128 windows, 5e-5 to 1e-3, and a loss on the last step
  or on all); both are `last`'s too. Its windows are drawn at random for each step, so a pass is as
  many steps as the windows fill;
- the plain Adam: Lightning refuses the fused one, which ours uses, beside clipping in bf16;
- logger, progress bar, summary, checkpoints and sanity check off; float32 and bf16-mixed shown.

`last` learns from the same windows in as many passes. `dense` learns from all hours of long
sequences; a pass has a tenth of the steps, so it trains as in the study, until it stops by itself,
and has more passes to choose from.
"""

from __future__ import annotations

import argparse
import copy
import importlib.metadata
import itertools
import logging
import math
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from neuralforecast.losses.pytorch import MSE
from neuralforecast.models import LSTM
from neuralforecast.tsdataset import TimeSeriesDataset
from torch import nn

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated.market import write_store
from dvol_utils.jumps import detect_jumps
from dvol_utils.models.lstm import LADDER
from dvol_utils.models.networks import build_network
from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.samples import Samples, build_samples
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import StudyParams
from dvol_utils.study.settings import parse_settings
from dvol_utils.training import fit_network, predict_rows
from dvol_utils.training.sequences import build_sequences

BATCH, RATE = 128, 1e-4
INFERENCE_BATCH = 1024  # windows
REPEATS = 3  # of the forecasts; the fastest counts
PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}


class KeepBest(pl.Callback):
    """Put the weights of the lowest validation loss back when training ends, as ours does."""

    def __init__(self) -> None:
        self.loss, self.weights = math.inf, {}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        loss = trainer.callback_metrics["ptl/val_loss"].item()
        if loss < self.loss:
            self.loss, self.weights = loss, copy.deepcopy(pl_module.state_dict())

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl_module.load_state_dict(self.weights)


def load_samples(args: argparse.Namespace) -> tuple[Samples, StudyParams]:
    overrides = parse_settings(args.settings)
    if args.raw:
        overrides["data.raw_dir"] = str(args.raw.resolve())
    overrides["training.devices"] = "cpu"
    study = load_study(args.study, overrides)
    if args.raw and study.is_simulated:
        raise SystemExit(
            f"--raw {args.raw}: study {study.name} simulates its data; choose one that reads a raw "
            "store, e.g. bitcoin"
        )
    with tempfile.TemporaryDirectory() as folder:
        raw_dir = study.raw_dir
        if study.is_simulated:
            raw_dir = Path(folder)
            write_store(raw_dir, study.data)
        panel = build_panel(raw_dir, study.data)
    return build_samples(panel, detect_jumps(panel, study.jumps), study), study


def peer_series(samples: Samples, study: StudyParams) -> tuple[TimeSeriesDataset, int]:
    """Our rows as the peer's series, and how many hours at its end are for validation."""
    train, validation = samples.rows("train"), samples.rows("validation")
    weight = np.zeros(len(samples.target))
    for rows in (train, validation):
        weight[rows] = samples.loss_weights(study.training.jump_weight)[rows]
    first, last = train[0] - study.training.window_hours + 1, validation[-1] + samples.horizon
    hours = np.arange(first, last + 1)
    known = hours - samples.horizon  # the origin whose target an hour brings
    inputs = samples.features[feature_columns(study.features.groups)].iloc[hours]
    frame = pd.DataFrame(
        {
            "unique_id": samples.asset,
            "ds": samples.times[hours].tz_localize(None),
            "y": np.nan_to_num(samples.target[known]),
            **inputs.fillna(0.0),
            "available_mask": weight[known],
        }
    )
    return TimeSeriesDataset.from_df(frame)[0], int(last - validation[0])


def peer(
    name: str, precision: str, samples: Samples, study: StudyParams, *, passes: int, seed: int
) -> dict[str, Any]:
    dataset, validation_hours = peer_series(samples, study)
    horizon, training, size = samples.horizon, study.training, LADDER[name]
    steps = math.ceil(len(samples.rows("train")) / BATCH)
    model = LSTM(
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
        max_steps=passes * steps,
        val_check_steps=steps,
        windows_batch_size=BATCH,
        inference_windows_batch_size=INFERENCE_BATCH,
        random_seed=seed,
        accelerator="cpu",
        precision=PRECISIONS[precision],
        gradient_clip_val=training.gradient_clip,
        callbacks=[KeepBest()],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
    )
    started = time.perf_counter()
    model.fit(dataset, val_size=validation_hours)
    seconds = time.perf_counter() - started
    model.set_test_size(validation_hours)
    steps_ahead, forecast_seconds = timed(lambda: model.predict(dataset, step_size=1))
    forecast = np.full(len(samples.target), np.nan)
    rows = samples.rows("validation")
    forecast[rows[0] : rows[-1] + 1] = steps_ahead.reshape(-1, horizon)[:, -1]
    return {
        "program": "neuralforecast LSTM",
        **facts(name, precision, f"{BATCH} windows", model),
        "passes": passes,
        "windows": passes * steps * BATCH,
        "forecast": (rows[-1] + 1 - rows[0]) / forecast_seconds,
        "skill": skill(samples, forecast[rows]),
        "seconds": seconds,
    }


def ours(
    name: str,
    supervision: str,
    precision: str,
    samples: Samples,
    study: StudyParams,
    *,
    passes: int,
    seed: int,
) -> dict[str, Any]:
    mode = {"supervision": supervision, "precision": precision}
    if supervision == "last":
        mode |= {"batch_size": BATCH, "learning_rate": RATE, "epochs": passes, "patience": passes}
    study = study.model_copy(update={"training": study.training.model_copy(update=mode)})
    training, rows = study.training, samples.rows("validation")
    network = build_network(name, len(feature_columns(study.features.groups)), seed)
    started = time.perf_counter()
    history = fit_network(network, samples, study, seed=seed)
    seconds = time.perf_counter() - started
    data = build_sequences(samples, study)
    forecast, forecast_seconds = timed(lambda: predict_rows(network, data, rows, training))
    unit = "windows" if supervision == "last" else f"x {training.chunk_hours} hours"
    return {
        "program": f"ours, {supervision}",
        **facts(name, precision, f"{training.batch_size} {unit}", network),
        "passes": len(history),
        "windows": len(history) * len(samples.rows("train")),
        "forecast": len(rows) / forecast_seconds,
        "skill": skill(samples, forecast),
        "seconds": seconds,
    }


def facts(name: str, precision: str, batch: str, network: nn.Module) -> dict[str, Any]:
    size = LADDER[name]
    return {
        "size": f"{size['hidden_size']} x {size['num_layers']}",
        "parameters": sum(value.numel() for value in network.parameters()),
        "precision": precision,
        "batch": batch,
    }


def timed(forecast: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    best = math.inf
    for _ in range(REPEATS):
        started = time.perf_counter()
        values = forecast()
        best = min(best, time.perf_counter() - started)
    return values, best


def skill(samples: Samples, forecast: np.ndarray) -> float:
    rows = samples.rows("validation")
    outcome, points = samples.outcome[rows], samples.to_points(forecast, rows)
    return 1 - np.sum((points - outcome) ** 2) / np.sum((samples.dvol[rows] - outcome) ** 2)


def measure(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    samples, study = load_samples(args)
    print(
        f"{study.title}; {len(samples.rows('train')):,} training and "
        f"{len(samples.rows('validation')):,} validation windows of {study.training.window_hours} "
        f"hours, {samples.horizon} hours ahead; seeds {args.seeds}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"neuralforecast {importlib.metadata.version('neuralforecast')}",
        flush=True,
    )
    for name, precision, seed in itertools.product(args.models, args.precisions, args.seeds):
        alike = {"passes": args.passes, "seed": seed}
        yield peer(name, precision, samples, study, **alike)
        for supervision in ("last", "dense"):
            yield ours(name, supervision, precision, samples, study, **alike)


def table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per program, size and arithmetic: speeds over all seeds, skill from seed to seed."""
    groups = runs.groupby(["size", "precision", "program"], sort=False)
    first, mean = groups[["parameters", "batch"]].first(), groups.mean(numeric_only=True)
    skill = groups["skill"].agg(["mean", "min", "max"]).map("{:.1%}".format)
    columns = {
        "parameters": first["parameters"].map("{:,}".format),
        "batch": first["batch"],
        "passes": mean["passes"].map("{:.0f}".format),
        "training windows/s": (mean["windows"] / mean["seconds"]).map("{:,.0f}".format),
        "training s": mean["seconds"].map("{:.1f}".format),
        "forecasts/s": mean["forecast"].map("{:,.0f}".format),
        "validation skill": skill["mean"] + " (" + skill["min"] + " to " + skill["max"] + ")",
    }
    return pd.DataFrame(columns).reset_index().rename(columns={"precision": "arithmetic"})


def markdown(frame: pd.DataFrame) -> str:
    lines = [frame.columns, ["---"] * len(frame.columns), *frame.to_numpy()]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def quiet() -> None:
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings(
        "ignore", module=r"(pytorch_lightning|lightning_fabric|neuralforecast)\."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="demo")
    parser.add_argument("--raw", type=Path, help="raw store in place of the study's")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--models", nargs="+", choices=LADDER, default=["lstm_baseline"])
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--passes", type=int, default=5, help="over the training windows")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    quiet()
    runs = []
    for run in measure(args):
        runs.append(run)
        line = "{program} {size} {precision}: skill {skill:.1%}, {seconds:.1f} s"
        print(line.format(**run), flush=True)
    frame = table(pd.DataFrame(runs))
    print(f"\n{frame.to_string(index=False)}\n\n{markdown(frame)}")


if __name__ == "__main__":
    main()
