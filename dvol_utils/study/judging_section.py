"""Parameters of what is done with forecasts: regimes, intervals, tests, trades, judgement."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic import model_validator as validator

from dvol_utils.study.data_section import Day, Hour, Section


class EvaluationParams(Section):
    """Regimes of the evaluation."""

    level_window_hours: int = Field(
        8_760, ge=24, description="trailing window of the level terciles, hours"
    )


class UncertaintyParams(Section):
    """Quantiles of each forecast, from its model's own past errors."""

    past_days: int = Field(
        365, ge=20, description="errors of so many days before an origin make its quantiles"
    )
    half_life_days: float = Field(
        120.0, ge=7, description="the weight of an error halves with every so many days"
    )
    # Both rates and the half-life: docs/choices.md, Intervals.
    learning_rate: float = Field(
        0.02,
        ge=0,
        le=1,
        description="an interval's level moves a day by this times the share by which the "
        "outcomes that became known missed its coverage; 0 leaves it alone",
    )
    jump_learning_rate: float = Field(
        0.05, ge=0, le=1, description="the same in jump hours, which are rarer"
    )
    min_errors: int = Field(
        480, ge=24, description="quantiles are missing before so many errors (hours) are known"
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


class TradingParams(Section):
    """The trading simulation: what a position is, and what it costs."""

    hour: int = Field(8, ge=0, le=23, description="hour of the day's one decision, UTC")
    target_volatility: float = Field(
        10.0, gt=0, le=100, description="volatility that sizes aim at, % of capital a year"
    )
    volatility_days: int = Field(
        30, ge=2, le=1_000, description="days of the trailing volatility that sizes go by"
    )
    position_cap: float = Field(
        0.5, gt=0, le=100, description="largest position, % of capital an index point"
    )
    stop_drawdown: float = Field(
        15.0,
        gt=0,
        description="loss from the peak at which no position is left, % of capital; positions "
        "shrink from half of it on",
    )
    stop_days: int = Field(
        30, ge=1, le=1_000, description="the peak is the highest equity of so many days"
    )
    half_spread: float = Field(
        0.5, ge=0, le=10, description="half the spread taken as realistic, points a side"
    )
    half_spreads: list[Annotated[float, Field(ge=0, le=10)]] = Field(
        [0.25, 0.5, 1.0], min_length=1, description="half-spreads of the grid, points a side"
    )
    delays_hours: list[Annotated[int, Field(ge=1, le=23)]] = Field(
        [1, 2], min_length=1, description="hours from origin to fill; the first is taken throughout"
    )
    slippage: float = Field(0.05, ge=0, le=10, description="points a side beyond the half-spread")
    fee_pct: float = Field(
        0.05, ge=0, le=5, description="fee on index and futures, % of the level a side; assumed"
    )
    straddle_fee: float = Field(
        0.53, ge=0, le=10, description="fees of a straddle's round trip, points"
    )
    tick: float = Field(0.1, gt=0, le=10, description="the futures' smallest step of price, points")
    block_days: int = Field(
        10, ge=1, le=1_000, description="mean block of the bootstrap of daily returns, days"
    )

    @validator(mode="after")
    def _ordered(self) -> TradingParams:
        for name in ("half_spreads", "delays_hours"):
            values = getattr(self, name)
            if values != sorted(set(values)):
                raise ValueError(f"{name} {values} should be in ascending order, each once")
        return self


class EdgeParams(Section):
    """The page on the years before the test: whether the edge lasts."""

    start: Hour | None = Field(
        None,
        description="first origin (UTC) of models that are refitted every quarter up to the end of "
        "the test; without it there is no such page",
    )
    chose: list[Annotated[list[Day], Field(min_length=2, max_length=2)]] = Field(
        [],
        description="first and last day of stretches before split.validation_start whose rows once "
        "chose settings, and are marked as such; the validation rows always are",
    )

    @validator(mode="after")
    def _ordered(self) -> EdgeParams:
        for first, last in self.chose:
            if first > last:
                raise ValueError(f"chose [{first}, {last}] should begin before it ends")
        return self


class JudgementParams(Section):
    """How the page on the published numbers trains its own networks."""

    epochs: int = Field(30, ge=1, description="most passes of the networks in dense supervision")
    patience: int = Field(6, ge=1, description="their patience, epochs")
    batch_size: int = Field(8, ge=1, description="their sequences a step")
    learning_rate: float = Field(1e-3, gt=0, lt=1, description="their first learning rate")
    seeds: list[int] = Field(
        [0], min_length=1, description="seeds of the networks a flaw is put to"
    )
