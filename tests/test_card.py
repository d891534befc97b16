"""The model card: where a model fails, skill by regime, and the sentences made of both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evidence import RMSE, evidence, validation_scores
from forecast_tables import MODELS, forecast_table
from periodogram import literal_error
from scipy import stats
from study_files import PANEL_RANGE

from dvol_utils.evaluation import add_calendar, average_seeds, score, worst
from dvol_utils.forecasting.inputs import model_inputs
from dvol_utils.pages import card, failing
from dvol_utils.pages.established import (
    established,
    established_list,
    established_summary,
    statements,
)
from dvol_utils.plots import card as plots
from dvol_utils.results.metrics import metrics_table
from dvol_utils.significance import bootstrap_interval, diebold_mariano, monthly_skill
from dvol_utils.significance.regimes import regime_skill
from dvol_utils.significance.resampling import Resampling
from dvol_utils.study.loading import load_study

MONDAY = pd.Timestamp("2024-12-02", tz="UTC")
FORECASTS = average_seeds(
    forecast_table(900, models={m: MODELS[m] for m in ("persistence", "har")})
)
DRAWS = Resampling(block_hours=48, reps=60, seed=3)
KINDS = ("half", "jump_regime", "level_regime")


def rows(y_true, y_pred, *, start=MONDAY, origin=50.0, jump=(), band=None) -> pd.DataFrame:
    """Persistence and HAR at consecutive hours; `band` is half the width of HAR's interval."""
    hours = len(y_true)
    times = start + pd.to_timedelta(np.arange(hours), unit="h")
    base = pd.DataFrame(
        {
            "asset": "BTC",
            "origin": times,
            "target_time": times + pd.Timedelta(hours=24),
            "horizon_hours": 24,
            "split": "test",
            "seed": 0,
            "fold": 0,
            "y_true": np.asarray(y_true, float),
            "y_origin": origin,
            "jump_regime": ["jump" if hour in jump else "normal" for hour in range(hours)],
            "level_regime": "low",
        }
    )
    own = base.assign(model="har", y_pred=np.asarray(y_pred, float))
    tables = [base.assign(model="persistence", y_pred=origin), own]
    table = pd.concat(tables, ignore_index=True)
    if band is not None:
        steps = {"q05": -band, "q25": -band / 2, "q50": 0, "q75": band / 2, "q95": band}
        table = table.assign(**{name: table["y_pred"] + step for name, step in steps.items()})
    return table


def test_weeks_begin_on_monday_and_add_up_what_was_lost():
    # two hours of Sunday, then two of Monday
    table = rows([52, 49, 50, 53], [51, 50, 52, 53], start=MONDAY - pd.Timedelta(hours=2), jump=[1])
    weeks = worst.weekly_losses(table, "har")
    assert weeks["week"].tolist() == [MONDAY - pd.Timedelta(days=7), MONDAY]
    assert weeks["excess"].tolist() == [1 + 1 - (4 + 1), 4 + 0 - (0 + 9)]
    assert weeks["skill"].tolist() == pytest.approx([1 - 2 / 5, 1 - 4 / 9])
    assert weeks["rmse_persistence"].tolist() == pytest.approx([2.5**0.5, 4.5**0.5])
    assert weeks["largest_move"].tolist() == [2, 3]
    assert weeks["jump_hours"].tolist() == [1, 0]
    assert weeks["covered_90"].isna().all()


def test_worst_weeks_are_those_that_lost_most_and_no_others():
    weeks = pd.DataFrame(
        {"week": pd.date_range(MONDAY, periods=4, freq="7D"), "excess": [1.0, -5.0, 3.0, 0.0]}
    )
    assert worst.worst_weeks(weeks)["excess"].tolist() == [3, 1]
    assert worst.worst_weeks(weeks, 1)["excess"].tolist() == [3]
    assert worst.worst_weeks(weeks.tail(1)).empty


def test_rows_of_weeks_hold_seven_days_each():
    table = rows(np.full(400, 51.0), np.full(400, 50.5))
    weeks = worst.weekly_losses(table, "har").sort_values("week", ascending=False)
    found = worst.rows_of_weeks(table, weeks)
    assert found.groupby("week").size().tolist() == [2 * 168, 2 * 64]
    assert worst.rows_of_weeks(table, weeks.head(0)).empty


def test_error_by_move_sorts_by_size_and_tells_what_was_foreseen():
    table = rows([50.5, 49, 52, 46], [50, 49.5, 51, 51])
    found = worst.error_by_move(table, "har", bins=2)
    assert found[["smallest", "largest"]].to_numpy().tolist() == [[0.5, 1], [2, 4]]
    assert found["foreseen"].tolist() == pytest.approx([(0 + 0.5) / 1.5, (1 - 1) / 6])
    assert found["rmse"].tolist() == pytest.approx([0.25**0.5, 13**0.5])
    with pytest.raises(ValueError, match="bins: found 1; should be at least 2"):
        worst.error_by_move(table, "har", bins=1)


def test_missed_hours_count_sides_and_stretches():
    table = rows([55, 56, 50, 53, 44, 50], [50] * 6, jump=[0, 4], band=2)
    above, below = (row for _, row in worst.missed_hours(table, "har").iterrows())
    assert (above["hours"], above["stretches"], above["longest"]) == (3, 2, 2)
    assert above["share"] == 0.5
    assert above["in_jump"] == pytest.approx(1 / 3)
    assert (above["farthest"], above["farthest_target"]) == (4, MONDAY + pd.Timedelta(hours=25))
    assert (below["hours"], below["longest"], below["farthest"]) == (1, 1, 4)


def test_without_quantiles_there_are_no_missed_hours():
    found = worst.missed_hours(rows([55, 56], [50, 50]), "har")
    assert found.empty
    assert "too few past errors" in failing.miss_finding(found, "har")


def test_an_unknown_model_is_refused_by_name():
    with pytest.raises(ValueError, match="no rows of model 'lstm'; it holds persistence, har"):
        worst.weekly_losses(rows([51], [50]), "lstm")


def test_a_regime_of_all_hours_is_tested_as_diebold_and_mariano_do():
    table = FORECASTS.assign(whole="all")
    found = regime_skill(table, 24, ["whole"], resampling=DRAWS).iloc[0]
    losses = {
        model: ((part["y_true"] - part["y_pred"]) ** 2).to_numpy()
        for model, part in table.groupby("model")
    }
    for name, way in (("p_value", "periodogram"), ("p_bartlett", "bartlett")):
        pair = losses["har"], losses["persistence"]
        expected = diebold_mariano(*pair, horizon=24, variance=way)[1]
        assert found[name] == pytest.approx(expected)


def test_p_within_a_regime_against_its_formula_hour_by_hour():
    found = regime_skill(FORECASTS, 24, ["jump_regime"], resampling=replace(DRAWS, reps=50))
    row = found[found["regime"] == "normal"].iloc[0]
    wide = {m: part.reset_index(drop=True) for m, part in FORECASTS.groupby("model")}
    har, naive = wide["har"], wide["persistence"]
    d = (har["y_true"] - har["y_pred"]) ** 2 - (naive["y_true"] - naive["y_pred"]) ** 2
    inside = (har["jump_regime"] == "normal").to_numpy()
    n, mean = inside.sum(), d[inside].mean()
    z = [value - mean if there else 0.0 for value, there in zip(d, inside, strict=True)]
    total = sum(v * v for v in z)
    for k in range(1, 24):
        total += 2 * (1 - k / 24) * sum(z[t] * z[t - k] for t in range(k, len(z)))
    t_value = abs(mean) / (total**0.5 / n) * ((n + 1 - 48 + 24 * 23 / n) / n) ** 0.5
    assert row["p_bartlett"] == pytest.approx(2 * stats.t.sf(t_value, n - 1))
    t_value = abs(mean) / (literal_error(z) * len(z) / n)
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(t_value, 2 * 9))  # 9^3 <= 900 hours
    intervals = bootstrap_interval(
        FORECASTS, "skill", by="jump_regime", resampling=replace(DRAWS, reps=50)
    ).set_index(["model", "jump_regime"])
    assert (row["low"], row["high"]) == tuple(intervals.loc[("har", "normal"), ["low", "high"]])


def test_a_regime_of_few_hours_has_no_p():
    table = FORECASTS.assign(few=np.where(np.arange(len(FORECASTS)) % 900 < 100, "few", "many"))
    found = regime_skill(table, 24, ["few"], resampling=DRAWS).set_index("regime")
    assert np.isnan(found.loc["few", "p_value"])
    assert found.loc["many", "p_holm"] == found.loc["many", "p_value"]
    assert "p" not in card.regime_grid(found.reset_index()).loc[0, "few, 100 hours"]


def test_the_rival_is_simple_and_not_the_model_itself():
    scores = validation_scores("har")
    assert card.simple_rival(scores, "har") == "har_calendar"
    assert card.simple_rival(scores, "lstm_large") == "har"
    assert card.simple_rival(scores[scores["model"] == "persistence"], "persistence") is None


@pytest.mark.parametrize("quantiles", [True, False])
def test_score_card_has_a_row_a_score_and_dashes_for_what_is_missing(quantiles):
    table = rows([55, 56, 50, 53], [51, 51, 50, 51], band=2 if quantiles else None)
    metrics = metrics_table(table)
    shown = card.score_card(evidence(), metrics, ["har", "persistence"], "har").set_index("score")
    assert list(shown) == ["HAR", "Persistence"]
    assert shown.loc["skill, %", "HAR"] == "4.9 (3.9\u00a0to\u00a06.9)"
    assert shown.loc["p against persistence"].tolist() == ["0.010", "–"]
    assert shown.loc["p against HAR"].tolist() == ["–", "0.010"]
    assert shown.loc["in the 90 % interval, %", "HAR"] == ("50.0" if quantiles else "–")


@pytest.mark.usefixtures("tmp_project")
@pytest.mark.parametrize("simulated", [True, False])
def test_facts_and_limits_say_where_the_data_are_from(simulated):
    source = {} if simulated else {"data": {"source": "raw_store", "raw_dir": "data/raw"}}
    study = load_study("tiny", {**source, "features.groups": ["published", "macro"]})
    facts = card.described(study, "lstm_baseline").set_index("about")["answer"]
    assert ("of a simulated market" in facts["Predicts"]) == simulated
    assert facts["Model"] == "LSTM baseline, a network"
    inputs = model_inputs(study, "lstm_baseline")
    assert card.inputs_table(inputs)["inputs"].tolist() == [11, 2]
    said = " ".join(card.limits(study, "lstm_baseline", inputs))
    assert ("nothing here says how Bitcoin's DVOL behaves" in said) == simulated
    assert "It reads hourly DVOL, the price, on-chain values: where a source ends" in said
    assert "2027-01-13 13:30 (CPI)" in said
    assert "It was fitted once" in said
    assert "dvol forecast --study tiny" in card.usage(study)


@pytest.mark.usefixtures("tmp_project")
def test_the_ensemble_reads_what_its_members_read():
    study = load_study("tiny", {"models": ["persistence", "har", "ensemble", "ridge_decay"]})
    inputs = model_inputs(study, "ensemble")
    assert list(inputs) == ["ridge_decay"]
    assert set(card.inputs_table(inputs)["read by"]) == {"Time-weighted ridge"}
    assert model_inputs(study, "persistence") == {"persistence": []}
    assert "weeks" not in " ".join(card.limits(study, "persistence", {"persistence": []}))


@pytest.mark.usefixtures("tmp_project")
def test_trained_on_tells_rows_folds_and_hashes():
    study = load_study("tiny")
    forecasts = forecast_table(200, validation_rows=50)
    manifest = {
        "parameters_hash": "abc",
        "git_commit": None,
        "stages": {
            "01_data_preparation": {"rows": 2000, **PANEL_RANGE},
            "03_lstm_training": {"splits": [{"split": "train", "rows": 700}]},
        },
    }  # fmt: skip
    facts = card.trained_on(study, forecasts, manifest, "lstm_large").set_index("about")["answer"]
    assert facts["Hours"] == "2,000, 2021-01-01 01:00 to 2021-03-25 08:00 UTC"
    assert facts["Origins"] == "train 700"
    assert facts["Fitted"] == "once, on the train rows"
    assert facts["Seeds"] == "2, whose mean is the forecast"
    assert facts["Judged on"].startswith("validation origins 2024-11-20 03:00 to 2024-11-22 04:00;")
    assert (facts["Parameters"], facts["Code"]) == ("abc", "not under version control")


BY_LOSS = {
    "its squared error is smaller than that of persistence": "squared_error",
    "its absolute error is smaller than that of persistence": "absolute_error",
    "it calls the direction better than chance": "direction",
}


def judged(
    table=None, *, low=0.01, share=0.9, ahead=10, levels=("low", "middle", "high")
) -> pd.DataFrame:
    """`established` of HAR with chosen regimes, coverage and months."""
    names = ["first", "second"]
    kinds = dict.fromkeys(KINDS, names) | {"level_regime": levels}
    regimes = pd.DataFrame(
        [
            {"model": "har", "regime_type": kind, "regime": name, "skill": 0.05, "low": low,
             "high": 0.1, "p_value": 0.02}
            for kind, values in kinds.items()
            for name in values
        ]
    )  # fmt: skip
    firsts = pd.date_range("2024-02-01", periods=12, freq="MS", tz="UTC")
    months = pd.DataFrame(
        {
            "model": "har",
            "month": firsts,
            "n": [100, *24 * firsts.days_in_month[1:]],  # the first in part
            "skill": [0.1] * ahead + [-0.1] * (12 - ahead),
        }
    )
    within = {"model": "har", "share": "within", "nominal": 0.9, "low": 0.85, "high": 0.95, "n": 9}
    overall = pd.DataFrame([{**within, "observed": share}])
    shares = (overall, overall.assign(jump_regime="jump"))
    table = evidence() if table is None else table
    return established(
        table, "har", "har_calendar", regimes=regimes, months=months, shares=shares, coverage=0.95
    )


def test_best_weeks_stand_first_and_hold_their_part_of_the_net_gain():
    monday = pd.Timestamp("2025-03-03", tz="UTC")
    starts = monday + pd.to_timedelta([0, 7, 14, 21], unit="D")
    weeks = pd.DataFrame({"week": starts, "excess": [-3.0, 2.0, -5.0, -4.0]})
    best = worst.best_weeks(weeks)
    assert best["excess"].to_list() == [-5.0, -4.0, -3.0]
    assert failing.best_week_finding(weeks, best, "har") == (
        "Its best weeks are those from 2025-03-17 and 2025-03-24: they hold 90.0 % of its net gain."
    )
    lost = weeks.assign(excess=[-1.0, 2.0, 3.0, 0.0])
    assert failing.best_week_finding(lost, worst.best_weeks(lost), "har").endswith(
        "from 2025-03-03; over all weeks it gained nothing."
    )
    none = weeks.assign(excess=1.0)
    assert failing.best_week_finding(none, worst.best_weeks(none), "har").endswith(
        "none of 4 weeks."
    )


def test_verdicts_follow_the_numbers():
    verdicts = judged().set_index("statement")["verdict"]
    assert (verdicts[list(BY_LOSS)] == "established").all()
    # the rival has the smaller error
    rival = next(name for name in verdicts.index if "best simple rival" in name)
    assert verdicts[rival] == "not established"
    assert verdicts["it has skill in both halves of the test"] == "established"
    months = judged().set_index("statement")["evidence"].filter(like="more months").item()
    assert months == "9 of 11 whole months (1 more in part, not counted), sign test p = 0.033"
    weak = judged(low=-0.01, share=0.8, ahead=7).set_index("statement")["verdict"]
    assert (weak[verdicts.index[5:9]] == "not established").all()
    assert weak[verdicts.index[9]] == "not established"


@pytest.mark.parametrize("statement", BY_LOSS)
@pytest.mark.parametrize(
    ("low", "p_holm", "verdict"),
    [
        (0.01, 0.04, "established"),
        (0.01, 0.05, "not established"),
        (-0.01, 0.04, "the tests disagree"),
        (-0.01, 0.30, "not established"),
    ],
)
def test_a_gain_by_a_loss_is_established_only_where_test_and_interval_agree(
    statement, low, p_holm, verdict
):
    table = evidence()
    own = table["kind"].eq("loss") & table["model_a"].eq("har")
    own &= table["metric"].eq(BY_LOSS[statement])
    assert own.sum() == 1
    table.loc[own, ["low", "p_holm"]] = [low, p_holm]
    found = judged(table).set_index("statement")
    assert found.loc[statement, "verdict"] == verdict
    assert f"p = 0.010, p = {p_holm:.3f} after Holm)" in found.loc[statement, "evidence"]
    others = [name for name in BY_LOSS if name != statement]
    assert (found.loc[others, "verdict"] == "established").all()


@pytest.mark.parametrize(
    ("low", "p", "verdict"),
    [
        (0.01, 0.01, "established"),
        (0.01, 0.06, "the tests disagree"),
        (-0.01, 0.01, "the tests disagree"),
        (-0.01, 0.06, "not established"),
    ],
)
def test_a_gain_over_the_rival_is_established_only_where_test_and_interval_agree(low, p, verdict):
    table = evidence({**RMSE, "har": 1.8}, p={("har", "har_calendar"): p})
    gap = {"kind": "difference", "model_a": "har", "model_b": "har_calendar", "metric": "skill"}
    table = pd.concat([table, pd.DataFrame([{**gap, "estimate": 0.05, "low": low, "high": 0.1}])])
    found = judged(table).set_index("statement")
    rival = found.loc[[name for name in found.index if "best simple rival" in name]].iloc[0]
    assert rival["verdict"] == verdict
    told = f"Diebold-Mariano p = {p:.3f}, with Bartlett weights {p / 2:.3f}"
    assert rival["evidence"].endswith(f"Its squared error is smaller; {told}")


def test_skill_at_every_level_is_not_judged_where_a_level_is_missing():
    text = "it has skill at every level of DVOL"
    assert judged().set_index("statement")["verdict"][text] == "established"
    found = judged(levels=("low", "high")).set_index("statement").loc[text]
    assert found["verdict"] == "cannot be judged"
    assert found["evidence"].endswith("; 1 of 3 not among the test rows")
    weak = judged(levels=("low", "high"), low=-0.01).set_index("statement").loc[text]
    assert weak["verdict"] == "not established"


def test_summary_lists_each_verdict_and_names_simulated_data():
    found = judged()
    text = established_summary(found, "har", rows=1234, simulated=True)
    assert text.startswith(
        "On 1,234 simulated test hours this is established about HAR: its squared error is smaller "
        "than that of persistence; its absolute error is smaller than that of persistence; it calls"
    )
    assert "It is not established that it beats HAR + calendar" in text
    assert "It cannot be judged whether some model beats persistence" in text
    assert "simulated" not in established_summary(found, "har", rows=1234, simulated=False)
    lead, blank, *lines = established_list(found, "har", rows=1234, simulated=True).splitlines()
    assert (lead, blank) == ("HAR on 1,234 simulated test hours:", "")
    assert lines[0] == ("- its squared error is smaller than that of persistence: **established**")
    assert len(lines) == len(found)
    assert statements(found)[0].startswith(
        "**Established:** its squared error is smaller than that of persistence. The squared error "
        "is 4.9 % smaller than that of persistence (95 % interval "
    )


def test_persistence_alone_and_missing_intervals_are_said():
    empty = pd.DataFrame(columns=["model", "share", "nominal", "jump_regime", "observed"])
    told = {"regimes": empty, "months": empty, "shares": (empty, empty), "coverage": 0.95}
    alone = established(evidence({"persistence": 2.0}), "persistence", None, **told)
    assert alone.empty
    assert established_summary(alone, "persistence", rows=10, simulated=False) == (
        "Persistence is the study's only model, so there is no other to vouch for."
    )
    table = rows([55, 56], [51, 51]).assign(regime_type="half", skill=np.nan)
    told |= {"regimes": table, "months": table}
    found = established(evidence(RMSE), "har", None, **told).set_index("statement")
    open_ones = found.index[found["verdict"] == "cannot be judged"]
    assert "it beats the best simple rival" in open_ones
    assert (
        "its 90 % interval covered about what it says on these rows, in jump hours too" in open_ones
    )
    assert "its intervals are better than those of persistence (CRPS)" in open_ones


def test_findings_name_the_worst_week_and_the_largest_moves():
    table = rows([50, 52] * 84 + [53, 51] * 84, [51, 51] * 84 + [52, 52] * 84, band=1)
    table.loc[table["model"] == "har", "y_pred"] += np.r_[np.full(168, 3.0), np.zeros(168)]
    weeks = worst.weekly_losses(table, "har")
    lost = worst.worst_weeks(weeks)
    said = failing.week_finding(weeks, lost, "har")
    assert "HAR lost to persistence in 1 of 2 weeks; the worst 1 hold 100.0 %" in said
    assert "Worst was the week from 2024-12-02: RMSE 3.16 points against 1.41" in said
    assert failing.week_finding(weeks, lost.head(0), "har").endswith("none of 2 weeks.")
    moves = worst.error_by_move(table, "har", bins=2)
    assert "the RMSE of HAR is" in failing.move_finding(moves, "har")
    missed = worst.missed_hours(rows([55, 40], [50, 50], band=2), "har")
    assert "lies 8.0 points below it, at 2024-12-03 01:00 UTC" in failing.miss_finding(
        missed, "har"
    )


def test_figures_draw_what_the_tables_say():
    table = rows([50, 52] * 168, [51, 51] * 168, band=1)
    weeks = worst.weekly_losses(table, "har").assign(excess=[3.0, -2.0])
    bars = plots.week_gains(weeks, title="t").patches
    assert [bar.get_height() for bar in bars] == [-3, 2]
    close = worst.rows_of_weeks(table, weeks)
    figure = plots.week_close_ups(close, "har", dict.fromkeys(weeks["week"], "a week"))
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["a week", "a week"]
    assert [len(ax.collections) for ax in figure.axes] == [2, 2]
    bare = plots.week_close_up(rows([50, 52], [51, 51]), "har", title="t")
    assert len(bare.collections) == 0
    moves = worst.error_by_move(rows([50.5, 49, 52, 46], [50, 49.5, 51, 51]), "har", bins=2)
    labels = [
        text.get_text() for text in plots.move_errors(moves, "har", title="t").get_xticklabels()
    ]
    assert labels == ["0.5 to 1.0", "2.0 to 4.0"]
    covered = pd.DataFrame(
        {"month": ["2024-12", "2025-01"], "covered_90": [0.95, 0.7], "low": [0.88, 0.55],
         "high": [1.0, 0.85], "n": [744, 744]}
    )  # fmt: skip
    assert failing.coverage_title(covered) == (
        "The 90 % interval holds 70 to 95 % by month; 1 of 2 months beyond chance"
    )
    ax = plots.monthly_coverage(covered, title="t")
    assert [float(bars[0].get_ydata()[0]) for bars in ax.containers] == pytest.approx([95, 70])
    assert ax.get_xticklabels()[0].get_text() == "2024-12\n744 h"


def test_months_and_regimes_go_into_one_grid_with_p():
    months = monthly_skill(FORECASTS, 24, resampling=DRAWS)
    named = months.assign(regime=months["month"].dt.strftime("%Y-%m"))
    grid = card.regime_grid(named)
    assert grid["model"].tolist() == ["HAR"]
    assert list(grid)[1:] == [f"{row.regime}, {row.n:,} hours" for row in named.itertuples()]
    regimes = regime_skill(add_calendar(FORECASTS), 24, KINDS, resampling=DRAWS)
    skills = score(FORECASTS, ("model", "jump_regime")).set_index(["model", "jump_regime"])["skill"]
    grid = card.regime_grid(regimes[regimes["regime_type"] == "jump_regime"])
    cell = grid.filter(like="normal, ").iloc[0, 0]
    assert cell.startswith(f"{100 * skills['har', 'normal']:.1f} (".replace("-", "−"))
    assert "p\u00a0" in cell
