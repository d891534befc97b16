"""Long-run variance of overlapping forecasts' losses, and the tests of means that rest on it.

Two estimates stand side by side. The weighted periodogram comes with Student's t and F, whose
level is close to true; Bartlett weights are what others print, and find differences too easily
(`benchmarks/levels.py`).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import stats

Variance = Literal["bartlett", "periodogram"]
_ROUNDING = 1e-12


def hac_lags(horizon: int) -> int:
    """Lags of the long-run variance with Bartlett weights: twice `horizon - 1`.

    Values further than `horizon - 1` steps apart share no shock. Yet the Bartlett weights of as
    few lags leave out a quarter to a third of the variance of values that overlap like moving
    sums. Tests at 5 % then reject 8 to 15 % of the time however long the data. Twice as many lags
    leave out half of that.
    """
    return 2 * (horizon - 1)


def long_run_variance(values: np.ndarray, lags: int) -> np.ndarray:
    """Long-run covariance of columns about zero, with Bartlett weights.

    Parameters
    ----------
    values : ndarray of shape (T, q)
        One row per step.
    lags : int
        At least 0 and less than T.

    Returns
    -------
    ndarray of shape (q, q)

    Notes
    -----
    `S = (1/T) * sum over t of [z_t z_t' + sum over k = 1 .. L of (1 - k/(L+1)) (z_t z_(t-k)' +
    z_(t-k) z_t')]`.

    References
    ----------
    Newey and West (1987), A simple, positive semi-definite, heteroskedasticity and autocorrelation
    consistent covariance matrix, Econometrica 55(3), doi 10.2307/1913610

    Examples
    --------
    Half the weight at one lag: `(1 + 4 + 1 + 4) / 4 + 2 * 0.5 * (-2 - 2 - 2) / 4`.

    >>> import numpy as np
    >>> long_run_variance(np.array([[1.0], [-2.0], [1.0], [-2.0]]), lags=1)
    array([[1.]])
    """
    # Here, since it loads slowly and the periodogram does without.
    from statsmodels.stats.sandwich_covariance import S_hac_simple

    # statsmodels gives the sum over steps, not their mean.
    return np.atleast_2d(S_hac_simple(values, nlags=lags)) / len(values)


def ordinates(rows: int) -> int:
    """How many ordinates of the periodogram are averaged: `floor(T^(1/3))`.

    Examples
    --------
    >>> ordinates(1000), ordinates(7821)
    (10, 19)
    """
    count = round(rows ** (1 / 3))  # the float of 1000^(1/3) is 9.99...
    return count if count**3 <= rows else count - 1


def periodogram_variance(values: np.ndarray) -> np.ndarray:
    """Long-run covariance of columns about their means: the lowest ordinates of the periodogram.

    Parameters
    ----------
    values : ndarray of shape (T, q)
        One row per step, at least 3.

    Returns
    -------
    ndarray of shape (q, q)

    Raises
    ------
    ValueError
        Fewer than three rows.

    Notes
    -----
    With `x` the values less their means and `w(k) = sum over t of x_t exp(-2 pi i k t / T)`, it is
    the mean over `k = 1 .. m` of the real part of `w(k) w(k)* / T`, `m = ordinates(T)`: `2 pi`
    times Daniell's average of the periodogram next to frequency zero. Each ordinate is about a
    chi-square with two degrees of freedom, so that a mean divided by its error is about Student's
    t with `2 m`.

    References
    ----------
    Coroneo and Iacone (2020), Comparing predictive accuracy in small samples using fixed-smoothing
    asymptotics, Journal of Applied Econometrics 35(4), doi 10.1002/jae.2756.
    Harvey, Leybourne and Whitehouse (2017), Forecast evaluation tests and negative long-run
    variance estimates in small samples, International Journal of Forecasting 33(4),
    doi 10.1016/j.ijforecast.2017.05.001.

    Examples
    --------
    A wave that turns once in eight steps has all its power in the one ordinate of eight rows.

    >>> import numpy as np
    >>> wave = np.cos(2 * np.pi * np.arange(8) / 8)
    >>> periodogram_variance(wave[:, None]).round(6)
    array([[1.]])
    """
    rows = len(values)
    if rows < 3:
        raise ValueError(f"values: found {rows} rows; should be at least 3")
    # From the first on: ordinate zero is the mean's own, which has been taken off.
    waves = np.fft.rfft(values - values.mean(axis=0), axis=0)[1 : ordinates(rows) + 1]
    return np.real(waves.T @ waves.conj()) / (rows * len(waves))


def mean_test(
    moments: np.ndarray, estimate: float, scale: float = 1.0, alternative: str = "two-sided"
) -> tuple[float, float]:
    """Student's t of an estimate by the weighted periodogram of what it is the mean of.

    Parameters
    ----------
    moments : ndarray of shape (T,)
        What each step adds to the estimate, up to a constant; not the same everywhere.
    estimate : float
        The estimate, zero under the hypothesis.
    scale : float
        The estimate is `scale` times the mean of the moments, and so is its error.
    alternative : str
        `two-sided`, or `greater` for a p-value that speaks for positive estimates only.

    Returns
    -------
    statistic, p_value : float
        The statistic has the sign of the estimate.

    Examples
    --------
    >>> import numpy as np
    >>> moments = np.random.default_rng(0).normal(size=1000)
    >>> [round(value, 2) for value in mean_test(moments, moments.mean())]
    [-1.51, 0.15]
    """
    error = standard_error(moments, scale)
    # Where all variation is faster than the ordinates see, an error of zero is rounding.
    if error < _ROUNDING * scale * np.sqrt(np.mean(moments**2)):
        is_beyond_rounding = abs(estimate) > _ROUNDING * scale * np.abs(moments).max()
        return (float(np.inf * estimate), 0.0) if is_beyond_rounding else (0.0, 1.0)
    statistic = estimate / error
    if alternative == "greater":
        return float(statistic), float(stats.t.sf(statistic, degrees(len(moments))))
    return float(statistic), float(2 * stats.t.sf(abs(statistic), degrees(len(moments))))


def standard_error(moments: np.ndarray, scale: float = 1.0) -> float:
    """Standard error of `scale` times the mean of the moments, by the weighted periodogram."""
    variance = periodogram_variance(np.asarray(moments, dtype=float)[:, None]).item()
    return float(scale * np.sqrt(variance / len(moments)))


def degrees(rows: int) -> int:
    """Degrees of freedom of `periodogram_variance`: two an ordinate."""
    return 2 * ordinates(rows)


def joint_test(moments: np.ndarray) -> tuple[float, float]:
    """F test that several means are zero together, by the weighted periodogram.

    Parameters
    ----------
    moments : ndarray of shape (T, q)
        Columns whose means are zero under the hypothesis, of about one size. One that repeats the
        others is left out.

    Returns
    -------
    statistic, p_value : float
        With `K = 2 m` degrees of freedom, `(K - q + 1) / (K q) * T z' V^-1 z` on F(q, K - q + 1),
        where z are the means; for q = 1 the square of `mean_test`. Missing where K is less than q.

    References
    ----------
    Sun (2013), A heteroskedasticity and autocorrelation robust F test using an orthonormal series
    variance estimator, The Econometrics Journal 16(1), doi 10.1111/j.1368-423X.2012.00390.x
    """
    rows, mean = len(moments), moments.mean(axis=0)
    variance, freedom = periodogram_variance(moments), degrees(len(moments))
    count = int(np.linalg.matrix_rank(variance, hermitian=True))
    if not 0 < count <= freedom:
        return float("nan"), float("nan")
    # A pseudo-inverse, since a moment may repeat the others; the count falls with it.
    wald = rows * mean @ np.linalg.pinv(variance, hermitian=True) @ mean
    statistic = wald * (freedom - count + 1) / (freedom * count)
    return float(statistic), float(stats.f.sf(statistic, count, freedom - count + 1))
