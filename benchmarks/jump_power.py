"""What the jump test does where the truth is known: its power, and false alarms in a family."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from dvol_utils.jumps.statistics import critical_value, flag_limits, lee_mykland

Floats = NDArray[np.float64]


def detection_power(
    size: ArrayLike,
    *,
    window: int,
    alpha: float,
    n_tests: int,
    include_current: bool = False,
    draws: int = 200_000,
    seed: int = 0,
) -> Floats:
    """Probability that a return with a jump is flagged, Gaussian returns of constant volatility.

    Parameters
    ----------
    size : array-like of float
        Sizes of the jump, in standard deviations of one return without a jump.
    window, alpha, n_tests, include_current
        As in `lee_mykland`.
    draws : int
        Length of the simulated series of windows.
    seed : int

    Returns
    -------
    ndarray of float
        One probability a size; at size 0 it is `spurious_rate`.

    Raises
    ------
    ValueError
        A size that is not finite, bad window, level or number of tests.

    Notes
    -----
    Simulates the window only: with `l` the size beyond which the return is flagged, a jump `m` is
    found with probability `Phi(m - l) + Phi(-m - l)`. No other jump lies in the window.
    """
    jump = np.atleast_1d(np.asarray(size, dtype=float))
    if not np.isfinite(jump).all():
        raise ValueError(f"size: found {jump[~np.isfinite(jump)][0]}; should be finite")
    limit = flag_limits(
        window=window,
        threshold=critical_value(alpha, n_tests),
        include_current=include_current,
        draws=draws,
        seed=seed,
    )
    return np.array([float(np.mean(ndtr(m - limit) + ndtr(-m - limit))) for m in jump])


def family_error(
    alphas: Sequence[float],
    *,
    window: int,
    n_tests: int,
    include_current: bool = False,
    families: int = 1_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Share of simulated samples without a jump in which the test flags any return.

    Parameters
    ----------
    alphas : sequence of float
        Stated levels; all are looked up in the same samples.
    window, n_tests, include_current
        As in `lee_mykland`; each sample holds exactly `n_tests` testable returns.
    families : int
        Number of samples of Gaussian returns of constant volatility.
    seed : int

    Returns
    -------
    DataFrame
        One row per level: `alpha, error` (share of samples with a flag), `standard_error`
        (binomial, of that share) and `flags` (mean number of flags a sample).

    Raises
    ------
    ValueError
        No sample, bad window, level or number of tests.
    """
    if families < 1:
        raise ValueError(f"families: found {families}; should be at least 1 sample")
    limits = np.array([critical_value(alpha, n_tests) for alpha in alphas])
    counts = np.zeros((families, len(limits)))
    options = {"window": window, "alpha": 0.5, "n_tests": n_tests}
    rng = np.random.default_rng(seed)
    for row in counts:
        returns = rng.standard_normal(n_tests + window - 1)
        test = lee_mykland(returns, include_current=include_current, **options)
        largest = np.abs(test["statistic"].to_numpy()[window - 1 :])
        row[:] = [(largest > limit).sum() for limit in limits]
    error = (counts > 0).mean(axis=0)
    return pd.DataFrame(
        {
            "alpha": list(alphas),
            "error": error,
            "standard_error": np.sqrt(error * (1 - error)) / math.sqrt(families),
            "flags": counts.mean(axis=0),
        }
    )
