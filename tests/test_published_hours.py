from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dvol_utils.evaluation import score
from dvol_utils.published.hours import consecutive, holes, naive_forecasts, same_hours

TIMES = pd.date_range("2024-12-01", periods=200, freq="h", tz="UTC")
LEVELS = pd.Series(60 + np.random.default_rng(0).normal(size=200).cumsum(), TIMES)


def table(model: str, first: int, last: int, seed: int = 0, add: float = 0.0) -> pd.DataFrame:
    targets = TIMES[first:last]
    return pd.DataFrame(
        {
            "model": model,
            "seed": seed,
            "target_time": targets,
            "y_pred": LEVELS[targets].to_numpy() + add,
            "jump_regime": np.where(np.arange(first, last) % 5, "normal", "jump"),
        }
    )


def test_only_hours_that_every_model_and_seed_has_remain():
    made = same_hours([table("a", 30, 90), table("b", 40, 120), table("b", 50, 80, seed=1)], LEVELS)
    assert made.groupby(["model", "seed"]).size().tolist() == [30, 30, 30]
    assert made["target_time"].min() == TIMES[50]
    assert made["target_time"].max() == TIMES[79]


def test_skill_is_against_the_level_a_day_before_the_target():
    made = same_hours(
        [table("a", 30, 90, add=0.5), *naive_forecasts(LEVELS, TIMES[30:90], [24, 25])], LEVELS
    )
    skill = score(made).set_index("model")["skill"]
    assert skill["Persistence, 24 h"] == 0
    day = LEVELS.to_numpy()[30:90] - LEVELS.to_numpy()[6:66]
    assert skill["a"] == pytest.approx(1 - 60 * 0.25 / np.sum(day**2))
    old = made[made["model"] == "Persistence, 25 h"]
    np.testing.assert_array_equal(old["y_pred"], LEVELS.to_numpy()[5:65])
    assert (made["target_time"] - made["origin"] == pd.Timedelta(hours=24)).all()


def test_regimes_are_those_of_the_first_table():
    other = table("b", 30, 60).assign(jump_regime="jump")
    made = same_hours([table("a", 30, 60), other], LEVELS)
    a, b = (made.loc[made["model"] == name, "jump_regime"].tolist() for name in "ab")
    assert a == b
    assert made.loc[made["model"] == "b", "jump_regime"].value_counts()["normal"] == 24


def test_tables_without_a_shared_hour_are_refused():
    with pytest.raises(ValueError, match="found no target hour that all models forecast"):
        same_hours([table("a", 30, 40), table("b", 50, 60)], LEVELS)
    with pytest.raises(ValueError, match="tables: found none"):
        same_hours([], LEVELS)


def test_a_level_that_is_missing_is_named():
    with pytest.raises(ValueError, match=r"found none for target 2024-12-02 06:00:00\+00:00"):
        same_hours([table("a", 30, 40)], LEVELS.drop(TIMES[6]))


def test_consecutive_changes_leave_out_what_has_no_neighbour():
    rows = pd.concat([table("a", 30, 40), table("a", 45, 50)])
    made = same_hours([rows], LEVELS)
    steps = consecutive(made.sample(frac=1, random_state=0))
    assert len(steps) == 9 + 4
    expected = LEVELS.diff()[steps["target_time"]].to_numpy()
    np.testing.assert_allclose(steps["y_true"], expected)
    assert score(steps)["direction"].item() == 1.0


def test_direction_of_consecutive_forecasts_is_the_share_of_equal_signs():
    naive = [t.assign(jump_regime="normal") for t in naive_forecasts(LEVELS, TIMES[30:150], [3])]
    steps = consecutive(same_hours(naive, LEVELS))
    change = np.diff(LEVELS.to_numpy())
    hits = np.sign(change[30:149]) == np.sign(change[27:146])
    assert score(steps)["direction"].item() == pytest.approx(hits.mean())


def test_holes_are_counted_with_their_hours():
    assert holes(pd.Series(TIMES)) == (0, 0)
    kept = pd.Series(TIMES).drop(index=[*range(10, 33), *range(50, 53)])
    assert holes(kept) == (2, 26)
