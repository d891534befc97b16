"""From forecast to signal: which way to trade, and how sure. Every signal is from -1 to 1."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.evaluation.quantiles import INTERVALS

RULES = ("sign", "scaled", "interval_50", "interval_90")
BENCHMARKS = ("flat", "always_short", "momentum", "reversal")


def forecast_signal(forecasts: pd.DataFrame, rule: str) -> pd.Series:
    """The signal of one model's forecasts.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table of one asset and model, one row an origin (seeds averaged); quantiles where
        the rule needs them.
    rule : str
        `sign`: the direction of the forecast change. `scaled`: the same, times the change over the
        half-width of its 50 % interval, at most 1. `interval_50`, `interval_90`: the direction
        where the interval excludes no change, else 0.

    Returns
    -------
    Series
        Index `origin`; 0 also where the quantiles that a rule needs are missing.

    Raises
    ------
    ValueError
        An unknown rule, or an origin that stands twice.
    """
    if rule not in RULES:
        raise ValueError(f"rule: found {rule!r}; should be one of {', '.join(RULES)}")
    rows = forecasts.set_index("origin").sort_index()
    if rows.index.has_duplicates:
        twice = rows.index[rows.index.duplicated()][0]
        raise ValueError(f"forecasts: origin {twice} stands twice; should be one model's, once")
    if rule == "sign":
        return pd.Series(np.sign(rows["y_pred"] - rows["y_origin"]), rows.index)
    if not {"q05", "q25", "q75", "q95"} <= set(rows):
        return pd.Series(0.0, rows.index)
    return (_scaled(rows) if rule == "scaled" else _beyond(rows, int(rule[-2:]))).fillna(0.0)


def benchmark_signal(name: str, dvol: pd.Series, hours: int) -> pd.Series:
    """The signal of a rule that needs no model.

    Parameters
    ----------
    name : str
        `flat`: no position; `always_short`: short volatility; `momentum`: the sign of the error
        that persistence has just made, the change of the last `hours`; `reversal`: its opposite.
    dvol : Series
        DVOL by hour, points.
    hours : int
        Horizon of persistence, at least 1.

    Returns
    -------
    Series
        Index as `dvol`; missing where the change is not known.

    Raises
    ------
    ValueError
        An unknown name.
    """
    if name not in BENCHMARKS:
        raise ValueError(f"name: found {name!r}; should be one of {', '.join(BENCHMARKS)}")
    if name in ("flat", "always_short"):
        return pd.Series(-1.0 if name == "always_short" else 0.0, dvol.index)
    last = pd.Series(np.sign(dvol.diff(hours)), dvol.index)
    return last if name == "momentum" else -last


def _scaled(rows: pd.DataFrame) -> pd.Series:
    change = rows["y_pred"] - rows["y_origin"]
    half_width = (rows["q75"] - rows["q25"]) / 2
    return (change / half_width.where(half_width > 0)).clip(-1, 1)


def _beyond(rows: pd.DataFrame, share: int) -> pd.Series:
    low, high = (rows[name] for name in INTERVALS[share])
    return (low > rows["y_origin"]).astype(float) - (high < rows["y_origin"]).astype(float)
