"""Saved models on data that came later, or on another index: scores without any refit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dvol_utils.data.checks.ticks import wrong_ticks
from dvol_utils.evaluation import METRICS, average_seeds, score
from dvol_utils.evaluation.ended import ended_scores
from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.forecasting.inputs import release_sentences
from dvol_utils.models.naive import SeasonalNaive
from dvol_utils.samples.samples import Samples
from dvol_utils.serving.market import Market, read_market, serving_samples, tick_words
from dvol_utils.serving.new_forecasts import lacking_inputs, members, new_rows
from dvol_utils.serving.saved_models import (
    Finished,
    ServedFold,
    ServingError,
    load_models,
    load_run,
    newest_fold,
)
from dvol_utils.significance import Resampling, bootstrap_interval, equal_loss
from dvol_utils.study.model_names import ENSEMBLE, label
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.numbers import hour

SCORE_COLUMNS = (
    "jump_regime",
    "model",
    *METRICS,
    "skill_low",
    "skill_high",
    "dm_p_value",
    "n",
)
_HORIZONS = 10  # fewer than so many horizons of hours carry no interval and no test


@dataclass(frozen=True)
class LaterScores:
    """What saved models are worth on some hours.

    `scores` has the columns `SCORE_COLUMNS`, one row a model and jump regime (`all`, `normal`,
    `jump`); `forecasts` is the forecast table they come from, seeds averaged; `ended` has
    `ended_scores` of models whose inputs ended, each on the hours up to there. `left_out` says by
    model why it has no scores, `facts` where the hours and the models come from, `notes` what else
    a reader should know, `doubts` those among them of values that seem to be wrong ticks.
    """

    scores: pd.DataFrame
    forecasts: pd.DataFrame
    ended: pd.DataFrame
    left_out: dict[str, str]
    facts: dict[str, Any]
    notes: list[str]
    doubts: list[str]


def score_later(
    study: StudyParams,
    *,
    raw_dir: Path | None = None,
    first: pd.Timestamp | None = None,
    last: pd.Timestamp | None = None,
    asset: str | None = None,
    in_sample: bool = False,
    allow_changed: bool = False,
) -> LaterScores:
    """Score a finished study's newest saved models on a raw store's hours, without any refit.

    Parameters
    ----------
    study : StudyParams
        A study that was run.
    raw_dir : Path, optional
        Raw store with later months; otherwise the study's. It may begin before them: the longer
        the history, the sooner every input is there.
    first, last : Timestamp, optional
        First and last origin (UTC); otherwise from the end of the study's data to the store's.
    asset : str, optional
        Another index, such as ETH. Models whose inputs the store does not hold are left out.
    in_sample : bool
        Also take origins from before the time up to which the models have seen outcomes.
    allow_changed : bool
        Take a history that differs from the one that the models were fitted on.

    Raises
    ------
    ServingError
        The study was not run or has changed, the hours are not out of sample, none can be scored,
        or the data are not the study's.
    """
    finished = load_run(study)
    fold = newest_fold(finished)
    until = finished.panel["time"].max()
    first = first or until + pd.Timedelta(hours=1)
    notes = _sample_notes(first, fold, until, in_sample)
    market = read_market(finished, raw_dir, asset=asset, allow_changed=allow_changed)
    ticks = wrong_ticks(market.raw_dir, market.params, market.panel)
    doubts = [tick_words(tick) for tick in ticks.itertuples()]
    notes += doubts
    samples = serving_samples(market, finished.study)
    rows, counted = _rows(samples, first, last, market, finished)
    made: dict[str, pd.DataFrame] = {}
    left_out = {}
    for name in _order(finished.study.models):
        reason, own = _lack(finished, samples, name, fold, rows)
        if reason is None:
            table = new_rows(
                finished, market, samples, name, fold, own, made=made, allow_changed=allow_changed
            )
            blank = int(table["y_pred"].isna().sum())
            reason = f"no forecast at {blank} of {len(table)} rows" if blank else None
        if reason is None:
            made[name] = table
        else:
            left_out[name] = reason
    forecasts = average_seeds(pd.concat(made.values(), ignore_index=True))
    ended = ended_scores(forecasts)
    forecasts = forecasts[~forecasts["model"].isin(ended["model"])]
    scores, few = _scores(forecasts, finished.study)
    facts = _facts(finished, market, fold, forecasts)
    notes += release_sentences(finished.study, made, *samples.times[rows[[0, -1]]])
    notes = market.notes + notes + counted + few
    return LaterScores(scores, forecasts, ended, left_out, facts, notes, doubts)


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
    asked = np.asarray(samples.times >= first)
    if last is not None:
        asked &= np.asarray(samples.times <= last)
    # A week after a gap its hours are what the seasonal model would repeat.
    a_week_ago = np.isfinite(SeasonalNaive().predict(samples))
    rows = np.flatnonzero(asked & samples.scored & a_week_ago)
    horizon = pd.Timedelta(hours=samples.horizon)
    panel_last = samples.times[-1]
    if not len(rows):
        until = "" if last is None else f" to {hour(last)}"
        raise ServingError(
            f"no hour from {hour(first)}{until} can be scored: {market.raw_dir} holds "
            f"{market.asset} from {hour(samples.times[0])} to {hour(panel_last)}, of which the "
            f"last {samples.horizon} hours have no outcome yet and the first weeks fill the "
            "inputs' windows; bring more months, or begin earlier with --from"
        )
    notes = []
    due = int((asked & np.asarray(samples.times <= panel_last - horizon)).sum())
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
    return sorted(models, key=lambda name: name == ENSEMBLE)


def _lack(
    finished: Finished, samples: Samples, name: str, fold: ServedFold, rows: np.ndarray
) -> tuple[str | None, np.ndarray]:
    """Why a model cannot be scored, None where it can; and the rows up to the end of its inputs."""
    if not (finished.own["model"] == name).any():
        return "the study has no forecasts of it: it could not be trained", rows
    if name not in finished.living:
        return "one of its inputs ended within the study", rows
    for member in members(finished) if name == ENSEMBLE else [name]:
        forecaster = load_models(finished, member, fold)[0]
        there = np.flatnonzero(samples.as_far_as(getattr(forecaster, "columns", ())).scored)
        own = rows[np.isin(rows, there)]
        columns = lacking_inputs(forecaster, samples, int(own[-1] if len(own) else rows[-1]))
        if columns:
            more = f" and {len(columns) - 3} more" if len(columns) > 3 else ""
            of = f" of its member {label(member)}" if name == ENSEMBLE else ""
            return f"inputs{of} are not in the raw store: {', '.join(columns[:3])}{more}", own
        rows = own
    return None, rows


def _scores(forecasts: pd.DataFrame, study: StudyParams) -> tuple[pd.DataFrame, list[str]]:
    whole = score(forecasts).assign(jump_regime="all")
    scores = pd.concat([whole, score(forecasts, ("model", "jump_regime"))], ignore_index=True)
    order = {"all": 0, "normal": 1, "jump": 2}
    scores = scores.sort_values("jump_regime", key=lambda c: c.map(order), kind="stable")
    rows, needed = int(whole["n"].max()), _HORIZONS * max(24, study.target.horizon_hours)
    if rows < needed:
        scores = scores.assign(skill_low=np.nan, skill_high=np.nan, dm_p_value=np.nan)
        notes = [f"{rows} hours carry no interval and no test; {needed} would"]
    else:
        scores, notes = _with_tests(scores, forecasts, study), []
    return scores[list(SCORE_COLUMNS)].reset_index(drop=True), notes


def _with_tests(scores: pd.DataFrame, forecasts: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    settings = {"resampling": Resampling.of(study.significance)}
    draws = bootstrap_interval(forecasts, "skill", **settings).assign(jump_regime="all")
    regimes = bootstrap_interval(forecasts, "skill", by="jump_regime", **settings)
    bounds = pd.concat([draws, regimes])[["model", "jump_regime", "low", "high"]]
    bounds = bounds.rename(columns={"low": "skill_low", "high": "skill_high"})
    losses = squared_errors(forecasts)
    tests = {
        name: equal_loss(
            losses[name], losses["persistence"], horizon=study.target.horizon_hours
        ).p_value
        for name in losses
        if name != "persistence" and "persistence" in losses
    }
    p_value = scores["model"].map(tests).where(scores["jump_regime"] == "all")
    return scores.assign(dm_p_value=p_value.astype(float)).merge(
        bounds, on=["model", "jump_regime"], how="left"
    )


def _facts(
    finished: Finished, market: Market, fold: ServedFold, forecasts: pd.DataFrame
) -> dict[str, Any]:
    origins = forecasts["origin"]
    return {
        "study": finished.study.name,
        "simulated": finished.study.is_simulated,
        "asset": market.asset,
        "raw_dir": str(market.raw_dir),
        "fold": fold.number,
        "fitted_before": fold.known_before.isoformat(),
        "study_data_end": finished.panel["time"].max().isoformat(),
        "first_origin": origins.min().isoformat(),
        "last_origin": origins.max().isoformat(),
        "rows": int(origins.nunique()),
        "coverage": finished.study.significance.coverage,
    }
