"""Whether the edge lasts, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from dvol_utils.results.edge import (
    HALF_YEAR,
    WHOLE,
    chosen_rows,
    chosen_spans,
    decayed,
    gained,
)
from dvol_utils.results.judging import LEVEL
from dvol_utils.significance import LOSSES
from dvol_utils.significance.decay import A_YEAR, LAST_YEAR
from dvol_utils.study.model_names import label
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.columns import LOSS_NAMES, pivoted, with_interval
from dvol_utils.wording.numbers import day, interval_text, number, p_text, percent
from dvol_utils.wording.text import listed

_UNITS = {"squared_error": " %", "absolute_error": " %", "direction": " points"}


def half_years_shown(halves: pd.DataFrame) -> pd.DataFrame:
    """The chosen model's rows of `edge_table` for readers: half-years down, losses across."""
    shown = with_interval(halves, "loss_gain")
    first = ("stretch", "chose", "covered_90", "n")
    return pivoted(shown, "loss", ["loss_gain", "p_value"], index=first)


def stretches_shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `edge_table` for readers: models down, under their loss; stretches across."""
    ordered = pd.concat([rows[rows["loss"] == loss] for loss in LOSSES])
    shown = with_interval(ordered, "loss_gain")
    return pivoted(shown, "stretch", ["loss_gain", "p_holm"], index=("loss", "model"))


def years_finding(table: pd.DataFrame) -> str:
    """The title of the figure: in how many half-years the chosen model is ahead, and decay."""
    halves = chosen_rows(table, HALF_YEAR)
    if halves.empty:
        return "No half-year is long enough to be judged"
    count = halves["stretch"].nunique()
    ahead = [int((halves[halves["loss"] == loss]["loss_gain"] > 0).sum()) for loss in LOSSES]
    lost = decayed(table)
    fading = f"the gain by {losses_text(lost)} fades" if lost else "no decay is found"
    return (
        f"{label(halves['model'].iloc[0])} is ahead in {listed(map(str, ahead))} of {count} "
        f"half-years by {losses_text(list(LOSSES))}; {fading}"
    )


def losses_text(losses: list[str], none: str = "none of the losses") -> str:
    """Losses in words: `squared error and direction`."""
    return listed([LOSS_NAMES[loss] for loss in losses]) if losses else none


def years_answer(table: pd.DataFrame, *, coverage: float, simulated: bool) -> list[str]:
    """Whether the edge lasts, in sentences; the first is the answer.

    Parameters
    ----------
    table : DataFrame
        `edge_table`.
    coverage : float
        Coverage of its intervals.
    simulated : bool
        Whether the data come from the simulated market.
    """
    whole = chosen_rows(table, WHOLE)
    if whole.empty:
        return ["No model was chosen on validation rows, or there are too few hours to judge it."]
    first, model = whole.iloc[0], label(whole["model"].iloc[0])
    better, lost = gained(whole), decayed(table)
    where = "In the simulated market" if simulated else "Refitted every quarter"
    fading = f"the gain by {losses_text(lost)} falls with time" if lost else "no decay is found"
    sentences = [
        f"{where}, from {day(first['first'])} to {day(first['last'])} ({first['n']:,} hours), "
        f"{model} is better than persistence beyond chance by: **{losses_text(better)}**; "
        f"{fading}."
    ]
    sentences += [_whole_sentence(row, coverage) for _, row in whole.iterrows()]
    sentences += _half_year_sentences(chosen_rows(table, HALF_YEAR), coverage)
    for kind in (A_YEAR, LAST_YEAR):
        sentences += _change_sentences(chosen_rows(table, kind), coverage)
    return sentences


def _whole_sentence(row: pd.Series, coverage: float) -> str:
    name, gain = LOSS_NAMES[row["loss"]], row["loss_gain"]
    if pd.isna(gain):
        return f"All years: the {name} cannot be judged, since one direction is called only."
    size = "smaller" if gain > 0 else "larger"
    what = f"the {name} is {percent(abs(gain))} {size} than that of persistence"
    if row["loss"] == "direction":
        what = (
            f"{percent(row['direction'])} of the moves are called right, {_gain(row)} beyond "
            f"chance (the commoner direction alone: {percent(row['commonest'])})"
        )
    interval = interval_text(row, coverage, ".1f", 100, _UNITS[row["loss"]])
    tested = f"{p_text(row['p_value'])}, after Holm {p_text(row['p_holm'])}"
    return f"All years: {what}; {interval}; {tested}."


def _half_year_sentences(halves: pd.DataFrame, coverage: float) -> Iterator[str]:
    for loss in LOSSES:
        rows = halves[(halves["loss"] == loss) & halves["loss_gain"].notna()]
        if rows.empty:
            continue
        worst = rows.loc[rows["loss_gain"].idxmin()]
        yield (
            f"By {LOSS_NAMES[loss]} it is ahead in {(rows['loss_gain'] > 0).sum()} of {len(rows)} "
            f"half-years, with an interval above zero in {(rows['low'] > 0).sum()}. The weakest is "
            f"{worst['stretch']}: {_gain(worst)} "
            f"({interval_text(worst, coverage, '.1f', 100)})."
        )
    inside = halves.drop_duplicates("stretch")["covered_90"].dropna()
    if len(inside):
        yield (
            f"Its 90 % intervals hold between {percent(inside.min())} and {percent(inside.max())} "
            "of a half-year's outcomes."
        )


def _change_sentences(rows: pd.DataFrame, coverage: float) -> Iterator[str]:
    """What a test for decay found, and what it could have missed."""
    judged = rows[rows["p_value"].notna()]
    if judged.empty:
        return
    trend = judged["kind"].iloc[0] == A_YEAR
    what, each = ("Change a year", " a year") if trend else ("The last year less those before", "")
    for _, row in judged.iterrows():
        name = LOSS_NAMES[row["loss"]]
        interval = interval_text(row, coverage, ".1f", 100)
        tested = f"{p_text(row['p_value'])}, after Holm {p_text(row['p_holm'])}"
        sentence = f"{what}, {name}: {_points(row['loss_gain'])} ({interval}; {tested}). "
        if row["p_holm"] < LEVEL:
            yield sentence + ("Decay is found." if row["loss_gain"] < 0 else "A rise is found.")
        else:
            yield (
                f"{sentence}No change is found; a fall below {_points(row['found_from'])}{each} "
                "would be missed more than one time in five."
            )


def _gain(row: pd.Series) -> str:
    return f"{number(100 * row['loss_gain'], '.1f')}{_UNITS[row['loss']]}"


def _points(share: float) -> str:
    return f"{number(100 * share, '.1f')} points"


def chose_text(study: StudyParams) -> str:
    """Which stretches once chose settings, and what that means, in sentences."""
    hours = pd.Timedelta(hours=1)
    spans = [f"{day(start)} to {day(end - hours)}" for start, end in chosen_spans(study)]
    return (
        f"Rows of {listed(spans)} once chose settings, so that gains there flatter by an unknown "
        "part, and intervals do not allow for it. A fall from there to the test may be that part, "
        "not decay."
    )
