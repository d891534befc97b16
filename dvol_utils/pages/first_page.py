"""The answers that stand at the top of the site and at the end of the notebooks, in sentences."""

from __future__ import annotations

import pandas as pd

from dvol_utils.pages.attainable import attainable_sentence
from dvol_utils.pages.claims import ladder_verdict
from dvol_utils.results.chosen_model import choose
from dvol_utils.results.judging import (
    Verdict,
    accuracy_test,
    doubt,
    estimate,
    is_gain,
    loss_verdicts,
    skill_text,
    test_text,
)
from dvol_utils.results.published_figures import PUBLISHED_FIGURES
from dvol_utils.results.results_json import OracleResult
from dvol_utils.results.significance_table import look_up
from dvol_utils.study.model_names import LSTM_NAMES, label
from dvol_utils.wording.columns import LOSS_NAMES
from dvol_utils.wording.numbers import day, hours_text

SETTLED_WORDS = {
    Verdict.HOLDS: "settled",
    Verdict.NOT_SETTLED: "not settled, test and interval disagree",
    Verdict.NOT_BEYOND_CHANCE: "not settled",
    Verdict.DOES_NOT_HOLD: "no gain",
    Verdict.OPPOSITE: "a loss, beyond chance",
    Verdict.UNJUDGED: "not judged",
}


def study_answer(
    table: pd.DataFrame,
    validation: pd.DataFrame,
    forecasts: pd.DataFrame,
    *,
    coverage: float,
    simulated: bool,
    late_hours: int | None = None,
    oracle: OracleResult | None = None,
) -> list[str]:
    """The study's answer: what is settled, by each of three losses, the LSTM, how far to trust it.

    Where the oracle is known, what could be reached follows.

    Parameters
    ----------
    table : DataFrame
        `significance_table` of the test rows.
    validation : DataFrame
        `score` of the validation rows; chooses the models that the answer is about.
    forecasts : DataFrame
        Test rows.
    coverage : float
        Coverage of the intervals in `table`.
    simulated : bool
        Whether the data come from the simulated market.
    late_hours : int, optional
        Hours before the target up to which the models' inputs reach, where that is later than
        persistence, which is then no last value.
    oracle : OracleResult, optional
        The best forecast by a simulated market's law.
    """
    where = "In the simulated market, DVOL" if simulated else "DVOL"
    ahead = forecasts["horizon_hours"].iloc[0]
    target, last = f"{where} {hours_text(ahead)} ahead", "its last value"
    if late_hours is not None:
        target = f"{where} with inputs up to {hours_text(late_hours)} before the target"
        last = f"its value {hours_text(ahead)} before it"
    return [
        *_on_forecast(table, choose(validation), coverage, target, last),
        _on_lstm(table, choose(validation, LSTM_NAMES), coverage),
        _on_trust(table, forecasts["origin"], simulated, late_hours),
        *([attainable_sentence(oracle, choose(validation), coverage)] if oracle else []),
    ]


def _on_forecast(
    table: pd.DataFrame, best: str | None, coverage: float, target: str, last: str
) -> list[str]:
    """What is settled about the chosen model, then a sentence for each loss."""
    if best is None:
        return [f"{target} was forecast by persistence alone, so there is nothing to compare."]
    judged = loss_verdicts(table, best, coverage)
    sides = [
        [LOSS_NAMES[found.loss] for found in judged if (found.verdict is Verdict.HOLDS) is side]
        for side in (True, False)
    ]
    settled, open_ = (", ".join(names) or "nothing" for names in sides)
    return [
        f"{target}, forecast by {label(best)}, the model chosen on validation rows, against {last} "
        f"(persistence): settled is a gain in {settled}; not settled: {open_}.",
        *(f"{found.sentence}: {SETTLED_WORDS[found.verdict]}." for found in judged),
    ]


def _on_lstm(table: pd.DataFrame, lstm: str | None, coverage: float) -> str:
    if lstm is None:
        return "No LSTM was trained in this study."
    best = f"the best on validation rows, {label(lstm)}, has"
    start = {
        Verdict.HOLDS: f"Larger LSTMs forecast better; {best}",
        Verdict.IN_PART: f"Some larger LSTMs forecast better than smaller ones; {best}",
        Verdict.NOT_BEYOND_CHANCE: "Larger LSTMs do not forecast better than smaller ones "
        f"beyond chance; {best}",
        Verdict.DOES_NOT_HOLD: f"Larger LSTMs do not forecast better than smaller ones; {best}",
        Verdict.UNJUDGED: f"One LSTM size was trained; {label(lstm)} has",
    }[ladder_verdict(table)]
    test = accuracy_test(table, lstm, "har_calendar")
    rival = ""
    if test is not None:
        words = "beats" if is_gain(test) else "does not beat"
        if doubt(test, look_up(table, "difference", lstm, "skill", "har_calendar")):
            words = "the tests disagree whether it beats"
        rival = f", and {words} the linear HAR model with calendar terms ({test_text(test)})"
    return f"{start} a skill of {skill_text(table, lstm, coverage)}{rival}."


def _on_trust(
    table: pd.DataFrame, origins: pd.Series, simulated: bool, late_hours: int | None
) -> str:
    span = (
        f"the same {origins.nunique():,} hourly test rows, {day(origins.min())} to "
        f"{day(origins.max())}"
    )
    if simulated:
        return (
            f"All models stand on {span}; the market is simulated, so this shows that the method "
            "works and nothing about Bitcoin."
        )
    r2, theirs = estimate(table, "persistence", "r2"), PUBLISHED_FIGURES["overall"]["r2"]
    compare = "above" if r2 > theirs else "below"
    return (
        f"All models stand on {span}, one market in one period, where persistence alone has an R² "
        f"of {r2:.3f}, {compare} the published {theirs}: judge by skill, not by R²"
        + ("." if late_hours is None else ", and skill by what the inputs could know.")
    )
