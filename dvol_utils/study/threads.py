"""One thread: sums in one order, and so the same bits on machines with any number of cores.

The order in which a matrix product or a sum adds its terms depends on how many threads share it.
Cores are used by independent tasks side by side instead, each on one thread.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

# Read by OpenMP, OpenBLAS and MKL when they are loaded.
_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def one_thread() -> Iterator[None]:
    """Run a block, or as `@one_thread()` a function, on one thread.

    Holds for torch and for every BLAS and OpenMP library that is loaded when it begins; the number
    of threads before it comes back after it.
    """
    torch = sys.modules.get("torch")  # importing it takes seconds, and may not be needed
    # Of torch alone: threadpoolctl puts back what it has limited itself.
    before = torch.get_num_threads() if torch else 1
    with threadpool_limits(1):
        if torch:
            torch.set_num_threads(1)  # threadpoolctl does not see the MKL inside torch
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)


def stay_on_one_thread() -> None:
    """Keep this process, and processes that it starts from now on, to one thread for good.

    For a process that belongs to a study as a whole: a notebook's kernel, a command. Libraries that
    are loaded later read the environment.
    """
    os.environ.update(dict.fromkeys(_VARIABLES, "1"))
    threadpool_limits(1)
    torch = sys.modules.get("torch")
    if torch:
        torch.set_num_threads(1)
