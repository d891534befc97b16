"""Checkpoints of one network: what a training run leaves, and how it is found again.

A folder holds, while a network trains, `history.csv`, `progress.log`, TensorBoard events and the
state to go on from; once it is trained, `model.safetensors` and `config.json` in that state's
place. Nothing in it is executed when it is read.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dvol_utils.models.networks import network_size
from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.samples import Samples
from dvol_utils.study.effective import effective, flat, neutral_keys
from dvol_utils.study.files import file_hash, replacing
from dvol_utils.study.params import StudyParams
from dvol_utils.study.source_code import changed_code
from dvol_utils.training.checkpoints.code import network_code
from dvol_utils.training.checkpoints.sealed import (
    CheckpointError,
    advice,
    as_os_error,
    check_file,
    read_sealed,
    write_sealed,
    writing,
)
from dvol_utils.training.loop import History
from dvol_utils.training.progress import write_history

# Said by the seed, the number of processes and the arithmetic of the one network.
_SAID_OTHERWISE = ("training.seeds", "training.devices", "training.precision")


def fingerprint(
    name: str,
    samples: Samples,
    study: StudyParams,
    seed: int,
    processes: int,
    arithmetic: str,
    *,
    begins_with: Path | None = None,
) -> str:
    """Hash of everything that the trained weights depend on.

    Among it are the code that it is trained by, the arithmetic of the products, whatever made it
    so, and the weights of the checkpoint `begins_with`, from which training starts.
    """
    digest = hashlib.sha256()
    # Jumps and splits are not among these: they are in the rows and weights below.
    settings = flat(effective(study, ("features", "target", "training")))
    for key in {*neutral_keys(), *_SAID_OTHERWISE} & settings.keys():
        del settings[key]
    # Alone, a network's rate is never scaled, whatever the study says.
    if processes == 1:
        del settings["training.lr_scaling"]
    size = dict(network_size(name, study.networks))
    facts = [name, seed, size, settings, processes, arithmetic, network_code(name)]
    digest.update(json.dumps(facts).encode())
    weight = samples.loss_weights(study.training.jump_weight)
    for rows in (samples.rows("train"), samples.rows("validation"), samples.fitting_rows()):
        for values in (rows, samples.target[rows], weight[rows]):
            digest.update(np.ascontiguousarray(values).tobytes())
    # `rows` is the last of the loop: the rows to learn from, which age alone weighs.
    if samples.age_weight is not None:
        digest.update(samples.age_weight[rows].tobytes())
    # Up to the last row that is learnt from or stopped by; later ones change no weight.
    last = max(rows.max(), samples.rows("validation").max()) + 1
    for name in feature_columns(study.features.groups):
        digest.update(samples.features[name].to_numpy()[:last].tobytes())
    if begins_with is not None:
        digest.update(read_config(begins_with)["weights_sha256"].encode())
    return digest.hexdigest()


def save_finished(
    folder: Path, network: nn.Module, of: str, history: History, facts: dict[str, Any]
) -> None:
    """Write weights, then `config.json`, whose presence marks the checkpoint as finished.

    `of` is the fingerprint of what was trained, `facts` what else `config.json` shall hold.

    Raises
    ------
    CheckpointError
        The disk is full or cannot be written.
    """
    # On the CPU: the file shall not depend on the device that trained the network.
    weights = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    best = min(history, key=lambda row: row["validation_loss"])
    with writing(folder, "the trained network could not be saved"):
        write_history(folder, history)  # whole, even where the disk was full for a while
        with replacing(folder / "model.safetensors") as temporary:
            _save_weights(weights, temporary)
        config = {
            **facts,
            "parameter_count": sum(value.numel() for value in weights.values()),
            "epochs": len(history),
            "best_epoch": int(best["epoch"]),
            "validation_loss": best["validation_loss"],
            "fingerprint": of,
            "weights_sha256": file_hash(folder / "model.safetensors"),
            "history_sha256": file_hash(folder / "history.csv"),
        }
        write_sealed(folder / "config.json", config)


def _save_weights(weights: dict[str, Tensor], path: Path) -> None:
    try:
        save_file(weights, path)
    except SafetensorError as error:
        raise as_os_error(error) from None


def load_finished(
    folder: Path,
    network: nn.Module,
    of: Callable[[int, str], str],
    processes: int | None,
    arithmetics: Collection[str],
) -> History | None:
    """Load a finished checkpoint's weights into `network` and return its history.

    Parameters
    ----------
    folder : Path
    network : nn.Module
    of : callable
        Fingerprint of the network that is wanted, by the number of processes that train it and
        the arithmetic that they train it in.
    processes : int, optional
        Their number; None for any.
    arithmetics : collection of str
        Those that are taken.

    Returns
    -------
    list of dict or None
        None where there is no finished checkpoint, or its data, parameters, code or arithmetic
        were others, or it is of a version that did not note them: then it has to be trained.

    Raises
    ------
    CheckpointError
        A file was changed or cut short since it was written.
    """
    if not (folder / "config.json").exists():
        return None
    config = read_sealed(folder / "config.json")
    if config.get("arithmetic") not in arithmetics:
        return None
    # With the number of processes that the checkpoint names, where any will do.
    if config["fingerprint"] != of(processes or config["processes"], config["arithmetic"]):
        return None
    load_weights(folder, network)
    return read_history(folder)


def load_weights(folder: Path, network: nn.Module) -> None:
    """Load the weights of a finished checkpoint, whatever it learnt from, into `network`.

    Raises
    ------
    CheckpointError
        As `read_config`; or they are those of a network of another size.
    """
    read_config(folder)
    try:
        network.load_state_dict(load_file(folder / "model.safetensors"))
    except RuntimeError:  # names every layer
        raise CheckpointError(
            f"{folder / 'model.safetensors'} holds the weights of a network of another size or "
            f"kind; {advice(folder)}"
        ) from None


def why_anew(folder: Path, name: str) -> str | None:
    """Why a network that was trained before is trained again, where its code is the reason."""
    try:
        config = read_sealed(folder / "config.json")
    except CheckpointError:  # there is none, or nobody asks for that one any more
        return None
    changed = changed_code(config.get("code"), network_code(name))
    return changed and f"trained anew: the code was another one when it was trained ({changed})"


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a finished checkpoint, after a check of it and of the files it names.

    Raises
    ------
    CheckpointError
        One of them is missing, or was changed or cut short since it was written.
    """
    config = read_sealed(folder / "config.json")
    check_file(folder / "model.safetensors", config["weights_sha256"])
    check_file(folder / "history.csv", config["history_sha256"])
    return config


def read_history(folder: Path) -> History:
    """`history.csv` as rows of numbers."""
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
