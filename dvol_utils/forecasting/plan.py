"""What split and data decide about everything that follows, checked before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from dvol_utils.forecasting.horizons import horizon_end
from dvol_utils.forecasting.pooling import pooled_models
from dvol_utils.forecasting.years import years_study
from dvol_utils.samples.folds import fold_samples, study_folds
from dvol_utils.samples.samples import Samples, build_samples, split_labels
from dvol_utils.study.model_names import LADDER_NAMES
from dvol_utils.study.params import ParameterError, StudyParams
from dvol_utils.wording.numbers import hour

_DAY = 24
_ADVICE = "move split.test_start or split.test_end, or bring longer data"


def check_plan(
    samples: Samples, panel: pd.DataFrame, jumps: pd.DataFrame, study: StudyParams
) -> None:
    """Refuse a study that would fail only after its networks are trained.

    Parameters
    ----------
    samples : Samples
        Those of the study's first asset.
    panel, jumps : DataFrame
        Of all its assets.
    study : StudyParams

    Raises
    ------
    ParameterError
        A window, block or horizon is longer than the test rows can serve, a fold has nothing to
        learn from, or a page that is asked for has no model or no rows. Every such key is named.
    """
    try:
        check_folds(samples, study)
        # Told with the other faults, so that one run of the check names all keys.
        folds = []
    except ValueError as error:
        folds = [str(error)]
    faults = [
        *folds,
        *_windows(samples, study),
        *_horizons(samples, study),
        *_years(samples, study),
        *_pages(panel, jumps, study),
    ]
    if faults:
        raise ParameterError("\n".join(f"study {study.name}: {fault}" for fault in faults))


def check_folds(samples: Samples, study: StudyParams) -> None:
    """Raise ValueError where a fold, perhaps the last, has no row to learn from or to stop by."""
    for fold in study_folds(samples, study):
        fold_samples(samples, fold, study.walk)


def _windows(samples: Samples, study: StudyParams) -> Iterator[str]:
    """Faults of windows that pages lay over the test's rows."""
    rows = samples.rows("test")
    origins, horizon = samples.times[rows], samples.horizon
    span = (origins[-1] - origins[0]) // pd.Timedelta(hours=1) + 1
    test = f"the test's origins, {hour(origins[0])} to {hour(origins[-1])}"
    block = study.significance.block_hours
    least = max(_DAY, horizon) if block == "auto" else block
    if least > len(rows):
        key = "target.horizon_hours" if block == "auto" else "significance.block_hours"
        length = horizon if block == "auto" else block
        yield (
            f"{key}: found {length}; one block of the bootstrap is {least} hours, and there are "
            f"{len(rows)} of {test}: shorten it, {_ADVICE}"
        )
    # Positions change once a day, so that one is held for whole days.
    held = _DAY * math.ceil(horizon / _DAY)
    trade = _DAY + held + max(study.trading.delays_hours)  # the hour of the day may be just over
    if trade > span + horizon:
        yield (
            f"split.test_start: found {hour(study.split.test_start)}; a trade, from the next "
            f"trading.hour on for {held} hours after trading.delays_hours, takes {trade}, and from "
            f"{test}, to the last target there are {span + horizon}: {_ADVICE}"
        )


def _horizons(samples: Samples, study: StudyParams) -> Iterator[str]:
    """Faults of the horizons that have a page of their own."""
    if study.horizons and study.features.lags_from == "row":
        yield (
            f"horizons: found {study.horizons} with features.lags_from row; should be left out: "
            "such a study looks a day ahead whatever its horizon"
        )
        return
    for hours in study.horizons:
        split = study.split.model_copy(update={"test_end": horizon_end(study, hours)})
        labels = split_labels(samples.times, split, hours)
        usable = samples.complete & np.isfinite(samples.dvol)
        usable[max(len(usable) - hours, 0) :] = False  # no target yet
        block = study.significance.block_hours
        least = max(_DAY if block == "auto" else block, hours)
        for name, wanted in (("train", 1), ("validation", 1), ("test", least)):
            count = int((usable & (labels == name)).sum())
            if count < wanted:
                yield (
                    f"horizons: found {hours}; should leave {wanted} {name} rows or more, leaves "
                    f"{count}: leave it out, move split, or bring longer data"
                )


def _years(samples: Samples, study: StudyParams) -> Iterator[str]:
    """Faults of the walk over the years before the test."""
    if study.edge.start is None:
        return
    try:
        yearly = years_study(study)
        labels = split_labels(samples.times, yearly.split, samples.horizon)
        # The samples are the study's; only their split is that of the walk.
        check_folds(replace(samples, split=labels), yearly)
    except ValueError as error:
        yield f"edge.start: found {hour(study.edge.start)}: {error}"


def _pages(panel: pd.DataFrame, jumps: pd.DataFrame, study: StudyParams) -> Iterator[str]:
    """Faults of pages that need certain models, or rows of other assets."""
    if study.published_page and not set(LADDER_NAMES) & set(study.models):
        yield (
            f"published_page: found true; models should name one of {', '.join(LADDER_NAMES)}, "
            f"found {', '.join(study.models)}"
        )
    if study.published_page and study.target.kind != "scaled_level":
        yield (
            f"published_page: found true with target.kind {study.target.kind}; the published rules "
            "forecast a scaled_level"
        )
    _, *others = study.data.assets
    if others:
        try:
            pooled_models(study)
            for asset in others:
                build_samples(panel, jumps, study, asset=asset)
        except ValueError as error:
            yield str(error)
