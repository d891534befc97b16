"""What came after the study's end: its models as they were, and refitted every month."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.evaluation.forecast_table import ended_models, squared_errors
from dvol_utils.results.after_study import MADE, after_verdicts, gained_words
from dvol_utils.results.later_losses import fewest_hours
from dvol_utils.samples.folds import Fold
from dvol_utils.significance import equal_loss
from dvol_utils.study.model_names import NETWORK_NAMES, label
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.columns import pivoted, with_interval
from dvol_utils.wording.numbers import day, hour, hours_text, number, p_text, percent

_SHOWN = ["fitted", "model", "n", "loss_gain", "low", "high", "p_value", "p_bartlett"]
_WITH = {  # by the loss that a table is about
    "squared_error": ["rmse", "rmse_persistence", "covered_90"],
    "direction": ["direction"],
}


def too_few_text(study: StudyParams, hours: int, last: pd.Timestamp) -> str:
    """Why nothing can be said yet, and what to do about it.

    Parameters
    ----------
    study : StudyParams
    hours : int
        Hours after the study whose outcome is known.
    last : Timestamp
        Last hour of the data.
    """
    found = "no hour" if hours == 0 else f"only {hours_text(hours)}"
    way = (
        "raise data.simulated.hours"
        if study.is_simulated
        else f"bring later data: make report STUDY={study.name} RAW=folder"
    )
    return (
        f"The data end {hour(last)} UTC: {found} after the test's last origin, "
        f"{hour(study.split.test_end)}, can be scored, and this page needs {fewest_hours(study)}. "
        f"To see what came after the study, {way}."
    )


def refit_text(forecasts: pd.DataFrame, folds: list[Fold], study: StudyParams) -> str:
    """When the models were refitted, and how many trained networks that cost."""
    if not folds:
        return (
            "No month of the walk has begun since the study's end, so that nothing is refitted yet."
        )
    networks = forecasts[(forecasts["way"] == "refitted") & forecasts["model"].isin(NETWORK_NAMES)]
    # Rows before the first refit are of networks that the study itself has trained.
    networks = networks[networks["fold"] >= folds[0].number].drop_duplicates(["model", "fold"])
    count = len(networks) * len(study.training.seeds)
    cost = f"; {count} networks were trained for it" if count else ""
    return (
        f"Refitted {len(folds)} times, from {hour(folds[0].start)} to {hour(folds[-1].start)} UTC"
        f"{cost}. Before the first refit both ways are the same."
    )


def left_out_sentences(left_out: dict[str, str]) -> list[str]:
    """Models that have no forecasts here, and why, each reason once."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        by_reason.setdefault(reason, []).append(name)
    return [f"Left out: {'; '.join(names)}: {reason}." for reason, names in by_reason.items()]


def shown_losses(table: pd.DataFrame, loss: str) -> pd.DataFrame:
    """`after_table` by one loss, as readers see it."""
    rows = table[table["loss"] == loss].assign(fitted=lambda rows: rows["way"].map(MADE))
    return with_interval(rows[[*_SHOWN, *_WITH.get(loss, [])]], "loss_gain")


def losses_grid(table: pd.DataFrame, loss: str) -> pd.DataFrame:
    """The same with models down, and as they were and refitted side by side."""
    values = {"squared_error": ["rmse"], "direction": ["direction"]}.get(loss, [])
    return pivoted(
        shown_losses(table, loss), "fitted", ["loss_gain", "p_value", *values], index=("model", "n")
    )


def chosen_losses(table: pd.DataFrame) -> pd.DataFrame:
    """The chosen model by all three losses, as readers see it."""
    rows = table[table["chosen"].astype(bool)].assign(fitted=lambda rows: rows["way"].map(MADE))
    columns = ["fitted", "model", "loss", "loss_gain", "low", "high"]
    return with_interval(rows[[*columns, "p_value", "p_bartlett", "p_holm"]], "loss_gain")


def cumulative_gains(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Squared error saved over persistence since the study's end.

    Parameters
    ----------
    forecasts : DataFrame
        `way` and the forecast table, one row per origin, way and model.

    Returns
    -------
    DataFrame
        `way, model, origin` and `gain` (squared points, summed up to the origin), one row per hour
        of each model but persistence.
    """
    rows = forecasts[forecasts["model"] != "persistence"].sort_values("origin", kind="stable")
    naive, error = (rows["y_true"] - rows[name] for name in ("y_origin", "y_pred"))
    saved = naive**2 - error**2
    gain = saved.groupby([rows["way"], rows["model"]]).cumsum()
    return rows.assign(gain=gain)[["way", "model", "origin", "gain"]].reset_index(drop=True)


def finding(table: pd.DataFrame, coverage: float) -> str:
    """The figure's title: what became of the chosen model in each way."""
    verdicts = after_verdicts(table, coverage)
    if not verdicts:
        return "Squared error saved over persistence after the study's end"
    chosen = table[table["chosen"].astype(bool)]
    skill = chosen[chosen["loss"] == "squared_error"].set_index("way")["loss_gain"]
    parts = [f"{percent(skill[way])} {MADE[way]}" for way in verdicts]
    won = gained_words(verdicts["saved"])
    sure = f"beyond chance by {' and '.join(won)}" if won else "not beyond chance"
    name = label(chosen["model"].iloc[0])
    return f"{name} after the study: {', '.join(parts)}; as it was {sure}"


def ways_sentence(forecasts: pd.DataFrame, chosen: str | None, study: StudyParams) -> str | None:
    """Whether refitting the chosen model helped; None where it was not refitted."""
    rows = forecasts[forecasts["model"] == chosen]
    if chosen is None or rows["way"].nunique() < len(MADE):
        return None
    # The two ways as two models: the tests compare models.
    losses = squared_errors(rows.assign(model=rows["way"]))
    test = equal_loss(losses["refitted"], losses["saved"], horizon=study.overlap_hours)
    rmse = np.sqrt(losses.mean())
    better = "better" if rmse["refitted"] < rmse["saved"] else "worse"
    return (
        f"Refitting made {label(chosen)} {better}, from {number(rmse['saved'], '.3f')} to "
        f"{number(rmse['refitted'], '.3f')} points of RMSE (Diebold-Mariano "
        f"{p_text(test.p_value)})."
    )


def best_day_sentence(forecasts: pd.DataFrame, chosen: str | None) -> str | None:
    """What one day adds to the chosen model's gain as it was; None where there is no gain."""
    rows = forecasts[(forecasts["way"] == "saved") & (forecasts["model"] == chosen)]
    naive, error = (rows["y_true"] - rows[name] for name in ("y_origin", "y_pred"))
    # By the day of the origin: its hours share most of what came.
    by_day = (naive**2 - error**2).groupby(rows["origin"].dt.floor("D")).sum()
    if rows.empty or by_day.sum() <= 0:
        return None
    rest = by_day.sum() - by_day.max()
    without = "be behind" if rest < 0 else "still be ahead of"
    return (
        f"The origins of {day(by_day.idxmax())} alone save {number(by_day.max(), ',.0f')} squared "
        f"points, all other days together {number(rest, ',.0f')}: without that day it would "
        f"{without} persistence by squared error."
    )


def coverage_sentence(table: pd.DataFrame) -> str | None:
    """How many outcomes the chosen model's 90 % intervals hold; None where it is not there."""
    chosen = table[table["chosen"].astype(bool)].drop_duplicates("way").set_index("way")
    if chosen.empty or chosen["covered_90"].isna().all():
        return None
    first, *rest = ((percent(row["covered_90"]), MADE[str(way)]) for way, row in chosen.iterrows())
    others = "".join(f", {share} {way}" for share, way in rest)
    return f"Its 90 % intervals hold {first[0]} of the outcomes {first[1]}{others}."


def own_hours_sentences(forecasts: pd.DataFrame) -> list[str]:
    """Models whose inputs ended on the way, and where: they are scored on hours of their own."""
    ended = ended_models(forecasts)
    by_time: dict[pd.Timestamp, list[str]] = {}
    for model, last in ended.items():
        by_time.setdefault(last, []).append(label(model))
    return [
        f"{', '.join(names)}: an input ended, so the last origin is {hour(last)} UTC; scored up to "
        "there, beside persistence on the same hours."
        for last, names in by_time.items()
    ]
