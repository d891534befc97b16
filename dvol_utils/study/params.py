"""Typed study parameters: one YAML file a study, every key checked at the door."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, PrivateAttr
from pydantic import model_validator as validator

from dvol_utils.study.data_section import DataParams, Section
from dvol_utils.study.data_section import QualityParams as QualityParams
from dvol_utils.study.data_section import SimulatedParams as SimulatedParams
from dvol_utils.study.fitting_section import (
    EnsembleParams,
    FeatureParams,
    JumpParams,
    SplitParams,
    TargetParams,
    TrainingParams,
    WalkParams,
)
from dvol_utils.study.judging_section import (
    EdgeParams,
    EvaluationParams,
    JudgementParams,
    SignificanceParams,
    TradingParams,
    UncertaintyParams,
)
from dvol_utils.study.model_names import ENSEMBLE, MODEL_NAMES, ModelName
from dvol_utils.study.networks_section import NetworksParams

# Names of studies: the Makefile has the same rule. They become words of a shell, and folders.
NAME = "[A-Za-z0-9_-]+"


class ParameterError(ValueError):
    """A study file or an override that cannot be used; the message names file, key and value."""


class Trial(NamedTuple):
    """Parameters that are tried beside the study's run: see `trials.open_study`."""

    name: str
    changes: dict[str, tuple[Any, Any]]  # key: value, value of the study

    @property
    def settings(self) -> str:
        """What was changed, as SET takes it."""
        changes = {key: now for key, (now, _) in self.changes.items()}
        return " ".join(f"{key}={json.dumps(now, default=str)}" for key, now in changes.items())

    @property
    def words(self) -> str:
        """What was changed, in words."""
        return "; ".join(
            f"{key} is {now} in place of {then}" for key, (now, then) in self.changes.items()
        )


class StudyParams(Section):
    """All that defines a study. `root` is the folder that holds `params/`, `runs/`, `reports/`."""

    name: str = Field(pattern=rf"^{NAME}$", description="the study's file name")
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
    edge: EdgeParams = EdgeParams()
    published_page: bool = Field(
        False, description="whether the page on the published numbers is made"
    )
    judgement: JudgementParams = JudgementParams()
    # Private: where a study lies is none of its parameters, and changes no hash of them.
    _root: Path = PrivateAttr(Path("."))
    _checkpoints: str = PrivateAttr("checkpoints")
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
        """What is tried in place of the parameters of the study, if anything is."""
        return self._trial

    @property
    def checkpoints(self) -> str:
        """Folder of the run in which models are kept; a walk beside the study's has its own."""
        return self._checkpoints

    def artefact(self, name: str) -> Path:
        """A file or folder of `runs/<study>/` to read: a trial's own where there is one."""
        of_trial = self.run_dir / name
        return of_trial if of_trial.exists() else self._root / "runs" / self.name / name

    @property
    def report_dir(self) -> Path:
        """Where the study's pages live, or those of a trial below them."""
        pages = self._root / "reports" / self.name
        return pages if self._trial is None else pages / "trials" / self._trial.name

    @property
    def raw_dir(self) -> Path:
        """The raw store that is read; a simulated market writes its own under `runs/`."""
        if self.data.source == "simulated":
            changed = self._trial.changes if self._trial else {}
            has_data = any(key.startswith("data.") for key in changed)
            return (self.run_dir if has_data else self._root / "runs" / self.name) / "raw"
        return self._root / self.data.raw_dir

    @property
    def is_simulated(self) -> bool:
        """Whether the data come from the simulated market."""
        return self.data.source == "simulated"

    @property
    def lag_hours(self) -> int:
        """Age of a row's newest lag of DVOL, hours.

        With `features.lags_from` at its default, `target`, a row knows DVOL of its own hour, the
        origin. With `row`, the published rules, a day lies between; other inputs reach the row::

            target:                     row, origin --- horizon --> target
            row:     newest lag --- 24 h ---> row ----- horizon --> target
                         |<------------ overlap_hours ------------->|
                          persistence_hours: the horizon, but not below a day
                                               |<--- late_hours --->|
        """
        # The newest published lag, `dvol_lag_1d`.
        return 24 if self.features.lags_from == "row" else 0

    @property
    def overlap_hours(self) -> int:
        """Hours over which errors of neighbouring forecasts overlap: what tests have to allow for.
        From the newest lag to the target, see `lag_hours`.
        """
        return self.lag_hours + self.target.horizon_hours

    @property
    def persistence_hours(self) -> int:
        """Age at the target of the level that is persistence: the horizon, or a day where lags
        count back from the row, because such a study means to forecast a day ahead.
        """
        return max(self.target.horizon_hours, self.lag_hours)

    @property
    def late_hours(self) -> int | None:
        """Hours before the target up to which inputs reach, where later than persistence."""
        horizon = self.target.horizon_hours
        return horizon if horizon < self.persistence_hours else None

    @property
    def late_rules(self) -> list[str]:
        """Keys by which the study keeps published rules that use more than is known at an origin,
        or has rows that are no hours: saved models of it give no forecast to use.
        """
        target = self.target
        late = {
            "features.lags_from": self.late_hours is not None,
            "target.scaled_at": target.kind == "scaled_level" and target.scaled_at == "target",
            "jumps.rule": self.jumps.rule == "published",
            "data.incomplete_bars": self.data.incomplete_bars == "drop",
            "data.publication_lag_hours": self.data.publication_lag_hours < 0,
        }
        return [key for key, is_late in late.items() if is_late]

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
        if ENSEMBLE in self.models and not set(self.ensemble.members) & set(self.models):
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
        start = self.edge.start
        if start is not None and start >= self.split.validation_start:
            raise ValueError(
                f"edge.start {start} should lie before split.validation_start "
                f"{self.split.validation_start}: the page is on the years before"
            )
        if self.horizons != sorted(set(self.horizons)):
            raise ValueError(f"horizons {self.horizons} should be in ascending order, each once")
        return self
