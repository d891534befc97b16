"""Folds: when models are fitted again, and what each fit may learn from.

A fold is a stretch of origins. Its models know what was known at its start and nothing later.
"""

from __future__ import annotations

import dataclasses
from itertools import count, pairwise, takewhile

import numpy as np
import pandas as pd

from dvol_utils.samples.samples import Samples
from dvol_utils.study.fitting_section import WalkParams
from dvol_utils.study.params import StudyParams

_MONTHS = {"monthly": 1, "quarterly": 3}
LATER = "later"  # hours after the study's test, which `later_folds` is asked about
_SCORED = ("validation", "test", LATER)  # splits that are forecast


@dataclasses.dataclass(frozen=True)
class Fold:
    """Origins in [start, end), forecast by models fitted on what was known before `start`."""

    number: int
    start: pd.Timestamp
    end: pd.Timestamp


def study_folds(samples: Samples, study: StudyParams) -> list[Fold]:
    """The study's folds in order of time, numbered from 0.

    Parameters
    ----------
    samples : Samples
    study : StudyParams
        `walk` says how often folds begin.

    Returns
    -------
    list of Fold
        Together they hold every scored validation and test origin once. The first begins with the
        validation rows and another with the test rows; between them and after them folds begin at
        the same day and hour of later months, or on a shorter month's last day. A fold without
        rows is left out. One fold where models are fitted once.
    """
    split, walk = study.split, study.walk
    last = samples.times[-1] if split.test_end is None else min(samples.times[-1], split.test_end)
    end = last + pd.Timedelta(hours=1)
    if walk.is_fixed:
        return [Fold(0, split.validation_start, end)]
    starts = [
        *_starts(split.validation_start, split.test_start, walk.validation),
        *_starts(split.test_start, end, walk.test),
    ]
    stretches = [Fold(0, *edges) for edges in pairwise([*starts, end])]
    used = [fold for fold in stretches if len(fold_rows(samples, fold))]
    return [dataclasses.replace(fold, number=number) for number, fold in enumerate(used)]


def later_folds(samples: Samples, study: StudyParams, last: int) -> list[Fold]:
    """The walk over the test rows gone on after `split.test_end`, by the month.

    Parameters
    ----------
    samples : Samples
        Its `split` is `LATER` at the hours that are to be forecast.
    study : StudyParams
        A study with `split.test_end`.
    last : int
        Number of the study's last fold.

    Returns
    -------
    list of Fold
        In order of time, numbered from `last + 1`. They begin where monthly folds of the test would
        have begun; later hours before the first of them are still the last fold's. A fold without
        rows is left out.
    """
    split = study.split
    assert split.test_end is not None
    end = samples.times[-1] + pd.Timedelta(hours=1)
    starts = [s for s in _starts(split.test_start, end, "monthly") if s > split.test_end]
    stretches = [Fold(0, *edges) for edges in pairwise([*starts, end])]
    used = [fold for fold in stretches if len(fold_rows(samples, fold))]
    return [dataclasses.replace(fold, number=last + 1 + place) for place, fold in enumerate(used)]


def fold_rows(samples: Samples, fold: Fold) -> np.ndarray:
    """Positions of the scored validation, test and later origins in a fold, in time order."""
    # Splits are compared in the fold alone: of a month it is a hundredth of the rows.
    inside = np.flatnonzero(samples.scored & _between(samples.times, fold.start, fold.end))
    return inside[np.isin(samples.split[inside].astype(str), _SCORED)]


def fold_samples(
    samples: Samples, fold: Fold, walk: WalkParams, *, may_be_empty: bool = False
) -> Samples:
    """Samples as the models of a fold learn from them and are asked about them.

    Parameters
    ----------
    samples : Samples
        Those of the study, with its own splits.
    fold : Fold
    walk : WalkParams
    may_be_empty : bool
        Whether there need be no row to learn from: other assets may have some.

    Returns
    -------
    Samples
        Rows of `train` have their target before the fold's last `stop_days`, rows of `validation`
        have their origin in these days and their target before the fold, rows of `test` are the
        fold's origins. `fitting` marks all rows with a target before the fold, the two's embargo
        among them. With `half_life_days` the `age_weight` of a row `a` days before the fold is
        `2 ** (-a / half_life_days)`. `complete` is left to the fold's own hours, so that they
        alone are forecast. Where models are fitted once, the samples as they are.

    Raises
    ------
    ValueError
        As `refuse_empty`.
    """
    reached = samples if walk.is_fixed else _of_fold(samples, fold, walk)
    if not may_be_empty:
        refuse_empty(reached, fold, walk)
    return reached


def _of_fold(samples: Samples, fold: Fold, walk: WalkParams) -> Samples:
    times, cut = samples.times, fold.start
    stop = cut - pd.Timedelta(days=walk.stop_days)
    first = times[0] if walk.window_days is None else cut - pd.Timedelta(days=walk.window_days)
    recent = np.asarray(times >= first)
    split = np.full(len(times), None, dtype=object)
    split[recent & _known_before(samples, stop)] = "train"
    split[(times >= stop) & _known_before(samples, cut)] = "validation"
    split[fold_rows(samples, fold)] = "test"
    return dataclasses.replace(
        samples,
        split=split,
        fitting=recent & _known_before(samples, cut),
        age_weight=_decay(times, cut, walk.half_life_days),
        complete=samples.complete & _between(times, fold.start, fold.end),
    )


def refuse_empty(learnt: Samples, fold: Fold, walk: WalkParams) -> None:
    """Raise ValueError without a row to learn from, or without one to stop the networks by."""
    for name in ("train", "validation"):
        if not len(learnt.rows(name)):
            raise ValueError(
                f"fold {fold.number}, from {fold.start}: no usable row to "
                f"{'learn from' if name == 'train' else 'stop the networks by'}: the panel begins "
                f"at {learnt.times[0]}, {walk!r}; lengthen the data, move the split or change walk"
            )


def _starts(first: pd.Timestamp, end: pd.Timestamp, cadence: str) -> list[pd.Timestamp]:
    """`first`, and with a cadence the same day of later months, all counted from `first`."""
    if cadence == "never":
        return [first]
    months = count(step=_MONTHS[cadence])
    return list(
        takewhile(lambda start: start < end, (first + pd.DateOffset(months=m) for m in months))
    )


def _between(times: pd.DatetimeIndex, start: pd.Timestamp, end: pd.Timestamp) -> np.ndarray:
    return np.asarray((times >= start) & (times < end))


def _known_before(samples: Samples, time: pd.Timestamp) -> np.ndarray:
    """Rows whose target's hour lies before a time, shape (rows,)."""
    is_known = np.zeros(len(samples.times), bool)
    is_known[: -samples.horizon] = samples.times[samples.horizon :] < time
    return is_known


def _decay(
    times: pd.DatetimeIndex, cut: pd.Timestamp, half_life: float | None
) -> np.ndarray | None:
    """What weights are multiplied by, in (0, 1]; 1 from the cut on."""
    if half_life is None:
        return None
    age = np.asarray((cut - times) / pd.Timedelta(days=1), float)
    return 0.5 ** (age.clip(min=0) / half_life)
