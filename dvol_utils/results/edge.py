"""Gain over persistence by half-year and of all years walked: the table that says if it lasts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from dvol_utils.evaluation import average_seeds, check_forecasts, coverage, score
from dvol_utils.evaluation.forecast_table import ended_models
from dvol_utils.results.chosen_model import choose
from dvol_utils.results.judging import LEVEL
from dvol_utils.significance import LOSSES, Resampling, three_losses
from dvol_utils.significance.decay import A_YEAR, LAST_YEAR, decay_tests
from dvol_utils.significance.regimes import LEAST_HORIZONS
from dvol_utils.study.params import StudyParams

WHOLE, BEFORE, TEST = "all years", "before the test", "the test"
HALF_YEAR = "half-year"
CHANGES = (A_YEAR, LAST_YEAR)


class Stretch(NamedTuple):
    """Origins that are judged together."""

    kind: str  # HALF_YEAR, WHOLE, BEFORE or TEST
    name: str
    rows: pd.DataFrame


def edge_table(forecasts: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """Gain over persistence by half-year and of all years, and whether it changes.

    Parameters
    ----------
    forecasts : DataFrame
        `year_forecasts`.
    study : StudyParams
        Its `significance` says how intervals are drawn, `split` and `edge` what chose settings.

    Returns
    -------
    DataFrame
        One row per stretch, model other than persistence and loss of `LOSSES`: `kind, stretch`
        (half-years of the calendar, UTC, by origin; those of fewer than ten horizons are left out;
        then before the test, the test, and all years), `first, last` (origins), `chose` (share of
        the rows that once chose settings), `model, chosen` (whether it has the lowest RMSE on the
        study's validation rows), `loss, loss_gain, low, high, statistic, p_value, p_bartlett,
        p_holm` (`three_losses`), `direction, commonest` (shares of moves that it called right, and
        of the commoner direction), `covered_90` (share) and `n` (rows). Then the rows of
        `decay_tests` of each model and their `found_from`, a change being the `kind` and its
        estimate the `loss_gain`.

    Raises
    ------
    ValueError
        As `check_forecasts` and `bootstrap_interval`.
    """
    check_forecasts(forecasts)
    rows = average_seeds(forecasts)
    rows = rows[~rows["model"].isin(ended_models(rows))]
    validation = rows[(rows["split"] == "validation") & _of_validation(rows["origin"], study)]
    best = choose(score(validation)) if len(validation) else None
    tables = [_judged(stretch, study) for stretch in stretches(rows, study.overlap_hours)]
    tables += [_changes(rows, model, study) for model in study_models(rows)]
    table = pd.concat(tables, ignore_index=True)
    return table.assign(chosen=table["model"] == best)


def study_models(forecasts: pd.DataFrame) -> list[str]:
    """Models of a forecast table but persistence, in its order."""
    return [name for name in pd.unique(forecasts["model"]) if name != "persistence"]


def stretches(forecasts: pd.DataFrame, overlap_hours: int) -> Iterator[Stretch]:
    """Half-years of a forecast table, the rows before and of the test, and all of them."""
    origin = forecasts["origin"]
    half = origin.dt.year.astype(str) + np.where(origin.dt.month <= 6, " H1", " H2")
    parts = [(HALF_YEAR, str(name), rows) for name, rows in forecasts.groupby(half, sort=True)]
    test = forecasts["split"] == "test"
    parts += [(BEFORE, BEFORE, forecasts[~test]), (TEST, TEST, forecasts[test])]
    parts += [(WHOLE, WHOLE, forecasts)]
    least = LEAST_HORIZONS * overlap_hours
    for part in parts:
        if part[-1]["origin"].nunique() >= least:
            yield Stretch(*part)


def _of_validation(origin: pd.Series, study: StudyParams) -> pd.Series:
    return (origin >= study.split.validation_start) & (origin < study.split.test_start)


def chose_settings(origin: pd.Series, study: StudyParams) -> pd.Series:
    """Whether rows once chose settings: the study's validation rows, and days of `edge.chose`."""
    chose = _of_validation(origin, study)
    for first, last in study.edge.chose:
        chose |= (origin.dt.date >= first) & (origin.dt.date <= last)
    return chose


def chosen_spans(study: StudyParams) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """From when to when rows chose settings, those that touch as one."""
    spans = [
        (pd.Timestamp(first, tz="UTC"), pd.Timestamp(last, tz="UTC") + pd.Timedelta(days=1))
        for first, last in study.edge.chose
    ]
    spans.append((study.split.validation_start, study.split.test_start))
    joined: list[tuple[pd.Timestamp, pd.Timestamp]] = []
    # In order of time, so that each can only touch the last one joined.
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            start, end = joined[-1][0], max(joined.pop()[1], end)
        joined.append((start, end))
    return joined


def _judged(stretch: Stretch, study: StudyParams) -> pd.DataFrame:
    """Rows of `edge_table` of one stretch."""
    rows = stretch.rows
    losses = three_losses(rows, study.overlap_hours, resampling=Resampling.of(study.significance))
    once = rows.drop_duplicates("origin")
    move = (once["y_true"] - once["y_origin"]).to_numpy(float)
    # Without a move there is no commoner direction.
    rises = np.mean(move[move != 0] > 0) if np.any(move) else np.nan
    shares = score(rows).set_index("model")
    inside = coverage(rows).set_index("model")["covered_90"].reindex(shares.index)
    facts = {
        "kind": stretch.kind,
        "stretch": stretch.name,
        "first": once["origin"].min(),
        "last": once["origin"].max(),
        "chose": float(chose_settings(once["origin"], study).mean()),
    }
    return losses.assign(
        **facts,
        direction=losses["model"].map(shares["direction"]),
        commonest=max(rises, 1 - rises),
        covered_90=losses["model"].map(inside),
        n=len(once),
    )


def _changes(rows: pd.DataFrame, model: str, study: StudyParams) -> pd.DataFrame:
    """Rows of `edge_table` of a model's `decay_tests`."""
    changes = decay_tests(rows, model, coverage=study.significance.coverage)
    changes = changes.rename(columns={"change": "kind", "estimate": "loss_gain"})
    span = {"first": rows["origin"].min(), "last": rows["origin"].max()}
    return changes.assign(stretch=changes["kind"], model=model, n=rows["origin"].nunique(), **span)


def chosen_rows(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Rows of `edge_table` of the chosen model and one kind of stretch or change."""
    return table[table["chosen"].astype(bool) & (table["kind"] == kind)]


def chosen_gains(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Gain of all years of the chosen model by loss, under the model's name."""
    rows = chosen_rows(table, WHOLE)
    return {model: dict(zip(of_model["loss"], of_model["loss_gain"], strict=True))
            for model, of_model in rows.groupby("model")}  # fmt: skip


def gained(rows: pd.DataFrame) -> list[str]:
    """Losses by which a stretch's gain is above zero beyond chance, after Holm's correction."""
    beyond = rows[(rows["loss_gain"] > 0) & (rows["p_holm"] < LEVEL) & (rows["low"] > 0)]
    return [loss for loss in LOSSES if loss in set(beyond["loss"])]


def decayed(table: pd.DataFrame) -> list[str]:
    """Losses by which the chosen model's gain falls beyond chance after Holm, in either test."""
    rows = pd.concat([chosen_rows(table, kind) for kind in CHANGES])
    beyond = rows[(rows["loss_gain"] < 0) & (rows["p_holm"] < LEVEL)]
    return [loss for loss in LOSSES if loss in set(beyond["loss"])]
