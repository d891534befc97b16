"""Lee and Mykland's statistic against a literal transcription, and what must always hold."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from dvol_utils.jumps.statistics import (
    benjamini_hochberg,
    critical_value,
    gumbel_constants,
    gumbel_quantile,
    lee_mykland,
    normal_p_values,
    spurious_rate,
    universal_threshold,
)

REAL_DVOL = Path(__file__).parents[2] / "shared/data/btc_dvol_hourly.csv"


def literal(returns, K, alpha, n, include_current=False):
    """The paper's formulas, return by return; products with a missing factor are skipped."""
    c, q = math.sqrt(2 / math.pi), math.sqrt(2 * math.log(n))
    C = q / c - (math.log(math.pi) + math.log(math.log(n))) / (2 * c * q)
    S = 1 / (c * q)
    first = next(i for i, r in enumerate(returns) if not math.isnan(r))
    rows = []
    for i in range(len(returns)):
        last = i if include_current else i - 1
        products = []
        for j in range(last - (K - 2) + 1, last + 1):
            if j < first + 1:
                break
            product = abs(returns[j]) * abs(returns[j - 1])
            if not math.isnan(product):
                products.append(product)
        full_window = last - (K - 2) + 1 >= first + 1
        testable = full_window and 2 * len(products) >= K - 2 and not math.isnan(returns[i])
        sigma = math.sqrt(math.fsum(products) / len(products)) if testable else 0.0
        if sigma == 0:
            rows.append((math.nan, math.nan, math.nan, None))
            continue
        L = returns[i] / sigma
        xi = (abs(L) - C) / S
        p = -math.expm1(-math.exp(-xi))
        rows.append((sigma, L, p, xi > -math.log(-math.log(1 - alpha))))
    return rows


def heavy_returns(n, seed=0, share_missing=0.0, share_zero=0.0):
    rng = np.random.default_rng(seed)
    returns = 0.01 * rng.standard_t(3, n)
    returns[rng.random(n) < share_zero] = 0.0
    returns[rng.random(n) < share_missing] = np.nan
    return returns


@pytest.mark.parametrize("include_current", [False, True])
@pytest.mark.parametrize(
    ("window", "missing", "zero"), [(3, 0.0, 0.0), (10, 0.1, 0.3), (94, 0.0, 0.0), (94, 0.2, 0.0)]
)
def test_equals_the_literal_transcription(window, missing, zero, include_current):
    returns = heavy_returns(600, window, missing, zero)
    returns[: int(100 * missing)] = np.nan  # a series may begin late
    options = {"window": window, "alpha": 0.05, "n_tests": 600, "include_current": include_current}
    table = lee_mykland(returns, **options)
    oracle = literal(returns.tolist(), window, 0.05, 600, include_current)
    sigma, statistic, p_value, is_jump = zip(*oracle, strict=True)
    np.testing.assert_allclose(table["sigma"], sigma, rtol=1e-12)
    np.testing.assert_allclose(table["statistic"], statistic, rtol=1e-12)
    np.testing.assert_allclose(table["p_value"], p_value, rtol=1e-9, atol=1e-300)
    expected = pd.array([pd.NA if flag is None else flag for flag in is_jump], dtype="boolean")
    assert table["is_jump"].array.equals(expected)
    assert 0 < table["is_jump"].sum() < 300


def test_constants_of_the_paper():
    assert gumbel_quantile(0.01) == pytest.approx(4.600149, abs=5e-7)
    assert gumbel_quantile(0.05) == pytest.approx(2.970195, abs=5e-7)
    thresholds = {(0.01, 1440): 5.7775, (0.05, 1440): 5.2418}
    thresholds |= {(0.01, 8760): 6.2007, (0.05, 8760): 5.7212}
    for (alpha, n), value in thresholds.items():
        assert critical_value(alpha, n) == pytest.approx(value, abs=5e-5)
    centre, scale = gumbel_constants(8760)
    assert centre + scale * gumbel_quantile(0.01) == critical_value(0.01, 8760)


def test_first_testable_return_and_default_number_of_tests():
    returns = heavy_returns(300)
    returns[200] = np.nan
    table = lee_mykland(returns, window=94, alpha=0.01)
    assert table["statistic"].first_valid_index() == 93
    current = lee_mykland(returns, window=94, alpha=0.01, include_current=True)
    assert current["statistic"].first_valid_index() == 92
    tests = int(table["statistic"].count())
    assert tests == 300 - 93 - 1  # each hour from the first but the missing one
    pd.testing.assert_frame_equal(
        table, lee_mykland(returns, window=94, alpha=0.01, n_tests=tests), check_exact=True
    )


def test_half_a_window_of_missing_returns_is_the_most():
    returns = np.random.default_rng(3).standard_normal(60)
    window = 22  # 20 products
    missing = returns.copy()
    missing[40:49] = np.nan  # ten products from 40 to 49
    assert lee_mykland(missing, window=window, alpha=0.1)["statistic"].notna()[50:].all()
    missing[49] = np.nan  # eleven
    table = lee_mykland(missing, window=window, alpha=0.1)
    lost = table.index[table["statistic"].isna()]
    # Row 51 looks at products 31 .. 50, of which 40 .. 50 are missing; row 60 would still see them.
    assert list(lost) == [*range(21), *range(40, 50), *range(51, 60)]


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    log10_factor=st.floats(-6, 6),
    missing=st.sampled_from([0.0, 0.1]),
    window=st.integers(3, 60),
)
def test_flags_do_not_change_when_returns_are_multiplied(seed, log10_factor, missing, window):
    returns = heavy_returns(400, seed, missing)
    plain = lee_mykland(returns, window=window, alpha=0.05)
    scaled = lee_mykland(returns * 10**log10_factor, window=window, alpha=0.05)
    assert plain["is_jump"].array.equals(scaled["is_jump"].array)
    np.testing.assert_allclose(scaled["statistic"], plain["statistic"], rtol=1e-10)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    cut=st.integers(1, 499),
    window=st.integers(3, 120),
    include_current=st.booleans(),
    size=st.sampled_from([1e-9, 1.0, 1e9]),
)
def test_earlier_rows_keep_every_bit_whatever_follows(seed, cut, window, include_current, size):
    returns = heavy_returns(500, seed, 0.05, 0.05)
    changed = returns.copy()
    changed[cut:] = size * heavy_returns(500, seed + 1, 0.3)[cut:]
    options = {"window": window, "alpha": 0.01, "n_tests": 500, "include_current": include_current}
    whole = lee_mykland(returns, **options)[:cut]
    for other in (returns[:cut], changed):
        pd.testing.assert_frame_equal(whole, lee_mykland(other, **options)[:cut], check_exact=True)


def test_a_huge_value_long_ago_leaves_no_trace():
    returns = np.full(3_000, 1e-6)
    returns[1_000:1_002] = 1e6
    sigma = lee_mykland(returns, window=94, alpha=0.01)["sigma"]
    np.testing.assert_allclose(sigma[2_000:], 1e-6, rtol=1e-12)


def test_flat_series_is_not_testable_and_gives_no_flag():
    table = lee_mykland(np.zeros(200), window=94, alpha=0.01)
    assert table.isna().all(axis=None)
    moved = np.zeros(200)
    moved[150] = 0.1  # the first move after a flat window has no yardstick
    assert lee_mykland(moved, window=94, alpha=0.01).isna().all(axis=None)


def test_a_day_of_zero_returns_lowers_sigma_and_is_no_jump_itself():
    returns = np.random.default_rng(8).standard_normal(300)
    returns[150:174] = 0.0
    table = lee_mykland(returns, window=94, alpha=0.01)
    assert table["statistic"][93:].notna().all()
    assert (table["statistic"][150:174] == 0).all()
    assert not table["is_jump"][150:174].any()
    # Row 174 looks at the products 82 .. 173, of which 150 .. 173 are zero.
    products = np.abs(returns[82:150] * returns[81:149])
    assert table["sigma"][174] == pytest.approx(np.sqrt(products.sum() / 92), rel=1e-12)
    # A window of 18 products, i - 18 .. i - 1, lies within the zeros 150 .. 174 for i = 168 .. 175.
    short = lee_mykland(returns, window=20, alpha=0.01)
    np.testing.assert_array_equal(
        np.flatnonzero(short["statistic"][19:].isna()) + 19, np.arange(168, 176)
    )
    assert short["is_jump"][168:176].isna().all()


def test_a_series_of_missing_returns_is_not_testable():
    table = lee_mykland(np.full(300, np.nan), window=94, alpha=0.01)
    assert len(table) == 300
    assert table.isna().all(axis=None)


def test_a_series_shorter_than_the_window_is_not_testable():
    for n in (0, 1, 93):
        assert lee_mykland(np.ones(n), window=94, alpha=0.01).isna().all(axis=None)
    assert lee_mykland(np.ones(94), window=94, alpha=0.01)["statistic"].count() == 1


@given(alpha=st.floats(1e-4, 0.5), n=st.integers(2, 10**7))
def test_p_value_meets_alpha_at_the_threshold(alpha, n):
    limit = critical_value(alpha, n)
    returns = np.ones(30)
    returns[20], returns[25] = limit * (1 - 1e-9), limit * (1 + 1e-9)
    table = lee_mykland(returns[:21], window=10, alpha=alpha, n_tests=n)
    assert not table["is_jump"].iloc[20]
    returns[20] = 1.0
    table = lee_mykland(returns[:26], window=10, alpha=alpha, n_tests=n)
    assert table["is_jump"].iloc[25]
    flags = table["is_jump"].dropna().astype(bool)
    assert ((table["p_value"][flags.index] < alpha) == flags).all()


def test_statistic_is_signed_and_keeps_the_index():
    returns = pd.Series(heavy_returns(300, 5), index=pd.RangeIndex(7, 307))
    table = lee_mykland(returns, window=20, alpha=0.01)
    mirrored = lee_mykland(-returns, window=20, alpha=0.01)
    assert table.index.equals(returns.index)
    np.testing.assert_array_equal(table["statistic"], -mirrored["statistic"])


def test_periodicity_divides_the_returns():
    returns, factors = heavy_returns(300, 6), np.exp(np.random.default_rng(1).normal(size=300) / 3)
    options = {"window": 30, "alpha": 0.05}
    pd.testing.assert_frame_equal(
        lee_mykland(returns * factors, periodicity=factors, **options),
        lee_mykland(returns * factors / factors, **options),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": 2}, r"window: found 2; should be at least 3 returns"),
        ({"alpha": 0}, r"alpha: found 0; should lie between 0 and 1, e.g. 0.01 for 1 %"),
        ({"alpha": 1.5}, r"alpha: found 1.5; should lie between 0 and 1"),
        ({"n_tests": 1}, r"n: found 1; should be at least 2 tests"),
        ({"log_returns": [0.1, math.inf]}, r"log_returns: row 1 is infinite"),
        ({"log_returns": [[0.1]]}, r"log_returns: found shape \(1, 1\); should be one-dimensional"),
        ({"periodicity": [1.0]}, r"periodicity: found shape \(1,\); should be \(5,\)"),
        ({"periodicity": [1, 1, 0, 1, 1]}, r"periodicity: row 2 is 0.0; should be positive"),
    ],
)
def test_bad_input_is_named(change, message):
    good = {"log_returns": np.ones(5), "window": 3, "alpha": 0.01}
    arguments = good | change
    with pytest.raises(ValueError, match=message):
        lee_mykland(arguments.pop("log_returns"), **arguments)


def test_real_dvol_has_the_known_number_of_jumps():
    if not REAL_DVOL.is_file():
        pytest.skip(f"{REAL_DVOL} is not there")
    closes = pd.read_csv(REAL_DVOL)["dvol_close"]
    returns = np.diff(np.log(closes))
    table = lee_mykland(returns, window=94, alpha=0.01)
    assert (len(closes), int(table["is_jump"].sum())) == (39_985, 280)
    every = lee_mykland(returns, window=94, alpha=0.01, n_tests=len(returns))
    assert int(every["is_jump"].sum()) == 280


@pytest.mark.parametrize(("inside", "known"), [(False, 3.33e-5), (True, 2.14e-5)])
def test_spurious_rate_has_the_known_values(inside, known):
    rate = spurious_rate(
        window=78, alpha=0.05, n_tests=6_048, include_current=inside, draws=4_000_000, seed=3
    )
    assert rate == pytest.approx(known, rel=0.05)


@pytest.mark.parametrize("inside", [False, True])
def test_spurious_rate_equals_counted_flags_where_flags_are_common(inside):
    options = {"window": 12, "alpha": 0.4, "n_tests": 10, "include_current": inside}
    returns = np.random.default_rng(4).standard_normal(400_000)
    counted = lee_mykland(returns, **options)["is_jump"].mean()
    assert spurious_rate(**options, draws=400_000) == pytest.approx(counted, rel=0.03)


@settings(deadline=None)
@given(
    p=st.lists(st.floats(0, 1), min_size=1, max_size=60), alpha=st.sampled_from([0.01, 0.1, 0.4])
)
def test_benjamini_hochberg_equals_statsmodels(p, alpha):
    expected, adjusted = multipletests(p, alpha=alpha, method="fdr_bh")[:2]
    clear = np.abs(adjusted - alpha) > 1e-12  # on the line itself rounding decides
    np.testing.assert_array_equal(benjamini_hochberg(p, alpha)[clear], expected[clear])


def test_benjamini_hochberg_ignores_missing_tests():
    p = np.array([0.011, np.nan, 0.9, 0.02, np.nan, 0.03])
    mask = benjamini_hochberg(p, 0.05)
    np.testing.assert_array_equal(mask, [True, False, False, True, False, True])
    assert not benjamini_hochberg([np.nan, np.nan], 0.05).any()


def test_alternatives_without_a_test_flag_nothing():
    assert benjamini_hochberg([], 0.05).shape == (0,)
    assert normal_p_values([]).shape == (0,)
    assert not universal_threshold([np.nan, np.nan], 100).any()
    assert np.isnan(normal_p_values([np.nan])).all()
    with pytest.raises(ValueError, match="n: found 1; should be at least 2 tests"):
        universal_threshold([1.0], 1)
    with pytest.raises(ValueError, match=r"alpha: found 1.0; should lie between 0 and 1"):
        benjamini_hochberg([0.5], 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": 2}, "window: found 2; should be at least 3 returns"),
        ({"alpha": math.nan}, "alpha: found nan; should lie between 0 and 1"),
        ({"n_tests": 1}, "n: found 1; should be at least 2 tests"),
    ],
)
def test_bad_input_of_the_spurious_rate_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        spurious_rate(**{"window": 94, "alpha": 0.01, "n_tests": 8_760} | change)


def test_a_simulated_series_is_never_shorter_than_two_windows():
    options = {"window": 94, "alpha": 0.01, "n_tests": 8_760}
    assert spurious_rate(**options, draws=1) == spurious_rate(**options, draws=2 * 94)


def test_normal_p_values_and_universal_threshold():
    statistic = np.array([0.0, -2.0, 6.0, np.nan])
    c = math.sqrt(2 / math.pi)
    np.testing.assert_allclose(normal_p_values(statistic), 2 * norm.sf(c * np.abs(statistic)))
    edge = math.sqrt(2 * math.log(100)) / c
    flags = universal_threshold([edge * 1.0001, -edge * 1.0001, edge * 0.9999, np.nan], 100)
    assert flags.tolist() == [True, True, False, False]
