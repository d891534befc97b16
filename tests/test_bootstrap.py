from __future__ import annotations

import re
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import StationaryBootstrap
from forecast_tables import forecast_table
from periodogram import literal_error
from scipy import stats

from dvol_utils.evaluation import METRICS, average_seeds, score
from dvol_utils.significance import block_length
from dvol_utils.significance import bootstrap_interval as interval_of_significance
from dvol_utils.significance.bootstrap import (
    bootstrap_difference,
    bootstrap_interval,
    regime_difference,
)
from dvol_utils.significance.resampling import Resampling

FORECASTS = average_seeds(forecast_table(200))
ORIGINS = np.sort(FORECASTS["origin"].unique())
# More than one batch; the intervals of the literal loops are percentiles.
DRAWS = Resampling(block_hours=24, reps=70, seed=3, calibrated=False)


def literal_draws(by: tuple[str, ...]) -> list[pd.DataFrame]:
    """Score tables of the very resamples, row by row copied together."""
    rows = dict(iter(FORECASTS.groupby("origin")))
    sampler = StationaryBootstrap(DRAWS.block_hours, np.arange(200), seed=DRAWS.seed)
    return [
        score(pd.concat([rows[ORIGINS[i]] for i in data[0][0]]), by).set_index(list(by))
        for data in sampler.bootstrap(DRAWS.reps)
    ]


@pytest.fixture(scope="module")
def draws() -> list[pd.DataFrame]:
    return literal_draws(("model",))


@pytest.fixture(scope="module")
def regime_draws() -> list[pd.DataFrame]:
    return literal_draws(("model", "jump_regime"))


def test_intervals_equal_a_literal_loop_over_the_same_resamples(draws):
    found = bootstrap_interval(FORECASTS, METRICS, resampling=replace(DRAWS, coverage=0.8))
    estimates = score(FORECASTS).set_index("model")
    assert len(found) == len(METRICS) * len(estimates)
    for row in found.itertuples():
        values = np.array([table.loc[row.model, row.metric] for table in draws])
        naive = np.array([table.loc["persistence", row.metric] for table in draws])
        expected = [
            estimates.loc[row.model, row.metric],
            *np.quantile(values, [0.1, 0.9]),
            *np.quantile(values - naive, [0.1, 0.9]),
        ]
        result = [row.estimate, row.low, row.high, row.difference_low, row.difference_high]
        np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-12)


def test_regime_intervals_equal_a_literal_loop(regime_draws):
    found = bootstrap_interval(FORECASTS, ["rmse", "r2"], by="jump_regime", resampling=DRAWS)
    estimates = score(FORECASTS, ("model", "jump_regime"))
    for row in found.itertuples():
        key = (row.model, row.jump_regime)
        values = [table.loc[key, row.metric] for table in regime_draws]
        np.testing.assert_allclose([row.low, row.high], np.quantile(values, [0.025, 0.975]))
        own = (estimates["model"] == key[0]) & (estimates["jump_regime"] == key[1])
        assert row.estimate == pytest.approx(estimates.loc[own, row.metric].item())
        against = (
            row.estimate
            - (
                found[(found["model"] == "persistence") & (found["metric"] == row.metric)]
                .set_index("jump_regime")
                .loc[row.jump_regime, "estimate"]
            )
        )
        assert row.difference == pytest.approx(against)


def test_differences_of_models_equal_a_literal_loop(draws):
    pairs = [("lstm_ultra", "lstm_large"), ("har", "seasonal_naive")]
    found = bootstrap_difference(FORECASTS, ["skill", "mae"], pairs, resampling=DRAWS)
    assert found["model_a"].tolist() == ["lstm_ultra", "har"] * 2
    for row in found.itertuples():
        gaps = [t.loc[row.model_a, row.metric] - t.loc[row.model_b, row.metric] for t in draws]
        np.testing.assert_allclose([row.low, row.high], np.quantile(gaps, [0.025, 0.975]))


def test_differences_of_regimes_equal_a_literal_loop(regime_draws):
    found = regime_difference(FORECASTS, "rmse", resampling=DRAWS)
    for row in found.itertuples():
        gaps = [
            t.loc[(row.model, "jump"), "rmse"] - t.loc[(row.model, "normal"), "rmse"]
            for t in regime_draws
        ]
        np.testing.assert_allclose([row.low, row.high], np.quantile(gaps, [0.025, 0.975]))


def errors_of(model: str) -> np.ndarray:
    rows = FORECASTS[FORECASTS["model"] == model].sort_values("origin")
    return (rows["y_true"] - rows["y_pred"]).to_numpy()


def test_calibrated_intervals_are_as_wide_as_the_long_run_variance_asks_for():
    calibrated = replace(DRAWS, calibrated=True, coverage=0.8)
    found = bootstrap_interval(FORECASTS, ["mae", "rmse", "skill"], resampling=calibrated)
    width = found.assign(width=found["high"] - found["low"]).set_index(["model", "metric"])["width"]
    reach = 2 * stats.t.ppf(0.9, 2 * 5)  # 5 ordinates of 200 hours
    own, naive = errors_of("har"), errors_of("persistence")
    mse, base = (own**2).mean(), (naive**2).mean()
    adds = {  # what an hour adds to the estimate, by differentiation
        "mae": np.abs(own),
        "rmse": own**2 / (2 * mse**0.5),
        "skill": (mse / base * naive**2 - own**2) / base,
    }
    for metric, values in adds.items():
        # The code takes half an hour more and less in place of the derivative.
        expected = reach * literal_error(values.tolist())
        assert width["har", metric] == pytest.approx(expected, rel=1e-3)
    gaps = bootstrap_difference(FORECASTS, "mae", [("har", "persistence")], resampling=calibrated)
    gap = reach * literal_error((np.abs(own) - np.abs(naive)).tolist())
    assert (gaps["high"] - gaps["low"]).item() == pytest.approx(gap, rel=1e-3)


def test_calibrated_intervals_are_as_lopsided_as_the_resamples():
    plain, wide = (
        bootstrap_interval(FORECASTS, METRICS, by="jump_regime", resampling=draws)
        for draws in (DRAWS, replace(DRAWS, calibrated=True))
    )
    assert (plain["estimate"].dropna() == wide["estimate"].dropna()).all()
    for low, high, estimate in (
        ("low", "high", "estimate"),
        ("difference_low", "difference_high", "difference"),
    ):
        below, above = (
            (wide[end] - wide[estimate]) / (plain[end] - plain[estimate]) for end in (low, high)
        )
        same = below.notna() & above.notna()
        assert same.any()
        np.testing.assert_allclose(below[same], above[same], rtol=1e-6)


def test_one_metric_and_many_share_their_resamples():
    many = bootstrap_interval(FORECASTS, METRICS, resampling=DRAWS)
    alone = bootstrap_interval(FORECASTS, "skill", resampling=DRAWS)
    part = many[many["metric"] == "skill"].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, alone)


def test_order_of_rows_does_not_matter_and_the_seed_does():
    plain = bootstrap_interval(FORECASTS, "rmse", resampling=DRAWS)
    shuffled = FORECASTS.sort_values(["model", "y_true"])
    other = bootstrap_interval(shuffled, "rmse", resampling=DRAWS).set_index("model")
    pd.testing.assert_frame_equal(other.loc[plain["model"]].reset_index()[plain.columns], plain)
    again = bootstrap_interval(FORECASTS, "rmse", resampling=replace(DRAWS, seed=4))
    assert (again["low"] != plain["low"]).all()


def test_persistence_is_known_without_its_rows():
    without = FORECASTS[FORECASTS["model"] != "persistence"]
    found = bootstrap_interval(without, "rmse", resampling=DRAWS)
    assert "persistence" not in set(found["model"])
    whole = bootstrap_interval(FORECASTS, "rmse", resampling=DRAWS)
    whole = whole[whole["model"] != "persistence"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, whole)


def test_a_regime_without_hours_is_missing():
    calm = FORECASTS.assign(jump_regime="normal")
    gaps = regime_difference(calm, ["rmse", "skill"], resampling=DRAWS)
    assert gaps[["estimate", "low", "high"]].isna().all(axis=None)
    assert len(gaps) == 2 * FORECASTS["model"].nunique()


def test_persistence_calls_no_direction_in_any_resample():
    row = (
        bootstrap_interval(FORECASTS, "direction", resampling=DRAWS)
        .set_index("model")
        .loc["persistence"]
    )
    assert row[["estimate", "low", "high"]].isna().all()


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """Independent errors, known RMSE of 1: 80 % intervals of 200 samples."""
    rng = np.random.default_rng(0)
    hours = pd.date_range("2024-01-01", periods=150, freq="h", tz="UTC")
    covered = 0
    for seed in range(200):
        start = rng.normal(60, 5, 150)
        table = pd.DataFrame({"model": "m", "origin": hours, "horizon_hours": 1})
        table = table.assign(y_true=start, y_origin=start + 1, y_pred=start + rng.normal(size=150))
        row = bootstrap_interval(
            table, "rmse", block_hours=1, reps=200, seed=seed, coverage=0.8
        ).iloc[0]
        covered += row["low"] <= 1 <= row["high"]
    # Three standard errors of a share of 200, and the small bias of percentile intervals.
    assert 0.69 <= covered / 200 <= 0.88


def test_blocks_widen_intervals_of_overlapping_targets():
    table = average_seeds(forecast_table(2000))
    table = table[table["model"].isin(["persistence", "har"])]
    width = {}
    for block in (1, 72):
        rows = table.assign(horizon_hours=1)
        draws = {"block_hours": block, "reps": 200, "seed": 0}
        found = bootstrap_interval(rows, "rmse", **draws, calibrated=False)
        width[block] = (found["high"] - found["low"]).min()
    assert width[72] > 2 * width[1]


def test_significance_offers_the_intervals_too():
    assert interval_of_significance is bootstrap_interval


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "mse"}, "metric: found 'mse'; should be some of r2, rmse, mae, mape, skill, "),
        ({"metric": []}, "metric: found none; should be some of r2"),
        ({"block_hours": 23}, "block_hours: found 23; should be at least the horizon, 24 hours"),
        ({"block_hours": 201}, "forecasts: found 200 hours; should be at least one block of 201"),
        ({"reps": 0}, "reps: found 0; should be at least 1"),
        ({"by": "mood"}, "forecasts: column 'mood' is missing; found asset"),
        ({"forecasts": forecast_table(50)}, "should be once per model: one asset, seeds averaged"),
        ({"forecasts": FORECASTS.iloc[1:]}, "model persistence: found no forecast for origin 2024"),
    ],
)
def test_bad_calls_are_refused(change, message):
    arguments = {"forecasts": FORECASTS, "metric": "rmse", **asdict(DRAWS), **change}
    with pytest.raises(ValueError, match=re.escape(message)):
        bootstrap_interval(**arguments)


def test_pairs_of_unknown_models_are_refused():
    with pytest.raises(ValueError, match="pairs: found 'oracle'; should be some of har, har_cal"):
        bootstrap_difference(FORECASTS, "rmse", [("har", "oracle")], resampling=DRAWS)


def test_automatic_blocks_are_those_of_the_losses():
    draws = {"reps": 70, "seed": 3}
    automatic = bootstrap_interval(FORECASTS, "rmse", block_hours="auto", **draws)
    block = block_length(FORECASTS)
    fixed = bootstrap_interval(FORECASTS, "rmse", block_hours=block, **draws)
    pd.testing.assert_frame_equal(automatic, fixed)
    longer = bootstrap_interval(FORECASTS, "rmse", block_hours=2 * block, **draws)
    assert (longer["low"] != fixed["low"]).all()
    gaps, expected = (
        regime_difference(FORECASTS, "rmse", resampling=Resampling(hours, **draws))
        for hours in ("auto", block)
    )
    pd.testing.assert_frame_equal(gaps, expected)


def test_constant_losses_have_intervals_without_width():
    rows = FORECASTS[FORECASTS["model"] == "har"].assign(y_true=lambda t: t["y_origin"] + 1)
    constant = rows.assign(y_pred=rows["y_true"] + 2)
    found = bootstrap_interval(constant, ["rmse", "mae", "skill"], resampling=DRAWS).set_index(
        "metric"
    )
    assert found["estimate"].to_dict() == pytest.approx({"rmse": 2, "mae": 2, "skill": -3})
    np.testing.assert_allclose(found["low"], found["high"])


def test_missing_values_are_refused():
    broken = FORECASTS.assign(y_true=FORECASTS["y_true"].where(FORECASTS.index != 5))
    with pytest.raises(ValueError, match=r"y_true of model persistence, origin .*: found nan"):
        bootstrap_interval(broken, "rmse", resampling=DRAWS)
