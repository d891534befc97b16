"""Where a network learns: one process or several, on CUDA or ROCm devices or on the CPU.

Each process of a distributed run holds the whole network and a share of every batch; gradients are
averaged between them (distributed data parallel). Without a process group all of this is one
process, whose share is everything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from dvol_utils.params import TrainingParams

_GLOO_SECONDS = 120  # after which a process that says nothing counts as lost


class DeviceError(ValueError):
    """`training.devices` asks for more than the machine has."""


@dataclass(frozen=True)
class Place:
    """This process among those that train one network: its device, number, and how many."""

    device: torch.device
    rank: int = 0
    processes: int = 1

    def share(self, starts: np.ndarray) -> np.ndarray:
        """This process's part of a joint batch; the parts are disjoint and may be empty."""
        return starts[self.rank :: self.processes]

    def total(self, values: Tensor) -> Tensor:
        """Sum over processes, the same in each; `values` is changed in place."""
        if self.processes > 1:
            on_device = values.to(self.device)
            dist.all_reduce(on_device)
            values.copy_(on_device)
        return values


def here(devices: str | int = "auto") -> Place:
    """The place of this process; alone where no process group was joined."""
    device = pick_device(devices, local_rank())
    if dist.is_available() and dist.is_initialized():
        return Place(device, dist.get_rank(), dist.get_world_size())
    return Place(device)


def pick_device(devices: str | int = "auto", index: int = 0) -> torch.device:
    """CUDA or ROCm device `index` where there are any and `devices` is not cpu, else the CPU."""
    if torch.cuda.is_available() and devices != "cpu":
        return torch.device("cuda", index)
    return torch.device("cpu")


def arithmetic(device: torch.device, params: TrainingParams) -> str:
    """What the networks' products are computed in on a device: `training.precision`, if it can.

    bfloat16 takes instructions of its own; without them it is emulated, many times slower than
    float32, which then takes its place.
    """
    if params.precision == "bfloat16" and not _has_bfloat16(device.type):
        return "float32"
    return params.precision


@cache
def _has_bfloat16(device_type: str) -> bool:
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return known is not None and known()


def process_count(devices: str | int) -> int:
    """Processes on this machine for `training.devices`.

    Parameters
    ----------
    devices : {"auto", "cpu"} or int
        auto: one a GPU, or one on the CPU; cpu: one on the CPU; a number: as many, on GPUs where
        there are any.

    Raises
    ------
    DeviceError
        More processes than there are GPUs, where there are some.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if devices == "cpu":
        return 1
    if devices == "auto":
        return max(gpus, 1)
    count = int(devices)
    if gpus and count > gpus:
        raise DeviceError(
            f"training.devices {count}: this machine has {gpus} GPUs; should be 1 to {gpus}, "
            "auto, or cpu"
        )
    return count


@contextmanager
def process_group(devices: str | int) -> Iterator[Place]:
    """Join the processes that torchrun started: nccl on CUDA and ROCm, gloo on the CPU."""
    device = pick_device(devices, local_rank())
    if device.type == "cuda":
        torch.cuda.set_device(device)
        dist.init_process_group("nccl")
    else:
        dist.init_process_group("gloo", timeout=timedelta(seconds=_GLOO_SECONDS))
    try:
        yield here(devices)
    finally:
        dist.destroy_process_group()


def local_rank() -> int:
    """This process's number on its own machine, as torchrun gives it."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def scaled_rate(params: TrainingParams, processes: int) -> float:
    """Learning rate for a joint batch of `processes` times `batch_size`.

    linear: times the number of processes; sqrt: times its root; conservative: divided by it, as
    the published study halved its rate on two GPUs; none: as it is.
    """
    factor = {"none": 1.0, "linear": processes, "sqrt": processes**0.5}
    factor["conservative"] = 1 / processes
    return params.learning_rate * factor[params.lr_scaling]
