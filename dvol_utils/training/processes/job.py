"""A network to train, as files: how it travels to the processes that train it together."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import pandas as pd

from dvol_utils.samples.samples import Samples
from dvol_utils.study.effective import effective
from dvol_utils.study.files import replacing, write_json
from dvol_utils.study.loading import study_from
from dvol_utils.training.errors import InterruptedTrainingError, TrainingError
from dvol_utils.training.network import TrainableNetwork

_ATTRIBUTES = ("asset", "horizon", "ended")  # of samples: what is no column
_JOB, _SAMPLES = "job.json", "samples.parquet"
_ERROR, _TROUBLE, _START = "error.txt", "trouble-{}.txt", "start-{}"
_FEATURE = "feature:"  # marks the columns of `Samples.features`


def write_job(folder: Path, trainable: TrainableNetwork, samples: Samples) -> None:
    """Write what `read_job` reads."""
    write_samples(samples, folder / _SAMPLES)
    study, before = trainable.study, trainable.begins_with
    job = {
        "model": trainable.name,
        "seed": trainable.seed,
        "checkpoint": str(trainable.checkpoint.absolute()),
        "fold": trainable.fold,
        "begins_with": before and str(before.absolute()),
        "root": str(study.root.absolute()),
        "study": effective(study),
    }
    write_json(folder / _JOB, job)


def read_job(folder: Path) -> tuple[TrainableNetwork, Samples]:
    """The network to train, and its samples."""
    job = json.loads((folder / _JOB).read_text(encoding="utf-8"))
    trainable = TrainableNetwork(
        job["model"],
        study_from(job["study"], Path(job["root"])),
        seed=job["seed"],
        checkpoint=Path(job["checkpoint"]),
        fold=job["fold"],
        begins_with=job["begins_with"] and Path(job["begins_with"]),
    )
    return trainable, read_samples(folder / _SAMPLES)


def write_error(folder: Path, error: Exception) -> None:
    """Leave the message of an error that no restart would mend."""
    with replacing(folder / _ERROR) as temporary:
        left = {"message": str(error), "own_fault": getattr(error, "own_fault", False)}
        temporary.write_text(json.dumps(left), encoding="utf-8")


def read_error(folder: Path) -> TrainingError | None:
    """The error that a process has left, if one has."""
    path = folder / _ERROR
    if not path.exists():
        return None
    left = json.loads(path.read_text(encoding="utf-8"))
    kind = TrainingError if left["own_fault"] else InterruptedTrainingError
    return kind(left["message"])


def note_start(folder: Path) -> None:
    """Leave a sign of this start of the processes, for `restarts` to count."""
    with suppress(OSError):  # the disk is full
        (folder / _START.format(_restart())).touch()


def restarts(folder: Path) -> int:
    """How often the processes of this machine were started again."""
    return max(0, len(list(folder.glob(_START.format("*")))) - 1)


def _restart() -> str:
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")


def write_trouble(folder: Path, error: Exception) -> None:
    """Leave the message of an error that a restart may mend; the first of each start is kept."""
    path = folder / _TROUBLE.format(_restart())
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(f"{type(error).__name__}: {error}\n")
    except OSError:
        return  # another process was first, or the disk is full


def last_trouble(folder: Path) -> str | None:
    """First line of the message that the last start has left, if one has."""
    files = sorted(folder.glob(_TROUBLE.format("*")), key=lambda path: path.stat().st_mtime)
    return files[-1].read_text(encoding="utf-8").partition("\n")[0] if files else None


def write_samples(samples: Samples, path: Path) -> None:
    """Samples as parquet, one row per hour; what is no column as its attributes."""
    columns = {
        field.name: getattr(samples, field.name)
        for field in fields(samples)
        if field.name not in (*_ATTRIBUTES, "features") and getattr(samples, field.name) is not None
    }
    # Their index is the times, which are a column of the table already.
    features = samples.features.add_prefix(_FEATURE).reset_index(drop=True)
    table = pd.concat([pd.DataFrame(columns), features], axis=1)
    # pandas keeps them in the file's own metadata.
    table.attrs = {name: getattr(samples, name) for name in _ATTRIBUTES}
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False)


def read_samples(path: Path) -> Samples:
    """Samples that `write_samples` wrote."""
    table = pd.read_parquet(path)
    times = pd.DatetimeIndex(table.pop("times"), name="time")
    named = [name for name in table.columns if name.startswith(_FEATURE)]
    features = table[named].rename(columns=lambda name: name.removeprefix(_FEATURE))
    rest = {name: table[name].to_numpy() for name in table.columns if name not in named}
    return Samples(**table.attrs, times=times, features=features.set_index(times), **rest)
