"""Change the future and nothing earlier may move: features, flags, scaling, forecasters."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from market import small_jumps, small_panel, small_study

from dvol_utils.features import GROUPS, build_features
from dvol_utils.jumps import detect_jumps
from dvol_utils.jumps.periodicity import periodicity_wsd
from dvol_utils.params import MODEL_NAMES
from dvol_utils.walkforward import make_forecaster
from dvol_utils.windows import build_samples

CUTS = (1_100, 1_999, 3_100)


def changed_after(panel: pd.DataFrame, row: int, seed: int = 1) -> pd.DataFrame:
    """The same panel up to and including `row`, and another market after it."""
    rng = np.random.default_rng(seed)
    other = panel.copy()
    for name in panel.select_dtypes(float).columns:
        noise = np.exp(0.3 * rng.standard_normal(len(panel) - row - 1))
        other.loc[row + 1 :, name] = panel.loc[row + 1 :, name] * noise
    other.loc[row + 5 : row + 7, "imputed"] = True
    return other


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    made = small_study(**{"models": list(MODEL_NAMES), "training.epochs": 1})
    made._root = tmp_path_factory.mktemp("project")
    return made


@pytest.fixture(scope="module")
def panel():
    return small_panel()


@pytest.fixture(scope="module")
def samples(panel, study):
    return build_samples(panel, small_jumps(panel, study), study)


def both(panel, study, cut, build):
    """`build(panel, jumps)` on the market and on the one that differs after `cut`."""
    other = changed_after(panel, cut)
    return build(panel, small_jumps(panel, study)), build(other, small_jumps(other, study))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("column", ["dvol_close", "price_close"])
@pytest.mark.parametrize("corrected", [False, True])
def test_jump_flags(panel, study, cut, column, corrected):
    factors = None
    if corrected:  # estimated on rows before every cut
        early = panel.set_index("time")["dvol_close"].iloc[: CUTS[0]]
        factors = periodicity_wsd(np.log(early).diff().dropna(), 24)
    one, two = (
        detect_jumps(p, study.jumps, column=column, periodicity=factors)
        for p in (panel, changed_after(panel, cut))
    )
    pd.testing.assert_frame_equal(one[: cut + 1], two[: cut + 1], check_exact=True)
    assert not one[cut + 1 :].equals(two[cut + 1 :])


@pytest.mark.parametrize("cut", CUTS)
def test_features(panel, study, cut):
    one, two = both(panel, study, cut, lambda p, j: build_features(p, j, study))
    assert set(one) == {name for group in GROUPS.values() for name in group}
    pd.testing.assert_frame_equal(one[: cut + 1], two[: cut + 1], check_exact=True)


@pytest.mark.parametrize("cut", CUTS)
def test_scaling_weights_and_regimes(panel, study, cut):
    one, two = both(panel, study, cut, lambda p, j: build_samples(p, j, study))
    pd.testing.assert_frame_equal(
        one.features[: cut + 1], two.features[: cut + 1], check_exact=True
    )
    for name in ("dvol", "scale", "weight", "complete", "jump_regime", "level_regime", "split"):
        np.testing.assert_array_equal(
            getattr(one, name)[: cut + 1], getattr(two, name)[: cut + 1], err_msg=name
        )
    known = cut + 1 - study.target.horizon_hours
    for name in ("target", "outcome", "scored"):
        np.testing.assert_array_equal(getattr(one, name)[:known], getattr(two, name)[:known])


def test_targets_lie_one_horizon_ahead(panel, study, samples):
    """The last known target moves when the hour it looks at moves, and only then."""
    cut, horizon = 2_500, study.target.horizon_hours
    _, two = both(panel, study, cut, lambda p, j: build_samples(p, j, study))
    moved = np.flatnonzero(samples.outcome != two.outcome)
    assert moved.min() == cut + 1 - horizon


@pytest.mark.parametrize(
    ("name", "supervision"), [*((name, "dense") for name in MODEL_NAMES), ("lstm_baseline", "last")]
)
def test_forecasts(panel, study, samples, name, supervision):
    """A fitted forecaster's forecast at an origin does not move with what comes after it."""
    chosen = study.model_copy(
        update={"training": study.training.model_copy(update={"supervision": supervision})}
    )
    chosen._root = study.root / supervision
    forecaster = make_forecaster(name, chosen)
    if not name.startswith("lstm"):
        forecaster.fit(samples)  # networks answer with their first weights: faster, as telling
    cut = 3_100
    other = changed_after(panel, cut)
    changed = build_samples(other, small_jumps(other, chosen), chosen)
    one, two = forecaster.predict(samples), forecaster.predict(changed)
    assert np.isfinite(one[cut])
    np.testing.assert_array_equal(one[: cut + 1], two[: cut + 1])
    assert not np.array_equal(one[cut + 1 :], two[cut + 1 :], equal_nan=True)


@pytest.mark.parametrize("name", ["har", "har_calendar", "lstm_baseline"])
def test_fitting_ignores_the_test_rows(samples, study, tmp_path, name):
    """Other outcomes in the test rows leave what was learnt, and so the forecasts, as they were."""
    test = samples.split == "test"
    noise = np.random.default_rng(0).standard_normal(len(samples.dvol))
    other = dataclasses.replace(
        samples,
        target=np.where(test, noise, samples.target),
        outcome=np.where(test, 1.0, samples.outcome),
        weight=np.where(test, 9.0, samples.weight),
    )
    forecasts = []
    for folder, rows in (("one", samples), ("two", other)):
        study._root = tmp_path / folder
        forecaster = make_forecaster(name, study)
        forecaster.fit(rows)
        forecasts.append(forecaster.predict(samples))
    np.testing.assert_array_equal(*forecasts)


def test_a_leak_would_be_seen(panel, study):
    """The check itself: a centred mean of DVOL moves before the cut."""
    cut = CUTS[0]
    one, two = (
        p["dvol_close"].rolling(25, center=True).mean() for p in (panel, changed_after(panel, cut))
    )
    assert not one[: cut + 1].equals(two[: cut + 1])
