"""What the attention network's settings were chosen by: validation rows only.

    python benchmarks/attention.py --study bitcoin --raw DIR [--seeds N]

Refits the network every quarter of the validation rows on what was known before, stopped by the
last `walk.stop_days` before the quarter, with one setting at a time other than the chosen ones
(those of the first row). Prints one row a setting: skill of the seeds' mean forecast against
persistence, by quarter and in jump hours, the seeds' mean skill, epochs, seconds.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from dvol_utils.data.panel import build_panel
from dvol_utils.features import GROUPS, feature_columns
from dvol_utils.folds import Fold, fold_rows, fold_samples, study_folds
from dvol_utils.jumps import detect_jumps
from dvol_utils.models.attention import INPUTS, SIZE, TARGET_CLIP, TRAINING, AttentionNetwork
from dvol_utils.params import StudyParams, load_study
from dvol_utils.training import fit_network
from dvol_utils.training.loop import predict_rows
from dvol_utils.windows import Samples, build_samples, build_sequences

CHOSEN: dict[str, Any] = {
    "inputs": list(INPUTS),
    "target_clip": TARGET_CLIP,
    "half_life_days": None,
    **{key: SIZE[key] for key in ("hidden_size", "heads", "dropout")},
    **TRAINING,
}
VARIED: list[dict[str, Any]] = [
    {},
    {"inputs": ["har", "calendar"]},
    {"inputs": ["published", "har", "calendar"]},
    {"inputs": ["published", "calendar", "expiry"]},
    {"inputs": ["calendar", "expiry"]},
    {"learning_rate": 3e-4},
    {"learning_rate": 3e-3},
    {"hidden_size": 16, "heads": 2},
    {"hidden_size": 64},
    {"dropout": 0.5},
    {"target_clip": None},
    {"half_life_days": 365},
]


def load(args: argparse.Namespace, choice: dict[str, Any]) -> tuple[Samples, StudyParams]:
    """Rows that every choice shares: those whose inputs of all groups are there."""
    overrides = {
        "data.raw_dir": str(args.raw.resolve()),
        "features.groups": list(GROUPS),
        "walk.validation": "quarterly",
        "walk.half_life_days": choice["half_life_days"],
        **{f"training.{key}": choice[key] for key in TRAINING},
    }
    study = load_study(args.study, overrides)
    panel = build_panel(study.raw_dir, study.data)
    samples = build_samples(panel, detect_jumps(panel, study.jumps), study)
    features = study.features.model_copy(update={"groups": choice["inputs"]})
    return samples, study.model_copy(update={"features": features})


def train(
    choice: dict[str, Any], learnt: Samples, study: StudyParams, seed: int
) -> tuple[AttentionNetwork, int]:
    """A network fitted as of a fold's start, and the epochs that took."""
    if choice["target_clip"]:
        limit = choice["target_clip"]
        learnt = dataclasses.replace(learnt, target=np.clip(learnt.target, -limit, limit))
    size = {key: choice.get(key, value) for key, value in SIZE.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = AttentionNetwork(len(feature_columns(choice["inputs"])), **size)
    return network, len(fit_network(network, learnt, study, seed=seed))


def walk(
    choice: dict[str, Any], samples: Samples, study: StudyParams, folds: list[Fold], seed: int
) -> tuple[np.ndarray, int]:
    """One seed's forecasts of the validation rows, index points, and all its epochs."""
    forecasts, epochs = [], 0
    for fold in folds:
        rows = fold_rows(samples, fold)
        assert (samples.split[rows] == "validation").all()
        network, took = train(choice, fold_samples(samples, fold, study.walk), study, seed)
        scaled = predict_rows(network, build_sequences(samples, study), rows, study.training)
        forecasts.append(samples.to_points(scaled, rows))
        epochs += took
    return np.concatenate(forecasts), epochs


def compare(args: argparse.Namespace, changes: dict[str, Any]) -> dict[str, Any]:
    """Scores of the chosen settings with some changes."""
    choice = CHOSEN | changes
    samples, study = load(args, choice)
    folds = [f for f in study_folds(samples, study) if f.start < study.split.test_start]
    started = time.perf_counter()
    runs = [walk(choice, samples, study, folds, seed) for seed in range(args.seeds)]
    seconds = time.perf_counter() - started
    rows = np.concatenate([fold_rows(samples, fold) for fold in folds])
    quarter = np.repeat([f.number for f in folds], [len(fold_rows(samples, f)) for f in folds])
    truth, origin = samples.outcome[rows], samples.dvol[rows]

    def skill(forecast: np.ndarray, at: np.ndarray | slice = slice(None)) -> float:
        squares, still = (forecast - truth)[at] ** 2, (origin - truth)[at] ** 2
        return 100 * (1 - squares.sum() / still.sum())

    mean = np.mean([forecast for forecast, _ in runs], axis=0)
    return {
        "changed": ", ".join(f"{key} {value}" for key, value in changes.items()) or "chosen",
        "skill_pct": skill(mean),
        "seeds_skill_pct": np.mean([skill(forecast) for forecast, _ in runs]),
        **{f"quarter_{f.number}": skill(mean, quarter == f.number) for f in folds},
        "jump": skill(mean, samples.jump_regime[rows] == "jump"),
        "direction_pct": 100 * np.mean(np.sign(mean - origin) == np.sign(truth - origin)),
        "epochs": sum(epochs for _, epochs in runs) / len(runs) / len(folds),
        "seconds": seconds / len(runs) / len(folds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="bitcoin")
    parser.add_argument("--raw", type=Path, required=True, help="raw store")
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    table = pd.DataFrame([compare(args, changes) for changes in VARIED])
    print(table.round(2).to_string(index=False))
    print(f"{len(table)} settings, scored on validation rows only; epochs and seconds a fit")


if __name__ == "__main__":
    main()
