"""Series with one value per step, in order of time: checks and the long-run variance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


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

    Examples
    --------
    >>> checked_series("losses", [4.0, 1.0, 0.0], [1.0, 1.0, 4.0], horizon=1)
    array([[4., 1., 0.],
           [1., 1., 4.]])
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


def side_by_side(forecasts: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column of the forecast table: one row per origin in order of time, one column per model."""
    return forecasts.pivot(index="origin", columns="model", values=column)  # noqa: PD010


def check_models(pairs: Sequence[tuple[str, str]], models: Iterable[str]) -> None:
    """Refuse pairs that name a model which is not among `models` (`ValueError`)."""
    there = set(models)
    for model in (model for pair in pairs for model in pair if model not in there):
        known = ", ".join(sorted(there))
        raise ValueError(f"pairs: found {model!r}; should be some of {known}")
