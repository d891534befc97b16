from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from market import small_panel, small_study

from dvol_utils.data.panel import build_panel
from dvol_utils.jumps import detect_jumps, jumps_by_rule, published_jumps, published_rules
from dvol_utils.samples.samples import build_samples
from dvol_utils.study.loading import load_study

DATA = Path(__file__).parents[2] / "shared/data"


def literal_flags(level: list[float]) -> list[tuple[bool, bool, bool]]:
    """The three rules, row by row, as they are written down."""
    n = len(level)
    r = [math.nan] + [level[t] / level[t - 1] - 1 for t in range(1, n)]
    change = [level[t] - level[t - 1] for t in range(1, n)]
    beta = math.sqrt(2 * math.log(n))
    threshold = beta - (math.log(math.pi) + math.log(math.log(n))) / (2 * beta)
    mean, mean_change = sum(level) / n, sum(change) / (n - 1)
    sd = math.sqrt(sum((x - mean) ** 2 for x in level) / (n - 1))
    sd_change = math.sqrt(sum((x - mean_change) ** 2 for x in change) / (n - 2))
    flags = []
    for t in range(n):
        a = False
        if t >= 22:
            b = math.pi / 2 * (sum(abs(x) for x in r[t - 21 : t + 1]) / 22) ** 2
            a = (r[t] ** 2 / b - 1) * math.sqrt(math.pi / 2) * math.sqrt(22) > threshold
        moved = t > 0 and abs(change[t - 1] - mean_change) > 3.5 * sd_change
        flags.append((a, level[t] > mean + 3 * sd, moved))
    return flags


def test_the_rules_are_those_written_down():
    level = small_panel(900, seed=3)["dvol_close"]
    level.iloc[500:504] *= 2.2
    found = published_rules(level)[["bipower", "level", "change"]]
    expected = pd.DataFrame(literal_flags(level.tolist()), columns=found.columns)
    assert expected.sum().min() > 0
    pd.testing.assert_frame_equal(found, expected)


def test_any_rule_makes_a_jump_and_the_table_is_that_of_the_other_test():
    panel = small_panel(1_200)
    jumps = published_jumps(panel)
    rules = published_rules(panel["dvol_close"])
    any_rule = rules[["bipower", "level", "change"]].any(axis=1)
    assert jumps["is_jump"].tolist() == any_rule.tolist()
    study = small_study()
    assert list(jumps) == list(detect_jumps(panel, study.jumps))
    change = np.log(panel["dvol_close"]).diff()
    np.testing.assert_array_equal(jumps["jump_size"], change.where(any_rule, 0.0).fillna(0))


def test_each_asset_has_its_own_thresholds():
    both = pd.concat([small_panel(900), small_panel(900, seed=1, asset="ETH")], ignore_index=True)
    shuffled = both.sort_values("time", kind="stable")
    alone = published_jumps(small_panel(900, seed=1))["is_jump"].to_numpy()
    found = published_jumps(shuffled)
    assert found.index.equals(shuffled.index)
    np.testing.assert_array_equal(found.loc[shuffled["asset"] == "ETH", "is_jump"], alone)


def test_flags_do_not_depend_on_the_unit():
    level = small_panel(900)["dvol_close"]
    columns = ["bipower", "level", "change"]
    pd.testing.assert_frame_equal(
        published_rules(level)[columns], published_rules(8 * level)[columns]
    )


def test_thresholds_from_other_rows():
    level = small_panel(900)["dvol_close"]
    own, calm = published_rules(level), published_rules(level, level.iloc[:100] / 3)
    assert calm["level"].all()
    assert not own["level"].all()
    assert calm["bipower"].sum() > own["bipower"].sum()


def test_a_level_that_does_not_move_has_no_jump():
    level = pd.Series(np.full(200, 61.3))
    level.iloc[:50] += np.linspace(0, 0.01, 50)
    flags = published_rules(level)
    assert not flags.loc[80:, ["bipower", "change"]].any(axis=None)
    assert flags.loc[80:, "statistic"].isna().all()


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_a_level_that_is_not_positive_is_refused(value):
    panel = small_panel(100)
    panel.loc[40, "dvol_close"] = value
    with pytest.raises(ValueError, match=rf"BTC: dvol_close: row 40: found {value}; should be pos"):
        published_jumps(panel)


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="level: found 22 rows; should be more than 22"):
        published_rules(pd.Series(np.full(22, 50.0)))


@pytest.mark.parametrize("rule", ["lee_mykland", "published"])
def test_the_study_says_whose_flags_are_used(rule):
    panel = small_panel(900)
    params = small_study(**{"jumps.rule": rule}).jumps
    expected = published_jumps(panel) if rule == "published" else detect_jumps(panel, params)
    pd.testing.assert_frame_equal(jumps_by_rule(panel, params), expected)


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not here")
def test_the_published_rows_are_found_again():
    study = load_study("published", {"data.raw_dir": str(DATA)})
    panel = build_panel(study.raw_dir, study.data)
    assert len(panel) == 38_059  # the study's own file had 37,949
    jumps = jumps_by_rule(panel, study.jumps)
    rules = published_rules(panel["dvol_close"])
    assert rules["bipower"].mean() == pytest.approx(0.185, abs=0.001)
    samples = build_samples(panel, jumps, study)
    rows = samples.rows("test")
    counts = pd.Series(samples.jump_regime[rows]).value_counts()
    assert len(rows) == pytest.approx(6_847, rel=0.01)
    assert counts["normal"] == pytest.approx(5_590, rel=0.01)
    assert counts["jump"] == pytest.approx(1_257, rel=0.01)
