from __future__ import annotations

import contextlib
import errno
import os
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from study_files import source_notebook

from dvol_utils.report import execute
from dvol_utils.report.execute import (
    NotebookError,
    execute_notebook,
    incomplete_cells,
    read_executed,
)
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import ParameterError
from dvol_utils.study.tables import claim, read_manifest
from dvol_utils.study.trials import commanded_study


@pytest.fixture
def target(tmp_project):
    return tmp_project / "runs/tiny/notebooks/01_first.ipynb"


@pytest.fixture
def no_kernel(monkeypatch):
    def refuse(*_args):
        pytest.fail("a kernel was started")

    monkeypatch.setattr(execute, "_papermill", refuse)


def run(target, *code, study="tiny", overrides=None):
    source = source_notebook(target.parents[3] / "notebooks/01_first.ipynb", *code)
    return execute_notebook(source, target, study=study, overrides=overrides)


def test_notebook_gets_study_and_overrides_and_is_heard_while_it_runs(target, capfd):
    code = (
        "import os, sys\nprint(study, overrides, os.getcwd())",
        "print('to stderr', file=sys.stderr)",
    )
    assert run(target, *code, overrides={"training": {"epochs": 3}}) == target
    out, err = capfd.readouterr()
    root = target.parents[3].resolve()
    lines = out.splitlines()
    assert lines[0] == "01_first: running"
    assert f"tiny {{'training': {{'epochs': 3}}}} {root}" in lines
    assert re.fullmatch(r"01_first: done in \d+ s", lines[-1])
    assert "to stderr" in err.splitlines()
    assert read_executed(target).cells[-1].execution_count == 4
    assert os.listdir(target.parent) == ["01_first.ipynb"]


def test_failed_notebook_is_kept_aside_and_leaves_no_target(target):
    target.parent.mkdir(parents=True)
    target.write_text("an older run")
    failed = target.with_name("01_first.failed.ipynb")
    expected = (
        rf"01_first\.ipynb: In \[4\]: ValueError: too few rows\n"
        rf"the notebook as far as it came: {re.escape(str(failed))}$"
    )
    with pytest.raises(NotebookError, match=expected):
        run(target, "print('before')", "raise ValueError('too few rows')", "print('after')")
    assert os.listdir(target.parent) == [failed.name]
    outputs = [o for cell in nbformat.read(failed, 4).cells for o in cell.get("outputs", [])]
    assert [o.get("text", o.get("evalue")) for o in outputs] == ["before\n", "too few rows"]


# The kernel answers the last request of a run, and is done with it only when asked to end.
SLOW_TO_REST = """
import threading
kernel = get_ipython().kernel
asked = threading.Event()
answer, end = kernel.shell_handlers["kernel_info_request"], kernel.do_shutdown
async def hold(*request):
    await answer(*request)
    asked.wait(60)
def do_shutdown(restart):
    asked.set()
    return end(restart)
kernel.shell_handlers["kernel_info_request"], kernel.do_shutdown = hold, do_shutdown
"""
ENDS = {
    "good run": "",
    "failed run": "raise ValueError",
    "slow to rest": SLOW_TO_REST,
    "does not end when asked": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=[600]).start()"
    ),
}


def test_kernel_is_not_interrupted_after_a_good_run(target, capfd):
    run(target, SLOW_TO_REST)
    assert "KeyboardInterrupt" not in capfd.readouterr().err


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS)
def test_no_kernel_outlives_its_run(target, capfd, code):
    with contextlib.suppress(NotebookError):
        run(target, "import os\nprint('kernel', os.getpid())", code)
    kernel = int(re.search(r"^kernel (\d+)$", capfd.readouterr().out, re.MULTILINE)[1])
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)


def test_next_success_removes_the_failed_notebook(target, monkeypatch):
    failed = target.with_name("01_first.failed.ipynb")
    failed.parent.mkdir(parents=True)
    failed.write_text("an older run")
    monkeypatch.setattr(execute, "_papermill", fake_papermill())
    run(target)
    assert os.listdir(target.parent) == [target.name]


def test_notebook_that_leaves_early_is_not_complete(target):
    with pytest.raises(NotebookError, match="cell 4 ended with SystemExit: 0"):
        run(target, "import sys\nsys.exit(0)", "print('never')")
    assert not target.exists()


def test_full_disk_leaves_no_target(target, monkeypatch):
    def full_disk(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    claim(load_study("tiny"))  # the disk fills up while the notebook runs
    monkeypatch.setattr(execute, "_papermill", fake_papermill())
    monkeypatch.setattr(os, "fsync", full_disk)
    expected = rf"{target}: No space left on device; make room there, then run the same command"
    with pytest.raises(NotebookError, match=expected):
        run(target)
    assert os.listdir(target.parent) == ["01_first.failed.ipynb"]


def test_the_run_is_of_the_notebook_s_parameters_before_its_first_cell(target, monkeypatch):
    monkeypatch.setattr(execute, "_papermill", fake_papermill(then=KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run(target, overrides={"training.epochs": 3})
    trial = commanded_study("tiny", {"training.epochs": 3})
    assert read_manifest(trial)["parameters"]["training"]["epochs"] == 3
    assert not (target.parents[1] / "manifest.json").exists()  # the study's own run


def test_interrupt_leaves_nothing(target, monkeypatch):
    monkeypatch.setattr(execute, "_papermill", fake_papermill(then=KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run(target)
    assert os.listdir(target.parent) == []


@pytest.mark.usefixtures("no_kernel")
def test_unknown_study_is_refused_before_a_kernel_starts(target):
    with pytest.raises(ParameterError, match=r"no study 'none' there; it holds: tiny$"):
        run(target, study="none")


@pytest.mark.usefixtures("no_kernel")
def test_bad_override_is_refused_before_a_kernel_starts(target):
    with pytest.raises(ParameterError, match=r"training\.epoch: unknown key; valid keys here: "):
        run(target, overrides={"training.epoch": 3})


@pytest.mark.usefixtures("no_kernel")
@pytest.mark.parametrize("count", [0, 2])
def test_notebook_without_one_parameters_cell_is_refused(tmp_project, target, count):
    tagged = [new_code_cell("study = 'x'", metadata={"tags": ["parameters"]}) for _ in range(count)]
    source = tmp_project / "n.ipynb"
    nbformat.write(new_notebook(cells=tagged), source)
    with pytest.raises(NotebookError, match=rf"n\.ipynb: found {count} cells tagged 'parameters'"):
        execute_notebook(source, target, study="tiny")


@pytest.mark.usefixtures("no_kernel")
@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such notebook"), ("{", "not readable as a notebook: "), ("{}", "not readable")],
)
def test_source_that_is_no_notebook_is_refused(tmp_project, target, content, message):
    source = tmp_project / "n.ipynb"
    if content is not None:
        source.write_text(content)
    with pytest.raises(NotebookError, match=rf"n\.ipynb: {message}"):
        execute_notebook(source, target, study="tiny")


def ran(source, count, *outputs):
    return new_code_cell(source, execution_count=count, outputs=list(outputs))


ERROR = new_output("error", ename="ValueError", evalue="bad", traceback=[])
NOTEBOOKS = {
    "complete": ([new_markdown_cell("# T"), ran("1", 1), ran("2", 2)], []),
    "empty cells need no count": ([ran("1", 1), ran(" \n", None)], []),
    "never run": ([ran("1", 1), ran("2", None)], ["cell 2 was never run to its end"]),
    "error": ([ran("1", 1, ERROR)], ["cell 1 ended with ValueError: bad"]),
}


@pytest.mark.parametrize(("cells", "faults"), NOTEBOOKS.values(), ids=NOTEBOOKS)
def test_completeness(cells, faults):
    assert incomplete_cells(new_notebook(cells=cells)) == faults


def test_killed_kernel_does_not_count_as_complete_whatever_the_metadata_says(tmp_path):
    cell = ran("work()", None)
    cell.metadata.papermill = {"status": "completed", "exception": False}
    path = tmp_path / "n.ipynb"
    nbformat.write(new_notebook(cells=[cell]), path)
    with pytest.raises(NotebookError, match=r"n\.ipynb is not complete: cell 1 was never run"):
        read_executed(path)


def fake_papermill(then: BaseException | None = None):
    """Papermill's part, without a kernel: writes a complete notebook, then raises `then`."""

    def papermill(_source, running, _parameters, _root):
        nbformat.write(new_notebook(cells=[ran("1", 1)]), running)
        if then is not None:
            raise then

    return papermill
