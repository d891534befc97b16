from __future__ import annotations

import matplotlib as mpl
import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from weekly_panel import made_up

from dvol_utils.data.checks.coverage import coverage_calendar
from dvol_utils.data.checks.distributions import histogram
from dvol_utils.data.checks.seasonality import (
    activity_by_weekday,
    change_by_hour,
    change_by_weekday,
)
from dvol_utils.data.panel import VALUE_COLUMNS, build_panel
from dvol_utils.data.simulated import market
from dvol_utils.plots import data as plots
from dvol_utils.study.data_section import DataParams


@pytest.fixture
def panel() -> pd.DataFrame:
    frame = made_up(hour_bp=-200)
    frame = frame.assign(**{name: 1.0 for name in VALUE_COLUMNS if name not in frame})
    frame.loc[100:122, ["dvol_open", "dvol_high", "dvol_low"]] = np.nan
    return frame


@pytest.fixture
def calendar() -> pd.DataFrame:
    days = pd.date_range("2021-01-30", "2021-03-02", tz="UTC")
    share = pd.Series(1.0, index=days)
    share.loc["2021-02-03"], share.loc["2021-02-04"], share.loc["2021-03-01"] = 0.0, 0.3, 0.75
    table = pd.DataFrame({"asset": "BTC", "day": days, "share": share.to_numpy()})
    return pd.concat([table.assign(series=name) for name in ("DVOL close", "price", "funding")])


def test_a_calendar_has_a_cell_a_day(calendar):
    part = calendar[calendar["series"] == "price"]
    ax = plots.plot_calendar(part, title="price")
    (mesh,) = ax.collections
    cells = mesh.get_array().reshape(31, 3)  # days by January, February, March
    drawn = {
        (day + 1, month + 1): cells[day, month]
        for day, month in zip(*np.nonzero(~np.ma.getmaskarray(cells)), strict=True)
    }
    expected = {(d.day, d.month): s for d, s in zip(part["day"], part["share"], strict=True)}
    assert drawn == expected
    shares = np.array([0.0, 1e-6, 0.499, 0.5, 0.99, 1.0])
    colours = [mpl.colors.to_hex(c).upper() for c in mesh.cmap(mesh.norm(shares))]
    assert colours == ["#111111", *2 * [plots.VERMILION], *2 * [plots.ORANGE], "#CFE3F1"]
    assert ax.get_ylim() == (31.5, 0.5)
    left, right = mdates.num2date(ax.get_xlim())
    assert (left.strftime("%Y-%m-%d"), right.strftime("%Y-%m-%d")) == ("2021-01-01", "2021-04-01")


def test_calendars_stand_side_by_side(calendar):
    fig = plots.plot_calendars(calendar, title="Whole")
    titles = [ax.get_title(loc="left") for ax in fig.axes if ax.get_visible()]
    assert titles == ["DVOL close", "price", "funding"]
    assert fig.get_suptitle() == "Whole"
    words = [text.get_text() for text in fig.legends[0].get_texts()]
    assert words == ["the whole day", "at least half", "less than half", "nothing"]


def test_the_calendar_of_a_market_can_be_drawn(tmp_path):
    params = DataParams(simulated={"hours": 800})
    market.write_store(tmp_path, params)
    table = coverage_calendar(tmp_path, params, build_panel(tmp_path, params))
    fig = plots.plot_calendars(table, title="Market")
    assert sum(ax.get_visible() for ax in fig.axes) == 6


def test_lags_have_a_bar_for_each_correlation():
    clock = pd.DataFrame(
        {"lag_hours": [-1, 0, 1], "with_return": [0.0, -0.2, 0.1], "with_size": [0.1, 0.3, 0.0]}
    )
    ax = plots.plot_lead_lag(clock, title="Clocks")
    bars = [(round(bar.get_center()[0], 2), bar.get_height()) for bar in ax.patches]
    assert bars == [
        (-1.19, 0.0), (-0.19, -0.2), (0.81, 0.1), (-0.81, 0.1), (0.19, 0.3), (1.19, 0.0)
    ]  # fmt: skip
    assert ax.get_xticks().tolist() == [-1, 0, 1]


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
    ax = plots.plot_histogram(density, title="Spread", xlabel="DVOL", unit="point", log=True)
    assert ax.get_ylabel() == "density, per point"
    assert [bar.get_height() for bar in ax.patches] == density["density"].tolist()
    assert ax.lines[0].get_ydata().tolist() == density["normal"].tolist()


def test_slots_that_are_clear_of_zero_are_filled(panel):
    means = change_by_hour(panel)
    ax = plots.plot_slot_means(means, title="Hours", unit="bp", xlabel="hour")
    colours = [mpl.colors.to_hex(bar.get_facecolor()).upper() for bar in ax.patches]
    clear = (means["low"] > 0) | (means["high"] < 0)
    assert colours == [plots.BLUE if flag else "#FFFFFF" for flag in clear]
    assert colours[8] == plots.BLUE
    assert "#FFFFFF" in colours


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
    labels = {text.get_text() for text in ax.texts}
    assert labels == {"transfers, USD", "active addresses", "transactions"}
    assert len({line.get_linestyle() for line in ax.lines[:3]}) == 3  # told apart without colour
    first = activity[activity["column"] == "transfer_volume_usd"]["mean"].tolist()
    assert ax.lines[0].get_ydata().tolist() == first


def test_the_global_style_stays(panel):
    before = dict(mpl.rcParams)
    plots.plot_series(panel, "dvol_close", title="Level", unit="index points")
    assert dict(mpl.rcParams) == before
