from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from typing import Any

import httpx
import pytest

from dvol_utils.data.fetching.fields import field, parsed_number, stamp
from dvol_utils.data.fetching.http import (
    TRIES,
    Client,
    FetchError,
    FlawedResponseError,
    UnreachableError,
    open_client,
)
from dvol_utils.data.fetching.sources import SOURCES, source_urls
from dvol_utils.study.params import ParameterError

OK = {"result": 1}


class Sent(httpx.SyncByteStream):
    def __init__(self, body: BytesIO) -> None:
        self.body = body

    def __iter__(self) -> Iterator[bytes]:
        yield from iter(lambda: self.body.read(65_536), b"")


class World:
    """A transport that gives prepared answers, a clock that only waiting moves, and a log."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.sent, self.waits, self.log = list(answers), [], [], []
        self.time = 0.0

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.sent.append((self.time, request.url))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, httpx.Response):
            answer = httpx.Response(200, json=answer)
        # As from a wire: a body that has not been read.
        body = BytesIO(answer.content)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=Sent(body))

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds

    def get(self, source: str = "deribit", parse: Callable[[Any], Any] = lambda x: x) -> Any:
        return self.client.get(source, "public/x", {"a": "b c"}, what="Range", parse=parse)

    @property
    def client(self) -> Client:
        if not hasattr(self, "_client"):
            http = httpx.Client(transport=httpx.MockTransport(self.handle))
            self._client = Client(
                http,
                source_urls(None),
                log=self.log.append,
                sleep=self.sleep,
                clock=lambda: self.time,
            )
        return self._client


def response(status: int, content: Any = "", **headers: str) -> httpx.Response:
    text = content if isinstance(content, str) else json.dumps(content)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, text=text, headers=names)


def test_a_request_is_the_base_url_the_path_and_the_query():
    world = World(OK)
    assert world.get() == OK
    assert str(world.sent[0][1]) == "https://www.deribit.com/api/v2/public/x?a=b+c"
    assert world.client.requests == 1
    assert not world.waits


def test_tries_are_six_and_waits_double():
    world = World(response(503))
    with pytest.raises(FetchError, match=r"^Range: HTTP 503 \(tried 6 times\)$"):
        world.get()
    assert world.waits == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert len(world.log) == len(world.sent) - 1 == TRIES - 1
    assert world.log[0] == "Range: HTTP 503; asks again in 1 s"


@pytest.mark.parametrize(
    ("flaw", "tries"),
    [
        (httpx.ReadTimeout("slow"), TRIES),
        (httpx.RemoteProtocolError("peer closed connection"), TRIES),
        (httpx.ReadError("reset"), TRIES),
        (response(502), TRIES),
        (response(200, ""), TRIES),
        (response(200, "<html>"), TRIES),
        (response(200, '{"result": NaN}'), TRIES),
        (response(200, {"error": {"code": 10028, "message": "too_many_requests"}}), TRIES),
        (response(400, {"error": {"code": 13888, "message": "timed_out"}}), TRIES),
        (response(400, {"error": {"code": -32602, "message": "Invalid params"}}), 1),
        (response(200, {"error": {"code": 11050, "message": "bad_request"}}), 1),
        (response(403, {"error": {"type": "forbidden", "message": "Not free"}}), 1),
        (response(404, {"error": "not-found"}), 1),
        (response(302, "", location="https://example.org"), 1),
        (response(404, "<html>"), 1),
    ],
)
def test_what_may_pass_is_tried_again_and_what_will_not_is_not(flaw, tries):
    world = World(flaw)
    with pytest.raises(FetchError, match=r"^Range: "):
        world.get()
    assert len(world.sent) == tries
    if tries > 1:
        world = World(flaw, OK)
        assert world.get() == OK


@pytest.mark.parametrize(
    ("headers", "status", "wait"),
    [
        ({"retry_after": "7"}, 429, 7.0),
        ({"retry_after": "0"}, 429, 0.0),
        ({"retry_after": "11"}, 503, 11.0),
        ({"retry_after": "soon"}, 429, 1.0),
        ({}, 429, 1.0),
        ({"retry_after": "Wed, 21 Oct 2015 07:28:09 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"},
         429, 9.0),
        ({"retry_after": "Wed, 21 Oct 2015 07:28:09 GMT"}, 429, 0.0),  # long ago
    ],
)  # fmt: skip
def test_retry_after_is_obeyed(headers, status, wait):
    world = World(response(status, **headers), OK)
    assert world.get() == OK
    assert world.waits == [wait]


def test_a_retry_after_without_a_server_clock_is_measured_by_the_local_one():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    world = World(response(429, retry_after=later), OK)
    world.get()
    assert 90 < world.waits[0] <= 100


def test_a_retry_after_beyond_patience_is_an_error_at_once():
    world = World(response(429, retry_after="301"))
    with pytest.raises(FetchError, match=r"^Range: HTTP 429, the server asks to wait 301 s; run"):
        world.get()
    assert len(world.sent) == 1


def test_a_busy_server_does_not_use_up_the_tries_of_a_flawed_answer():
    world = World(response(500), response(500), {"result": "x"}, OK)

    def parse(payload: Any) -> float | None:
        return parsed_number(payload["result"], "result")

    assert world.get(parse=parse) == 1.0
    with pytest.raises(FetchError, match=r"^Range: result: found 'x'; should be a .*tried 2 times"):
        World({"result": "x"}).get(parse=parse)


def test_no_connection_at_all_is_told_apart_from_one_that_is_lost():
    world = World(httpx.ConnectError("no route"))
    with pytest.raises(UnreachableError, match=r"no connection to https://www\.deribit\.com/"):
        world.get()
    assert world.waits == [1.0]
    world = World(OK, httpx.ConnectError("no route"))
    world.get()
    with pytest.raises(FetchError, match="no connection") as error:
        world.get()
    assert not isinstance(error.value, UnreachableError)
    assert len(world.sent) == 1 + TRIES


@pytest.mark.parametrize("source", SOURCES)
def test_no_stretch_of_time_has_more_requests_than_the_source_allows(source):
    world = World(OK)
    for _ in range(35):
        world.get(source)
    sent, (_, _, most, seconds) = [time for time, _ in world.sent], SOURCES[source]
    for start in sent:
        assert sum(start <= time < start + seconds for time in sent) <= most
    assert world.time == pytest.approx((35 - 1) // most * seconds)


def test_coin_metrics_gets_fewer_than_10_requests_in_6_seconds():
    assert SOURCES["coinmetrics"][2:] == (9, 6.0)


def test_each_source_has_a_limit_of_its_own():
    world = World(OK)
    for _ in range(9):
        world.get("coinmetrics")
    world.get("deribit")
    assert not world.waits


@pytest.mark.parametrize(
    ("urls", "message"),
    [
        ({"binance": "https://x.org"}, "'binance': should be of one of deribit, coinmetrics"),
        ({"deribit": "x.org"}, "base URL of deribit: found 'x.org'; should be https://host/path"),
        ({"deribit": "file:///etc"}, "found 'file:///etc'"),
    ],
)
def test_wrong_addresses_are_named(urls, message):
    with pytest.raises(ParameterError, match=message), open_client(urls):
        pass


def test_addresses_are_taken_without_a_slash_at_the_end():
    assert source_urls({"deribit": "http://127.0.0.1:1/a/"})["deribit"] == "http://127.0.0.1:1/a"


@pytest.mark.parametrize(
    ("value", "result"),
    [(1, 1.0), (0.1, 0.1), ("0.1", 0.1), ("-2", -2.0), ("1e3", 1000.0), ("+1.5E-3", 0.0015),
     (None, None)],
)  # fmt: skip
def test_numbers_and_their_spelling(value, result):
    assert parsed_number(value, "x") == result


@pytest.mark.parametrize(
    "value",
    ["", " 1", "1 ", "1,5", "1_000", "0x10", "nan", "inf", "Infinity", ".5", "5.", "１", True,
     False, [], {}, float("nan"), float("inf"), 10**400, "1e999"],
)  # fmt: skip
def test_what_is_no_finite_decimal_number_is_refused(value):
    with pytest.raises(FlawedResponseError, match=r"^x: found .*; should be a finite number$"):
        parsed_number(value, "x")


@pytest.mark.parametrize(
    ("value", "result"),
    [(5, 5), (5.0, 5), ("1616544000000", 1616544000000), (1.6e12, 16 * 10**11)],
)
def test_stamps_are_whole(value, result):
    assert stamp(value, "t") == result


@pytest.mark.parametrize("value", [None, 1.5, "1.5"])
def test_stamps_that_are_not_whole_are_refused(value):
    with pytest.raises(FlawedResponseError, match=r"^t: found .*; should be a whole number"):
        stamp(value, "t")


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ([], "found list in place of an object with 'k'"),
        ({}, "the answer lacks 'k'; it holds nothing"),
        ({"a": 1}, "the answer lacks 'k'; it holds a"),
        ({"k": 1}, "k: found int; should be list"),
    ],
)
def test_fields_are_checked(mapping, message):
    with pytest.raises(FlawedResponseError, match=message):
        field(mapping, "k", list)
