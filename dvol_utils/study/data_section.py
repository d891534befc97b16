"""Parameters of the data: where the panel's rows come from and how the files are written."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic import model_validator as validator

from dvol_utils.study.times import read_day, read_time

SeriesName = Literal["dvol", "price", "funding", "onchain"]
# Columns of a series' file beside `timestamp`, and those that no file can do without.
RAW_COLUMNS: dict[SeriesName, tuple[str, ...]] = {
    "dvol": ("dvol_open", "dvol_high", "dvol_low", "dvol_close"),
    "price": ("open", "high", "low", "close", "quote_volume"),
    "funding": ("funding_rate",),
    "onchain": ("active_addresses", "transaction_count", "mvrv", "transfer_volume_usd"),
}
# What has a unit of its own: DVOL's four columns and the price's have one each.
Quantity = Literal[
    "dvol",
    "price",
    "quote_volume",
    "funding_rate",
    "active_addresses",
    "transaction_count",
    "mvrv",
    "transfer_volume_usd",
]
INDISPENSABLE = ("timestamp", "dvol_close", "close", "funding_rate")
SIMULATED_ASSETS = ("BTC", "ETH")
# A series that is not there for so long at the end of the data has ended. That is more than the
# lag of any source, so one that is only late does not cost its models their comparison.
ENDED_AFTER_HOURS = 14 * 24


def _to_utc(value: Any) -> pd.Timestamp:
    time = read_time(value)
    if time != time.floor("h"):
        raise ValueError("should be a full hour, UTC, such as 2024-11-22 05:00")
    return time


def _asset_code(value: str) -> str:
    if not re.fullmatch("[A-Z0-9]{2,12}", value):
        raise ValueError("should be 2 to 12 capital letters or digits, such as BTC")
    return value


def _frequency(minutes: int) -> int:
    # Bars that divide neither an hour nor a day would close at other hours each day.
    if minutes < 1 or (60 % minutes and (minutes % 60 or 1_440 % minutes)):
        raise ValueError(
            "should be minutes that divide an hour, or hours that divide a day: 1, 5, 15, 60, 240, "
            "720 or 1440, say"
        )
    return minutes


def _folder(value: Any) -> Any:
    if isinstance(value, str | Path) and not (value and str(value).isprintable()):
        raise ValueError("should be the name of a folder, without line breaks and the like")
    return value


TimestampUnit = Literal["ms", "s", "us", "iso"]
Moment = Annotated[pd.Timestamp, BeforeValidator(read_time)]
Hour = Annotated[pd.Timestamp, BeforeValidator(_to_utc)]
Day = Annotated[date, BeforeValidator(read_day)]
Asset = Annotated[str, AfterValidator(_asset_code)]
Frequency = Annotated[int, AfterValidator(_frequency)]


# On the field of a parameter that changes no result: `Field(json_schema_extra=NO_RESULT)`.
NO_RESULT = {"changes_a_result": False}


class Section(BaseModel):
    """Base of every section: unknown keys are errors, values cannot change after loading."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, allow_inf_nan=False
    )


class SimulatedParams(Section):
    """The simulated market."""

    start: Hour = Field(pd.Timestamp("2021-01-01", tz="UTC"), description="open of the first bar")
    hours: int = Field(26_280, ge=400, le=5_000_000, description="length of the market, hours")
    seed: int = Field(0, ge=0, description="seed of the simulated market")


class QualityParams(Section):
    """What the data page lists, and the limits beyond which it says that the data is not fit."""

    longest_stale_hours: int = Field(
        12, ge=1, description="longest stretch without a move of a close in data that is fit, hours"
    )
    outlier_scales: float = Field(
        10.0, gt=1, description="bars this many local scales from both neighbours are listed"
    )
    outlier_share: float = Field(
        0.001, ge=0, le=1, description="largest share of such bars in data that is fit"
    )
    true_ticks: list[Moment] = Field(
        [],
        description="times of rows (their labels, UTC) that jump away and come back and are true; "
        "any other jump without a sign of it elsewhere makes data unfit",
    )
    imputed_share: float = Field(
        0.05, ge=0, le=1, description="largest share of imputed bars in data that is fit"
    )
    close_difference_percent: float = Field(
        1.0, gt=0, description="largest median difference of hourly and daily closes, percent"
    )


class DataParams(Section):
    """Where the panel's rows come from, and how the files of a raw store are written."""

    source: Literal["simulated", "raw_store"] = Field(
        "simulated", description="simulated market, or a raw store of CSV and Parquet files"
    )
    raw_dir: Annotated[Path, BeforeValidator(_folder)] = Field(
        Path("data/raw"), description="folder of the raw store", json_schema_extra=NO_RESULT
    )
    assets: list[Asset] = Field(
        ["BTC"],
        min_length=1,
        description="assets in the panel; the first is the one most pages are about",
    )
    columns: dict[SeriesName, dict[str, str | None]] = Field(
        {}, description="columns with other names in the files, by series; null: not there"
    )
    timestamp_unit: TimestampUnit = Field(
        "ms", description="timestamps of the files: since 1970 in this unit, or ISO 8601 text; UTC"
    )
    timestamp_units: dict[SeriesName, TimestampUnit] = Field(
        {}, description="the same of series whose file differs in it, by series"
    )
    factors: dict[Quantity, Annotated[float, Field(gt=0)]] = Field(
        {},
        description="what quantities in another unit are multiplied by, such as dvol: 100 for "
        "fractions; 1: it is right, however implausible",
    )
    in_coins: list[Literal["quote_volume", "transfer_volume_usd"]] = Field(
        [], description="amounts in coins, multiplied by the price of the same row"
    )
    frequency_minutes: Frequency = Field(
        60, description="length of the DVOL bars, and of the price bars; 1 minute to 1 day"
    )
    price_frequency_minutes: Frequency | None = Field(
        None, description="length of the price bars where it is another one"
    )
    start: Hour | None = Field(None, description="first hour of the panel (bar close, UTC)")
    end: Hour | None = Field(None, description="last hour of the panel (bar close, UTC)")
    publication_lag_hours: int = Field(
        12,
        ge=-24,
        le=240,
        description="hours after the end of a UTC day until its on-chain values; -24: from the "
        "day's start, before anybody knew them (published)",
    )
    incomplete_bars: Literal["keep", "drop"] = Field(
        "keep",
        description="hours with a close but no open, high or low; drop: rows, not hours, are "
        "counted from then on (published)",
    )
    max_fill_hours: int = Field(
        24,
        ge=0,
        le=168,
        description="longest gap filled forward, hours beyond a bar's length; a longer one is "
        "refused",
    )
    quality: QualityParams = QualityParams()
    simulated: SimulatedParams = SimulatedParams()

    def bar_minutes(self, series: Literal["dvol", "price"]) -> int:
        """Length of a series' bars, minutes."""
        if series == "price" and self.price_frequency_minutes is not None:
            return self.price_frequency_minutes
        return self.frequency_minutes

    def unit_of(self, series: SeriesName) -> TimestampUnit:
        """Unit of the timestamps in a series' file."""
        return self.timestamp_units.get(series, self.timestamp_unit)

    @property
    def step_hours(self) -> int:
        """Hours from one DVOL bar of the panel to the next."""
        return max(1, self.frequency_minutes // 60)

    @validator(mode="after")
    def _files_described(self) -> DataParams:
        for series, names in self.columns.items():
            valid = ("timestamp", *RAW_COLUMNS[series])
            for name, held in names.items():
                if name not in valid:
                    known = ", ".join(valid)
                    raise ValueError(f"columns.{series}.{name}: should be one of {known}")
                if held is None and name in INDISPENSABLE:
                    raise ValueError(f"columns.{series}.{name}: found null; every file needs it")
        if self.bar_minutes("price") > max(60, self.frequency_minutes):
            raise ValueError(
                f"price_frequency_minutes {self.price_frequency_minutes} should be at most 60 or "
                f"frequency_minutes {self.frequency_minutes}"
            )
        return self

    @validator(mode="after")
    def _simulated(self) -> DataParams:
        if self.source != "simulated":
            return self
        unknown = sorted(set(self.assets) - set(SIMULATED_ASSETS))
        if unknown:
            raise ValueError(
                f"assets: found {', '.join(unknown)}; the simulated market knows "
                f"{' and '.join(SIMULATED_ASSETS)}"
            )
        described = ("columns", "timestamp_unit", "timestamp_units", "factors", "in_coins")
        for key in (*described, "frequency_minutes", "price_frequency_minutes"):
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key} describes the files of source: raw_store, found simulated")
        return self
