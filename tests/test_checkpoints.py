"""Checkpoints: nothing damaged is taken, nothing is executed, and a full disk costs little."""

from __future__ import annotations

import dataclasses
import pickle
import re
import shutil
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from engine import left, tiny_forecaster, tiny_job, tiny_samples
from trainers import lines

from dvol_utils.models.networks import build_network
from dvol_utils.pages.training import training_history, training_summary
from dvol_utils.study.files import file_hash
from dvol_utils.training.checkpoints.code import network_code
from dvol_utils.training.checkpoints.networks import (
    fingerprint,
    load_weights,
    read_config,
    read_history,
    save_finished,
)
from dvol_utils.training.checkpoints.sealed import (
    CheckpointError,
    emptied,
    read_sealed,
    write_sealed,
)
from dvol_utils.training.run import train_checkpoint

SHORT = {"training.epochs": 2}
IN_EPOCH_3 = ["dvol_utils.training.loop", "_validate", 3, "before"]
ADVICE = r"; restore it, or delete \S+/checkpoint to train this model again$"

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("tiny_ladder")]


@pytest.fixture(scope="module")
def made(trainers, tmp_path_factory):
    """Jobs with what was made of them: two epochs, all, and killed in the third of all."""
    folder = tmp_path_factory.mktemp("made")
    short = tiny_job(folder / "short", **SHORT)
    whole, broken = tiny_job(folder / "whole"), tiny_job(folder / "broken")
    assert trainers.run("train", job=short) == trainers.run("train", job=whole) == 0
    assert trainers.run("train", job=broken, die=IN_EPOCH_3) == -9
    return folder


@pytest.fixture
def finished(made, tmp_path):
    """The folder of a network that was trained for two epochs."""
    return shutil.copytree(made / "short/checkpoint", tmp_path / "checkpoint")


@pytest.fixture
def broken(made, tmp_path):
    """The folder of a training that was killed in its third epoch."""
    return shutil.copytree(made / "broken/checkpoint", tmp_path / "checkpoint")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(path: Path) -> None:
    """Change one character, and leave the file as long as it was and as well formed."""
    content = path.read_bytes()
    at = max(place for place, byte in enumerate(content) if byte in b"123456789")
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [truncate, edit, empty])
@pytest.mark.parametrize("name", ["model.safetensors", "history.csv", "config.json"])
def test_a_damaged_checkpoint_is_refused(finished, name, damage):
    damage(finished / name)
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    with pytest.raises(CheckpointError, match=rf"^{finished}/{name} (was|is) .*{ADVICE}"):
        tiny_forecaster(finished.parent, **SHORT).fit(tiny_samples())
    with pytest.raises(CheckpointError, match=name):
        training_summary([finished])
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before


@pytest.mark.parametrize("name", ["model.safetensors", "history.csv"])
def test_a_checkpoint_without_one_of_its_files_is_refused(finished, name):
    remove(finished / name)
    with pytest.raises(CheckpointError, match=rf"/{name}: No such file or directory{ADVICE}"):
        tiny_forecaster(finished.parent, **SHORT).fit(tiny_samples())


@pytest.mark.parametrize("damage", [truncate, edit, empty])
@pytest.mark.parametrize("pattern", ["train_state-2.pt", "train_state.json"])
def test_a_damaged_state_is_refused(broken, pattern, damage):
    damage(broken / pattern)
    with pytest.raises(CheckpointError, match=rf"^{broken}/{pattern} (was|is) .*{ADVICE}"):
        train_checkpoint(tiny_forecaster(broken.parent), tiny_samples())
    assert (broken / pattern).exists()
    train_checkpoint(tiny_forecaster(broken.parent, **SHORT), tiny_samples(), fresh=True)


def test_a_state_that_is_gone_is_refused(broken):
    remove(broken / "train_state-2.pt")
    with pytest.raises(CheckpointError, match=r"train_state-2\.pt: No such file or directory"):
        train_checkpoint(tiny_forecaster(broken.parent), tiny_samples())


@pytest.mark.parametrize("change", ["target", "inputs", "parameters", "seed"])
def test_other_data_or_parameters_train_again(finished, change):
    """Even over a checkpoint that is damaged as well: nobody asks for that one any more."""
    remove(finished / "model.safetensors")
    before = read_sealed(finished / "config.json")["fingerprint"]
    samples, overrides, row = tiny_samples(), dict(SHORT), tiny_samples().rows("validation")[-1]
    seed = 4 if change == "seed" else 3
    if change == "target":
        target = samples.target.copy()
        target[row] += 1e-6
        samples = dataclasses.replace(samples, target=target)
    elif change == "inputs":
        features = samples.features.copy()
        features.iloc[row, features.columns.get_loc("gap_6h")] += 1e-6
        samples = dataclasses.replace(samples, features=features)
    elif change == "parameters":
        overrides["training.learning_rate"] = 1e-3
    tiny_forecaster(finished.parent, seed, **overrides).fit(samples)
    assert read_config(finished)["fingerprint"] != before
    assert lines(finished / "progress.log")[-1].startswith(f"lstm_baseline seed {seed}: epoch   2")


def other_loop(monkeypatch):
    """The marks of a training loop that computes something else."""
    for module in ("networks", "code"):
        path = f"dvol_utils.training.checkpoints.{module}.network_code"
        monkeypatch.setattr(path, lambda name: network_code(name) | {"training/loop.py": "0"})
    monkeypatch.setattr(
        "dvol_utils.training.run.network_code",
        lambda name: network_code(name) | {"training/loop.py": "0"},
    )


def test_other_code_trains_again_and_says_so(finished, monkeypatch):
    before = read_config(finished)
    other_loop(monkeypatch)
    tiny_forecaster(finished.parent, **SHORT).fit(tiny_samples())
    after = read_config(finished)
    assert before["fingerprint"] != after["fingerprint"]
    assert (before["code"] | {"training/loop.py": "0"}) == after["code"]
    assert lines(finished / "progress.log")[0] == (
        "lstm_baseline seed 3: trained anew: the code was another one when it was trained "
        "(training/loop.py)"
    )
    monkeypatch.setattr("dvol_utils.training.forecaster.train_checkpoint", None)
    tiny_forecaster(finished.parent, **SHORT).fit(tiny_samples())  # is not called again


def test_a_state_of_other_code_is_not_gone_on_from(broken, monkeypatch):
    other_loop(monkeypatch)
    train_checkpoint(tiny_forecaster(broken.parent, **SHORT), tiny_samples())
    assert "goes on after" not in (broken / "progress.log").read_text()


def test_weights_of_a_network_of_another_size(finished):
    network = build_network("lstm_tuned", 3, 0)
    with pytest.raises(
        CheckpointError, match=rf"holds the weights of a network of another.*{ADVICE}"
    ):
        load_weights(finished, network)


def test_a_checkpoint_without_its_configuration_was_never_finished(finished):
    first = left(finished.parent)
    remove(finished / "config.json")
    tiny_forecaster(finished.parent, **SHORT).fit(tiny_samples())
    assert left(finished.parent) == first


def test_auto_takes_a_network_of_any_number_of_processes(tmp_path):
    """As it comes from a machine with more GPUs; a number insists on its own."""
    folder = tmp_path / "checkpoint"
    forecaster = tiny_forecaster(tmp_path, **SHORT)
    train_checkpoint(forecaster, tiny_samples())
    of = fingerprint("lstm_baseline", tiny_samples(), forecaster.study, 3, 4, "float32")
    facts = {"model": "lstm_baseline", "inputs": forecaster.columns, "seed": 3, "processes": 4}
    facts |= {"arithmetic": "float32", "arithmetic_because": "as training.precision says"}
    save_finished(folder, forecaster.network, of, read_history(folder), facts)
    tiny_forecaster(tmp_path, **SHORT).fit(tiny_samples())
    assert read_config(folder)["processes"] == 4
    tiny_forecaster(tmp_path, **SHORT, **{"training.devices": 1}).fit(tiny_samples())
    assert read_config(folder)["processes"] == 1


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def write_pickle(bomb: Bomb, path: Path) -> None:
    path.write_bytes(pickle.dumps(bomb, protocol=2))


@pytest.mark.parametrize("write", [torch.save, write_pickle])
def test_code_in_a_state_is_refused_and_not_run(broken, write):
    """Although its hash is the one that was recorded."""
    state, boom = broken / "train_state-2.pt", broken / "boom"
    write(Bomb(boom), state)
    index = read_sealed(broken / "train_state.json")
    write_sealed(broken / "train_state.json", index | {"sha256": file_hash(state)})
    with pytest.raises(CheckpointError, match=rf"^{state} is no training state \(.*{ADVICE}"):
        train_checkpoint(tiny_forecaster(broken.parent), tiny_samples())
    assert not boom.exists()
    pickle.loads(pickle.dumps(Bomb(boom)))
    assert boom.exists()


def test_a_state_names_no_file_of_another_folder(broken):
    index = read_sealed(broken / "train_state.json")
    write_sealed(broken / "train_state.json", index | {"file": "../../other/train_state-2.pt"})
    train_checkpoint(tiny_forecaster(broken.parent), tiny_samples())
    assert "goes on after epoch 2" in (broken / "progress.log").read_text()


def test_a_disk_too_full_for_the_state_costs_the_state_alone(made, trainers, tmp_path):
    """The largest file that can be written is larger than the weights and smaller than it."""
    full = tiny_job(tmp_path / "full")
    assert trainers.run("train", job=full, limit=15_000) == 0
    assert left(full) == left(made / "whole")
    said = lines(full / "checkpoint/progress.log")[0]
    assert re.search(r"seed 3: \S+/checkpoint: the state of epoch 1 could not be kept \(File too "
                     r"large\); training goes on", said)  # fmt: skip
    assert not list((full / "checkpoint").glob("*train_state*"))
    assert not list((full / "checkpoint").glob(".*"))


@pytest.mark.parametrize("limit", [200, 2_000])
def test_a_disk_that_is_full_at_the_end(made, broken, trainers, tmp_path, limit):
    """Nothing half written is left, and with room the next start goes on to the same end."""
    full = tiny_job(tmp_path)
    assert trainers.run("train", job=full, limit=limit) == 1
    names = {path.name for path in broken.iterdir()}
    names = {name for name in names if not name.startswith("events.")}
    assert names == {"history.csv", "progress.log", "train_state-2.pt", "train_state.json"}
    assert re.match(
        r"CheckpointError: the trained network could not be saved: \S+/checkpoint/\S+: File too "
        r"large; .*, then run the same command again: training goes on from its last kept epoch$",
        (full / "error").read_text(),
    )
    assert trainers.run("train", job=full) == 0
    assert left(full) == left(made / "whole")


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "checkpoint").write_text("a file")
    expected = r"^training cannot begin: \S+/checkpoint: File exists; move away the file that lies"
    with pytest.raises(CheckpointError, match=expected):
        tiny_forecaster(tmp_path, **SHORT).fit(tiny_samples())


@pytest.mark.parametrize("deleted", range(5))
def test_emptying_a_folder_can_be_interrupted_anywhere(broken, monkeypatch, deleted):
    """What is left never names files that are gone."""
    (broken / "config.json").touch()
    (broken / "model.safetensors").touch()
    unlink, calls = Path.unlink, count()

    def fail(path, missing_ok=False):
        if next(calls) == deleted:
            raise InterruptedError
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fail)
        with pytest.raises(InterruptedError):
            emptied(broken)
    if deleted > 1:
        assert not (broken / "config.json").exists()
        assert not (broken / "train_state.json").exists()
    else:
        assert (broken / "model.safetensors").exists()
        assert (broken / "train_state-2.pt").exists()


def test_summary_and_history_of_finished_networks(tmp_path):
    folders = []
    for seed in (3, 4):
        tiny_forecaster(tmp_path / str(seed), seed, **SHORT).fit(tiny_samples())
        folders.append(tmp_path / str(seed) / "checkpoint")
    summary, history = training_summary(folders), training_history(folders)
    assert summary["seed"].tolist() == [3, 4]
    assert summary["epochs"].tolist() == [2, 2]
    assert history.groupby("seed")["epoch"].agg(list).tolist() == [[1, 2], [1, 2]]
    best = history.groupby("seed")["validation_loss"].min()
    np.testing.assert_array_equal(best, summary["validation_loss"])
