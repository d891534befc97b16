from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvol_utils.data.resample import hourly_closes

NAMES = ("open", "high", "low", "close")
START = pd.Timestamp("2021-01-01 05:00", tz="UTC")
HOUR = pd.Timedelta(hours=1)


def bars(opens: pd.DatetimeIndex, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = len(opens)
    table = pd.DataFrame(rng.uniform(50, 60, (n, 4)).round(2), columns=list(NAMES), index=opens)
    return table.assign(volume=rng.integers(0, 1_000, n).astype(float))


def every(minutes: int, n: int, start: pd.Timestamp = START) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=n, freq=f"{minutes}min").as_unit("us")


def by_hand(table: pd.DataFrame, minutes: int) -> dict[pd.Timestamp, list[float]]:
    """Hours in plain Python: the bars that open and close within each; no part of an hour."""
    hours: dict[pd.Timestamp, list] = {}
    for time, *row in table.itertuples():
        hours.setdefault(time.floor("h") + HOUR, []).append((time, *row))
    found = {}
    for hour, rows in hours.items():
        begins = hour == min(hours) and rows[0][0] != hour - HOUR
        ends = hour == max(hours) and rows[-1][0] + pd.Timedelta(minutes=minutes) != hour
        if begins or ends:
            continue
        _, opened, high, low, close, volume = map(list, zip(*rows, strict=True))
        combined = (opened[0], max(high), min(low), close[-1], sum(volume))
        cells = (opened[:1], high, low, close[-1:], volume)
        found[hour] = [
            np.nan if np.isnan(part).any() else value
            for value, part in zip(combined, cells, strict=True)
        ]
    return found


@settings(max_examples=60, deadline=None)
@given(
    minutes=st.sampled_from([1, 5, 15, 30, 60]),
    first=st.integers(0, 90),
    gone=st.lists(st.integers(0, 299), max_size=200),
    empty=st.lists(st.tuples(st.integers(0, 299), st.integers(0, 4)), max_size=3),
    seed=st.integers(0, 5),
)
def test_short_bars_are_combined_as_by_hand(minutes, first, gone, empty, seed):
    whole = bars(every(minutes, 300, START + first * pd.Timedelta(minutes=minutes)), seed)
    for row, column in empty:
        whole.iloc[row, column] = np.nan
    table = whole.drop(whole.index[sorted(set(gone) - {0})])
    hours = hourly_closes(table, NAMES, minutes)
    expected = by_hand(table, minutes)
    assert hours.index.tolist() == list(expected)
    np.testing.assert_allclose(hours.to_numpy(), list(expected.values()), rtol=1e-12)


def test_an_hour_takes_its_own_bars_and_no_later_one():
    table = bars(every(20, 9))
    hours = hourly_closes(table, NAMES, 20)
    assert hours.index.tolist() == [START + k * HOUR for k in (1, 2, 3)]
    second = hours.iloc[1]
    assert second["open"] == table["open"].iloc[3]
    assert second["high"] == table["high"].iloc[3:6].max()
    assert second["low"] == table["low"].iloc[3:6].min()
    assert second["close"] == table["close"].iloc[5]
    assert second["volume"] == table["volume"].iloc[3:6].sum()


def test_an_hour_without_a_bar_is_a_gap_and_one_with_a_bar_is_none():
    opens = every(15, 16)
    table = bars(opens.delete([4, 5, 6, 7, 9, 10, 11]))  # all of one hour, most of the next
    hours = hourly_closes(table, NAMES, 15)
    assert hours.index.tolist() == [START + k * HOUR for k in (1, 3, 4)]
    assert hours["close"].iloc[1] == table["close"].iloc[4]


def test_hours_that_the_file_covers_in_part_are_left_out():
    table = bars(every(15, 10, START + pd.Timedelta(minutes=15)))  # 05:15 to 07:45
    assert hourly_closes(table, NAMES, 15).index.tolist() == [START + 2 * HOUR]
    assert hourly_closes(table.head(2), NAMES, 15).empty


@pytest.mark.parametrize("hours", [1, 4, 24])
def test_long_bars_stand_at_their_close(hours):
    table = bars(every(60 * hours, 5, pd.Timestamp("2021-01-01", tz="UTC")))
    known = hourly_closes(table, NAMES, 60 * hours)
    assert known.index.tolist() == [time + hours * HOUR for time in table.index]
    np.testing.assert_array_equal(known[list(NAMES)], table[list(NAMES)])
    np.testing.assert_allclose(known["volume"], table["volume"] / hours)


@settings(max_examples=40, deadline=None)
@given(minutes=st.sampled_from([1, 10, 60, 240, 1_440]), where=st.floats(0.2, 0.8))
def test_no_hour_changes_when_later_bars_do(minutes, where):
    table = bars(every(minutes, 200, pd.Timestamp("2021-01-01", tz="UTC")))
    row = int(where * len(table))
    changed = table.copy()
    changed.iloc[row:] += 1.0
    known = table.index[row] + pd.Timedelta(minutes=minutes)  # close of the first changed bar
    before, after = (hourly_closes(t, NAMES, minutes) for t in (table, changed))
    pd.testing.assert_frame_equal(before[before.index < known], after[after.index < known])
    later = before.index >= known
    assert (before[later] != after[later]).any(axis=1).iloc[0]
