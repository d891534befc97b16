"""The answers that stand at the top of the site and at the end of the notebooks, in sentences."""

from __future__ import annotations

import pandas as pd

from dvol_utils.pages.attainable import attainable_sentence
from dvol_utils.pages.claims import ladder_verdict
from dvol_utils.results.chosen_model import choose
from dvol_utils.results.judging import (
    LEVEL,
    LossVerdict,
    Verdict,
    accuracy_test,
    doubt,
    estimate,
    is_gain,
    loss_verdicts,
)
from dvol_utils.results.published_figures import PUBLISHED_FIGURES
from dvol_utils.results.results_json import OracleResult
from dvol_utils.results.significance_table import look_up
from dvol_utils.study.model_names import LADDER_NAMES, LSTM_NAMES, NETWORK_NAMES, label
from dvol_utils.wording.numbers import coverage_text, day, hours_text, number, p_text, percent

_LEADS = {
    Verdict.HOLDS: "Yes, a little.",
    Verdict.NOT_SETTLED: "A little, perhaps.",
    Verdict.NOT_BEYOND_CHANCE: "A little, perhaps.",
    Verdict.DOES_NOT_HOLD: "No better than assuming no change.",
    Verdict.OPPOSITE: "No, it is worse than assuming no change.",
    Verdict.UNJUDGED: "It cannot be judged.",
}
_SIZE = {
    Verdict.HOLDS: "Larger networks forecast better.",
    Verdict.IN_PART: "Some larger networks forecast better.",
    Verdict.NOT_BEYOND_CHANCE: "That size helps is not shown.",
    Verdict.DOES_NOT_HOLD: "Size does not help.",
    Verdict.UNJUDGED: "One size was trained.",
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
    """The study's answer: how well it can be forecast, whether size helps, how far to trust it.

    Each begins with its gist in bold (Markdown). Where the oracle is known, what could be reached
    follows.

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
    ahead = hours_text(forecasts["horizon_hours"].iloc[0])
    still = f"DVOL stays where it is for {ahead}"
    if late_hours is not None:
        still = (
            f"DVOL is what it was {ahead} before, though its inputs reach up to "
            f"{hours_text(late_hours)} before the target"
        )
    return [
        _on_forecast(table, choose(validation), coverage, still),
        _on_lstm(table, choose(validation, LSTM_NAMES)),
        _on_trust(table, forecasts["origin"], simulated, late_hours),
        *([attainable_sentence(oracle, choose(validation), coverage)] if oracle else []),
    ]


def _on_forecast(table: pd.DataFrame, best: str | None, coverage: float, still: str) -> str:
    """How much the chosen model removes of persistence's squared error, and its direction."""
    if best is None:
        return "**There is nothing to compare.** DVOL was forecast by persistence alone."
    judged = {verdict.loss: verdict for verdict in loss_verdicts(table, best, coverage)}
    row = look_up(table, "interval", best, "skill")
    skill, low, high = (100 * row[name] for name in ("estimate", "low", "high"))
    verb = "removes" if skill >= 0 else "adds"
    return (
        f"**{_LEADS[judged['squared_error'].verdict]}** The best model picked in advance, "
        f"{label(best)}, {verb} {number(abs(skill), '.1f')} % of the squared error of assuming "
        f"that {still}. The uncertainty ({coverage_text(coverage)} interval) runs from "
        f"{number(low, '.1f')} to {number(high, '.1f')} %.{_on_direction(table, best, judged)}"
    )


def _on_direction(table: pd.DataFrame, best: str, judged: dict[str, LossVerdict]) -> str:
    """Whether it calls the direction, in a sentence; empty where that cannot be judged."""
    verdict, share = judged["direction"].verdict, look_up(table, "interval", best, "direction")
    if verdict is Verdict.UNJUDGED or share is None:
        return ""
    gain = look_up(table, "loss", best, "direction")["estimate"]
    more = "more" if gain > 0 else "less"
    sure = "beyond chance" if verdict in (Verdict.HOLDS, Verdict.OPPOSITE) else "not beyond chance"
    return (
        f" It is right about up or down in {percent(share['estimate'])} of the moves, "
        f"{number(100 * abs(gain), '.1f')} points {more} than chance gives ({sure})."
    )


def _on_lstm(table: pd.DataFrame, lstm: str | None) -> str:
    """Whether size helps, the skill of every network, and the best one beside a linear model."""
    if lstm is None:
        return "**No network decides.** No LSTM was trained in this study."
    said = _on_networks(table)
    test = accuracy_test(table, lstm, "har_calendar")
    if test is None:
        return f"**{_SIZE[ladder_verdict(table)]}** {said}"
    words = "is better than"
    if not is_gain(test):
        words = "is worse than" if test["p_value"] < LEVEL else "cannot be told apart from"
    elif doubt(test, look_up(table, "difference", lstm, "skill", "har_calendar")):
        words = "may or may not be better (the tests disagree) than"
    return (
        f"**{_SIZE[ladder_verdict(table)]}** {said} The LSTM picked in advance, {label(lstm)}, "
        f"{words} a linear model that knows the hour of the week ({p_text(test['p_value'])})."
    )


def _on_networks(table: pd.DataFrame) -> str:
    """The skill of every network: the published sizes, then the others."""
    kinds = [LADDER_NAMES, [name for name in NETWORK_NAMES if name not in LADDER_NAMES]]
    listed = []
    for names in kinds:
        rows = {name: look_up(table, "interval", name, "skill") for name in names}
        listed.append(
            ", ".join(
                f"{label(name)} {percent(row['estimate'])}"
                for name, row in rows.items()
                if row is not None
            )
        )
    published, others = listed
    said = [
        f"The published network, smallest size first, removes: {published}." if published else "",
        f"Other networks remove: {others}." if others else "",
    ]
    return " ".join(filter(None, said))


def _on_trust(
    table: pd.DataFrame, origins: pd.Series, simulated: bool, late_hours: int | None
) -> str:
    span = (
        f"the same {origins.nunique():,} hourly forecasts, {day(origins.min())} to "
        f"{day(origins.max())}"
    )
    if simulated:
        return (
            f"**The market is simulated.** All models stand on {span}. That shows what the method "
            "finds in a market whose law is known, and nothing about Bitcoin."
        )
    r2, theirs = estimate(table, "persistence", "r2"), PUBLISHED_FIGURES["overall"]["r2"]
    caution = "" if late_hours is None else " Judge it by what the inputs could know, too."
    return (
        f"**A high R² proves nothing here.** R² is the share of the ups and downs that a forecast "
        f"explains. Assuming no change alone has {r2:.3f}; the "
        f"published network has {theirs} on hours of its own. All models stand on {span}: one "
        f"market in one period.{caution}"
    )
