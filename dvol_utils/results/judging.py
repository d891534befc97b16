"""Numbers and tests in words, the same way in every sentence."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np
import pandas as pd

from dvol_utils.results.significance_table import look_up
from dvol_utils.wording.columns import LOSS_NAMES
from dvol_utils.wording.numbers import interval_text, number, p_text, percent

LEVEL = 0.05


class Verdict(StrEnum):
    """Whether a claim holds; the value says it in a sentence."""

    HOLDS = "holds"
    IN_PART = "holds in part"
    NOT_SETTLED = "is not settled"
    NOT_TOLD_APART = "cannot be told from chance"
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
    if is_gain(test) and interval is not None and interval["low"] <= 0:
        return "the interval of the skill holds zero"
    return ""


def test_text(test: pd.Series) -> str:
    """A Diebold-Mariano test in words: the p-value that counts, and the one that others print."""
    bartlett = p_text(test["p_bartlett"]).removeprefix("p = ")
    return f"Diebold-Mariano {p_text(test['p_value'])}, with Bartlett weights {bartlett}"


class LossVerdict(NamedTuple):
    """Whether a model is better than persistence by one loss, and the sentence that says so."""

    loss: str
    verdict: Verdict
    sentence: str


def loss_verdicts(table: pd.DataFrame, model: str, coverage: float) -> list[LossVerdict]:
    """What the three losses say of a model beside persistence, each with its sentence.

    Parameters
    ----------
    table : DataFrame
        `significance_table`.
    model : str
    coverage : float
        Coverage of its intervals.
    """
    share = look_up(table, "interval", model, "direction")
    right = np.nan if share is None else share["estimate"]
    rows = {loss: look_up(table, "loss", model, loss) for loss in LOSS_NAMES}
    return [loss_verdict(row, loss, right, coverage) for loss, row in rows.items()]


def loss_verdict(row: pd.Series | None, loss: str, right: float, coverage: float) -> LossVerdict:
    """What one loss says of a model beside persistence, and the sentence that says so.

    Parameters
    ----------
    row : Series or None
        `estimate, low, high, p_value, p_holm` of the gain; None where there is none.
    loss : str
        One of `LOSSES`.
    right : float
        Share of moves whose direction the model calls.
    coverage : float
        Coverage of the interval.
    """
    if row is None or pd.isna(row["p_value"]):
        why = "one direction is called only" if loss == "direction" else "there is no test of it"
        said = f"The {LOSS_NAMES[loss]} cannot be judged: {why}"
        return LossVerdict(loss, Verdict.UNJUDGED, said)
    interval = interval_text(row, coverage, ".1f", 100, " %")
    gain = row["estimate"]
    if loss == "direction":
        more = "more" if gain > 0 else "less"
        points = number(100 * abs(gain), ".1f")
        what = (
            f"The direction is right in {percent(right)} of the moves, {points} points {more} than "
            "chance"
        )
        test = "test of independence"
    else:
        size = "smaller" if gain > 0 else "larger"
        what = f"The {LOSS_NAMES[loss]} is {percent(abs(gain))} {size} than that of persistence"
        test = "Diebold-Mariano"
    verdict = by_test(gain, row["p_holm"])
    # A claim needs both, test and interval: docs/method.md, What counts as settled.
    if verdict is Verdict.HOLDS and row["low"] <= 0:
        verdict = Verdict.NOT_SETTLED
    tested = f"{test} {p_text(row['p_value'])}, {p_text(row['p_holm'])} after Holm"
    return LossVerdict(loss, verdict, f"{what} ({interval}; {tested})")


def by_test(gain: float, p: float) -> Verdict:
    """Whether a claim holds: `gain` is positive where the estimate speaks for it."""
    # Within chance the sign alone decides which words are used.
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
