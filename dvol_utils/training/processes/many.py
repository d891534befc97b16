"""Many independent networks: on this machine's cores, or on a Dask cluster.

Each task runs on one thread, and as many at a time as there are cores, so the bits of the results
do not depend on the machine. A second thread would gain only where a large network trains all
alone. The cluster is not joblib's `dask` backend: that waits for ever for a task that always kills
its worker.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import joblib
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError

from dvol_utils.study.threads import one_thread
from dvol_utils.training.processes.parent import end_with_parent
from dvol_utils.training.processes.scratch import scratch_folder

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")
CONNECT_SECONDS = 10  # for a Dask scheduler to answer
WORKER_SECONDS = 60  # for its first worker to appear
_KILLED = "its process was killed each time: perhaps the memory does not suffice"
_ALONE = threading.RLock()  # dropout's random state is the process's: no two tasks share it
_ROUNDS = 2  # of all tasks together, before each is tried alone


class ClusterError(RuntimeError):
    """The Dask cluster cannot be reached or used; says which and what to do."""


@dataclass(frozen=True)
class Failure:
    """What a task that failed leaves: its error's type and message.

    `at_fault` says that the task itself is, and not room, memory or a device that it lacked.
    """

    error: str
    at_fault: bool = False


def run_tasks(
    tasks: Sequence[Callable[[], T]], *, cluster: str | None = None, workers: int | None = None
) -> list[T | Failure]:
    """Run independent tasks and return their results in their order.

    Parameters
    ----------
    tasks : sequence of callables
        Functions without arguments (`functools.partial`), which another process can be sent.
    cluster : str, optional
        None for this machine's cores, `local` for a Dask cluster on them, or `tcp://HOST:PORT` of
        one that runs; its workers have to see this project's folders under the same paths.
    workers : int, optional
        Tasks at a time on this machine; otherwise one per core, or one where there is a GPU.

    Returns
    -------
    list
        The results; a `Failure` where a task raised an error or killed its process each time,
        which costs the others nothing. A task whose worker is lost runs again elsewhere.

    Raises
    ------
    ClusterError
        The cluster does not answer, has no workers, or was lost.
    """
    count = min(workers or default_workers(), len(tasks))
    if cluster is not None and tasks:
        return _on_cluster(tasks, cluster, count)
    return _on_cores(tasks, count) if count > 1 else [_attempt(task) for task in tasks]


def default_workers() -> int:
    """Tasks at a time on this machine: one per core that this process may use, one with a GPU."""
    if torch.cuda.is_available():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _on_cores(tasks: Sequence[Callable[[], T]], count: int) -> list[T | Failure]:
    jobs = [joblib.delayed(_attempt)(task) for task in tasks]
    for _ in range(_ROUNDS):
        # A worker that is killed, perhaps for want of memory, takes the others with it: all begin
        # again, and those that had finished find their checkpoints.
        with suppress(TerminatedWorkerError):
            return _parallel(count)(jobs)
    return [_alone(job) for job in jobs]


def _parallel(count: int) -> joblib.Parallel:
    """Workers that end with this process, even before their first task.

    Arrays travel inside the tasks. As memory maps they would be files, which stay behind where
    loky's resource tracker, or all processes at once, are killed. A temporary folder is named
    because joblib would otherwise make an empty one in /dev/shm.
    """
    watch = {"initializer": end_with_parent, "initargs": (os.getpid(),)}
    files = {"max_nbytes": None, "temp_folder": tempfile.gettempdir()}
    return joblib.Parallel(n_jobs=count, backend="loky", **watch, **files)


def _alone(job: object) -> object:
    """One task in a process of its own, so that what kills it costs no other."""
    try:
        return _parallel(2)([job])[0]
    except TerminatedWorkerError:
        return Failure(_KILLED)


def _attempt(task: Callable[[], T]) -> T | Failure:
    try:
        with _ALONE, one_thread():
            return task()
    except Exception as error:  # reported by the caller, who has the others' results
        return Failure(f"{type(error).__name__}: {error}", getattr(error, "own_fault", False))


def _on_cluster(tasks: Sequence[Callable[[], T]], cluster: str, count: int) -> list[T | Failure]:
    import dask
    from distributed import CancelledError, wait

    # Samples travel inside the tasks: data left with a worker would be lost with it.
    quiet = dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"})
    with quiet, _client(cluster, count) as client:
        submit = partial(client.submit, _attempt, pure=False)
        try:
            futures = [submit(task) for task in tasks]
            wait(futures)
            return [_outcome(*pair, submit) for pair in zip(futures, tasks, strict=True)]
        except CancelledError:
            raise ClusterError(
                f"training.cluster {cluster}: its scheduler was lost; start again, networks that "
                "are trained are kept, others go on"
            ) from None


def _outcome(future: Future, task: Callable[[], T], submit: Callable[..., Future]) -> T | Failure:
    """A task's result; where its workers were killed, perhaps by others, it has another chance."""
    from distributed import KilledWorker

    try:
        try:
            return future.result()
        except KilledWorker:
            return submit(task).result()
    except KilledWorker:
        return Failure(_KILLED)


@contextmanager
def _client(cluster: str, count: int) -> Iterator[Client]:
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        if cluster == "local":
            stack.enter_context(_same_environment())
            folder = stack.enter_context(scratch_folder())
            local = LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                local_directory=str(folder),
            )
            yield stack.enter_context(Client(stack.enter_context(local)))
            return
        try:
            client = stack.enter_context(Client(cluster, timeout=CONNECT_SECONDS))
        except (OSError, TimeoutError) as error:
            raise ClusterError(
                f"training.cluster {cluster}: no Dask scheduler answers there ({error}); start one "
                "with `dask scheduler`, or leave training.cluster out to use this machine"
            ) from None
        try:
            client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError:
            raise ClusterError(
                f"training.cluster {cluster}: the scheduler has no workers; start some with "
                f"`dask worker {cluster}`"
            ) from None
        yield client


@contextmanager
def _same_environment() -> Iterator[None]:
    """Put the environment back: a local cluster leaves OMP_NUM_THREADS and others of its own."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
