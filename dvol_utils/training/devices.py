"""Where a network learns: one process or several, on CUDA or ROCm devices or on the CPU.

Each process of a distributed run holds the whole network and a share of every batch; gradients are
averaged between them (distributed data parallel). Without a process group all of this is one
process, whose share is everything.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from dvol_utils.study.fitting_section import TrainingParams

Values = TypeVar("Values", np.ndarray, Tensor)
ARITHMETICS = ("float32", "bfloat16")
_GLOO_SECONDS = 120  # after which a process that says nothing counts as lost
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt
_ISA_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")  # environment that oneDNN reads


class DeviceError(ValueError):
    """`training.devices` asks for more than the machine has."""


@dataclass(frozen=True)
class Place:
    """This process among those that train one network: its device, number, and how many."""

    device: torch.device
    rank: int = 0
    processes: int = 1

    def share(self, starts: Values) -> Values:
        """This process's part of a joint batch; the parts are disjoint and may be empty."""
        # Strided: parts differ by one sequence at most, wherever the batch ends.
        return starts[self.rank :: self.processes]

    def total(self, values: Tensor) -> Tensor:
        """Sum over processes, the same in each; `values` is changed in place."""
        if self.processes > 1:
            # nccl sums only what lies on a GPU; gloo takes what lies on the CPU.
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


@dataclass(frozen=True)
class Arithmetic:
    """What the networks' products are computed in, `float32` or `bfloat16`, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


def arithmetic(device: torch.device, params: TrainingParams) -> str:
    """What the networks' products are computed in on a device: `float32` or `bfloat16`."""
    return chosen_arithmetic(device, params).name


def chosen_arithmetic(device: torch.device, params: TrainingParams) -> Arithmetic:
    """What `training.precision` comes to on a device, and why.

    `auto` asks what kind of device it is, and never how long something takes, so that a machine
    gives the same answer each time. It is bfloat16 on GPUs that compute it natively, on processors
    with AMX, and on AMD's that have instructions for it, and float32 elsewhere. docs/training.md
    has the measurements behind the rule. A precision that is set wins; only where a device has no
    instructions for bfloat16, where torch emulates it or refuses, is it float32 all the same.
    """
    if params.precision == "float32":
        return Arithmetic("float32", "as training.precision says")
    if not _has_bfloat16(device.type):
        return Arithmetic("float32", "this device has no instructions for bfloat16")
    if params.precision == "bfloat16":
        return Arithmetic("bfloat16", "as training.precision says")
    if device.type == "cuda":
        return Arithmetic("bfloat16", "auto: this GPU computes it natively")
    return _of_processor()


@cache
def _has_bfloat16(device_type: str) -> bool:
    if device_type == "cuda":
        # torch counts emulation as support otherwise, on older GPUs.
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # A private name, which a later torch may lack: then nothing is known of bfloat16.
    known = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return known is not None and known()


def _of_processor() -> Arithmetic:
    """What `auto` comes to on a processor that has some instructions for bfloat16."""
    if any(os.environ.get(name, "ALL").upper() not in ("ALL", "DEFAULT") for name in _ISA_LIMITS):
        return Arithmetic("float32", "auto: oneDNN's instructions are limited by the environment")
    has = torch.cpu.get_capabilities()
    if has.get("amx_bf16"):
        return Arithmetic("bfloat16", "auto: the processor has AMX")
    # Measured: faster on AMD's Zen 5, slower on Intel's without AMX (docs/training.md).
    if has.get("avx512_bf16") and _vendor() == "AuthenticAMD":
        return Arithmetic("bfloat16", "auto: an AMD processor with AVX512_BF16")
    return Arithmetic(
        "float32", "auto: the processor has bfloat16, but is not known to be faster with it"
    )


@cache
def _vendor() -> str:
    """The processor's maker as it names itself, e.g. AuthenticAMD or GenuineIntel."""
    try:
        # On Linux platform.processor() is often empty.
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux; Windows ends the processor's description with it
        return platform.processor().rpartition(" ")[2]
    return next((line.split(":")[1].strip() for line in lines if line.startswith("vendor_id")), "")


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


def keep_freed_memory() -> None:
    """Have glibc keep large blocks that are freed, where this is glibc; see `mallopt(3)`.

    Otherwise it hands the gradients and activations of every step back to the kernel, which clears
    their pages for the next one: a fifth of a step of the largest network.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, 2**30)
        libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
