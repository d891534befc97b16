"""Jumps of a panel: Lee and Mykland's test per asset, plain or corrected for periodicity."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.jumps.periodicity import periodicity_factor, periodicity_wsd
from dvol_utils.jumps.statistics import lee_mykland
from dvol_utils.study.fitting_section import JumpParams


def detect_jumps(
    panel: pd.DataFrame,
    params: JumpParams,
    *,
    column: str = "dvol_close",
    periodicity: pd.Series | pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Jumps of one column of the panel, asset by asset, with what is known at each hour.

    Parameters
    ----------
    panel : DataFrame
        `time` (bar close, UTC, increasing per asset), `asset`, `imputed` and `column` (a level,
        positive where present).
    params : JumpParams
        `window`, `alpha`, and the fixed `n_tests` that keeps later hours from moving a flag.
    column : str, default "dvol_close"
    periodicity : Series or DataFrame, optional
        Factors per slot (see `periodicity_wsd`) for all assets, or one column per asset. Estimate
        them on training rows.

    Returns
    -------
    DataFrame
        Rows and index of the panel: `time, asset, log_return, sigma, periodicity, statistic,
        p_value, is_jump` (bool, False where not testable) and `jump_size` (the log return of a
        jump, else 0). `periodicity` is 1 where none is given.

    Raises
    ------
    ValueError
        Missing columns, levels that are not positive, times that do not increase, or fewer
        returns than `params.window`.

    Notes
    -----
    The return into an imputed hour is no market move and the first one after a fill spans more
    than an hour; both are missing and not tested, and so is a return across missing rows.
    """
    missing = [name for name in ("time", "asset", "imputed", column) if name not in panel]
    if missing:
        raise ValueError(f"panel: columns {missing} are missing; found {list(panel.columns)}")
    if panel.empty:
        raise ValueError("panel: no rows; at least one asset is needed")
    rows_of = panel.groupby("asset", sort=False).indices
    needed = panel[["time", "asset", "imputed", column]]
    parts = [
        _detect_asset(needed.iloc[rows], asset, params, column, _factors_of(periodicity, asset))
        for asset, rows in rows_of.items()
    ]
    # Assets were taken one after the other; this puts their rows back where the panel has them.
    return pd.concat(parts).iloc[np.argsort(np.concatenate(list(rows_of.values())))]


def price_jumps(panel: pd.DataFrame, params: JumpParams) -> pd.DataFrame:
    """`detect_jumps` of the price; no rows where the panel has too little of it to test."""
    # Hours without a price are no error: a raw store need not hold one (docs/data.md).
    priced = panel.dropna(subset=["price_close"])
    if len(priced) <= params.window or (
        hourly_log_returns(priced, "price_close").count() < params.window
    ):
        return detect_jumps(panel, params).iloc[:0]
    return detect_jumps(priced, params, column="price_close")


def panel_periodicity(
    panel: pd.DataFrame,
    slots: int,
    *,
    before: pd.Timestamp,
    column: str = "dvol_close",
    standardise_hours: int = 24,
) -> pd.DataFrame:
    """Factors of `periodicity_wsd` for each asset, from hours before `before` only.

    Returns
    -------
    DataFrame
        Index `slot`, one column per asset, as `detect_jumps` takes them.

    Raises
    ------
    ValueError
        No rows before `before`, or too few or too flat ones in a slot (see `periodicity_wsd`).
    """
    # Earlier hours alone, so that a factor knows nothing of what it is used on later.
    training = panel[panel["time"] < before]
    if training.empty:
        raise ValueError(f"panel: no rows before {before}; the factors need training rows")
    factors = {}
    for asset, rows in training.groupby("asset", sort=False):
        returns = hourly_log_returns(rows, column)
        returns = returns.set_axis(pd.DatetimeIndex(rows["time"]))
        factors[asset] = periodicity_wsd(returns, slots, standardise_hours=standardise_hours)
    return pd.DataFrame(factors)


def hourly_log_returns(rows: pd.DataFrame, column: str) -> pd.Series:
    """Log returns of one asset's `column`, indexed like `rows`, missing where an hour is imputed.

    Missing are returns into and out of imputed or absent hours.
    """
    level = rows[column].to_numpy(dtype=float)
    bad = np.flatnonzero(~((level > 0) & (level < np.inf)) & ~np.isnan(level))
    if len(bad):
        where = rows["time"].iloc[bad[0]]
        raise ValueError(
            f"panel: {column} at {where} is {level[bad[0]]}; should be positive and finite"
        )
    step = rows["time"].diff()
    if (step <= pd.Timedelta(0)).any():
        where = rows["time"][step <= pd.Timedelta(0)].iloc[0]
        raise ValueError(f"panel: time {where} does not follow the row before it")
    imputed = rows["imputed"].to_numpy(dtype=bool)
    returns = np.full(len(rows), np.nan)
    returns[1:] = np.diff(np.log(level))
    # A fill repeats the last close, so the return after it is that of several hours.
    after_fill = np.concatenate([[False], imputed[:-1]])
    one_hour = (step == pd.Timedelta(hours=1)).to_numpy()
    returns[imputed | after_fill | ~one_hour] = np.nan
    return pd.Series(returns, index=rows.index, name="log_return")


def _detect_asset(
    rows: pd.DataFrame, asset: str, params: JumpParams, column: str, factors: pd.Series | None
) -> pd.DataFrame:
    returns = hourly_log_returns(rows, column)
    if returns.count() < params.window:
        raise ValueError(
            f"panel: {asset} has {returns.count()} hourly returns of {column}; "
            f"jumps.window {params.window} needs at least as many"
        )
    factor = np.ones(len(rows)) if factors is None else periodicity_factor(factors, rows["time"])
    test = lee_mykland(
        returns,
        window=params.window,
        alpha=params.alpha,
        # Fixed, so that later hours move no earlier flag (tests/test_no_lookahead.py).
        n_tests=params.n_tests,
        periodicity=None if factors is None else factor,
    )
    # An hour that could not be tested is no jump; the nullable flag becomes a plain bool.
    is_jump = test["is_jump"].fillna(False).astype(bool)
    return pd.DataFrame(
        {
            "time": rows["time"],
            "asset": rows["asset"],
            "log_return": returns,
            "sigma": test["sigma"],
            "periodicity": factor,
            "statistic": test["statistic"],
            "p_value": test["p_value"],
            "is_jump": is_jump,
            "jump_size": returns.where(is_jump, 0.0),
        }
    )


def _factors_of(periodicity: pd.Series | pd.DataFrame | None, asset: str) -> pd.Series | None:
    if not isinstance(periodicity, pd.DataFrame):
        return periodicity
    if asset not in periodicity:
        raise ValueError(f"periodicity: no column {asset}; found {list(periodicity.columns)}")
    return periodicity[asset]
