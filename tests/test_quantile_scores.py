"""Coverage, pinball loss and CRPS against loops and numbers written out."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from forecast_tables import forecast_table
from periodogram import literal_error
from scipy import stats

from dvol_utils.evaluation import average_seeds, check_forecasts, coverage, crps, with_quantiles
from dvol_utils.evaluation.forecast_table import QUANTILES
from dvol_utils.evaluation.quantile_scores import crps_losses, pinball_losses
from dvol_utils.pages.significance import coverage_sentences, crps_sentence
from dvol_utils.results.metrics import metrics_table
from dvol_utils.results.persistence import against_level
from dvol_utils.significance import (
    bootstrap_interval,
    crps_against_persistence,
    diebold_mariano,
    reliability,
)
from dvol_utils.significance.resampling import Resampling
from dvol_utils.wording.columns import readable

STEPS = dict(zip(QUANTILES, (-2.0, -0.7, 0.1, 0.8, 2.5), strict=True))
NAMES = list(QUANTILES)


def with_steps(table: pd.DataFrame, wider: float = 1.0) -> pd.DataFrame:
    return table.assign(**{name: table["y_pred"] + wider * s for name, s in STEPS.items()})


FORECASTS = with_steps(average_seeds(forecast_table(600)))
FIVE = pd.DataFrame(
    {
        "model": "har",
        "origin": pd.date_range("2024-01-01", periods=5, freq="h", tz="UTC"),
        "y_true": [50.0, 56.0, 61.0, 60.0, 44.0],
        "y_pred": 52.0,
        "y_origin": 52.0,
        "q05": 45.0,
        "q25": 50.0,
        "q50": 52.0,
        "q75": 55.0,
        "q95": 60.0,
        "jump_regime": ["normal", "normal", "jump", "jump", "jump"],
    }
)


def test_coverage_of_five_rows_by_hand():
    found = coverage(FIVE).iloc[0]
    assert found["covered_50"] == 1 / 5  # 50 lies on q25
    assert found["covered_90"] == 3 / 5  # 60 lies on q95
    assert [found[f"below_{name[1:]}"] for name in NAMES] == [1 / 5, 2 / 5, 2 / 5, 2 / 5, 4 / 5]
    assert (found["width_50"], found["width_90"], found["n"]) == (5, 15, 5)
    by_jump = coverage(FIVE, "jump_regime")
    assert by_jump["jump_regime"].tolist() == ["normal", "jump"]
    assert by_jump["covered_90"].tolist() == [1, 1 / 3]
    assert coverage(FIVE, ())["n"].tolist() == [5]


def test_pinball_and_crps_of_one_row_by_hand():
    row = FIVE.iloc[[1]]  # outcome 56: above 45, 50, 52, 55 and below 60
    expected = [0.05 * 11, 0.25 * 6, 0.5 * 4, 0.75 * 1, 0.05 * 4]
    np.testing.assert_allclose(pinball_losses(row).iloc[0], expected)
    found = crps(row).iloc[0]
    assert found["crps"] == pytest.approx(2 * np.mean(expected))
    np.testing.assert_allclose(
        found[[f"pinball_{name[1:]}" for name in NAMES]].astype(float), expected
    )
    assert np.isnan(found["crps_skill"])  # no persistence here


def literal_crps(row) -> float:
    loss = 0.0
    for name, tau in QUANTILES.items():
        q = getattr(row, name)
        loss += tau * (row.y_true - q) if row.y_true > q else (1 - tau) * (q - row.y_true)
    return 2 * loss / 5


def test_crps_is_a_mean_over_rows_and_skill_its_ratio_to_persistence():
    found = crps(FORECASTS, ("jump_regime", "model")).set_index(["jump_regime", "model"])
    jumps = FORECASTS[FORECASTS["jump_regime"] == "jump"]
    means = {
        model: np.mean([literal_crps(row) for row in jumps[jumps["model"] == model].itertuples()])
        for model in ("persistence", "har")
    }
    assert found.loc[("jump", "har"), "crps"] == pytest.approx(means["har"])
    skill = 1 - means["har"] / means["persistence"]
    assert found.loc[("jump", "har"), "crps_skill"] == pytest.approx(skill)
    assert found.loc[("jump", "persistence"), "crps_skill"] == 0
    assert found["n"].groupby("model").sum().eq(600).all()


def test_scores_do_not_depend_on_the_order_of_the_rows():
    shuffled = FORECASTS.sample(frac=1, random_state=3)
    for judge in (coverage, crps):
        pd.testing.assert_frame_equal(judge(shuffled), judge(FORECASTS))


def test_wide_intervals_cover_more_and_score_worse():
    wide = with_steps(FORECASTS, wider=20.0)
    assert (coverage(wide)["covered_90"] == 1).all()
    assert (crps(wide)["crps"] > 2 * crps(FORECASTS)["crps"]).all()


def test_rows_that_can_be_compared():
    holed = FORECASTS.copy()
    first = holed["origin"].min()
    late = holed["origin"] < first + pd.Timedelta(hours=10)
    holed.loc[late & (holed["model"] == "har"), NAMES] = np.nan
    holed.loc[holed["model"] == "lstm_ultra", NAMES] = np.nan
    found = with_quantiles(holed)
    assert set(found["model"]) == set(FORECASTS["model"]) - {"lstm_ultra"}
    assert (found.groupby("model")["origin"].min() == first + pd.Timedelta(hours=10)).all()
    assert coverage(holed).set_index("model")["n"].loc[["har", "persistence"]].tolist() == [
        590,
        600,
    ]
    assert with_quantiles(holed.assign(q05=np.nan)).empty
    assert crps_losses(holed).shape == (590, 6)


def test_crossing_quantiles_are_refused():
    whole = with_steps(forecast_table(60))
    assert check_forecasts(whole) is whole
    whole.loc[5, NAMES] = np.nan
    check_forecasts(whole)
    whole.loc[3, "q25"] = whole.loc[3, "q05"] - 1
    message = (
        f"forecasts: q25 of model persistence, origin {whole.loc[3, 'origin']}: found "
        f"{whole.loc[3, 'q25']}; should be no less than q05 (1 such rows)"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        check_forecasts(whole)


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="column 'q75' is missing"):
        coverage(FORECASTS.drop(columns="q75"))
    with pytest.raises(ValueError, match="column 'season' is missing"):
        crps(FORECASTS, "season")


def test_quantiles_of_an_older_persistence_are_missing():
    rows = FORECASTS[FORECASTS["model"].isin(["persistence", "har"])]
    start = rows["origin"].min() - pd.Timedelta(hours=48)
    hours = pd.date_range(start, rows["target_time"].max(), freq="h")
    levels = pd.Series(np.arange(len(hours), dtype=float), hours)
    found = against_level(rows, levels, 48)
    own = found["model"] == "har"
    pd.testing.assert_frame_equal(found.loc[own, NAMES], rows.loc[own, NAMES])
    assert found.loc[~own, NAMES].isna().all(axis=None)
    assert crps(found)["crps_skill"].isna().all()
    draws = Resampling(block_hours=48, reps=10, seed=0)
    assert crps_against_persistence(found, 24, resampling=draws).empty


def test_test_of_crps_is_that_of_diebold_and_mariano_on_its_losses():
    draws = Resampling(block_hours=24, reps=400, seed=1)
    found = crps_against_persistence(FORECASTS, 24, resampling=draws).set_index("model")
    assert list(found.index) == [m for m in pd.unique(FORECASTS["model"]) if m != "persistence"]
    losses = {
        model: np.array([literal_crps(row) for row in rows.itertuples()])
        for model, rows in FORECASTS.groupby("model")
    }
    pair = losses["har"], losses["persistence"]
    statistic, p_value = diebold_mariano(*pair, horizon=24, variance="periodogram")
    assert found.loc["har", "statistic"] == pytest.approx(statistic)
    assert found.loc["har", "p_value"] == pytest.approx(p_value)
    p_bartlett = diebold_mariano(*pair, horizon=24)[1]
    assert found.loc["har", "p_bartlett"] == pytest.approx(p_bartlett)
    mean = {model: loss.mean() for model, loss in losses.items()}
    assert found.loc["har", "crps_difference"] == pytest.approx(mean["har"] - mean["persistence"])
    assert found.loc["har", "crps_skill"] == pytest.approx(1 - mean["har"] / mean["persistence"])
    assert (found["low"] < found["crps_skill"]).all()
    assert (found["crps_skill"] < found["high"]).all()


def test_crps_skill_is_drawn_on_the_resamples_of_the_other_metrics():
    """With losses of squared errors in place of CRPS the interval is that of `skill`."""
    draws = Resampling(block_hours=24, reps=100, seed=2, calibrated=False)
    rows = FORECASTS[FORECASTS["model"].isin(["persistence", "har"])]
    squared = (rows["y_true"] - rows["y_pred"]) ** 2
    # Pinball losses of quantiles a distance d above the outcome are (1 - tau) d: 0.5 d on average.
    same = rows.assign(**dict.fromkeys(NAMES, rows["y_true"] + squared))
    # Calibrated, one takes the derivative and the other half an hour more and less.
    for way, close in ((draws, 1e-9), (replace(draws, calibrated=True), 1e-3)):
        skill = bootstrap_interval(rows, "skill", resampling=way).set_index("model").loc["har"]
        found = crps_against_persistence(same, 24, resampling=way).iloc[0]
        assert found["crps_skill"] == pytest.approx(skill["estimate"])
        ends = skill["low"], skill["high"]
        assert (found["low"], found["high"]) == pytest.approx(ends, rel=close)


def test_reliability_is_coverage_with_an_error_that_grows_with_overlap():
    found = reliability(FORECASTS, by="jump_regime")
    own = found[(found["model"] == "har") & (found["jump_regime"] == "jump")]
    expected = coverage(FORECASTS, ("model", "jump_regime")).query(
        "model == 'har' and jump_regime == 'jump'"
    )
    below = own[own["share"] == "below"]["observed"]
    np.testing.assert_allclose(below, expected[[f"below_{n[1:]}" for n in NAMES]].to_numpy()[0])
    within = own[own["share"] == "within"]["observed"]
    np.testing.assert_allclose(within, expected[["covered_50", "covered_90"]].to_numpy()[0])
    assert own["n"].eq(expected["n"].iloc[0]).all()
    assert ((found["low"] >= 0) & (found["high"] <= 1)).all()
    shares = reliability(FORECASTS)
    binomial = 2 * 1.96 * np.sqrt(shares["observed"] * (1 - shares["observed"]) / shares["n"])
    assert (shares["high"] - shares["low"]).mean() > 1.5 * binomial.mean()


def test_error_of_a_share_is_literally_that_of_a_ratio_of_means():
    """A share within a regime, Student's t on two degrees of freedom an ordinate."""
    shares = reliability(FORECASTS, by="jump_regime", coverage=0.5)
    found = shares[(shares["model"] == "har") & (shares["jump_regime"] == "normal")]
    found = found.set_index(["share", "nominal"]).loc[("below", 0.25)]
    own = FORECASTS[FORECASTS["model"] == "har"].sort_values("origin")
    inside = own["jump_regime"] == "normal"
    hit = own["y_true"] < own["q25"]
    observed = hit[inside].mean()
    moments = np.where(inside, hit - observed, 0.0)
    error = literal_error(moments.tolist()) * len(own) / inside.sum()
    reach = stats.t.ppf(0.75, 2 * 8) * error  # 8 ordinates of 600 hours
    assert found["observed"] == observed
    expected = (observed - reach, observed + reach)
    assert (found["low"], found["high"]) == pytest.approx(expected)


def test_error_of_a_share_of_independent_hours_is_about_the_binomial_one():
    rng = np.random.default_rng(4)
    hours = 4_000
    rows = pd.DataFrame(
        {
            "model": "har",
            "origin": pd.date_range("2024-01-01", periods=hours, freq="h", tz="UTC"),
            "y_true": 60 + rng.uniform(size=hours),
            "y_pred": 60.5,
            "y_origin": 60.5,
            "jump_regime": np.where(rng.random(hours) < 0.1, "jump", "normal"),
            **{name: 60 + probability for name, probability in QUANTILES.items()},
        }
    )
    found = reliability(rows, by="jump_regime").query("share == 'below'")
    p, n = found["observed"], found["n"]
    binomial = 2 * stats.t.ppf(0.975, 30) * np.sqrt(p * (1 - p) / n)
    # The square is a chi-square with 30 degrees of freedom, divided by 30.
    np.testing.assert_allclose(found["high"] - found["low"], binomial, rtol=0.4)
    assert (found["high"] - found["low"]).mean() == pytest.approx(binomial.mean(), rel=0.15)
    assert ((found["low"] <= found["nominal"]) & (found["nominal"] <= found["high"])).sum() >= 8


def test_metrics_hold_coverage_and_crps_where_there_are_quantiles():
    table = metrics_table(FORECASTS).set_index(["model", "regime_type", "regime", "metric"])
    assert not table.index.duplicated().any()
    expected = coverage(FORECASTS, ("model", "jump_regime")).set_index(["model", "jump_regime"])
    assert table.loc[("har", "jump_regime", "jump", "covered_90"), "value"] == pytest.approx(
        expected.loc[("har", "jump"), "covered_90"]
    )
    skill = crps(FORECASTS).set_index("model").loc["har", "crps_skill"]
    assert table.loc[("har", "all", "all", "crps_skill"), "value"] == pytest.approx(skill)
    metrics = set(table.index.get_level_values("metric"))
    without = set(metrics_table(FORECASTS.drop(columns=NAMES))["metric"])
    assert {"crps", "width_90", "below_05"} <= metrics - without


def test_every_column_has_a_readable_head():
    draws = Resampling(block_hours=24, reps=10, seed=0)
    tables = (coverage(FORECASTS), crps(FORECASTS),
              crps_against_persistence(FORECASTS, 24, resampling=draws))  # fmt: skip
    assert not [head for table in tables for head in readable(table) if "_" in head]


def share_rows(model: str, observed: float, **columns: object) -> pd.DataFrame:
    row = {"share": "within", "nominal": 0.9, "observed": observed, "low": 0.8, "high": 0.95}
    return pd.DataFrame([{"model": model, **row, "n": 1_234, **columns}])


@pytest.mark.parametrize(
    ("all_rows", "jumps", "words"),
    [
        (0.901, 0.93, ["within the 88 to 92 % aimed for", "within the 85 to 95 % aimed for"]),
        (0.87, 0.84, ["fewer than the 88 to 92 %", "fewer than the 85 to 95 %"]),
        (0.93, 0.96, ["more than the 88 to 92 %", "more than the 85 to 95 %"]),
    ],
)
def test_sentences_say_what_was_measured_and_what_was_aimed_for(all_rows, jumps, words):
    said = coverage_sentences(
        share_rows("har", all_rows), share_rows("har", jumps, jump_regime="jump"), "har"
    )
    start = (
        f"The 90 % interval of HAR covers {100 * all_rows:.1f} % (80.0 % to 95.0 %) of the 1,234"
    )
    assert said[0].startswith(start)
    assert f"covers {100 * jumps:.1f} %" in said[1]
    for sentence, expected in zip(said, words, strict=True):
        assert expected in sentence


def test_sentences_where_there_is_nothing_to_say():
    none = reliability(FORECASTS.assign(q05=np.nan), by="jump_regime")
    assert none.empty
    assert coverage_sentences(none, none, "har") == [
        "There are no intervals for HAR: too few past errors are known."
    ]
    calm = share_rows("har", 0.9, jump_regime="normal")
    assert coverage_sentences(share_rows("har", 0.9), calm, "har")[1] == (
        "No test row is in the jump regime."
    )
    empty = crps_against_persistence(
        FORECASTS.assign(q05=np.nan), 24, resampling=Resampling(24, reps=5, seed=0)
    )
    assert crps_sentence(empty, None) == "There is no CRPS to set beside that of persistence."
