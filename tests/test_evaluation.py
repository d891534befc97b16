from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from forecast_tables import forecast_table
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    r2_score,
    root_mean_squared_error,
)

from dvol_utils.evaluation import (
    METRICS,
    SUMS,
    add_calendar,
    average_seeds,
    contributions,
    metrics_from_sums,
    score,
)

FORECASTS = average_seeds(forecast_table(400))
REAL_DVOL = Path(__file__).parents[2] / "shared/data/btc_dvol_hourly.csv"


def literal_scores(rows: pd.DataFrame) -> dict[str, float]:
    """Each metric from its definition, with scikit-learn where it has it."""
    y, f, start = rows["y_true"], rows["y_pred"], rows["y_origin"]
    moved = y != start
    hits = np.sign(f - start)[moved] == np.sign(y - start)[moved]
    return {
        "r2": r2_score(y, f),
        "rmse": root_mean_squared_error(y, f),
        "mae": mean_absolute_error(y, f),
        "mape": 100 * mean_absolute_percentage_error(y, f),
        "skill": 1 - ((y - f) ** 2).sum() / ((y - start) ** 2).sum(),
        "direction": hits.mean() if (f != start).any() else np.nan,
        "n": len(rows),
    }


@pytest.mark.parametrize("by", [("model",), ("jump_regime", "model"), ("level_regime",)])
def test_metrics_are_those_of_scikit_learn_in_every_group(by):
    scores = score(FORECASTS, by).set_index(list(by))
    groups = FORECASTS.groupby(list(by))
    assert len(scores) == groups.ngroups
    for key, rows in groups:
        expected = pd.Series(literal_scores(rows))
        found = scores.loc[key if len(by) > 1 else key[0]]
        np.testing.assert_allclose(found[expected.index], expected, rtol=1e-9)


def test_a_group_scores_as_it_does_alone():
    together = score(FORECASTS, ("model", "level_regime"))
    for (model, level), row in together.groupby(["model", "level_regime"]):
        rows = FORECASTS[(FORECASTS["model"] == model) & (FORECASTS["level_regime"] == level)]
        alone = score(rows, "model").drop(columns="model")
        # The sums are taken around another median, which moves the last digits of r2 only.
        pd.testing.assert_frame_equal(row[alone.columns].reset_index(drop=True), alone, rtol=1e-9)


def test_literal_table():
    rows = pd.DataFrame(
        {
            "model": "m",
            "y_origin": [50.0, 50.0, 50.0, 50.0],
            "y_true": [52.0, 48.0, 50.0, 54.0],
            "y_pred": [51.0, 51.0, 51.0, 54.0],
        }
    )
    expected = {
        "r2": 1 - 11 / 20,
        "rmse": np.sqrt(11 / 4),
        "mae": 5 / 4,
        "mape": 100 * (1 / 52 + 3 / 48 + 1 / 50) / 4,
        "skill": 1 - 11 / 24,
        "direction": 2 / 3,  # the third hour did not move
        "n": 4,
    }
    assert score(rows).iloc[0].drop("model").to_dict() == pytest.approx(expected)


def test_without_groups_all_rows_count():
    scores = score(FORECASTS, ())
    assert list(scores.columns) == [*METRICS, "n"]
    assert scores["n"].tolist() == [len(FORECASTS)]


def test_models_and_regimes_stand_in_their_usual_order():
    shuffled = FORECASTS.sample(frac=1, random_state=0)
    assert score(shuffled)["model"].tolist() == list(pd.unique(FORECASTS["model"]))
    levels = score(shuffled[shuffled["model"] == "har"], "level_regime")["level_regime"]
    assert levels.tolist() == ["low", "middle", "high"]
    hours = score(add_calendar(shuffled), "hour")["hour"]
    assert hours.tolist() == list(range(24))


def test_an_unknown_model_comes_after_the_known():
    new = FORECASTS[FORECASTS["model"] == "har"].assign(model="a_new_model")
    assert score(pd.concat([new, FORECASTS]))["model"].iloc[-1] == "a_new_model"


def test_persistence_has_no_skill_and_calls_no_direction():
    row = score(FORECASTS).set_index("model").loc["persistence"]
    assert row["skill"] == 0
    assert np.isnan(row["direction"])


def test_a_perfect_forecast():
    row = score(FORECASTS.assign(y_pred=FORECASTS["y_true"]), ()).iloc[0]
    assert row[["r2", "skill", "direction"]].tolist() == [1, 1, 1]
    assert row[["rmse", "mae", "mape"]].tolist() == [0, 0, 0]


@pytest.mark.parametrize("level", [50.0, 0.1])
def test_a_constant_outcome_has_no_r2(level):
    rows = FORECASTS.assign(y_true=level)
    assert score(rows)["r2"].isna().all()
    mixed = FORECASTS.assign(
        y_true=np.where(FORECASTS["jump_regime"] == "jump", level, FORECASTS["y_true"])
    )
    missing = score(mixed, "jump_regime").set_index("jump_regime")["r2"].isna()
    assert missing.to_dict() == {"normal": False, "jump": True}


def test_an_outcome_that_never_moves_has_no_skill_and_no_direction():
    row = score(FORECASTS.assign(y_true=FORECASTS["y_origin"]), ()).iloc[0]
    assert row[["skill", "direction"]].isna().all()
    assert row["rmse"] > 0


def test_an_outcome_of_zero_has_no_percentage_error():
    rows = FORECASTS.head(3).assign(y_true=[0.0, 50.0, 51.0])
    assert np.isnan(score(rows, ())["mape"].item())


@settings(max_examples=50, deadline=None)
@given(
    values=hnp.arrays(float, (3, 12), elements=st.floats(1, 200)),
    shift=st.floats(0, 100),
    scale=st.floats(0.1, 10),
)
def test_unit_of_the_index_does_not_matter(values, shift, scale):
    def scores(table: np.ndarray) -> pd.Series:
        return score(pd.DataFrame(table.T, columns=["y_true", "y_pred", "y_origin"]), ()).iloc[0]

    # Values on a grid: ties then stay ties after shift and scale.
    values = np.round(values)
    plain, changed = scores(values), scores(scale * values)
    for name in ("r2", "skill", "direction", "mape"):
        assert changed[name] == pytest.approx(plain[name], rel=1e-6, nan_ok=True)
    for name in ("rmse", "mae"):
        assert changed[name] == pytest.approx(scale * plain[name])
        assert scores(values + round(shift))[name] == pytest.approx(plain[name])


def test_sums_of_contributions_give_the_metrics():
    parts = contributions(FORECASTS)
    assert tuple(parts.columns) == SUMS
    stacked = np.stack([parts.to_numpy().sum(axis=0), 2 * parts.to_numpy().sum(axis=0)])
    metrics = metrics_from_sums({name: stacked[:, i] for i, name in enumerate(SUMS)})
    for name in METRICS:
        # Counting every row twice changes no metric.
        np.testing.assert_allclose(metrics[name], score(FORECASTS, ())[name].item())


@pytest.mark.parametrize("column", ["y_true", "y_pred", "y_origin"])
def test_a_missing_value_is_refused(column):
    broken = FORECASTS.copy()
    broken.loc[FORECASTS.index[5], column] = np.nan
    row = FORECASTS.iloc[5]
    message = (
        rf"forecasts: {column} of model {row['model']}, origin 2024-11-22 10:00:00\+00:00: found "
        r"nan; should be a finite number \(1 such rows\)"
    )
    with pytest.raises(ValueError, match=message):
        score(broken)


def test_bad_calls_are_refused():
    with pytest.raises(ValueError, match="forecasts: column 'regime' is missing; found asset, "):
        score(FORECASTS, "regime")
    with pytest.raises(ValueError, match="forecasts: found no rows; should hold at least one"):
        score(FORECASTS.head(0))


@pytest.mark.skipif(not REAL_DVOL.is_file(), reason="the real data are not here")
def test_persistence_on_the_real_test_period():
    raw = pd.read_csv(REAL_DVOL, usecols=["timestamp", "dvol_close"])
    origin = pd.to_datetime(raw["timestamp"], unit="ms", utc=True) + pd.Timedelta(hours=1)
    rows = pd.DataFrame(
        {
            "origin": origin,
            "y_origin": raw["dvol_close"],
            "y_pred": raw["dvol_close"],
            "y_true": raw["dvol_close"].shift(-24),
        }
    ).dropna()
    test = rows[rows["origin"] >= pd.Timestamp("2024-11-22 05:00", tz="UTC")]
    row = score(test, ()).iloc[0]
    # The last bar closes at 2025-10-15 01:00, so the last origin with a target is a day earlier.
    assert test["origin"].iloc[-1] == pd.Timestamp("2025-10-14 01:00", tz="UTC")
    assert row["n"] == 7_821
    assert row["rmse"] == pytest.approx(1.66654, abs=5e-6)
    assert row["skill"] == 0
