"""Train one network in this process and print its speed, skill and memory; lstm.py starts it.

    python benchmarks/peers/one.py SAMPLES TASK    # a pickle of samples and study; JSON

A process of its own imports what its program needs, and nothing of another's. Its memory is the
resident one: what it has after imports and loading the data, and the peak from then on, to which
the kernel's counter is reset. Linux only.
"""

from __future__ import annotations

import gc
import importlib
import json
import pickle
import sys
from pathlib import Path

import torch
from shared import Task, size_name

MODULES = {
    "neuralforecast": "neuralforecast_lstm",
    "darts": "darts_lstm",
    "last": "own_lstm",
    "dense": "own_lstm",
}
PROCESS = Path("/proc/self")


def resident(key: str) -> float:
    """This process's memory in MiB: VmRSS is that of now, VmHWM the peak."""
    lines = (PROCESS / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) / 1024


def main() -> None:
    store, task = Path(sys.argv[1]), Task(**json.loads(sys.argv[2]))
    torch.set_num_threads(task.threads)
    module = importlib.import_module(MODULES[task.program])
    importlib.import_module("torch._dynamo")  # an optimiser would, at its first step
    samples, study = pickle.loads(store.read_bytes())
    gc.collect()
    (PROCESS / "clear_refs").write_text("5")
    start = resident("VmRSS")
    found = module.run(task, samples, study)
    found |= {"start": start, "peak": resident("VmHWM")}
    ours = f"{module.NAME}, {task.program}"
    found |= {"title": ours if module.NAME == "ours" else module.NAME}
    found |= {"size": size_name(task.model), "arithmetic": task.precision, "seed": task.seed}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
