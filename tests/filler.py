"""Run a command on a small file system that is filled at a moment, then again with room.

`unshare -m python filler.py '{"state": ..., "place": ..., "command": [...], ...}'`: `state` is the
project that is copied to the file system at `place`, `out` where it is copied in the end.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from endurance import environment, run

ROOM = 96 * 2**20  # bytes beside the project


def main(state: str, place: str, command: list[str], after: float, out: str) -> dict:
    """What the command said while the disk was full, and what afterwards."""
    home = Path(place)
    home.mkdir()
    size = ROOM + sum(path.stat().st_size for path in Path(state).rglob("*") if path.is_file())
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place]
    subprocess.run(mount, check=True)
    project = Path(shutil.copytree(state, home / "project", symlinks=True))
    words = {"cwd": project, "env": environment(project), "text": True}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(command, **words, **pipes)
    with suppress(subprocess.TimeoutExpired):
        process.wait(after)
    late = process.poll() is not None
    while process.poll() is None:  # what is removed meanwhile makes no room
        _fill(home / "ballast")
        time.sleep(0.01)
    shown = process.stdout.read()
    (home / "ballast").unlink(missing_ok=True)
    again = run(project, command)
    shutil.copytree(project, out, symlinks=True)
    return {
        "late": late,
        "full": {"status": process.returncode, "shown": shown},
        "done": {"status": again.returncode, "shown": again.stdout},
    }


def _fill(ballast: Path) -> None:
    with suppress(OSError), ballast.open("ab", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
