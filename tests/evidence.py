"""Significance tables with chosen numbers, for tests of sentences and result files."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pandas as pd

from dvol_utils.results.significance_table import SIGNIFICANCE_COLUMNS
from dvol_utils.significance.losses import LOSSES
from dvol_utils.significance.regimes import holm

RMSE = {
    "persistence": 2.0,
    "har": 1.95,
    "har_calendar": 1.9,
    "lstm_baseline": 1.85,
    "lstm_large": 1.8,
    "lstm_ultra": 1.75,
}


def evidence(
    rmse: Mapping[str, float] = RMSE,
    *,
    p: Mapping[tuple[str, str], float] | None = None,
    r2: float = 0.96,
    gap: tuple[float, float, float] = (0.05, -0.01, 0.11),
    direction: tuple[float, float] = (0.2, 0.01),
) -> pd.DataFrame:
    """A significance table.

    `rmse` by model; `p` the Diebold-Mariano p-values of pairs in the order of `rmse` (0.01 where
    none is given); `r2` that of persistence; `gap` estimate, low and high of the skill in jump less
    normal hours; `direction` slope and p-value, the same for all models. Absolute errors have the
    p-values of squared ones; p-values with Bartlett weights are half the others.
    """
    rows: list[dict[str, Any]] = []
    for model, value in rmse.items():
        skill = 1 - (value / rmse["persistence"]) ** 2
        moves = model != "persistence"
        numbers = {"rmse": value, "r2": r2, "mae": 0.8 * value, "mape": 3.0, "skill": skill}
        numbers["direction"] = 0.55 if moves else float("nan")
        for metric, estimate in numbers.items():
            bounds = {"estimate": estimate, "low": estimate - 0.01, "high": estimate + 0.02}
            for kind in ("interval", "interval_jump", "interval_normal"):
                rows.append({"kind": kind, "model_a": model, "metric": metric, **bounds})
        jump = dict(zip(("estimate", "low", "high"), gap, strict=True))
        rows.append({"kind": "jump_minus_normal", "model_a": model, "metric": "skill", **jump})
        inside = {"estimate": float(model != "persistence"), "p_value": 0.5}
        rows.append(
            {"kind": "confidence_set", "model_a": model, "metric": "squared_error", **inside}
        )
        slope, p_value = direction if moves else (float("nan"), float("nan"))
        rows.append(
            {
                "kind": "direction",
                "model_a": model,
                "metric": "direction",
                "estimate": slope,
                "statistic": 2.5 if slope > 0 else -2.5,
                "p_value": p_value,
            }
        )
        if moves:
            tests = ((p or {}).get(("persistence", model), 0.01), p_value)
            rows += _losses(model, (skill, 1 - value / rmse["persistence"], slope / 4), *tests)
    rows += [_pair(rmse, a, b, (p or {}).get((a, b), 0.01)) for a, b in combinations(rmse, 2)]
    rows += [_difference(rmse, a, "har_calendar") for a in rmse if a.startswith("lstm")]
    if {"ensemble", "ridge_decay"} <= set(rmse):
        rows.append(_difference(rmse, "ensemble", "ridge_decay"))
    return pd.DataFrame(rows).reindex(columns=list(SIGNIFICANCE_COLUMNS))


def validation_scores(best: str, rmse: Mapping[str, float] = RMSE) -> pd.DataFrame:
    """Validation scores in which `best` wins, and after it the first LSTM."""
    order = [best, *(model for model in sorted(rmse, reverse=True) if model != best)]
    order = sorted(order, key=lambda model: (model != best, not model.startswith("lstm")))
    values = {model: 1.0 + 0.1 * place for place, model in enumerate(order)}
    return pd.DataFrame({"model": list(values), "rmse": list(values.values()), "skill": 0.07})


def _losses(
    model: str, gains: tuple[float, float, float], p_errors: float, p_direction: float
) -> list[dict[str, Any]]:
    p_values = pd.Series([p_errors, p_errors, p_direction])
    table = pd.DataFrame(
        {
            "kind": "loss",
            "model_a": model,
            "metric": LOSSES,
            "estimate": gains,
            "low": [gain - 0.01 for gain in gains],
            "high": [gain + 0.02 for gain in gains],
            "p_value": p_values,
            "p_bartlett": p_values / 2,
            "p_holm": holm(p_values),
        }
    )
    return table.to_dict("records")


def _pair(rmse: Mapping[str, float], a: str, b: str, p_value: float) -> dict[str, Any]:
    difference = rmse[a] ** 2 - rmse[b] ** 2
    return {
        "kind": "diebold_mariano",
        "model_a": a,
        "model_b": b,
        "metric": "squared_error",
        "estimate": difference,
        "statistic": 3.0 if difference > 0 else -3.0,
        "p_value": p_value,
        "p_bartlett": p_value / 2,
    }


def _difference(rmse: Mapping[str, float], a: str, b: str) -> dict[str, Any]:
    gap = (rmse.get(b, 0) ** 2 - rmse[a] ** 2) / rmse["persistence"] ** 2
    names = {"kind": "difference", "model_a": a, "model_b": b, "metric": "skill"}
    return {**names, "estimate": gap, "low": gap - 0.01, "high": gap + 0.02}
