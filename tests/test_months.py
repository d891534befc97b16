from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from forecast_tables import forecast_table

from dvol_utils.evaluation import add_calendar, average_seeds, score
from dvol_utils.pages.regimes import month_finding
from dvol_utils.plots.regimes import SKILL_FLOOR, month_skill
from dvol_utils.significance import bootstrap_interval, diebold_mariano, monthly_skill
from dvol_utils.significance.resampling import Resampling

KNOWS = {"persistence": (0.0, 0.0, 1), "har": (0.2, 0.3, 1), "har_calendar": (0.0, 0.5, 1)}
# From 2024-11-22 05:00: nine days of November, December, and two days of January.
FORECASTS = average_seeds(forecast_table(1_010, models=KNOWS))
DRAWS = Resampling(block_hours=48, reps=200, seed=0)
MONTHS = pd.to_datetime(["2024-11-01", "2024-12-01", "2025-01-01"], utc=True)


@pytest.fixture(scope="module")
def months():
    return monthly_skill(FORECASTS, 24, resampling=DRAWS)


def test_every_model_but_persistence_has_a_row_a_month(months):
    rows = list(months[["model", "month"]].itertuples(index=False, name=None))
    assert rows == [(model, month) for model in ("har", "har_calendar") for month in MONTHS]
    assert months["n"].tolist() == 2 * [211, 744, 55]


def test_skill_and_interval_are_those_of_the_months_rows(months):
    calendar = add_calendar(FORECASTS)
    for row in months.itertuples():
        own = calendar[calendar["month"] == row.month]
        expected = score(own).set_index("model").loc[row.model, "skill"]
        assert row.skill == pytest.approx(expected, rel=1e-12)
    text = calendar.assign(month=calendar["month"].dt.strftime("%Y-%m"))
    interval = bootstrap_interval(text, "skill", by="month", resampling=DRAWS).set_index(
        ["model", "month"]
    )
    december = months.set_index(["model", "month"]).loc[("har", MONTHS[1])]
    bounds = interval.loc[("har", "2024-12"), ["low", "high"]]
    assert december[["low", "high"]].tolist() == bounds.tolist()


def test_each_month_is_tested_by_itself_and_a_few_days_are_not(months):
    december = FORECASTS[FORECASTS["origin"].dt.strftime("%Y-%m") == "2024-12"]
    error = (december["y_true"] - december["y_pred"]) ** 2
    loss = {name: part.to_numpy() for name, part in error.groupby(december["model"])}
    for row in months.itertuples():
        if row.month != MONTHS[1]:  # fewer than ten days
            assert np.isnan([row.p_value, row.p_bartlett, row.p_holm]).all()
            continue
        for found, way in ((row.p_value, "periodogram"), (row.p_bartlett, "bartlett")):
            pair = loss[row.model], loss["persistence"]
            assert found == diebold_mariano(*pair, horizon=24, variance=way)[1]
        assert row.p_holm == row.p_value  # the model's only test


def test_holms_correction_is_over_the_months_of_a_model():
    found = monthly_skill(average_seeds(forecast_table(3_000, models=KNOWS)), 6, resampling=DRAWS)
    for _, part in found.groupby("model"):
        tested = part[part["p_value"].notna()].sort_values("p_value")
        assert len(tested) == 5
        steps = np.maximum.accumulate(tested["p_value"] * [5, 4, 3, 2, 1]).clip(upper=1)
        np.testing.assert_allclose(tested["p_holm"], steps)


def test_persistence_alone_has_no_months():
    alone = monthly_skill(FORECASTS[FORECASTS["model"] == "persistence"], 24, resampling=DRAWS)
    assert alone.empty
    assert month_finding(alone, "persistence").startswith("Persistence is the only model")


def made_up(skills: list[float]) -> pd.DataFrame:
    month = pd.date_range("2025-01-01", periods=len(skills), freq="MS", tz="UTC")
    skill = np.array(skills)
    columns = {"skill": skill, "low": skill - 0.1, "high": skill + 0.1, "p_holm": skill**2}
    return pd.DataFrame({"model": "har", "month": month, "n": 700, **columns})


def test_no_month_too_short_for_an_interval_is_crowned():
    months = made_up([0.05, 0.2, 0.9, -0.1])
    months.loc[months["skill"] == 0.9, ["low", "high"]] = None
    text = month_finding(months, "har")
    assert "2025-03" not in text
    assert "best month is 2025-02" in text
    assert text.endswith(", of those long enough for an interval.")


def test_the_finding_counts_months_and_tosses_a_coin():
    text = month_finding(made_up([0.05, 0.2, 0.3, -0.1]), "har")
    assert text == (
        "HAR is ahead of persistence in 3 of 4 months; were each month a toss of a coin, as many "
        "or more would be ahead with p = 0.312. Its interval lies above zero in 2 of them; by "
        "the Diebold-Mariano test, after Holm's correction over the months, it is better at "
        "p < 0.05 in 2. Its best month is 2025-03 (skill 30.0 %), its worst 2025-04 (−10.0 %)."
    )
    assert " in none of them; " in month_finding(made_up([0.05, -0.1]), "har")
    chances = [1, 4, 6, 4, 1]  # of 4 tosses: 0 heads, 1, 2, 3, 4
    assert sum(chances[3:]) / sum(chances) == 0.3125


def test_the_heat_map_prints_each_months_skill():
    table = made_up([0.05, -0.004, np.nan])
    ax = month_skill(pd.concat([table, table.assign(model="har_calendar", skill=-4.0)]), title="t")
    assert [text.get_text() for text in ax.texts] == ["5", "0", "−400", "−400", "−400"]
    months = [label.get_text() for label in ax.get_xticklabels()]
    assert months == ["Jan\n2025\n700", "Feb\n700", "Mar\n700"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["HAR", "HAR + calendar"]
    mesh = ax.collections[0]
    assert mesh.get_array()[0, 0] == pytest.approx(5)
    assert mesh.get_clim() == (SKILL_FLOOR, -SKILL_FLOOR)  # a hopeless model sets no colours
