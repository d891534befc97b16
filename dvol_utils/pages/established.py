"""What is established about a model and what is not, in sentences made from the numbers.

That the model beats persistence is stated for each of three losses. It is established where the
p-value, after Holm's correction over the three, is below `judging.LEVEL` and the bootstrap interval
lies above zero; where the test alone holds, the tests disagree. Other statements on skill rest on
the p-value of their own test and the interval; where only one of the two holds, the tests disagree.
A statement on several regimes is established where the interval lies above zero in each of them.
"""

from __future__ import annotations

import pandas as pd
from scipy.stats import binomtest

from dvol_utils.pages.significance import AIMS, coverage_sentences
from dvol_utils.results.judging import (
    LEVEL,
    Verdict,
    accuracy_test,
    is_gain,
    loss_verdicts,
    skill_text,
    test_text,
)
from dvol_utils.results.significance_table import look_up
from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import interval_text, number, p_text, percent

ESTABLISHED, DISPUTED = "established", "the tests disagree"
NOT, OPEN = "not established", "cannot be judged"
_Judged = tuple[str, str, str]  # statement, verdict, evidence
_REGIMES = {
    "half": "it has skill in both halves of the test",
    "jump_regime": "it has skill in jump hours and in normal ones",
    "level_regime": "it has skill at every level of DVOL",
}
_WHOLE = 0.9  # share of its hours from which on a month counts as whole
_BY_LOSS = {
    "squared_error": "its squared error is smaller than that of persistence",
    "absolute_error": "its absolute error is smaller than that of persistence",
    "direction": "it calls the direction better than chance",
}
_VERDICTS = {
    Verdict.HOLDS: ESTABLISHED,
    Verdict.NOT_SETTLED: DISPUTED,
    Verdict.UNJUDGED: OPEN,
}
_KINDS = {"half": 2, "jump_regime": 2, "level_regime": 3}


def established(
    table: pd.DataFrame,
    model: str,
    rival: str | None,
    *,
    regimes: pd.DataFrame,
    months: pd.DataFrame,
    shares: tuple[pd.DataFrame, pd.DataFrame],
    coverage: float,
) -> pd.DataFrame:
    """Statements on a model, whether each is established, and on what evidence.

    Parameters
    ----------
    table : DataFrame
        `significance_table` of the test rows.
    model : str
        The model that was chosen on validation rows.
    rival : str or None
        The best simple model on validation rows.
    regimes : DataFrame
        `regime_skill` by `half`, `jump_regime` and `level_regime`.
    months : DataFrame
        `monthly_skill`.
    shares : tuple of DataFrame
        `reliability` on all rows and by `jump_regime`.
    coverage : float
        Coverage of the intervals in `table` and `regimes`.

    Returns
    -------
    DataFrame
        `statement, verdict` (established, the tests disagree, not established, cannot be judged),
        `evidence`. No rows for persistence, of which there is nothing to establish.
    """
    names = ["statement", "verdict", "evidence"]
    if model == "persistence":
        return pd.DataFrame([], None, names)
    judged = [
        *_by_losses(table, model, coverage),
        _jointly(table),
        _beats_rival(table, model, rival, coverage),
        *(_everywhere(regimes, model, kind, text) for kind, text in _REGIMES.items()),
        _months(months, model),
        _covers(shares, model),
        _sharper(table, model, coverage),
    ]
    return pd.DataFrame(judged, columns=names)


def statements(table: pd.DataFrame) -> list[str]:
    """One sentence per row of `established`."""
    return [
        f"**{row.verdict.capitalize()}:** {row.statement}. {row.evidence}."
        for row in table.itertuples()
    ]


def established_summary(table: pd.DataFrame, model: str, *, rows: int, simulated: bool) -> str:
    """What is and what is not established about a model, in one or two sentences.

    Parameters
    ----------
    table : DataFrame
        `established`.
    model : str
    rows : int
        Test hours.
    simulated : bool
        Whether the data come from the simulated market.
    """
    if table.empty:
        return "Persistence is the study's only model, so there is no other to vouch for."
    where = "simulated " if simulated else ""
    lead = f"On {rows:,} {where}test hours"
    listed = {verdict: "; ".join(part["statement"]) for verdict, part in table.groupby("verdict")}
    said = [f"{lead} nothing of what was asked about {label(model)} is established."]
    if ESTABLISHED in listed:
        said = [f"{lead} this is established about {label(model)}: {listed[ESTABLISHED]}."]
    if DISPUTED in listed:
        said.append(f"The tests disagree on whether {listed[DISPUTED]}.")
    if NOT in listed:
        said.append(f"It is not established that {listed[NOT]}.")
    if OPEN in listed:
        said.append(f"It cannot be judged whether {listed[OPEN]}.")
    return " ".join(said)


def established_list(table: pd.DataFrame, model: str, *, rows: int, simulated: bool) -> str:
    """The same as a list (Markdown), one line per statement with its verdict."""
    if table.empty:
        return established_summary(table, model, rows=rows, simulated=simulated)
    lead = f"{label(model)} on {rows:,} {'simulated ' if simulated else ''}test hours:"
    lines = [f"- {row.statement}: **{row.verdict}**" for row in table.itertuples()]
    return "\n".join([lead, "", *lines])


def _by_losses(table: pd.DataFrame, model: str, coverage: float) -> list[_Judged]:
    return [
        (_BY_LOSS[verdict.loss], _VERDICTS.get(verdict.verdict, NOT), verdict.sentence)
        for verdict in loss_verdicts(table, model, coverage)
    ]


def _better(table: pd.DataFrame, model: str, rival: str, text: str) -> _Judged:
    test = accuracy_test(table, model, rival)
    direction = "smaller" if test["estimate"] < 0 else "larger"
    interval = look_up(table, "difference", model, "skill", rival)
    low = None if interval is None else interval["low"]
    evidence = f"Its squared error is {direction}; {test_text(test)}"
    return text, _verdict(is_gain(test), low), evidence


def _beats_rival(table: pd.DataFrame, model: str, rival: str | None, coverage: float) -> _Judged:
    if rival is None:
        return "it beats the best simple rival", OPEN, "The study has no other simple model"
    text = f"it beats {label(rival)}, the best simple rival on validation rows"
    text, verdict, evidence = _better(table, model, rival, text)
    return text, verdict, f"The rival's skill is {skill_text(table, rival, coverage)}. {evidence}"


def _jointly(table: pd.DataFrame) -> _Judged:
    text = "some model beats persistence even if the choice among all is allowed for"
    rows = table[table["kind"] == "superior_ability"].dropna(subset=["p_value"])
    if rows.empty:
        return text, OPEN, "The study has no test of all models at once"
    top = rows.loc[rows["p_value"].idxmin()]
    evidence = f"Superior predictive ability, {len(rows)} models: {p_text(top['p_value'])}"
    return text, ESTABLISHED if top["p_value"] < LEVEL else NOT, evidence


def _everywhere(regimes: pd.DataFrame, model: str, kind: str, text: str) -> _Judged:
    rows = regimes[(regimes["model"] == model) & (regimes["regime_type"] == kind)]
    rows = rows.dropna(subset=["skill"])
    if len(rows) < 2:
        return text, OPEN, "The test rows are all of one kind"
    missing = _KINDS[kind] - len(rows)
    listed = "; ".join(
        f"{row.regime} {percent(row.skill)} ({number(100 * row.low, '.1f')} to "
        f"{number(100 * row.high, '.1f')} %{_tested(row.p_value)})"
        for row in rows.itertuples()
    )
    holds = bool((rows["low"] > 0).all())
    ahead = int((rows["skill"] > 0).sum())
    less = "" if holds else f"; ahead in {ahead} of {len(rows)}, not in each beyond chance"
    # In the regimes that came it holds, of the others nothing is known.
    if holds and missing > 0:
        return text, OPEN, f"Skill: {listed}; {missing} of {_KINDS[kind]} not among the test rows"
    return text, ESTABLISHED if holds else NOT, f"Skill: {listed}{less}"


def _months(months: pd.DataFrame, model: str) -> _Judged:
    text = "it is ahead of persistence in more months than chance gives"
    of_model = months[months["model"] == model].dropna(subset=["skill"])
    if of_model.empty:
        return text, OPEN, "There is no month with a skill"
    # A month in part may be ahead by a few days of luck.
    whole = of_model[of_model["n"] >= _WHOLE * 24 * of_model["month"].dt.days_in_month]
    if whole.empty:
        return text, OPEN, "There is no whole month with a skill"
    ahead = int((whole["skill"] > 0).sum())
    chance = float(binomtest(ahead, len(whole), alternative="greater").pvalue)
    part = len(of_model) - len(whole)
    which = f" ({part} more in part, not counted)" if part else ""
    evidence = f"{ahead} of {len(whole)} whole months{which}, sign test {p_text(chance)}"
    return text, ESTABLISHED if chance < LEVEL else NOT, evidence


def _covers(shares: tuple[pd.DataFrame, pd.DataFrame], model: str) -> _Judged:
    text = "its 90 % interval covered about what it says on these rows, in jump hours too"
    said = " ".join(coverage_sentences(*shares, model)).removesuffix(".")
    held = []
    for regime, rows in zip(("all", "jump"), shares, strict=True):
        within = rows[(rows["model"] == model) & (rows["share"] == "within")]
        within = within[within["nominal"] == 0.9]
        within = within if regime == "all" else within[within["jump_regime"] == regime]
        held += [AIMS[regime][0] <= value <= AIMS[regime][1] for value in within["observed"]]
    if len(held) < len(shares):
        return text, OPEN if all(held) else NOT, said
    return text, ESTABLISHED if all(held) else NOT, said


def _sharper(table: pd.DataFrame, model: str, coverage: float) -> _Judged:
    text = "its intervals are better than those of persistence (CRPS)"
    row = look_up(table, "crps", model, "crps_skill", "persistence")
    if row is None or pd.isna(row["p_value"]):
        return text, OPEN, "There are no intervals to compare"
    evidence = (
        f"CRPS skill {percent(row['estimate'])}, "
        f"{interval_text(row, coverage, '.2f', 100, ' %')}; {test_text(row)}"
    )
    holds = bool(row["estimate"] > 0 and row["p_value"] < LEVEL)
    return text, _verdict(holds, row["low"]), evidence


def _verdict(holds: bool, low: float | None) -> str:
    """Whether the test and the interval (its lower end) both speak for it."""
    # Where there is no interval, the test alone decides.
    agreed = [holds] + ([] if low is None or pd.isna(low) else [low > 0])
    if all(agreed):
        return ESTABLISHED
    return DISPUTED if any(agreed) else NOT


def _tested(p_value: float) -> str:
    return "" if pd.isna(p_value) else f", Diebold-Mariano {p_text(p_value)}"
