from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvol_utils.samples.events import near_expiry, option_expiries
from dvol_utils.samples.releases import (
    STATUSES,
    listed_until,
    macro_releases,
    release_notes,
    releases,
    releases_ahead,
)

HOUR = pd.Timedelta(hours=1)


def literal_expiries(first_year: int, last_year: int, months: tuple[int, ...]) -> list:
    """Walk back from each month's last day to its Friday."""
    found = []
    for year in range(first_year, last_year + 1):
        for month in months:
            after = date(year + month // 12, month % 12 + 1, 1)
            day = after - timedelta(days=1)
            while day.isoweekday() != 5:
                day -= timedelta(days=1)
            found.append(pd.Timestamp(day, tz="UTC") + 8 * HOUR)
    return found


@pytest.mark.parametrize(
    ("quarterly", "months"), [(False, tuple(range(1, 13))), (True, (3, 6, 9, 12))]
)
def test_expiries_are_the_last_fridays_at_eight(quarterly, months):
    start, end = pd.Timestamp("2019-01-01", tz="UTC"), pd.Timestamp("2030-12-31 23:00", tz="UTC")
    found = option_expiries(start, end, quarterly=quarterly)
    assert found.tolist() == literal_expiries(2019, 2030, months)


def test_a_range_includes_its_ends_and_no_more():
    expiry = pd.Timestamp("2024-03-29 08:00", tz="UTC")
    assert option_expiries(expiry, expiry, quarterly=True).tolist() == [expiry]
    assert option_expiries(expiry + HOUR, expiry + 20 * 24 * HOUR).empty
    assert option_expiries(expiry - 20 * 24 * HOUR, expiry - HOUR).empty


@settings(max_examples=25, deadline=None)
@given(
    start=st.datetimes(pd.Timestamp("2020-01-01"), pd.Timestamp("2027-01-01")),
    hours=st.integers(1, 100),
    quarterly=st.booleans(),
)
def test_nearness_is_what_the_clock_says(start, hours, quarterly):
    times = pd.date_range(pd.Timestamp(start, tz="UTC").floor("h"), periods=800, freq="h")
    months = (3, 6, 9, 12) if quarterly else tuple(range(1, 13))
    expiries = literal_expiries(2019, 2028, months)
    away = np.array([[(e - t) / HOUR for e in expiries] for t in times[::40]])
    ahead, behind = near_expiry(times, hours, quarterly=quarterly)
    np.testing.assert_array_equal(ahead[::40], ((away > 0) & (away <= hours)).any(axis=1))
    np.testing.assert_array_equal(behind[::40], ((away <= 0) & (away > -hours)).any(axis=1))


def test_an_expiry_lies_behind_its_own_hour():
    times = pd.date_range("2024-03-29 07:00", periods=2, freq="h", tz="UTC")
    ahead, behind = near_expiry(times, 1)
    assert ahead.tolist() == [True, False]
    assert behind.tolist() == [False, True]


def test_windows_are_at_least_an_hour():
    times = pd.date_range("2024-03-29", periods=2, freq="h", tz="UTC")
    with pytest.raises(ValueError, match=r"^hours: found 0; should be at least 1$"):
        near_expiry(times, 0)


def test_releases_are_where_the_schedules_say():
    due = macro_releases()
    assert due.is_monotonic_increasing
    assert due.is_unique
    # Summer and winter time in Washington.
    for time in ("2024-06-12 12:30", "2024-06-12 18:00", "2024-12-11 13:30", "2024-12-18 19:00"):
        assert pd.Timestamp(time, tz="UTC") in due
    # Eight meetings and twelve prices a year; two prices of 2025 were lost to a shutdown's days.
    assert due[due < "2027"].year.value_counts().to_dict() == {
        **dict.fromkeys([2021, 2022, 2023, 2024, 2026], 20),
        2025: 19,
    }
    assert not due.day_of_week.isin([5, 6]).any()


def test_every_release_says_how_sure_it_is_and_by_whom():
    table = releases()
    assert set(table["release"]) == {"FOMC", "CPI"}
    assert set(table["status"]) <= set(STATUSES)
    assert (table["source"].str.len() > 10).all()
    assert not table.duplicated(["release", "time"]).any()
    announced = table[table["status"] == "announced"]
    assert announced["source"].str.startswith("https://www.").all()
    disputed = table.loc[table["status"] == "disputed", "time"]
    assert not disputed.isin(macro_releases()).any()


def test_the_list_reaches_half_a_year_on_or_a_study_is_told_where_it_ends():
    soon = pd.Timestamp.now("UTC") + pd.DateOffset(months=6)
    ends = listed_until()
    for kind, end in ends.items():
        assert end in macro_releases()
        told = " ".join(release_notes(soon - HOUR, soon))
        assert end >= soon or f"{kind} at {end:%Y-%m-%d %H:%M}" in told
    page = (Path(__file__).parents[1] / "docs/models.md").read_text()
    assert f"FOMC {ends['FOMC']:%Y-%m-%d}, CPI {ends['CPI']:%Y-%m-%d}" in page


def test_hours_beyond_the_list_and_expected_days_are_told():
    first, end = pd.Timestamp("2026-06-01", tz="UTC"), listed_until()["CPI"]
    assert release_notes(first, pd.Timestamp("2026-12-09", tz="UTC")) == []
    (expected,) = release_notes(first, end - 48 * HOUR)
    assert expected.endswith("when the list was made: CPI 2027-01-13.")
    ended, expected = release_notes(first, end - 47 * HOUR)
    assert "(CPI at 2027-01-13 13:30 UTC)" in ended
    both = release_notes(first, pd.Timestamp("2030", tz="UTC"))[0]
    assert "(CPI at 2027-01-13 13:30; FOMC at 2027-04-28 18:00 UTC)" in both


@settings(max_examples=25, deadline=None)
@given(
    start=st.datetimes(pd.Timestamp("2020-12-01"), pd.Timestamp("2027-01-01")),
    after_hours=st.integers(0, 40),
    more=st.integers(1, 60),
)
def test_releases_ahead_are_counted(start, after_hours, more):
    times = pd.date_range(pd.Timestamp(start, tz="UTC").floor("h"), periods=500, freq="h")
    found = releases_ahead(times, after_hours + more, after_hours)
    away = np.array([[(r - t) / HOUR for r in macro_releases()] for t in times[::25]])
    due = (away > after_hours) & (away <= after_hours + more)
    np.testing.assert_array_equal(found[::25], due.sum(axis=1))


def test_a_window_without_hours_is_refused():
    with pytest.raises(ValueError, match="after_hours: found 24; should be from 0 to less than 24"):
        releases_ahead(pd.date_range("2024", periods=3, freq="h", tz="UTC"), 24, 24)
