"""Running a notebook so that its target exists only when every cell has run."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from traitlets.config import Config

from dvol_utils.study.files import ArtefactError, UnwritableError, explained
from dvol_utils.study.limits import check_limits
from dvol_utils.study.lock import run_lock
from dvol_utils.study.params import StudyParams
from dvol_utils.study.tables import claim
from dvol_utils.study.trials import commanded_study
from dvol_utils.training.processes.scratch import scratch_folder


class NotebookError(ArtefactError):
    """A notebook that cannot be run or shown; the message names it and says why."""


def execute_notebook(
    source: Path, target: Path, *, study: str, overrides: Mapping[str, Any] | None = None
) -> Path:
    """Run a notebook with papermill in this environment's `python3` kernel.

    What the notebook prints appears on the terminal while it runs. An older target is removed
    first, since its tables are about to be written anew.

    Parameters
    ----------
    source : Path
        Notebook with one cell tagged `parameters`.
    target : Path
        The executed notebook; appears, whole, only after the last cell.
    study : str
        Name of the study, checked with its overrides before a kernel starts.
    overrides : mapping, optional
        As `load_study` takes them.

    Raises
    ------
    NotebookError
        No `parameters` cell, a cell that failed, or a kernel that died. The notebook as far as it
        came is then at `<target stem>.failed.ipynb`.
    ParameterError
        Unknown study, or a parameter that cannot be used.
    RunBusyError
        Another process works in the study's run.
    LimitError
        The machine does not allow what a run needs.
    """
    plain = json.loads(json.dumps(dict(overrides or {}), default=str))
    loaded = commanded_study(study, plain)
    _check_source(source)
    check_limits(loaded.run_dir)
    with run_lock(loaded.run_dir, f"notebook {source.stem}"):
        _execute(source, target, loaded, {"study": study, "overrides": plain})
    return target


def _execute(source: Path, target: Path, study: StudyParams, parameters: dict[str, Any]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    running = target.with_name(f".{target.stem}.running.ipynb")
    failed = target.with_name(f"{target.stem}.failed.ipynb")
    for leftover in (target, failed):
        leftover.unlink(missing_ok=True)
    print(f"{source.stem}: running", flush=True)
    start = time.monotonic()
    try:
        claim(study)
        _papermill(source, running, parameters, study.root)
        _finish(running, target)
    except Exception as error:
        kept = _keep(running, failed)
        raise NotebookError(f"{source}: {_last_words(error, target)}\n{kept}") from None
    finally:
        with suppress(OSError):  # the first error is the one to tell
            running.unlink(missing_ok=True)
    print(f"{source.stem}: done in {time.monotonic() - start:.0f} s", flush=True)


def incomplete_cells(notebook: NotebookNode) -> list[str]:
    """What stands against taking an executed notebook for complete, a sentence each.

    A notebook whose kernel was killed has cells without an execution count, whatever their status
    in the metadata says.
    """
    return list(_faults(notebook))


def read_executed(path: Path) -> NotebookNode:
    """Read an executed notebook; `NotebookError` where it is damaged, changed or not complete."""
    notebook = _read(path)
    faults = incomplete_cells(notebook)
    if faults:
        raise NotebookError(f"{path} is not complete: {faults[0]}; delete it and run `make report`")
    if notebook.metadata.get("cells_sha256", "") not in ("", _hash_of_cells(notebook)):
        raise NotebookError(
            f"{path} was changed since it was run: its cells do not have the SHA-256 that it "
            "names; delete it and run `make report`"
        )
    return notebook


def _papermill(source: Path, running: Path, parameters: dict[str, Any], root: Path) -> None:
    import papermill  # costs half a second, which no other command should pay

    with scratch_folder() as folder:
        kernel = {"transport_encryption": "auto", "connection_file": str(folder / "kernel.json")}
        papermill.execute_notebook(
            source,
            running,
            parameters=parameters,
            kernel_name="python3",
            language="python",
            cwd=root.resolve(),
            config=Config(KernelManager=kernel),
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            **_gentle_end(),
        )


def _gentle_end() -> dict[str, Any]:
    """Settings of nbclient with which a kernel that has no cell to run is not interrupted."""
    from jupyter_client import AsyncKernelManager

    at_rest = threading.Event()

    class Manager(AsyncKernelManager):
        def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
            words = super().format_kernel_cmd(extra_arguments)
            modules = {"ipykernel_launcher": "dvol_utils.report.kernel"}
            return [modules.get(word, word) for word in words]

        async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:
            # jupyter_client sends SIGINT before it asks any kernel to end. ipykernel ignores that
            # between requests, but it answers papermill's last one (kernel_info) a moment before
            # it is done with it: on a busy machine the signal came in that moment, and the
            # terminal showed an error after a good run (findings/interrupt_after_good_run.sh).
            if now or restart or not at_rest.is_set():
                await super().shutdown_kernel(now=now, restart=restart)
                return
            await self.request_shutdown()
            await self.finish_shutdown()  # a kernel that does not end by itself is killed here
            await self.cleanup_resources()

    return {
        "kernel_manager_class": Manager,
        "on_cell_execute": lambda **_cell: at_rest.clear(),
        "on_cell_executed": lambda **_cell: at_rest.set(),  # not after Ctrl-C: that cell still runs
    }


def _check_source(source: Path) -> None:
    tagged = [cell for cell in _read(source).cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise NotebookError(
            f"{source}: found {len(tagged)} cells tagged 'parameters'; should be one, "
            "with study = ... and overrides = {}"
        )


def _read(path: Path) -> NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise NotebookError(f"{path}: no such notebook") from None
    except (ValueError, nbformat.ValidationError) as error:
        raise NotebookError(f"{path}: not readable as a notebook: {error}") from None


def _finish(running: Path, target: Path) -> None:
    notebook = _read(running)
    faults = incomplete_cells(notebook)
    if faults:
        raise NotebookError(faults[0])
    write_executed(notebook, running)
    running.replace(target)


def write_executed(notebook: NotebookNode, path: Path) -> None:
    """Write an executed notebook with the hash by which `read_executed` knows it."""
    notebook.metadata["cells_sha256"] = _hash_of_cells(notebook)
    nbformat.write(notebook, path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())  # a full disk shows here, before it takes its place


def _hash_of_cells(notebook: NotebookNode) -> str:
    return hashlib.sha256(json.dumps(notebook.cells, sort_keys=True).encode()).hexdigest()


def _faults(notebook: NotebookNode) -> Iterator[str]:
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"cell {number} ended with {output.ename}: {output.evalue}"
        if cell.execution_count is None:
            yield f"cell {number} was never run to its end"


def _keep(running: Path, failed: Path) -> str:
    try:
        running.replace(failed)
    except OSError as error:
        return f"nothing of it could be kept: {error}"
    return f"the notebook as far as it came: {failed}"


def _last_words(error: Exception, target: Path) -> str:
    if isinstance(error, OSError):
        error = explained(error, target)
    # papermill's own text is the whole traceback, in colour
    if hasattr(error, "exec_count"):
        return f"In [{error.exec_count}]: {error.ename}: {error.evalue}"
    is_ours = isinstance(error, NotebookError | UnwritableError)
    return str(error) if is_ours else f"{type(error).__name__}: {error}"
