"""The published study's figures, and the same figures of a study of ours."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dvol_utils.evaluation import METRICS, score
from dvol_utils.study.model_names import LADDER_NAMES

# Points, percent (mape) and share (direction), as published; "about" where the study says so.
PUBLISHED_FIGURES: dict[str, Any] = {
    "source": (
        "Ultra-Large LSTM Model Training Results, 2025-11-07, training run "
        "ultra_large_conservative_jump_aware_20251107_122751"
    ),
    "model": "lstm_ultra",
    "overall": {
        "n": 6847,
        "r2": 0.9076,
        "rmse": 2.5712,
        "mae": 1.8846,
        "mape": 4.06,
        "direction": 0.4998,
    },
    "normal": {"n": 5590, "r2": 0.9086, "rmse": 2.5555, "mae": 1.8797, "mape": 4.05},
    "jump": {"n": 1257, "r2": 0.9030, "rmse": 2.6400, "mae": 1.9062, "mape": 4.09},
    "ladder": [
        {
            "model": "lstm_baseline",
            "parameters": 212_000,
            "r2": 0.75,
            "rmse": 3.5,
            "mae": 2.5,
            "about": True,
        },
        {
            "model": "lstm_large",
            "parameters": 1_360_000,
            "r2": 0.9000,
            "rmse": 2.67,
            "mae": 1.99,
            "about": False,
        },
        {
            "model": "lstm_ultra",
            "parameters": 5_409_281,
            "r2": 0.9076,
            "rmse": 2.57,
            "mae": 1.88,
            "about": False,
        },
    ],
}


def beside_published(forecasts: pd.DataFrame) -> pd.DataFrame:
    """The published table and the same figures of this study, with persistence.

    Parameters
    ----------
    forecasts : DataFrame
        Test rows, seeds averaged.

    Returns
    -------
    DataFrame
        `source` (published; published, about; this study), `model, hours` (all, normal, jump),
        `n, r2, rmse, mae, mape, skill, direction`; missing where it was not published.
    """
    columns = ["source", "model", "hours", "n", *METRICS]
    published = [
        {
            "source": "published",
            "model": PUBLISHED_FIGURES["model"],
            "hours": hours,
            **PUBLISHED_FIGURES[name],
        }
        for hours, name in (("all", "overall"), ("normal", "normal"), ("jump", "jump"))
    ]
    published += [
        {"source": "published, about" if row["about"] else "published", "hours": "all", **row}
        for row in PUBLISHED_FIGURES["ladder"]
        if row["model"] != PUBLISHED_FIGURES["model"]
    ]
    ours = forecasts[forecasts["model"].isin(["persistence", *LADDER_NAMES])]
    here = pd.concat(
        [
            score(ours).assign(hours="all"),
            score(ours, ("model", "jump_regime")).rename(columns={"jump_regime": "hours"}),
        ]
    ).assign(source="this study")
    table = pd.concat([pd.DataFrame(published).reindex(columns=columns), here[columns]])
    return table.reset_index(drop=True)
