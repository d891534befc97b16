"""What is said about flags: quality against a truth, patterns, alternatives, words and figures."""

from __future__ import annotations

import calendar
from datetime import date

import numpy as np
import pandas as pd
import pytest
from market import small_panel
from matplotlib.figure import Figure

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated.market import true_jumps, write_store
from dvol_utils.jumps import detect_jumps
from dvol_utils.jumps.patterns import (
    clustering,
    evenness,
    event_days,
    event_windows,
    flags_by_slot,
    jump_events,
    jump_summary,
    overlap,
)
from dvol_utils.jumps.quality import (
    compare_variants,
    detection_quality,
    false_alarm_rates,
    flag_variants,
    mark_true,
    periodicity_variants,
)
from dvol_utils.pages.jumps import busiest_slots, describe_jumps, readable_jumps
from dvol_utils.plots import jumps as plots
from dvol_utils.study.data_section import DataParams
from dvol_utils.study.fitting_section import JumpParams

PARAMS = JumpParams(window=50, alpha=0.05, n_tests=1_000)
START = pd.Timestamp("2024-01-01 01:00", tz="UTC")


def flagged(flags: dict[int, float], n: int = 100, untested: int = 10, asset: str = "BTC"):
    """A table of `detect_jumps` with flags of the given log sizes; the first hours are untested."""
    size = np.zeros(n)
    size[list(flags)] = list(flags.values())
    statistic = np.where(size != 0, 500 * size, 0.5)
    statistic[:untested] = np.nan
    return pd.DataFrame(
        {
            "time": pd.date_range(START, periods=n, freq="h"),
            "asset": asset,
            "log_return": np.where(size != 0, size, 0.001),
            "sigma": 0.002,
            "statistic": statistic,
            "is_jump": size != 0,
            "jump_size": size,
        }
    )


def truth_of(sizes: dict[int, float]) -> pd.Series:
    times = [START + pd.Timedelta(hours=hour) for hour in sizes]
    return pd.Series(list(sizes.values()), index=pd.DatetimeIndex(times))


def test_quality_by_hand():
    jumps = flagged({20: 0.03, 32: -0.12, 50: 0.01, 70: 0.06})
    # Found at once, two hours late, missed, and one in an untested hour that does not count.
    truth = truth_of({20: 0.03, 30: -0.15, 60: 0.06, 5: 0.5})
    table = detection_quality(jumps, truth).set_index(["tolerance_hours", "size"])
    columns = ["true_jumps", "found", "flags", "correct"]
    assert table.loc[(0, "all"), columns].tolist() == [3, 1, 4, 1]
    assert table.loc[(2, "all"), columns].tolist() == [3, 2, 4, 2]
    assert table.loc[(2, "all"), "recall"] == pytest.approx(2 / 3)
    assert table.loc[(2, "all"), "precision"] == 0.5
    assert table.loc[(2, "all"), "delay_hours"] == 1.0
    assert table.loc[(2, "10 % and more"), [*columns, "delay_hours"]].tolist() == [1, 1, 1, 1, 2]
    assert table.loc[(0, "2 to 5 %"), columns].tolist() == [1, 1, 1, 1]
    assert table.loc[(0, "5 to 10 %"), columns].tolist() == [1, 0, 1, 0]
    assert table.loc[(0, "below 2 %"), columns].tolist() == [0, 0, 1, 0]
    assert np.isnan(table.loc[(0, "below 2 %"), "recall"])


def test_quality_keeps_assets_apart():
    jumps = pd.concat([flagged({20: 0.1}), flagged({40: 0.1}, asset="ETH")], ignore_index=True)
    swapped = {"BTC": truth_of({40: 0.1}), "ETH": truth_of({20: 0.1})}
    right = {"BTC": truth_of({20: 0.1}), "ETH": truth_of({40: 0.1})}
    assert detection_quality(jumps, swapped)["recall"].iloc[0] == 0
    assert detection_quality(jumps, right)["recall"].iloc[0] == 1
    with pytest.raises(ValueError, match=r"jumps has assets \['BTC', 'ETH'\]; name the asset"):
        detection_quality(jumps, right["BTC"])
    with pytest.raises(ValueError, match=r"truth: no jumps of ETH; found \['BTC'\]"):
        detection_quality(jumps, {"BTC": right["BTC"]})


def test_without_a_truth_nothing_is_claimed():
    jumps = flagged({20: 0.1})
    assert "true_jump" not in mark_true(jumps, {})
    empty = detection_quality(jumps, {})
    assert empty.empty
    assert list(empty) == list(detection_quality(jumps, truth_of({20: 0.1})))
    marked = mark_true(jumps, {"BTC": truth_of({20: 0.1, 5: -0.1})})["true_jump"]
    assert marked.dtype == bool
    assert list(np.flatnonzero(marked)) == [5, 20]


def test_clustering_by_hand():
    jumps = flagged({20: 0.1, 22: 0.1, 60: 0.1})
    table = clustering(jumps, 3).set_index("hours")
    assert table["tested"].tolist() == [90, 3 + 2 + 3, 82]  # after 20: 21-23, after 22: 23-25, ...
    assert table["flags"].tolist() == [3, 1, 2]
    assert table["ratio"].tolist() == pytest.approx([1, (1 / 8) / (3 / 90), (2 / 82) / (3 / 90)])


def test_overlap_by_hand():
    jumps, other = flagged({20: 0.1, 40: 0.1, 60: 0.1}), flagged({20: -0.1, 41: 0.1, 90: 0.1})
    table = overlap(jumps, other, within_hours=(0, 1))
    assert table["with_other"].tolist() == [1, 2]
    assert table["chance_pct"].tolist() == pytest.approx([100 * 3 / 90, 100 * 9 / 90])
    assert overlap(jumps, other[:0], within_hours=(1,)).empty  # a study without a price


def test_summary_by_hand():
    jumps = flagged({20: 0.1, 22: -0.02, 60: 0.04})
    row = (
        jump_summary({"DVOL": jumps, "price": flagged({})}, PARAMS).set_index("series").loc["DVOL"]
    )
    assert row[["tested", "flags"]].tolist() == [90, 3]
    assert row["share_pct"] == pytest.approx(100 / 30)
    assert row["up_pct"] == pytest.approx(200 / 3)
    assert row[["median_pct", "largest_pct"]].tolist() == pytest.approx([4, 10])


def test_flags_by_slot_and_evenness():
    times = pd.Series(pd.date_range(START, periods=336, freq="h"))  # from Monday 00:00, open
    every = pd.Series(True, index=times.index)
    at_six = times.dt.hour == 7  # closes at 07:00
    flags = pd.DataFrame({"every": every, "at six": at_six, "none": ~every})
    counts = flags_by_slot(flags, times)
    assert (counts["every"] == 2).all()
    assert list(np.flatnonzero(counts["at six"])) == [6 + 24 * day for day in range(7)]
    table = evenness(flags, times).set_index("method")
    assert table.loc["every", ["hour_p_value", "weekday_p_value"]].tolist() == [1, 1]
    assert table.loc["every", "weekend_pct"] == pytest.approx(200 / 7)
    assert table.loc["at six", ["busiest_hour", "its_share_pct"]].tolist() == [6, 100]
    assert table.loc["at six", "hour_p_value"] < 1e-6
    assert np.isnan(table.loc["none", "hour_p_value"])


def test_events_are_looked_up_on_the_day_and_the_next():
    jumps = flagged({30: 0.02, 47: -0.1, 72: 0.2}, n=200)
    days = [date(2024, 1, 2), date(2024, 1, 4), date(2024, 1, 6), date(2030, 1, 1)]
    table = jump_events(jumps, days)
    # Row 24 is the first hour that opens on 2 January, row 71 the last that opens on the 3rd.
    assert table["flags"].tolist() == [2, 1, 0, 0]
    assert table["flags_near"].tolist() == [3, 3, 1, 0]
    assert table["time"].iloc[0] == START + pd.Timedelta(hours=47)
    assert table["size_pct"].tolist()[:2] == pytest.approx([-10, 20])
    assert table["note"].tolist() == ["", "", "none flagged", "no data"]
    assert jump_events(jumps, []).empty
    assert event_days(jumps, days) == days
    assert event_days(jumps, [], most=2) == [date(2024, 1, 2), date(2024, 1, 4)]


def test_event_windows_cut_three_days_to_either_side():
    panel = small_panel(400)
    windows = event_windows(panel, detect_jumps(panel, PARAMS), [date(2022, 1, 10)])
    assert windows["time"].min() == pd.Timestamp("2022-01-07 01:00", tz="UTC")
    assert windows["time"].max() == pd.Timestamp("2022-01-14 00:00", tz="UTC")
    assert len(windows) == 7 * 24
    assert event_windows(panel, detect_jumps(panel, PARAMS), []).empty


def test_variants_are_counted_against_the_first():
    flags = pd.DataFrame({"a": [1, 1, 0, 0], "b": [1, 0, 1, 1]}).astype(bool)
    table = compare_variants(flags, pd.Series([True, False, True, True]))
    assert table[["flags", "shared", "only_here", "only_first"]].to_numpy().tolist() == [
        [2, 2, 0, 0],
        [3, 1, 2, 1],
    ]
    assert table["precision"].tolist() == [0.5, 1.0]
    assert table["recall"].tolist() == pytest.approx([1 / 3, 1.0])
    assert "precision" not in compare_variants(flags)


def test_false_alarms_are_above_the_stated_level():
    table = false_alarm_rates(JumpParams())
    study, inside, paper, paper_inside = table.itertuples()
    assert study.nominal_pct == 1
    assert 3.5 < study.family_pct < 5
    assert inside.family_pct < study.family_pct
    assert paper.one_return == pytest.approx(33.3, rel=0.06)
    assert paper_inside.one_return == pytest.approx(21.4, rel=0.06)


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """A simulated market with its panel, jumps and truth."""
    raw_dir = tmp_path_factory.mktemp("raw")
    data = DataParams(simulated={"hours": 8_000, "seed": 5})
    write_store(raw_dir, data)
    panel = build_panel(raw_dir, data)
    return panel, detect_jumps(panel, JumpParams()), {"BTC": true_jumps(raw_dir, "BTC")}


def test_large_jumps_of_the_simulated_market_are_found(market):
    _, jumps, truth = market
    table = detection_quality(jumps, truth).set_index(["tolerance_hours", "size"])
    large = table.loc[[(0, "5 to 10 %"), (0, "10 % and more")]].sum()
    assert large["true_jumps"] >= 10
    assert large["found"] / large["true_jumps"] > 0.7
    by_chance = jumps["is_jump"].mean()
    assert table.loc[(0, "all"), "recall"] > 20 * by_chance
    assert table.loc[(2, "all"), "found"] >= table.loc[(0, "all"), "found"]


def test_words_and_figures_of_a_whole_study(market):
    panel, jumps, truth = market
    params = JumpParams()
    factors = periodicity_variants(panel, params, before=panel["time"].iloc[5_000])
    flags = flag_variants(panel, params, factors)
    assert (flags["Lee-Mykland"] == jumps["is_jump"]).all()
    assert flags["false discovery rate"].sum() > flags["Lee-Mykland"].sum()
    prices = detect_jumps(panel, params, column="price_close")
    tables = {
        "summary": jump_summary({"DVOL": jumps, "price": prices}, params),
        "clusters": clustering(jumps, 24),
        "even": evenness(flags, panel["time"]),
        "companions": overlap(jumps, prices),
        "rates": false_alarm_rates(params),
        "compared": compare_variants(flags, mark_true(jumps, truth)["true_jump"]),
    }
    known = describe_jumps(
        **tables, quality=detection_quality(jumps, truth), events=jump_events(jumps, [])
    )
    assert f"The test flags {int(jumps['is_jump'].sum())} of 7,90" in known
    assert "true jumps (" in known
    assert "events" not in known
    events = jump_events(jumps, [*event_days(jumps, [])[:2], panel["time"].iloc[200].date()])
    unknown = describe_jumps(**tables, quality=detection_quality(jumps, {}), events=events)
    assert "true jumps" not in unknown
    assert f"Of the 3 known events, {(events['flags'] > 0).sum()} have a flag" in unknown
    assert "nan" not in known + unknown

    figure = plots.plot_flags(panel, jumps, title="t")
    assert figure.get_suptitle() == "t"
    bars = [patch.get_height() for patch in figure.axes[1].patches]
    assert sum(map(abs, bars)) == jumps["is_jump"].sum()
    assert plots.plot_sizes(jumps).get_xlabel().endswith("%")
    counts = flags_by_slot(flags, panel["time"])["Lee-Mykland"]
    drawn = plots.plot_hours_of_week(counts).collections[0].get_array()
    assert drawn.sum() == jumps["is_jump"].sum()
    slot = int(counts.idxmax())
    day = calendar.day_name[slot // 24]
    assert busiest_slots(counts, 7.2).startswith(f"Most flags at {day} {slot % 24:02d}:00 and ")
    assert busiest_slots(counts, 7.2).endswith("UTC; 7 % on weekends (29 % if even)")
    lines = plots.plot_periodicity(pd.DataFrame({k: f["BTC"] for k, f in factors.items()}))
    assert {text.get_text() for text in lines.texts} == {"by day", "by week"}
    figure = plots.plot_events(event_windows(panel, jumps, event_days(jumps, [])), title="Days")
    assert isinstance(figure, Figure)
    assert figure.get_suptitle() == "Days"
    assert sum(ax.get_title(loc="left") != "" for ax in figure.axes) == 6


def test_a_study_without_flags_says_so():
    jumps = flagged({})
    flags = pd.DataFrame(
        dict.fromkeys(
            ["Lee-Mykland", "periodicity by week", "false discovery rate"], jumps["is_jump"]
        )
    )
    words = describe_jumps(
        summary=jump_summary({"DVOL": jumps}, PARAMS),
        clusters=clustering(jumps, 24),
        even=evenness(flags, jumps["time"]),
        companions=overlap(jumps, jumps),
        rates=false_alarm_rates(PARAMS),
        compared=compare_variants(flags),
        quality=detection_quality(jumps, truth_of({30: 0.1})),
        events=jump_events(jumps, []),
    )
    assert "The test flags none of 90 hours." in words
    assert "nan" not in words
    plots.plot_sizes(jumps)
    empty = plots.plot_events(event_windows(small_panel(100), jumps, []), title="None")
    assert not empty.axes[0].axison


def test_tables_for_readers_have_heads_and_p_values_in_words():
    table = pd.DataFrame(
        {"weekend_pct": [9.9], "hour_p_value": [1e-9], "weekday_p_value": [np.nan]}
    )
    shown = readable_jumps(table.assign(method="plain"))
    assert shown.to_dict("records") == [
        {
            "on weekends, %": 9.9,
            "p, all hours alike": "< 0.001",
            "p, all weekdays alike": "–",
            "method": "plain",
        }
    ]
    assert readable_jumps(pd.DataFrame({"hour_p_value": [0.0456]})).iloc[0, 0] == "0.046"
