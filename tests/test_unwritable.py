"""No room, no permission, a read-only disk: one line with the file and what to do, nothing half."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from safetensors import SafetensorError
from typer.testing import CliRunner

from dvol_utils.cli import app
from dvol_utils.report.expected import run_again, workspace
from dvol_utils.study import lock
from dvol_utils.study.files import UnwritableError, explained, replacing
from dvol_utils.study.loading import load_study
from dvol_utils.study.lock import run_lock
from dvol_utils.training.checkpoints.sealed import CheckpointError, as_os_error, writing

WAYS_OUT = {
    errno.ENOSPC: "No space left on device; make room there",
    errno.EDQUOT: "Disk quota exceeded; make room within this user's quota",
    errno.EFBIG: "File too large; allow larger files (ulimit -f unlimited in a new shell)",
    errno.EROFS: "Read-only file system; make that file system writable, or work in a folder on "
    "another one",
    errno.EACCES: "Permission denied; see that this user may read and write it",
    errno.EPERM: "Operation not permitted; see that this user may read and write it",
    errno.EIO: "Input/output error; look after the disk",
}
AGAIN = ", then run the same command again"


def snapshot(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def no_more(monkeypatch, where, name, number):
    """Every call of a function fails, as the system's do."""

    def fail(*_arguments, **_named):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(where, name, fail)


def write(path: Path, number: int | None) -> None:
    """Write half a file, and come to an error there."""
    with replacing(path) as temporary:
        temporary.write_text("half")
        if number is not None:
            raise OSError(number, os.strerror(number), str(temporary))


@pytest.mark.parametrize("number", WAYS_OUT)
@pytest.mark.parametrize("moment", ["begin", "write", "sync"])
def test_a_file_that_cannot_be_written_is_named_with_a_way_out(
    tmp_path, monkeypatch, number, moment
):
    path = tmp_path / "table.csv"
    path.write_text("as it was")
    if moment == "begin":
        no_more(monkeypatch, tempfile, "mkstemp", number)
    if moment == "sync":
        no_more(monkeypatch, os, "fsync", number)
    with pytest.raises(UnwritableError) as caught:
        write(path, number if moment == "write" else None)
    assert str(caught.value) == f"{path}: {WAYS_OUT[number]}{AGAIN}"
    assert caught.value.errno == number
    assert snapshot(tmp_path) == {"table.csv": b"as it was"}


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(UnwritableError, match=r"/runs: File exists; move away the file that lies"):
        write(tmp_path / "runs/table.csv", None)
    (tmp_path / "page").mkdir()
    (tmp_path / "page/file").touch()
    with pytest.raises(UnwritableError, match=r"/page: .*; move away the folder that lies where"):
        write(tmp_path / "page", None)


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "gone", "x"), OSError("no number"), TimeoutError()]
)
def test_another_error_stays_what_it_was(error):
    assert explained(error) is error


def test_the_target_of_a_copy_is_named_not_its_source(tmp_path):
    error = OSError(errno.ENOSPC, "No space left on device", "source", None, "target")
    assert str(explained(error)).startswith("target: No space left")


def test_what_safetensors_says_of_a_full_disk_is_read():
    text = "Error while serializing: I/O error: No space left on device (os error 28)"
    assert as_os_error(SafetensorError(text)).errno == errno.ENOSPC
    assert str(as_os_error(SafetensorError("other"))) == "other"
    with pytest.raises(CheckpointError) as caught, writing(Path("folder"), "it could not be saved"):
        raise as_os_error(SafetensorError(text))
    assert str(caught.value) == (
        f"it could not be saved: folder: {WAYS_OUT[errno.ENOSPC]}{AGAIN}: training goes on from "
        "its last kept epoch"
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_site_that_cannot_be_written_stays_as_it_was(finished, monkeypatch, number):
    run_dvol("site", "--study", "tiny", status=0)
    before = snapshot(finished)
    no_more(monkeypatch, tempfile, "mkstemp", number)
    said = run_dvol("site", "--study", "tiny")
    assert said == f"dvol: {finished}/reports/tiny/index.html: {WAYS_OUT[number]}{AGAIN}\n"
    assert snapshot(finished) == before


def test_a_lock_that_cannot_be_taken_is_one_line(finished, monkeypatch):
    opened = os.open

    def read_only(path, flags, *more, **named):
        if str(path).endswith(".lock"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return opened(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", read_only)
    for words in (["site"], ["train", "--model", "lstm_baseline"], ["hold", "--doing", "x", "--"]):
        options = [words[0], "--study", "tiny", *words[1:], *(["true"] if "--" in words else [])]
        said = run_dvol(*options)
        assert said == f"dvol: {finished}/runs/.tiny.lock: {WAYS_OUT[errno.EROFS]}{AGAIN}\n"


def test_a_run_from_nothing_that_cannot_be_prepared_names_the_file(finished, monkeypatch):
    study = load_study("tiny")
    no_more(monkeypatch, os, "fsync", errno.ENOSPC)
    with pytest.raises(UnwritableError, match=rf"^{workspace(study)}/params/tiny\.yaml: No space"):
        run_again(study, {})


def run_dvol(*words: str, status: int = 2) -> str:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == status, done.output
    return done.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
def test_output_that_cannot_be_written_is_one_line(tmp_project):
    command = [sys.executable, "-c", "from dvol_utils.cli import app; app()"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*command, "reference"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode != 0
    assert done.stderr == f"dvol: the output: {WAYS_OUT[errno.ENOSPC]}{AGAIN}\n"


def test_what_killed_processes_were_writing_is_removed_by_who_is_alone(tmp_path):
    run = tmp_path / "runs/tiny"
    left = [run / ".panel.parquet.x.tmp", run / "checkpoints/har/0-0/.config.json.y.tmp"]
    kept = [run / "panel.parquet", run / "trials/1/.panel.parquet.z.tmp"]
    for path in (*left, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with run_lock(run, "dvol train", shared=True):
        assert not any(path.exists() for path in left)
        left[0].touch()
        with run_lock(run, "another", shared=True):  # which may be its own
            assert left[0].exists()
    assert all(path.exists() for path in kept)


def test_a_file_system_without_locks_keeps_what_may_be_in_work(tmp_path, monkeypatch):
    run = tmp_path / "runs/tiny"
    run.mkdir(parents=True)
    (run / ".panel.parquet.x.tmp").touch()
    monkeypatch.setattr(lock, "_nobody_holds", lambda _handle: False)
    with run_lock(run, "make report"):
        assert (run / ".panel.parquet.x.tmp").exists()


def test_a_site_removes_what_a_killed_build_left(finished):
    run_dvol("site", "--study", "tiny", status=0)
    left = finished / "reports/tiny/.index.html.x.tmp"
    left.touch()
    run_dvol("site", "--study", "tiny", status=0)
    assert not left.exists()


def test_a_table_that_is_too_large_for_the_disk_leaves_nothing(tmp_path):
    """As pyarrow says it, without a file."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(
            UnwritableError, match=rf"^{tmp_path}/a\.parquet: File too large; allow"
        ):
            write_parquet(tmp_path / "a.parquet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def write_parquet(path: Path) -> None:
    with replacing(path) as temporary:
        pd.DataFrame({"x": range(1000)}).to_parquet(temporary)
