"""Time and memory of each stage as the data grow.

    python benchmarks/growth.py [--sizes 100000 200000 400000] [--full] [--folder DIR]

Two readings of long data, both from the simulated market. "minutes": bars of one minute, of which
the panel makes hours, so that 2.4 million rows of the files become 40,000 panel rows; the jump test
is put to the minutes themselves too. "hours": as many panel rows as that, 274 years of hours,
through every stage. Rows are counted in the files. `--full` takes 0.3, 0.8 and 2.4 million of
either; the default sizes are for a quick look.

Each step runs in a fresh process, which reads what the step before it left; seconds leave imports
and that reading out. Beside them stand the seconds of processors in the program and in the kernel,
whose are mostly for memory that a process touches for the first time. What a GiB of that costs is
said at the end: machines differ in it, and so does one machine from hour to hour. Peak memory is
the process's largest resident set, imports and reading included; MiB a million rows counts what
lies above the imports.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

SIZES, FULL_SIZES = (100_000, 200_000, 400_000), (300_000, 800_000, 2_400_000)
LIMIT_MIB = 6 * 1_024
MINUTES_A_YEAR = 365 * 24 * 60
START = datetime(2021, 1, 1, tzinfo=UTC)
SPLIT = {"validation_start": 0.6, "test_start": 0.8}  # published shares of the rows
# By the first network, the first step of an optimiser and the first epoch.
IMPORTED_LATE = (
    "dvol_utils.training.forecaster",
    "torch._dynamo",
    "torch.utils.tensorboard",
)


class Row(NamedTuple):
    """One measured step."""

    reading: str
    step: str
    rows: int
    seconds: float
    user: float  # processor seconds, in the program
    system: float  # and in the kernel
    before_mib: float
    peak_mib: float


def study_file(folder: Path, reading: str, rows: int) -> Path:
    """A study whose market has `rows` minutes or hours, in a folder of its own."""
    hours = rows if reading == "hours" else rows // 60
    data: dict[str, Any] = {"source": "simulated", "simulated": {"hours": hours}}
    if reading == "minutes":
        data = {"source": "raw_store", "raw_dir": "raw", "frequency_minutes": 1}
    split = {
        key: f"{START + timedelta(hours=int(share * hours)):%Y-%m-%d %H:00}"
        for key, share in SPLIT.items()
    }
    content = {
        "title": f"{rows:,} {reading}",
        "data": data,
        "split": split,
        "features": {"groups": ["published", "calendar"]},
        "models": ["persistence", "lstm_baseline"],
        "training": {"supervision": "dense", "epochs": 1, "batch_size": 8, "seeds": [0]},
    }
    path = folder / "params" / "growth.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
    return path


def write_files(study: Any, rows: int) -> Iterator[None]:
    from data import write_minutes
    from dvol_utils.data.simulated.market import write_store

    yield
    study.raw_dir.mkdir(parents=True)
    yield
    if study.is_simulated:
        write_store(study.raw_dir, study.data)
    else:
        write_minutes(str(study.raw_dir), str(rows))
    yield


def panel(study: Any, rows: int) -> Iterator[None]:
    from dvol_utils.data.panel import build_panel
    from dvol_utils.study.tables import write_table

    yield
    yield
    write_table(study, "panel", build_panel(study.raw_dir, study.data))
    yield


def minute_jumps(study: Any, rows: int) -> Iterator[None]:
    import numpy as np

    from dvol_utils.data.raw.store import read_series
    from dvol_utils.jumps import lee_mykland

    yield
    close = read_series(study.raw_dir, "BTC", "price", study.data)["close"]
    yield
    # The shortest window that the paper advises.
    lee_mykland(np.log(close).diff(), window=math.isqrt(MINUTES_A_YEAR), alpha=0.01)
    yield


def jumps(study: Any, rows: int) -> Iterator[None]:
    from dvol_utils.jumps import detect_jumps, panel_periodicity
    from dvol_utils.study.tables import read_table, write_table

    yield
    panel = read_table(study, "panel")
    yield
    before = study.split.validation_start
    factors = panel_periodicity(panel, study.jumps.periodicity_slots, before=before)
    detect_jumps(panel, study.jumps, periodicity=factors)
    write_table(study, "jumps", detect_jumps(panel, study.jumps))
    yield


def samples(study: Any, rows: int) -> Iterator[None]:
    from dvol_utils.samples.samples import build_samples
    from dvol_utils.study.tables import read_table

    yield
    panel, jumps = read_table(study, "panel"), read_table(study, "jumps")
    yield
    build_samples(panel, jumps, study)
    yield


def epoch(study: Any, rows: int) -> Iterator[None]:
    from dvol_utils.forecasting.forecasters import make_forecaster
    from dvol_utils.samples.samples import build_samples
    from dvol_utils.study.tables import read_table

    for name in IMPORTED_LATE:
        importlib.import_module(name)
    yield
    panel, jumps = read_table(study, "panel"), read_table(study, "jumps")
    samples = build_samples(panel, jumps, study)
    forecaster = make_forecaster("lstm_baseline", study)
    yield
    forecaster.fit(samples)
    yield


# A step yields when its imports are done, when its inputs are there, and when its work is done.
STEPS: dict[str, tuple[Callable[[Any, int], Iterator[None]], str]] = {
    "write files": (write_files, "minutes or hours as CSV, with the simulation of the market"),
    "panel": (panel, "files read, checked and aligned to hours; panel.parquet"),
    "minute jumps": (minute_jumps, "Lee-Mykland on the price's returns of one minute"),
    "jumps": (jumps, "factors by hour of the week, plain and corrected test; jumps.parquet"),
    "samples": (samples, "features, rolling scaling, target, splits"),
    "epoch": (epoch, "lstm_baseline, dense: sequences, one epoch, validation, checkpoint"),
}


def measure(step: str, path: Path, rows: int) -> None:
    """Run one step in this process and print what it took as JSON."""
    from dvol_utils.study.loading import load_study

    work = STEPS[step][0](load_study(path), rows)
    next(work)
    before = peak_mib()
    next(work)
    start = clocks()
    next(work)
    spent = [now - then for now, then in zip(clocks(), start, strict=True)]
    print(json.dumps([*spent, before, peak_mib()]))


def clocks() -> tuple[float, float, float]:
    """Seconds: on the wall, and of processors in this process and in the kernel for it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime, used.ru_stime


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def measured(reading: str, rows: int, folder: Path) -> list[Row]:
    """Every step of a reading at one size, each in a process of its own."""
    path = study_file(folder, reading, rows)
    table = []
    for step in STEPS:
        if step == "minute jumps" and reading != "minutes":
            continue
        command = [sys.executable, __file__, "--measure", step, str(path), str(rows)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        table.append(Row(reading, step, rows, *json.loads(done.stdout.splitlines()[-1])))
        print(line(table[-1]), flush=True)
    return table


def line(row: Row) -> str:
    million = row.rows / 1e6
    return (
        f"{row.reading:<8} {row.step:<13} {row.rows:>10,} {row.seconds:>9.2f} "
        f"{row.seconds / million:>10.2f} {row.user / million:>8.2f} {row.system / million:>8.2f} "
        f"{row.peak_mib:>9,.0f} "
        f"{(row.peak_mib - row.before_mib) / million:>10,.0f}"
    )


def growth(table: list[Row]) -> None:
    """What further rows cost from size to size, and the largest peak."""
    print(
        "\nWhat a million further rows costs, from size to size: the same wherever growth is linear"
    )
    sizes = sorted({row.rows for row in table})
    pairs = list(itertools.pairwise(sizes))
    spans = "".join(f"{f'{a:,} to {b:,}':>23}" for a, b in pairs)
    print(f"{'reading':<8} {'step':<13}{spans}")
    for reading, step in dict.fromkeys((row.reading, row.step) for row in table):
        at = {row.rows: row for row in table if (row.reading, row.step) == (reading, step)}
        cells = ""
        for small, large in pairs:
            million = (large - small) / 1e6
            seconds = (at[large].seconds - at[small].seconds) / million
            memory = (at[large].peak_mib - at[small].peak_mib) / million
            cells += f"{seconds:>9.2f} s {memory:>8,.0f} MiB"
        print(f"{reading:<8} {step:<13}{cells}")
    peak = max(table, key=lambda row: row.peak_mib)
    verdict = "below" if peak.peak_mib < LIMIT_MIB else "NOT below"
    print(
        f"\nlargest peak: {peak.peak_mib:,.0f} MiB ({peak.reading}, {peak.step}, {peak.rows:,} "
        f"rows), {verdict} {LIMIT_MIB:,} MiB"
    )


def first_touch() -> None:
    """What a GiB costs that nobody has written to yet."""
    import numpy as np

    block = np.empty(2**30, np.uint8)
    spans = []
    for value in (1, 2):
        start = clocks()
        block[:] = value
        spans.append(clocks()[0] - start[0])
    print(f"a GiB of memory: {spans[0]:.2f} s at the first touch, {spans[1]:.2f} s at the second")


def main(sizes: list[int], folder: Path | None) -> None:
    for step, (_, meaning) in STEPS.items():
        print(f"{step:<13} {meaning}")
    print("minutes: sixty rows of the files are one panel row; hours: each is a panel row\n")
    print(
        f"{'reading':<8} {'step':<13} {'rows':>10} {'seconds':>9} {'s/million':>10} "
        f"{'user':>8} {'kernel':>8} "
        f"{'peak MiB':>9} {'MiB/mill.':>10}"
    )
    table = []
    for reading in ("minutes", "hours"):
        for rows in sizes:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                table += measured(reading, rows, Path(place))
    if len(set(sizes)) > 1:
        growth(table)
    first_touch()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="rows of the files")
    parser.add_argument("--full", action="store_true", help=f"sizes {FULL_SIZES}")
    parser.add_argument("--folder", type=Path, help="where the temporary files go")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        step, path, rows = arguments.measure
        measure(step, Path(path), int(rows))
    else:
        sizes = FULL_SIZES if arguments.full else arguments.sizes
        main(sorted(sizes), arguments.folder)
