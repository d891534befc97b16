"""One polite HTTP client for every source: rate-limited, patient, strict about what it accepts.

A request is tried again after an exponential backoff (1, 2, 4, ... seconds), or after as long as
the server's `Retry-After` asks for. One request runs at a time, so the backoff needs no jitter.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import httpx
import tenacity

from dvol_utils.data.fetching.answers import (
    ACCEPTED_ENCODING,
    Answer,
    Deadline,
    PackingError,
    read_answer,
)
from dvol_utils.data.fetching.sources import SOURCES, shown_url, source_urls
from dvol_utils.study import limits
from dvol_utils.study.bounded import OversizeError, parse_json
from dvol_utils.wording.text import printable

T = TypeVar("T")

TRIES = 6
_TRIES_IF_SLOW = 2
_LONGEST_WAIT_S = 300.0
# Deribit's codes for "not now": rate limit, settlement, maintenance, time-outs inside the exchange.
_PASSING_CODES = {10028, 10040, 10041, 10047, 10066, 11051, 11094, 13028, 13888}


class FetchError(RuntimeError):
    """A download that failed; the message names source, range and reason."""


class UnreachableError(FetchError):
    """No connection to the source at all: no network, or a wrong address."""


class RefusedError(FetchError):
    """The source has answered, and will not serve what was asked for."""


class FlawedResponseError(Exception):
    """A response that may be better at the next try, at most `tries` in all."""

    def __init__(
        self,
        reason: str,
        *,
        tries: int = TRIES,
        wait_s: float | None = None,
        no_connection: bool = False,
    ) -> None:
        super().__init__(printable(reason))
        self.tries, self.wait_s, self.no_connection = tries, wait_s, no_connection


class Client:
    """Asks one source at a time for JSON; made by `open_client`."""

    def __init__(
        self,
        http: httpx.Client,
        urls: Mapping[str, str],
        *,
        log: Callable[[str], None],
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self.urls, self.requests = dict(urls), 0
        self._http, self._log, self._sleep, self._clock = http, log, sleep, clock
        self._sent: dict[str, deque[float]] = {name: deque() for name in urls}
        self._deadlines = {name: Deadline() for name in urls}
        self._reached: set[str] = set()

    def get(
        self,
        source: str,
        path: str,
        query: Mapping[str, str],
        *,
        what: str,
        parse: Callable[[Any], T],
    ) -> T:
        """GET a JSON document and read it with `parse`.

        Parameters
        ----------
        source : str
            Key of `SOURCES`.
        path : str
            Below the source's base URL, without a leading slash.
        query : mapping
            Query parameters.
        what : str
            Source, series and range, for messages.
        parse : callable
            Turns the parsed JSON into the result; raises `FlawedResponseError` on what it refuses.

        Raises
        ------
        UnreachableError
            No connection, and there was none before.
        FetchError
            The server refused, or every try failed.
        """
        flaws: Counter[int] = Counter()

        def stop(state: tenacity.RetryCallState) -> bool:
            # Each kind of flaw has tries of its own: a busy server does not use up the others'.
            tries = _flaw(state).tries
            flaws[tries] += 1
            return flaws[tries] >= tries or flaws.total() >= 2 * TRIES

        def say(state: tenacity.RetryCallState) -> None:
            wait = state.next_action.sleep if state.next_action else 0.0
            self._log(f"{what}: {_flaw(state)}; asks again in {wait:.3g} s")

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(FlawedResponseError),
            stop=stop,
            wait=_wait,
            sleep=self._sleep,
            before_sleep=say,
            reraise=True,
        )
        try:
            return retrying(lambda: parse(self._ask(source, path, query, what)))
        except FlawedResponseError as flaw:
            tried = f" (tried {flaws.total()} times)" if flaws.total() > 1 else ""
            error = UnreachableError if flaw.no_connection else FetchError
            raise error(f"{what}: {flaw}{tried}") from flaw

    def _ask(self, source: str, path: str, query: Mapping[str, str], what: str) -> Any:
        self._keep_within_limit(source)
        self.requests += 1
        url = f"{self.urls[source]}/{path}"
        try:
            answer = self._answer(source, url, query)
        except OversizeError as error:
            raise _too_large(shown_url(url), what, error) from None
        except PackingError as error:
            raise FlawedResponseError(str(error)) from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            first = source not in self._reached
            reason = f"no connection to {shown_url(self.urls[source])} ({error})"
            tries = 2 if first else TRIES
            raise FlawedResponseError(reason, tries=tries, no_connection=first) from error
        except httpx.TimeoutException as error:
            raise FlawedResponseError(f"no answer in time ({type(error).__name__})") from error
        except httpx.RequestError as error:
            raise FlawedResponseError(f"the connection broke off ({error})") from error
        self._reached.add(source)
        return _content(answer, shown_url(url), what)

    def _answer(self, source: str, url: str, query: Mapping[str, str]) -> Answer:
        """One answer, whole, in bounded time."""
        deadline = self._deadlines[source]
        trace = {"trace": deadline.watch}
        try:
            with (
                deadline.within(limits.ANSWER_SECONDS),
                self._http.stream("GET", url, params=dict(query), extensions=trace) as response,
            ):
                answer = read_answer(response)
        except (httpx.RequestError, PackingError):
            if not deadline.passed:
                raise
        if deadline.passed:  # where no length was announced, the end looks like any other
            raise FlawedResponseError(
                f"{shown_url(url)} did not finish its answer in {limits.ANSWER_SECONDS:g} s, the "
                "longest that is waited: run the command again on a faster connection, or give "
                "another address with --base-url",
                tries=_TRIES_IF_SLOW,
            )
        return answer

    def _keep_within_limit(self, source: str) -> None:
        """At most so many requests in any stretch of so many seconds."""
        sent, limit = self._sent[source], SOURCES[source]
        if len(sent) == limit.requests:
            wait = sent.popleft() + limit.seconds - self._clock()
            if wait > 0:
                self._sleep(wait)
        sent.append(self._clock())


@contextmanager
def open_client(
    base_urls: Mapping[str, str] | None = None,
    *,
    timeout_s: float = 30.0,
    log: Callable[[str], None] = print,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Client]:
    """A client for all sources, closed at the end of the block.

    Parameters
    ----------
    base_urls : mapping, optional
        Addresses in place of the public ones, by key of `SOURCES`.
    timeout_s : float
        Seconds to wait for a connection, and for each piece of an answer; for the whole of it,
        `limits.ANSWER_SECONDS`.
    log : callable
        Takes a line each time a request is tried again.
    sleep, clock : callable
        Wait for seconds, and a clock in seconds that never goes back.
    """
    urls = source_urls(base_urls)
    # A proxy of the environment serves the world, not this machine.
    hosts = {urlsplit(url).hostname for url in urls.values()}
    local = hosts <= {"127.0.0.1", "localhost", "::1"}
    headers = {
        "User-Agent": "dvol-utils",
        "Accept": "application/json",
        "Accept-Encoding": ACCEPTED_ENCODING,
    }
    timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, 10.0))
    with httpx.Client(timeout=timeout, headers=headers, trust_env=not local) as http:
        yield Client(http, urls, log=log, sleep=sleep, clock=clock)


def _flaw(state: tenacity.RetryCallState) -> FlawedResponseError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, FlawedResponseError):
        raise TypeError(f"only flawed responses are tried again, not {error!r}")
    return error


def _wait(state: tenacity.RetryCallState) -> float:
    wait_s = _flaw(state).wait_s
    return 2.0 ** (state.attempt_number - 1) if wait_s is None else wait_s


def _content(response: Answer, url: str, what: str) -> Any:
    """The JSON document of an answer that says all is well."""
    status = f"HTTP {response.status}"
    if response.status == 429 or response.status >= 500:
        raise FlawedResponseError(status, wait_s=_retry_after(response, what))
    try:
        content = parse_json(
            response.content, most_values=limits.ANSWER_VALUES, parse_constant=_no_constant
        )
    except OversizeError as error:
        raise _too_large(url, what, error) from None
    except ValueError as error:
        kind = response.headers.get("content-type", "no content type")
        begins = " ".join(response.content[:400].decode("utf-8", "replace").split())[:60]
        reason = f"{status} with {kind} in place of JSON, beginning {begins!r} ({error})"
        if response.status == 200:
            raise FlawedResponseError(reason) from error
        raise RefusedError(f"{what}: {reason}") from None
    error = content.get("error") if isinstance(content, dict) else None
    if error is not None or response.status != 200:
        reason = f"{status}, {_said(error)}"
        if isinstance(error, dict) and error.get("code") in _PASSING_CODES:
            raise FlawedResponseError(reason, wait_s=_retry_after(response, what))
        raise RefusedError(f"{what}: {reason}")
    return content


def _too_large(url: str, what: str, error: OversizeError) -> FetchError:
    return FetchError(
        f"{what}: the answer of {url} is too large: {error}; none to this request should be: look "
        "at the address, or give another with --base-url"
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _said(error: Any) -> str:
    """What an error object says: JSON-RPC `code, message, data`, or `type, message`, or text."""
    if not isinstance(error, dict):
        return f"error {error!r}"
    parts = [str(error[key]) for key in ("code", "type", "message", "data") if error.get(key)]
    return "error " + ", ".join(parts)[:200]


def _retry_after(response: Answer, what: str) -> float | None:
    """Seconds that the server asks to wait, by number or by date; None where it does not say."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdecimal():
        wait = float(text)
    else:
        until = _date(text)
        if until is None:
            return None
        # The server's own clock, where it shows it: the local one may be off.
        since = _date(response.headers.get("date", "")) or datetime.now(UTC)
        wait = max((until - since).total_seconds(), 0.0)
    if wait > _LONGEST_WAIT_S:
        raise FetchError(
            f"{what}: HTTP {response.status}, the server asks to wait {wait:,.0f} s; "
            "run the command again after that"
        )
    return wait


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
