"""What a study is expected to find (`params/<study>.expected.json`), and what a new run finds.

On the platform that the file names every number has to be the same to the last bit; on others,
within the tolerances stated here.
"""

from __future__ import annotations

import math
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

import pandas as pd

from dvol_utils.report.execute import execute_notebook
from dvol_utils.report.verify import Check
from dvol_utils.results.results_json import read_results
from dvol_utils.study.effective import parameters_hash
from dvol_utils.study.files import ArtefactError, read_json, replacing, write_json
from dvol_utils.study.model_names import ENSEMBLE, NETWORK_NAMES
from dvol_utils.study.params import StudyParams
from dvol_utils.study.stages import study_notebooks
from dvol_utils.study.tables import package_versions, read_manifest
from dvol_utils.study.trials import commanded_study

# Largest difference allowed on another platform, in the number's own unit, by a part of its name:
# three times or more what other instructions and float32 in place of bfloat16 were seen to change.
# What is not here (rows, flags, names, verdicts) may not differ at all.
TOLERANCES = {
    "rmse": 0.01,  # points
    "mae": 0.01,
    "mape": 0.02,  # percent
    "r2": 0.001,
    "skill": 0.005,
    "expected_skill": 0.005,
    "expected_skill_se": 0.005,
    "shares": 0.1,
    "direction": 0.005,
    "gain": 0.005,
    "dm_p_value": 0.05,
    "dm_p_bartlett": 0.05,
    "annual_gains": 0.5,  # percent of capital a year
}
EXPECTED_ROUNDING = 1e-9  # allowed in place of those where no network is behind the number
_WORKSPACE = ".verify"
_PLATFORM_FACTS = ("device", "arithmetic")  # where it was computed, not what was found
_VECTORS = ("avx", "amx", "fma", "sve", "asimd", "bf16")  # what arithmetic chooses its kernels by


def expected_path(study: StudyParams) -> Path:
    """`params/<study>.expected.json`, whether or not it is there."""
    return study.root / "params" / f"{study.name}.expected.json"


def read_expected(study: StudyParams) -> dict[str, Any]:
    """Read what a study is expected to find: `parameters_hash`, `platform`, `numbers`.

    Raises
    ------
    ArtefactError
        The file is missing or damaged, or is of other parameters than the study's.
    """
    path = expected_path(study)
    advice = f"`dvol verify --study {study.name} --rerun --accept` writes it"
    if not path.is_file():
        raise ArtefactError(f"{path} is missing: {advice}")
    expected = read_json(path)
    for key, kind in (("parameters_hash", str), ("platform", dict), ("numbers", dict)):
        if not isinstance(expected, dict) or not isinstance(expected.get(key), kind):
            raise ArtefactError(f"{path}: {key} is missing or of another type: {advice}")
    now = parameters_hash(study)
    if expected["parameters_hash"] != now:
        raise ArtefactError(
            f"{path} is of parameters {expected['parameters_hash']}, the study has {now}: "
            f"{advice} anew, and without --set the study's own are used"
        )
    return expected


def write_expected(study: StudyParams, numbers: Mapping[str, Any]) -> Path:
    """Write what a study's run on this platform found as what is expected from now on."""
    path = expected_path(study)
    write_json(
        path,
        {
            "parameters_hash": parameters_hash(study),
            "platform": this_platform(),
            "numbers": dict(numbers),
        },
    )
    return path


def workspace(study: StudyParams) -> Path:
    """The project folder in which a study is run again."""
    return study.root / "runs" / _WORKSPACE


def run_again(study: StudyParams, overrides: Mapping[str, Any]) -> StudyParams:
    """Run a study from nothing in a project folder of its own, `runs/.verify`.

    No finished run is touched; what an earlier call left there is removed.

    Parameters
    ----------
    study : StudyParams
        The study.
    overrides : mapping
        Those that it was loaded with.

    Returns
    -------
    StudyParams
        The study in that folder; its `run_dir` holds what the run left.

    Raises
    ------
    NotebookError
        A notebook failed; as far as it came it is kept in that folder.
    """
    root = workspace(study)
    # What an earlier call left would let stages be taken for done.
    shutil.rmtree(root, ignore_errors=True)
    (root / "params").mkdir(parents=True)
    file = Path("params") / f"{study.name}.yaml"
    for name in (file, Path("README.md")):
        if (study.root / name).is_file():
            _copy(study.root / name, root / name)
    for notebook in (study.root / "notebooks").glob("*.ipynb"):
        _copy(notebook, root / "notebooks" / notebook.name)
    if not study.is_simulated:
        # The copy lies elsewhere, so that a relative folder would lead nowhere.
        overrides = {**overrides, "data.raw_dir": str(study.raw_dir.absolute())}
    again = commanded_study(root / file, overrides)
    with chdir(root):  # a study's name is looked up from here
        for notebook in study_notebooks(again):
            target = again.run_dir / "notebooks" / notebook.name
            execute_notebook(notebook, target, study=study.name, overrides=overrides)
    return again


def headline_numbers(study: StudyParams) -> dict[str, Any]:
    """The numbers of a finished run by name, such as `models.har.skill.low`.

    Returns
    -------
    dict
        Scores, intervals, tests, regimes and test rows of `results.json`, and what the stages noted
        in `manifest.json`: numbers, names, verdicts; None where a number is not defined. Sentences
        and hashes of files are left out: the one repeat the numbers, the others stand in the site.
        So is where it was computed.

    Raises
    ------
    ArtefactError
        There is no finished run.
    """
    results = read_results(study)
    parts = {"models", "test", "regimes", *(["oracle"] if results.oracle else [])}
    results = results.model_dump(include=parts)
    # By name instead of by place: another order of rows is no other number.
    regimes = {f"{row.pop('regime')}.{row.pop('model')}": row for row in results["regimes"]}
    manifest = read_manifest(study)
    parts = results | {"regimes": regimes}
    for stage, facts in manifest["stages"].items():
        # Without the stage's number, which a new page moves.
        parts[stage[3:]] = {key: fact for key, fact in facts.items() if key not in _PLATFORM_FACTS}
    return dict(_leaves(parts, ""))


def differences(
    expected: Mapping[str, Any], found: Mapping[str, Any], *, exact: bool
) -> pd.DataFrame:
    """Every number that is not the same bit for bit, a row each.

    Parameters
    ----------
    expected, found : mapping
        Numbers by name, as `headline_numbers` gives them.
    exact : bool
        Whether any difference is too large; otherwise `TOLERANCES` say.

    Returns
    -------
    DataFrame
        `number`, `expected`, `found`, `difference` (NaN where it is not one of two numbers),
        `allowed`, `ok`; a number that only one side has shows "missing" on the other.
    """
    rows = []
    for name in sorted(expected.keys() | found.keys()):
        pair = [values.get(name, "missing") for values in (expected, found)]
        if _same(*pair):
            continue
        allowed = 0.0 if exact else _tolerance(name)
        # True and False are ints: flags differ by 1, which no tolerance allows.
        numeric = all(isinstance(value, int | float) for value in pair)
        difference = float(pair[1]) - float(pair[0]) if numeric else math.nan
        rows.append((name, *pair, difference, allowed, bool(abs(difference) <= allowed)))
    columns = ["number", "expected", "found", "difference", "allowed", "ok"]
    return pd.DataFrame(rows, columns=columns)


def check_numbers(study: StudyParams, again: StudyParams) -> tuple[pd.DataFrame, Check]:
    """Compare a run with what the study is expected to find.

    Parameters
    ----------
    study : StudyParams
        The study, which has the file of expected numbers.
    again : StudyParams
        The same study where `run_again` ran it.

    Returns
    -------
    DataFrame
        `differences`.
    Check
        Whether all of them are allowed, and how many there are.

    Raises
    ------
    ArtefactError
        As `read_expected`.
    """
    expected, found = read_expected(study), headline_numbers(again)
    here = this_platform()
    other = [key for key, value in here.items() if expected["platform"].get(key) != value]
    table = differences(expected["numbers"], found, exact=not other)
    where = f"another platform ({', '.join(other)})" if other else "the same platform, exactly"
    too_large = int((~table["ok"]).sum())
    detail = (
        f"{len(expected['numbers'])} compared on {where}: {len(table)} differ, "
        f"{too_large} by more than is allowed"
    )
    return table, Check("numbers", not too_large, detail)


def this_platform() -> dict[str, Any]:
    """What the last bit of a number may depend on: machine, processor, kernels, versions."""
    import torch  # heavy, and only wanted here
    from threadpoolctl import threadpool_info

    kernels = {pool["architecture"] for pool in threadpool_info() if "architecture" in pool}
    return {
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "onednn": os.environ.get("ONEDNN_MAX_CPU_ISA", "default").lower(),
        "kernels": sorted(kernels),
        "python": platform.python_version(),
        "packages": package_versions(),
    }


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        # Long texts are sentences and hashes.
        if not isinstance(value, str) or len(value) < 40:
            yield name, value
        return
    for key, inner in items:
        yield from _leaves(inner, f"{name}.{key}".lstrip("."))


def _same(expected: Any, found: Any) -> bool:
    # 1 == True and 1 == 1.0 in Python, and neither is the same finding.
    return type(expected) is type(found) and expected == found


def _tolerance(name: str) -> float:
    parts = name.split(".")
    allowed = next((TOLERANCES[part] for part in parts if part in TOLERANCES), 0.0)
    learnt = {*NETWORK_NAMES, ENSEMBLE, "annual_gains"}.intersection(parts)
    # Only networks depend on the platform's arithmetic as much as that.
    return allowed if learnt else min(allowed, EXPECTED_ROUNDING)


def _processor() -> str:
    """The processor's name and the vector instructions that it has, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    # The file says it once a core; reversed, the first core's word is the last one kept.
    fields = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    fields = {key.strip(): text.strip() for key, text in fields.items()}
    flags = fields.get("flags", fields.get("Features", "")).split()
    vectors = sorted(flag for flag in flags if any(word in flag for word in _VECTORS))
    return " ".join([fields.get("model name", platform.processor()), *vectors]).strip()
