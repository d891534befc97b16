"""Checkpoints of one network: what a training run leaves, and how it is found again."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from dvol_utils.artefacts import file_hash, read_json, replacing, write_json
from dvol_utils.params import TrainingParams

HISTORY = ("epoch", "train_loss", "validation_loss", "validation_skill", "learning_rate")
History = list[dict[str, float]]


def progress_line(row: dict[str, float]) -> str:
    """One epoch in words: losses, validation skill, learning rate."""
    return (
        f"epoch {row['epoch']:>3.0f}  train loss {row['train_loss']:.4f}  "
        f"validation loss {row['validation_loss']:.4f}  "
        f"skill {row['validation_skill']:+.2%}  lr {row['learning_rate']:.2e}"
    )


class CheckpointWriter:
    """What a training run leaves while it goes on: `history.csv`, `progress.log`, TensorBoard."""

    def __init__(self, folder: Path, params: TrainingParams) -> None:
        self.folder, self.log_every = folder, params.log_every

    def __enter__(self) -> CheckpointWriter:
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.iterdir():
            old.unlink()
        self.started = time.monotonic()
        self.events = SummaryWriter(self.folder)
        self.history = (self.folder / "history.csv").open("w", encoding="utf-8", newline="")
        self.progress = (self.folder / "progress.log").open("w", encoding="utf-8")
        self.rows = csv.DictWriter(self.history, HISTORY)
        self.rows.writeheader()
        return self

    def add(self, row: dict[str, float]) -> None:
        """Write an epoch everywhere at once, so that a crash loses none."""
        self.rows.writerow(row)
        self.history.flush()
        for name in HISTORY[1:]:
            self.events.add_scalar(name, row[name], int(row["epoch"]))
        if row["epoch"] % self.log_every == 0:
            elapsed = time.monotonic() - self.started
            self.progress.write(f"{progress_line(row)}  elapsed {elapsed:.0f} s\n")
            self.progress.flush()

    def __exit__(self, *error: object) -> None:
        self.history.close()
        self.progress.close()
        self.events.close()


def save_finished(
    folder: Path, network: nn.Module, fingerprint: str, history: History, facts: dict[str, Any]
) -> None:
    """Write weights, then `config.json`, whose presence marks the checkpoint as finished."""
    weights = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    with replacing(folder / "model.safetensors") as temporary:
        save_file(weights, temporary)
    best = min(history, key=lambda row: row["validation_loss"])
    config = {
        **facts,
        "parameter_count": sum(value.numel() for value in weights.values()),
        "epochs": len(history),
        "best_epoch": int(best["epoch"]),
        "validation_loss": best["validation_loss"],
        "fingerprint": fingerprint,
        "weights_sha256": file_hash(folder / "model.safetensors"),
        "history_sha256": file_hash(folder / "history.csv"),
    }
    write_json(folder / "config.json", config)


def load_finished(folder: Path, network: nn.Module, fingerprint: str) -> History | None:
    """Load a finished checkpoint's weights into `network` and return its history.

    None where there is no finished checkpoint, its data or parameters were others, or a file was
    changed since: then it has to be trained again.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        intact = (
            config["fingerprint"] == fingerprint
            and config["weights_sha256"] == file_hash(folder / "model.safetensors")
            and config["history_sha256"] == file_hash(folder / "history.csv")
        )
    except (OSError, ValueError, KeyError):
        return None
    if not intact:
        return None
    network.load_state_dict(load_file(folder / "model.safetensors"))
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def training_summary(folders: Iterable[Path]) -> pd.DataFrame:
    """Finished checkpoints, one a row.

    Returns
    -------
    DataFrame
        model, seed, inputs (number), parameters, epochs, best_epoch, validation_loss.
    """
    rows = []
    for folder in folders:
        config = read_json(folder / "config.json")
        rows.append(
            {
                "model": config["model"],
                "seed": config["seed"],
                "inputs": len(config["inputs"]),
                "parameters": config["parameter_count"],
                "epochs": config["epochs"],
                "best_epoch": config["best_epoch"],
                "validation_loss": config["validation_loss"],
            }
        )
    return pd.DataFrame(rows)


def training_history(folders: Iterable[Path]) -> pd.DataFrame:
    """Every finished checkpoint's `history.csv` in one table, with `model` and `seed`."""
    tables = []
    for folder in folders:
        config = read_json(folder / "config.json")
        history = pd.read_csv(folder / "history.csv")
        tables.append(history.assign(model=config["model"], seed=config["seed"]))
    return pd.concat(tables, ignore_index=True)
