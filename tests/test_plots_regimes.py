from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from forecast_tables import forecast_table

from dvol_utils.evaluation import add_calendar, average_seeds, diagnostics, score
from dvol_utils.plots import regimes as plots
from dvol_utils.plots.style import MODEL_COLOURS, PALE
from dvol_utils.study.model_names import label

FORECASTS = average_seeds(forecast_table(400))
SOME = ["persistence", "har", "lstm_large"]


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
    ax = plots.skill_over_time(diagnostics.rolling_skill(rows, 48), title="t")
    assert "not shown: Seasonal naive (week), median −" in texts(ax)


def test_skill_over_time_labels_each_line_at_its_end():
    rolling = diagnostics.rolling_skill(FORECASTS[FORECASTS["model"].isin(SOME)], 48)
    ax = plots.skill_over_time(rolling, title="t")
    assert "HAR" in texts(ax)
    assert "LSTM large" in texts(ax)
    heights = sorted(text.xy[1] for text in ax.texts)
    assert np.diff(heights).min() >= 0.06 * np.diff(ax.get_ylim())


def test_skill_over_time_draws_the_others_pale_and_without_a_name():
    rolling = diagnostics.rolling_skill(FORECASTS[FORECASTS["model"].isin(SOME)], 48)
    ax = plots.skill_over_time(rolling, title="t", shown=["lstm_large"])
    assert {text.get_text() for text in ax.texts} == {"LSTM large", "others"}
    drawn = {line.get_color(): line for line in ax.lines if len(line.get_xdata()) > 2}
    assert set(drawn) == {MODEL_COLOURS["lstm_large"], PALE}
    assert drawn[PALE].get_linewidth() < drawn[MODEL_COLOURS["lstm_large"]].get_linewidth()


def test_hours_behind_persistence_have_a_dash_for_readers_without_colour():
    own = add_calendar(FORECASTS[FORECASTS["model"] == "har"])
    scores = score(own, ("weekday", "hour"))
    ax = plots.hour_of_week_skill(scores, title="t")
    behind = scores[scores["skill"] < 0]
    places = {(row.hour, row.weekday) for row in behind.itertuples()}
    assert {text.xy for text in ax.texts} == places
    assert 0 < len(places) < len(scores)


def test_hour_of_week_skill_puts_monday_on_top_and_leaves_missing_hours_blank():
    own = add_calendar(FORECASTS[FORECASTS["model"] == "har"])
    scores = score(own[own["weekday"] != 2], ("weekday", "hour"))
    ax = plots.hour_of_week_skill(scores, title="t")
    grid = ax.images[0].get_array()
    assert grid.shape == (7, 24)
    assert np.ma.getmaskarray(np.ma.masked_invalid(grid))[2].all()
    expected = scores[(scores["weekday"] == 0) & (scores["hour"] == 5)]["skill"].item()
    assert grid[0, 5] == pytest.approx(100 * expected)
    assert ax.get_yticklabels()[0].get_text() == "Mon"


def test_close_up_draws_the_outcome_and_each_model():
    lively = diagnostics.liveliest(FORECASTS, 48)
    ax = plots.close_up(lively, SOME, title="t")
    labels = [line.get_label() for line in ax.lines]
    assert labels == ["outcome", *(label(model) for model in SOME)]
    assert all(len(line.get_xdata()) == 48 for line in ax.lines)


def test_scatter_splits_by_regime():
    ax = plots.forecast_scatter(FORECASTS, "har", title="t")
    counts = FORECASTS[FORECASTS["model"] == "har"]["jump_regime"].value_counts()
    drawn = {line.get_label(): len(line.get_xdata()) for line in ax.lines}
    assert drawn["jump"] == counts["jump"]
    assert drawn["normal"] == counts["normal"]


def test_error_lines_and_calibration_draw_what_they_get():
    histogram = diagnostics.error_histogram(FORECASTS[FORECASTS["model"].isin(SOME)], 20)
    ax = plots.error_lines(histogram, title="t")
    assert [len(line.get_xdata()) for line in ax.lines[:3]] == [20, 20, 20]
    bins = diagnostics.calibration(FORECASTS, 5)
    slopes = pd.Series({"har": 0.8})
    ax = plots.calibration_bins(bins, slopes, title="t")
    own = bins[bins["model"] == "har"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), own["outcome_change"])
    assert ax.lines[0].get_label() == f"HAR, slope {slopes['har']:.2f}"
    diagonal = ax.lines[1]
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata())
    assert diagonal.get_xdata()[0] == own["forecast_change"].min()
