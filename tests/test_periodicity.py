"""Weighted standard deviation against a literal transcription and a known pattern."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from dvol_utils.jumps.periodicity import periodicity_factor, periodicity_wsd, slot_of


def hourly(values, start="2024-01-01 01:00"):
    times = pd.date_range(start, periods=len(values), freq="h", tz="UTC", name="time")
    return pd.Series(values, index=times)


def literal(returns: pd.Series, slots: int, hours: int) -> list[float]:
    opens = returns.index - pd.Timedelta(hours=1)
    if hours == 24:
        periods = opens.floor("D")
    else:
        periods = opens.floor("D") - pd.to_timedelta(opens.day_of_week, unit="D")
    standardised = {slot: [] for slot in range(slots)}
    for period in periods.unique():
        inside = [(o, r) for o, r, p in zip(opens, returns, periods, strict=True) if p == period]
        products = [
            abs(b) * abs(a)
            for (s, a), (t, b) in itertools.pairwise(inside)
            if t - s == pd.Timedelta(hours=1) and not math.isnan(a * b)
        ]
        if 2 * len(products) < hours - 1 or sum(products) == 0:
            continue
        M = hours
        BV = math.pi / 2 * M / (M - 1) * sum(products) * (M - 1) / len(products)
        for o, r in inside:
            if not math.isnan(r):
                slot = o.hour if slots == 24 else o.day_of_week * 24 + o.hour
                standardised[slot].append(r / math.sqrt(BV / M))

    def unit(values):
        size = math.sqrt(sum(v * v for v in values) / len(values))
        return [v / size for v in values]

    halves = []
    for slot in range(slots):
        x = sorted(standardised[slot])
        h = len(x) // 2 + 1
        halves.append(0.741 * min(x[k + h - 1] - x[k] for k in range(len(x) - h + 1)))
    factors = []
    for slot, f0 in enumerate(unit(halves)):
        kept = [x for x in standardised[slot] if (x / f0) ** 2 <= 6.635]
        factors.append(math.sqrt(1.081 * sum(x * x for x in kept) / len(kept)))
    return unit(factors)


@pytest.mark.parametrize("hours", [24, 168])
@pytest.mark.parametrize("slots", [24, 168])
def test_equals_the_literal_transcription(slots, hours):
    rng = np.random.default_rng(slots + hours)
    values = 0.01 * rng.standard_t(4, 24 * 7 * 12 + 5)
    values[rng.random(len(values)) < 0.03] = np.nan
    values[200:215] = np.nan  # a day with too few products
    values[480:504] = 0.0  # a flat one
    returns = hourly(values, "2024-01-03 11:00").drop(pd.Timestamp("2024-01-20 07:00", tz="UTC"))
    factors = periodicity_wsd(returns, slots, standardise_hours=hours)
    np.testing.assert_allclose(factors, literal(returns, slots, hours), rtol=1e-10)
    assert factors.index.equals(pd.RangeIndex(slots, name="slot"))


def test_recovers_a_known_pattern_of_the_day_in_spite_of_jumps():
    rng = np.random.default_rng(0)
    pattern = 1 + 0.6 * np.sin(2 * np.pi * np.arange(24) / 24)
    pattern /= np.sqrt(np.mean(pattern**2))
    level = np.repeat(np.exp(0.4 * rng.normal(size=1_000)), 24)
    values = level * np.tile(pattern, 1_000) * rng.standard_normal(24_000)
    values[8::240] += 30  # every tenth day at 08:00
    estimate = periodicity_wsd(hourly(values), 24)
    assert np.mean(estimate**2) == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(estimate, pattern, rtol=0.1)
    assert values[8::24].std() / values.std() > 2 * pattern[8]  # which plain deviations would not


def test_recovers_a_known_pattern_of_the_week():
    rng = np.random.default_rng(1)
    pattern = np.exp(0.3 * rng.normal(size=168))
    pattern[120:] *= 0.6
    pattern /= np.sqrt(np.mean(pattern**2))
    returns = hourly(np.tile(pattern, 700) * rng.standard_normal(168 * 700))
    by_week = periodicity_wsd(returns, 168, standardise_hours=168)
    by_day = periodicity_wsd(returns, 168)
    np.testing.assert_allclose(by_week, pattern, rtol=0.15)
    size_of_day = np.sqrt((by_day.to_numpy() ** 2).reshape(7, 24).mean(axis=1))
    np.testing.assert_allclose(size_of_day, 1, atol=0.1)  # weekends' level is taken out by day


def test_factors_do_not_depend_on_the_scale_of_returns():
    values = np.random.default_rng(2).standard_normal(24 * 200)
    small, large = (periodicity_wsd(hourly(values * k), 24) for k in (1e-5, 1e4))
    np.testing.assert_allclose(small, large, rtol=1e-10)


def test_slots_count_from_monday_by_the_bars_open():
    closes = pd.DatetimeIndex(
        ["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-02 00:00", "2024-01-07 12:00"], tz="UTC"
    )
    assert slot_of(closes, 168).tolist() == [167, 0, 23, 6 * 24 + 11]
    assert slot_of(closes, 24).tolist() == [23, 0, 23, 11]
    assert slot_of(pd.Series(closes), 24).tolist() == [23, 0, 23, 11]
    factors = pd.Series(np.arange(24.0), name="factor").iloc[::-1]  # order does not matter
    assert periodicity_factor(factors, closes).tolist() == [23, 0, 23, 11]


def test_bad_input_is_named():
    good = hourly(np.random.default_rng(0).standard_normal(24 * 20))
    with pytest.raises(ValueError, match=r"slots: found 12; should be 24 \(day\) or 168 \(week\)"):
        periodicity_wsd(good, 12)
    with pytest.raises(ValueError, match=r"standardise_hours: found 48; should be 24"):
        periodicity_wsd(good, 24, standardise_hours=48)
    with pytest.raises(ValueError, match="factors: found 7; should be 24"):
        periodicity_factor(pd.Series(np.ones(7)), good.index)
    with pytest.raises(ValueError, match="times: found time zone None; should be UTC"):
        periodicity_wsd(good.tz_localize(None), 24)
    with pytest.raises(ValueError, match="times should increase and be unique"):
        periodicity_wsd(good.iloc[::-1], 24)
    with pytest.raises(ValueError, match=r"slot \d+ of 168 has 2 usable returns; at least 3"):
        periodicity_wsd(good, 168)
    flat = good.where(good.index.hour != 6, 0.0)
    with pytest.raises(ValueError, match="slot 5 of 24: half of the returns are equal, no scale"):
        periodicity_wsd(flat, 24)
