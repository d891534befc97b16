"""The files of the raw store: their names, columns, and what a cell may hold."""

from __future__ import annotations

from typing import NamedTuple

from dvol_utils.data.raw.checks import Column
from dvol_utils.study.data_section import SeriesName


class Schema(NamedTuple):
    """A series' file name (after the asset), its step and its columns."""

    file: str
    step_hours: int
    columns: tuple[Column, ...]
    bars: tuple[str, str, str, str] | None = None  # open, high, low, close
    extra: tuple[Column, ...] = ()  # columns that a file may lack
    price: str | None = None  # the column that holds the price, USD


_DVOL_RANGE = (0.1, 1_000.0, "index points")
_PRICE_RANGE = (1e-6, 1e9, "USD")

SCHEMAS: dict[SeriesName, Schema] = {
    "dvol": Schema(
        "dvol_hourly.csv",
        1,
        (
            Column("dvol_open", *_DVOL_RANGE, may_be_empty=True),
            Column("dvol_high", *_DVOL_RANGE, may_be_empty=True),
            Column("dvol_low", *_DVOL_RANGE, may_be_empty=True),
            Column("dvol_close", *_DVOL_RANGE),
        ),
        ("dvol_open", "dvol_high", "dvol_low", "dvol_close"),
    ),
    "price": Schema(
        "price_hourly.csv",
        1,
        (
            *(Column(name, *_PRICE_RANGE) for name in ("open", "high", "low", "close")),
            Column("quote_volume", 0.0, 1e13, "USD a bar"),
        ),
        ("open", "high", "low", "close"),
        price="close",
    ),
    "funding": Schema(
        "funding_8h.csv", 8, (Column("funding_rate", -0.1, 0.1, "as a share, for 8 hours"),)
    ),
    "onchain": Schema(
        "onchain_daily.csv",
        24,
        (
            # Each comes from its source alone, and may fail alone.
            Column("active_addresses", 1.0, 1e9, "addresses a day", may_be_empty=True),
            Column("transaction_count", 1.0, 1e9, "transactions a day", may_be_empty=True),
            Column("mvrv", 0.01, 100.0, "market value over realised value", may_be_empty=True),
            Column("transfer_volume_usd", 1.0, 1e14, "USD a day", may_be_empty=True),
        ),
        extra=(Column("price_usd", *_PRICE_RANGE, may_be_empty=True),),
        price="price_usd",
    ),
}
