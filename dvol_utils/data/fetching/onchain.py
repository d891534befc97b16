"""On-chain values a UTC day: Coin Metrics (community) and Blockchain.com.

References
----------
https://docs.coinmetrics.io/api/v4: timeseries/asset-metrics
https://www.blockchain.com/explorer/api/charts_api
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import pandas as pd

from dvol_utils.data.fetching.fields import field, number, refuse, stamp
from dvol_utils.data.fetching.http import Client, FlawedResponseError
from dvol_utils.data.fetching.pages import FieldValues, Query, RawPage, Window, tidy, utc
from dvol_utils.data.fetching.sources import shown_url

# Column of the raw store: metric of Coin Metrics.
COIN_METRICS = {
    "active_addresses": "AdrActCnt",
    "transaction_count": "TxCnt",
    "mvrv": "CapMVRVCur",
    "market_cap_usd": "CapMrktCurUSD",
    "price_usd": "PriceUSD",
}
_PAGE_SIZE = 10_000
Columns = tuple[str, ...]


def metrics_query(asset: str, window: Window, columns: Columns = tuple(COIN_METRICS)) -> Query:
    """Path and query of a range of days of Coin Metrics' values."""
    return "timeseries/asset-metrics", {
        "assets": asset.lower(),
        "metrics": ",".join(COIN_METRICS[name] for name in columns),
        "frequency": "1d",
        "start_time": utc(window.first)[:10],
        "end_time": utc(window.last)[:10],
        "page_size": str(_PAGE_SIZE),
        "paging_from": "start",
    }


def transfers_query(asset: str, window: Window) -> Query:
    """Path and query of Blockchain.com's transfer volume; one request holds the whole history."""
    parameters = {"timespan": "all", "sampled": "false", "format": "json"}
    return "charts/estimated-transaction-volume-usd", parameters


def metrics_pages(
    client: Client,
    asset: str,
    window: Window,
    done: list[RawPage],
    columns: Columns = tuple(COIN_METRICS),
) -> Iterator[RawPage]:
    """Days of Coin Metrics' values in the order of `columns`, oldest page first.

    Parameters
    ----------
    client : Client
    asset : str
        Asset code, e.g. `BTC`.
    window : Window
        UTC days wanted, by their start.
    done : list of Page
        Pages of the same window that are there already; the next one is asked for.
    columns : sequence of str
        Keys of `COIN_METRICS`.

    Raises
    ------
    FetchError
        Also for a next page that lies on another host, comes again, or does not move on.
    """
    path, query = metrics_query(asset, window, columns)
    before = done[-1] if done else None
    if before is not None:
        query = dict(parse_qsl(str(before.next or "")))
    named = "metrics" if len(columns) > 1 else COIN_METRICS[columns[0]]
    what = f"Coin Metrics {named} of {asset}, {window}"
    base = shown_url(client.urls["coinmetrics"])
    while before is None or before.next is not None:
        reader = partial(_metrics_row, asset=asset, columns=columns)
        read = _metrics_reader(reader, window, before, query, f"{base}/{path}")
        before = client.get("coinmetrics", path, query, what=what, parse=read)
        yield before
        query = dict(parse_qsl(str(before.next or "")))


def transfers_pages(
    client: Client, asset: str, window: Window, done: list[RawPage]
) -> Iterator[RawPage]:
    """Transfer volume in USD a UTC day, one page; a day of zero volume counts as missing."""
    if done:
        return

    def read(payload: Any) -> RawPage:
        points = [_point(point) for point in field(payload, "values", list)]
        # The first point is the time of the first block, not of a day.
        points = [(time, y) for time, y in points if window.first <= time <= window.last]
        if not points:
            # Waiting does not mend it: the chart has answered so for months.
            raise FlawedResponseError("an empty page where rows were promised", tries=2)
        return RawPage(tidy(points, window))

    path, query = transfers_query(asset, window)
    what = f"Blockchain.com transfer volume of {asset}, {window}"
    yield client.get("blockchain", path, query, what=what, parse=read)


def _metrics_reader(
    reader: Callable[[Any], tuple[int, FieldValues]],
    window: Window,
    before: RawPage | None,
    query: dict[str, str],
    address: str,
) -> Callable[[Any], RawPage]:
    def read(payload: Any) -> RawPage:
        data = field(payload, "data", list)
        rows = tidy(map(reader, data), window)
        url = payload.get("next_page_url")
        following = None if url is None else _following(url, address)
        if following is not None and not rows:
            raise FlawedResponseError("an empty page where rows were promised")
        if following is not None and dict(parse_qsl(following)) == query:
            refuse("the next page is this page again: the continuation does not move")
        if before is not None and rows and min(rows) <= max(before.rows):
            again = "came again" if rows.keys() == before.rows.keys() else "goes back"
            refuse(f"the page {utc(min(rows))} to {utc(max(rows))} {again}")
        return RawPage(rows, following)

    return read


def _metrics_row(row: Any, asset: str, columns: Columns) -> tuple[int, FieldValues]:
    held = field(row, "asset", str)
    if held.lower() != asset.lower():
        refuse(f"asset: found {held!r}; should be {asset.lower()!r}")
    text = field(row, "time", str)
    try:
        time = pd.Timestamp(text)
    except ValueError:
        refuse(f"time: found {text!r}; should be a date and time")
    # A value labelled within a day would be known at another hour than assumed.
    if time.tzinfo is None or time != time.tz_convert("UTC").normalize():
        refuse(f"time: found {text!r}; should be 00:00 UTC")
    names = [COIN_METRICS[name] for name in columns]
    values = tuple(number(row, name) for name in names)
    return time.value // 1_000_000, values


def _following(url: Any, address: str) -> str:
    """The query of the next page's URL, which must lie at the same address."""
    parts, expected = urlsplit(urljoin(address, str(url))), urlsplit(address)
    found = shown_url(str(url))[:100]
    # A page elsewhere is not followed: the answer could lead to any host.
    if parts[:3] != expected[:3]:  # scheme, host, path
        refuse(f"next_page_url: found {found!r}; should lie at {address}")
    if not parts.query:
        refuse(f"next_page_url: found {found!r}, without a query")
    return parts.query


def _point(point: Any) -> tuple[int, FieldValues]:
    time = 1000 * stamp(field(point, "x", object), "x")
    # No day is without a transfer: zero stands for a day without an estimate.
    return time, (number(point, "y") or None,)
