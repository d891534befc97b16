"""A small made-up table of forecasts, for the examples in docstrings."""

from __future__ import annotations

import numpy as np
import pandas as pd


def example_forecasts(rows: int = 480, *, seed: int = 0) -> pd.DataFrame:
    """Hourly forecasts, 24 hours ahead, of a random walk by four models.

    Parameters
    ----------
    rows : int
        Origins, one per hour.
    seed : int
        Seed of the walk and of the models' noise.

    Returns
    -------
    DataFrame
        `model, origin, horizon_hours, y_true, y_pred, y_origin, jump_regime`: persistence; `good`
        knows a fifth of the coming change, `noisy` a tenth, `blind` nothing, each with noise.

    Examples
    --------
    >>> from dvol_utils.evaluation import score
    >>> score(example_forecasts())[["model", "rmse", "skill", "n"]].round(2)
             model  rmse  skill    n
    0  persistence  2.27   0.00  480
    1        blind  2.33  -0.05  480
    2         good  2.00   0.23  480
    3        noisy  2.11   0.14  480
    """
    rng = np.random.default_rng(seed)
    level = 60 + 0.5 * rng.standard_normal(rows + 24).cumsum()
    base = pd.DataFrame(
        {
            "origin": pd.date_range("2025-01-01", periods=rows, freq="h", tz="UTC"),
            "horizon_hours": 24,
            "y_true": level[24:],
            "y_origin": level[:rows],
            "jump_regime": np.where(np.arange(rows) % 120 < 24, "jump", "normal"),
        }
    )
    change = base["y_true"] - base["y_origin"]
    models = {"persistence": (0, 0), "good": (0.2, 0.6), "noisy": (0.1, 0.8), "blind": (0, 0.5)}
    tables = []
    for model, (known, noise) in models.items():
        # Errors that last for a day, as those of real models do.
        lasting = np.convolve(rng.standard_normal(rows + 23), np.ones(24) / 24**0.5, mode="valid")
        forecast = base["y_origin"] + known * change + noise * lasting
        tables.append(base.assign(model=model, y_pred=forecast))
    return pd.concat(tables, ignore_index=True)
