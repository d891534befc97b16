"""One network in several processes: the same as in one with the joint batch."""

from __future__ import annotations

import dataclasses
from itertools import count

import numpy as np
import pytest
import torch
from engine import left, tiny_job, tiny_samples
from trainers import lines

from dvol_utils.samples.samples import Samples
from dvol_utils.study.fitting_section import TrainingParams
from dvol_utils.training.devices import DeviceError, Place, process_count, scaled_rate
from dvol_utils.training.sequences import sequence_starts

# Small steps: in large ones training itself makes much of what rounding differs by.
TWO_EPOCHS = {"training.epochs": 2, "training.learning_rate": 2e-3}
IN_EPOCH_4 = ["dvol_utils.training.loop", "clip_grad_norm_", 10, "before"]  # 3 steps an epoch
_runs = count()


@pytest.fixture
def together(trainers, tmp_path):
    """Trains one network in several processes; what each of them ended with."""

    def run(processes, batch_size, samples=None, *, hidden=8, again=False, **overrides):
        job = tmp_path / "job"
        settings = {**TWO_EPOCHS, "training.batch_size": batch_size, **overrides}
        tiny_job(job, samples, **settings)
        store = tmp_path / f"store-{next(_runs)}"
        outs = [job / f"out-{processes}-{number}" for number in range(processes)]
        more = {"job": job, "store": store, "processes": processes}
        more |= {"hidden": hidden, "again": again}
        started = [
            trainers.start("share", out=out, number=number, **more)
            for number, out in enumerate(outs)
        ]
        assert [trainers.wait(pid) for pid in started] == [0] * processes
        return [torch.load(out, weights_only=True) for out in outs]

    return run


def few_rows(train: int, validation: int = 10**6) -> Samples:
    """The samples with at most so many rows of each split, at its end."""
    samples = tiny_samples()
    scored = samples.scored.copy()
    for split, most in (("train", train), ("validation", validation)):
        scored[samples.rows(split)[:-most]] = False
    return dataclasses.replace(samples, scored=scored)


def flat(weights):
    return torch.cat([value.flatten() for value in weights.values()])


def assert_alike(one, others):
    """All processes hold the same bits, which are those of one process but for rounding."""
    for other in others[1:]:
        assert other["history"] == others[0]["history"]
        assert torch.equal(flat(other["weights"]), flat(others[0]["weights"]))
    torch.testing.assert_close(
        flat(others[0]["weights"]), flat(one["weights"]), rtol=1e-4, atol=1e-5
    )
    for row, expected in zip(others[0]["history"], one["history"], strict=True):
        assert row == pytest.approx(expected, rel=1e-5, abs=1e-6)


def joint_batches(samples: Samples, joint: int) -> list[int]:
    """Sequences in each step of an epoch, for a chunk grid that begins at row 0."""
    starts = sequence_starts(samples.rows("train"), 24, 48)
    return [len(starts[first : first + joint]) for first in range(0, len(starts), joint)]


@pytest.mark.parametrize("supervision", ["dense", "last"])
def test_two_processes_are_one_with_the_joint_batch(together, supervision):
    settings = {"training.supervision": supervision}
    samples = few_rows(400)
    one = together(1, 8, samples, **settings)[0]
    assert len(one["history"]) == 2
    assert_alike(one, together(2, 4, samples, **settings))


def test_a_last_batch_that_does_not_divide_evenly(together):
    samples = few_rows(1_000)
    assert joint_batches(samples, 4)[-1] % 2 == 1
    one = together(1, 4, samples)[0]
    assert_alike(one, together(2, 2, samples))


def test_fewer_sequences_than_processes(together):
    """In training and in validation, some process has nothing to do."""
    samples = few_rows(48, 40)
    assert len(sequence_starts(samples.rows("train"), 24, 48)) <= 2
    assert len(sequence_starts(samples.rows("validation"), 24, 48)) <= 2
    one = together(1, 3, samples)[0]
    assert_alike(one, together(3, 1, samples))


def test_training_goes_on_in_the_same_bits_with_three_processes(together):
    """Sums over three processes depend on how gradients are packed, and that on the past."""
    samples = few_rows(400)
    through = together(3, 1, samples, hidden=128)
    on = together(3, 1, samples, hidden=128, again=True)
    assert on[0]["history"] == through[0]["history"]
    assert torch.equal(flat(on[0]["weights"]), flat(through[0]["weights"]))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("none", 0.01), ("linear", 0.04), ("sqrt", 0.02), ("conservative", 0.0025)],
)
def test_learning_rate_of_four_processes(rule, expected):
    params = TrainingParams(learning_rate=0.01, lr_scaling=rule)
    assert scaled_rate(params, 4) == pytest.approx(expected, rel=1e-15)
    assert scaled_rate(params, 1) == 0.01


def test_the_scaled_rate_is_the_one_that_is_used(together):
    samples = few_rows(100)
    both = together(2, 1, samples, **{"training.lr_scaling": "conservative"})
    assert both[0]["history"][0]["learning_rate"] == 1e-3


@pytest.mark.parametrize("sequences", [0, 1, 2, 3, 7])
def test_shares_are_disjoint_and_complete(sequences):
    starts = np.arange(sequences)
    shares = [Place(torch.device("cpu"), rank, 3).share(starts) for rank in range(3)]
    assert sorted(np.concatenate(shares)) == list(starts)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    ("gpus", "devices", "expected"),
    [(0, "auto", 1), (0, "cpu", 1), (0, 3, 3), (4, "auto", 4), (4, "cpu", 1), (4, 2, 2)],
)
def test_one_process_a_gpu(monkeypatch, gpus, devices, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert process_count(devices) == expected


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DeviceError, match=r"devices 3: this machine has 2 GPUs; should be 1 to 2"):
        process_count(3)


@pytest.fixture
def ranks(trainers, tmp_path):
    """Trains a job's network in two processes; their exit statuses."""

    def run(job, *, each=({}, {}), **more):
        store = tmp_path / f"store-{next(_runs)}"
        more |= {"job": job, "store": store, "processes": 2}
        started = [
            trainers.start("rank", **{**more, "number": number, **own})
            for number, own in enumerate(each)
        ]
        return [trainers.wait(pid) for pid in started]

    return run


def errors(tmp_path):
    return [(tmp_path / f"error-{number}").read_text() for number in range(2)]


@pytest.mark.faults
def test_two_processes_go_on_in_the_same_bits(ranks, tmp_path):
    """Both die in the middle of an epoch; dropout included."""
    settings = {"training.epochs": 6}
    through, broken = (tiny_job(tmp_path / name, **settings) for name in ("through", "broken"))
    assert ranks(through) == [0, 0]
    assert ranks(broken, die=IN_EPOCH_4) == [-9, -9]
    assert ranks(broken) == [0, 0]
    assert left(broken) == left(through)
    goes_on = [line for line in lines(broken / "checkpoint/progress.log") if "goes on" in line]
    assert goes_on == ["lstm_baseline seed 3: goes on after epoch 3"]


@pytest.mark.faults
def test_a_loss_that_is_not_finite_in_one_process_stops_all(ranks, tmp_path):
    target = tiny_samples().target.copy()
    target[tiny_samples().rows("train")[50]] = np.inf
    samples = dataclasses.replace(tiny_samples(), target=target)
    job = tiny_job(tmp_path / "job", samples)
    assert ranks(job) == [1, 1]
    for message in errors(tmp_path):
        assert message.startswith("TrainingError: loss is inf in epoch 1, seed 3: try a lower")


@pytest.mark.faults
def test_a_damaged_state_stops_all(ranks, tmp_path):
    job = tiny_job(tmp_path / "job")
    assert ranks(job, die=IN_EPOCH_4) == [-9, -9]
    state = next((job / "checkpoint").glob("train_state-*.pt"))
    state.write_bytes(state.read_bytes()[:-1])
    assert ranks(job) == [1, 1]
    for message in errors(tmp_path):
        assert message.startswith(f"CheckpointError: {state} was changed or cut short")


@pytest.mark.faults
def test_a_full_disk_of_the_one_that_writes_stops_all(ranks, tmp_path):
    job = tiny_job(tmp_path / "job", **TWO_EPOCHS)
    assert ranks(job, each=({"limit": 1_000}, {})) == [1, 1]
    first, second = errors(tmp_path)
    said = "CheckpointError: the trained network could not be saved: "
    assert first.startswith(f"{said}{job}/checkpoint/")
    assert second == "TrainingError: 1 of 2 processes could not go on"


@pytest.mark.faults
def test_machines_that_see_different_folders_are_refused(ranks, tmp_path):
    seen, unseen = tiny_job(tmp_path / "seen"), tiny_job(tmp_path / "unseen")
    assert ranks(seen, die=IN_EPOCH_4) == [-9, -9]
    assert ranks(None, each=({"job": seen}, {"job": unseen})) == [1, 1]
    for number, message in enumerate(errors(tmp_path)):
        after = (3, 0)[number]
        assert message.startswith(
            f"TrainingError: process {number} goes on after epoch {after}, others after another"
        )
