"""Freed memory kept for the next step."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt


def keep_freed_memory() -> None:
    """Have glibc keep large blocks that are freed, where this is glibc; see `mallopt(3)`.

    Otherwise it hands the gradients and activations of every step back to the kernel, which clears
    their pages for the next one: a fifth of a step of the largest network.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, 2**30)
        libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
