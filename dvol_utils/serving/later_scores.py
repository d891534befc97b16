"""Saved models on data that came later, or on another index: scores without any refit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dvol_utils.evaluation import METRICS, average_seeds, score
from dvol_utils.evaluation.ended import ended_scores
from dvol_utils.forecasting.inputs import release_sentences
from dvol_utils.results.later_losses import fewest_hours, later_losses
from dvol_utils.serving.changed_models import other_code_notes
from dvol_utils.serving.later_hours import (
    LaterHours,
    later_hours,
    saved_forecasts,
    with_quantiles_since,
)
from dvol_utils.significance import Resampling, bootstrap_interval
from dvol_utils.study.model_names import ENSEMBLE
from dvol_utils.study.params import StudyParams

SCORE_COLUMNS = (
    "jump_regime",
    "model",
    *METRICS,
    "skill_low",
    "skill_high",
    "dm_p_value",
    "dm_p_bartlett",
    "n",
)


@dataclass(frozen=True)
class LaterScores:
    """What saved models are worth on some hours.

    `scores` has the columns `SCORE_COLUMNS`, one row per model and jump regime (`all`, `normal`,
    `jump`). `losses` is `later_losses`: the same models by three losses, as the page on what came
    after the study shows them. `forecasts` is the forecast table they come from, seeds averaged,
    with quantiles. `ended` has `ended_scores` of models whose inputs ended, each on the hours up to
    there. `left_out` says by model why it has no scores, `facts` where the hours and the models
    come from, `notes` what else a reader should know. `doubts` are those of the notes that are
    about values that seem to be wrong ticks.
    """

    scores: pd.DataFrame
    losses: pd.DataFrame
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
        First and last origin (UTC); otherwise from the end of the study's test, which is
        `split.test_end` or the end of its data, to the store's.
    asset : str, optional
        Another index, such as ETH. Models whose inputs the store does not hold are left out.
    in_sample : bool
        Also take origins from before the time up to which the models have seen outcomes.
    allow_changed : bool
        Take a history that differs from the one that the models were fitted on, and models that
        differ from those of the study's forecasts; the notes say what differs.

    Raises
    ------
    ServingError
        The study was not run or has changed, the hours are not out of sample, none can be scored,
        or the data are not the study's.
    """
    hours = later_hours(
        study,
        raw_dir=raw_dir,
        first=first,
        last=last,
        asset=asset,
        in_sample=in_sample,
        allow_changed=allow_changed,
    )
    made, left_out, allowed = saved_forecasts(hours, allow_changed=allow_changed)
    rows = pd.concat(made.values(), ignore_index=True)
    forecasts = average_seeds(with_quantiles_since(hours, rows))
    finished = hours.finished
    losses = later_losses(forecasts, finished.study)
    ended = ended_scores(forecasts)
    # Ended models have scores of their own: they would take hours from all others.
    forecasts = forecasts[~forecasts["model"].isin(ended["model"])]
    scores, few = _scores(forecasts, losses, finished.study)
    facts = _facts(hours, forecasts)
    ends = hours.samples.times[hours.rows[[0, -1]]]
    notes = [*hours.notes, *allowed, *release_sentences(finished.study, made, *ends)]
    notes += [*hours.counted, *few, *finished.notes]
    notes += other_code_notes(finished, [name for name in made if name != ENSEMBLE], hours.fold)
    return LaterScores(scores, losses, forecasts, ended, left_out, facts, notes, hours.doubts)


def _scores(
    forecasts: pd.DataFrame, losses: pd.DataFrame, study: StudyParams
) -> tuple[pd.DataFrame, list[str]]:
    """`SCORE_COLUMNS`, the tests being those of `later_losses`, and a note where there are none."""
    whole = score(forecasts).assign(jump_regime="all")
    scores = pd.concat([whole, score(forecasts, ("model", "jump_regime"))], ignore_index=True)
    order = {"all": 0, "normal": 1, "jump": 2}
    # Stable, so that models keep their usual order within a regime.
    scores = scores.sort_values("jump_regime", key=lambda c: c.map(order), kind="stable")
    rows, needed = int(whole["n"].max()), fewest_hours(study)
    if rows < needed:
        missing = ("skill_low", "skill_high", "dm_p_value", "dm_p_bartlett")
        scores = scores.assign(**dict.fromkeys(missing, np.nan))
        notes = [f"{rows} hours carry no interval and no test; {needed} would"]
    else:
        scores, notes = _with_tests(scores, forecasts, losses, study), []
    return scores[list(SCORE_COLUMNS)].reset_index(drop=True), notes


def _with_tests(
    scores: pd.DataFrame, forecasts: pd.DataFrame, losses: pd.DataFrame, study: StudyParams
) -> pd.DataFrame:
    settings = {"resampling": Resampling.of(study.significance)}
    draws = bootstrap_interval(forecasts, "skill", **settings).assign(jump_regime="all")
    regimes = bootstrap_interval(forecasts, "skill", by="jump_regime", **settings)
    bounds = pd.concat([draws, regimes])[["model", "jump_regime", "low", "high"]]
    bounds = bounds.rename(columns={"low": "skill_low", "high": "skill_high"})
    squared = losses[losses["loss"] == "squared_error"].assign(jump_regime="all")
    tests = {"p_value": "dm_p_value", "p_bartlett": "dm_p_bartlett"}
    keys = ["model", "jump_regime"]
    p_values = squared.rename(columns=tests)[[*keys, *tests.values()]]
    return scores.merge(p_values, on=keys, how="left").merge(bounds, on=keys, how="left")


def _facts(hours: LaterHours, forecasts: pd.DataFrame) -> dict[str, Any]:
    finished, origins = hours.finished, forecasts["origin"]
    return {
        "study": finished.study.name,
        "simulated": finished.study.is_simulated,
        "asset": hours.market.asset,
        "raw_dir": str(hours.market.raw_dir),
        "fold": hours.fold.number,
        "fitted_before": hours.fold.known_before.isoformat(),
        "study_data_end": finished.panel["time"].max().isoformat(),
        "study_until": finished.until.isoformat(),
        "first_origin": origins.min().isoformat(),
        "last_origin": origins.max().isoformat(),
        "rows": int(origins.nunique()),
        "coverage": finished.study.significance.coverage,
    }
