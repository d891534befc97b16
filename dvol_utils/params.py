"""Typed study parameters: one YAML file a study, every key checked at the door."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
import yaml
from pydantic import BaseModel, Field, PrivateAttr, ValidationError
from pydantic import model_validator as validator

from dvol_utils.data_params import DataParams, Hour, Section
from dvol_utils.data_params import QualityParams as QualityParams
from dvol_utils.data_params import SimulatedParams as SimulatedParams

ModelName = Literal[
    "persistence",
    "seasonal_naive",
    "har",
    "har_calendar",
    "lstm_baseline",
    "lstm_large",
    "lstm_ultra",
]
MODEL_NAMES: tuple[ModelName, ...] = get_args(ModelName)
FeatureGroup = Literal["published", "har", "calendar", "market", "funding"]


class ParameterError(ValueError):
    """A study file or an override that cannot be used; the message names file, key and value."""


class SplitParams(Section):
    """Splits by origin; an embargo of one horizon lies before each boundary."""

    validation_start: Hour = Field(description="first validation origin (UTC)")
    test_start: Hour = Field(description="first test origin (UTC)")
    separate_scaling: bool = Field(
        False,
        description="rolling scaling starts anew in each split, whose first window is lost "
        "(published)",
    )

    @validator(mode="after")
    def _ordered(self) -> SplitParams:
        if self.validation_start >= self.test_start:
            raise ValueError(
                f"validation_start {self.validation_start} should lie before "
                f"test_start {self.test_start}"
            )
        return self


class JumpParams(Section):
    """The jump test and the jump regime."""

    rule: Literal["lee_mykland", "published"] = Field(
        "lee_mykland", description="whose flags the models see; published: thresholds of all rows"
    )
    window: int = Field(94, ge=10, le=100_000, description="K of Lee and Mykland, hours")
    alpha: float = Field(0.01, gt=0, lt=0.5, description="level of the jump test")
    n_tests: int = Field(
        8_760, ge=10, description="returns in one family of tests; fixed, so no later hour moves it"
    )
    periodicity_slots: Literal[24, 168] = Field(
        168, description="slots of the weekly or daily periodicity shown beside the plain test"
    )
    regime_hours: int = Field(
        24, ge=1, le=720, description="an origin is in the jump regime this long after a jump"
    )
    events: list[date] = Field([], description="days of known events to look up among the jumps")


class FeatureParams(Section):
    """Inputs of the networks and their scaling."""

    groups: list[FeatureGroup] = Field(
        ["published"], min_length=1, description="feature groups of the networks"
    )
    scaling_window_hours: int = Field(
        720, ge=48, le=20_000, description="window of the rolling regime-aware scaling, hours"
    )
    clip: float = Field(6.0, gt=0, description="scaled features are limited to +- this")
    exclude_jumps: bool = Field(
        True, description="hours flagged as jumps do not enter the rolling scaling"
    )
    lags_from: Literal["target", "row"] = Field(
        "target",
        description="DVOL lags count back from the target, or from the row (published), each "
        "scaled by its own past",
    )


class TargetParams(Section):
    """What is forecast."""

    horizon_hours: int = Field(24, ge=1, le=720, description="from origin to target, hours")
    volatility_window_hours: int = Field(
        720, ge=48, le=20_000, description="window of the volatility that scales the target, hours"
    )
    kind: Literal["log_change", "scaled_level"] = Field(
        "log_change",
        description="change of log DVOL, or the level less a rolling mean, in rolling standard "
        "deviations (published)",
    )
    scaled_at: Literal["target", "origin"] = Field(
        "target",
        description="scaled_level: last hour of the rolling window; the target's own in the "
        "published study, which nobody knows at the origin",
    )


class TrainingParams(Section):
    """How the networks learn."""

    supervision: Literal["last", "dense"] = Field(
        "dense", description="one target a window (published), or one an hour of long sequences"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "bfloat16", description="arithmetic of the networks' matrix products"
    )
    window_hours: int = Field(
        24, ge=2, le=2_000, description="input window; in dense mode the burn-in before a target"
    )
    chunk_hours: int = Field(
        168, ge=1, le=10_000, description="dense mode: targets in one sequence, hours"
    )
    seeds: list[int] = Field([0], min_length=1, description="one trained network a seed")
    epochs: int = Field(100, ge=1, description="most passes over the training rows")
    patience: int = Field(
        15, ge=1, description="epochs without a better validation loss before the stop"
    )
    batch_size: int = Field(32, ge=1, description="windows, or sequences in dense mode, a step")
    learning_rate: float = Field(1e-4, gt=0, lt=1, description="Adam's first learning rate")
    lr_factor: float = Field(0.5, gt=0, lt=1, description="learning rate on a plateau times this")
    lr_patience: int = Field(5, ge=0, description="epochs on a plateau before that")
    weight_decay: float = Field(1e-5, ge=0, description="Adam's L2 penalty")
    gradient_clip: float = Field(1.0, gt=0, description="largest norm of a step's gradient")
    jump_weight: float = Field(2.0, ge=1, description="weight of jump-regime hours in the loss")
    log_every: int = Field(2, ge=1, description="epochs between two progress lines")


class EvaluationParams(Section):
    """Regimes and windows of the evaluation."""

    level_window_hours: int = Field(
        8_760, ge=24, description="trailing window of the level terciles, hours"
    )
    rolling_window_hours: int = Field(
        720, ge=24, description="window of skill over time, hours of targets"
    )


class SignificanceParams(Section):
    """Intervals and tests."""

    reps: int = Field(2_000, ge=50, le=100_000, description="bootstrap replications")
    block_hours: int | Literal["auto"] = Field(
        "auto",
        description="mean block of the stationary bootstrap, hours; auto is the longest that suits "
        "any model's losses, at least a day",
    )
    coverage: float = Field(0.95, gt=0.5, lt=1, description="coverage of the intervals")
    mcs_size: float = Field(0.10, gt=0, lt=0.5, description="size of the model confidence set")
    seed: int = Field(0, ge=0, description="seed of the resampling")


class JudgementParams(Section):
    """How the page on the published numbers trains its own networks."""

    epochs: int = Field(30, ge=1, description="most passes of the networks in dense supervision")
    patience: int = Field(6, ge=1, description="their patience, epochs")
    batch_size: int = Field(8, ge=1, description="their sequences a step")
    learning_rate: float = Field(1e-3, gt=0, lt=1, description="their first learning rate")
    seeds: list[int] = Field(
        [0], min_length=1, description="seeds of the networks a flaw is put to"
    )


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
    evaluation: EvaluationParams = EvaluationParams()
    significance: SignificanceParams = SignificanceParams()
    published_page: bool = Field(
        False, description="whether the page on the published numbers is made"
    )
    judgement: JudgementParams = JudgementParams()
    _root: Path = PrivateAttr(Path("."))

    @property
    def root(self) -> Path:
        """Folder that holds `params/`, `runs/` and `reports/`."""
        return self._root

    @property
    def run_dir(self) -> Path:
        """Where the study's artefacts live."""
        return self._root / "runs" / self.name

    @property
    def report_dir(self) -> Path:
        """Where the study's pages live."""
        return self._root / "reports" / self.name

    @property
    def raw_dir(self) -> Path:
        """The raw store that is read; a simulated market writes its own under `runs/`."""
        if self.data.source == "simulated":
            return self.run_dir / "raw"
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

    @validator(mode="after")
    def _consistent(self) -> StudyParams:
        if "persistence" not in self.models:
            raise ValueError("models should contain persistence, which every model is judged by")
        if len(self.data.assets) > 1:
            raise ValueError(f"data.assets {self.data.assets} should name one asset a study")
        for key, values in (("models", self.models), ("training.seeds", self.training.seeds)):
            if len(set(values)) < len(values):
                raise ValueError(f"{key} {values} should name each entry once")
        block = self.significance.block_hours
        if block != "auto" and block < self.target.horizon_hours:
            raise ValueError(
                f"significance.block_hours {block} should be at least "
                f"target.horizon_hours {self.target.horizon_hours}: targets overlap that long"
            )
        return self


def load_study(name_or_path: str | Path, overrides: Mapping[str, Any] | None = None) -> StudyParams:
    """Read `params/<name>.yaml`, apply overrides and check every value.

    Parameters
    ----------
    name_or_path : str or Path
        Study name (looked up in `params/` here, in a parent folder, or beside the package), or a
        path that ends in `.yaml`.
    overrides : mapping, optional
        Values that replace the file's: nested (`{"training": {"epochs": 3}}`) or dotted
        (`{"training.epochs": 3}`).

    Raises
    ------
    ParameterError
        Missing file, broken YAML, unknown key or bad value; names file, key, value and what is
        valid.
    """
    path = _study_file(name_or_path)
    values = _read_yaml(path)
    source = str(path)
    if overrides:
        values = _merge(values, _nested(overrides))
        source += " with overrides " + json.dumps(dict(overrides), default=str)
    try:
        study = StudyParams(**{"name": path.stem, **values})
    except ValidationError as error:
        raise ParameterError(_explain(error, source)) from None
    if study.name != path.stem:
        raise ParameterError(f"{source}: name: found {study.name!r}; should be {path.stem!r}")
    study._root = path.parent.parent
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


def parameters_hash(study: StudyParams, sections: Iterable[str] | None = None) -> str:
    """Hash of the effective parameters (12 hex digits), of all or some top-level keys.

    Where the raw files lie (`data.raw_dir`) does not enter: a run records their own hashes.
    """
    values = effective(study, sections)
    values.get("data", {}).pop("raw_dir", None)
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


def _study_file(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if text.endswith((".yaml", ".yml")):
        path = Path(text).resolve()
        if not path.is_file():
            raise ParameterError(f"{text}: no such study file")
        return path
    here = Path.cwd()
    package_home = Path(__file__).resolve().parents[1]
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
