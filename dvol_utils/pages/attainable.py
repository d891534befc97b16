"""What could be reached in a simulated market, and how much of it models reach, in words."""

from __future__ import annotations

import pandas as pd

from dvol_utils.evaluation import score
from dvol_utils.results.attainable import Attainable
from dvol_utils.results.results_json import OracleResult
from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import coverage_text, number, percent

_SO_LITTLE = "That is so little that shares of it say nothing"


def attainable_table(test: pd.DataFrame, attained: Attainable) -> pd.DataFrame:
    """Scores and share of the attainable, one row per model, the oracle last.

    Parameters
    ----------
    test : DataFrame
        Test rows.
    attained : Attainable
        What could be reached on them.
    """
    table = score(pd.concat([test, attained.forecasts], ignore_index=True))
    table["attained"] = table["model"].map(attained.shares)
    return table[["model", "rmse", "mae", "skill", "attained", "n"]]


def attainable_sentence(oracle: OracleResult, chosen: str | None, coverage: float) -> str:
    """What could be reached, and what the chosen model reaches of it, for the first page.

    Parameters
    ----------
    oracle : OracleResult
    chosen : str or None
        The model chosen on validation rows.
    coverage : float
        Coverage of the oracle's intervals.
    """
    sentences = [
        "The best forecast that this simulated market allows, by its own law and its state at the "
        f"origin, can expect a skill of {percent(oracle.expected_skill)} "
        f"(± {number(200 * oracle.expected_skill_se, '.1f')}, two standard errors of simulation)."
    ]
    scored = oracle.skill
    if scored.low is not None and scored.high is not None:
        low, high = (number(100 * bound, ".1f") for bound in (scored.low, scored.high))
        sentences.append(
            f"With the outcomes as they came it has {percent(scored.estimate)} "
            f"({coverage_text(coverage)} interval {low} to {high} %)."
        )
    share = oracle.shares.get(chosen) if chosen else None
    if share is not None:
        sentences.append(f"{label(chosen)} {share_text(share)}.")
    elif chosen is not None:
        sentences.append(f"{_SO_LITTLE}.")
    return " ".join(sentences)


def share_text(share: float) -> str:
    """How much of the attainable a model reaches, after its name."""
    if share < 0:
        return "reaches nothing of what can be expected: persistence lies nearer to that forecast"
    return f"reaches {number(100 * share, '.0f')} % of what can be expected"


def attainable_answer(attained: Attainable | None) -> list[str]:
    """What could be reached and which models come closest, for the page on regimes.

    Parameters
    ----------
    attained : Attainable or None
        None where the law is not known.
    """
    if attained is None:
        return ["The law of this market is not known, so nobody can say what could be reached."]
    sentences = [
        f"The best forecast by the market's law can expect a skill of {percent(attained.skill)} "
        f"(± {number(200 * attained.skill_se, '.1f')}, two standard errors of the simulation); its "
        f"own standard error is {number(attained.mean_se, '.3f')} points."
    ]
    shares = attained.shares.drop("persistence").dropna().sort_values(ascending=False)
    if len(attained.shares) > 1 and shares.empty:
        sentences.append(f"{_SO_LITTLE}.")
    behind = int((shares < 0).sum())
    if len(shares) and behind == len(shares):
        sentences.append(
            "No model reaches any of it: persistence lies nearer to that forecast than all others."
        )
    elif len(shares):
        nearest = label(shares.index[0])
        sentences.append(f"{nearest} comes nearest: it {share_text(shares.iloc[0])}.")
        if behind:
            sentences.append(
                f"{behind} of {len(shares)} models lie further from that forecast than persistence."
            )
    return sentences
