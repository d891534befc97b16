"""Typed study parameters: one YAML file a study, every key checked at the door."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pandas as pd
import yaml
from pydantic import BaseModel, Field, PrivateAttr, ValidationError
from pydantic import model_validator as validator

from dvol_utils.study.data_section import DataParams, Section
from dvol_utils.study.data_section import QualityParams as QualityParams
from dvol_utils.study.data_section import SimulatedParams as SimulatedParams
from dvol_utils.study.fitting_section import (
    MODEL_NAMES,
    EnsembleParams,
    FeatureParams,
    JumpParams,
    ModelName,
    SplitParams,
    TargetParams,
    TrainingParams,
    WalkParams,
)
from dvol_utils.study.judging_section import (
    EvaluationParams,
    JudgementParams,
    SignificanceParams,
    TradingParams,
    UncertaintyParams,
)
from dvol_utils.study.networks_section import NetworksParams
from dvol_utils.study.reach import without_effect


class ParameterError(ValueError):
    """A study file or an override that cannot be used; the message names file, key and value."""


class Trial(NamedTuple):
    """Parameters that a notebook tries beside the study's run: see `trials.open_study`."""

    name: str
    changes: dict[str, tuple[Any, Any]]  # key: value, value of the run


class StudyParams(Section):
    """All that defines a study. `root` is the folder that holds `params/`, `runs/`, `reports/`."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$", description="the study's file name")
    title: str = Field(min_length=1, description="one line on top of every page")
    data: DataParams
    split: SplitParams
    jumps: JumpParams = JumpParams()
    features: FeatureParams = FeatureParams()
    target: TargetParams = TargetParams()
    models: list[ModelName] = Field(list(MODEL_NAMES), min_length=1, description="forecasters")
    training: TrainingParams = TrainingParams()
    networks: NetworksParams = NetworksParams()
    walk: WalkParams = WalkParams()
    ensemble: EnsembleParams = EnsembleParams()
    uncertainty: UncertaintyParams = UncertaintyParams()
    evaluation: EvaluationParams = EvaluationParams()
    significance: SignificanceParams = SignificanceParams()
    trading: TradingParams = TradingParams()
    horizons: list[Annotated[int, Field(ge=1, le=720)]] = Field(
        [], description="hours ahead that the page on horizons compares, made where there are any"
    )
    published_page: bool = Field(
        False, description="whether the page on the published numbers is made"
    )
    judgement: JudgementParams = JudgementParams()
    _root: Path = PrivateAttr(Path("."))
    _trial: Trial | None = PrivateAttr(None)

    @property
    def root(self) -> Path:
        """Folder that holds `params/`, `runs/` and `reports/`."""
        return self._root

    @property
    def run_dir(self) -> Path:
        """Where what is made lives: the study's artefacts, or those of a trial beside them."""
        run = self._root / "runs" / self.name
        return run if self._trial is None else run / "trials" / self._trial.name

    @property
    def trial(self) -> Trial | None:
        """What a notebook tries in place of the parameters of the study's run, if it does."""
        return self._trial

    def artefact(self, name: str) -> Path:
        """A file or folder of `runs/<study>/` to read: a trial's own where there is one."""
        own = self.run_dir / name
        return own if own.exists() else self._root / "runs" / self.name / name

    @property
    def report_dir(self) -> Path:
        """Where the study's pages live."""
        return self._root / "reports" / self.name

    @property
    def raw_dir(self) -> Path:
        """The raw store that is read; a simulated market writes its own under `runs/`."""
        if self.data.source == "simulated":
            changed = self._trial.changes if self._trial else {}
            own = any(key.startswith("data.") for key in changed)
            return (self.run_dir if own else self._root / "runs" / self.name) / "raw"
        return self._root / self.data.raw_dir

    @property
    def is_simulated(self) -> bool:
        """Whether the data come from the simulated market."""
        return self.data.source == "simulated"

    @property
    def overlap_hours(self) -> int:
        """Hours over which errors of neighbouring forecasts overlap: what tests have to allow for.

        The horizon; with lags that count back from the row, the age of the newest at the target.
        """
        late = 24 if self.features.lags_from == "row" else 0
        return self.target.horizon_hours + late

    @property
    def persistence_hours(self) -> int:
        """Age at the target of the level that is persistence, hours: the horizon.

        At least a day where lags count back from the row: such a study means to forecast from a
        day before, whatever row it takes for its origin.
        """
        least = 24 if self.features.lags_from == "row" else 0
        return max(self.target.horizon_hours, least)

    @property
    def late_hours(self) -> int | None:
        """Hours before the target up to which inputs reach, where that is later than persistence;
        otherwise None.
        """
        horizon = self.target.horizon_hours
        return horizon if horizon < self.persistence_hours else None

    @validator(mode="after")
    def _consistent(self) -> StudyParams:
        if "persistence" not in self.models:
            raise ValueError("models should contain persistence, which every model is judged by")
        for key, values in (
            ("data.assets", self.data.assets),
            ("models", self.models),
            ("training.seeds", self.training.seeds),
        ):
            if len(set(values)) < len(values):
                raise ValueError(f"{key} {values} should name each entry once")
        if "ensemble" in self.models and not set(self.ensemble.members) & set(self.models):
            raise ValueError(
                f"models {self.models} should have one of ensemble.members {self.ensemble.members}"
            )
        self.networks.check(self.models, self.features.groups, self.training.window_hours)
        several = len(self.data.assets) > 1
        if several and self.published_page:
            raise ValueError(
                f"data.assets {self.data.assets} should name one asset where published_page is true"
            )
        if several and self.walk.warm_epochs is not None:
            raise ValueError(
                f"walk.warm_epochs {self.walk.warm_epochs} should be left out where data.assets "
                f"names several, found {self.data.assets}: networks on pooled rows begin anew"
            )
        block = self.significance.block_hours
        if block != "auto" and block < self.target.horizon_hours:
            raise ValueError(
                f"significance.block_hours {block} should be at least "
                f"target.horizon_hours {self.target.horizon_hours}: targets overlap that long"
            )
        if self.horizons != sorted(set(self.horizons)):
            raise ValueError(f"horizons {self.horizons} should be in ascending order, each once")
        return self


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
    path = _study_file(name_or_path)
    values = {"name": path.stem, **_read_yaml(path)}
    source = str(path)
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
    return study


def study_from(values: Mapping[str, Any], root: Path) -> StudyParams:
    """The study of `effective` parameters, as another process hands them on."""
    study = StudyParams(**values)
    study._root = root
    return study


def parse_override(text: str) -> tuple[str, Any]:
    """Split `training.epochs=3` of a command line into key and YAML value."""
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise ParameterError(f"override {text!r}: should read key=value, e.g. training.epochs=3")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ParameterError(f"override {text!r}: the value is not YAML: {error}") from None


def effective(study: StudyParams, sections: Iterable[str] | None = None) -> dict[str, Any]:
    """The parameters as plain JSON values, all or some top-level keys of them."""
    include = set(sections) if sections is not None else None
    plain = study.model_dump(include=include)
    return json.loads(json.dumps(plain, default=str))


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters by their dotted keys."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return found


def parameters_hash(study: StudyParams, sections: Iterable[str] | None = None) -> str:
    """Hash of the effective parameters (12 hex digits), of all or some top-level keys.

    Where the raw files lie (`data.raw_dir`) does not enter: a run records their own hashes. Nor
    do where many networks train (`training.cluster`) and how often their state is kept
    (`training.keep_seconds`): the results are the same.
    """
    values = effective(study, sections)
    values.get("data", {}).pop("raw_dir", None)
    for key in ("cluster", "keep_seconds"):
        values.get("training", {}).pop(key, None)
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def describe(study: StudyParams) -> pd.DataFrame:
    """Effective parameters, one a row: `parameter, value, meaning`."""
    rows = list(_describe(study, prefix=""))
    return pd.DataFrame(rows, columns=["parameter", "value", "meaning"])


def _describe(section: Section, prefix: str) -> Iterable[tuple[str, str, str]]:
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, Section):
            yield from _describe(value, f"{prefix}{key}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield prefix + key, text, field.description or ""


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


def _study_file(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if text.endswith((".yaml", ".yml")):
        path = Path(text).resolve()
        if not path.is_file():
            raise ParameterError(f"{text}: no such study file")
        return path
    here = Path.cwd()
    package_home = Path(__file__).resolve().parents[2]
    folders = [folder / "params" for folder in (here, *here.parents, package_home)]
    folder = next((f for f in folders if f.is_dir()), folders[0])
    path = folder / f"{text}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(f.stem for f in folder.glob("*.yaml"))) or "none"
        raise ParameterError(f"{path}: no study {text!r} there; it holds: {known}")
    return path


class _UniqueKeyLoader(yaml.SafeLoader):
    """Safe YAML that refuses a key written twice, where plain YAML keeps the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {twice[0]!r} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError) as error:
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
