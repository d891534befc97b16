"""Numbers and tests in words, the same way in every sentence."""

from __future__ import annotations

import pandas as pd

from dvol_utils.results.tables import look_up

LEVEL = 0.05


def accuracy_test(table: pd.DataFrame, model_a: str, model_b: str) -> pd.Series | None:
    """The Diebold-Mariano test of two models; a negative estimate speaks for `model_a`."""
    return look_up(table, "diebold_mariano", model_a, "squared_error", model_b)


def is_gain(test: pd.Series) -> bool:
    """Whether the first model of an accuracy test is better beyond chance."""
    return bool(test["estimate"] < 0 and test["p_value"] < LEVEL)


def verdict(gain: float, p: float) -> str:
    """Whether a claim holds: `gain` is positive where the estimate speaks for it."""
    if p >= LEVEL:
        return "does not hold beyond chance" if gain > 0 else "does not hold"
    return "holds" if gain > 0 else "does not hold, the opposite does"


def estimate(table: pd.DataFrame, model: str, metric: str) -> float:
    """A model's metric on all test rows."""
    return float(look_up(table, "interval", model, metric)["estimate"])


def skill_text(table: pd.DataFrame, model: str, coverage: float) -> str:
    """A model's skill with its interval."""
    row = look_up(table, "interval", model, "skill")
    return f"{percent(row['estimate'])}, {interval_text(row, coverage, '.1f', 100, ' %')}"


def interval_text(
    row: pd.Series, coverage: float, form: str, scale: float = 1, unit: str = ""
) -> str:
    """`low` and `high` of a row with the interval's coverage."""
    low, high = (number(scale * row[end], form) for end in ("low", "high"))
    return f"{100 * coverage:.0f} % interval {low} to {high}{unit}"


def percent(share: float) -> str:
    """A share as a percentage."""
    return f"{number(100 * share, '.1f')} %"


def number(value: float, form: str) -> str:
    """A formatted number with a true minus sign, which text does not break after."""
    return f"{value:{form}}".replace("-", "−")


def p_text(p: float) -> str:
    """A p-value."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
