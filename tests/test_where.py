from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from forecast_tables import forecast_table

from dvol_utils.evaluation import average_seeds, score
from dvol_utils.pages.where import where_line, where_sentences, where_title
from dvol_utils.plots.style import plain
from dvol_utils.plots.variants import make_narrow
from dvol_utils.plots.where import gain_bars
from dvol_utils.results.where import (
    KINDS,
    Where,
    gain_parts,
    skill_without,
    squared_gains,
)
from dvol_utils.significance import Resampling, summed_gain

DRAWS = Resampling(block_hours=24, reps=50, seed=0)
FRIDAY = pd.Timestamp("2024-11-22 22:00", tz="UTC")


def by_hand() -> pd.DataFrame:
    """Four hours, two of Friday and two of Saturday; persistence errs by 2, 2, 2 and 4 points."""
    origin = FRIDAY + pd.to_timedelta(np.arange(4), unit="h")
    base = pd.DataFrame(
        {
            "origin": origin,
            "target_time": origin + pd.Timedelta(hours=24),
            "y_origin": 50.0,
            "y_true": [52.0, 48.0, 52.0, 54.0],
            "jump_regime": ["normal", "normal", "normal", "jump"],
            "level_regime": "low",
        }
    )
    har = base.assign(model="har", y_pred=[51.0, 51.0, 52.0, 52.0])
    return pd.concat([base.assign(model="persistence", y_pred=50.0), har])


def test_gains_parts_and_shares_by_hand():
    gains = squared_gains(by_hand(), "har")
    assert gains["gain"].to_list() == [4 - 1, 4 - 9, 4 - 0, 16 - 4]
    assert gains["hits"].to_list() == [1, 0, 1, 1]
    days = gain_parts(gains, "weekday", resampling=DRAWS).set_index("group")
    assert list(days.index) == ["Friday", "Saturday"]
    assert days["part"].to_list() == pytest.approx([-2 / 28, 16 / 28])
    assert days["gain_share"].to_list() == pytest.approx([-2 / 14, 16 / 14])
    assert days["skill"].to_list() == pytest.approx([-2 / 8, 16 / 20])
    assert days["direction"].to_list() == [0.5, 1.0]
    assert days["hours_share"].to_list() == [0.5, 0.5]
    jumps = gain_parts(gains, "jump_regime", resampling=DRAWS).set_index("group")
    assert jumps["part"].to_list() == pytest.approx([2 / 28, 12 / 28])
    whole = skill_without(gains, resampling=DRAWS)
    assert whole["without"].to_list() == ["all"]  # two days and a week: nothing to leave out
    assert whole["skill"].item() == pytest.approx(14 / 28)


@pytest.fixture(scope="module")
def gains() -> pd.DataFrame:
    return squared_gains(average_seeds(forecast_table(24 * 70)), "har")


def test_parts_of_every_kind_sum_to_the_skill(gains):
    table = average_seeds(forecast_table(24 * 70))
    skill = score(table).set_index("model").loc["har", "skill"]
    for kind in KINDS:
        parts = gain_parts(gains, kind, resampling=DRAWS)
        assert parts["part"].sum() == pytest.approx(skill)
        assert parts["gain_share"].sum() == pytest.approx(1.0)
        assert parts["n"].sum() == len(gains)
        assert (parts["low"] <= parts["part"]).all()
        assert (parts["part"] <= parts["high"]).all()


def test_what_is_left_out_is_the_best_day_and_the_best_and_worst_weeks(gains):
    found = skill_without(gains, resampling=DRAWS).set_index("without")
    day = gains.groupby("weekday")["gain"].sum().idxmax()
    assert found.loc["best_weekday", "left_out"] == day
    rest = gains[gains["weekday"] != day]
    expected = rest["gain"].sum() / rest["persistence_loss"].sum()
    assert found.loc["best_weekday", "skill"] == pytest.approx(expected)
    right = rest["hits"].sum() / rest["moves"].sum()
    assert found.loc["best_weekday", "direction"] == pytest.approx(right)
    weeks = gains.groupby("week")["gain"].sum().sort_values()
    ends = [*weeks.index[:2], *weeks.index[-2:]]
    rest = gains[~gains["week"].isin(ends)]
    both = found.loc["best_and_worst_two_weeks"]
    assert both["skill"] == pytest.approx(rest["gain"].sum() / rest["persistence_loss"].sum())
    assert both["n"] == len(rest)


def test_groups_are_known_at_the_origin(gains):
    table = average_seeds(forecast_table(24 * 70))
    later = squared_gains(table.assign(y_true=table["y_true"] + 9.0), "har")
    pd.testing.assert_frame_equal(later[list(KINDS)], gains[list(KINDS)])


def test_no_gain_has_no_share_and_an_unknown_model_is_named(gains):
    lost = gains.assign(gain=-gains["gain"].abs())
    assert gain_parts(lost, "weekday", resampling=DRAWS)["gain_share"].isna().all()
    with pytest.raises(ValueError, match=r"found no rows of model 'lstm'; it holds persistence"):
        squared_gains(average_seeds(forecast_table(48)), "lstm")


def made(gains: pd.DataFrame) -> Where:
    parts = pd.concat([gain_parts(gains, kind, resampling=DRAWS) for kind in KINDS])
    without = skill_without(gains, resampling=DRAWS)
    path = summed_gain(average_seeds(forecast_table(24 * 70)), "har", resampling=DRAWS)
    return Where("har", parts, without, path)


def test_sentences_are_made_from_the_numbers(gains):
    found = made(gains)
    days = found.parts[found.parts["kind"] == "weekday"]
    top = days.loc[days["part"].idxmax()]
    share, rest = f"{100 * top['gain_share']:.0f} %", found.without.set_index("without")
    said = where_sentences(found, 0.95, 24)
    assert f"made on {top['group']}s gain most: {share} of the gain" in said[0]
    without = f"{100 * rest.loc['best_weekday', 'skill']:.1f} %"
    assert f"without {top['group']}s is {without} (95 % interval " in said[0]
    assert without in where_line(found)
    assert share in where_line(found)
    assert share in where_title(found)
    assert any("The 24 hours after a detected jump hold " in sentence for sentence in said)
    assert not any("nan" in sentence for sentence in said)


def test_without_a_gain_no_share_is_told(gains):
    found = made(gains.assign(gain=-gains["gain"].abs()))
    said = where_sentences(found, 0.95, 24)
    assert said[0].startswith("HAR gains nothing over persistence on these hours")
    assert where_line(found) == ""
    assert where_title(found) == "HAR gains nothing over persistence here"
    assert not any("nan" in sentence for sentence in said)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.2, "**It is spread over the week.** 20 % of the gain comes from"),
        (0.46, "**Much of it rests on a few days.** 46 % of the gain comes from"),
        (1.3, "**Much of it rests on a few days.** More than all of the gain comes from"),
    ],
)
def test_the_line_of_the_first_page_follows_the_share_of_the_best_weekday(gains, share, words):
    found = made(gains)
    top = found.parts["part"].where(found.parts["kind"].eq("weekday")).reset_index(drop=True)
    parts = found.parts.reset_index(drop=True)
    parts.loc[top.idxmax(), "gain_share"] = share
    assert where_line(found._replace(parts=parts)).startswith(words)


def test_bars_have_room_beside_their_names_on_a_phone(gains):
    parts = pd.concat([gain_parts(gains, kind, resampling=DRAWS) for kind in KINDS])
    parts.loc[parts["kind"] == "weekday", "gain_share"] = -1234.5
    with plain(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = gain_bars(parts, title="t")
        make_narrow(figure)
    assert figure.axes[0].bbox.width > 0.1 * figure.bbox.width
