"""Long-run variance of overlapping forecasts' losses: how many lags, and the sum."""

from __future__ import annotations

import numpy as np
from statsmodels.stats.sandwich_covariance import S_hac_simple


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
