"""Numbers and tests in words, the same way in every sentence."""

from __future__ import annotations

from enum import StrEnum

import pandas as pd

from dvol_utils.results.significance_table import look_up
from dvol_utils.wording.numbers import interval_text, p_text, percent

LEVEL = 0.05


class Verdict(StrEnum):
    """Whether a claim holds; the value says it in a sentence."""

    HOLDS = "holds"
    IN_PART = "holds in part"
    NOT_SETTLED = "is not settled"
    NOT_CONTRADICTED = "is not contradicted"
    DOES_NOT_HOLD = "does not hold"
    NOT_BEYOND_CHANCE = "does not hold beyond chance"
    OPPOSITE = "does not hold, the opposite does"
    UNJUDGED = "cannot be judged"


def accuracy_test(table: pd.DataFrame, model_a: str, model_b: str) -> pd.Series | None:
    """The Diebold-Mariano test of two models; a negative estimate speaks for `model_a`."""
    return look_up(table, "diebold_mariano", model_a, "squared_error", model_b)


def is_gain(test: pd.Series) -> bool:
    """Whether the first model of an accuracy test is better beyond chance."""
    return bool(test["estimate"] < 0 and test["p_value"] < LEVEL)


def doubt(test: pd.Series, interval: pd.Series | None) -> str:
    """What does not agree with an accuracy test that finds a gain; empty where nothing does.

    Parameters
    ----------
    test : Series
        `accuracy_test`.
    interval : Series or None
        Row of the skill, or of its difference, with `low`.
    """
    if not is_gain(test):
        return ""
    if interval is not None and interval["low"] <= 0:
        return "the interval of the skill holds zero"
    wide = test.get("p_wide")
    return f"with twice the lags {p_text(wide)}" if wide is not None and wide >= LEVEL else ""


def by_test(gain: float, p: float) -> Verdict:
    """Whether a claim holds: `gain` is positive where the estimate speaks for it."""
    if p >= LEVEL:
        return Verdict.NOT_BEYOND_CHANCE if gain > 0 else Verdict.DOES_NOT_HOLD
    return Verdict.HOLDS if gain > 0 else Verdict.OPPOSITE


def estimate(table: pd.DataFrame, model: str, metric: str) -> float:
    """A model's metric on all test rows."""
    return float(look_up(table, "interval", model, metric)["estimate"])


def skill_text(table: pd.DataFrame, model: str, coverage: float) -> str:
    """A model's skill with its interval."""
    row = look_up(table, "interval", model, "skill")
    return f"{percent(row['estimate'])}, {interval_text(row, coverage, '.1f', 100, ' %')}"
