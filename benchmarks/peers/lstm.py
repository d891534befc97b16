r"""Two peers' LSTMs beside ours: speed, memory and accuracy at 24 hours, one run, one machine.

    make bench-peers STUDY=bitcoin RAW=DIR
    make bench-peers STUDY=bitcoin RAW=DIR ARGS="--models lstm_large --seeds 0 --passes 3"
    make bench-peers STUDY=smoke ARGS="--passes 1 --seeds 0"  # does it run?

The peers are neuralforecast's LSTM and darts' BlockRNNModel; each one's module says how it was set.

Alike for all: training and validation rows, 24 hours of the same inputs a window, the target
(scaled change over the horizon), the weights of its squared errors, Adam and its weight decay,
gradient clipping, layers, hidden units, dropout between layers, arithmetic, version of torch, and
two threads. Each forecasts the validation rows after every pass and keeps the weights of its best
one, so all skills flatter. Test rows are never read. A window is one target; the training time
includes the forecasts after each pass, and not the imports.

Unlike: a peer has the target's past 24 values as one more input. It takes the plain Adam: Lightning
refuses the fused one, which ours uses, beside clipping in bf16. Its logger, progress bar, summary,
checkpoints and sanity check are off.

A network has one thread and a process of its own, and two train at a time, as a study trains them.
Speeds are those of two such networks, in CPU seconds, so that other jobs of the machine count
little. That serves the peers too, much of whose time goes to Python between the steps; `--alone`
gives one network at a time all threads, and its speed is by the clock. A process's peak memory is
shown as a whole, imports included, and above what it has after imports and loading the data.

Ratios are those of `ours, dense` to the better peer of each column.
"""

from __future__ import annotations

import argparse
import itertools
import json
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from one import MODULES
from shared import Task, load_samples

from dvol_utils.models.lstm import LADDER
from dvol_utils.samples.samples import Samples
from dvol_utils.study.params import StudyParams
from dvol_utils.study.settings import parse_settings
from dvol_utils.training import arithmetic

PEERS = ("neuralforecast", "darts")
OWN = "ours, dense"


@dataclass(frozen=True)
class Plan:
    """What is measured of a size where nothing else is asked for: passes, seeds of each program."""

    passes: int
    seeds: dict[str, tuple[int, ...]]


PAIR = dict.fromkeys(MODULES, (0, 1))
FEW = dict.fromkeys(PEERS, (0,)) | {"dense": (0, 1)}  # `last` takes as long as a peer
PLANS = {"lstm_baseline": Plan(5, PAIR), "lstm_large": Plan(3, FEW), "lstm_ultra": Plan(2, FEW)}

# Column, what the ratio or difference is of, and the target at 512 x 3.
TARGETS = {
    "training windows/s": ("training", "at least", 20.0),
    "forecasts/s": ("forecast", "at least", 30.0),
    "peak memory of a process": ("peak", "at most", 0.5),
    "of which above start": ("above", "at most", 0.5),
}


def tasks(args: argparse.Namespace, study: StudyParams) -> list[Task]:
    """The networks to train, in this order."""
    chosen = arithmetic(torch.device("cpu"), study.training)
    threads = args.threads if args.alone else 1
    found = []
    for model, precision in itertools.product(args.models, args.precisions or [chosen]):
        plan = PLANS[model]
        for program in args.programs or plan.seeds:
            for seed in args.seeds or plan.seeds.get(program, (0,)):
                passes = args.passes or plan.passes
                found.append(Task(program, model, precision, passes, seed, threads))
    return found


def train(task: Task, store: Path) -> dict[str, Any]:
    """Train a network in a process of its own."""
    script = str(Path(__file__).with_name("one.py"))
    command = [sys.executable, script, str(store), json.dumps(asdict(task))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{task} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(
    args: argparse.Namespace, samples: Samples, study: StudyParams
) -> Iterator[dict[str, Any]]:
    """One row a network; as many train at a time as there are threads for them."""
    at_once = 1 if args.alone else args.threads
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(at_once) as pool:
        store = Path(folder) / "samples.pickle"
        store.write_bytes(pickle.dumps((samples, study)))
        for row in pool.map(partial(train, store=store), tasks(args, study)):
            rates = {name: row[name] * at_once for name in ("training", "forecast")}
            yield row | rates | {"above": row["peak"] - row["start"]}


def summary(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Means over seeds of each size and program, the range of skill, the most memory."""
    groups = pd.DataFrame(rows).groupby(["size", "arithmetic", "title"], sort=False)
    first, means = groups[["parameters", "batch"]].first(), groups[["passes", "training"]].mean()
    means = means.join(groups[["seconds", "forecast"]].mean())
    skills, memory = groups["skill"].agg(["mean", "min", "max"]), groups[["peak", "above"]].max()
    return first.join([means, skills, memory])


def table(found: pd.DataFrame) -> pd.DataFrame:
    """The summary as it is shown."""
    skill = found[["mean", "min", "max"]].map("{:.1%}".format)
    columns = {
        "parameters": found["parameters"].map("{:,}".format),
        "batch": found["batch"],
        "passes": found["passes"].map("{:.0f}".format),
        "training windows/s": found["training"].map("{:,.0f}".format),
        "training CPU s": found["seconds"].map("{:.1f}".format),
        "forecasts/s": found["forecast"].map("{:,.0f}".format),
        "validation skill": skill["mean"] + " (" + skill["min"] + " to " + skill["max"] + ")",
        "peak MiB a process": found["peak"].map("{:,.0f}".format),
        "of which above start": found["above"].map("{:,.0f}".format),
    }
    return pd.DataFrame(columns).reset_index().rename(columns={"title": "program"})


def ratios(found: pd.DataFrame) -> pd.DataFrame:
    """Ours in dense supervision to the better peer of each column, and the targets at 512 x 3."""
    rows = []
    for (size, precision), part in found.groupby(["size", "arithmetic"], sort=False):
        part = part.droplevel([0, 1])
        peers = part[~part.index.str.startswith("ours")]
        if OWN not in part.index or peers.empty:
            continue
        own = part.loc[OWN]
        place = [size, precision]
        aims = size == "512 x 3"
        for what, (column, bound, target) in TARGETS.items():
            best = peers[column].max() if bound == "at least" else peers[column].min()
            ratio = own[column] / best
            met = ratio >= target if bound == "at least" else ratio <= target
            aim = [f"{bound} {target:g}", verdict(met)] if aims else ["", ""]
            rows.append([*place, what, f"{ratio:.2f} times", *aim])
        gain = own["mean"] - peers["mean"].max()
        aim = ["at least 0", verdict(gain >= 0)] if aims else ["", ""]
        rows.append([*place, "validation skill", f"{100 * gain:+.1f} points", *aim])
    names = ["size", "arithmetic", "ours to the better peer", "measured", "target", "met"]
    return pd.DataFrame(rows, columns=names)


def verdict(met: bool) -> str:
    """Whether a target is met, in a word."""
    return "yes" if met else "no"


def markdown(frame: pd.DataFrame) -> str:
    """A table for benchmarks/README.md."""
    lines = [frame.columns, ["---"] * len(frame.columns), *frame.to_numpy()]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="demo")
    parser.add_argument("--raw", type=Path, help="raw store in place of the study's")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    sizes = ["lstm_baseline", "lstm_ultra"]
    parser.add_argument("--models", nargs="+", choices=LADDER, default=sizes)
    parser.add_argument("--programs", nargs="+", choices=MODULES)
    arithmetics = ["float32", "bfloat16"]
    parser.add_argument(
        "--precisions", nargs="+", choices=arithmetics, help="otherwise what the study chooses here"
    )
    parser.add_argument("--passes", type=int, help="over the training windows")
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--alone", action="store_true", help="one network at a time")
    return parser.parse_args()


def main() -> None:
    args = options()
    samples, study = load_samples(args.study, args.raw, parse_settings(args.settings))
    print(
        f"{study.title}; {len(samples.rows('train')):,} training and "
        f"{len(samples.rows('validation')):,} validation windows of {study.training.window_hours} "
        f"hours, {samples.horizon} hours ahead; {args.threads} threads, torch {torch.__version__}",
        flush=True,
    )
    rows = []
    for row in measure(args, samples, study):
        rows.append(row)
        line = "{title} {size} {arithmetic} seed {seed}: skill {skill:.1%}, {seconds:.1f} s"
        print(line.format(**row), flush=True)
    found = summary(rows)
    print(f"\n{markdown(table(found))}\n\n{markdown(ratios(found))}")


if __name__ == "__main__":
    main()
