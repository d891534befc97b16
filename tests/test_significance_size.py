"""How often the tests reject on simulated forecasts: seldom where nothing differs, often elsewhere.

Outcomes are 24-step changes of a random walk at every step, forecasts err for as long. The level of
all tests is 5 %. The bands are honest: by the periodogram tests keep it, with Bartlett weights they
reject somewhat too often where targets overlap, and those that take steps for independent do most
of the time. `benchmarks/levels.py` measures the same on more runs and other markets.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dvol_utils.significance import (
    clark_west,
    diebold_mariano,
    direction_test,
    giacomini_white,
    mincer_zarnowitz,
    superior_ability,
)
from dvol_utils.significance.resampling import Resampling

HORIZON, ROWS, RUNS = 24, 2000, 300

pytestmark = pytest.mark.slow


def overlapping(rng: np.random.Generator, rows: int = ROWS) -> np.ndarray:
    """Sums of 24 shocks, one more at every step: variance 1."""
    shocks = rng.standard_normal(rows + HORIZON - 1)
    return np.convolve(shocks, np.full(HORIZON, HORIZON**-0.5), mode="valid")


@pytest.fixture(scope="module")
def rejected() -> pd.Series:
    """Share of runs in which each test rejects at 5 %."""
    rng, runs = np.random.default_rng(0), []
    for _ in range(RUNS):
        outcome, noise, other, signal = (overlapping(rng) for _ in range(4))
        a, b = (outcome - 0.3 * noise) ** 2, (outcome - 0.3 * other) ** 2
        useless, told = 0.2 * noise, 0.3 * signal
        known = outcome + told  # the part `told` can be forecast
        zero = np.zeros(ROWS)
        gain = ((known - told) ** 2, known**2)
        absolute = np.abs(outcome - 0.3 * noise), np.abs(outcome - 0.3 * other)
        by = {"horizon": HORIZON, "variance": "periodogram"}
        p_values = {
            "dm": diebold_mariano(a, b, **by)[1],
            "dm_absolute": diebold_mariano(*absolute, **by)[1],
            "dm_bartlett": diebold_mariano(a, b, horizon=HORIZON)[1],
            "dm_twice_the_lags": diebold_mariano(a, b, horizon=HORIZON, lags=46)[1],
            "dm_naive": diebold_mariano(a, b, horizon=1)[1],
            "dm_power": diebold_mariano(*gain, **by)[1],
            "dm_bartlett_power": diebold_mariano(*gain, horizon=HORIZON)[1],
            "gw": giacomini_white(a, b, **by)[1],
            "gw_bartlett": giacomini_white(a, b, horizon=HORIZON)[1],
            "gw_power": giacomini_white(*gain, **by)[1],
            "cw": clark_west(outcome, zero, useless, **by)[1],
            "cw_bartlett": clark_west(outcome, zero, useless, horizon=HORIZON)[1],
            "cw_naive": clark_west(outcome, zero, useless, horizon=1)[1],
            "cw_power": clark_west(known, zero, told, **by)[1],
            "mz": mincer_zarnowitz(known, told, **by).p_value,
            "mz_bartlett": mincer_zarnowitz(known, told, horizon=HORIZON).p_value,
            "mz_naive": mincer_zarnowitz(known, told, horizon=1).p_value,
            "mz_power": mincer_zarnowitz(known, 3 * told, **by).p_value,
        }
        runs.append({name: p < 0.05 for name, p in p_values.items()})
    return pd.DataFrame(runs).mean()


def test_equal_forecasts_are_seldom_told_apart(rejected):
    # Three standard errors of a share of 300 around 5 % and a little more.
    for name in ("dm", "dm_absolute", "gw", "cw", "mz"):
        assert 0.01 <= rejected[name] <= 0.09, name
    assert 0.02 <= rejected["dm_twice_the_lags"] <= rejected["dm_bartlett"] <= 0.13
    assert rejected["dm"] <= rejected["dm_bartlett"]
    assert 0.02 <= rejected["gw_bartlett"] <= 0.11
    assert 0.02 <= rejected["cw_bartlett"] <= 0.12
    assert 0.05 <= rejected["mz_bartlett"] <= 0.18


def test_steps_taken_for_independent_find_differences_everywhere(rejected):
    assert rejected["dm_naive"] > 0.5
    assert rejected["cw_naive"] > 0.25
    assert rejected["mz_naive"] > 0.7


def test_real_differences_are_found(rejected):
    assert rejected["dm_bartlett_power"] > 0.4
    assert rejected["dm_power"] > 0.3  # a true level has its price
    assert rejected["gw_power"] > 0.2
    assert rejected["cw_power"] > 0.9
    assert rejected["mz_power"] > 0.9
    assert rejected["cw_power"] > rejected["dm_power"]


def gains(rng: np.random.Generator, gain: float) -> pd.DataFrame:
    """Persistence and five models of which the first has a gain, the others none."""
    outcome = 60 + overlapping(rng)
    base = pd.DataFrame({"origin": pd.date_range("2025-01-01", periods=ROWS, freq="h", tz="UTC")})
    base = base.assign(horizon_hours=HORIZON, y_true=outcome, y_origin=60.0)
    tables = [base.assign(model="persistence", y_pred=60.0)]
    for place in range(5):
        # A forecast k y + e of the change y gains as much as it loses at 2k - k^2 = var(e).
        share = 0.05 + (gain if place == 0 else 0)
        lost = 0.05 * (2 - 0.05)
        made = share * (outcome - 60) + lost**0.5 * overlapping(rng)
        tables.append(base.assign(model=f"m{place}", y_pred=60 + made))
    return pd.concat(tables, ignore_index=True)


def test_superior_ability_allows_for_the_choice_and_finds_what_is_there():
    rng, runs = np.random.default_rng(1), 60
    draws = {"reps": 150, "seed": 0}
    share = dict.fromkeys(("joint", "naive", "power"), 0)
    for _ in range(runs):
        equal = gains(rng, 0.0)
        share["joint"] += (
            superior_ability(equal, resampling=Resampling(72, **draws))["p_value"].min() < 0.05
        )
        hourly = equal.assign(horizon_hours=1)
        share["naive"] += (
            superior_ability(hourly, resampling=Resampling(1, **draws))["p_value"].min() < 0.05
        )
        found = superior_ability(gains(rng, 0.3), resampling=Resampling(72, **draws))
        share["power"] += found["p_value"].iloc[0] < 0.05
    assert share["joint"] / runs <= 0.25
    assert share["naive"] / runs > 0.75
    assert share["power"] / runs > 0.9


def test_direction_of_blind_forecasts():
    rng, share = np.random.default_rng(2), {"p_value": 0.0, "p_value_naive": 0.0}
    for _ in range(60):
        rows = gains(rng, 0.0)
        rows = rows[rows["model"] == "m0"].assign(y_pred=60 + overlapping(rng))
        found = direction_test(rows, HORIZON).iloc[0]
        for name in share:
            share[name] += (found[name] < 0.05) / 60
    assert share["p_value"] <= 0.16
    assert share["p_value_naive"] > 0.35
