"""The hours after `split.test_end`, forecast in two ways: by the saved models, and refitted.

Nothing is chosen there and nothing tuned. Both ways stand on the same hours; where one of them
begins to differ from the other is the first month that begins after the study's end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from dvol_utils.evaluation import average_seeds
from dvol_utils.evaluation.forecast_columns import FORECAST_COLUMNS
from dvol_utils.forecasting.inputs import release_sentences
from dvol_utils.forecasting.walk import walk_models
from dvol_utils.results.later_losses import fewest_hours
from dvol_utils.samples.folds import LATER, Fold, later_folds
from dvol_utils.samples.samples import Samples
from dvol_utils.serving.later_hours import (
    LaterHours,
    NoLaterHoursError,
    later_hours,
    saved_forecasts,
    with_quantiles_since,
)
from dvol_utils.serving.new_forecasts import ensemble_rows, members
from dvol_utils.study.model_names import ENSEMBLE, NAIVE_NAMES, NETWORK_NAMES, label
from dvol_utils.study.params import StudyParams

SAVED, REFITTED = "saved", "refitted"


@dataclass(frozen=True)
class AfterStudy:
    """What came after a study, as its models forecast it.

    Attributes
    ----------
    forecasts : DataFrame
        `way` (`saved` or `refitted`) and the columns of the forecast table with quantiles, seeds
        averaged; without rows where there are too few hours.
    hours : int
        Hours that can be scored.
    folds : list of Fold
        Those in which models were refitted.
    left_out : dict
        Why models have no forecasts, by way and model's label.
    notes : list of str
        What else a reader should know.
    """

    forecasts: pd.DataFrame
    hours: int
    folds: list[Fold] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def last_target(self) -> pd.Timestamp | None:
        """The date up to which the evidence reaches; None without forecasts."""
        return None if self.forecasts.empty else self.forecasts["target_time"].max()


def after_the_study(study: StudyParams, *, log: Callable[[str], None] = print) -> AfterStudy:
    """Forecast every hour after a study's test, by its saved models and refitted every month.

    The saved models are asked by the code behind `dvol score`. Refits go on with the study's walk:
    the same rules, folds by the month, what was known before each; what they learn is kept beside
    the study's checkpoints, with higher numbers of the fold.

    Parameters
    ----------
    study : StudyParams
        A study with `split.test_end` whose forecasts have been made.
    log : callable
        Receives the networks' progress lines while they train.

    Raises
    ------
    ServingError
        The study was not run or has changed, or its data have.
    TrainingError
        As `walk_models`.
    """
    try:
        hours = later_hours(study)
    except NoLaterHoursError:
        return AfterStudy(_none(), 0)
    count = len(hours.rows)
    if count < fewest_hours(study):
        return AfterStudy(_none(), count)
    saved, lacking, _ = saved_forecasts(hours)
    folds, refitted, failed = refitted_forecasts(hours, saved, log=log)
    ways = {SAVED: saved, REFITTED: refitted if folds else {}}
    tables = [_with_way(hours, way, made) for way, made in ways.items() if made]
    left_out = {f"{label(name)}, as it was": why for name, why in lacking.items()}
    left_out |= {f"{label(name)}, refitted": why for name, why in failed.items()}
    ends = hours.samples.times[hours.rows[[0, -1]]]
    notes = [*hours.notes, *release_sentences(hours.finished.study, saved, *ends), *hours.counted]
    return AfterStudy(pd.concat(tables, ignore_index=True), count, folds, left_out, notes)


def refitted_forecasts(
    hours: LaterHours,
    saved: Mapping[str, pd.DataFrame],
    *,
    log: Callable[[str], None] = print,
) -> tuple[list[Fold], dict[str, pd.DataFrame], dict[str, str]]:
    """The study's walk gone on by the month after its end.

    Parameters
    ----------
    hours : LaterHours
    saved : mapping
        `saved_forecasts`: the first hours, up to the first month that begins, are theirs.
    log : callable

    Returns
    -------
    folds : list of Fold
        The months; none where none has begun.
    made : dict
        Rows of the forecast table by model, one per hour and seed: the saved models that learn,
        refitted, and persistence as it is.
    left_out : dict
        Why other models could not be refitted, by model.
    """
    study, last = hours.finished.study, hours.fold.number
    samples = _marked(hours)
    folds = later_folds(samples, study, last)
    if not folds:
        return [], {}, {}
    # Models that the study fits once, or by the quarter, are refitted by the month all the same.
    walk = study.walk.model_copy(update={"test": "monthly"})
    names = [name for name in saved if name not in (*NAIVE_NAMES, ENSEMBLE)]
    # A seed that failed in the study would make the mean of a refit another model.
    untrained = _untrained(hours.finished.asset_forecasts, names, study)
    names = [name for name in names if name not in untrained]
    tables, failures = walk_models(
        names, folds, samples, study.model_copy(update={"walk": walk}), after=last, log=log
    )
    failed = {key.partition(" seed ")[0]: why for key, why in failures.items()} | untrained
    made = {"persistence": saved["persistence"]}
    for name in (name for name in names if name not in failed):
        # Up to the first refit both ways are the same forecasts.
        first = saved[name][saved[name]["origin"] < folds[0].start]
        new = [table for table in tables if table["model"].iloc[0] == name]
        made[name] = pd.concat([first, *new], ignore_index=True).assign(split=LATER)
    if ENSEMBLE in saved:
        lost = [label(name) for name in members(hours.finished) if name not in made]
        if lost:
            failed[ENSEMBLE] = f"without its member {', '.join(lost)}"
        else:
            new = pd.concat([made[name] for name in members(hours.finished)], ignore_index=True)
            made[ENSEMBLE] = ensemble_rows(new, hours.finished, hours.fold)
    return folds, made, failed


def _marked(hours: LaterHours) -> Samples:
    """The samples with the hours to forecast as the only ones of a split."""
    split = np.full(len(hours.samples.times), None, dtype=object)
    split[hours.rows] = LATER
    return dataclasses.replace(hours.samples, split=split)


def _untrained(rows: pd.DataFrame, names: list[str], study: StudyParams) -> dict[str, str]:
    """Networks of which the study lacks a seed: a refit would not be the same model."""
    seeds = rows.groupby("model")["seed"].nunique()
    wanted = len(study.training.seeds)
    return {
        name: f"only {seeds[name]} of its {wanted} seeds could be trained in the study"
        for name in names
        if name in NETWORK_NAMES and seeds[name] < wanted
    }


def _with_way(hours: LaterHours, way: str, made: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Forecasts of one way with their quantiles, seeds averaged."""
    rows = with_quantiles_since(hours, pd.concat(made.values(), ignore_index=True))
    averaged = average_seeds(rows)
    averaged.insert(0, "way", way)
    return averaged


def _none() -> pd.DataFrame:
    return pd.DataFrame(columns=["way", *FORECAST_COLUMNS])
