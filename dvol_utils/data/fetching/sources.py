"""The public sources: their addresses, and how often each may be asked."""

from __future__ import annotations

from typing import NamedTuple


class Source(NamedTuple):
    """A public API: its name, its address, and how many requests it gets in how many seconds."""

    title: str
    base_url: str
    requests: int
    seconds: float


# Deribit limits by address without a figure. Coin Metrics allows 10 in 6 seconds; one fewer here,
# since requests may bunch up on the way.
SOURCES: dict[str, Source] = {
    "deribit": Source("Deribit", "https://www.deribit.com/api/v2", 10, 2.0),
    "coinmetrics": Source("Coin Metrics", "https://community-api.coinmetrics.io/v4", 9, 6.0),
    "blockchain": Source("Blockchain.com", "https://api.blockchain.info", 5, 5.0),
}
