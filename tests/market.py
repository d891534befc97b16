"""A small made-up market for tests: fast, seeded, with everything a panel has."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.jumps import detect_jumps
from dvol_utils.samples.features import GROUPS
from dvol_utils.study.loading import load_study
from dvol_utils.study.model_names import NETWORK_NAMES
from dvol_utils.study.params import StudyParams

HOURS = 3_600


def small_panel(hours: int = HOURS, seed: int = 0, asset: str = "BTC") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    change = 0.01 * rng.standard_t(4, hours)
    change[rng.random(hours) < 0.01] *= 8
    level = np.zeros(hours)
    for i in range(1, hours):
        level[i] = 0.995 * level[i - 1] + change[i]
    dvol = 60 * np.exp(level)
    price = 30_000 * np.exp(np.cumsum(0.006 * rng.standard_normal(hours)))
    day = np.repeat(rng.normal(size=hours // 24 + 1), 24)[:hours]
    bars = {"open": 1.0, "high": 1.01, "low": 0.99, "close": 1.0}
    return pd.DataFrame(
        {
            "time": pd.date_range("2022-01-03 01:00", periods=hours, freq="h", tz="UTC"),
            "asset": asset,
            **{f"dvol_{name}": dvol * factor for name, factor in bars.items()},
            **{f"price_{name}": price * factor for name, factor in bars.items()},
            "volume": 1e8 * np.exp(rng.normal(size=hours)),
            "funding_rate": 1e-4 * np.repeat(rng.normal(size=hours // 8 + 1), 8)[:hours],
            "active_addresses": 9e5 * np.exp(0.1 * day),
            "transfer_volume_usd": 5e9 * np.exp(0.3 * day),
            "transaction_count": 3e5 * np.exp(0.1 * day),
            "mvrv": 1.5 + 0.1 * day,
            "imputed": False,
        }
    )


def small_study(**overrides: object) -> StudyParams:
    """The smoke study with splits inside `small_panel` and every feature group."""
    networks = set(NETWORK_NAMES) & set(overrides.get("models", NETWORK_NAMES))
    return load_study(
        "smoke",
        {
            "split.validation_start": "2022-04-18 00:00",
            "split.test_start": "2022-05-09 00:00",
            "edge.start": None,
            "edge.chose": [],
            "features.groups": list(GROUPS),
            "features.scaling_window_hours": 240,
            "target.volatility_window_hours": 240,
            **({"training.chunk_hours": 48} if networks else {}),
            **overrides,
        },
    )


def small_jumps(panel: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    return detect_jumps(panel, study.jumps)
