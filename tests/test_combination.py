from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dvol_utils.forecasting.combination import combination_weights, combine
from dvol_utils.pages.training import weights_by_fold

HOURS = 600
MEMBERS = ["ridge_decay", "boosted_trees"]


def table(**changes: np.ndarray) -> pd.DataFrame:
    """Three folds of 200 hours; each keyword is a model and the changes it forecasts."""
    rng = np.random.default_rng(1)
    origin = pd.date_range("2024-01-01", periods=HOURS, freq="h", tz="UTC")
    facts = pd.DataFrame(
        {
            "asset": "BTC",
            "origin": origin,
            "target_time": origin + pd.Timedelta(hours=24),
            "horizon_hours": 24,
            "fold": np.repeat([0, 1, 2], 200),
            "split": np.repeat(["validation", "validation", "test"], 200),
            "y_origin": 60 + rng.normal(size=HOURS).cumsum() / 10,
            "jump_regime": "normal",
            "level_regime": "low",
        }
    )
    facts["y_true"] = facts["y_origin"] + truth()
    return pd.concat(
        [
            facts.assign(model=model, seed=0, y_pred=facts["y_origin"] + change)
            for model, change in changes.items()
        ],
        ignore_index=True,
    )


def truth() -> np.ndarray:
    return np.random.default_rng(2).normal(size=HOURS)


def two_members() -> pd.DataFrame:
    noise = np.random.default_rng(3).normal(size=(2, HOURS))
    better = 0.5 * truth() + 0.3 * noise[0]
    return table(ridge_decay=better, boosted_trees=0.1 * truth() + 0.3 * noise[1])


def weights(forecasts: pd.DataFrame, shrinkage: float = 1.0) -> pd.DataFrame:
    found = combination_weights(forecasts, MEMBERS, shrinkage)
    return found.pivot(index="fold", columns="model", values="weight")[MEMBERS]  # noqa: PD010


def test_without_a_past_all_members_weigh_the_same():
    assert weights(two_members()).loc[0].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("shrinkage", [0.0, 0.3, 1.0])
def test_weights_solve_the_shrunk_least_squares(shrinkage):
    forecasts = two_members()
    past = slice(0, 400 - 24 + 1)  # targets by the first origin of fold 2
    change = np.column_stack(
        [
            (own["y_pred"] - own["y_origin"]).to_numpy()[past]
            for _, own in forecasts.groupby("model", sort=False)
        ]
    )
    strength = shrinkage * np.trace(change.T @ change) / 2
    left = change.T @ change + strength * np.eye(2)
    right = change.T @ truth()[past] + strength * np.full(2, 0.5)
    expected = np.linalg.solve(left, right)
    assert (expected > 0).all()
    np.testing.assert_allclose(weights(forecasts, shrinkage).loc[2], expected, rtol=1e-10)
    rows = combination_weights(forecasts, MEMBERS, shrinkage)
    assert rows.loc[rows["fold"] == 2, "rows"].tolist() == [377, 377]


def test_the_better_member_earns_weight_and_none_is_negative():
    forecasts = two_members()
    found = weights(forecasts)
    assert found.loc[2, "ridge_decay"] > 0.6 > 0.5 > found.loc[2, "boosted_trees"]
    contrary = table(ridge_decay=truth(), boosted_trees=-truth())
    assert weights(contrary, 0.0).loc[2].tolist() == pytest.approx([1.0, 0.0])


def test_the_ensemble_is_the_weighted_change():
    forecasts = two_members()
    ensemble = combine(forecasts, MEMBERS, 1.0)
    assert set(ensemble["model"]) == {"ensemble"}
    assert len(ensemble) == HOURS
    by_model = dict(list(forecasts.groupby("model")))
    for fold, own in weights(forecasts).iterrows():
        rows = ensemble["fold"].to_numpy() == fold
        expected = sum(
            own[model] * (by_model[model]["y_pred"] - by_model[model]["y_origin"]).to_numpy()[rows]
            for model in MEMBERS
        )
        change = (ensemble["y_pred"] - ensemble["y_origin"]).to_numpy()[rows]
        np.testing.assert_allclose(change, expected, atol=1e-12)


def test_an_outcome_moves_no_forecast_made_before_it():
    forecasts = two_members()
    changed = forecasts.copy()
    late = changed["target_time"] > changed["origin"].min() + pd.Timedelta(hours=400)
    changed.loc[late, "y_true"] += 9.0
    before, after = (combine(table, MEMBERS, 1.0)["y_pred"] for table in (forecasts, changed))
    np.testing.assert_array_equal(before[:600], after[:600])
    changed["y_true"] = changed["y_true"] + 9.0
    assert (combine(changed, MEMBERS, 1.0)["y_pred"][400:] != before[400:]).all()


def test_unknown_outcomes_are_left_out():
    forecasts = two_members()
    forecasts.loc[forecasts["fold"] == 2, "y_true"] = np.nan
    expected = combine(two_members(), MEMBERS, 1.0)["y_pred"]
    np.testing.assert_array_equal(combine(forecasts, MEMBERS, 1.0)["y_pred"], expected)


def test_seeds_are_averaged_and_absent_members_left_out():
    one = table(ridge_decay=truth())
    seeds = pd.concat([one, one.assign(seed=1, y_pred=one["y_pred"] + 2)])
    ensemble = combine(seeds, [*MEMBERS, "attention"], 0.0)
    first = ensemble["fold"] == 0
    np.testing.assert_allclose(ensemble["y_pred"][first], one["y_pred"][:200] + 1)


def test_an_ensemble_of_nothing_is_refused():
    with pytest.raises(ValueError, match="found models har; an ensemble needs one of ridge_decay"):
        combine(table(har=truth()), MEMBERS, 1.0)


def test_weights_are_shown_with_a_row_a_fold():
    wide = weights_by_fold(combination_weights(two_members(), MEMBERS, 1.0))
    assert list(wide) == ["fold", "learnt_from", "Time-weighted ridge", "Boosted trees"]
    assert wide["fold"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(
        wide[["Time-weighted ridge", "Boosted trees"]], weights(two_members())
    )
