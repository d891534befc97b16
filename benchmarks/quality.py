"""Does a faster way to train forecast as well? Supervision, arithmetic and batches, five seeds.

    python benchmarks/quality.py --study bitcoin --raw DIR --model lstm_baseline
    python benchmarks/quality.py --study bitcoin --raw DIR --model lstm_baseline --batches 8 16 32

`last` runs with the published batch of 32 windows, `dense` with the study's sequences; everything
else is the study's. With `--batches` it is `dense` alone, with so many sequences a step: once for
as many epochs, which are fewer steps, and once for as many steps.

The default is chosen by the validation columns; those of the test stand beside them so that nobody
has to take the choice on trust. Networks train side by side, one per core.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated.market import write_store
from dvol_utils.jumps import jumps_by_rule
from dvol_utils.models.lstm import LADDER
from dvol_utils.models.networks import build_network
from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.samples import Samples, build_samples
from dvol_utils.study.fitting_section import TrainingParams
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import StudyParams
from dvol_utils.training import fit_network, predict_rows
from dvol_utils.training.processes.many import Failure, run_tasks
from dvol_utils.training.sequences import build_sequences

MODES = {
    f"{way} {precision}": {"supervision": way, "precision": precision}
    | ({"batch_size": 32} if way == "last" else {})
    for way in ("last", "dense")
    for precision in ("float32", "bfloat16")
}
SPLITS = ("validation", "test")


def batch_modes(sizes: list[int], training: TrainingParams) -> dict[str, dict[str, int]]:
    """Settings of `training` with other batches than its own, for as many epochs and steps."""
    modes: dict[str, dict[str, int]] = {}
    for size in sizes:
        more = size / training.batch_size
        modes[f"{size} sequences, as many epochs"] = {"batch_size": size}
        if more != 1:
            of_epochs = ("epochs", "patience", "lr_patience")
            longer = {name: round(more * getattr(training, name)) for name in of_epochs}
            modes[f"{size} sequences, as many steps"] = {"batch_size": size} | longer
    return modes


def trained(
    name: str, study: StudyParams, samples: Samples, seed: int
) -> tuple[dict[str, np.ndarray], int, float]:
    """Forecasts (points) on both splits, epochs, seconds."""
    started = time.perf_counter()
    network = build_network(name, len(feature_columns(study.features.groups)), seed)
    history = fit_network(network, samples, study, seed=seed)
    data = build_sequences(samples, study)
    forecasts = {}
    for split in SPLITS:
        rows = samples.rows(split)
        scaled = predict_rows(network, data, rows, study.training)
        forecasts[split] = samples.to_points(scaled, rows)
    return forecasts, len(history), time.perf_counter() - started


def skill(samples: Samples, split: str, forecast: np.ndarray) -> float:
    rows = samples.rows(split)
    outcome, origin = samples.outcome[rows], samples.dvol[rows]
    return 1 - np.sum((forecast - outcome) ** 2) / np.sum((origin - outcome) ** 2)


def row(samples: Samples, results: list) -> dict[str, float]:
    found: dict[str, float] = {}
    for split in SPLITS:
        forecasts = [forecasts[split] for forecasts, _, _ in results]
        single = [skill(samples, split, forecast) for forecast in forecasts]
        found[f"{split}, mean of seeds"] = 100 * np.mean(single)
        found[f"{split}, sd"] = 100 * np.std(single, ddof=1)
        found[f"{split}, averaged"] = 100 * skill(samples, split, np.mean(forecasts, axis=0))
    found["epochs"] = float(np.mean([epochs for _, epochs, _ in results]))
    found["s / network"] = float(np.mean([seconds for _, _, seconds in results]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="demo")
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--model", default="lstm_baseline", choices=list(LADDER))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--skip", nargs="*", default=[], metavar="MODE", help='e.g. "last float32"')
    parser.add_argument("--batches", nargs="*", type=int, default=[], metavar="SEQUENCES")
    args = parser.parse_args()
    raw = {"data.raw_dir": str(args.raw.resolve())} if args.raw else {}
    study = load_study(args.study, raw)
    if study.is_simulated:
        write_store(study.raw_dir, study.data)
    panel = build_panel(study.raw_dir, study.data)
    samples = build_samples(panel, jumps_by_rule(panel, study.jumps), study)
    every = batch_modes(args.batches, study.training) if args.batches else MODES
    modes = {name: changes for name, changes in every.items() if name not in args.skip}
    tasks = []
    for changes in modes.values():
        training = study.training.model_copy(update=changes)
        changed = study.model_copy(update={"training": training})
        tasks += [
            partial(trained, args.model, changed, samples, seed) for seed in range(args.seeds)
        ]
    results = run_tasks(tasks)
    if failed := [result for result in results if isinstance(result, Failure)]:
        raise SystemExit(failed[0].error)
    table = pd.DataFrame(
        {
            mode: row(samples, results[args.seeds * i : args.seeds * (i + 1)])
            for i, mode in enumerate(modes)
        }
    ).T
    print(f"{args.model}, {args.seeds} seeds, skill in % against persistence")
    print(table.round(2).to_string())


if __name__ == "__main__":
    main()
