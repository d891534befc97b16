from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from forecast_tables import forecast_table

from dvol_utils.evaluation import average_seeds, diagnostics, score, worst
from dvol_utils.plots import errors as error_plots
from dvol_utils.plots import intervals as sure_plots
from dvol_utils.plots import regimes as plots
from dvol_utils.plots.weeks import weeks_html
from dvol_utils.significance import calibration, reliability, summed_gain
from dvol_utils.significance.resampling import Resampling

FORECASTS = average_seeds(forecast_table(400))
SOME = ["persistence", "har", "lstm_large"]
DRAWS = Resampling(48, reps=50, seed=0)


def texts(ax) -> str:
    return " | ".join(text.get_text() for text in ax.texts)


def test_regime_skill_draws_each_value_in_its_row():
    scores = score(FORECASTS[FORECASTS["model"].isin(SOME)], ("jump_regime", "model"))
    ax = plots.skill_by_regime(scores, "jump_regime", title="t")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["HAR", "LSTM large"]
    normal = next(line for line in ax.lines if line.get_label() == "normal")
    expected = score(FORECASTS, ("jump_regime", "model")).set_index(["jump_regime", "model"])
    assert normal.get_xdata()[0] == pytest.approx(100 * expected.loc[("normal", "har"), "skill"])


def test_a_hopeless_model_is_named_and_does_not_set_the_scale():
    bad = FORECASTS[FORECASTS["model"] == "har"].assign(
        model="seasonal_naive", y_pred=lambda rows: rows["y_origin"] + 20
    )
    rows = pd.concat([FORECASTS[FORECASTS["model"].isin(SOME)], bad])
    scores = score(rows, ("jump_regime", "model"))
    ax = plots.skill_by_regime(scores, "jump_regime", title="t")
    lowest = 100 * scores["skill"].min()
    assert f"◂ −{-lowest:.0f} %" in texts(ax)
    assert ax.get_xlim()[0] > -30


def test_hours_of_the_week_add_up_beside_the_map_and_losses_have_a_dash():
    gains = diagnostics.gain_by_hour_of_week(FORECASTS, "har")
    figure = plots.hour_of_week_gain(gains, title="t")
    top, _, ax, right, _ = figure.axes
    grid = np.ma.masked_invalid(ax.collections[0].get_array().reshape(7, 24))
    assert grid.sum() == pytest.approx(100 * gains["share"].sum())
    assert [bar.get_height() for bar in top.patches] == pytest.approx(grid.sum(axis=0).tolist())
    assert [bar.get_width() for bar in right.patches] == pytest.approx(grid.sum(axis=1).tolist())
    assert ax.get_yticklabels()[0].get_text() == "Mon"
    behind = {(row.hour + 0.5, row.weekday + 0.5) for row in gains[gains["share"] < 0].itertuples()}
    assert {text.xy for text in ax.texts} == behind
    assert figure.get_suptitle() == "t"


def test_summed_gains_draw_a_band_around_the_first_line_alone():
    curves = {
        "lstm_large": summed_gain(FORECASTS, "lstm_large", resampling=DRAWS),
        "har": summed_gain(FORECASTS, "har"),
    }
    week = pd.Timestamp("2024-11-25", tz="UTC")
    jumps = FORECASTS.loc[FORECASTS["jump_regime"] == "jump", "origin"]
    ax = plots.summed_gains(curves, jumps, [week], title="t")
    assert {text.get_text() for text in ax.texts} == {"25 Nov ", "LSTM large", "HAR"}
    first, second = (line for line in ax.lines if len(line.get_xdata()) == len(curves["har"]))
    np.testing.assert_allclose(first.get_ydata(), curves["lstm_large"]["gain"])
    np.testing.assert_allclose(second.get_ydata(), curves["har"]["gain"])
    assert first.get_linewidth() > second.get_linewidth()
    assert len(ax.collections) == 1


def test_months_carry_their_hours_and_short_ones_a_hatch():
    rows = {"har": [0.1, -0.2], "lstm_large": [0.3, 0.4], "seasonal_naive": [-6.0, -7.0]}
    months = pd.date_range("2024-12-01", periods=2, freq="MS", tz="UTC")
    table = pd.DataFrame(
        [(name, *pair, n) for name, skills in rows.items()
         for pair, n in zip(zip(months, skills, strict=True), (744, 90), strict=True)],
        columns=["model", "month", "skill", "n"],
    )  # fmt: skip
    ax = plots.month_skill(table, title="t", least=400)
    assert [name.get_text() for name in ax.get_yticklabels()] == ["HAR", "LSTM large"]
    heads = [name.get_text() for name in ax.get_xticklabels()]
    assert heads == ["Dec\n2024\n744", "Jan\n2025\n90"]
    assert texts(ax) == "10 | −20 | 30 | 40"
    assert [patch.get_x() for patch in ax.patches if patch.get_hatch()] == [1]


def test_the_cloud_of_changes_says_how_many_fall_in_each_quadrant():
    own = FORECASTS[FORECASTS["model"] == "har"]
    changes = own["y_pred"] - own["y_origin"], own["y_true"] - own["y_origin"]
    shares = error_plots.quadrant_shares(*changes)
    assert sum(shares.values()) == pytest.approx(1)
    hits = score(own)["direction"].item()
    assert shares[1, 1] + shares[-1, -1] == pytest.approx(hits)
    ax = error_plots.change_cloud(FORECASTS, "har", title="t")
    assert len(ax.texts) == 4
    assert f"right: {100 * shares[1, 1]:.1f} %" in texts(ax)
    assert error_plots.quadrant_shares(0 * changes[0], changes[1])[1, 1] == 0


def test_error_quantiles_are_those_of_persistence_less_those_of_the_model():
    ax = error_plots.error_quantiles(FORECASTS, "har", title="t")
    x, y = ax.lines[0].get_data()
    error = (FORECASTS["y_true"] - FORECASTS["y_pred"]).abs()
    median = error.groupby(FORECASTS["model"]).median()
    middle = list(x).index(pytest.approx(50))
    assert y[middle] == pytest.approx(median["persistence"] - median["har"])


def test_calibration_has_an_interval_a_bin():
    bins = calibration(FORECASTS, "har", bins=5)
    assert bins["n"].sum() == (FORECASTS["model"] == "har").sum()
    assert (bins["low"] < bins["outcome_change"]).all()
    figure = error_plots.calibration_bins(bins, "har", title="t")
    points = figure.axes[0].containers[0]
    np.testing.assert_allclose(points[0].get_ydata().astype(float), bins["outcome_change"])
    assert figure.get_suptitle() == "t"
    assert calibration(FORECASTS, "persistence").empty
    with pytest.raises(ValueError, match="bins: found 1; should be at least 2"):
        calibration(FORECASTS, "har", bins=1)


def test_the_chosen_model_stands_out_from_validation_to_test():
    skills = pd.DataFrame(
        {"model": ["har", "lstm_large", "seasonal_naive"],
         "validation": [0.1, 0.05, -3.0], "test": [0.02, 0.04, -2.0]}
    )  # fmt: skip
    ax = error_plots.validation_to_test(skills, "har", title="t")
    widths = [line.get_linewidth() for line in ax.lines if len(line.get_xdata()) == 2]
    assert widths[0] > widths[1]
    assert texts(ax) == "HAR 2.0 | LSTM large 4.0"


def test_coverage_stands_around_what_is_meant():
    own = FORECASTS[FORECASTS["model"] == "har"]
    spread = {"q05": -2.0, "q25": -0.5, "q50": 0.0, "q75": 0.5, "q95": 2.0}
    own = own.assign(**{name: own["y_pred"] + reach for name, reach in spread.items()})
    shares = reliability(own)
    ax = sure_plots.coverage_gaps({"all\n400 h": shares, "again": shares}, title="t")
    within = shares[shares["share"] == "within"]
    gap = 100 * (within["observed"] - within["nominal"])
    drawn = [bars[0].get_ydata()[0] for bars in ax.containers]
    assert drawn == pytest.approx(gap.tolist())
    assert [name.get_text() for name in ax.get_xticklabels()] == ["all\n400 h", "again"]


def test_every_week_has_a_picture_with_its_words():
    weeks = worst.weekly_losses(FORECASTS, "har")
    drawn = str(weeks_html(FORECASTS, "har", weeks))
    assert drawn.count("<svg") == drawn.count('role="img"') == len(weeks)
    assert 'aria-label="Week from 2024-11-25: ' in drawn
    assert 'class="band"' not in drawn  # the table has no quantiles
    assert drawn.count("<polyline") == 3 * len(weeks)
