"""Checkpoints of the models that are no networks: a few arrays, and what they belong to.

They lie where networks' checkpoints lie, `checkpoints/<model>/<fold>-0/`, and are as suspicious:
`model.safetensors` holds what was learnt, `config.json` names its hash and carries its own.
Nothing in them is executed when they are read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from dvol_utils.models import Restorable
from dvol_utils.study.effective import parameters_hash
from dvol_utils.study.files import file_hash, replacing
from dvol_utils.study.params import StudyParams
from dvol_utils.study.tables import sections_of
from dvol_utils.training.checkpoints.code import simple_code
from dvol_utils.training.checkpoints.sealed import (
    CheckpointError,
    advice,
    as_os_error,
    check_file,
    read_sealed,
    write_sealed,
    writing,
)


def save_simple(
    folder: Path, forecaster: Restorable, study: StudyParams, *, model: str, fold: int
) -> None:
    """Write what a fitted forecaster has learnt, then `config.json`, which marks it as whole.

    Raises
    ------
    CheckpointError
        The disk is full or cannot be written.
    """
    # safetensors writes memory as it lies: a transposed array comes back with other values.
    state = {name: np.ascontiguousarray(value) for name, value in forecaster.state().items()}
    path = folder / "model.safetensors"
    with writing(folder, "the fitted model could not be saved"):
        (folder / "config.json").unlink(missing_ok=True)  # of an earlier run
        with replacing(path) as temporary:
            _save(state, temporary)
        config = {
            "model": model,
            "fold": fold,
            "seed": 0,
            "inputs": _inputs(forecaster),
            "numbers": sum(value.size for value in state.values()),
            "parameters_hash": parameters_hash(study, sections_of("forecasts")),
            "state_sha256": file_hash(path),
            "code": simple_code(forecaster),
        }
        write_sealed(folder / "config.json", config)


def load_simple(
    folder: Path, forecaster: Restorable, study: StudyParams, *, model: str, fold: int
) -> dict[str, Any]:
    """Let a new forecaster take over what `save_simple` wrote, and return `config.json`.

    Raises
    ------
    CheckpointError
        A file is missing, was changed or cut short since it was written, or belongs to another
        model, fold or study.
    """
    config = read_sealed(folder / "config.json")
    expected = {
        "model": model,
        "fold": fold,
        "inputs": _inputs(forecaster),
        "parameters_hash": parameters_hash(study, sections_of("forecasts")),
    }
    for key, value in expected.items():
        if config.get(key) != value:
            raise CheckpointError(
                f"{folder / 'config.json'}: {key} is {config.get(key)!r}, this study needs "
                f"{value!r}; {advice(folder)}"
            )
    check_file(folder / "model.safetensors", config["state_sha256"])
    try:
        forecaster.restore(load_file(folder / "model.safetensors"))
    except KeyError as error:
        raise CheckpointError(
            f"{folder / 'model.safetensors'} holds no {error}: another version wrote it; "
            f"{advice(folder)}"
        ) from None
    return config


def _inputs(forecaster: Restorable) -> list[str]:
    return list(getattr(forecaster, "columns", []))


def _save(state: dict[str, np.ndarray], path: Path) -> None:
    try:
        save_file(state, path)
    except SafetensorError as error:
        raise as_os_error(error) from None
