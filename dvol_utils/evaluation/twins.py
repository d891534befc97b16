"""Forecasts that differ by rounding alone: below `SAME_POINTS` a difference is none.

A forecast that is another one through `exp(log(x))` differs from it by some 1e-14 points. Tests
divide such a difference by its own deviation and may find it significant; so every score and test
takes its forecasts, losses or differences from here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.evaluation.forecast_columns import QUANTILES

# Far above rounding, far below the hundredth of a point in which DVOL is quoted.
SAME_POINTS = 1e-9


def settled(forecasts: pd.DataFrame) -> pd.DataFrame:
    """The forecast table with forecasts made equal that are the same but for rounding.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset, one row per origin and model, with `origin, model, y_pred, y_origin`
        and, where there are any, quantiles.

    Returns
    -------
    DataFrame
        The table itself where nothing is that close. Elsewhere a copy in which `y_pred` is
        `y_origin`, or the value of the first model of the table that lies within `SAME_POINTS` of
        it; quantiles likewise.
    """
    table = _to_origin(forecasts)
    place, origins = pd.factorize(table["origin"])
    model, models = pd.factorize(table["model"])
    if len(np.unique(place * len(models) + model)) < len(table):  # twice: not for here to tell
        return table
    wide = np.full((len(origins), len(models)), np.nan)
    for name in ("y_pred", *QUANTILES):
        if name in table:
            wide[place, model] = table[name].to_numpy(dtype=float)
            if _made_equal(wide):
                table = table.assign(**{name: wide[place, model]})
    return table


def settled_to(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """`values`, but those of `others` where the two differ by less than `SAME_POINTS`."""
    return np.where(np.abs(values - others) < SAME_POINTS, others, values)


def loss_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`a - b`, zero where it is what forecasts give that differ by less than `SAME_POINTS`.

    Losses of errors e and f differ by `(e - f)(e + f)` where they are squares; the roots of losses
    stand for errors, so that losses in points are held to about the same.
    """
    difference = a - b
    size = np.sqrt(np.abs(a)) + np.sqrt(np.abs(b))
    return np.where(np.abs(difference) < SAME_POINTS * size, 0.0, difference)


def _to_origin(table: pd.DataFrame) -> pd.DataFrame:
    made, origin = table["y_pred"], table["y_origin"]
    close = (made != origin) & ((made - origin).abs() < SAME_POINTS)
    return table.assign(y_pred=made.mask(close, origin)) if close.any() else table


def _made_equal(values: np.ndarray) -> bool:
    """Make close values of an origin (a row) its first model's; whether there were any."""
    gaps = np.diff(np.sort(values, axis=1), axis=1)
    if not ((gaps > 0) & (gaps < SAME_POINTS)).any():
        return False
    for later in range(1, values.shape[1]):
        for earlier in reversed(range(later)):  # the first one has the last word
            values[:, later] = settled_to(values[:, later], values[:, earlier])
    return True
