"""No step of training reads anything back, so that a GPU never waits for the next one.

There is none here. On torch's device `meta` tensors have no data: whatever would read them fails.
On the CPU what is read is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch
import torch.distributed as dist
from engine import tiny_samples, tiny_study
from torch import Tensor
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dvol_utils.models.networks import build_network
from dvol_utils.samples.features import feature_columns
from dvol_utils.training import fit_network, loop
from dvol_utils.training.devices import Place

READS = ("item", "tolist", "cpu", "numpy", "__array__", "__bool__", "__float__", "__int__")
MOVES_THE_ORDER = ["aten.lift_fresh.default", "aten._to_copy.default"]


class Noted(TorchDispatchMode):
    """Operations that read a tensor's value, and those with a tensor that is not on `meta`."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []
        self.elsewhere: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        tensors = [part for part in tree_leaves((args, kwargs)) if isinstance(part, Tensor)]
        if any(part.device.type != "meta" for part in tensors):
            self.elsewhere.append(str(function))
        if "_local_scalar_dense" in str(function):
            self.reads.append(str(function))
        return function(*args, **(kwargs or {}))


class Steps:
    """In place of an optimiser, which has no kernel for `meta`."""

    def __init__(self) -> None:
        self.count = 0

    def zero_grad(self, set_to_none):
        pass

    def step(self):
        self.count += 1


def network_for(study, name="lstm_baseline"):
    return build_network(name, len(feature_columns(study.features.groups)), 0, study.networks)


def one_epoch(study, name, device, processes) -> int:
    """Steps of an epoch until it ended, or until something of no data was read."""
    place, steps = Place(torch.device(device), 0, processes), Steps()
    course = loop._course(tiny_samples(), study, place, 0)
    network = network_for(study, name).to(device)
    fails = pytest.raises(RuntimeError, match="meta") if device == "meta" else nullcontext()
    with Noted() as noted, fails:
        loop._train_epoch(network, steps, course, 1)
    if device == "meta":
        assert noted.elsewhere == MOVES_THE_ORDER
    return steps.count


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("supervision", ["dense", "last"])
@pytest.mark.parametrize("name", ["lstm_baseline", "attention"])
def test_all_steps_are_taken_before_anything_is_read(monkeypatch, name, supervision, processes):
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # not for `meta`
    monkeypatch.setattr(dist, "all_reduce", lambda values: None)
    batch = {"dense": 8, "last": 128}[supervision]
    study = tiny_study(**{"training.supervision": supervision, "training.batch_size": batch})
    steps = one_epoch(study, name, "meta", processes)
    assert steps == one_epoch(study, name, "cpu", processes) > 1


@contextmanager
def counted(monkeypatch) -> Iterator[list[str]]:
    """Whatever reads a tensor's value inside the block."""
    with Noted() as noted, monkeypatch.context() as patch:
        for name in READS:
            patch.setattr(Tensor, name, noting(noted.reads, name))
        yield noted.reads


def noting(reads: list[str], name: str):
    before = getattr(Tensor, name)

    def read(self, *args, **kwargs):
        reads.append(name)
        return before(self, *args, **kwargs)

    return read


@pytest.fixture
def pair(monkeypatch):
    """This process as the first of two, the other of which only seems to be there."""
    dist.init_process_group("fake", rank=0, world_size=2, store=FakeStore())
    monkeypatch.setattr(loop, "DistributedDataParallel", lambda network: network)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("processes", [1, 2])
def test_an_epoch_reads_as_often_however_many_steps_it_has(request, monkeypatch, processes):
    if processes == 2:
        request.getfixturevalue("pair")
    reads = {}
    for batch in (2, 16):
        study = tiny_study(**{"training.epochs": 1, "training.batch_size": batch})
        with counted(monkeypatch) as reads[batch]:
            fit_network(network_for(study), tiny_samples(), study, seed=0)
    assert reads[2] == reads[16] != []
