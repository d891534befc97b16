"""Real commands whose disk fills up at random moments: they say so, and end in the same bits later.

FAULTS_SEED=number repeats the moments of an earlier run, which `make test-faults` prints.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from endurance import command, copy, full_at, leftovers, made, results, run, study_of

pytestmark = pytest.mark.endurance
SEED = os.environ["FAULTS_SEED"]
POINTS = 20  # in all Python processes of a command
REAL = 4  # on a small file system that is filled
WHAT = ("01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "site", "train 1", "train 2")
REFUSED = (
    r"No space left on device; make room there, then run the same command again|"
    r"File too large; allow larger files \(ulimit -f unlimited in a new shell\), then run|"
    r"(size of a file|disk): found .* a run needs|"
    r"could not be written; see to room and permissions there, then run the same command again"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return made(tmp_path_factory)


def points() -> list[tuple[str, float, int | None]]:
    """Commands, the share of their files at which there is no more room, and what they may grow to.

    Half of the time files can still be begun, and break off.
    """
    draw = random.Random(SEED)
    chosen = [draw.choice(WHAT) for _ in range(POINTS)]
    limits = [draw.choice((None, 0, draw.randrange(4_000))) for _ in chosen]
    return [(what, round(draw.random(), 3), to) for what, to in zip(chosen, limits, strict=True)]


@pytest.mark.parametrize(("what", "moment", "limit"), points())
def test_a_full_disk_is_said_and_costs_nothing_later(base, tmp_path, what, moment, limit):
    study = study_of(what)
    state = base / f"{study} {what}"
    project, words = copy(state / "before", tmp_path / "project"), command(what, study)
    opening = 1 + int(moment * int((state / "openings").read_text()))
    print(f"{what}: full at file {opening}, which may grow to {limit} bytes, seed {SEED}")
    full = run(project, words, **full_at(tmp_path / "counter", opening, limit))
    _check_refused(full.returncode, full.stdout, project, state)
    done = run(project, words)
    assert done.returncode == 0, full.stdout + done.stdout
    assert leftovers(project) == []
    assert results(project) == results(state / "after")


def _check_refused(status: int, shown: str, project: Path, state: Path) -> None:
    if status == 0:  # what could not be written then is written without need
        assert results(project) == results(state / "after"), shown
        return
    assert re.search(REFUSED, shown), shown
    assert "Traceback" not in shown, shown
    assert not list(project.rglob("*.new")), shown


def _namespace() -> list[str] | None:
    """How a process gets file systems of its own here; None where it cannot."""
    for words in (["unshare", "-m"], ["unshare", "-Urm"]):
        mount = [*words, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        if shutil.which("unshare") and not subprocess.run(mount, capture_output=True).returncode:
            return words
    return None


@pytest.mark.parametrize("number", range(REAL))
def test_a_small_file_system_that_is_filled(base, tmp_path, number):
    """Not Python's writes alone, but those of Make, the shell and every library."""
    namespace = _namespace()
    if namespace is None:
        pytest.skip("needs a file system of its own: root, or user namespaces")
    draw = random.Random(f"{SEED} {number}")
    what = draw.choice(WHAT)
    study = study_of(what)
    state = base / f"{study} {what}"
    after = draw.random() * float((state / "seconds").read_text())
    print(f"{what}: filled after {after:.2f} s, seed {SEED}")
    request = {"state": str(state / "before"), "place": str(tmp_path / "place"), "after": after}
    request |= {"command": command(what, study), "out": str(tmp_path / "project")}
    filler = [sys.executable, str(Path(__file__).with_name("filler.py")), json.dumps(request)]
    told = subprocess.run([*namespace, *filler], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)
    if answer["full"]["status"] or not answer["late"]:
        assert answer["full"]["status"] != 0
        assert re.search(REFUSED, answer["full"]["shown"]), answer["full"]["shown"]
        assert "Traceback" not in answer["full"]["shown"]
    assert answer["done"]["status"] == 0, answer
    assert leftovers(tmp_path / "project") == []
    assert results(tmp_path / "project") == results(state / "after")
