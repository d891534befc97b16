"""Parameters of the stages from data to forecast: splits, jumps, features, models, training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic import model_validator as validator

from dvol_utils.study.data_section import NO_RESULT, Day, Hour, Section
from dvol_utils.study.model_names import ENSEMBLE, ModelName

FeatureGroup = Literal[
    "published",
    "har",
    "calendar",
    "market",
    "funding",
    "clock",
    "expiry",
    "macro",
    "volatility",
    "asset",
]


Cadence = Literal["never", "monthly", "quarterly"]


def _own(key: str) -> str:
    return f"lstm_tuned and attention have networks.NAME.{key}"


class SplitParams(Section):
    """Splits by origin; an embargo of one horizon lies before each boundary."""

    validation_start: Hour = Field(description="first validation origin (UTC)")
    test_start: Hour = Field(description="first test origin (UTC)")
    test_end: Hour | None = Field(
        None,
        description="last test origin (UTC), whatever data come after it; hours after it choose "
        "nothing and have a page of their own. Without it the test goes on to the end of the data",
    )
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
        if self.test_end is not None and self.test_end <= self.test_start:
            raise ValueError(
                f"test_end {self.test_end} should lie after test_start {self.test_start}"
            )
        return self


class WalkParams(Section):
    """Refits as time goes on. Without them every model is fitted once, on the train rows."""

    validation: Cadence = Field(
        "never", description="how often models are refitted over the validation rows"
    )
    test: Cadence = Field("never", description="how often models are refitted over the test rows")
    window_days: int | None = Field(
        None, ge=1, description="a fold learns from this long before it; without it, from all past"
    )
    half_life_days: float | None = Field(
        None,
        gt=0,
        description="weights in the networks' loss halve with every so many days before a fold",
    )
    stop_days: int = Field(
        60, ge=1, description="last days before a fold, which only stop its networks"
    )
    warm_epochs: int | None = Field(
        None,
        ge=1,
        description="networks with a patience go on from the last fold's weights for at most so "
        "many epochs; without it each fold's begin anew",
    )

    @property
    def is_fixed(self) -> bool:
        """Whether every model is fitted once."""
        return self.validation == self.test == "never"

    @validator(mode="after")
    def _consistent(self) -> WalkParams:
        for name in ("window_days", "half_life_days", "stop_days", "warm_epochs"):
            value = getattr(self, name)
            if self.is_fixed and value != type(self).model_fields[name].default:
                raise ValueError(
                    f"{name} {value} should be left out where walk.validation and walk.test are "
                    "never: models are fitted once"
                )
        if self.window_days is not None and self.window_days <= self.stop_days:
            raise ValueError(
                f"window_days {self.window_days} should be more than stop_days {self.stop_days}, "
                "which the networks do not learn from"
            )
        return self


class EnsembleParams(Section):
    """The model `ensemble`: a combination of others, weighted by how they did before each fold."""

    members: list[ModelName] = Field(
        ["ridge_decay", "boosted_trees", "lstm_tuned", "attention"],
        min_length=1,
        description="models that are combined, those of them that the study has",
    )
    shrinkage: float = Field(
        10.0, ge=0, description="how strongly weights are drawn to equal ones; 0: least squares"
    )

    @validator(mode="after")
    def _others(self) -> EnsembleParams:
        if ENSEMBLE in self.members:
            raise ValueError("members should name other models than ensemble itself")
        return self


class JumpParams(Section):
    """The jump test and the jump regime."""

    rule: Literal["lee_mykland", "published"] = Field(
        "lee_mykland", description="whose flags the models see; published: thresholds of all rows"
    )
    # The root of 8,760 hours a year, the smallest window that Lee and Mykland advise.
    window: int = Field(94, ge=10, le=100_000, description="K of Lee and Mykland, hours")
    alpha: float = Field(0.01, gt=0, lt=0.5, description="level of the jump test")
    # A year of hours.
    n_tests: int = Field(
        8_760, ge=10, description="returns in one family of tests; fixed, so no later hour moves it"
    )
    periodicity_slots: Literal[24, 168] = Field(
        168, description="slots of the weekly or daily periodicity shown beside the plain test"
    )
    regime_hours: int = Field(
        24, ge=1, le=720, description="an origin is in the jump regime this long after a jump"
    )
    events: list[Day] = Field([], description="days of known events to look up among the jumps")


class FeatureParams(Section):
    """Inputs of the networks and their scaling."""

    groups: list[FeatureGroup] = Field(
        ["published"],
        min_length=1,
        description="inputs of the published networks; lstm_tuned and attention have "
        "networks.NAME.groups. All models are scored where these are complete",
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
    """How the networks learn; `lstm_tuned` and `attention` have some of it in `networks`."""

    supervision: Literal["last", "dense"] = Field(
        "dense", description="one target per window (published), or one an hour of long sequences"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="arithmetic of the networks' matrix products; auto: bfloat16 on devices that "
        "are known to be faster with it, float32 elsewhere",
    )
    window_hours: int = Field(
        24, ge=2, le=2_000, description="input window; in dense mode the burn-in before a target"
    )
    chunk_hours: int = Field(
        168, ge=1, le=10_000, description="dense mode: targets in one sequence, hours"
    )
    seeds: list[int] = Field([0], min_length=1, description="one trained network a seed")
    epochs: int = Field(
        100, ge=1, description=f"most passes over the training rows; {_own('epochs')}"
    )
    patience: int | None = Field(
        15,
        ge=1,
        description="epochs without a better validation loss before the stop; null: all epochs, on "
        f"every row that is known, and the last weights; {_own('patience')}",
    )
    # Batch, rate, decay, clipping and the plateau's rule are those of the published study.
    batch_size: int = Field(32, ge=1, description="windows, or sequences in dense mode, a step")
    learning_rate: float = Field(
        1e-4, gt=0, lt=1, description=f"Adam's first learning rate; {_own('learning_rate')}"
    )
    lr_factor: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="learning rate on a plateau times this; of networks with a patience",
    )
    lr_patience: int = Field(5, ge=0, description="epochs on a plateau before that; likewise")
    loss: Literal["squared", "huber"] = Field(
        "squared", description="of the scaled target; huber is linear beyond one deviation"
    )
    target_limit: float | None = Field(
        None,
        gt=0,
        description=f"scaled targets are limited to +- this while learning; {_own('target_limit')}",
    )
    weight_decay: float = Field(1e-5, ge=0, description="Adam's L2 penalty")
    gradient_clip: float = Field(1.0, gt=0, description="largest norm of a step's gradient")
    # As published; networks with a section of their own take 1 (docs/choices.md, Jump hours).
    jump_weight: float = Field(
        2.0, ge=1, description=f"weight of jump-regime hours in the loss; {_own('jump_weight')}"
    )
    log_every: int = Field(
        2, ge=1, description="epochs between two progress lines", json_schema_extra=NO_RESULT
    )
    keep_seconds: float = Field(
        10.0,
        ge=0,
        le=86_400,
        description="least time between two states from which a broken training goes on; 0 keeps "
        "every epoch's",
        json_schema_extra=NO_RESULT,
    )
    devices: Literal["auto", "cpu"] | Annotated[int, Field(ge=1, le=1_024)] = Field(
        "auto",
        description="processes that train one network: auto is one a GPU, or one on the CPU; each "
        "takes batch_size of the joint batch",
    )
    lr_scaling: Literal["none", "linear", "sqrt", "conservative"] = Field(
        "none",
        description="learning rate on several devices: as it is, times their number, times its "
        "root, or divided by it (published)",
    )
    cluster: str | None = Field(
        None,
        pattern=r"^(local|(tcp|tls)://\S+:\d+)$",
        description="Dask cluster on which many networks train: local, or tcp://HOST:PORT, which "
        "SET and --set alone may name; otherwise this machine's cores",
        json_schema_extra=NO_RESULT,
    )
