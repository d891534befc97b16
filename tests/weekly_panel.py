"""A made-up panel with a known hour and a known week."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.data.checks.seasonality import ACTIVITY

DAYS = 70


def made_up(
    seed: int = 0, hour_bp: float = 0.0, lag_hours: int = 12, days: int = DAYS
) -> pd.DataFrame:
    """Log DVOL with changes that depend on the hours before, and `hour_bp` in bars from 08:00."""
    rng = np.random.default_rng(seed)
    noise = 0.01 * rng.standard_normal(24 * days)
    change = noise + 0.3 * np.concatenate(([0.0], noise[:-1]))
    time = pd.date_range("2022-01-03 01:00", periods=24 * days, freq="h", tz="UTC")
    change[time.hour == 9] += hour_bp / 1e4
    day = pd.Series((time - pd.Timedelta(hours=24 + lag_hours)).floor("D"))
    activity = day.dt.day_of_week.map({5: 0.5, 6: 0.4}).fillna(1.0)
    activity *= day.map({d: np.exp(0.01 * rng.standard_normal()) for d in day.unique()})
    return pd.DataFrame(
        {"time": time, "asset": "BTC", "dvol_close": 60 * np.exp(np.cumsum(change))}
        | dict.fromkeys(ACTIVITY, activity)
        | {"imputed": False}
    )
