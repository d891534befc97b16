"""Which series come from where, and how each is kept up to date."""

from __future__ import annotations

from typing import NamedTuple

from dvol_utils.data.fetching import deribit, onchain
from dvol_utils.data.fetching.download import Part
from dvol_utils.data.fetching.http import SOURCES
from dvol_utils.data.raw.files import DAY_MS, HOUR_MS
from dvol_utils.study.data_section import SeriesName


class Spec(NamedTuple):
    """How a series of the raw store is fetched.

    `tail` rows are asked for again on an update; a row is known `known_after` ms after its
    timestamp; `begins` is the first day asked for; the last `tail` rows may be revised or not.
    """

    step: int
    tail: int
    known_after: int
    begins: str
    revisable: bool
    parts: tuple[Part, ...]

    def parts_of(self, asset: str) -> list[Part]:
        """The parts that serve an asset."""
        return [part for part in self.parts if part.assets is None or asset in part.assets]

    def titles(self, asset: str) -> str:
        """The names of the sources, for messages."""
        return " and ".join(SOURCES[part.source].title for part in self.parts_of(asset))


_DVOL = ("dvol_open", "dvol_high", "dvol_low", "dvol_close")
_PRICE = ("open", "high", "low", "close", "quote_volume")
_RATE = ("funding_rate",)
_METRICS = tuple(onchain.COIN_METRICS)
_TRANSFERS = ("transfer_volume_usd",)
_HOUR, _DAY = HOUR_MS, DAY_MS

SPECS: dict[SeriesName, Spec] = {
    "dvol": Spec(_HOUR, 48, _HOUR, "2021-03-24", False, (
        Part("dvol", "deribit", _DVOL, _DVOL[-1:], deribit.dvol_pages, deribit.dvol_query),
    )),
    "price": Spec(_HOUR, 48, _HOUR, "2020-12-01", False, (
        Part("price", "deribit", _PRICE, _PRICE, deribit.price_pages, deribit.price_query),
    )),
    "funding": Spec(deribit.SETTLEMENT_MS, 6, 0, "2020-12-01", False, (
        Part("funding", "deribit", _RATE, _RATE, deribit.funding_pages, deribit.funding_query),
    )),
    "onchain": Spec(_DAY, 14, _DAY, "2020-12-01", True, (
        Part("metrics", "coinmetrics", _METRICS, _METRICS[:3], onchain.metrics_pages,
             onchain.metrics_query, late=True),
        Part("transfers", "blockchain", _TRANSFERS, (), onchain.transfers_pages,
             onchain.transfers_query, late=True, assets=("BTC",)),
    )),
}  # fmt: skip
