from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import small_jumps, small_panel, small_study
from pydantic import ValidationError

from dvol_utils.pages.training import fold_summary
from dvol_utils.samples.folds import (
    LATER,
    Fold,
    fold_rows,
    fold_samples,
    later_folds,
    study_folds,
)
from dvol_utils.samples.samples import Samples, build_samples, split_labels
from dvol_utils.study.fitting_section import SplitParams, WalkParams
from dvol_utils.training.processes.job import read_samples, write_samples

DAY = pd.Timedelta(days=1)
HOUR = pd.Timedelta(hours=1)
HORIZON = 24
SPLIT = {"split.validation_start": "2022-03-15 00:00", "split.test_start": "2022-04-20 00:00"}


@pytest.fixture(scope="module")
def market() -> Samples:
    panel, study = small_panel(), small_study(**SPLIT)
    return build_samples(panel, small_jumps(panel, study), study)


def walked(**walk: object):
    """The small study, refitted: 36 validation and 43 test days."""
    walk = {"stop_days": 10, **walk}
    return small_study(**SPLIT, **{f"walk.{key}": value for key, value in walk.items()})


def bare(times: pd.DatetimeIndex, split: SplitParams) -> Samples:
    """Samples of which only time, split and the scored rows matter."""
    hours = len(times)
    ones, flags = np.ones(hours), np.ones(hours, bool)
    flags[-HORIZON:] = False
    words = np.full(hours, "x", dtype=object)
    return Samples(
        asset="BTC",
        times=times,
        horizon=HORIZON,
        features=pd.DataFrame(index=times),
        dvol=ones,
        scale=ones,
        target=ones,
        outcome=ones,
        split=split_labels(times, split, HORIZON),
        complete=np.ones(hours, bool),
        scored=flags,
        jump_regime=words,
        level_regime=words,
    )


def folds_between(
    validation: str, test: str, end: str, /, **walk: object
) -> tuple[list[Fold], Samples]:
    """Folds of a market that begins 200 days before the validation rows."""
    split = SplitParams(validation_start=validation, test_start=test)
    times = pd.date_range(split.validation_start - 200 * DAY, pd.Timestamp(end, tz="UTC"), freq="h")
    study = small_study().model_copy(update={"split": split, "walk": WalkParams(**walk)})
    samples = bare(times, split)
    return study_folds(samples, study), samples


def starts(folds: list[Fold]) -> list[str]:
    return [f"{fold.start:%Y-%m-%d %H}" for fold in folds]


def test_without_a_walk_there_is_one_fold_and_the_samples_stay_as_they_are(market):
    study = small_study(**SPLIT)
    (fold,) = study_folds(market, study)
    assert fold == Fold(0, study.split.validation_start, market.times[-1] + HOUR)
    assert fold_samples(market, fold, study.walk) is market
    rows = np.concatenate([market.rows("validation"), market.rows("test")])
    np.testing.assert_array_equal(fold_rows(market, fold), rows)
    np.testing.assert_array_equal(market.fitting_rows(), market.rows("train"))


@pytest.mark.parametrize(
    ("walk", "expected"),
    [
        (
            {"validation": "monthly", "test": "monthly"},
            [
                "2023-12-31 12",
                "2024-01-31 12",
                "2024-02-29 12",
                "2024-03-31 12",
                "2024-04-30 12",
                "2024-05-30 05",
                "2024-06-30 05",
                "2024-07-30 05",
            ],
        ),
        (
            {"validation": "quarterly", "test": "never"},
            ["2023-12-31 12", "2024-03-31 12", "2024-05-30 05"],
        ),
        (
            {"validation": "never", "test": "quarterly"},
            ["2023-12-31 12", "2024-05-30 05"],
        ),
    ],
)
def test_folds_begin_on_the_same_day_of_later_months(walk, expected):
    folds, _ = folds_between("2023-12-31 12:00", "2024-05-30 05:00", "2024-08-10 00:00", **walk)
    assert starts(folds) == expected
    assert [fold.number for fold in folds] == list(range(len(expected)))


def test_a_month_that_is_too_short_moves_no_later_start():
    """The 31st stays the 31st after February, and a test that begins on a start has one fold."""
    folds, _ = folds_between(
        "2022-12-31 00:00", "2023-03-31 00:00", "2023-04-29 00:00", validation="monthly"
    )
    assert starts(folds) == ["2022-12-31 00", "2023-01-31 00", "2023-02-28 00", "2023-03-31 00"]


@pytest.mark.parametrize(
    ("end", "last"), [("2023-05-02 03:00", ["2023-05-01 00"]), ("2023-05-01 23:00", [])]
)
def test_a_fold_without_rows_is_left_out(end, last):
    """The day before the test lies in its embargo; no target of the last day is known."""
    cadences = {"validation": "monthly", "test": "monthly"}
    folds, samples = folds_between("2023-01-30 00:00", "2023-03-01 00:00", end, **cadences)
    assert starts(folds) == ["2023-01-30 00", "2023-03-01 00", "2023-04-01 00", *last]
    assert [fold.number for fold in folds] == list(range(len(folds)))
    rows = np.concatenate([fold_rows(samples, fold) for fold in folds])
    assert len(rows) == len(samples.rows("validation")) + len(samples.rows("test"))


@pytest.mark.parametrize("cadence", ["never", "quarterly", "monthly"])
def test_after_the_end_folds_go_on_by_the_month(cadence):
    split = SplitParams(
        validation_start="2023-12-31 12:00", test_start="2024-05-30 05:00", test_end="2024-07-10"
    )
    times = pd.date_range("2023-06-01", "2024-10-15", freq="h", tz="UTC")
    walk = WalkParams(validation="quarterly", test=cadence)
    study = small_study().model_copy(update={"split": split, "walk": walk})
    samples = bare(times, split)
    own = study_folds(samples, study)
    assert own[-1].end == split.test_end + HOUR
    assert max(samples.times[fold_rows(samples, own[-1])]) == split.test_end
    assert later_folds(samples, study, own[-1].number) == []  # no hour is asked about
    marked = np.where(times > split.test_end, LATER, samples.split)
    marked[times >= pd.Timestamp("2024-08-30 05:00", tz="UTC")] = None
    marked[times >= pd.Timestamp("2024-09-30 05:00", tz="UTC")] = LATER
    asked = dataclasses.replace(samples, split=marked)
    folds = later_folds(asked, study, own[-1].number)
    assert starts(folds) == ["2024-07-30 05", "2024-09-30 05"]
    assert [fold.number for fold in folds] == [own[-1].number + 1, own[-1].number + 2]
    learnt = fold_samples(asked, folds[0], WalkParams(test="monthly", stop_days=20))
    known = samples.target_times(np.flatnonzero(learnt.fitting))
    assert known.max() == folds[0].start - HOUR  # the embargo: outcomes known before it alone
    assert learnt.times[learnt.rows("test")].min() == folds[0].start


@settings(max_examples=60, deadline=None)
@given(
    first=st.integers(0, 24 * 400),
    validation_hours=st.integers(26, 24 * 200),
    test_hours=st.integers(26, 24 * 200),
    cadences=st.tuples(*[st.sampled_from(["never", "monthly", "quarterly"])] * 2),
    holes=st.integers(0, 2**20),
)
def test_folds_hold_every_scored_row_once(first, validation_hours, test_hours, cadences, holes):
    begin = pd.Timestamp("2023-01-01", tz="UTC") + first * HOUR
    middle = begin + validation_hours * HOUR
    split = SplitParams(validation_start=begin, test_start=middle)
    times = pd.date_range(begin - 90 * DAY, middle + test_hours * HOUR, freq="h")
    samples = bare(times, split)
    missing = np.random.default_rng(holes).random(len(times)) < 0.3
    samples = dataclasses.replace(samples, scored=samples.scored & ~missing)
    walk = WalkParams(validation=cadences[0], test=cadences[1])
    folds = study_folds(samples, small_study().model_copy(update={"split": split, "walk": walk}))
    rows = [fold_rows(samples, fold) for fold in folds]
    expected = np.concatenate([samples.rows("validation"), samples.rows("test")])
    np.testing.assert_array_equal(np.concatenate(rows), expected)
    assert all(len(part) for part in rows)
    assert all(one.end <= two.start for one, two in pairwise(folds))
    for fold, part in zip(folds, rows, strict=True):
        assert ((times[part] >= fold.start) & (times[part] < fold.end)).all()


@pytest.mark.parametrize("walk", [{}, {"window_days": 40}])
def test_a_fold_learns_from_what_was_known_row_by_row(market, walk):
    study = walked(validation="monthly", test="monthly", **walk)
    for fold in study_folds(market, study):
        own = fold_samples(market, fold, study.walk)
        stop = fold.start - 10 * DAY
        oldest = fold.start - walk.get("window_days", 10_000) * DAY
        for row, time in enumerate(market.times[: -market.horizon]):
            target, fits = time + HORIZON * HOUR, False
            expected = None
            if oldest <= time and target < stop:
                expected = "train"
            if stop <= time and target < fold.start:
                expected = "validation"
            fits = oldest <= time and target < fold.start
            if fold.start <= time < fold.end and market.split[row] in ("validation", "test"):
                expected = "test" if market.scored[row] else None
            assert own.split[row] == expected, time
            assert own.fitting[row] == fits, time


def test_no_target_of_one_part_lies_in_a_later_one(market):
    study = walked(test="monthly")
    folds = study_folds(market, study)
    assert len(folds) == 3  # two of them with test rows
    for fold in folds:
        own = fold_samples(market, fold, study.walk)
        ends = {name: own.target_times(own.rows(name)).max() for name in ("train", "validation")}
        assert ends["train"] < own.times[own.rows("validation")].min()
        assert ends["validation"] < own.times[own.rows("test")].min()
        assert own.target_times(own.fitting_rows()).max() < fold.start
        assert set(own.rows("train")) | set(own.rows("validation")) < set(own.fitting_rows())


def test_a_rolling_window_leaves_old_rows_out(market):
    study = walked(test="monthly", window_days=40)
    for fold in study_folds(market, study):
        own = fold_samples(market, fold, study.walk)
        for rows in (own.rows("train"), own.fitting_rows()):
            assert own.times[rows].min() >= fold.start - 40 * DAY
    hours = (40 - 10) * 24 - HORIZON  # every row of the last fold's window is usable
    assert len(own.rows("train")) == hours


def test_weights_halve_with_every_half_life(market):
    study = walked(test="never", validation="monthly", half_life_days=20)
    fold = study_folds(market, study)[0]
    own = fold_samples(market, fold, study.walk)
    cut = market.times.get_loc(fold.start)
    for days, factor in ((20, 1 / 2), (40, 1 / 4), (60, 1 / 8), (5, 0.8408964152537145), (0, 1)):
        row = cut - 24 * days
        assert own.age_weight[row] == pytest.approx(factor, rel=1e-12)
    assert (own.age_weight[cut:] == 1).all()
    plain = fold_samples(market, fold, walked(validation="monthly").walk)
    assert plain.age_weight is None


def test_a_fold_is_asked_about_its_own_hours_alone(market):
    study = walked(test="monthly")
    fold = study_folds(market, study)[1]
    hours = (market.times >= fold.start) & (market.times < fold.end)
    own = fold_samples(market, fold, study.walk)
    np.testing.assert_array_equal(own.complete, market.complete & hours)


def test_the_summary_counts_rows(market):
    study = walked(validation="quarterly", test="monthly")
    folds = study_folds(market, study)
    summary = fold_summary(market, folds, study.walk)
    assert summary["fold"].tolist() == [0, 1, 2]
    assert summary["forecast"].sum() == len(market.rows("validation")) + len(market.rows("test"))
    assert (summary["stopped_by"] == 10 * 24 - HORIZON).all()
    assert summary["learnt_from"].is_monotonic_increasing
    assert summary["first_origin"].tolist() == [fold.start for fold in folds]


@pytest.mark.parametrize(
    ("days", "message"),
    [(60, "fold 0, from 2022-03-15 .*: no usable row to learn from: the panel begins at 2022-01")],
)
def test_a_fold_with_nothing_to_learn_from_is_refused(market, days, message):
    study = walked(validation="monthly", stop_days=days, window_days=days + 1)
    with pytest.raises(ValueError, match=message):
        fold_samples(market, study_folds(market, study)[0], study.walk)
    empty = fold_samples(market, study_folds(market, study)[0], study.walk, may_be_empty=True)
    assert not len(empty.rows("train"))


def test_a_fold_with_nothing_to_stop_by_is_refused(market):
    study = walked(validation="monthly", stop_days=1)  # within the embargo
    with pytest.raises(ValueError, match=r"no usable row to stop the networks by: .*stop_days=1"):
        fold_samples(market, study_folds(market, study)[0], study.walk)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"half_life_days": 90},
            "half_life_days 90.0 should be left out where walk.validation and",
        ),
        ({"warm_epochs": 3}, "warm_epochs 3 should be left out"),
        (
            {"test": "monthly", "window_days": 60},
            "window_days 60 should be more than stop_days 60, which the networks do not learn from",
        ),
        ({"test": "weekly"}, "'never', 'monthly' or 'quarterly'"),
        ({"test": "monthly", "half_life_days": 0}, "greater than 0"),
    ],
)
def test_a_walk_that_makes_no_sense_is_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        WalkParams(**values)


def test_samples_of_a_fold_travel_as_files(market, tmp_path):
    study = walked(test="monthly", half_life_days=30)
    own = fold_samples(market, study_folds(market, study)[1], study.walk)
    write_samples(own, tmp_path / "samples.parquet")
    read = read_samples(tmp_path / "samples.parquet")
    np.testing.assert_array_equal(read.fitting_rows(), own.fitting_rows())
    for name in ("train", "validation", "test"):
        np.testing.assert_array_equal(read.rows(name), own.rows(name))
    np.testing.assert_array_equal(read.age_weight, own.age_weight)
    write_samples(market, tmp_path / "plain.parquet")
    assert read_samples(tmp_path / "plain.parquet").fitting is None
