"""Lee and Mykland's jump test of single returns, and alternatives to its threshold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc

MEAN_ABSOLUTE_NORMAL = math.sqrt(2 / math.pi)  # c: without jumps c * L is standard normal

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def gumbel_constants(n: int) -> tuple[float, float]:
    """Centre `C_n` and scale `S_n` of the largest of `n` statistics `|L|` without jumps.

    Notes
    -----
    With `c = sqrt(2 / pi)` and `q = sqrt(2 log n)`:
    `C_n = q / c - (log pi + log log n) / (2 c q)`, `S_n = 1 / (c q)`.

    References
    ----------
    Lee and Mykland (2008), Review of Financial Studies 21(6), 2535-2563, doi 10.1093/rfs/hhm056.
    """
    if n < 2:
        raise ValueError(f"n: found {n}; should be at least 2 tests")
    c, q = MEAN_ABSOLUTE_NORMAL, math.sqrt(2 * math.log(n))
    return q / c - (math.log(math.pi) + math.log(math.log(n))) / (2 * c * q), 1 / (c * q)


def gumbel_quantile(alpha: float) -> float:
    """Upper `alpha` quantile of the standard Gumbel law: 4.6001 at 1 %, 2.9702 at 5 %."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha: found {alpha}; should lie between 0 and 1, e.g. 0.01 for 1 %")
    # log1p keeps the digits of a small alpha, which 1 - alpha rounds away.
    return -math.log(-math.log1p(-alpha))


def critical_value(alpha: float, n: int) -> float:
    """Threshold on `|L|` for a family of `n` tests: 6.2007 at 1 % and `n` = 8,760."""
    centre, scale = gumbel_constants(n)
    return centre + scale * gumbel_quantile(alpha)


def lee_mykland(
    log_returns: ArrayLike | pd.Series,
    *,
    window: int,
    alpha: float,
    n_tests: int | None = None,
    include_current: bool = False,
    periodicity: ArrayLike | pd.Series | None = None,
) -> pd.DataFrame:
    """Test each return for a jump against the bipower variation of the returns before it.

    Parameters
    ----------
    log_returns : array-like of float, shape (n,)
        Log returns in order of time; missing values (NaN) are allowed, infinite ones are not.
    window : int
        `K`, at least 3; the paper advises between sqrt(returns a year) and returns a year,
        94 for hours of a 365-day year.
    alpha : float
        Level of the family of `n_tests` tests, between 0 and 1.
    n_tests : int, optional
        Size of that family. By default the number of testable returns, which grows with the
        sample: a fixed number keeps earlier flags when later returns arrive.
    include_current : bool, default False
        Let the window end with the tested return, as many implementations do. A jump then raises
        its own yardstick, and the test is less often wrong and less often right.
    periodicity : array-like of float, shape (n,), optional
        Positive factor per return, mean of squares 1, by which returns are divided beforehand.

    Returns
    -------
    DataFrame
        One row per return, index of `log_returns` where it has one: `sigma` (bipower volatility an
        hour, of the divided returns where `periodicity` is given), `statistic` (signed `L`),
        `p_value`, `is_jump` (nullable boolean). All are missing where the return is missing, has
        no full window before it (the first testable one comes `window - 1` rows after the first
        return), too few products are at hand, or `sigma` is zero.

    Raises
    ------
    ValueError
        Bad window, level or number of tests, infinite returns, factors that do not fit.

    Notes
    -----
    `L_i = r_i / s_i` with `s_i^2 = sum |r_j| |r_(j-1)| / (K - 2)` over `j = i-K+2 .. i-1`: the
    `K - 2` products of the `K - 1` returns before `i`. Products with a missing factor are left
    out and the mean is taken over the others, at least half of `K - 2`. With the `C_n`, `S_n` of
    `gumbel_constants` and `xi = (|L| - C_n) / S_n`, the p-value is that of the largest of
    `n_tests` statistics, `1 - exp(-exp(-xi))`, and a jump is `p < alpha`, that is
    `xi > -log(-log(1 - alpha))`. The limit is approached slowly and `s_i` is an estimate with
    sampling error, so a family's true rate of false alarms is above `alpha`.

    References
    ----------
    Lee and Mykland (2008), Review of Financial Studies 21(6), 2535-2563, doi 10.1093/rfs/hhm056.
    """
    returns = _returns(log_returns)
    _check_window(window)
    if periodicity is not None:
        returns = returns / _factors(periodicity, len(returns))
    sigma = _bipower_sigma(returns, window, include_current)
    testable = np.isfinite(returns) & (sigma > 0)
    sigma[~testable] = np.nan
    statistic = returns / sigma
    # A family of one has no limit law: log log n needs more than one.
    tests = max(int(testable.sum()), 2) if n_tests is None else n_tests
    p_value = _gumbel_p_values(statistic, tests)
    gumbel_quantile(alpha)  # refuses a level outside (0, 1)
    is_jump = pd.arrays.BooleanArray(p_value < alpha, mask=~testable)
    return pd.DataFrame(
        {"sigma": sigma, "statistic": statistic, "p_value": p_value, "is_jump": is_jump},
        index=log_returns.index if isinstance(log_returns, pd.Series) else None,
    )


def normal_p_values(statistic: ArrayLike) -> Floats:
    """Two-sided p-values of single statistics `L`: `c * L` is standard normal without jumps."""
    # erfc(x / sqrt 2) is both tails at once; 1 - cdf would lose the digits of small ones.
    return erfc(np.abs(np.asarray(statistic, dtype=float)) * MEAN_ABSOLUTE_NORMAL / math.sqrt(2))


def benjamini_hochberg(p_values: ArrayLike, alpha: float) -> Mask:
    """Which tests to reject so that at most a share `alpha` of the rejections is false on average.

    Parameters
    ----------
    p_values : array-like of float, shape (n,)
        P-values of single tests (see `normal_p_values`); missing ones count as no test.
    alpha : float
        False discovery rate, between 0 and 1.

    Returns
    -------
    ndarray of bool, shape (n,)

    Notes
    -----
    All p-values up to the largest `p_(k) <= k / n * alpha` are rejected. It looks at the whole
    sample: no rule for use while data arrive.

    References
    ----------
    Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57(1), 289-300,
    doi 10.1111/j.2517-6161.1995.tb02031.x.
    """
    gumbel_quantile(alpha)  # refuses a level outside (0, 1)
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(len(p), np.inf)
    tested = ~np.isnan(p)
    if tested.any():
        from scipy.stats import false_discovery_control  # takes a second to load

        adjusted[tested] = false_discovery_control(p[tested])
    return adjusted <= alpha


def universal_threshold(statistic: ArrayLike, n: int) -> Mask:
    """Where `c * |L|` exceeds `sqrt(2 log n)`, the size of the largest of `n` normal values.

    References
    ----------
    Donoho and Johnstone (1994), Biometrika 81(3), 425-455, doi 10.1093/biomet/81.3.425.
    """
    if n < 2:
        raise ValueError(f"n: found {n}; should be at least 2 tests")
    scaled = MEAN_ABSOLUTE_NORMAL * np.abs(np.asarray(statistic, dtype=float))
    return scaled > math.sqrt(2 * math.log(n))


def spurious_rate(
    *,
    window: int,
    alpha: float,
    n_tests: int,
    include_current: bool = False,
    draws: int = 2_000_000,
    seed: int = 0,
) -> float:
    """Probability that a single Gaussian return of constant volatility is flagged.

    Parameters
    ----------
    window, alpha, n_tests, include_current
        As in `lee_mykland`.
    draws : int
        Length of the simulated series; two million leave a standard error of about 3 % of the
        result at `window` 94.
    seed : int

    Returns
    -------
    float
        Without dependence between tests, `1 - (1 - rate) ** n_tests` is the chance of at least one
        false alarm in a family; neighbouring windows overlap, so the true chance is a little lower.

    Notes
    -----
    Simulates the window only and takes the tested return's tail exactly. With `x = |r_i|`, the
    return is flagged where `x` exceeds `u * s_i`; with `r_i` in its own window `s_i` depends on
    `x`, and `x^2 > u^2 (A + b x) / (K - 2)` is solved for `x`, `b = |r_(i-1)|` and `A` the other
    products.
    """
    limit = flag_limits(
        window=window,
        threshold=critical_value(alpha, n_tests),
        include_current=include_current,
        draws=draws,
        seed=seed,
    )
    return float(np.mean(erfc(limit / math.sqrt(2))))


def flag_limits(
    *, window: int, threshold: float, include_current: bool, draws: int, seed: int
) -> Floats:
    """Size, in its own sigmas, beyond which a return is flagged: one a simulated Gaussian window.

    See `spurious_rate` for the formula. `draws` is raised to two windows where it is smaller.
    """
    _check_window(window)
    width = window - 2
    size = np.abs(np.random.default_rng(seed).standard_normal(max(draws, 2 * window)))
    products = size[1:] * size[:-1]
    if not include_current:
        return threshold * np.sqrt(_trailing_sum(products, width)[width - 1 :] / width)
    # Without the tested return's own product, which is b x.
    others = _trailing_sum(products, width - 1)[width - 2 :] if width > 1 else np.zeros(1)
    ratio = threshold**2 / width
    # Half of b times the ratio: the positive root of x^2 = ratio (A + b x) follows.
    half = ratio * size[len(size) - len(others) :] / 2
    return half + np.sqrt(half**2 + ratio * others)


def _returns(log_returns: Any) -> Floats:
    returns = np.ascontiguousarray(log_returns, dtype=float)
    if returns.ndim != 1:
        raise ValueError(f"log_returns: found shape {returns.shape}; should be one-dimensional")
    infinite = np.flatnonzero(np.isinf(returns))
    if len(infinite):
        raise ValueError(f"log_returns: row {infinite[0]} is infinite; should be finite or missing")
    return returns


def _check_window(window: int) -> None:
    if window < 3:
        raise ValueError(f"window: found {window}; should be at least 3 returns")


def _factors(periodicity: Any, n: int) -> Floats:
    factors = np.ascontiguousarray(periodicity, dtype=float)
    if factors.shape != (n,):
        raise ValueError(f"periodicity: found shape {factors.shape}; should be ({n},)")
    if not (factors > 0).all():
        row = int(np.flatnonzero(~(factors > 0))[0])
        raise ValueError(f"periodicity: row {row} is {factors[row]}; should be positive")
    return factors


def _bipower_sigma(returns: Floats, window: int, include_current: bool) -> Floats:
    """`s_i`, missing before the first full window and where less than half of it is at hand."""
    products = np.abs(returns)
    products[1:] *= products[:-1].copy()
    # The first return has none before it to be multiplied with.
    products[:1] = np.nan
    # K - 2 products lie within the K - 1 returns before the tested one.
    width = window - 2
    present = ~np.isnan(products)
    count = _trailing_count(present, width)
    sigma = np.full(len(returns), np.nan)
    last = slice(None) if include_current else slice(None, -1)  # the window's last product
    total = _trailing_sum(np.where(present, products, 0.0), width)
    enough = 2 * count >= width
    mean = np.divide(total, count, out=np.full(len(total), np.nan), where=enough)
    first = np.flatnonzero(~np.isnan(returns))[:1].sum()  # 0 where there is none
    mean[: first + width] = np.nan  # the first product comes one row after the first return
    # Shifted by a row where the tested return is not to measure itself.
    sigma[(0 if include_current else 1) :] = np.sqrt(mean[last])
    return sigma


def _trailing_sum(values: Floats, width: int) -> Floats:
    """Sum of the last `width` values up to each row, of fewer at the start.

    A running sum of a long series loses the small values behind a large one and depends on where
    it started. Here each window is the tail of one block of `width` plus the head of the next.
    Sums are of up to `width` non-negative values, each exact to rounding, none of them later
    than the row.
    """
    blocks = -(-len(values) // width)
    grid = np.zeros(blocks * width)
    grid[: len(values)] = values
    grid = grid.reshape(blocks, width)
    head = np.cumsum(grid, axis=1)
    tail = np.cumsum(grid[:, ::-1], axis=1)[:, ::-1]
    head[1:, :-1] += tail[:-1, 1:]
    return head.reshape(-1)[: len(values)]


def _trailing_count(present: Mask, width: int) -> NDArray[np.int64]:
    count = np.cumsum(present)
    count[width:] -= count[:-width].copy()
    return count


def _gumbel_p_values(statistic: Floats, n: int) -> Floats:
    centre, scale = gumbel_constants(n)
    # 1 - exp(-x) would round the small p-values of clear jumps to steps.
    return -np.expm1(-np.exp((centre - np.abs(statistic)) / scale))
