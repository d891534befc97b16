"""Real commands killed at random moments: the same command ends in the undisturbed run's bits.

FAULTS_SEED=number repeats the moments of an earlier run, which `make test-faults` prints.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from endurance import command, copy, environment, leftovers, made, results, run, study_of

pytestmark = [
    pytest.mark.endurance,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="follows orphans by prctl"),
]
SEED = os.environ["FAULTS_SEED"]
KILLS = {  # 30 in all
    **{"03": 5, "04": 2, "05": 2, "06": 2, "07": 3, "08": 3, "09": 3, "10": 2},
    **{"site": 2, "train 1": 3, "train 2": 3},
}
WHOM = ("group", "first", "any")


def blows(what: str) -> list[tuple[float, str, int, int]]:
    """Moments as a share of the command's time, who is killed, by what, and the draw of `any`."""
    draw = random.Random(f"{SEED} {what}")
    return [
        (
            round(draw.random(), 3),
            draw.choice(WHOM),
            draw.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)),
            draw.randrange(10**6),
        )
        for _ in range(KILLS[what])
    ]


def killed(project: Path, words: list[str], **how) -> dict:
    """What `reaper` tells of a command."""
    request = json.dumps({"command": words, "out": str(project.parent / "out"), **how})
    reaper = [sys.executable, str(Path(__file__).with_name("reaper.py")), request]
    told = subprocess.run(
        reaper, cwd=project, env=environment(project), capture_output=True, text=True, check=True
    )
    return json.loads(told.stdout)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return made(tmp_path_factory)


@pytest.mark.parametrize(
    ("what", "blow"), [(what, blow) for what in KILLS for blow in blows(what)], ids=str
)
def test_a_killed_command_leaves_nothing_and_ends_in_the_same_bits(base, tmp_path, what, blow):
    moment, whom, number, drawn = blow
    study = study_of(what)
    state = base / f"{study} {what}"
    project, words = copy(state / "before", tmp_path / "project"), command(what, study)
    whole = float((state / "seconds").read_text())
    after, patience = moment * whole, 60 + 3 * whole
    print(f"{what}: {signal.Signals(number).name} to {whom} after {after:.2f} s, seed {SEED}")
    how = {"whom": whom, "blow": number, "seed": drawn, "patience": patience}
    told = killed(project, words, after=after, **how)
    shown = (tmp_path / "out").read_text()
    assert told["left"] == [], shown
    done = run(project, words)
    assert done.returncode == 0, shown + done.stdout
    assert leftovers(project) == []
    assert results(project) == results(state / "after")
    if os.environ.get("FAULTS_TOLD"):
        with Path(os.environ["FAULTS_TOLD"]).open("a") as file:
            print(f"{what} {blow} {told} {shown[-300:]!r}", file=file)
