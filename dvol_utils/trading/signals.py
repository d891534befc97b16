"""From forecast to signal: which way to trade, and how sure. Every signal is from -1 to 1.

Signals are continuous in the forecast: one that differs in its fifth digit trades almost the same.
"""

from __future__ import annotations

import pandas as pd

from dvol_utils.evaluation.quantile_scores import INTERVALS

TRADING_RULES = ("sign", "scaled", "interval_50", "interval_90")
MEAN = "mean"
BENCHMARKS = ("flat", "always_short", "momentum", "reversal")


def forecast_signal(forecasts: pd.DataFrame, rule: str, tick: float) -> pd.Series:
    """The signal of one model's forecasts.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table of one asset and model, one row per origin (seeds averaged); quantiles where
        the rule needs them.
    rule : str
        `sign`: the direction of the forecast change, in full from one tick on and in proportion
        below it. `scaled`: the change over the half-width of its 50 % interval (at least a tick),
        at most 1. `interval_50`, `interval_90`: the direction where the interval excludes no
        change, in full where its near end lies a tick beyond. `mean`: the mean of these four.
    tick : float
        Smallest step of the price, points: less of a change cannot be traded.

    Returns
    -------
    Series
        Index `origin`; 0 also where the quantiles that a rule needs are missing.

    Raises
    ------
    ValueError
        An unknown rule, or an origin that stands twice.
    """
    if rule not in (*TRADING_RULES, MEAN):
        raise ValueError(
            f"rule: found {rule!r}; should be one of {', '.join((*TRADING_RULES, MEAN))}"
        )
    rows = forecasts.set_index("origin").sort_index()
    if rows.index.has_duplicates:
        twice = rows.index[rows.index.duplicated()][0]
        raise ValueError(f"forecasts: origin {twice} stands twice; should be one model's, once")
    taken = TRADING_RULES if rule == MEAN else (rule,)
    return sum(_by_rule(rows, each, tick) for each in taken) / len(taken)


def benchmark_signal(name: str, dvol: pd.Series, hours: int, tick: float) -> pd.Series:
    """The signal of a rule that needs no model.

    Parameters
    ----------
    name : str
        `flat`: no position; `always_short`: short volatility; `momentum`: the direction of the
        error that persistence has just made, the change of the last `hours`, in full from one tick
        on; `reversal`: its opposite.
    dvol : Series
        DVOL by hour, points.
    hours : int
        Horizon of persistence, at least 1.
    tick : float
        As in `forecast_signal`.

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
    last = (dvol.diff(hours) / tick).clip(-1, 1)
    return last if name == "momentum" else -last


def _by_rule(rows: pd.DataFrame, rule: str, tick: float) -> pd.Series:
    change = rows["y_pred"] - rows["y_origin"]
    if rule == "sign":
        return (change / tick).clip(-1, 1)
    if not {"q05", "q25", "q75", "q95"} <= set(rows):
        return pd.Series(0.0, rows.index)
    if rule == "scaled":
        half_width = (rows["q75"] - rows["q25"]) / 2
        # At least a tick: a width near nothing would turn any change into a full position.
        return (change / half_width.clip(lower=tick)).clip(-1, 1).fillna(0.0)
    low, high = (rows[name] - rows["y_origin"] for name in INTERVALS[int(rule[-2:])])
    # Above zero where both ends lie above no change, below where both lie below.
    return ((low / tick).clip(0, 1) + (high / tick).clip(-1, 0)).fillna(0.0)
