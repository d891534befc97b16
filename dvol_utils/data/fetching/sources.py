"""The public sources: their addresses, and how often each may be asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from dvol_utils.study.params import ParameterError


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


def source_urls(base_urls: Mapping[str, str] | None) -> dict[str, str]:
    """The address of every source, with `base_urls` in place of the public ones.

    Raises
    ------
    ParameterError
        A name that is no source, or an address that is not http(s)://host/...
    """
    urls = {name: source.base_url for name, source in SOURCES.items()}
    for name, url in (base_urls or {}).items():
        parts = urlsplit(url)
        if name not in SOURCES:
            raise ParameterError(f"base URL of {name!r}: should be of one of {', '.join(SOURCES)}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ParameterError(
                f"base URL of {name}: found {shown_url(url)!r}; should be https://host/path"
            )
        urls[name] = url.rstrip("/")
    return urls


def shown_url(url: str) -> str:
    """An address for messages and files: no name, password or key of its user."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
