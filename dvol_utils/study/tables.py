"""What a study leaves in `runs/<study>/`, written whole or not at all.

Every table carries the hash of the parameters it depends on and of the tables it was made from, so
that a stage never reads what another setting left behind.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dvol_utils import __version__
from dvol_utils.study.bounded import OversizeError
from dvol_utils.study.effective import changed, effective, parameters_hash
from dvol_utils.study.files import ArtefactError, file_hash, read_json, replacing, write_json
from dvol_utils.study.lock import in_turn, run_lock
from dvol_utils.study.made_by import made_by, this_code
from dvol_utils.study.params import StudyParams
from dvol_utils.study.parquet import read_whole
from dvol_utils.study.stages import MADE_BY, TABLES

_CONTENT = "content"
_PACKAGES = (
    "torch",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "statsmodels",
    "arch",
    "papermill",
)
_MANIFEST: dict[str, type] = {
    "parameters": dict,
    "parameters_hash": str,
    "stages": dict,
    "packages": dict,
    "python": str,
    "seeds": list,
}


def write_table(study: StudyParams, name: str, table: pd.DataFrame) -> Path:
    """Write `runs/<study>/<name>.parquet` with its origin in the file's metadata.

    A table that is there already, byte for byte, keeps its time: what was made from it stands.

    Raises
    ------
    ArtefactError
        The run is another one by now, with other parameters than the notebook was opened with.
    RunBusyError
        Another process works in the run.
    """
    path = study.run_dir / f"{name}.parquet"
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    origin = _origin(study, name) | {_CONTENT: _content_hash(arrow.to_pandas())}
    arrow = arrow.replace_schema_metadata(
        {**(arrow.schema.metadata or {}), b"dvol_origin": json.dumps(origin).encode()}
    )
    with _in_run(study):
        _refuse_another_run(study)
        with replacing(path, keep_same=True) as temporary:
            pq.write_table(arrow, temporary)
    return path


def read_table(study: StudyParams, name: str) -> pd.DataFrame:
    """Read `runs/<study>/<name>.parquet` and check that it belongs to these parameters.

    Raises
    ------
    ArtefactError
        The table is missing, unreadable, or stale; the message says which command makes it.
    """
    path = study.artefact(f"{name}.parquet")
    whole = "" if study.trial else f"`make report STUDY={study.name}`, or "
    advice = f"run {whole}notebook {MADE_BY[name].name} with these parameters"
    if not path.is_file():
        raise ArtefactError(f"{path} is missing: {advice}")
    try:
        arrow = read_whole(path)
    except OversizeError as error:
        raise ArtefactError(f"{path}: {error}: no run leaves that much: {advice}") from None
    except (pa.ArrowException, OSError) as error:
        raise ArtefactError(f"{path} is damaged ({error}): {advice}") from None
    stored = json.loads((arrow.schema.metadata or {}).get(b"dvol_origin", b"{}"))
    for key, value in _origin(study, name).items():
        if stored.get(key) != value:
            raise ArtefactError(f"{path} was made with other {key}: {advice}")
    table = arrow.to_pandas()
    del arrow
    pa.default_memory_pool().release_unused()  # else Arrow keeps the space of its own copy for good
    if _CONTENT in stored and stored[_CONTENT] != _content_hash(table):
        raise ArtefactError(
            f"{path} was changed since it was written: its rows do not have the SHA-256 that it "
            f"names: delete it and {advice}"
        )
    return table


def read_manifest(study: StudyParams) -> dict[str, Any]:
    """`manifest.json` of a run: `parameters`, what each of `stages` noted, versions, seeds.

    `made_by` has version and commit of the code by stage, `version` and `git_commit` those of the
    stage that was run last.

    Raises
    ------
    ArtefactError
        It is missing or damaged, is none, or a version with other formats left it.
    """
    path = study.artefact("manifest.json")
    manifest = read_json(path)
    for key, kind in _MANIFEST.items():
        held = manifest.get(key) if isinstance(manifest, dict) else None
        facts = held.values() if key == "stages" and isinstance(held, dict) else ()
        if not isinstance(held, kind) or not all(isinstance(fact, dict) for fact in facts):
            raise ArtefactError(
                f"{path} is damaged, {key} should be there and of its kind: delete it and run "
                f"`make report STUDY={study.name}`"
            )
    version = manifest.get("version", "before 0.2.0")
    if _formats(version) != _formats(__version__):
        raise ArtefactError(
            f"{path}: version {version} of the project left this run at commit "
            f"{manifest.get('git_commit') or 'unknown'}, this is version {__version__}: run "
            f"`make report STUDY={study.name}` again, or read it with that commit"
        )
    return manifest


def _formats(version: str) -> list[str]:
    """What a version's files depend on: 0.2 of 0.2.1."""
    return version.split(".")[:2]


def record(study: StudyParams, stage: str, facts: dict[str, Any]) -> None:
    """Add a stage's facts (durations, devices, file hashes) to `runs/<study>/manifest.json`.

    The version and commit of the code that runs now are noted as the stage's own.
    """
    _write_manifest(study, {stage: facts})


def claim(study: StudyParams) -> None:
    """Say in the manifest, before a stage is run, that the study's run has these parameters."""
    path = study.run_dir / "manifest.json"
    if study.trial and not path.is_file():  # whose stages are all its own
        _write_manifest(study, {}, earlier={"stages": {}})
    elif not path.is_file() or read_manifest(study)["parameters"] != effective(study):
        _write_manifest(study, {})


def take_facts(study: StudyParams, stage: str, manifest: dict[str, Any]) -> None:
    """Add what a run's manifest says of a stage to that of a trial that takes the stage over."""
    _write_manifest(study, {stage: manifest["stages"][stage]}, code=made_by(manifest)[stage])


def sections_of(name: str) -> tuple[str, ...]:
    """The sections of the parameters that a table depends on, through earlier tables too."""
    table = TABLES[name]
    earlier = [section for before in table.inputs for section in sections_of(before)]
    return tuple(sorted({*table.sections, *earlier}))


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that a run's numbers come from, by name."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def _content_hash(table: pd.DataFrame) -> str:
    """SHA-256 of a table's rows and names, as they come from any file."""
    rows = pd.util.hash_pandas_object(table, index=False).to_numpy()
    return hashlib.sha256(f"{list(table)}".encode() + rows.tobytes()).hexdigest()


def _origin(study: StudyParams, name: str) -> dict[str, Any]:
    made = TABLES[name]
    origin: dict[str, Any] = {"parameters": parameters_hash(study, made.sections)}
    if not made.inputs and not study.is_simulated:  # of which the parameters say everything
        origin["raw store"] = _store_hash(study.raw_dir)
    for table in made.inputs:
        path = study.artefact(f"{table}.parquet")
        origin[f"{table}.parquet"] = file_hash(path) if path.is_file() else "missing"
    return origin


@contextmanager
def _in_run(study: StudyParams) -> Iterator[None]:
    """For a notebook that writes into the run, or into a trial, while nothing else does."""
    with run_lock(study.run_dir, "a notebook that is open", shared=True):
        yield


def _refuse_another_run(study: StudyParams) -> None:
    """A notebook that was opened before the last `make report` would write into a run not its."""
    path = study.run_dir / "manifest.json"
    if study.trial or not path.is_file():
        return
    others = changed(effective(study), read_manifest(study)["parameters"])
    if others:
        raise ArtefactError(
            f"{study.run_dir} has been run with other parameters since ({', '.join(others)}): run "
            "this notebook again from its first cell"
        )


def _store_hash(folder: Path) -> str:
    """One hash of a raw store's files, by name and content: wherever the folder lies.

    They are files that the Makefile looks at, too, so that what is refused here is made anew there.
    """
    files = [path for kind in ("*.csv", "*.parquet") for path in folder.glob(kind)]
    shown = [path for path in files if ".refused." not in path.name and path.is_file()]
    held = sorted((path.name, file_hash(path)) for path in shown)
    return hashlib.sha256(json.dumps(held).encode()).hexdigest()


def _write_manifest(
    study: StudyParams,
    facts: dict[str, dict[str, Any]],
    *,
    earlier: dict[str, Any] | None = None,
    code: dict[str, Any] | None = None,
) -> None:
    path = study.artefact("manifest.json")
    with _in_run(study), in_turn(study.run_dir):
        old = earlier or (read_manifest(study) if path.is_file() else {"stages": {}})
        now = this_code(study.root)
        content = {
            **_provenance(study),
            **now,
            "stages": {**old["stages"], **facts},
            "made_by": made_by(old) | dict.fromkeys(facts, code or now),
        }
        write_json(study.run_dir / "manifest.json", content)


def _provenance(study: StudyParams) -> dict[str, Any]:
    return {
        "study": study.name,
        "parameters": effective(study),
        "parameters_hash": parameters_hash(study),
        "python": platform.python_version(),
        "packages": package_versions(),
        "seeds": study.training.seeds,
    }
