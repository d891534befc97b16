"""The simulated market's series around DVOL: bars, volume, funding, on-chain days."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from dvol_utils.data.raw.files import DAY_MS, HOUR_MS

_VOLUME_HOUR = (
    *(0.97, 0.87, 0.79, 0.71, 0.68, 0.67, 0.73, 0.82, 0.91, 0.87, 0.86, 0.88),
    *(1.19, 1.47, 1.79, 1.62, 1.43, 1.19, 1.11, 1.06, 1.02, 0.81, 0.79, 0.76),
)
_VOLUME_WEEKDAY = (1.17, 1.15, 1.16, 1.10, 1.12, 0.60, 0.70)
_VOLUME_MEDIAN_USD = 4.6e8
_FUNDING_MEAN, _FUNDING_SD, _FUNDING_TREND = 1.1e-4, 1.6e-4, 1.5e-3
_FUNDING_LIMIT = 0.02
# By weekday, Monday first, relative to the mean of all days; mean a day; log sd of the slow part.
_ONCHAIN = {
    "active_addresses": ((1.03, 1.03, 1.02, 1.03, 1.04, 0.95, 0.90), 880_000.0, 0.16),
    "transaction_count": ((1.01, 1.01, 1.01, 1.00, 0.99, 0.99, 0.99), 370_000.0, 0.25),
    "transfer_volume_usd": ((1.14, 1.25, 1.19, 1.20, 1.24, 0.53, 0.46), 5.6e9, 0.50),
}
_ONCHAIN_MEMORY_DAYS, _ONCHAIN_NOISE = 60.0, 0.07
_MVRV_MEAN, _MVRV_MEMORY_DAYS = 1.9, 250.0


def weekday(stamps: np.ndarray) -> np.ndarray:
    """UTC weekday of millisecond timestamps, Monday 0."""
    return (stamps // DAY_MS + 3) % 7  # 1970-01-01 was a Thursday


def hour_of_week_factor(
    stamps: np.ndarray, by_hour: tuple[float, ...], by_weekday: tuple[float, ...]
) -> np.ndarray:
    """Product of an hour's and a weekday's factor at each timestamp, either of mean 1."""
    hour, day = np.array(by_hour), np.array(by_weekday)
    slot = stamps % DAY_MS // HOUR_MS
    return (hour / hour.mean())[slot] * (day / day.mean())[weekday(stamps)]


def increments(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    memory: float,
    sd: float,
    *,
    begins: bool,
) -> np.ndarray:
    """What chance adds to a first-order autoregression of standard deviation `sd`, (..., n).

    Where it `begins`, its first value is drawn as any later one is spread.
    """
    phi = np.exp(-1.0 / memory)
    noise = sd * rng.standard_normal(shape)
    noise[..., int(begins) :] *= np.sqrt(1 - phi**2)
    return noise


def decaying_sum(values: np.ndarray, memory: float, before: np.ndarray | float = 0.0) -> np.ndarray:
    """Sum of the values up to each step, decaying with a time constant in steps, (..., n).

    `before` (...) is the sum at the step before the first; it broadcasts with the values.
    """
    phi = np.exp(-1.0 / memory)
    shape = np.broadcast_shapes(values.shape[:-1], np.shape(before))
    # The state that lfilter expects: phi times the sum so far.
    carried = np.broadcast_to(phi * np.asarray(before), shape)[..., np.newaxis]
    values = np.broadcast_to(values, (*shape, values.shape[-1]))
    return lfilter([1.0], [1.0, -phi], values, zi=carried)[0]


def autoregression(rng: np.random.Generator, n: int, memory: float, sd: float) -> np.ndarray:
    """Stationary first-order autoregression, (n,): time constant in steps, standard deviation."""
    return decaying_sum(increments(rng, (n,), memory, sd, begins=True), memory)


def bars(
    rng: np.random.Generator, stamps: np.ndarray, close: np.ndarray, wick: np.ndarray
) -> pd.DataFrame:
    """Bars `timestamp, open, high, low, close` that open at the last close.

    High and low lie beyond both by half-normal wicks of log scale `wick`; two decimals.
    """
    above, below = (np.abs(child.standard_normal(len(close))) for child in rng.spawn(2))
    opened = np.concatenate((close[:1], close[:-1]))
    high = np.round(np.maximum(opened, close) * np.exp(wick * above), 2)
    low = np.round(np.minimum(opened, close) * np.exp(-wick * below), 2)
    return pd.DataFrame(
        {"timestamp": stamps, "open": opened, "high": high, "low": low, "close": close}
    )


def quote_volume(rng: np.random.Generator, stamps: np.ndarray, log_price: np.ndarray) -> np.ndarray:
    """USD an hour, larger in the week's busy hours and when the price moves."""
    for_slow, for_noise = rng.spawn(2)
    n = len(stamps)
    move = np.log1p(np.abs(np.diff(log_price, prepend=log_price[0])) / 2e-3)
    log_volume = autoregression(for_slow, n, 300.0, 0.5) + 0.3 * for_noise.standard_normal(n)
    factor = hour_of_week_factor(stamps, _VOLUME_HOUR, _VOLUME_WEEKDAY)
    return np.round(_VOLUME_MEDIAN_USD * factor * np.exp(log_volume + 0.7 * (move - 0.8)))


def funding_rates(
    rng: np.random.Generator, stamps: np.ndarray, log_price: np.ndarray
) -> pd.DataFrame:
    """Rates at 00:00, 08:00 and 16:00 UTC: persistent, and higher after a week of rising prices."""
    before = np.concatenate((log_price[:1], log_price[:-1])) - log_price[0]  # known at the open
    keep = np.exp(-1.0 / 168.0)
    trend = before - lfilter([1 - keep], [1.0, -keep], before)
    at = stamps % (8 * HOUR_MS) == 0
    slow = autoregression(rng, int(at.sum()), 20.0, _FUNDING_SD)
    rate = _FUNDING_MEAN + slow + _FUNDING_TREND * trend[at]
    rate = np.round(rate.clip(-_FUNDING_LIMIT, _FUNDING_LIMIT), 8)
    return pd.DataFrame({"timestamp": stamps[at], "funding_rate": rate})


def onchain_days(rng: np.random.Generator, stamps: np.ndarray, close: np.ndarray) -> pd.DataFrame:
    """Whole UTC days: activity with its week, and market value over realised value."""
    # Hours until the first midnight: only whole days have values.
    begin = int(-stamps[0] % DAY_MS // HOUR_MS)
    days = (len(stamps) - begin) // 24
    day_stamps = stamps[begin : begin + 24 * days : 24]
    table = pd.DataFrame({"timestamp": day_stamps})
    for child, (name, (week, mean, sd)) in zip(rng.spawn(3), _ONCHAIN.items(), strict=True):
        for_slow, for_noise = child.spawn(2)
        slow = autoregression(for_slow, days, _ONCHAIN_MEMORY_DAYS, sd)
        noise = _ONCHAIN_NOISE * for_noise.standard_normal(days)
        factor = np.array(week)[weekday(day_stamps)]
        table[name] = np.round(mean * factor * np.exp(slow + noise - sd**2 / 2))
    price = close[begin : begin + 24 * days].reshape(days, 24).mean(axis=1)
    keep = np.exp(-1.0 / _MVRV_MEMORY_DAYS)
    gap = np.log(price / price[0])
    realised = lfilter([1 - keep], [1.0, -keep], gap)  # a slow mean of log prices
    table["mvrv"] = np.round(_MVRV_MEAN * np.exp(gap - realised), 6)
    table["price_usd"] = close[begin + 23 : begin + 24 * days : 24]  # the day's last hour
    return table
