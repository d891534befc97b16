r"""CPU and wall time of commands, of this project and of another clone of it, in turn.

    python benchmarks/commands.py                       # this project alone
    python benchmarks/commands.py --before ../earlier   # beside a clone at an earlier commit
    python benchmarks/commands.py --before ../earlier --study demo --repeat 1 report
    python benchmarks/commands.py --before ../earlier --study bitcoin --raw DIR stages

What is timed, all of it unless some are named:
- `help`, `forecast`: `dvol --help`, and `dvol forecast` from the study's finished run;
- `report`: `make report` from nothing but an installed environment;
- `changed`: after it, the same with `SET="significance.reps=500"`;
- `stages`: after `report`, each notebook by itself by `dvol notebook`, whose networks are kept.

CPU seconds are those of the whole tree of processes, user and system. `report` removes what the
study has left in either project before (`make clean`).
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from dvol_utils.study.loading import load_study
from dvol_utils.study.stages import study_notebooks

ROOT = Path(__file__).parents[1]
GROUPS = ("help", "forecast", "report", "changed", "stages")
REPS = "SET=significance.reps=500"


def commands(group: str, study: str, raw: Path | None) -> Iterator[tuple[str, list[str]]]:
    """Names and words of a group's commands."""
    dvol = ".venv/bin/dvol"
    store = ["--raw", str(raw.resolve())] if raw else []
    report = ["make", "report", f"STUDY={study}", *([f"RAW={raw.resolve()}"] if raw else [])]
    if group == "help":
        yield "dvol --help", [dvol, "--help"]
    elif group == "forecast":
        yield f"dvol forecast --study {study}", [dvol, "forecast", "--study", study]
    elif group == "report":
        yield f"make report STUDY={study}", report
    elif group == "changed":
        yield f"make report STUDY={study} {REPS}", [*report, REPS]
    else:
        overrides = {"data.raw_dir": str(raw.resolve())} if raw else {}
        for notebook in study_notebooks(load_study(study, overrides)):
            target = f"runs/{study}/notebooks/{notebook.name}"
            words = [dvol, "notebook", f"notebooks/{notebook.name}", "--output", target]
            yield notebook.stem, [*words, "--study", study, *store]


def timed(words: list[str], project: Path) -> tuple[float, float]:
    """CPU and wall seconds of a command, run to its end."""
    plain = {key: value for key, value in os.environ.items() if "MAKE" not in key}
    # As the Makefile sets them, for commands that are run without it.
    plain |= {"PYTHONHASHSEED": "0", "JUPYTER_PATH": str(project / ".venv/share/jupyter")}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(words, cwd=project, env=plain, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{project}: {' '.join(words)}: {done.stderr or done.stdout}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    """Print the table as Markdown, a row per command, the median of all runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", metavar="group", help=", ".join(GROUPS))
    parser.add_argument("--before", type=Path, help="another clone, installed")
    parser.add_argument("--study", default="smoke")
    parser.add_argument("--raw", type=Path, help="raw store of a study that reads one")
    parser.add_argument("--repeat", type=int, default=1)
    args = parser.parse_args()
    groups = args.groups or ["help", "report", "forecast", "changed", "stages"]
    if set(groups) - set(GROUPS):
        parser.error(f"found {', '.join(groups)}; should be of {', '.join(GROUPS)}")
    projects = [*([args.before.resolve()] if args.before else []), ROOT]
    heads = ["CPU, now / before", "wall, now / before"] if args.before else []
    print("| command | CPU s | wall s |" + "".join(f" {head} |" for head in heads))
    print("|---" * (3 + len(heads)) + "|")
    for group in groups:
        for name, words in commands(group, args.study, args.raw):
            runs: dict[Path, list[tuple[float, float]]] = {project: [] for project in projects}
            for project in projects * args.repeat:
                if group == "report":
                    timed(["make", "clean", f"STUDY={args.study}"], project)
                # An earlier project may not have the notebook yet.
                if group != "stages" or (project / words[2]).is_file():
                    runs[project].append(timed(words, project))
            print(f"| `{name}` | {' | '.join(shown(list(runs.values())))} |", flush=True)


def shown(runs: list[list[tuple[float, float]]]) -> list[str]:
    """Cells of a row: CPU and wall seconds of each project, then ratios to the first."""
    medians = [[statistics.median(part) for part in zip(*of_one, strict=True)] for of_one in runs]
    cells = [", ".join(f"{of_one[i]:.1f}" if of_one else "–" for of_one in medians) for i in (0, 1)]
    if len(runs) == 1:
        return cells
    before, now = medians
    return cells + [f"{now[i] / before[i]:.2f}" if before else "–" for i in (0, 1)]


if __name__ == "__main__":
    main()
