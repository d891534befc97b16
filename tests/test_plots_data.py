from __future__ import annotations

import matplotlib as mpl
import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from weekly_panel import made_up

from dvol_utils.data.diagnostics import histogram
from dvol_utils.data.panel import VALUE_COLUMNS, coverage, gaps
from dvol_utils.data.seasonality import activity_by_weekday, change_by_hour, change_by_weekday
from dvol_utils.plots import data as plots


@pytest.fixture
def panel() -> pd.DataFrame:
    frame = made_up(hour_bp=-200)
    frame = frame.assign(**{name: 1.0 for name in VALUE_COLUMNS if name not in frame})
    frame.loc[100:122, ["dvol_open", "dvol_high", "dvol_low"]] = np.nan
    return frame


def test_coverage_cuts_gaps_out(panel):
    ax = plots.plot_coverage(coverage(panel), gaps(panel), title="Covered")
    bars = [patch for patch in ax.patches if patch.get_facecolor() == (1.0, 1.0, 1.0, 1.0)]
    assert len(bars) == 3
    assert {bar.get_x() for bar in bars} == {mdates.date2num(panel["time"].iloc[100])}
    assert {round(24 * bar.get_width(), 6) for bar in bars} == {23}
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == VALUE_COLUMNS
    assert ax.get_title(loc="left") == "Covered"


def test_a_series_is_drawn_as_given_with_its_boundaries(panel):
    boundaries = {"test": panel["time"].iloc[500]}
    ax = plots.plot_series(
        panel, "dvol_close", title="Level", unit="index points", boundaries=boundaries, log=True
    )
    assert ax.lines[0].get_ydata().tolist() == panel["dvol_close"].tolist()
    assert ax.texts[0].get_text().strip() == "test"
    assert (ax.get_yscale(), ax.get_ylabel()) == ("log", "index points")


def test_a_histogram_draws_both_densities(panel):
    density = histogram(panel["dvol_close"], bins=10)
    ax = plots.plot_histogram(density, title="Spread", xlabel="DVOL, index points", log=True)
    assert [bar.get_height() for bar in ax.patches] == density["density"].tolist()
    assert ax.lines[0].get_ydata().tolist() == density["normal"].tolist()


def test_slots_that_are_clear_of_zero_are_coloured(panel):
    means = change_by_hour(panel)
    ax = plots.plot_slot_means(means, title="Hours", unit="bp", xlabel="hour")
    colours = [mpl.colors.to_hex(bar.get_facecolor()).upper() for bar in ax.patches]
    clear = (means["low"] > 0) | (means["high"] < 0)
    assert colours == [plots.BLUE if flag else plots.GREY for flag in clear]
    assert colours[8] == plots.BLUE
    assert plots.GREY in colours


def test_weekdays_are_named(panel):
    means = change_by_weekday(panel)
    ax = plots.plot_slot_means(means, title="Days", unit="%", xlabel="weekday")
    expected = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert [label.get_text() for label in ax.get_xticklabels()] == expected


def test_activity_has_a_line_a_series_on_given_axes(panel):
    _, given = plt.subplots()
    activity = activity_by_weekday(panel, publication_lag_hours=12)
    ax = plots.plot_activity(activity, title="Week", ax=given)
    assert ax is given
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["transfers", "active addresses", "transactions"]
    first = activity[activity["column"] == "transfer_volume_usd"]["mean"].tolist()
    assert ax.lines[0].get_ydata().tolist() == first


def test_the_global_style_stays(panel):
    before = dict(mpl.rcParams)
    plots.plot_series(panel, "dvol_close", title="Level", unit="index points")
    assert dict(mpl.rcParams) == before
