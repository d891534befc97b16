"""Synthetic forecast tables for the tests of evaluation, bootstrap, significance and results."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

TEST_START = pd.Timestamp("2024-11-22 05:00", tz="UTC")
# model: (share of the coming change that it knows, sd of its noise in index points, seeds)
MODELS = {
    "persistence": (0.0, 0.0, 1),
    "seasonal_naive": (0.0, 2.0, 1),
    "har": (0.03, 0.2, 1),
    "har_calendar": (0.05, 0.2, 1),
    "lstm_baseline": (0.06, 0.3, 2),
    "lstm_large": (0.06, 0.3, 2),
    "lstm_ultra": (0.05, 0.4, 2),
}


def forecast_table(
    rows: int = 600,
    *,
    validation_rows: int = 0,
    horizon: int = 24,
    models: Mapping[str, tuple[float, float, int]] = MODELS,
    seed: int = 0,
) -> pd.DataFrame:
    """A table of forecasts of a mean-reverting level with overlapping targets."""
    rng = np.random.default_rng(seed)
    hours = validation_rows + rows
    level = _level(hours + horizon, rng)
    start, outcome = level[:hours], level[horizon:]
    origin = TEST_START + pd.to_timedelta(np.arange(hours) - validation_rows, unit="h")
    base = pd.DataFrame(
        {
            "asset": "BTC",
            "origin": origin,
            "target_time": origin + pd.Timedelta(hours=horizon),
            "horizon_hours": horizon,
            "fold": 0,
            "split": np.where(np.arange(hours) < validation_rows, "validation", "test"),
            "y_true": outcome,
            "y_origin": start,
            "jump_regime": np.where(rng.random(hours) < 0.2, "jump", "normal"),
            "level_regime": pd.qcut(start, 3, labels=["low", "middle", "high"]).astype(str),
        }
    )
    blocks = [
        base.assign(
            model=model,
            seed=number,
            y_pred=start + known * (outcome - start) + noise * rng.standard_normal(hours),
        )
        for model, (known, noise, seeds) in models.items()
        for number in range(seeds)
    ]
    return pd.concat(blocks, ignore_index=True)


def _level(hours: int, rng: np.random.Generator) -> np.ndarray:
    level = np.empty(hours)
    level[0] = 60.0
    for i, shock in enumerate(0.5 * rng.standard_normal(hours - 1), start=1):
        level[i] = 60 + 0.999 * (level[i - 1] - 60) + shock
    return level
