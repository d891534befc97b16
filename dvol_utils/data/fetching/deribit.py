"""Deribit's public API: DVOL, the perpetual's price, and its funding rate.

Whether the ends of a range are included is not documented for every method, so each request asks
for one row more on either side and takes what it gets.

References
----------
https://docs.deribit.com: public/get_time, public/get_volatility_index_data,
public/get_tradingview_chart_data, public/get_funding_rate_history
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dvol_utils.data.fetching.fields import field, number, parsed_number, refuse, stamp
from dvol_utils.data.fetching.http import Client, FlawedResponseError
from dvol_utils.data.fetching.pages import FieldValues, Query, RawPage, Rows, Window, tidy, utc
from dvol_utils.data.raw.files import HOUR_MS

SETTLEMENT_MS = 8 * HOUR_MS
_PRICE_ROWS = 4_998  # with one more on either side 5,000, the most a call returns
_FUNDING_ROWS = 90  # settlements: 30 days of hours, below the 744 hours that a call returns


def server_time(client: Client) -> int:
    """The exchange's clock, UTC milliseconds."""

    def parse(payload: Any) -> int:
        time = stamp(field(payload, "result", object), "result")
        if not 1_600_000_000_000 < time < 20_000_000_000_000:
            refuse(f"result: found {time}; should be the time in milliseconds")
        return time

    return client.get("deribit", "public/get_time", {}, what="Deribit time", parse=parse)


def dvol_query(asset: str, window: Window) -> Query:
    """Path and query of a range of hourly DVOL bars."""
    # Seconds here and minutes below: the two methods count in units of their own.
    parameters = {"currency": asset, **_range(window), "resolution": "3600"}
    return "public/get_volatility_index_data", parameters


def price_query(asset: str, window: Window) -> Query:
    """Path and query of a range of hourly bars of the perpetual."""
    parameters = {"instrument_name": f"{asset}-PERPETUAL", **_range(window), "resolution": "60"}
    return "public/get_tradingview_chart_data", parameters


def funding_query(asset: str, window: Window) -> Query:
    """Path and query of a range of hourly funding rates of the perpetual."""
    parameters = {"instrument_name": f"{asset}-PERPETUAL", **_range(window)}
    return "public/get_funding_rate_history", parameters


def dvol_pages(
    client: Client, asset: str, window: Window, done: list[RawPage]
) -> Iterator[RawPage]:
    """DVOL bars, newest page first: values open, high, low, close in index points.

    Parameters
    ----------
    client : Client
    asset : str
        Currency, e.g. `BTC`.
    window : Window
        Bar opens wanted.
    done : list of Page
        Pages of the same window that are there already; the next one is asked for.

    Yields
    ------
    Page
        Each overlaps the one before it by a row that agrees; the last has `next` None.

    Raises
    ------
    FetchError
        Also for a page that comes again, or a continuation that does not move.

    Notes
    -----
    `continuation` is the next request's `end_timestamp`. Pages run on until it is null; where the
    start of the window is not reached by then, one more request confirms that nothing is left.
    """
    before = done[-1] if done else None
    end = int(before.next) if before and before.next is not None else window.last
    while before is None or before.next is not None:
        page_window = window._replace(last=end)
        page = _get(
            client,
            "DVOL",
            dvol_query,
            asset,
            page_window,
            _dvol_reader(window, page_window, before),
        )
        yield page
        before, end = page, int(page.next or 0)


def price_pages(
    client: Client, asset: str, window: Window, done: list[RawPage]
) -> Iterator[RawPage]:
    """Bars of the perpetual, oldest page first: open, high, low, close and volume in USD."""
    before = done[-1] if done else None
    for page_window in window.parts(_PRICE_ROWS)[len(done) :]:
        read = _forward_reader(_chart_rows, page_window, before)
        before = _get(client, "price", price_query, asset, page_window, read)
        yield before


def funding_pages(
    client: Client, asset: str, window: Window, done: list[RawPage]
) -> Iterator[RawPage]:
    """Funding for the last 8 hours as a share, at 00:00, 08:00 and 16:00 UTC, oldest page first."""
    before = done[-1] if done else None
    for page_window in window.parts(_FUNDING_ROWS)[len(done) :]:
        read = _forward_reader(_settlements, page_window, before)
        before = _get(client, "funding", funding_query, asset, page_window, read)
        yield before


def _range(window: Window) -> dict[str, str]:
    wide = window.widened()
    return {"start_timestamp": str(wide.first), "end_timestamp": str(wide.last)}


def _get(
    client: Client,
    series: str,
    query: Callable[[str, Window], Query],
    asset: str,
    page_window: Window,
    read: Callable[[Any], RawPage],
) -> RawPage:
    path, parameters = query(asset, page_window)
    what = f"Deribit {series} of {asset}, {page_window}"
    return client.get("deribit", path, parameters, what=what, parse=read)


def _dvol_reader(
    window: Window, page_window: Window, before: RawPage | None
) -> Callable[[Any], RawPage]:
    def read(payload: Any) -> RawPage:
        result = field(payload, "result", dict)
        candles = [_candle(row) for row in field(result, "data", list)]
        # Flawed and not refused: the next try may bring the rows.
        if not candles:
            raise FlawedResponseError("an empty page where rows were promised")
        token = result.get("continuation")
        continuation = None if token is None else stamp(token, "continuation")
        _check_progress({time for time, _ in candles}, continuation, page_window, before)
        rows = tidy(candles, page_window, before)
        if before is not None and min(before.rows) not in rows:
            joint = utc(min(before.rows))
            refuse(f"the page lacks the row at {joint}, where the page before it ended")
        return RawPage(rows, _next_end(rows, continuation, window, before))

    return read


def _candle(row: Any) -> tuple[int, FieldValues]:
    if not isinstance(row, list) or len(row) != 5:
        refuse(f"data: found {str(row)[:60]}; should be rows of time, open, high, low, close")
    names = ("open", "high", "low", "close")
    values = tuple(parsed_number(cell, name) for cell, name in zip(row[1:], names, strict=True))
    return stamp(row[0], "time"), values


def _check_progress(
    times: set[int], continuation: int | None, page_window: Window, before: RawPage | None
) -> None:
    """The page, and what it says is left, reach further back than the page before it."""
    if before is None:
        if continuation is not None and continuation >= page_window.widened().last:
            refuse(f"the continuation {utc(continuation)} does not move back")
        return
    oldest, oldest_before = min(times), min(before.rows)
    # The last page may hold what the one before it had: it confirms that nothing is left.
    if continuation is not None:
        if times == before.rows.keys():
            refuse(f"the page {utc(oldest)} to {utc(max(times))} came again")
        if continuation >= oldest_before:
            refuse(f"the continuation {utc(continuation)} does not move back")
        if oldest >= oldest_before:
            refuse(f"no row before {utc(oldest_before)}, though the page promised some")


def _next_end(
    rows: Rows, continuation: int | None, window: Window, before: RawPage | None
) -> int | None:
    """The last bar to ask for next, so that pages overlap; None at the end."""
    oldest = min(rows)
    confirmed = before is not None and oldest >= min(before.rows)
    if oldest <= window.first or (continuation is None and confirmed):
        return None
    # A continuation off the grid, or before the oldest row, would leave rows out.
    return max(oldest, (continuation or 0) // window.step * window.step)


def _forward_reader(
    parse: Callable[[Any], list[tuple[int, FieldValues]]],
    page_window: Window,
    before: RawPage | None,
) -> Callable[[Any], RawPage]:
    return lambda payload: RawPage(tidy(parse(payload), page_window, before))


def _chart_rows(payload: Any) -> list[tuple[int, FieldValues]]:
    result = field(payload, "result", dict)
    status = field(result, "status", str)
    # `cost`, in USD, becomes `quote_volume` (docs/data.md).
    names = ("ticks", "open", "high", "low", "close", "cost")
    if status == "no_data" and not result.get("ticks"):
        return []
    arrays = [field(result, name, list) for name in names]
    lengths = {name: len(array) for name, array in zip(names, arrays, strict=True)}
    if len(set(lengths.values())) > 1:
        refuse(f"arrays of different lengths: {lengths}")
    if status != "ok":
        refuse(f"status {status!r} with {lengths['ticks']} rows; should be ok or no_data")
    if not arrays[0]:
        raise FlawedResponseError("an empty page where rows were promised (status ok)")
    return [
        (
            stamp(time, "ticks"),
            tuple(parsed_number(cell, name) for cell, name in zip(cells, names[1:], strict=True)),
        )
        for time, *cells in zip(*arrays, strict=True)
    ]


def _settlements(payload: Any) -> list[tuple[int, FieldValues]]:
    rows = []
    for row in field(payload, "result", list):
        time = stamp(field(row, "timestamp", object), "timestamp")
        # A rate off the hour would be of another moment than its label says.
        if time % HOUR_MS:
            refuse(f"timestamp: found {time} ({utc(time)}); should be a full hour")
        rate = number(row, "interest_8h")
        if time % SETTLEMENT_MS == 0:
            rows.append((time, (rate,)))
    return rows
