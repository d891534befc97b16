"""A small project at each point of its run, for tests that kill commands or fill their disk."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from engine import LASTING

from dvol_utils.study.stages import STAGES

ROOT = Path(__file__).parents[1]
EVERY = {
    "title": "Killed and starved",
    "data": {"source": "simulated", "simulated": {"start": "2021-01-01", "hours": 3500, "seed": 1}},
    "split": {"validation_start": "2021-03-28", "test_start": "2021-04-18"},
    "models": ["persistence", "har", "lstm_baseline"],
    "horizons": [1, 24],
    "training": {"seeds": [0, 1], "epochs": 2, "patience": 2, "batch_size": 8},
    "evaluation": {"level_window_hours": 720},
    "significance": {"reps": 50},
}
PAIR = {
    **EVERY,
    "data": EVERY["data"] | {"assets": ["BTC", "ETH"]},
    "features": {"groups": ["har", "calendar"]},
}
BY_THE_RULES = {
    **{key: value for key, value in EVERY.items() if key != "horizons"},
    "published_page": True,
    "split": EVERY["split"] | {"separate_scaling": True},
    "jumps": {"rule": "published", "regime_hours": 1},
    "features": {
        "groups": ["published"],
        "exclude_jumps": False,
        "lags_from": "row",
        "scaling_window_hours": 240,
    },
    "target": {"kind": "scaled_level", "horizon_hours": 1},
    "models": ["persistence", "lstm_baseline"],
    "judgement": {"epochs": 1, "seeds": [0, 1]},
}
STUDIES = {"every": EVERY, "pair": PAIR, "published": BY_THE_RULES}
SITE, TRAIN = "site", ("train 1", "train 2")
# What is run before what, each with the command that its stage is disturbed in.
CHAINS = {
    "every": ("01", "02", "03", "04", "05", "06", "08", "10", "11", SITE),
    "pair": ("01", "02", "09"),
    "published": ("01", "02", "03", "04", "05", "07"),
}
NAMES = {stage.name[:2]: stage.name for stage in STAGES}


def command(what: str, study: str) -> list[str]:
    """A command of a study: of a stage's number, `site`, `train 1` or `train 2` (processes)."""
    if what in TRAIN:
        devices = "cpu" if what.endswith("1") else "2"
        network = ["--study", study, "--model", "lstm_baseline", "--devices", devices]
        return [".venv/bin/dvol", "train", *network]
    notebook = f"{NAMES.get(what)}.ipynb"
    target = f"runs/{study}/notebooks/{notebook}"
    if study == "every":
        return ["make", "report" if what == SITE else target, f"STUDY={study}"]
    return [
        *(".venv/bin/dvol", "notebook", f"notebooks/{notebook}"),
        *("--output", target, "--study", study),
    ]


def study_of(what: str) -> str:
    """The study that is disturbed in a stage, the site or a training."""
    return {"07": "published", "09": "pair"}.get(what, "every")


def environment(project: Path, **more: str) -> dict[str, str]:
    """That of a user at a terminal, with the project's own folder for temporary files."""
    plain = {key: value for key, value in os.environ.items() if "MAKE" not in key}
    return (
        plain | {"TMPDIR": str(project / "tmp"), "JOBLIB_TEMP_FOLDER": str(project / "tmp")} | more
    )


def run(project: Path, words: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a project to its end."""
    return subprocess.run(
        words,
        cwd=project,
        env=environment(project, **more),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def made(factory: pytest.TempPathFactory) -> Path:
    """The project before and after each command: `<study> <what>/before` and `after`.

    Made by the first process that asks, in a folder that all of pytest's share, or FAULTS_BASE.
    `seconds` there says how long the command took, `openings` how many files it began to write.
    """
    shared = factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    folder = Path(os.environ.get("FAULTS_BASE", shared / "endurance"))
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            _make(folder)
            (folder / "whole").touch()
    return folder


def _make(folder: Path) -> None:
    for study, chain in CHAINS.items():
        now = _new_project(folder / study)
        for what in chain:
            _note(folder, now, what, study)
    for what in TRAIN:
        now = copy(folder / "every 03/before", folder / f"now {what}")
        _note(folder, now, what, "every")


def _note(folder: Path, now: Path, what: str, study: str) -> None:
    state = folder / f"{study} {what}"
    copy(now, state / "before")
    begin, counter = time.monotonic(), now.parent / "counter"
    counter.write_bytes(b"")
    done = run(now, command(what, study), **full_at(counter, None))
    assert done.returncode == 0, done.stdout
    assert leftovers(now) == []
    (state / "seconds").write_text(str(time.monotonic() - begin))
    (state / "openings").write_text(str(counter.stat().st_size))
    copy(now, state / "after")


def full_at(counter: Path, opening: int | None, limit: int | None = None) -> dict[str, str]:
    """Environment in which the disk is full from the n-th file on that is opened for writing.

    `counter` grows by a byte for each. With `limit`, files may be opened, and grow to so many
    bytes. None is never full.
    """
    at = {} if opening is None else {"FULL_AT": str(opening)}
    to = {} if limit is None else {"FULL_LIMIT": str(limit)}
    return (
        {"PYTHONPATH": str(Path(__file__).parent / "full_disk"), "FULL_COUNTER": str(counter)}
        | at
        | to
    )


def _new_project(project: Path) -> Path:
    (project / "params").mkdir(parents=True)
    (project / "tmp").mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "README.md"):
        shutil.copy(ROOT / name, project)
    for name, study in STUDIES.items():
        (project / f"params/{name}.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    for name in ("notebooks", "dvol_utils"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    (project / ".venv").mkdir()
    (project / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (project / ".venv/.installed").touch()
    return project


def copy(project: Path, target: Path) -> Path:
    """A copy of a project with the times of its files."""
    return shutil.copytree(project, target, symlinks=True)


def results(project: Path) -> dict[str, Any]:
    """All that a run's numbers and pages are made of, by file: bytes, or what does not vary."""
    found = {}
    for path in sorted([*project.glob("runs/**/*"), *project.glob("reports/**/*")]):
        name, short = str(path.relative_to(project)), path.name
        if path.suffix in (".parquet", ".csv", ".html") or short in (*LASTING, "results.json"):
            found[name] = path.read_bytes()
        elif short == "manifest.json":
            found[name] = json.loads(path.read_text())
        elif path.suffix == ".ipynb":
            found[name] = "there"
    return found


def leftovers(project: Path) -> list[str]:
    """Files that only a work in progress may have."""
    hidden = [path for top in ("runs", "reports") for path in (project / top).rglob(".*")]
    left = [path for path in hidden if path.name != ".inputs" and path.suffix != ".lock"]
    left += [*project.rglob("*.new"), *project.rglob("train_state*")]
    left += [path for path in (project / "tmp").iterdir() if "torchinductor" not in path.name]
    return sorted(str(path.relative_to(project)) for path in left)
