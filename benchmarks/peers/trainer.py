"""Lightning's trainer as both peers use it."""

from __future__ import annotations

import copy
import logging
import math
import warnings
from typing import Any

import pytorch_lightning as pl

from dvol_utils.study.fitting_section import TrainingParams

PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}


class KeepBest(pl.Callback):
    """Put the weights of the lowest validation loss back when training ends, as ours does."""

    def __init__(self, monitor: str) -> None:
        self.monitor, self.loss, self.weights = monitor, math.inf, {}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        loss = trainer.callback_metrics[self.monitor].item()
        if loss < self.loss:
            self.loss, self.weights = loss, copy.deepcopy(pl_module.state_dict())

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl_module.load_state_dict(self.weights)


def trainer_options(precision: str, training: TrainingParams, monitor: str) -> dict[str, Any]:
    """Arguments of the trainer: our clipping and choice of weights, and nothing that costs time."""
    return {
        "accelerator": "cpu",
        "precision": PRECISIONS[precision],
        "gradient_clip_val": training.gradient_clip,
        "callbacks": [KeepBest(monitor)],
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "num_sanity_val_steps": 0,
    }


def quiet() -> None:
    """No lines and warnings of the peers' libraries between ours."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "darts"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings(
        "ignore", module=r"(pytorch_lightning|lightning_fabric|neuralforecast|darts)\."
    )
