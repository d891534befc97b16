"""Seconds an epoch of the three sizes: as published, as we do it, and in dense supervision.

    python benchmarks/training.py            # about five minutes on two cores
    python benchmarks/training.py --epochs   # 25 epochs of the largest, dense, with validation
    python benchmarks/training.py --steps    # one step of each size in both arithmetics, in turn

All modes learn from the same 22,091 training targets of a simulated market, eleven inputs, each
in a process of its own:

- `published`: windows of 24 hours one by one from a `torch.utils.data.DataLoader`, 32 a step, fp32;
- `last fp32`, `last bf16`: the same windows cut by index from one tensor;
- `dense fp32`, `dense bf16`: sequences of 168 targets, 8 a step;
- `two seeds`: two networks side by side, dense, as a study trains its seeds.

Each network trains on one thread, as it does in a study; `published` has all cores. The steps show
whether `training.precision: auto` chooses the faster arithmetic on this machine.

The slow modes run a part of an epoch, which is scaled up; the first epoch of each does not count.
GFLOP/s counts the products of the LSTM layers, forward and backward (three times the forward ones),
the hours of burn-in included, and stands beside the largest product of two matrices that this
machine does in the same minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated.market import write_store
from dvol_utils.jumps import detect_jumps
from dvol_utils.models.lstm import LADDER
from dvol_utils.models.networks import build_network
from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.samples import Samples, build_samples
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import StudyParams
from dvol_utils.study.threads import one_thread
from dvol_utils.training import chosen_arithmetic, fit_network, predict_rows
from dvol_utils.training.processes.many import run_tasks
from dvol_utils.training.sequences import build_sequences

TARGETS = 22_091
MODES = {
    "published": ("last", "float32"),
    "last fp32": ("last", "float32"),
    "last bf16": ("last", "bfloat16"),
    "dense fp32": ("dense", "float32"),
    "dense bf16": ("dense", "bfloat16"),
    "two seeds": ("dense", "bfloat16"),
}
SLOW_SHARE = {"lstm_baseline": 4, "lstm_large": 8, "lstm_ultra": 16}  # one part in so many


def market() -> tuple[Samples, StudyParams, float]:
    """Samples with exactly `TARGETS` training rows, their study, and the panel's MiB."""
    overrides = {
        "data.simulated.hours": 36_000,
        "split.validation_start": "2023-08-20 00:00",
        "split.test_start": "2024-07-01 00:00",
        "features.groups": ["published"],
    }
    study = load_study("demo", overrides)
    with tempfile.TemporaryDirectory() as folder:
        write_store(Path(folder), study.data)
        panel = build_panel(Path(folder), study.data)
    samples = build_samples(panel, detect_jumps(panel, study.jumps), study)
    assert len(samples.rows("train")) >= TARGETS, len(samples.rows("train"))
    mib = panel.memory_usage(deep=False).sum() / 2**20
    return with_targets(samples, TARGETS), study, mib


def with_targets(samples: Samples, count: int) -> Samples:
    """The samples with their last `count` training rows."""
    split = samples.split.copy()
    split[samples.rows("train")[:-count]] = None
    return replace(samples, split=split)


def operations(name: str, hours: int, inputs: int) -> float:
    """Multiplications and additions of the LSTM layers over `hours`, forward and backward."""
    size = LADDER[name]["hidden_size"]
    wide = [inputs] + [size] * (LADDER[name]["num_layers"] - 1)
    return 3.0 * sum(2 * hours * (width + size) * 4 * size for width in wide)


class Windows(Dataset):
    """One window and its target an item, as the published study feeds them."""

    def __init__(self, samples: Samples, columns: list[str], jump_weight: float) -> None:
        self.rows = samples.rows("train")
        self.inputs = samples.features[columns].to_numpy(np.float32)
        self.target, self.weight = samples.target, samples.loss_weights(jump_weight)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: int) -> tuple[torch.Tensor, np.float32, np.float32]:
        row = self.rows[item]
        window = torch.tensor(self.inputs[row - 23 : row + 1])
        return window, np.float32(self.target[row]), np.float32(self.weight[row])


def published_epoch(name: str, samples: Samples, study: StudyParams) -> float:
    columns = feature_columns(study.features.groups)
    network = build_network(name, len(columns), 0).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=1e-5)
    started = time.perf_counter()
    windows = Windows(samples, columns, study.training.jump_weight)
    for x, y, w in DataLoader(windows, batch_size=32, shuffle=True):
        loss = (w * (network(x).squeeze(-1) - y) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    return time.perf_counter() - started


def own_epochs(
    name: str, samples: Samples, study: StudyParams, seed: int = 0
) -> tuple[list[float], float]:
    """Seconds of each epoch with its validation, and of one validation alone."""
    network = build_network(name, len(feature_columns(study.features.groups)), seed)
    times = [time.perf_counter()]
    fit_network(
        network, samples, study, seed=seed, on_epoch=lambda row: times.append(time.perf_counter())
    )
    started = time.perf_counter()
    data = build_sequences(samples, study)
    predict_rows(network, data, samples.rows("validation"), study.training)
    return list(np.diff(times)), time.perf_counter() - started


def measure(name: str, mode: str, epochs: int) -> dict[str, float]:
    """Seconds of a training epoch of all targets, without validation; one validation; memory."""
    samples, study, panel_mib = market()
    supervision, precision = MODES[mode]
    slow = supervision == "last"
    share = SLOW_SHARE[name] if slow else 1
    training = {"supervision": supervision, "precision": precision, "patience": 100}
    training |= {"batch_size": 32 if slow else 8, "epochs": 2 if slow else epochs}
    study = study.model_copy(update={"training": study.training.model_copy(update=training)})
    part = with_targets(samples, TARGETS // share)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found: dict[str, float] = {"validation": 0.0}
    if mode == "published":
        seconds = min(published_epoch(name, part, study) for _ in range(2))
    elif mode == "two seeds":
        tasks = [partial(own_epochs, name, part, study, seed) for seed in (0, 1)]
        (one, validation), (two, _) = run_tasks(tasks, workers=2)
        seconds = (min(one[1:]) + min(two[1:])) / 4  # half an epoch of each seed
        found["validation"] = validation / 2
        seconds -= found["validation"]
    else:
        all_epochs, found["validation"] = own_epochs(name, part, study)
        seconds = min(all_epochs[1:]) - found["validation"]
        found["whole"] = sum(all_epochs)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    data = build_sequences(samples, study)
    chunk = data.chunk
    hours = TARGETS / chunk * (data.window - 1 + chunk)
    inputs = data.x.shape[1]
    tensors = sum(part.nbytes for part in (data.x, data.target)) / 2**20
    return found | {
        "seconds": seconds * share,
        "gflops": operations(name, hours, inputs) / (seconds * share) / 1e9,
        "mib": after - before,
        "data": tensors / panel_mib,
    }


@one_thread()
def step_table(rounds: int = 9) -> None:
    """CPU seconds of a training step of each size, 8 sequences of 191 hours, median of some."""
    auto = chosen_arithmetic(torch.device("cpu"), load_study("demo").training)
    print(f"auto: {auto}\n\n| size | float32, CPU s a step | bfloat16 | bfloat16 / float32 |")
    print("|---|---|---|---|")
    if "no instructions" in auto.reason:
        sys.exit("bfloat16 is not to be had here: torch's LSTM refuses it, or emulates it")
    x, y = torch.randn(8, 191, 11), torch.randn(8, 168)
    for name in LADDER:
        network = build_network(name, 11, 0).train()
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)
        seconds = [[], []]
        for _ in range(rounds + 1):
            for low in (False, True):
                started = time.process_time()
                with torch.autocast("cpu", torch.bfloat16, enabled=low, cache_enabled=False):
                    forecast = network(x, last=168)
                loss = (forecast.float() - y).square().mean()
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
                seconds[low].append(time.process_time() - started)
        high, low = (float(np.median(each[1:])) for each in seconds)  # the first warms up
        print(f"| {name} | {high:.3f} | {low:.3f} | {low / high:.2f} |", flush=True)


def peak(dtype: torch.dtype) -> float:
    """GFLOP/s of the product of two square matrices, the best of several sizes and turns."""
    best = 0.0
    for size in (1024, 2048, 3072):
        a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
        for _ in range(8):
            started = time.perf_counter()
            a @ b
            best = max(best, 2 * size**3 / (time.perf_counter() - started) / 1e9)
    return best


def child(name: str, mode: str, epochs: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", name, mode, str(epochs)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name} {mode} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", action="store_true", help="25 epochs of lstm_ultra, dense")
    parser.add_argument("--steps", action="store_true", help="a step in both arithmetics")
    parser.add_argument("--one", nargs=3, metavar=("SIZE", "MODE", "EPOCHS"), help="internal")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one[0], args.one[1], int(args.one[2]))))
        return
    if args.steps:
        step_table()
        return
    if args.epochs:
        found = child("lstm_ultra", "dense bf16", 25)
        print(f"25 epochs of lstm_ultra, dense bf16, with validation: {found['whole']:.0f} s")
        return
    step_table()
    print()
    peaks = {"float32": peak(torch.float32), "bfloat16": peak(torch.bfloat16)}
    print(
        f"{os.cpu_count()} cores; products of matrices: fp32 {peaks['float32']:.0f} GFLOP/s, "
        f"bf16 {peaks['bfloat16']:.0f} GFLOP/s\n"
    )
    print(
        "| size | mode | s / epoch | targets / s | times `published` | GFLOP/s | of peak "
        "| + MiB | validation s |\n|---|---|---|---|---|---|---|---|---|"
    )
    for name in LADDER:
        base = None
        for mode, (_, precision) in MODES.items():
            found = child(name, mode, 4)
            base = base or found["seconds"]
            print(
                f"| {name} | {mode} | {found['seconds']:.2f} | {TARGETS / found['seconds']:,.0f} "
                f"| {base / found['seconds']:.1f} | {found['gflops']:.0f} "
                f"| {found['gflops'] / peaks[precision]:.0%} | {found['mib']:.0f} "
                f"| {found['validation']:.2f} |",
                flush=True,
            )
    print(f"\nThe tensors of all modes take {found['data']:.2f} times the panel's memory.")


if __name__ == "__main__":
    main()
