"""One network on many devices, here and on other machines: torchrun, from a notebook or `dvol`.

A process that dies is started again, with the others, and training goes on from the state that was
kept last.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from dvol_utils.samples.samples import Samples
from dvol_utils.training.checkpoints.sealed import emptied
from dvol_utils.training.devices import process_count
from dvol_utils.training.errors import InterruptedTrainingError, TrainingError
from dvol_utils.training.network import TrainableNetwork
from dvol_utils.training.processes.job import last_trouble, read_error, restarts, write_job
from dvol_utils.training.processes.parent import PARENT
from dvol_utils.training.processes.scratch import scratch_folder

RESTARTS = 3  # of the processes of one machine, before it gives up


def train_with_torchrun(
    trainable: TrainableNetwork,
    samples: Samples,
    *,
    fresh: bool = False,
    nnodes: int = 1,
    rendezvous: str | None = None,
    quiet: bool = False,
) -> None:
    """Train one network in several processes, and wait for them.

    Parameters
    ----------
    trainable : TrainableNetwork
        Its study's `training.devices` says how many processes a machine. The checkpoint is what
        comes of it; the object's own network stays as it is.
    samples : Samples
    fresh : bool
        Begin with the first epoch even if there is a state to go on from.
    nnodes : int
        Machines; each has to run this with the same arguments and see the same checkpoint folder.
    rendezvous : str, optional
        HOST:PORT of one of them, where they find each other; needed for more than one.
    quiet : bool
        Keep the processes' lines from this process's terminal; `progress.log` has them.

    Raises
    ------
    TrainingError
        The processes failed; the message is the first one's.
    """
    if nnodes > 1 and rendezvous is None:
        raise TrainingError(f"{nnodes} machines need a rendezvous HOST:PORT that all of them reach")
    if fresh:  # here and not in the processes, which may be started again
        emptied(trainable.checkpoint)
    with scratch_folder() as job:
        write_job(job, trainable, samples)
        processes = process_count(trainable.study.training.devices)
        status = _run(_torchrun(job, processes, nnodes, rendezvous), quiet)
        error = read_error(job)
        if error:
            raise error
        if status:
            raise InterruptedTrainingError(_last_words(trainable.title, status, job))


def _torchrun(job: Path, processes: int, nnodes: int, rendezvous: str | None) -> list[str]:
    """The command; `dvol_utils.training.processes.agent` is torchrun that ends with its parent."""
    return [
        *(sys.executable, "-m", "dvol_utils.training.processes.agent"),
        f"--nnodes={nnodes}",
        f"--nproc-per-node={processes}",
        f"--max-restarts={RESTARTS}",
        "--rdzv-backend=c10d",
        # Port 0: any that is free, so that two runs on a machine do not meet.
        f"--rdzv-endpoint={rendezvous or 'localhost:0'}",
        # Machines have to give the same name; on one machine each run has its own.
        f"--rdzv-id=dvol-{'shared' if nnodes > 1 else os.getpid()}",
        f"--local-addr={_own_address(rendezvous) if rendezvous else 'localhost'}",
        f"--log-dir={job / 'logs'}",
        *("-m", "dvol_utils.training.processes.worker", str(job)),
    ]


def _own_address(rendezvous: str) -> str:
    """The address by which the others reach this machine: names need not resolve everywhere."""
    host, _, port = rendezvous.rpartition(":")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(address)  # sends nothing
            return str(probe.getsockname()[0])
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"rendezvous {rendezvous}: {error}; should be HOST:PORT of one of the machines"
        ) from None


def _run(command: list[str], quiet: bool) -> int:
    output = subprocess.DEVNULL if quiet else None
    defaults = {"LOGLEVEL": "ERROR"}  # of torchrun
    # A store that the agent shares would hand processes that are started again the addresses of
    # those that have died.
    fixed = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", PARENT: str(os.getpid())}
    fixed["OMP_NUM_THREADS"] = "1"  # torchrun would warn, and set it itself
    environment = {**defaults, **os.environ, **fixed}
    process = subprocess.Popen(  # noqa: S603
        command,
        stdout=output,
        stderr=output,
        env=environment,
        start_new_session=True,  # Ctrl-C is for this process, which ends them in order
    )
    try:
        return process.wait()
    finally:  # also after Ctrl-C: no process is left behind
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _last_words(name: str, status: int, job: Path) -> str:
    trouble, count = last_trouble(job), restarts(job)
    after = {0: "without a restart", 1: "after 1 restart"}.get(count, f"after {count} restarts")
    return (
        f"{name}: the processes that train it ended with status {status}, {after}"
        f"{f' ({trouble})' if trouble else ''}; start again to go on from the last kept "
        "epoch, or try training.devices cpu"
    )
