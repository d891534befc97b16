"""What each stage has to be run again for, as rules that the Makefile includes.

The code that a stage depends on is what its notebook imports, directly or through other modules of
the package, so no list has to be kept by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dvol_utils.study.params import StudyParams
from dvol_utils.study.source_code import PACKAGE, imported_files
from dvol_utils.study.stages import STAGES, Stage, study_notebooks

_SITE = PACKAGE / "report" / "site.py"
_TEMPLATES = PACKAGE / "report" / "templates"


def make_rules(study: StudyParams) -> str:
    """Rules of Make for a study: its executed notebooks, its tables, and its site.

    Parameters
    ----------
    study : StudyParams

    Returns
    -------
    str
        Lines of a makefile. `RUN` and `SITE` are where the run and its pages go, `RAW_DIR` is the
        raw store that is read, empty for a simulated market, `EXECUTED` the executed notebooks.

    Notes
    -----
    A stage runs again for its notebook, for the code that it imports, for tables that it reads, and
    where one of its own tables is lost. A table that comes out as it was keeps its time
    (`write_table`), so that a stage which left its tables unchanged costs the later ones nothing.
    Stages that do not read from each other may run side by side, but for those that train
    networks: each of them takes all cores, or the GPU, by itself.
    """
    sources, run = study_notebooks(study), _name(study.run_dir, study)
    executed = [f"{run}/notebooks/{source.name}" for source in sources]
    stages = {stage.name: stage for stage in STAGES}
    # $() keeps a blank or a backslash at the end what it is.
    raw = "" if study.is_simulated else f"{_quoted(str(study.data.raw_dir))}$()"
    site = f"{_name(study.report_dir, study)}/index.html"
    lines = [
        f"RUN := {run}",
        f"SITE := {site}",
        f"RAW_DIR := {raw}",
        f"EXECUTED := {' '.join(executed)}",
    ]
    trained: list[str] = []
    for place, source in enumerate(sources):
        stage = stages.get(source.stem, Stage(source.stem, reads=("manifest.json",)))
        lines += _stage_rules(stage, source, executed[: place + 1], trained[-1:], study)
        trained += [executed[place]] if stage.trains else []
    shown = [path for path in sorted(_TEMPLATES.rglob("*")) if path.is_file()]
    code = [_name(path, study) for path in [_SITE, *sorted(imported_files(_SITE)), *shown]]
    lines.append(f"{site}: {' '.join(code)}")
    return "\n".join(lines) + "\n"


def _stage_rules(
    stage: Stage, source: Path, executed: list[str], trained: list[str], study: StudyParams
) -> Iterator[str]:
    """The rules of one stage, whose executed notebook is the last of `executed`.

    `trained` holds the last one before it that trains networks, if there is one.
    """
    *before, target = executed
    run = _name(study.run_dir, study)
    needs = [source, *sorted(imported_files(source))]
    # The manifest is what all stages before have left.
    reads = [f"{run}/{_file(name)}" for name in stage.inputs if name != "manifest.json"]
    reads += before if "manifest.json" in stage.inputs else []
    names = [*(_name(path, study) for path in needs), *reads]
    waits = f" | {trained[0]}" if stage.trains and trained else ""
    yield f"{target}: {' '.join(names)}{waits}"
    for name in (*(table.name for table in stage.tables), *stage.files):
        file = f"{run}/{_file(name)}"
        yield f"{target}: $(if $(wildcard {file}),,FORCE)"
        yield f"{file}: {target} ;"


def _file(name: str) -> str:
    return name if "." in name else f"{name}.parquet"


def _name(path: Path, study: StudyParams) -> str:
    """A path as one word of Make."""
    return _quoted(_from_root(path, study)).replace(" ", r"\ ")


def _quoted(text: str) -> str:
    """A text as Make's: backslashes before a # escape each other, too."""
    return re.sub(r"(\\*)#", r"\1\1\\#", text.replace("$", "$$"))


def _from_root(path: Path, study: StudyParams) -> str:
    """A path from the project's folder, where it lies below it: so a project may be moved."""
    path, root = path.resolve(), study.root.resolve()
    return str(path.relative_to(root) if path.is_relative_to(root) else path)
