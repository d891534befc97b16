"""Hours after a study: which of them can be scored, and what the saved models forecast there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dvol_utils.data.checks.ticks import wrong_ticks
from dvol_utils.models.naive import SeasonalNaive
from dvol_utils.samples.samples import Samples
from dvol_utils.serving.market import Market, read_market, serving_samples, tick_words
from dvol_utils.serving.new_forecasts import (
    lacking_inputs,
    members,
    new_rows,
    with_past_quantiles,
)
from dvol_utils.serving.saved_models import (
    Finished,
    ServedFold,
    ServingError,
    load_models,
    load_run,
    newest_fold,
)
from dvol_utils.study.model_names import ENSEMBLE, label
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.numbers import hour


class NoLaterHoursError(ServingError):
    """Of the hours that are asked for, none can be scored."""


@dataclass(frozen=True)
class LaterHours:
    """Hours that can be scored, and the study and the market that they belong to.

    `rows` are their positions in `samples`, `fold` whose models are asked. `notes` say what else a
    reader should know, `counted` of the number of hours, `doubts` those of the notes that are about
    values that seem to be wrong ticks.
    """

    finished: Finished
    fold: ServedFold
    market: Market
    samples: Samples
    rows: np.ndarray
    notes: list[str]
    counted: list[str]
    doubts: list[str]


def later_hours(
    study: StudyParams,
    *,
    raw_dir: Path | None = None,
    first: pd.Timestamp | None = None,
    last: pd.Timestamp | None = None,
    asset: str | None = None,
    in_sample: bool = False,
    allow_changed: bool = False,
) -> LaterHours:
    """The hours of a raw store that a finished study's newest models can be scored on.

    Parameters and errors are those of `later_scores.score_later`.

    Raises
    ------
    NoLaterHoursError
        None of the hours can be scored.
    ServingError
        For another reason.
    """
    finished = load_run(study)
    fold = newest_fold(finished)
    first = first or finished.until + pd.Timedelta(hours=1)
    notes = _sample_notes(first, fold, finished.until, in_sample)
    market = read_market(finished, raw_dir, asset=asset, allow_changed=allow_changed)
    ticks = wrong_ticks(market.raw_dir, market.params, market.panel)
    doubts = [tick_words(tick) for tick in ticks.itertuples()]
    samples = serving_samples(market, finished.study)
    rows, counted = _rows(samples, first, last, market, finished)
    notes = market.notes + notes + doubts
    return LaterHours(finished, fold, market, samples, rows, notes, counted, doubts)


def saved_forecasts(
    hours: LaterHours, *, allow_changed: bool = False
) -> tuple[dict[str, pd.DataFrame], dict[str, str], list[str]]:
    """What the saved models forecast at some hours, nothing fitted.

    Returns
    -------
    made : dict
        Rows of the forecast table by model, one per hour and seed.
    left_out : dict
        Why other models have none, by model.
    allowed : list of str
        What `allow_changed` let pass.
    """
    finished, samples = hours.finished, hours.samples
    made: dict[str, pd.DataFrame] = {}
    left_out, notes = {}, []
    for name in _order(finished.study.models):
        reason, predictable = _lack(hours, name)
        if reason is None:
            arguments = (finished, hours.market, samples, name, hours.fold, predictable)
            table, allowed = new_rows(*arguments, made=made, allow_changed=allow_changed)
            notes += allowed
            blank = int(table["y_pred"].isna().sum())
            reason = f"no forecast at {blank} of {len(table)} rows" if blank else None
        if reason is None:
            made[name] = table
        else:
            left_out[name] = reason
    return made, left_out, notes


def with_quantiles_since(hours: LaterHours, new: pd.DataFrame) -> pd.DataFrame:
    """New rows with quantiles that go on from the study's own forecasts of the same models."""
    stored = hours.finished.asset_forecasts
    # Before the new ones: of hours that both have, the new forecast stands.
    past = stored["model"].isin(new["model"].unique()) & (stored["origin"] < new["origin"].min())
    past &= stored["asset"] == hours.samples.asset
    return with_past_quantiles(stored[past], new, hours.samples, hours.finished.study)


def _sample_notes(
    first: pd.Timestamp, fold: ServedFold, until: pd.Timestamp, in_sample: bool
) -> list[str]:
    if first < fold.known_before:
        if not in_sample:
            raise ServingError(
                f"--from {hour(first)}: the newest models have seen outcomes up to "
                f"{hour(fold.known_before)}, so earlier hours are no test; begin there, or pass "
                "--in-sample"
            )
        return [
            f"NOT OUT OF SAMPLE: the models have seen outcomes up to {hour(fold.known_before)}, "
            f"these hours begin at {hour(first)}"
        ]
    if first <= until:
        return [f"hours up to {hour(until)} are in the study's own test rows too"]
    return []


def _rows(
    samples: Samples,
    first: pd.Timestamp,
    last: pd.Timestamp | None,
    market: Market,
    finished: Finished,
) -> tuple[np.ndarray, list[str]]:
    """Hours that can be scored, and how many of those asked for cannot."""
    wanted = np.asarray(samples.times >= first)
    if last is not None:
        wanted &= np.asarray(samples.times <= last)
    # A week after a gap its hours are what the seasonal model would repeat.
    a_week_ago = np.isfinite(SeasonalNaive().predict(samples))
    rows = np.flatnonzero(wanted & samples.scored & a_week_ago)
    horizon = pd.Timedelta(hours=samples.horizon)
    panel_last = samples.times[-1]
    if not len(rows):
        until = "" if last is None else f" to {hour(last)}"
        raise NoLaterHoursError(
            f"no hour from {hour(first)}{until} can be scored: {market.raw_dir} holds "
            f"{market.asset} from {hour(samples.times[0])} to {hour(panel_last)}. The "
            f"last {samples.horizon} hours have no outcome yet, and the first weeks fill the "
            "inputs' windows; bring more months, or begin earlier with --from"
        )
    notes = []
    due = int((wanted & np.asarray(samples.times <= panel_last - horizon)).sum())
    if due > len(rows):
        notes.append(
            f"{due - len(rows):,} of {due:,} hours could not be scored: imputed, or inputs missing"
        )
    longest = max(
        finished.study.evaluation.level_window_hours,
        finished.study.features.scaling_window_hours,
        finished.study.target.volatility_window_hours,
        720,
    )
    if rows[0] < longest:
        notes.append(
            f"the first hour scored has {rows[0]:,} hours of history, the study's longest window "
            f"is {longest:,}: until it is full, inputs and regimes differ a little from those "
            "that a longer raw store gives"
        )
    return rows, notes


def _order(models: list[Any]) -> list[str]:
    """The study's models, the one that is made of others last."""
    # The ensemble needs what its members have forecast.
    return sorted(models, key=lambda name: name == ENSEMBLE)


def _lack(hours: LaterHours, name: str) -> tuple[str | None, np.ndarray]:
    """Why a model cannot be scored, None where it can; and the rows up to the end of its inputs."""
    finished, samples, rows = hours.finished, hours.samples, hours.rows
    if not (finished.asset_forecasts["model"] == name).any():
        return "the study has no forecasts of it: it could not be trained", rows
    if name not in finished.living:
        return "one of its inputs ended within the study", rows
    for member in members(finished) if name == ENSEMBLE else [name]:
        forecaster = load_models(finished, member, hours.fold)[0]
        # A model is asked as far as its inputs go, and no further.
        there = np.flatnonzero(samples.as_far_as(getattr(forecaster, "columns", ())).scored)
        predictable = rows[np.isin(rows, there)]
        columns = lacking_inputs(
            forecaster, samples, int(predictable[-1] if len(predictable) else rows[-1])
        )
        if columns:
            more = f" and {len(columns) - 3} more" if len(columns) > 3 else ""
            of = f" of its member {label(member)}" if name == ENSEMBLE else ""
            return (
                f"inputs{of} are not in the raw store: {', '.join(columns[:3])}{more}",
                predictable,
            )
        rows = predictable
    return None, rows
