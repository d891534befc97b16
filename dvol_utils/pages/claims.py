"""Closing sentences, made from the numbers: a question each, its answer, and the evidence.

The model that a claim is about is chosen on validation rows and judged on test rows. A claim holds
where its test has a p-value below `judging.LEVEL`: by the periodogram, and after Holm's correction
over the three losses where it is about persistence. A gain is not settled where the interval of the
skill holds zero.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from dvol_utils.results.chosen_model import choose
from dvol_utils.results.judging import (
    LEVEL,
    LossVerdict,
    Verdict,
    accuracy_test,
    by_test,
    doubt,
    estimate,
    is_gain,
    loss_verdicts,
    test_text,
)
from dvol_utils.results.published_figures import PUBLISHED_FIGURES
from dvol_utils.results.significance_table import look_up
from dvol_utils.significance.regimes import holm
from dvol_utils.study.model_names import LADDER_NAMES, LSTM_NAMES, label
from dvol_utils.wording.numbers import hours_text, interval_text, number, p_text, percent

_ANSWERS = {
    Verdict.HOLDS: "Yes",
    Verdict.IN_PART: "In part",
    Verdict.NOT_SETTLED: "Not settled",
    Verdict.NOT_TOLD_APART: "The two cannot be told apart",
    Verdict.DOES_NOT_HOLD: "No",
    Verdict.NOT_BEYOND_CHANCE: "Not beyond chance",
    Verdict.OPPOSITE: "No, the opposite holds",
    Verdict.UNJUDGED: "Cannot be judged",
}
_RIDGE = "ridge_decay"


class Claim(NamedTuple):
    """A question and its answer; `on_skill` where inputs from after the origin bear on it."""

    question: str
    verdict: Verdict
    evidence: str
    on_skill: bool = True

    def sentence(self, where: str, late: str) -> str:
        """Question, answer, what qualifies it, and the evidence."""
        caution = late if self.on_skill and self.verdict is not Verdict.UNJUDGED else ""
        return f"{self.question} {_ANSWERS[self.verdict]}{caution}{where}. {self.evidence}."


def claims(
    table: pd.DataFrame,
    validation: pd.DataFrame,
    *,
    coverage: float,
    simulated: bool,
    late_hours: int | None = None,
) -> list[str]:
    """One question per claim, whether it holds, and on what evidence.

    Parameters
    ----------
    table : DataFrame
        `significance_table` of the test rows.
    validation : DataFrame
        `score` of the validation rows; chooses the models that the claims are about.
    coverage : float
        Coverage of the intervals in `table`.
    simulated : bool
        Whether the data come from the simulated market; each answer then says so.
    late_hours : int, optional
        Hours before the target up to which the models' inputs reach, where that is later than
        persistence; each verdict on a model then says so.

    Returns
    -------
    list of str
        On persistence by each of three losses, size of the LSTM, jump hours, LSTM against HAR with
        calendar, the published figures, and where the study has it the time-weighted ridge.
    """
    best, lstm = choose(validation), choose(validation, LSTM_NAMES)
    judged = [
        *_beats_persistence(table, validation, best, coverage),
        _larger_is_better(table),
        _same_in_jumps(table, best, coverage),
        _lstm_beats_har(table, lstm, coverage),
        _published(table, simulated),
        *_beats_ridge(table, validation, coverage),
    ]
    where = ", in the simulated market" if simulated else ""
    late = f", with inputs up to {hours_text(late_hours)} before the target" if late_hours else ""
    return [claim.sentence(where, late) for claim in judged]


def ladder_verdict(table: pd.DataFrame) -> Verdict:
    """Whether larger LSTMs forecast better: each of them, some, or none, beyond chance.

    Holm's correction is over all pairs of sizes that are compared.
    """
    tests = _ladder_tests(table)
    if not tests:
        return Verdict.UNJUDGED
    sizes = _sizes(table)
    gained = {
        (large, small): is_gain(test)
        and not doubt(test, look_up(table, "difference", large, "skill", small))
        for (large, small), test in tests.items()
    }
    if all(gained[large, small] for small, large in pairwise(sizes)):
        return Verdict.HOLDS
    if any(gained.values()):
        return Verdict.IN_PART
    ahead = tests[sizes[-1], sizes[0]]["estimate"] < 0
    return Verdict.NOT_BEYOND_CHANCE if ahead else Verdict.DOES_NOT_HOLD


def _ladder_tests(table: pd.DataFrame) -> dict[tuple[str, str], pd.Series]:
    """The test of each (larger, smaller) pair, its `p_value` after Holm's correction over them."""
    sizes = _sizes(table)
    if len(sizes) < 2:
        return {}
    tests = {step: accuracy_test(table, *step) for step in _steps(sizes)}
    corrected = holm(pd.Series({step: test["p_value"] for step, test in tests.items()}))
    return {
        # The row with its p-value replaced, so that readers of a test need not know of Holm.
        step: test.where(test.index != "p_value", p)
        for (step, test), p in zip(tests.items(), corrected, strict=True)
    }


def _beats_persistence(
    table: pd.DataFrame, validation: pd.DataFrame, best: str | None, coverage: float
) -> list[Claim]:
    """A claim for each of the three losses, which were fixed beforehand."""
    if best is None:
        question = "Does a model beat persistence?"
        return [Claim(question, Verdict.UNJUDGED, "Persistence is the only model")]
    judged = {verdict.loss: verdict for verdict in loss_verdicts(table, best, coverage)}
    squared = judged["squared_error"]
    earlier = validation.set_index("model").loc[best, "skill"]
    evidence = (
        f"{label(best)} is chosen on validation rows (skill {percent(earlier)} there). "
        f"{squared.sentence}; its test RMSE is {estimate(table, best, 'rmse'):.3f} points against "
        f"{estimate(table, 'persistence', 'rmse'):.3f}"
    )
    skills = table[(table["kind"] == "interval") & (table["metric"] == "skill")]
    top = skills.loc[skills["estimate"].idxmax()]
    # What looks best afterwards is said as well, with the reason why it was not chosen.
    if top["model_a"] not in (best, "persistence"):
        evidence += (
            f". {label(top['model_a'])} scored higher on the test rows "
            f"({percent(top['estimate'])}), which nobody could know beforehand"
        )
    return [
        Claim("Is the squared error smaller than that of persistence?", squared.verdict, evidence),
        _by_loss(
            "Is the absolute error smaller than that of persistence?", judged["absolute_error"]
        ),
        _by_loss("Can the direction be forecast?", judged["direction"]),
    ]


def _by_loss(question: str, judged: LossVerdict) -> Claim:
    return Claim(question, judged.verdict, judged.sentence)


def _larger_is_better(table: pd.DataFrame) -> Claim:
    question, sizes = "Does a larger LSTM forecast better?", _sizes(table)
    if len(sizes) < 2:
        return Claim(question, Verdict.UNJUDGED, f"LSTM sizes trained: {len(sizes)}")
    rmse = ", ".join(f"{label(m)} {estimate(table, m, 'rmse'):.3f}" for m in sizes)
    steps = [_compared(*step, test) for step, test in _ladder_tests(table).items()]
    evidence = (
        f"Test RMSE in points: {rmse}. By the Diebold-Mariano test, after Holm's correction over "
        f"these pairs, {'. '.join(steps)}"
    )
    return Claim(question, ladder_verdict(table), evidence)


def _compared(large: str, small: str, test: pd.Series) -> str:
    """What a test of two models shows: which is better, or that it does not separate them."""
    # Written so that a missing p-value tells nothing apart.
    if not test["p_value"] < LEVEL:
        return f"{label(large)} and {label(small)} cannot be told apart ({p_text(test['p_value'])})"
    word = "better" if test["estimate"] < 0 else "worse"
    return f"{label(large)} is {word} than {label(small)} ({p_text(test['p_value'])})"


def _sizes(table: pd.DataFrame) -> list[str]:
    return [
        model for model in LADDER_NAMES if look_up(table, "interval", model, "rmse") is not None
    ]


def _steps(sizes: list[str]) -> list[tuple[str, str]]:
    """(Larger, smaller): each step of the ladder, then its two ends."""
    ends = [(sizes[-1], sizes[0])] if len(sizes) > 2 else []
    return [(large, small) for small, large in pairwise(sizes)] + ends


def _same_in_jumps(table: pd.DataFrame, best: str | None, coverage: float) -> Claim:
    """On skill: errors tell of the hours, which are as much harder for persistence."""
    question = "Is the skill the same in jump and in normal hours?"
    gap = look_up(table, "jump_minus_normal", best, "skill") if best else None
    if gap is None or not np.isfinite(gap["estimate"]):
        return Claim(question, Verdict.UNJUDGED, "One of the two has no test rows")
    one, naive = (_by_regime(table, model, "rmse") for model in (best, "persistence"))
    skill = [percent(value) for value in _by_regime(table, best, "skill")]
    apart = gap["low"] > 0 or gap["high"] < 0
    evidence = (
        f"The skill of {label(best)} is {skill[0]} in jump hours and {skill[1]} in normal ones "
        f"(difference {number(100 * gap['estimate'], '+.1f')} percentage points, "
        f"{interval_text(gap, coverage, '.1f', 100)}). In jump hours its errors are {_size(one)} "
        f"(RMSE {one[0]:.2f} against {one[1]:.2f} points), and those of persistence {_size(naive)} "
        f"({naive[0]:.2f} against {naive[1]:.2f})"
    )
    holds = Verdict.DOES_NOT_HOLD if apart else Verdict.NOT_TOLD_APART
    return Claim(question, holds, evidence)


def _size(pair: list[float]) -> str:
    """How the first of two errors compares with the second, by what is shown of them."""
    first, second = (round(value, 2) for value in pair)
    if first == second:
        return "as large"
    return "larger" if first > second else "smaller"


def _by_regime(table: pd.DataFrame, model: str, metric: str) -> list[float]:
    """A model's metric in jump and in normal hours."""
    kinds = ("interval_jump", "interval_normal")
    return [float(look_up(table, kind, model, metric)["estimate"]) for kind in kinds]


def _lstm_beats_har(table: pd.DataFrame, lstm: str | None, coverage: float) -> Claim:
    question = "Does an LSTM beat HAR with calendar?"
    test = accuracy_test(table, lstm, "har_calendar") if lstm else None
    if test is None:
        return Claim(question, Verdict.UNJUDGED, "The study lacks one of the two")
    gap = look_up(table, "difference", lstm, "skill", "har_calendar")
    evidence = (
        f"{label(lstm)}, the best LSTM on validation rows, has a test RMSE of "
        f"{estimate(table, lstm, 'rmse'):.3f} points against "
        f"{estimate(table, 'har_calendar', 'rmse'):.3f}. Its skill differs by "
        f"{number(100 * gap['estimate'], '+.1f')} percentage points "
        f"({interval_text(gap, coverage, '.1f', 100)}), {test_text(test)}"
    )
    return Claim(question, *_settled(test, gap, evidence))


def _beats_ridge(table: pd.DataFrame, validation: pd.DataFrame, coverage: float) -> list[Claim]:
    """The claim about the strongest simple rival, in studies that have it and another model."""
    among = [model for model in validation["model"] if model not in ("persistence", _RIDGE)]
    best = choose(validation, among)
    test = accuracy_test(table, best, _RIDGE) if best else None
    gap = look_up(table, "difference", best, "skill", _RIDGE) if best else None
    if test is None or gap is None:
        return []
    evidence = (
        f"{label(best)}, the best other model on validation rows, has a test RMSE of "
        f"{estimate(table, best, 'rmse'):.3f} points against "
        f"{estimate(table, _RIDGE, 'rmse'):.3f}. Its skill differs by "
        f"{number(100 * gap['estimate'], '+.1f')} percentage points "
        f"({interval_text(gap, coverage, '.1f', 100)}), {test_text(test)}"
    )
    return [Claim("Does a model beat the time-weighted ridge?", *_settled(test, gap, evidence))]


def _settled(test: pd.Series, interval: pd.Series | None, evidence: str) -> tuple[Verdict, str]:
    """Verdict on two models; not settled where the interval does not confirm a gain."""
    if not test["p_value"] < LEVEL:
        return Verdict.NOT_TOLD_APART, evidence
    against = doubt(test, interval)
    if against:
        return Verdict.NOT_SETTLED, f"{evidence}. But {against}"
    return by_test(-test["estimate"], test["p_value"]), evidence


def _published(table: pd.DataFrame, simulated: bool) -> Claim:
    r2, rmse = (estimate(table, "persistence", metric) for metric in ("r2", "rmse"))
    theirs = PUBLISHED_FIGURES["overall"]
    question = (
        f"Do the published R² of {theirs['r2']} and RMSE of {theirs['rmse']:.2f} points show skill?"
    )
    ours = f"Persistence alone reaches R² {r2:.3f} and RMSE {rmse:.3f} points on the test rows"
    if simulated:
        return Claim(question, Verdict.UNJUDGED, f"{ours}, so R² by itself says little about skill")
    own_rows = "though the published figures stem from test rows of their own"
    holds = Verdict.UNJUDGED
    # On both counts, since the hours are others: by one alone nothing would follow.
    if r2 > theirs["r2"] and rmse < theirs["rmse"]:
        holds, ours = Verdict.DOES_NOT_HOLD, f"{ours}, better on both counts"
    return Claim(question, holds, f"{ours}, {own_rows}", on_skill=False)
