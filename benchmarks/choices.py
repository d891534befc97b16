"""What the defaults were chosen by: validation rows only, test rows are not touched.

    python benchmarks/choices.py inputs --study bitcoin --raw DIR
    python benchmarks/choices.py modes --study bitcoin --raw DIR --model lstm_ultra

`inputs` compares feature groups, `modes` compares supervision and precision. `last` runs with the
published optimiser settings, `dense` with the study's. Prints one row a run and the mean of each
choice: validation skill against persistence, weighted validation loss, seconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated import write_store
from dvol_utils.features import feature_columns
from dvol_utils.jumps import detect_jumps
from dvol_utils.models.lstm import build_network
from dvol_utils.params import load_study
from dvol_utils.training import fit_network
from dvol_utils.windows import build_samples

PUBLISHED_OPTIMISER = {
    "training.learning_rate": 1e-4,
    "training.batch_size": 32,
    "training.lr_patience": 5,
}
INPUTS = (
    ["published"],
    ["published", "calendar"],
    ["published", "har", "calendar"],
    ["published", "har", "calendar", "market", "funding"],
)


def choices(what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if what == "inputs":
        for groups in INPUTS:
            yield " + ".join(groups), {"features.groups": groups}
        return
    for supervision in ("last", "dense"):
        for precision in ("float32", "bfloat16"):
            mode = {"training.supervision": supervision, "training.precision": precision}
            optimiser = PUBLISHED_OPTIMISER if supervision == "last" else {}
            yield f"{supervision} {precision}", {**mode, **optimiser}


def run(args: argparse.Namespace, overrides: dict[str, Any], seed: int) -> dict[str, float]:
    if args.raw:
        overrides = {**overrides, "data.raw_dir": str(args.raw.resolve())}
    if args.epochs:
        overrides = {**overrides, "training.epochs": args.epochs}
    study = load_study(args.study, overrides)
    if study.is_simulated:
        write_store(study.raw_dir, study.data)
    panel = build_panel(study.raw_dir, study.data)
    samples = build_samples(panel, detect_jumps(panel, study.jumps), study)
    network = build_network(args.model, len(feature_columns(study.features.groups)), seed)
    started = time.perf_counter()
    history = fit_network(network, samples, study, seed=seed)
    seconds = time.perf_counter() - started
    best = min(history, key=lambda row: row["validation_loss"])
    return {
        "skill": best["validation_skill"],
        "loss": best["validation_loss"],
        "epochs": len(history),
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["inputs", "modes"], nargs="?", default="inputs")
    parser.add_argument("--study", default="demo")
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--model", default="lstm_baseline")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int)
    args = parser.parse_args()
    rows = []
    for name, overrides in choices(args.what):
        for seed in range(args.seeds):
            rows.append({"choice": name, "seed": seed, **run(args, overrides, seed)})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).groupby("choice", sort=False)
    print(table[["skill", "loss", "epochs", "seconds"]].mean().round(4).to_string())


if __name__ == "__main__":
    main()
