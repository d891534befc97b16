"""YAML and overrides in, a study or one message out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from dvol_utils.study.bounded import OversizeError, read_text
from dvol_utils.study.data_section import Section
from dvol_utils.study.effective import effective, flat
from dvol_utils.study.limits import STUDY_CHARACTERS
from dvol_utils.study.params import NAME, ParameterError, StudyParams
from dvol_utils.study.reach import without_effect
from dvol_utils.study.yaml_values import read_yaml


def load_study(
    name_or_path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    trained: str | None = None,
) -> StudyParams:
    """Read `params/<name>.yaml`, apply overrides and check every value.

    Parameters
    ----------
    name_or_path : str or Path
        Study name (looked up in `params/` here, in a parent folder, or beside the package), or a
        path that ends in `.yaml`.
    overrides : mapping, optional
        Values that replace the file's: nested (`{"training": {"epochs": 3}}`) or dotted
        (`{"training.epochs": 3}`).
    trained : str, optional
        A network that is trained whether or not the study names it.

    Raises
    ------
    ParameterError
        Missing file, broken YAML, unknown key or bad value, or a key that has no effect in the
        study; names file, key, value and what is valid.
    """
    path = study_file(name_or_path)
    values = {"name": path.stem, **_read_yaml(path)}
    source = str(path)
    _refuse_machine(values, source)
    # Judged without the overrides first: what they bring must not excuse a key of the file.
    with suppress(ValidationError):  # said below, or mended by the overrides
        alone = StudyParams(**values)
        _refuse_idle(_chosen(values, alone), alone, source, trained)
    if overrides:
        values = _merge(values, _nested(overrides))
        source += " with overrides " + json.dumps(dict(overrides), default=str)
    try:
        study = StudyParams(**values)
    except ValidationError as error:
        raise ParameterError(_explain(error, source)) from None
    _refuse_idle(flat(_nested(overrides or {})), study, source, trained)
    if study.name != path.stem:
        raise ParameterError(f"{source}: name: found {study.name!r}; should be {path.stem!r}")
    study._root = path.parent.parent
    return _named_from_root(study)


def study_from(values: Mapping[str, Any], root: Path) -> StudyParams:
    """The study of `effective` parameters, as another process hands them on."""
    study = StudyParams(**values)
    study._root = root
    return study


def _named_from_root(study: StudyParams) -> StudyParams:
    """A raw folder below the project is named from there, so that the project may be moved."""
    raw, root = study.data.raw_dir, study.root
    if not (raw.is_absolute() and raw.is_relative_to(root)):
        return study
    data = study.data.model_copy(update={"raw_dir": raw.relative_to(root)})
    return study.model_copy(update={"data": data})


def _refuse_machine(values: Mapping[str, Any], source: str) -> None:
    """Whose machine may run code here is for the one to say who starts the run, not for a file."""
    training = values.get("training")
    found = training.get("cluster") if isinstance(training, Mapping) else None
    if found not in (None, "local"):
        raise ParameterError(
            f"{source}: training.cluster: found {found!r}; should be local or null in a study's "
            "file. For a cluster can run any code here, so that whoever starts the run names it, "
            'if it is to be trusted: make report SET="training.cluster=tcp://HOST:PORT", dvol --set'
        )


def _chosen(values: Mapping[str, Any], study: StudyParams) -> list[str]:
    """Keys of a file with another value than the default: a file may spell out all defaults."""
    fields = StudyParams.model_fields.items()
    usual = {name: field.default for name, field in fields if not field.is_required()}
    now, default = flat(effective(study)), flat(effective(study.model_copy(update=usual)))
    return [key for key in flat(values) if now.get(key) != default.get(key)]


def _refuse_idle(keys: Iterable[str], study: StudyParams, source: str, trained: str | None) -> None:
    """Refuse keys that somebody has set and that change nothing in the study."""
    faults = without_effect(keys, flat(effective(study)), trained)
    if faults:
        raise ParameterError("\n".join(f"{source}: {key}: {why}" for key, why in faults.items()))


def study_file(name_or_path: str | Path) -> Path:
    """The file of a study by its name or path, as `load_study` finds it; its folder is `params/`.

    Raises
    ------
    ParameterError
        There is none.
    """
    text = str(name_or_path)
    if text.endswith((".yaml", ".yml")):
        path = Path(text).resolve()
        if not path.is_file():
            raise ParameterError(f"{text}: no such study file")
        return path
    if not re.fullmatch(NAME, text):
        raise ParameterError(
            f"study {text!r}: should be one name of params/ without .yaml, of letters, digits, _ "
            "and -, or a path that ends in .yaml"
        )
    here = Path.cwd()
    package_home = Path(__file__).resolve().parents[2]
    # Here first, so that a project of one's own is found before the package's.
    folders = [folder / "params" for folder in (here, *here.parents, package_home)]
    folder = next((f for f in folders if f.is_dir()), folders[0])
    path = folder / f"{text}.yaml"
    if not path.is_file():
        names = sorted(f.stem for f in folder.glob("*.yaml") if re.fullmatch(NAME, f.stem))
        known = ", ".join(names) or "none"
        raise ParameterError(f"{path}: no study {text!r} there; it holds: {known}")
    return path


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = read_yaml(read_text(path, 4 * STUDY_CHARACTERS))  # of up to four bytes each
    except (yaml.YAMLError, UnicodeDecodeError, OversizeError) as error:
        raise ParameterError(f"{path}: not readable as YAML: {error}") from None
    if not isinstance(values, dict):
        raise ParameterError(
            f"{path}: found {type(values).__name__}; should be keys such as title:"
        )
    return values


def _nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in overrides.items():
        head, _, rest = str(key).partition(".")
        if rest:
            value = _nested({rest: value})
        elif isinstance(value, Mapping):
            value = _nested(value)
        nested = _merge(nested, {head: value})
    return nested


def _merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _explain(error: ValidationError, source: str) -> str:
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(whole study)"
        if item["type"] == "extra_forbidden":
            valid = ", ".join(_keys_at(item["loc"][:-1]))
            lines.append(f"{source}: {key}: unknown key; valid keys here: {valid}")
        elif item["type"] == "missing":
            lines.append(f"{source}: {key}: missing; it has no default")
        elif item["type"] == "value_error" and isinstance(item["input"], dict | Section):
            lines.append(f"{source}: {key}: {item['msg'].removeprefix('Value error, ')}")
        else:
            message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
            lines.append(f"{source}: {key}: found {item['input']!r}; {message}")
    return "\n".join(lines)


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = StudyParams
    for part in location:
        section = section.model_fields[str(part)].annotation  # type: ignore[assignment]
    return list(section.model_fields)
