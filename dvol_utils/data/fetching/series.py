"""Which series come from where, and how each is kept up to date."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from dvol_utils.data.fetching import deribit, onchain
from dvol_utils.data.fetching.download import Part
from dvol_utils.data.fetching.sources import SOURCES
from dvol_utils.data.raw.files import DAY_MS, HOUR_MS
from dvol_utils.study.data_section import SeriesName


class Spec(NamedTuple):
    """How a series of the raw store is fetched.

    `tail` rows are asked for again on an update; a row is known `known_after` ms after its
    timestamp; `begins` is the first day asked for; the last `tail` rows may be revised or not. Of
    an `optional` series every part may fail alone: what came is kept.
    """

    step: int
    tail: int
    known_after: int
    begins: str
    revisable: bool
    parts: tuple[Part, ...]
    optional: bool = False

    def columns_of(self, asset: str) -> list[str]:
        """Columns that the sources give of an asset."""
        return [name for part in self.parts_of(asset) for name in part.columns]

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


def _metric(column: str) -> Part:
    """One of Coin Metrics' columns by a request of its own: one that is not free costs no other."""
    only = (column,)
    pages = partial(onchain.metrics_pages, columns=only)
    query = partial(onchain.metrics_query, columns=only)
    return Part(column, "coinmetrics", only, only, pages, query, late=True)


SPECS: dict[SeriesName, Spec] = {
    "dvol": Spec(_HOUR, 48, _HOUR, "2021-03-24", False, (
        # Of DVOL the close alone is required: some hours come without open, high and low.
        Part("dvol", "deribit", _DVOL, _DVOL[-1:], deribit.dvol_pages, deribit.dvol_query),
    )),
    "price": Spec(_HOUR, 48, _HOUR, "2020-12-01", False, (
        Part("price", "deribit", _PRICE, _PRICE, deribit.price_pages, deribit.price_query),
    )),
    "funding": Spec(deribit.SETTLEMENT_MS, 6, 0, "2020-12-01", False, (
        Part("funding", "deribit", _RATE, _RATE, deribit.funding_pages, deribit.funding_query),
    ), optional=True),
    "onchain": Spec(_DAY, 14, _DAY, "2020-12-01", True, (
        Part("metrics", "coinmetrics", _METRICS, _METRICS[:3], onchain.metrics_pages,
             onchain.metrics_query, late=True, instead=tuple(map(_metric, _METRICS))),
        Part("transfers", "blockchain", _TRANSFERS, (), onchain.transfers_pages,
             onchain.transfers_query, late=True, assets=("BTC",)),
    ), optional=True),
}  # fmt: skip
