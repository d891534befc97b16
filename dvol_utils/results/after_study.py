"""What came after a study: the table of both ways, what it says, and the README's block of it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dvol_utils.results.judging import LossVerdict, Verdict, loss_verdict
from dvol_utils.results.later_losses import LATER_COLUMNS, later_losses
from dvol_utils.significance.losses import LOSSES
from dvol_utils.study.model_names import label
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.columns import LOSS_NAMES
from dvol_utils.wording.numbers import coverage_text, hour, percent, written, written_p
from dvol_utils.wording.text import listed

MADE = {"saved": "as it was", "refitted": "refitted every month"}
AFTER_COLUMNS = ("way", "chosen", *LATER_COLUMNS)


def after_table(forecasts: pd.DataFrame, study: StudyParams, chosen: str | None) -> pd.DataFrame:
    """What each model is worth after the study, in each of two ways.

    Parameters
    ----------
    forecasts : DataFrame
        `way` and the forecast table of one asset, seeds averaged; it may have no rows.
    study : StudyParams
    chosen : str or None
        The model that the study's validation rows choose.

    Returns
    -------
    DataFrame
        Columns `AFTER_COLUMNS`: the way (one of `MADE`), whether the model is the chosen one, and
        `later_losses` of it.
    """
    tables = [
        later_losses(forecasts[forecasts["way"] == way].drop(columns="way"), study).assign(way=way)
        for way in MADE
        if (forecasts["way"] == way).any()
    ]
    if not tables:
        return pd.DataFrame(columns=list(AFTER_COLUMNS))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(chosen=table["model"] == chosen)[list(AFTER_COLUMNS)]


def after_verdicts(table: pd.DataFrame, coverage: float) -> dict[str, list[LossVerdict]]:
    """What the three losses say of the chosen model after the study, by way.

    Parameters
    ----------
    table : DataFrame
        `after_table`; without the chosen model there is no verdict.
    coverage : float
        Coverage of its intervals.
    """
    verdicts = {}
    for way, rows in table[table["chosen"].astype(bool)].groupby("way", sort=False):
        named = rows.rename(columns={"loss_gain": "estimate"}).set_index("loss")
        verdicts[str(way)] = [
            loss_verdict(named.loc[loss], loss, named.loc[loss, "direction"], coverage)
            for loss in LOSSES
        ]
    return verdicts


def after_sentences(table: pd.DataFrame, coverage: float, test_skill: float) -> list[str]:
    """What came of the chosen model, in plain words where it disappoints.

    Parameters
    ----------
    table : DataFrame
        `after_table`.
    coverage : float
        Coverage of its intervals.
    test_skill : float
        Skill of the chosen model in the study's own test, a share.

    Returns
    -------
    list of str
        By which losses it is better as it was, in a sentence, then one sentence per way. None where
        persistence is the study's only model.
    """
    verdicts = after_verdicts(table, coverage)
    if not verdicts:
        return []
    chosen = table[table["chosen"].astype(bool)]
    name = label(chosen["model"].iloc[0])
    skill = chosen[chosen["loss"] == "squared_error"].set_index("way")["loss_gain"]
    said = [_lasting(name, verdicts["saved"], skill["saved"], test_skill)]
    return said + [
        f"{MADE[way].capitalize()}: {_lowered('. '.join(verdict.sentence for verdict in of_way))}."
        for way, of_way in verdicts.items()
    ]


def gained_words(verdicts: list[LossVerdict]) -> list[str]:
    """The losses by which a model is better than persistence beyond chance, for readers."""
    return [LOSS_NAMES[verdict.loss] for verdict in verdicts if verdict.verdict is Verdict.HOLDS]


def after_markdown(table: pd.DataFrame, study: StudyParams, sentences: list[str]) -> str:
    """The README's block on what came after the study: a table, its hours, what it says.

    Parameters
    ----------
    table : DataFrame
        `after_table`, with rows.
    study : StudyParams
    sentences : list of str
        `after_sentences`, of which the first is shown.
    """
    coverage = coverage_text(study.significance.coverage)
    each = ["RMSE, points", f"Skill, % ({coverage} interval)", "DM p", "Direction, %"]
    ways = [way for way in MADE if (table["way"] == way).any()]
    heads = ["Model", "Hours"]
    for way in ways:
        heads += [f"{MADE[way].capitalize()}: {each[0]}", *each[1:]]
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), _persistence_row(table, ways)]
    squared = table[table["loss"] == "squared_error"]
    for model, rows in squared.groupby("model", sort=False):
        by_way = {row.way: row for row in rows.itertuples()}
        cells = [cell for way in ways for cell in _cells(by_way.get(way))]
        lines.append([label(str(model)), f"{rows['n'].iloc[0]:,}", *cells])
    shown = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n\n".join([shown, f"*{reach_line(table, study)}*", *sentences[:1]])


def reach_line(table: pd.DataFrame, study: StudyParams) -> str:
    """How many hours came after the study, which, and up to when they reach."""
    data = "Simulated data: " if study.is_simulated else ""
    last = table["last_origin"].max()
    until = last + pd.Timedelta(hours=study.target.horizon_hours)
    return (
        f"{data}{table['n'].max():,} hours after the test, origins "
        f"{hour(table['first_origin'].min())} to {hour(last)} UTC; outcomes reach {hour(until)}"
    )


def _lasting(name: str, verdicts: list[LossVerdict], skill: float, test_skill: float) -> str:
    won = gained_words(verdicts)
    both = f"skill {percent(skill)} after the study, {percent(test_skill)} in its test"
    if len(won) == len(verdicts):
        return (
            f"After the study too, {name} as it was is better than persistence beyond chance by "
            f"{listed(won)} ({both})."
        )
    if won:
        lost = [
            LOSS_NAMES[verdict.loss] for verdict in verdicts if LOSS_NAMES[verdict.loss] not in won
        ]
        return (
            f"After the study, {name} as it was is better than persistence beyond chance by "
            f"{listed(won)}, but not by {listed(lost)}: {both}."
        )
    if skill > 0:
        return (
            f"This disappoints: {name} as it was is not better than persistence beyond chance by "
            f"any of the three losses ({both})."
        )
    return (
        f"This disappoints: {name} as it was is no better than persistence, its squared error is "
        f"{percent(-skill)} larger ({both})."
    )


def _lowered(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _persistence_row(table: pd.DataFrame, ways: list[str]) -> list[str]:
    """Persistence on the hours of the models that go on to the end."""
    longest = table.loc[table["n"] == table["n"].max()].iloc[0]
    cells = [written(longest["rmse_persistence"], 3), "0.0", "–", "–"] * len(ways)
    return ["Persistence", f"{longest['n']:,}", *cells]


def _cells(row: Any) -> list[str]:
    if row is None:
        return ["–"] * 4
    interval = f" ({written(100 * row.low, 1)} to {written(100 * row.high, 1)})"
    skill = written(100 * row.loss_gain, 1) + ("" if pd.isna(row.low) else interval)
    p = written_p(row.p_value)
    return [written(row.rmse, 3), skill, p, written(100 * row.direction, 1)]
