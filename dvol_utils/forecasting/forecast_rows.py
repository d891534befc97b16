"""Rows of the forecast table: the one place that makes them from samples and forecasts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.samples.samples import Samples


def forecast_rows(
    samples: Samples,
    rows: np.ndarray,
    forecast: np.ndarray,
    *,
    model: str,
    seed: int = 0,
    fold: int | np.ndarray = 0,
    split: str | np.ndarray | None = None,
) -> pd.DataFrame:
    """Rows of the forecast table that one model and seed forecasts.

    Parameters
    ----------
    samples : Samples
    rows : ndarray of int, shape (n,)
        Positions in the samples.
    forecast : ndarray of shape (n,)
        Index points.
    model : str
    seed : int
    fold, split
        Of all rows or of each; without `split`, that of the samples.

    Returns
    -------
    DataFrame
        asset, origin, target_time (UTC), horizon_hours, model, seed, fold, split, y_true, y_pred,
        y_origin (index points; `y_true` is missing where it is not known yet), jump_regime,
        level_regime.
    """
    target_time = samples.target_times(rows)
    return pd.DataFrame(
        {
            "asset": samples.asset,
            # Where hours were dropped, the row before the target stands for the hour before it.
            "origin": target_time - pd.Timedelta(hours=samples.horizon),
            "target_time": target_time,
            "horizon_hours": samples.horizon,
            "model": model,
            "seed": seed,
            "fold": fold,
            "split": samples.split[rows] if split is None else split,
            "y_true": samples.outcome[rows],
            "y_pred": forecast,
            "y_origin": samples.dvol[rows],
            "jump_regime": samples.jump_regime[rows],
            "level_regime": samples.level_regime[rows],
        }
    )
