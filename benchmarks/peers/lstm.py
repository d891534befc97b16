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

A peer's network has both threads. Ours takes one, so two train side by side, as a study trains
them: their windows a second are added, and so is the memory of their processes. `--abreast` says
which programs train so, and the peers can. A group lacking seeds takes the next ones. Each network
has a process of its own; its peak memory is shown as a whole, imports included, and above what it
has after imports and loading the data.

Ratios are those of `ours, dense` to the better peer of each column.
"""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
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
    """What is measured of a size where nothing else is asked for."""

    passes: int
    seeds: tuple[int, ...]
    programs: tuple[str, ...] = tuple(MODULES)


QUICK = (*PEERS, "dense")  # `last` takes as long as a peer
PLANS = {"lstm_baseline": Plan(5, (0, 1)), "lstm_large": Plan(3, (0,), QUICK)}
PLANS |= {"lstm_ultra": Plan(2, (0,), QUICK)}

# Column, what the ratio or difference is of, and the target at 512 x 3.
TARGETS = {
    "training windows/s": ("training", "at least", 20.0),
    "forecasts/s": ("forecast", "at least", 30.0),
    "peak memory": ("peak", "at most", 0.5),
    "peak memory above start": ("above", "at most", 0.5),
}


def groups(args: argparse.Namespace, model: str, precision: str) -> Iterator[list[Task]]:
    """The networks of one size that train at the same time, one group after the other."""
    plan = PLANS[model]
    seeds = args.seeds or plan.seeds
    for program in args.programs or plan.programs:
        task = {"program": program, "model": model, "precision": precision}
        task |= {"passes": args.passes or plan.passes}
        if program not in args.abreast:
            yield from ([Task(**task, seed=seed, threads=args.threads)] for seed in seeds)
            continue
        for first in range(0, len(seeds), args.threads):
            part = list(seeds[first : first + args.threads])
            part += [part[-1] + 1 + more for more in range(args.threads - len(part))]
            yield [Task(**task, seed=seed, threads=1) for seed in part]


def train(tasks: list[Task], store: Path) -> list[dict[str, Any]]:
    """Train networks at the same time, each in a process of its own."""
    script = str(Path(__file__).with_name("one.py"))
    commands = [[sys.executable, script, str(store), json.dumps(asdict(task))] for task in tasks]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, **pipes) for command in commands]
    done = [process.communicate() for process in running]
    for task, process, (_, errors) in zip(tasks, running, done, strict=True):
        if process.returncode:
            sys.exit(f"{task} failed:\n{errors}")
    return [json.loads(output.splitlines()[-1]) for output, _ in done]


def joint(found: list[dict[str, Any]]) -> dict[str, Any]:
    """One row of networks that trained at the same time: speeds and memory add up."""
    runs = pd.DataFrame(found)
    alike = runs[["title", "size", "arithmetic", "parameters", "batch"]].iloc[0].to_dict()
    return alike | {
        "networks": len(runs),
        "passes": runs["passes"].mean(),
        "training": runs["training"].sum(),
        "seconds": runs["seconds"].max(),
        "forecast": runs["forecast"].sum(),
        "skills": runs["skill"].tolist(),
        "peak": runs["peak"].sum(),
        "above": (runs["peak"] - runs["start"]).sum(),
    }


def measure(
    args: argparse.Namespace, samples: Samples, study: StudyParams
) -> Iterator[dict[str, Any]]:
    """One row a group of networks."""
    chosen = arithmetic(torch.device("cpu"), study.training)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "samples.pickle"
        store.write_bytes(pickle.dumps((samples, study)))
        for model in args.models:
            for precision in args.precisions or [chosen]:
                for tasks in groups(args, model, precision):
                    yield joint(train(tasks, store))


def summary(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Mean over groups of each size, arithmetic and program, and the skills of all networks."""
    keys = ["size", "arithmetic", "title"]
    groups = pd.DataFrame(rows).groupby(keys, sort=False)
    first = groups[["parameters", "batch", "networks"]].first()
    means = groups[["passes", "training", "seconds", "forecast", "peak", "above"]].mean()
    skills = groups["skills"].sum().rename("skill").explode().astype(float)
    return first.join(means).join(skills.groupby(keys, sort=False).agg(["mean", "min", "max"]))


def table(found: pd.DataFrame) -> pd.DataFrame:
    """The summary as it is shown."""
    skill = found[["mean", "min", "max"]].map("{:.1%}".format)
    columns = {
        "parameters": found["parameters"].map("{:,}".format),
        "networks at once": found["networks"],
        "batch": found["batch"],
        "passes": found["passes"].map("{:.0f}".format),
        "training windows/s": found["training"].map("{:,.0f}".format),
        "training s": found["seconds"].map("{:.1f}".format),
        "forecasts/s": found["forecast"].map("{:,.0f}".format),
        "validation skill": skill["mean"] + " (" + skill["min"] + " to " + skill["max"] + ")",
        "peak MiB": found["peak"].map("{:,.0f}".format),
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
    parser.add_argument("--abreast", nargs="*", choices=MODULES, default=["last", "dense"])
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
        skills = ", ".join(f"{value:.1%}" for value in row["skills"])
        where = f"{row['title']} {row['size']} {row['arithmetic']}"
        print(f"{where}: skill {skills}, {row['seconds']:.1f} s", flush=True)
    found = summary(rows)
    print(f"\n{markdown(table(found))}\n\n{markdown(ratios(found))}")


if __name__ == "__main__":
    main()
