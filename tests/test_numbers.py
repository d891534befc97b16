from __future__ import annotations

import pandas as pd
import pytest

from dvol_utils.wording.numbers import (
    bounds_text,
    coverage_text,
    day,
    digits,
    duration_text,
    hour,
    hours_text,
    interval_text,
    number,
    p_text,
    percent,
    short_p,
    written,
    written_p,
)

MINUS = "\N{MINUS SIGN}"
NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1234.5678, 2, "1,234.57"),
        (-0.25, 1, f"{MINUS}0.2"),
        (-0.004, 2, "0.00"),
        (0.0, 3, "0.000"),
        (-1000.0, 0, f"{MINUS}1,000"),
        (NAN, 3, "–"),
    ],
)
def test_written_numbers(value, decimals, text):
    assert written(value, decimals) == text


def test_significant_digits():
    values = (-29.318, 166.39, 0.999412, -0.0, NAN)
    assert [digits(value, 4) for value in values] == [f"{MINUS}29.32", "166.4", "0.9994", "0", "–"]


def test_numbers_have_no_negative_zero():
    values = (-0.04, -0.06, 0.0, -10.0)
    assert [number(value, ".1f") for value in values] == [
        "0.0",
        f"{MINUS}0.1",
        "0.0",
        f"{MINUS}10.0",
    ]
    assert number(-0.0001, "+.2f") == "0.00"
    assert percent(-0.0342) == f"{MINUS}3.4 %"


@pytest.mark.parametrize(
    ("p", "sentence", "cell", "short"),
    [
        (0.00004, "p < 0.001", "< 0.001", "<.001"),
        (0.001, "p = 0.001", "0.001", ".001"),
        (0.0316, "p = 0.032", "0.032", ".032"),
        (1.0, "p = 1.000", "1.000", "1.000"),
    ],
)
def test_p_values(p, sentence, cell, short):
    assert (p_text(p), written_p(p), short_p(p)) == (sentence, cell, short)


def test_a_missing_p_value_is_a_dash():
    assert (written_p(NAN), short_p(NAN)) == ("–", "–")


def test_intervals():
    row = pd.Series({"low": -0.012, "high": 0.3})
    assert interval_text(row, 0.975, ".1f", 100, " %") == f"97.5 % interval {MINUS}1.2 to 30.0 %"
    assert bounds_text(-1.21, 3, ".1f") == f"({MINUS}1.2\u00a0to\u00a03.0)"
    assert [coverage_text(share) for share in (0.9, 0.57)] == ["90 %", "57 %"]


def test_times():
    time = pd.Timestamp("2025-03-01 07:59:59", tz="UTC")
    assert hour(time) == hour(time.isoformat()) == "2025-03-01 07:59"
    assert day(time) == "2025-03-01"
    assert [hours_text(hours) for hours in (1, 24)] == ["1 hour", "24 hours"]
    assert [duration_text(seconds) for seconds in (59.4, 60, 754.6)] == [
        "59 s",
        "1 min 0 s",
        "12 min 35 s",
    ]
