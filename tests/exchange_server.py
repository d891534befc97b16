"""A stand-in for the public sources on 127.0.0.1: their shapes, their paging, and their faults."""

from __future__ import annotations

import bisect
import json
import logging
import os
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

HOUR = 3_600_000
DAY = 24 * HOUR
DVOL = "get_volatility_index_data"
PRICE = "get_tradingview_chart_data"
FUNDING = "get_funding_rate_history"
METRICS = "asset-metrics"
TRANSFERS = "estimated-transaction-volume-usd"
METRIC_NAMES = ("AdrActCnt", "TxCnt", "CapMVRVCur", "CapMrktCurUSD", "PriceUSD")

Table = dict[int, tuple[float | None, ...]]


class Market(NamedTuple):
    """What one asset's sources hold: values by timestamp in milliseconds."""

    dvol: Table  # open, high, low, close
    price: Table  # open, high, low, close, volume in USD
    funding: Table  # interest_8h, every hour
    metrics: Table  # in the order of METRIC_NAMES
    transfers: Table


def made_up_market(
    hours: int, first: str = "2021-03-24", seed: int = 0, decimals: int | None = None
) -> Market:
    """Values `hours` long from `first`, with all the digits of a double or so many decimals."""
    rng = np.random.default_rng(seed)
    begin = milliseconds(first)
    stamps = [begin + HOUR * i for i in range(hours)]
    days = [begin // DAY * DAY + DAY * i for i in range(hours // 24 + 1)]

    def bars(level: float, sd: float) -> np.ndarray:
        close = level * np.exp(np.cumsum(sd * rng.standard_normal(hours)) * 0.1)
        opened = close * np.exp(sd * rng.standard_normal(hours))
        high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
        made = np.column_stack([opened, high, low, close])
        return made if decimals is None else made.round(decimals)

    volume = 1e8 * np.exp(rng.standard_normal((hours, 1)))
    metrics = np.exp(0.1 * rng.standard_normal((len(days), 5))) * [9e5, 3e5, 1.8, 6e11, 3e4]
    return Market(
        table(stamps, bars(60, 0.01)),
        table(stamps, np.hstack([bars(30_000, 0.006), volume])),
        table([*stamps, stamps[-1] + HOUR], 1e-4 * rng.standard_normal((hours + 1, 1))),
        table(days, metrics),
        table(days, 5e9 * np.exp(0.3 * rng.standard_normal((len(days), 1)))),
    )


def table(stamps: list[int], values: np.ndarray) -> Table:
    return dict(zip(stamps, map(tuple, values.tolist()), strict=True))


def milliseconds(moment: str) -> int:
    return pd.Timestamp(moment, tz="UTC").value // 1_000_000


class Fault(NamedTuple):
    """What goes wrong with requests number `after + 1` to `after + times` of a path."""

    kind: str
    path: str
    after: int
    times: int


class ExchangeServer:
    """Serves `markets`; `faults` come and go, `requests` remembers every path and query."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        self.http = HTTPServer(host="127.0.0.1", threaded=True)
        self.http.expect_request(re.compile(".*")).respond_with_handler(self._respond)
        self.reset()

    def reset(self) -> None:
        """Forget everything; the limits are those of the real sources."""
        self.http.clear_log()
        self.markets: dict[str, Market] = {}
        self.now = milliseconds("2026-01-01")
        self.clock = None  # what get_time says, where it is not `now`
        self.dvol_rows, self.price_rows, self.funding_rows, self.metric_rows = (
            1_000, 5_000, 744, 10_000,
        )  # fmt: skip
        self.end_included = True
        self.continuation_offset = 0  # hours from the page's oldest row to its continuation
        self.next_host: str | None = None
        self.omit_nulls = False  # rows lack the keys that have no value
        self.refused_metrics: set[str] = set()  # no longer free
        self.empty_metrics: set[str] = set()  # null in every row
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.faults: list[Fault] = []
        self.hooks: list[Callable[[str, int], None]] = []
        self._stamps: dict[int, list[int]] = {}
        self._last_payload: dict[str, Any] = {}
        self.release = threading.Event()

    def serve(self, hours: int, *, asset: str = "BTC", **how: Any) -> Market:
        """Serve a made-up market whose last bar closes now."""
        market = made_up_market(hours, **how)
        self.markets[asset] = market
        self.now = max(market.dvol) + HOUR
        return market

    @property
    def urls(self) -> dict[str, str]:
        """Base URLs by source."""
        paths = {"deribit": "/api/v2", "coinmetrics": "/v4", "blockchain": "/chain"}
        return {name: self.http.url_for(path) for name, path in paths.items()}

    def fault(self, kind: str, path: str, *, after: int = 0, times: int = 1) -> None:
        """Plan a fault, counted from now."""
        self.faults.append(Fault(kind, path, self.count(path) + after, times))

    def count(self, path: str) -> int:
        """How many requests a path has had."""
        return sum(seen == path for seen, _ in self.requests)

    def _respond(self, request: Request) -> Response:
        path = request.path.rsplit("/", 1)[-1]
        self.requests.append((path, dict(request.args)))
        number = self.count(path)
        for hook in self.hooks:
            hook(path, number)
        kinds = [
            f.kind for f in self.faults if f.path == path and f.after < number <= f.after + f.times
        ]
        kind = kinds[0] if kinds else ""
        if self.refused_metrics & set(request.args.get("metrics", "").split(",")):
            kind = "metric that is not free"
        if kind in BROKEN:
            return BROKEN[kind](self, request)
        payload = self._payload(path, dict(request.args), kind)
        if kind == "repeated page":
            payload = self._last_payload[path]
        self._last_payload[path] = payload
        if self.omit_nulls and path in (FUNDING, METRICS, TRANSFERS):
            payload = without_nulls(payload)
        text = json.dumps(payload)
        if kind == "truncated":
            half = iter([text[: len(text) // 2].encode()])  # of a list the length would be known
            length = {"Content-Length": str(len(text))}
            return Response(half, headers=length, content_type="application/json")
        if kind == "cut":
            return Response(text[: len(text) // 2], content_type="application/json")
        return Response(text, content_type="application/json")

    def _payload(self, path: str, query: dict[str, str], kind: str) -> Any:
        if path == "get_time":
            return rpc(self.now if self.clock is None else self.clock)
        if path == TRANSFERS:
            points = list(self.markets["BTC"].transfers.items())
            points = edited(points, kind)
            genesis = {"x": 1_231_006_505, "y": 0.0}
            values = [genesis, *({"x": t // 1000, "y": v[0]} for t, v in points)]
            return {"status": "ok", "name": "", "values": [] if kind == "empty page" else values}
        if path == METRICS:
            return self._metrics(query, kind)
        asset = query.get("currency") or query["instrument_name"].removesuffix("-PERPETUAL")
        series = {DVOL: "dvol", PRICE: "price", FUNDING: "funding"}[path]
        rows = self._rows(getattr(self.markets[asset], series), query)
        return {DVOL: self._dvol, PRICE: self._price, FUNDING: self._funding}[path](rows, kind)

    def _rows(self, held: Table, query: dict[str, str]) -> list[tuple[int, tuple]]:
        """Rows of the range that have begun; the one that is still open has other values."""
        start, end = int(query["start_timestamp"]), int(query["end_timestamp"])
        stamps = self._stamps.setdefault(id(held), sorted(held))
        low = bisect.bisect_left(stamps, start)
        high = (bisect.bisect_right if self.end_included else bisect.bisect_left)(stamps, end)
        chosen = [(t, held[t]) for t in stamps[low:high] if t <= self.now]
        if chosen and chosen[-1][0] + HOUR > self.now and len(chosen[-1][1]) > 1:
            begun, values = chosen[-1]
            chosen[-1] = (begun, tuple(1.01 * value for value in values))
        return chosen

    def _dvol(self, rows: list, kind: str) -> dict[str, Any]:
        page = rows[-self.dvol_rows :]
        more = len(rows) > len(page)
        continuation = page[0][0] + self.continuation_offset * HOUR if more else None
        if kind == "continuation stays":
            continuation = self._last_payload[DVOL]["result"]["continuation"]
        page = [] if kind == "empty page" else edited(page, kind)
        return rpc({"data": [[t, *v] for t, v in page], "continuation": continuation})

    def _price(self, rows: list, kind: str) -> dict[str, Any]:
        rows = [] if kind == "empty page" else edited(rows[-self.price_rows :], kind)
        names = ("open", "high", "low", "close", "cost")
        arrays = {name: [v[i] for _, v in rows] for i, name in enumerate(names)}
        ticks = [t for t, _ in rows]
        status = "ok" if rows or kind == "empty page" else "no_data"
        if kind == "uneven arrays":
            arrays["close"] = arrays["close"][:-1]
        return rpc({"ticks": ticks, **arrays, "volume": [1.0] * len(ticks), "status": status})

    def _funding(self, rows: list, kind: str) -> dict[str, Any]:
        rows = [] if kind == "empty page" else edited(rows[-self.funding_rows :], kind)
        return rpc([{"timestamp": t, "index_price": 1.0, "interest_1h": 0.0, "interest_8h": v[0]}
                    for t, v in rows])  # fmt: skip

    def _metrics(self, query: dict[str, str], kind: str) -> dict[str, Any]:
        held = self.markets[query["assets"].upper()].metrics
        first, last = milliseconds(query["start_time"]), milliseconds(query["end_time"])
        rows = [(t, v) for t, v in held.items() if first <= t <= last and t <= self.now]
        size = min(int(query["page_size"]), self.metric_rows)
        offset = int(query.get("next_page_token", 0))
        empty = [name in self.empty_metrics for name in METRIC_NAMES]
        rows = [
            (t, tuple(None if gone else x for x, gone in zip(v, empty, strict=True)))
            for t, v in rows
        ]
        page = edited(rows[offset : offset + size], kind)
        answer: dict[str, Any] = {"data": [metrics_row(query["assets"], t, v) for t, v in page]}
        if offset + size < len(rows):
            token = offset if kind == "continuation stays" else offset + size
            following = {**query, "next_page_token": str(token)}
            base = self.next_host or self.urls["coinmetrics"]
            text = "&".join(f"{key}={value}" for key, value in following.items())
            answer |= {"next_page_token": str(token)}
            answer |= {"next_page_url": f"{base}/timeseries/asset-metrics?{text}"}
            if kind == "empty page":
                answer["data"] = []
        return answer


def metrics_row(asset: str, time: int, values: tuple) -> dict[str, Any]:
    moment = f"{pd.Timestamp(int(time), unit='ms'):%Y-%m-%dT%H:%M:%S}.000000000Z"
    texts = [None if value is None else repr(value) for value in values]
    return {"asset": asset, "time": moment, **dict(zip(METRIC_NAMES, texts, strict=True))}


def without_nulls(payload: Any) -> Any:
    """The same answer whose objects lack the keys that would hold null."""
    if isinstance(payload, list):
        return [without_nulls(item) for item in payload]
    if isinstance(payload, dict):
        return {key: without_nulls(held) for key, held in payload.items() if held is not None}
    return payload


def rpc(result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "result": result, "usIn": 1, "usOut": 2, "testnet": False}


def edited(rows: list[tuple[int, tuple]], kind: str) -> list[tuple[int, tuple]]:
    """Rows with a fault that leaves the answer well-formed."""
    if kind == "out of order":
        return random.Random(0).sample(rows, len(rows))
    if kind == "strings for numbers":
        return [(str(t), tuple(map(repr, v))) for t, v in rows]
    if kind == "words for numbers":
        return [(t, ("n/a", *v[1:])) for t, v in rows]
    if kind == "a hole":
        return rows[:20] + rows[25:]
    if kind == "null values":
        return [(t, (None,) * len(v) if 20 <= i < 25 else v) for i, (t, v) in enumerate(rows)]
    if kind == "off the grid":
        return [(t + 1, v) for t, v in rows]
    if kind == "in seconds":
        return [(t // 1000, v) for t, v in rows]
    if kind == "in contradiction":
        return [(t, tuple(1.5 * x for x in v)) for t, v in rows]
    return rows


def _busy(headers: dict[str, str]) -> Callable[[ExchangeServer, Request], Response]:
    return lambda server, request: Response("busy", 429, headers)


def _status(code: int) -> Callable[[ExchangeServer, Request], Response]:
    return lambda server, request: Response("oops", code)


def _rpc_error(status: int, code: int, message: str) -> Callable[..., Response]:
    text = json.dumps({"jsonrpc": "2.0", "error": {"code": code, "message": message}})
    return lambda server, request: Response(text, status, content_type="application/json")


def _no_answer(server: ExchangeServer, request: Request) -> Response:
    server.release.wait(10)
    return Response("too late")


def _reset(server: ExchangeServer, request: Request) -> Response:
    """Close the connection without a word: with no linger the peer gets a reset."""
    connection = request.environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
    return Response("")


def _html(server: ExchangeServer, request: Request) -> Response:
    return Response("<!DOCTYPE html><h1>Just a moment</h1>", content_type="text/html")


BROKEN: dict[str, Callable[[ExchangeServer, Request], Response]] = {
    "429": _busy({}),
    "429 with Retry-After": _busy({"Retry-After": "7"}),
    "429 with a date": lambda server, request: Response(
        "busy", 429, {"Retry-After": formatdate(time.time() + 9, usegmt=True)}
    ),
    "429 for an hour": _busy({"Retry-After": "3600"}),
    "500": _status(500),
    "502": _status(502),
    "503": _status(503),
    "404": _status(404),
    "time-out": _no_answer,
    "reset connection": _reset,
    "HTML": _html,
    "HTML 403": lambda server, request: Response(
        "<!DOCTYPE html><h1>Forbidden</h1>", 403, content_type="text/html"
    ),
    "metric that is not free": lambda server, request: Response(
        json.dumps({"error": {"type": "forbidden", "message": "metric not available"}}),
        403,
        content_type="application/json",
    ),
    "JSON-RPC busy": _rpc_error(400, 10028, "too_many_requests"),
    "JSON-RPC error": _rpc_error(400, 11050, "bad_request"),
}
