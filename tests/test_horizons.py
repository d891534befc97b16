from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from forecast_tables import forecast_table as made_up
from market import small_jumps, small_panel, small_study

from dvol_utils.evaluation import evaluation_rows, score
from dvol_utils.forecasting import horizons as hz
from dvol_utils.forecasting.walk import forecast_table
from dvol_utils.pages import horizons as page
from dvol_utils.plots.horizons import skill_by_horizon
from dvol_utils.samples.samples import build_samples
from dvol_utils.significance import bootstrap_interval, diebold_mariano
from dvol_utils.study import stages
from dvol_utils.study.model_names import ENSEMBLE, MODEL_NAMES, NETWORK_NAMES, SIMPLE_NAMES
from dvol_utils.study.stages import study_notebooks
from dvol_utils.wording.columns import with_interval

HORIZONS = [1, 24, 168]
WALK = {
    "horizons": HORIZONS,
    "models": list(SIMPLE_NAMES),
    "walk.validation": "quarterly",
    "walk.test": "monthly",
    "walk.stop_days": 10,
    "significance.block_hours": 48,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A walking study, its market, and its forecasts and table at three horizons."""
    study, panel = small_study(**WALK), small_panel()
    study._root = tmp_path_factory.mktemp("project")
    jumps = small_jumps(panel, study)
    forecasts = hz.horizon_forecasts(panel, jumps, study)
    return study, panel, jumps, forecasts, page.horizon_table(forecasts, study)


def test_at_the_studys_own_horizon_forecasts_are_the_studys_own(run):
    study, panel, jumps, forecasts, _ = run
    assert not study.run_dir.exists(), "the checkpoints are those of the study's own horizon"
    own, _ = forecast_table(build_samples(panel, jumps, study), study, keep_simple=False)
    assert not study.run_dir.exists()
    same = forecasts[forecasts["horizon_hours"] == study.target.horizon_hours]
    pd.testing.assert_frame_equal(same.reset_index(drop=True), own, check_exact=True)


def test_simple_models_forecast_the_same_beside_networks_and_without(
    tmp_path, monkeypatch, tiny_ladder
):
    monkeypatch.setattr("dvol_utils.forecasting.walk.default_workers", lambda: 1)
    models = ["persistence", "har_calendar", "lstm_baseline"]
    study, panel = (
        small_study(models=models, horizons=[24], **{"training.epochs": 1}),
        small_panel(),
    )
    study._root = tmp_path
    jumps = small_jumps(panel, study)
    whole, _ = forecast_table(build_samples(panel, jumps, study), study, log=lambda line: None)
    found = hz.horizon_forecasts(panel, jumps, study)
    simple = whole[whole["model"] != "lstm_baseline"]
    pd.testing.assert_frame_equal(found, simple.reset_index(drop=True), check_exact=True)


def test_simple_models_are_all_that_are_no_networks():
    assert set(SIMPLE_NAMES) == set(MODEL_NAMES) - set(NETWORK_NAMES) - {ENSEMBLE}


def test_everything_that_depends_on_the_horizon_follows_it(run):
    study = run[0]
    own = hz.horizon_study(study, 168)
    assert (own.overlap_hours, own.persistence_hours, own.late_hours) == (168, 168, None)
    assert own.significance.block_hours == 168
    assert hz.horizon_study(study, 6).significance.block_hours == 48
    assert hz.horizon_study(small_study(), 168).significance.block_hours == "auto"
    assert own.root == study.root
    assert own.models == study.models


def test_a_test_with_an_end_ends_with_the_same_target_at_every_horizon():
    study, panel = small_study(**WALK, **{"split.test_end": "2022-05-25 00:00"}), small_panel()
    found = hz.horizon_forecasts(panel, small_jumps(panel, study), study)
    last = found.groupby("horizon_hours")["target_time"].max()
    assert (last == pd.Timestamp("2022-05-26 00:00", tz="UTC")).all()
    assert last.index.tolist() == HORIZONS


@pytest.mark.parametrize("hours", HORIZONS)
def test_targets_lie_a_horizon_ahead_and_splits_a_horizon_apart(run, hours):
    study, panel, _, forecasts, _ = run
    rows = forecasts[forecasts["horizon_hours"] == hours]
    ahead = pd.Timedelta(hours=hours)
    assert (rows["target_time"] - rows["origin"] == ahead).all()
    level = panel.set_index("time")["dvol_close"]
    np.testing.assert_array_equal(rows["y_true"], level[rows["target_time"]])
    validation = rows[rows["split"] == "validation"]
    assert validation["target_time"].max() == study.split.test_start - pd.Timedelta(hours=1)
    evaluation_rows(rows, "BTC")  # a valid table, all models on the same rows


def test_a_week_ahead_the_seasonal_naive_forecast_is_persistence(run):
    week = run[4].set_index(["horizon_hours", "model"]).loc[(168, "seasonal_naive")]
    assert (week["skill"], week["low"], week["high"]) == (0, 0, 0)
    assert (week["p_value"], week["p_bartlett"]) == (1, 1)
    assert np.isnan(week["direction"])
    assert week["rmse"] == week["rmse_persistence"]


def test_the_table_has_a_row_a_horizon_and_rival(run):
    study, _, _, forecasts, table = run
    rivals = study.models[1:]
    rows = list(table[["horizon_hours", "model"]].itertuples(index=False, name=None))
    assert rows == [(hours, model) for hours in HORIZONS for model in rivals]
    assert (table["low"] <= table["high"]).all()
    for hours, part in table.groupby("horizon_hours"):
        own = forecasts[forecasts["horizon_hours"] == hours]
        validation, test = evaluation_rows(own, "BTC")
        scores = score(validation).set_index("model")["rmse"].drop("persistence")
        assert part.loc[part["chosen"], "model"].tolist() == [scores.idxmin()]
        assert (part["n"] == test["origin"].nunique()).all()
        assert (part["apart"] == test["origin"].nunique() // hours).all()


@pytest.mark.parametrize(("hours", "lags"), [(1, 0), (24, 23), (168, 167)])
def test_tests_allow_for_the_overlap_and_blocks_are_as_long(run, hours, lags):
    study, _, _, forecasts, table = run
    _, test = evaluation_rows(forecasts[forecasts["horizon_hours"] == hours], "BTC")
    error = (test["y_true"] - test["y_pred"]) ** 2
    loss = {name: part.to_numpy() for name, part in error.groupby(test["model"])}
    row = table.set_index(["horizon_hours", "model"]).loc[(hours, "har_calendar")]
    pair = loss["har_calendar"], loss["persistence"]
    assert row["p_value"] == diebold_mariano(*pair, horizon=hours, variance="periodogram")[1]
    assert row["p_bartlett"] == diebold_mariano(*pair, horizon=hours, lags=lags)[1]
    draws = {"block_hours": max(48, hours), "reps": study.significance.reps, "seed": 0}
    interval = bootstrap_interval(test, "skill", **draws).set_index("model").loc["har_calendar"]
    assert [row["low"], row["high"]] == [interval["low"], interval["high"]]
    assert row["skill"] == pytest.approx(interval["estimate"], rel=1e-12)


def test_holms_correction_is_over_the_chosen_models(run):
    table = run[4]
    chosen = table[table["chosen"]]
    # Holm: the smallest p times 3, the next at least times 2, the largest at least itself.
    order = np.argsort(chosen["p_value"].to_numpy())
    steps = np.maximum.accumulate(chosen["p_value"].to_numpy()[order] * [3, 2, 1]).clip(max=1)
    np.testing.assert_allclose(chosen["p_holm"].to_numpy()[order], steps)
    assert table.loc[~table["chosen"], "p_holm"].isna().all()


def table_of(**models: tuple[float, float, int]) -> pd.DataFrame:
    """`horizon_table` of made-up forecasts at 6 and 24 hours."""
    knows = {"persistence": (0.0, 0.0, 1), **models}
    tables = [
        made_up(900, validation_rows=400, horizon=hours, models=knows, seed=hours)
        for hours in (6, 24)
    ]
    return page.horizon_table(pd.concat(tables), small_study(models=list(knows)))


def test_the_answer_names_the_horizons_beyond_persistence():
    table = table_of(har=(0.3, 0.1, 1), har_calendar=(0.0, 0.3, 1))
    assert page.beyond_persistence(table) == [6, 24]
    first, six, day = page.horizon_answer(table, coverage=0.95, simulated=True)
    assert first == (
        "In the simulated market, the model chosen on a horizon's validation rows is better than "
        "persistence beyond chance (after Holm's correction over 2 horizons) at: **6 and 24 "
        "hours**."
    )
    assert six.startswith("6 hours: HAR, skill 50.")
    assert ", Diebold-Mariano p < 0.001, with Bartlett weights p < 0.001, after Holm p < " in six
    assert day.startswith("24 hours: HAR, skill 50.")
    worse = table_of(har=(-0.3, 0.1, 1))
    assert page.beyond_persistence(worse) == []  # p-values are small, and speak for persistence
    assert "at: **no horizon**" in page.horizon_answer(worse, coverage=0.95, simulated=False)[0]


def test_persistence_alone_leaves_nothing_to_compare():
    table = table_of()
    assert table.empty
    assert page.horizon_answer(table, coverage=0.95, simulated=False) == [
        "Persistence is the only model, so there is nothing to compare."
    ]
    assert with_interval(table, "skill").empty


def test_the_page_is_made_only_for_studies_that_compare_horizons(tmp_path):
    names = ["05_bootstrap_significance", stages.HORIZONS.name]
    (tmp_path / "notebooks").mkdir()
    for name in names:
        (tmp_path / f"notebooks/{name}.ipynb").touch()
    for horizons, made in (([6], names), ([], names[:1])):
        study = small_study(horizons=horizons)
        study._root = tmp_path
        assert [path.stem for path in study_notebooks(study)] == made


@pytest.mark.parametrize(
    ("hours", "text"),
    [([], "none"), ([1], "1 hour"), ([6, 24], "6 and 24 hours"), ([1, 6, 9], "1, 6 and 9 hours")],
)
def test_horizons_in_words(hours, text):
    assert page.horizons_text(hours) == text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"horizons": []}, r"horizons: found \[\]; should hold at least one horizon in hours"),
        (
            {"features.lags_from": "row"},
            r"horizons: found \[1, 24\] with features.lags_from row; should be left out",
        ),
    ],
)
def test_horizons_that_mean_nothing_are_refused(overrides, message):
    study, panel = small_study(**overrides), small_panel(200)
    with pytest.raises(ValueError, match=message):
        hz.horizon_forecasts(panel, panel, study)


def test_readers_see_names_units_and_intervals(run):
    shown = with_interval(run[4], "skill")
    assert not [head for head in shown if "_" in head or head in ("low", "high", "rmse", "n")]
    row = run[4].iloc[1]
    low, high = (f"{100 * row[end]:.1f}".replace("-", "−") for end in ("low", "high"))
    assert shown["skill, %"].iloc[1].endswith(f" ({low}\u00a0to\u00a0{high})")


def test_the_figure_has_a_panel_a_model_and_marks_the_chosen_one():
    table = table_of(har=(0.3, 0.1, 1), seasonal_naive=(0.0, 9.0, 1), har_calendar=(0.1, 0.1, 1))
    figure = skill_by_horizon(table, title="t")
    assert figure.get_suptitle() == "t"
    panels = [ax for ax in figure.axes if ax.get_title(loc="left")]
    assert [ax.get_title(loc="left") for ax in panels] == ["HAR", "HAR + calendar"]
    for ax, model in zip(panels, ("har", "har_calendar"), strict=True):
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["6", "24"]
        own = table[table["model"] == model]
        points = [bars[0] for bars in ax.containers]
        drawn = [float(point.get_ydata()[0]) for point in points]
        assert drawn == pytest.approx((100 * own["skill"]).tolist())
        full = [point.get_markerfacecolor() != "white" for point in points]
        assert full == own["chosen"].tolist()


def test_a_horizon_below_the_scale_has_no_point():
    table = table_of(har=(0.3, 0.1, 1))
    table.loc[table["horizon_hours"] == 24, "skill"] = -0.9
    ax = skill_by_horizon(table, title="t").axes[0]
    assert len(ax.containers) == 1
    assert len(ax.get_xticklabels()) == 2
