"""Power and false alarms of the jump test by simulation, against plain counting."""

from __future__ import annotations

import numpy as np
import pytest

from dvol_utils.jumps import critical_value, lee_mykland, spurious_rate
from jump_power import detection_power, family_error

COMMON = {"window": 12, "alpha": 0.4, "n_tests": 10}  # flags are common: counting is precise


@pytest.mark.parametrize("inside", [False, True])
def test_power_equals_the_counted_share_of_jumps_found(inside):
    sizes, samples, width = (0.0, 2.0, -4.0), 40_000, COMMON["window"] - 2
    returns = np.random.default_rng(1).standard_normal((samples, COMMON["window"]))
    limit = critical_value(COMMON["alpha"], COMMON["n_tests"])
    power = detection_power(sizes, include_current=inside, **COMMON)
    for size, found in zip(sizes, power, strict=True):
        jumped = np.abs(returns + size * (np.arange(COMMON["window"]) == COMMON["window"] - 1))
        products = jumped[:, 1:] * jumped[:, :-1]
        sigma = np.sqrt((products[:, 1:] if inside else products[:, :-1]).sum(axis=1) / width)
        counted = (jumped[:, -1] > limit * sigma).mean()
        assert counted == pytest.approx(found, abs=5 * np.sqrt(found * (1 - found) / samples))
    first = lee_mykland(returns[0], include_current=inside, **COMMON).iloc[-1]
    products = np.abs(returns[0, 1:] * returns[0, :-1])
    mean = (products[1:] if inside else products[:-1]).mean()
    assert first["sigma"] == pytest.approx(np.sqrt(mean))  # the formula above is the test's


def test_power_without_a_jump_is_the_spurious_rate_and_grows_with_the_jump():
    options = {"window": 94, "alpha": 0.05, "n_tests": 8_760, "draws": 50_000}
    power = detection_power([0, 2, 4, 6, 8, 50], **options)
    assert power[0] == pytest.approx(spurious_rate(**options), rel=1e-9)
    assert (np.diff(power) > 0).all()
    assert power[-1] == pytest.approx(1)
    np.testing.assert_allclose(detection_power([-4], **options), power[2])
    inside = detection_power([4, 6], include_current=True, **options)
    assert (inside < power[2:4]).all()  # a jump in its own window raises its yardstick


def test_family_error_counts_samples_with_a_flag():
    table = family_error((0.1, 0.4), window=12, n_tests=50, families=300, seed=5)
    for row in table.itertuples():
        rng = np.random.default_rng(5)
        flags = np.array(
            [
                lee_mykland(rng.standard_normal(50 + 11), window=12, alpha=row.alpha, n_tests=50)[
                    "is_jump"
                ].sum()
                for _ in range(300)
            ]
        )
        share = (flags > 0).mean()
        assert row.error == share
        assert row.flags == pytest.approx(flags.mean())
        assert row.standard_error == pytest.approx(np.sqrt(share * (1 - share) / 300))
    assert table["alpha"].tolist() == [0.1, 0.4]
    assert 0 < table["error"][0] < table["error"][1] < 1


def test_a_years_family_is_wrong_more_often_than_stated():
    found = family_error((0.05,), window=94, n_tests=8_760, families=150).iloc[0]
    rate = spurious_rate(window=94, alpha=0.05, n_tests=8_760, draws=500_000)
    expected = 1 - (1 - rate) ** 8_760
    assert expected > 0.14  # stated: 5 %
    assert found["error"] == pytest.approx(expected, abs=4 * found["standard_error"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": [1.0, np.nan]}, "size: found nan; should be finite"),
        ({"window": 2}, "window: found 2; should be at least 3 returns"),
        ({"alpha": 0.0}, "alpha: found 0.0; should lie between 0 and 1"),
        ({"n_tests": 1}, "n: found 1; should be at least 2 tests"),
    ],
)
def test_bad_input_of_the_power_is_named(change, message):
    arguments = {"size": [1.0], **COMMON} | change
    with pytest.raises(ValueError, match=message):
        detection_power(arguments.pop("size"), **arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"families": 0}, "families: found 0; should be at least 1 sample"),
        ({"window": 1}, "window: found 1; should be at least 3 returns"),
        ({"alphas": (0.05, 1.0)}, "alpha: found 1.0; should lie between 0 and 1"),
        ({"n_tests": 0}, "n: found 0; should be at least 2 tests"),
    ],
)
def test_bad_input_of_the_family_is_named(change, message):
    arguments = {"alphas": (0.05,), "window": 12, "n_tests": 50, "families": 3} | change
    with pytest.raises(ValueError, match=message):
        family_error(arguments.pop("alphas"), **arguments)
