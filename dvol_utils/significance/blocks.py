"""Length of the stationary bootstrap's blocks, without loading a library of volatility models."""

from __future__ import annotations

import numpy as np


def politis_white(series: np.ndarray) -> float:
    """Mean block length of the stationary bootstrap that suits a series' mean.

    Parameters
    ----------
    series : ndarray of shape (T,)
        Not the same everywhere.

    Returns
    -------
    float
        Steps; bit for bit `arch.bootstrap.optimal_block_length`, whose package takes a second to
        load.

    References
    ----------
    Politis and White (2004), Automatic block-length selection for the dependent bootstrap,
    Econometric Reviews 23(1), doi 10.1081/ETC-120028836; correction with Patton (2009),
    doi 10.1080/07474930802459016

    Examples
    --------
    >>> import numpy as np
    >>> round(politis_white(np.cumsum(np.random.default_rng(0).normal(size=500))), 2)
    38.19
    """
    rows, centred = len(series), series - series.mean(0)
    # arch takes log10 here, the authors' own code its root; it matters beyond 10^6 rows alone.
    run = max(5, int(np.log10(rows)))  # small autocorrelations in a row that end the dependence
    most = int(np.ceil(np.sqrt(rows))) + run
    covariance, correlation = np.array([_at_lag(centred, lag) for lag in range(most + 1)]).T
    # Twice: the authors' c = 2, about the 95 % bounds of an autocorrelation of noise.
    small = np.abs(correlation) < 2 * np.sqrt(np.log10(rows) / rows)
    ends = [lag for lag in range(most + 1 - run) if small[lag : lag + run].all()]
    lags = min(2 * max(ends[0], 1) if ends else most, most)
    weighted, variance = 0.0, covariance[0]
    for lag in range(1, lags + 1):
        # The flat-top lag window of Politis and White: 1 up to a half, then down to 0.
        weight = 1 if lag / lags <= 1 / 2 else 2 * (1 - lag / lags)
        weighted += 2 * weight * lag * covariance[lag]
        variance += 2 * weight * covariance[lag]
    # The second factor 2: D of the stationary bootstrap is 2 g(0)^2, as corrected in 2009.
    length = ((2 * weighted**2) / (2 * variance**2)) ** (1 / 3) * rows ** (1 / 3)
    # Patton's upper limit, for series that hardly forget.
    return float(min(length, np.ceil(min(3 * np.sqrt(rows), rows / 3))))


def _at_lag(centred: np.ndarray, lag: int) -> tuple[float, float]:
    """Autocovariance and autocorrelation, the latter by the rows that the lag leaves."""
    product = centred[lag:] @ centred[: len(centred) - lag]
    later, earlier = centred[lag + 1 :], centred[: -(lag + 1)]
    return product / len(centred), product / np.sqrt((later @ later) * (earlier @ earlier))
