"""Periodic pattern of hourly volatility, robust to jumps."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from dvol_utils.jumps.statistics import Floats

DAY_HOURS = 24
# Of Boudt, Croux and Laurent (2011): 1.081 is 0.99 / P(chi2_3 <= 6.635), 0.741 1 / (2 z_0.75).
_CUT_OFF = 6.635  # 99 % quantile of chi-squared with one degree of freedom
_EFFICIENCY = 1.081  # makes the truncated variance consistent under normality
_SHORTEST_HALF = 0.741  # makes the shortest half estimate a normal standard deviation
_MIN_RETURNS = 3  # of a slot: fewer have no shortest half worth the name


def periodicity_wsd(
    log_returns: pd.Series, slots: int, *, standardise_hours: int = DAY_HOURS
) -> pd.Series:
    """Weighted standard deviation of each hour of the day or week, relative to the average hour.

    Parameters
    ----------
    log_returns : Series of float, index of tz-aware UTC bar closes, hourly
        May hold missing values; pass training rows only.
    slots : {24, 168}
        Hours of the day, or of the week that begins on Monday 00:00 UTC.
    standardise_hours : {24, 168}, default 24
        Length of the periods over which the level of volatility is taken as constant: UTC days, or
        weeks that begin on Monday. Days follow the level of volatility more closely and leave the
        differences between whole days to the test's own window; weeks keep them in the factors.

    Returns
    -------
    Series
        Factor per slot, index `slot` 0 .. slots - 1 by the hour of the bar's open; the mean of the
        squares is 1.

    Raises
    ------
    ValueError
        Index without UTC or not increasing, other slots, a slot with fewer than three usable
        returns, or one in which half of the returns are equal.

    Notes
    -----
    Returns are first divided by `sqrt(BV / M)` of their period, where
    `BV = (pi / 2) * M / (M - 1) * sum |r_j| |r_(j-1)|` over the `M` hours of it; with missing
    returns the sum is scaled up from the products at hand, and a period with fewer than half of
    them, or with `BV = 0`, is left out. Per slot the shortest half of the sorted values gives a
    first scale `f0 = 0.741 * min(x_(k+h-1) - x_(k))`, `h = floor(n / 2) + 1`, normalised over
    slots; the factor is `sqrt(1.081 * sum w x^2 / sum w)` with `w = 1` where `(x / f0)^2 <= 6.635`,
    else 0, normalised again.

    References
    ----------
    Boudt, Croux and Laurent (2011), Journal of Empirical Finance 18(2), 353-367,
    doi 10.1016/j.jempfin.2010.11.005.
    """
    _check_slots(slots)
    _check_slots(standardise_hours, name="standardise_hours")
    times = _utc_index(log_returns.index)
    if not (times.is_monotonic_increasing and times.is_unique):
        raise ValueError("log_returns: times should increase and be unique")
    opens = _hour_number(times)
    returns = log_returns.to_numpy(dtype=float)
    standardised = returns / _local_scale(returns, opens, standardise_hours)
    usable = np.isfinite(standardised)
    # A quiet period has no local scale, and what it gave, infinite or missing, is left out.
    by_slot = _split(standardised[usable], opens[usable] % slots, slots)
    first = _normalised(np.array([_shortest_half(values) for values in by_slot]))
    _check_first_scale(first)
    factors = [_weighted_sd(values, scale) for values, scale in zip(by_slot, first, strict=True)]
    index = pd.RangeIndex(slots, name="slot")
    return pd.Series(_normalised(np.array(factors)), index=index, name="periodicity")


def periodicity_factor(factors: pd.Series, times: pd.DatetimeIndex | pd.Series) -> Floats:
    """Factor of each bar: `factors` (index 0 .. 23 or 0 .. 167) looked up by its open's hour.

    Parameters
    ----------
    factors : Series
        As `periodicity_wsd` returns them.
    times : DatetimeIndex or Series of tz-aware UTC times
        Bar closes, on full hours.

    Returns
    -------
    ndarray of float, one a time.
    """
    _check_slots(len(factors), name="factors")
    return factors.sort_index().to_numpy(dtype=float)[slot_of(times, len(factors))]


def slot_of(times: ArrayLike, slots: int) -> NDArray[np.int64]:
    """Slot 0 .. slots - 1 of each bar close: hour of the open, of the day or from Monday 00:00."""
    _check_slots(slots)
    return _hour_number(_utc_index(times)) % slots


def _hour_number(closes: pd.DatetimeIndex) -> NDArray[np.int64]:
    """Full hours from a Monday 00:00 to each bar's open."""
    # The epoch itself is a Thursday; weeks, and so slots, begin on Monday here.
    monday = pd.Timestamp("1969-12-29", tz="UTC")
    # Less one: a bar has the slot of its open, an hour before its close.
    return np.asarray((closes - monday) // pd.Timedelta(hours=1), dtype=np.int64) - 1


def _utc_index(times: ArrayLike) -> pd.DatetimeIndex:
    index = pd.DatetimeIndex(times)
    if index.tz is None or str(index.tz) != "UTC":
        raise ValueError(f"times: found time zone {index.tz}; should be UTC")
    return index


def _check_slots(slots: int, name: str = "slots") -> None:
    if slots not in (DAY_HOURS, 7 * DAY_HOURS):
        raise ValueError(f"{name}: found {slots}; should be 24 (day) or 168 (week)")


def _local_scale(returns: Floats, opens: NDArray[np.int64], hours: int) -> Floats:
    """`sqrt(BV / M)` of each return's period of `hours`; missing where it has too few products."""
    period = opens // hours
    product = np.abs(returns[1:]) * np.abs(returns[:-1])
    # No product reaches across a hole, or from one day or week into the next.
    inside = (np.diff(opens) == 1) & (np.diff(period) == 0) & np.isfinite(product)
    codes, position = np.unique(period, return_inverse=True)
    where = position[1:][inside]
    # minlength, since a period without any product has a count too.
    count = np.bincount(where, minlength=len(codes))
    total = np.bincount(where, weights=product[inside], minlength=len(codes))
    # A period of M hours has M - 1 products; a scale from fewer than half is left out.
    enough = (2 * count >= hours - 1) & (total > 0)
    # BV / M = pi / 2 * mean product: M / (M - 1) * (M - 1) * mean / M.
    scale = np.full(len(codes), np.nan)
    scale[enough] = np.sqrt(np.pi / 2 * total[enough] / count[enough])
    return scale[position]


def _split(values: Floats, slot: NDArray[np.int64], slots: int) -> list[Floats]:
    counts = np.bincount(slot, minlength=slots)
    if counts.min() < _MIN_RETURNS:
        raise ValueError(
            f"slot {counts.argmin()} of {slots} has {counts.min()} usable returns; "
            f"at least {_MIN_RETURNS} are needed"
        )
    ordered = values[np.argsort(slot, kind="stable")]
    return np.split(ordered, np.cumsum(counts)[:-1])


def _check_first_scale(first: Floats) -> None:
    if not first.min() > 0:
        raise ValueError(
            f"slot {first.argmin()} of {len(first)}: half of the returns are equal, no scale"
        )


def _shortest_half(values: Floats) -> float:
    ordered = np.sort(values)
    half = len(ordered) // 2 + 1
    return _SHORTEST_HALF * float(np.min(ordered[half - 1 :] - ordered[: len(ordered) - half + 1]))


def _weighted_sd(values: Floats, scale: float) -> float:
    kept = values[(values / scale) ** 2 <= _CUT_OFF]
    # A slot without a value inside the cut-off keeps its first scale.
    return float(np.sqrt(_EFFICIENCY * np.mean(kept**2))) if len(kept) else scale


def _normalised(factors: Floats) -> Floats:
    size = np.sqrt(np.mean(factors**2))
    return factors / size if size > 0 else factors
