"""How long until we know: the gain that some hours can settle, and the hours that a gain needs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq

from dvol_utils.significance.hac import degrees, periodogram_variance
from dvol_utils.significance.losses import gain_moments

POWER = 0.8
SETTLED_AFTER = (1, 2, 4)
HOURS_A_YEAR = 8766  # 24 * 365.25
HOURS_A_MONTH = HOURS_A_YEAR / 12
_LONGEST = 200 * HOURS_A_YEAR  # a gain that needs more is as good as none


def detectable_gain(
    variance: float, hours: float, *, level: float = 0.05, power: float = POWER
) -> float:
    """The smallest true gain that a two-sided test finds with a given probability.

    Parameters
    ----------
    variance : float
        Long-run variance of the hourly gains (`hac.periodogram_variance`), gain squared times
        hours.
    hours : float
        Hours that the test will have, at least 3.
    level, power : float
        Level of the test, and how probable it is that it finds the gain, both in (0, 1).

    Returns
    -------
    float
        In the unit of the gain.

    Notes
    -----
    With n hours the statistic of the test (`hac.mean_test`) is about noncentral t with `2 m`
    degrees of freedom, `m = floor(n^(1/3))`, and noncentrality `gain / sqrt(variance / n)`. What is
    sought is the gain at which it exceeds the critical value with probability `power`.

    Examples
    --------
    With many hours it is `(1.96 + 0.84) sqrt(variance / n)`:

    >>> round(detectable_gain(1.0, 1e6), 4)
    0.0028
    """
    freedom = degrees(int(hours))
    critical = stats.t.ppf(1 - level / 2, freedom)
    # Two degrees of freedom, of the fewest rows, still find their shift below 10 + 4 * critical.
    shift = brentq(
        lambda delta: stats.nct.sf(critical, freedom, delta) - power, 0, 10 + 4 * critical
    )
    return float(shift * np.sqrt(variance / hours))


def hours_needed(
    variance: float, gain: float, *, level: float = 0.05, power: float = POWER
) -> float:
    """Hours after which a test finds a gain with a given probability; infinite if never.

    Parameters
    ----------
    variance : float
        As in `detectable_gain`.
    gain : float
        The true gain.
    level, power : float
        As in `detectable_gain`.

    Examples
    --------
    Twice the gain needs about a quarter of the hours:

    >>> [round(hours_needed(1.0, gain), -2) for gain in (0.01, 0.02)]
    [80300.0, 20300.0]
    """
    if not gain > 0 or detectable_gain(variance, _LONGEST, level=level, power=power) > gain:
        return float("inf")
    few, many = 27.0, float(_LONGEST)
    while many - few > 1:  # the degrees of freedom are steps, so no smooth root
        middle = (few + many) / 2
        enough = detectable_gain(variance, middle, level=level, power=power) <= gain
        few, many = (few, middle) if enough else (middle, many)
    return many


def time_to_know(forecasts: pd.DataFrame, model: str, *, level: float = 0.05) -> pd.DataFrame:
    """What one, two and four years can settle about a model's gain over persistence, by each loss.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row per origin and model (`average_seeds`),
        `persistence` among the models.
    model : str
        The model.
    level : float
        Level of the test.

    Returns
    -------
    DataFrame
        One row per loss of `LOSSES`: `loss, loss_gain` (seen), `hours` (seen), `year_1, year_2,
        year_4` (the smallest gain, a share, that as many years of hours settle at 80 % power),
        `months_needed` (if the true gain is what was seen; infinite for none) and `months_more`
        (beyond the hours seen).

    Notes
    -----
    All rests on the long-run variance of the hours seen, and so on a future that is as lively.

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> found = time_to_know(example_forecasts(), "good")
    >>> found[["loss", "loss_gain", "year_1", "months_needed"]].round(2)
                 loss  loss_gain  year_1  months_needed
    0   squared_error       0.23    0.07           1.21
    1  absolute_error       0.11    0.04           1.56
    2       direction       0.15    0.04           0.86
    """
    moments = gain_moments(forecasts, model)
    rows = []
    for loss, series in moments.items():
        variance = periodogram_variance(series.to_numpy()[:, None]).item()
        gain, hours = float(series.mean()), len(series)
        settled = [
            detectable_gain(variance, years * HOURS_A_YEAR, level=level) for years in SETTLED_AFTER
        ]
        needed = hours_needed(variance, gain, level=level)
        # What is settled already needs no more, rather than less than nothing.
        more = max(needed - hours, 0)
        rows.append((loss, gain, hours, *settled, needed / HOURS_A_MONTH, more / HOURS_A_MONTH))
    columns = ["loss", "loss_gain", "hours", *(f"year_{years}" for years in SETTLED_AFTER)]
    return pd.DataFrame(rows, columns=[*columns, "months_needed", "months_more"])
