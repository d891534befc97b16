"""Metrics of a forecast table: overall, by regime, by calendar hour.

Every metric is a function of a few sums over rows (`SUMS`), so the same code serves a group of rows
here and thousands of bootstrap resamples in `dvol_utils.significance.bootstrap`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dvol_utils.evaluation.forecast_table import VALUES, check_values
from dvol_utils.evaluation.twins import settled_to
from dvol_utils.study.model_names import MODEL_NAMES

METRICS = ("r2", "rmse", "mae", "mape", "skill", "direction")
SUMS = (
    "rows",
    "outcome",
    "outcome_squared",
    "error_squared",
    "error_absolute",
    "error_percent",
    "persistence_squared",
    "moves",
    "calls",
    "hits",
)
_ORDERS = {
    "model": MODEL_NAMES,
    "jump_regime": ("normal", "jump"),
    "level_regime": ("low", "middle", "high"),
    "half": ("first", "second"),
}
# Below this share of its own scale a sum of squares is rounding, not variation.
_ROUNDING = 1e-12


def score(forecasts: pd.DataFrame, by: str | Sequence[str] = ("model",)) -> pd.DataFrame:
    """Accuracy of forecasts, one row per group.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table with `y_true, y_pred, y_origin` (index points) and the columns of `by`. Rows
        count as they stand: use `average_seeds` first where a model has several seeds.
    by : str or sequence of str
        Columns that define a group; none (`()`) for all rows together.

    Returns
    -------
    DataFrame
        The columns of `by`, then `r2`, `rmse` and `mae` (index points), `mape` (percent), `skill`,
        `direction` (share in 0..1) and `n` (rows). Models and regimes stand in their usual order.

    Raises
    ------
    ValueError
        A column is missing, there are no rows, or a value is not finite.

    Notes
    -----
    `skill = 1 - SSE(model) / SSE(persistence)` on the group's rows, where persistence forecasts
    `y_origin`. `direction` is the share of rows with `sign(y_pred - y_origin) =
    sign(y_true - y_origin)` among the rows whose outcome moved. It is missing for a group that
    never forecasts a change, as `r2` and `skill` are where their denominator is zero.
    """
    keys = [by] if isinstance(by, str) else list(by)
    check_values(forecasts, keys)
    parts = contributions(forecasts)
    if not keys:
        # What is missing must show: pandas would count it as zero.
        sums = parts.sum(skipna=False).to_frame().T
    else:
        groups = [forecasts[key] for key in keys]
        sums = parts.groupby(groups, sort=True, observed=True, dropna=False).sum(skipna=False)
    table = pd.DataFrame(metrics_from_sums(sums), index=sums.index)
    table["n"] = sums["rows"].astype(int)
    return in_order(table.reset_index(drop=not keys), keys)


def contributions(forecasts: pd.DataFrame) -> pd.DataFrame:
    """What each forecast adds to the sums that the metrics are made of.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table with `y_true, y_pred, y_origin` (index points).

    Returns
    -------
    DataFrame
        One row per forecast, columns `SUMS`: the row itself, the outcome (measured from the median
        outcome, for the sake of rounding) and its square, squared, absolute and percentage error,
        squared error of persistence, and whether the outcome moved, a move was called, and the
        call was right (0 or 1).
    """
    y, f, start = (forecasts[name].to_numpy(dtype=float) for name in VALUES)
    # A rounding error away from persistence is no call of a direction (tests/test_twins.py).
    f = settled_to(f, start)
    outcome, error = y - np.median(y), y - f
    moves, calls = np.sign(y - start), np.sign(f - start)
    columns = (
        np.ones_like(y),
        outcome,
        outcome**2,
        error**2,
        np.abs(error),
        100 * np.abs(_ratio(error, y)),
        (y - start) ** 2,
        moves != 0,
        calls != 0,
        (moves == calls) & (moves != 0),
    )
    return pd.DataFrame(dict(zip(SUMS, columns, strict=True)), index=forecasts.index, dtype=float)


def metrics_from_sums(sums: Mapping[str, np.ndarray] | pd.DataFrame) -> dict[str, np.ndarray]:
    """The metrics of `METRICS` from sums of `contributions`, elementwise over arrays of any shape.

    A metric whose denominator is zero is missing (NaN).
    """
    s = {name: np.asarray(sums[name], dtype=float) for name in SUMS}
    rows = s["rows"]
    variation = s["outcome_squared"] - _ratio(s["outcome"] ** 2, rows)
    variation = np.where(variation > _ROUNDING * s["outcome_squared"], variation, 0.0)
    direction = _ratio(s["hits"], s["moves"])
    return {
        "r2": 1 - _ratio(s["error_squared"], variation),
        "rmse": np.sqrt(_ratio(s["error_squared"], rows)),
        "mae": _ratio(s["error_absolute"], rows),
        "mape": _ratio(s["error_percent"], rows),
        "skill": 1 - _ratio(s["error_squared"], s["persistence_squared"]),
        # A model that calls nothing is not wrong each time.
        "direction": np.where(s["calls"] > 0, direction, np.nan),
    }


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    missing = np.full(np.broadcast_shapes(np.shape(top), np.shape(bottom)), np.nan)
    return np.divide(top, bottom, out=missing, where=np.asarray(bottom) != 0)


def in_order(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Sort by `keys`, with models and regimes in their usual order instead of the alphabet's."""

    def rank(column: pd.Series) -> pd.Series:
        order = _ORDERS.get(str(column.name), ())
        # As text, so that unknown values sort with the known; "~" comes after every digit.
        places = {value: f"{place:03d}" for place, value in enumerate(order)}
        return column.map(lambda value: places.get(value, f"~{value}")) if order else column

    return table.sort_values(list(keys), key=rank, ignore_index=True) if keys else table
