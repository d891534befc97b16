"""Series with one value a step, in order of time: checks and the long-run variance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from statsmodels.stats.sandwich_covariance import S_hac_simple


def checked_series(what: str, *series: ArrayLike, horizon: int, shortest: int = 1) -> np.ndarray:
    """The series as rows of one array, refused where no test can use them.

    Parameters
    ----------
    what : str
        What the series are, for the message.
    *series : array_like of shape (T,)
        Numbers, one a step.
    horizon : int
        Steps from origin to target, at least 1.
    shortest : int
        The test needs more rows than `shortest` horizons.

    Returns
    -------
    ndarray of shape (series, T)

    Raises
    ------
    ValueError
        Series of different length, not finite, or too short for the horizon.
    """
    arrays = [np.asarray(values, dtype=float) for values in series]
    rows = len(arrays[0]) if arrays[0].ndim else 0
    if any(array.shape != (rows,) for array in arrays):
        shapes = " and ".join(str(array.shape) for array in arrays)
        raise ValueError(f"{what}: found shapes {shapes}; should be one length T")
    longest = (rows - 1) // shortest
    if longest < 1:
        raise ValueError(f"{what}: found {rows} rows; should be at least {shortest + 1}")
    if not 1 <= horizon <= longest:
        raise ValueError(f"horizon: found {horizon}; should be 1 to {longest} for {rows} rows")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(f"{what}: found a value that is not finite; should be finite numbers")
    return np.stack(arrays)


def hac_lags(horizon: int) -> int:
    """Lags of the long-run variance: twice `horizon - 1`.

    Values further than `horizon - 1` steps apart share no shock, but the Bartlett weights of as
    few lags leave out a quarter to a third of the variance of values that overlap like moving
    sums, and tests at 5 % then reject 8 to 15 % of the time however long the data. Twice as many
    lags leave out half of that.
    """
    return 2 * (horizon - 1)


def long_run_variance(values: np.ndarray, lags: int) -> np.ndarray:
    """Long-run covariance of columns about zero, with Bartlett weights.

    Parameters
    ----------
    values : ndarray of shape (T, q)
        One row a step.
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
    return np.atleast_2d(S_hac_simple(values, nlags=lags)) / len(values)


def side_by_side(forecasts: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column of the forecast table: a row an origin in order of time, a column a model."""
    return forecasts.pivot(index="origin", columns="model", values=column)  # noqa: PD010


def check_models(pairs: Sequence[tuple[str, str]], models: Iterable[str]) -> None:
    """Refuse pairs that name a model which is not among `models` (`ValueError`)."""
    there = set(models)
    for model in (model for pair in pairs for model in pair if model not in there):
        known = ", ".join(sorted(there))
        raise ValueError(f"pairs: found {model!r}; should be some of {known}")
