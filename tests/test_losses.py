"""Three losses, fixed beforehand: gains, tests and intervals against sums written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import StationaryBootstrap
from forecast_tables import MODELS, forecast_table
from periodogram import literal_error, literal_mean_test
from scipy import stats

from dvol_utils.evaluation import average_seeds
from dvol_utils.significance import LOSSES, diebold_mariano, direction_test, three_losses
from dvol_utils.significance.losses import LOSS_COLUMNS
from dvol_utils.significance.resampling import Resampling
from dvol_utils.wording.columns import with_interval

NAMES = ("persistence", "har", "lstm_large")
FORECASTS = average_seeds(forecast_table(220, models={name: MODELS[name] for name in NAMES}))
PLAIN = Resampling(block_hours=24, reps=70, seed=3, coverage=0.8, calibrated=False)


@pytest.fixture(scope="module")
def losses() -> pd.DataFrame:
    return three_losses(FORECASTS, 24, resampling=PLAIN).set_index(["model", "loss"])


def rows_of(model: str) -> pd.DataFrame:
    return FORECASTS[FORECASTS["model"] == model].sort_values("origin").reset_index(drop=True)


def literal_gain(rows: pd.DataFrame, loss: str) -> float:
    own = naive = 0.0
    moved = rises = calls = right = 0
    for row in rows.itertuples():
        power = 2 if loss == "squared_error" else 1
        own += abs(row.y_true - row.y_pred) ** power
        naive += abs(row.y_true - row.y_origin) ** power
        if row.y_true != row.y_origin:
            rose, called = row.y_true > row.y_origin, row.y_pred > row.y_origin
            moved, rises, calls = moved + 1, rises + rose, calls + called
            right += rose == called
    if loss != "direction":
        return 1 - own / naive
    r, c = rises / moved, calls / moved
    return right / moved - (r * c + (1 - r) * (1 - c))


def test_six_hours_by_hand():
    change, made = np.array([2.0, -1, 1, -2, 0, 3]), np.array([1.0, -1, -1, -1, 1, 2])
    base = pd.DataFrame(
        {
            "origin": pd.date_range("2025-01-01", periods=6, freq="h", tz="UTC"),
            "horizon_hours": 1,
            "y_true": 10 + change,
            "y_origin": 10.0,
        }
    )
    rows = pd.concat(
        [base.assign(model="persistence", y_pred=10.0), base.assign(model="m", y_pred=10 + made)]
    )
    found = three_losses(rows, 1, resampling=Resampling(1, reps=60, seed=0)).set_index("loss")
    assert found.loc["squared_error", "loss_gain"] == pytest.approx(1 - 8 / 19)
    assert found.loc["absolute_error", "loss_gain"] == pytest.approx(1 - 6 / 9)
    # Of five moves three rose, two were called to rise, four are right; chance gives 0.48.
    assert found.loc["direction", "loss_gain"] == pytest.approx(0.8 - 0.48)
    for loss, power in (("squared_error", 2), ("absolute_error", 1)):
        gains = np.abs(change) ** power - np.abs(change - made) ** power
        expected = literal_mean_test(gains.tolist())
        assert tuple(found.loc[loss, ["statistic", "p_value"]]) == pytest.approx(expected)
    small, middle, large = np.sort(found["p_value"])
    holm = [min(1, 3 * small), min(1, max(3 * small, 2 * middle))]
    holm.append(max(holm[1], large))
    assert np.sort(found["p_holm"]).tolist() == pytest.approx(holm)


def test_a_row_a_model_and_loss(losses):
    assert list(losses.reset_index()) == [*LOSS_COLUMNS, "p_holm"]
    assert list(losses.index) == [(model, loss) for model in NAMES[1:] for loss in LOSSES]


def test_gains_are_literal_sums(losses):
    for (model, loss), row in losses.iterrows():
        assert row["loss_gain"] == pytest.approx(literal_gain(rows_of(model), loss), rel=1e-10)


def test_tests_of_errors_are_those_of_diebold_and_mariano_and_speak_for_the_model(losses):
    naive = rows_of("persistence")
    for model in NAMES[1:]:
        own = rows_of(model)
        for loss, power in (("squared_error", 2), ("absolute_error", 1)):
            a, b = (np.abs(t["y_true"] - t["y_pred"]) ** power for t in (own, naive))
            row = losses.loc[(model, loss)]
            expected = literal_mean_test((b - a).tolist())
            assert (row["statistic"], row["p_value"]) == pytest.approx(expected, rel=1e-9)
            bartlett = diebold_mariano(a, b, horizon=24)[1]
            assert row["p_bartlett"] == pytest.approx(bartlett, rel=1e-12)
        names = ["statistic", "p_value", "p_bartlett"]
        direction = direction_test(FORECASTS, 24).set_index("model").loc[model, names]
        assert losses.loc[(model, "direction"), names].tolist() == direction.tolist()


def test_holm_is_over_the_three_losses_of_each_model(losses):
    for _, own in losses.groupby("model"):
        own = own.sort_values("p_value")
        steps = np.maximum.accumulate(own["p_value"] * [3, 2, 1]).clip(upper=1)
        np.testing.assert_allclose(own["p_holm"], steps)


def test_intervals_equal_a_literal_loop_over_the_same_resamples(losses):
    sampler = StationaryBootstrap(PLAIN.block_hours, np.arange(220), seed=PLAIN.seed)
    drawn = [data[0][0] for data in sampler.bootstrap(PLAIN.reps)]
    for (model, loss), row in losses.iterrows():
        gains = [literal_gain(rows_of(model).iloc[hours], loss) for hours in drawn]
        np.testing.assert_allclose([row["low"], row["high"]], np.quantile(gains, [0.1, 0.9]))


def test_calibrated_intervals_have_the_width_of_the_long_run_variance():
    found = three_losses(FORECASTS, 24, resampling=replace(PLAIN, calibrated=True))
    found = found.set_index(["model", "loss"])
    own, naive = rows_of("har"), rows_of("persistence")
    reach = 2 * stats.t.ppf(0.9, 2 * 6)  # 6 ordinates of 220 hours
    for loss, power in (("squared_error", 2), ("absolute_error", 1)):
        a, b = (np.abs(t["y_true"] - t["y_pred"]) ** power for t in (own, naive))
        adds = (a.mean() / b.mean() * b - a) / b.mean()
        row = found.loc[("har", loss)]
        expected = reach * literal_error(adds.tolist())
        assert row["high"] - row["low"] == pytest.approx(expected, rel=1e-3)
    rose, called = ((own[name] > own["y_origin"]).astype(float) for name in ("y_true", "y_pred"))
    # The gain is twice the covariance of rise and call, to whose mean an hour adds this.
    adds = 2 * (rose - rose.mean()) * (called - called.mean())
    row = found.loc[("har", "direction")]
    assert row["high"] - row["low"] == pytest.approx(reach * literal_error(adds.tolist()), rel=1e-3)


def test_order_of_rows_does_not_matter(losses):
    shuffled = FORECASTS.sample(frac=1, random_state=0)
    found = three_losses(shuffled, 24, resampling=PLAIN).set_index(["model", "loss"])
    pd.testing.assert_frame_equal(found.loc[losses.index], losses)


def test_a_model_that_calls_one_direction_has_no_gain_in_it_and_holm_is_over_two():
    up = FORECASTS[FORECASTS["model"] == "har"].assign(y_pred=lambda rows: rows["y_origin"] + 0.01)
    rows = pd.concat([FORECASTS[FORECASTS["model"] == "persistence"], up])
    found = three_losses(rows, 24, resampling=PLAIN).set_index("loss")
    assert found.loc["direction"].drop("model").isna().all()
    p = found["p_value"].dropna()
    assert found.loc[p.idxmin(), "p_holm"] == pytest.approx(min(1, 2 * p.min()))


def test_persistence_alone_has_no_rows_and_readers_see_names():
    alone = FORECASTS[FORECASTS["model"] == "persistence"]
    found = three_losses(alone, 24, resampling=PLAIN)
    assert found.empty
    assert list(found) == [*LOSS_COLUMNS, "p_holm"]
    shown = with_interval(three_losses(FORECASTS, 24, resampling=PLAIN), "loss_gain")
    assert not [head for head in shown if "_" in head]
    assert shown["loss"].tolist()[:3] == ["squared error", "absolute error", "direction"]
