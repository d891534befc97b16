from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from market import small_panel, small_study
from test_published_protocol import RULES

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated.market import write_store
from dvol_utils.evaluation import average_seeds
from dvol_utils.jumps import detect_jumps, jumps_by_rule, published_jumps
from dvol_utils.pages import published as answers
from dvol_utils.plots import published as plots
from dvol_utils.published import comparison, flaws, size, variants
from dvol_utils.published.comparison import BLIND, NAIVE, OURS, REPRODUCED, ROLLING
from dvol_utils.published.hours import naive_forecasts, same_hours
from dvol_utils.report import verify
from dvol_utils.results.published_figures import PUBLISHED_FIGURES
from dvol_utils.results.results_json import Comparison
from dvol_utils.samples.samples import build_samples
from dvol_utils.significance import regime_difference
from dvol_utils.significance.resampling import Resampling
from dvol_utils.study import stages
from dvol_utils.study.loading import load_study
from dvol_utils.study.stages import study_notebooks
from dvol_utils.wording.columns import readable

ROOT = Path(__file__).parents[1]
DRAWS = Resampling(block_hours=24, reps=60, seed=0)


@pytest.fixture(scope="module")
def levels():
    return small_panel().set_index("time")["dvol_close"]


@pytest.fixture(scope="module")
def samples():
    study, panel = small_study(**RULES), small_panel()
    return build_samples(panel, jumps_by_rule(panel, study.jumps), study)


def forecasts_of(samples, levels, models, seeds=1, sd=0.5):
    """Forecasts with noise that falls with their place in `models`."""
    rng = np.random.default_rng(0)
    tables = []
    for place, model in enumerate(models):
        for seed in range(seeds):
            noise = sd / (1 + place) * rng.standard_normal(len(samples.dvol))
            forecast = samples.outcome + noise
            rows = variants.scored_rows(samples, forecast, model, seed, ("validation", "test"))
            tables.append(rows)
    made = pd.concat(tables, ignore_index=True)
    return made.assign(asset="BTC", origin=made["target_time"] - pd.Timedelta(hours=1))


@pytest.fixture(scope="module")
def compared(samples, levels):
    names = [REPRODUCED, *BLIND, *OURS.values(), ROLLING]
    made = forecasts_of(samples, levels, names)
    made = made[made["split"] == "test"]
    naive = naive_forecasts(levels, pd.DatetimeIndex(made["target_time"].unique()), list(NAIVE))
    return same_hours([made, *naive], levels)


@pytest.fixture(scope="module")
def intervals(compared):
    return comparison.intervals(compared, resampling=DRAWS)


@pytest.fixture(scope="module")
def ladder(samples, levels):
    names = [size.joined(m, s) for s in size.SUPERVISION for m in ("lstm_baseline", "lstm_large")]
    made = forecasts_of(samples, levels, names, seeds=3)
    return same_hours([made[made["split"] == "test"]], levels)


def test_the_published_figures_stand_first_and_without_intervals(intervals):
    first = intervals[intervals["model"] == "Published"].set_index("metric")
    assert intervals["model"].iloc[0] == "Published"
    assert first.loc["rmse", "estimate"] == PUBLISHED_FIGURES["overall"]["rmse"]
    assert first.loc["consecutive", "estimate"] == PUBLISHED_FIGURES["overall"]["direction"]
    assert "direction" not in first.index
    naive = comparison.metric(intervals, NAIVE[24], "rmse")["estimate"]
    expected = 1 - (PUBLISHED_FIGURES["overall"]["rmse"] / naive) ** 2
    assert first.loc["skill", "estimate"] == pytest.approx(expected)
    assert first["low"].isna().all()


def test_the_table_has_a_row_a_forecast_and_both_directions(intervals, compared):
    table = comparison.interval_table(intervals)
    assert table["model"].tolist() == ["Published", *pd.unique(compared["model"])]
    assert table.loc[0, "R²"] == "0.908"
    assert "(" not in table.loc[0, "skill, %"]
    assert table.loc[0, comparison.CONSECUTIVE] == "50.0"
    assert table.loc[1, comparison.CONSECUTIVE].endswith(")")
    assert not table.map(lambda text: "nan" in text).any(axis=None)


def test_a_metric_that_is_not_there_is_refused(intervals):
    with pytest.raises(ValueError, match="found no rmse of 'Nobody'"):
        comparison.metric(intervals, "Nobody", "rmse")


def test_the_decomposition_starts_with_the_rolling_mean_and_ends_where_it_should(samples, levels):
    perfect = forecasts_of(samples, levels, ["lstm_baseline"], sd=0.0)
    table = comparison.decomposition(samples, perfect, levels)
    rows = samples.rows("test")
    y = samples.outcome[rows]
    total = np.sum((y - y.mean()) ** 2)
    mean_alone = 1 - np.sum((y - samples.location[rows]) ** 2) / total
    assert table["r2"].iloc[0] == pytest.approx(mean_alone)
    assert table["r2"].iloc[2] == pytest.approx(1.0)
    assert table["added"].iloc[2] == pytest.approx(1 - table["r2"].iloc[1])
    assert table["added"].iloc[3] == pytest.approx(table["r2"].iloc[3] - table["r2"].iloc[1])


def test_the_second_step_is_a_regression_on_the_day_old_level(samples, levels):
    table = comparison.decomposition(
        samples, forecasts_of(samples, levels, ["lstm_baseline"]), levels
    )
    level = levels.to_numpy()

    def scaled(rows):
        return (level[rows + 1 - 25] - samples.location[rows]) / samples.scale[rows]

    fitted, rows = samples.rows("validation"), samples.rows("test")
    slope, intercept = np.polyfit(scaled(fitted), samples.target[fitted], 1)
    forecast = samples.location[rows] + samples.scale[rows] * (intercept + slope * scaled(rows))
    y = samples.outcome[rows]
    expected = 1 - np.sum((y - forecast) ** 2) / np.sum((y - y.mean()) ** 2)
    assert table["r2"].iloc[1] == pytest.approx(expected)


def test_without_a_network_there_is_nothing_to_decompose(samples, levels):
    with pytest.raises(ValueError, match="found persistence; should hold a network"):
        comparison.decomposition(samples, forecasts_of(samples, levels, ["persistence"]), levels)


def test_the_liveliest_weeks_hold_the_widest_range(compared):
    shown = comparison.liveliest_weeks(compared, days=4)
    span = shown["target_time"].max() - shown["target_time"].min()
    assert span <= pd.Timedelta(days=4)
    outcome = compared.drop_duplicates("target_time").set_index("target_time")["y_true"]
    widest = outcome.rolling("4D").max() - outcome.rolling("4D").min()
    assert widest.idxmax() in set(shown["target_time"])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A study of the published rules on a simulated store."""
    study = load_study(
        "smoke",
        {key: value for key, value in RULES.items() if key != "models"}
        | {
            "training.epochs": 1,
            "published_page": True,
            "judgement.epochs": 1,
            "features.scaling_window_hours": 240,
        },
    )
    study._root = tmp_path_factory.mktemp("judged")
    write_store(study.raw_dir, study.data)
    return study


def test_the_twin_keeps_the_dates_and_nothing_else_of_the_rules(project):
    twin = variants.leak_free(project)
    clean = load_study("smoke")
    assert twin.split == clean.split
    assert twin.target == clean.target
    assert twin.jumps == clean.jumps
    assert twin.features.exclude_jumps
    assert twin.features.lags_from == "target"
    assert twin.data.publication_lag_hours == 12
    assert twin.training.supervision == "dense"
    assert twin.raw_dir == project.raw_dir


def test_every_flaw_changes_what_its_pair_does_not(project):
    made = {
        name: variants.variant_samples(project, *how)[0] for name, how in variants._FLAWED.items()
    }
    for flaw, against in variants.PAIRS:
        if flaw == "Hours dropped":
            continue  # the simulated store has none
        one, two = made[flaw], made[against]
        same_inputs = one.features.equals(two.features)
        same_scale = np.array_equal(one.scale, two.scale, equal_nan=True)
        assert not (same_inputs and same_scale), flaw
        np.testing.assert_array_equal(one.outcome, two.outcome)


def test_a_blind_network_does_not_see_what_is_hidden(project):
    study = variants.with_values(
        project, {"features.groups": ["published"], "target.horizon_hours": 1}
    )
    panel = build_panel(study.raw_dir, study.data)
    samples = build_samples(panel, jumps_by_rule(panel, study.jumps), study)
    first = comparison.blind_forecasts(study, samples)
    noise = np.random.default_rng(0).standard_normal(len(panel))
    other = dataclasses.replace(samples, features=samples.features.assign(dvol_rv_spread=noise))
    second = comparison.blind_forecasts(study, other)
    same = [one["y_pred"].equals(two["y_pred"]) for one, two in zip(first, second, strict=True)]
    assert same == [False, True, True]


def test_fixed_scaling_has_mean_zero_where_it_was_fitted(project):
    samples, _ = variants.variant_samples(project, *variants._FLAWED["Scaled by training rows"])
    train = samples.features["network_activity"].iloc[samples.rows("train")]
    assert train.mean() == pytest.approx(0, abs=1e-9)
    assert train.std() == pytest.approx(1)


def test_variants_are_forecast_and_compared(project):
    made = variants.variant_forecasts(project)
    assert set(made["variant"]) == set(variants._FLAWED)
    assert set(made.loc[made["model"] == variants.HAR, "variant"]) == {variants.LEAK_FREE}
    store = variants.variant_samples(project, {})[0]
    levels = pd.Series(store.dvol, store.times)
    table = flaws.flaw_table(made, levels, resampling=DRAWS)
    assert len(table) == 2 * len(variants.PAIRS)
    np.testing.assert_allclose(table["estimate"], table["with_flaw"] - table["without"], atol=1e-12)
    ridge = table[table["model"] == "ridge"].set_index("flaw")
    assert not flaws.beyond_chance(ridge).loc["Scaled by all rows"]
    assert ridge.loc["Hours dropped", "estimate"] == 0
    plots.flaw_differences(table, title="t", limit=0.1)
    shown = flaws.readable_flaws(table)
    assert shown["difference, percentage points"].str.contains("to").all()


def test_rules_count_what_survives_the_real_test():
    panel, params = small_panel(1_500), small_study().jumps
    table = flaws.rule_table(panel, panel, params).set_index("flagged_by")
    real = detect_jumps(panel, params)["is_jump"]
    flagged = published_jumps(panel)["is_jump"]
    union = table.loc["any of the three"]
    assert union["hours"] == flagged.sum()
    assert union["survive"] == (flagged & real).sum()
    assert union["share"] == pytest.approx(flagged.mean())
    assert table.loc["Lee-Mykland test, 1 %", "survive_share"] == 1


def test_direction_has_both_definitions(compared):
    table = flaws.direction_table(compared, resampling=DRAWS).set_index("model")
    assert list(table) == ["from the origin, %", "from forecast to forecast, %"]
    assert table.loc["Persistence, 24 h", "from the origin, %"] == "–"
    assert table.loc["Persistence, 24 h", "from forecast to forecast, %"] != "–"


def test_seed_scores_are_over_seeds_and_of_their_mean(ladder):
    table = size.seed_scores(ladder).set_index("model")
    name = "LSTM large, dense"
    rows = ladder[ladder["model"] == name]
    rmse = [
        np.sqrt(np.mean((part["y_true"] - part["y_pred"]) ** 2)) for _, part in rows.groupby("seed")
    ]
    assert table.loc[name, "rmse"] == pytest.approx(np.mean(rmse))
    assert table.loc[name, "rmse_sd"] == pytest.approx(np.std(rmse, ddof=1))
    assert table.loc[name, "rmse_averaged"] < min(rmse)  # independent noise


def test_larger_is_compared_with_smaller_within_a_supervision(ladder):
    tests = size.size_tests(ladder)
    assert list(zip(tests["larger"], tests["smaller"], strict=True)) == [
        ("LSTM large, last", "LSTM baseline, last"),
        ("LSTM large, dense", "LSTM baseline, dense"),
    ]
    assert (tests["pairs"] == 9).all()
    assert (tests["better"] == 9).all()  # noise falls with the place in the ladder
    assert (tests["statistic"] < 0).all()
    assert (tests["gain"] > 0).all()


def test_identical_sizes_are_not_told_apart(ladder):
    same = ladder.assign(y_pred=ladder["y_true"] + 0.3)
    tests = size.size_tests(same)
    assert (tests[["p_value", "p_bartlett"]] == 1).all(axis=None)
    assert (tests[["better", "worse"]] == 0).all(axis=None)
    sets = size.confidence_sets(same, size=0.1, resampling=DRAWS)
    assert sets["averaged_in"].all()
    assert (sets["single_in"] == sets["seeds"]).all()


def test_the_confidence_set_holds_the_best(ladder):
    sets = size.confidence_sets(ladder, size=0.1, resampling=DRAWS).set_index("model")
    assert sets.loc["LSTM large, dense", "averaged_in"]
    assert not sets.loc["LSTM baseline, last", "averaged_in"]
    assert (sets["seeds"] == 3).all()


def test_one_seed_and_one_size_are_no_error(ladder):
    alone = ladder[(ladder["model"] == "LSTM large, last") & (ladder["seed"] == 0)]
    scores, tests = size.seed_scores(alone), size.size_tests(alone)
    assert scores["rmse_sd"].isna().all()
    assert tests.empty
    sets = size.confidence_sets(alone, size=0.1, resampling=DRAWS)
    assert answers.size_answer(scores, tests, sets, 0.05)[1].startswith("One size was trained")


def test_a_run_has_turned_when_its_best_epoch_is_not_its_last():
    assert size.turned(pd.DataFrame({"best_epoch": [3, 7, 6], "epochs": [5, 7, 7]})) == (2, 3)


@pytest.fixture(scope="module")
def steps(samples, levels):
    made = forecasts_of(samples, levels, ["lstm_baseline"])
    return comparison.decomposition(samples, made, levels)


def with_estimates(intervals, name, **values):
    """`intervals` with other estimates of one metric."""
    changed = intervals.copy()
    for model, (estimate, low, high) in values.items():
        rows = (changed["model"] == model) & (changed["metric"] == name)
        changed.loc[rows, ["estimate", "low", "high"]] = [estimate, low, high]
    return changed


def test_the_answer_is_five_sentences_made_from_the_numbers(intervals, steps):
    sentences = answers.meaning(intervals, steps, 1_234, 0.95)
    heads = ["What was claimed: ", "What it is worth: ", "Why the R² is high", "By the same rules "]
    assert [said[: len(head)] for said, head in zip(sentences, heads, strict=False)] == heads
    assert len(sentences) == 5
    rmse = comparison.metric(intervals, NAIVE[24], "rmse")["estimate"]
    assert "(1,234), DVOL a day before the target, taken as the forecast, has" in sentences[1]
    assert f"RMSE {rmse:.2f}" in sentences[1]
    skill = 1 - (PUBLISHED_FIGURES["overall"]["rmse"] / rmse) ** 2
    assert f"{100 * abs(skill):.1f} %" in sentences[1]
    for name in BLIND:
        assert name[1:] in answers.inputs_sentence(intervals)
    assert "nan" not in " ".join(sentences)


@pytest.mark.parametrize(
    ("skill", "words"),
    [
        ((-0.1, -0.2, 0.0), ": worse than persistence."),
        ((-0.1, -0.2, -0.05), ": worse than persistence, beyond chance."),
        ((0.1, -0.2, 0.3), ": better than persistence, but not beyond chance."),
        ((0.1, 0.02, 0.3), ": better than persistence, beyond chance."),
    ],
)
def test_what_is_left_follows_from_its_interval(intervals, steps, skill, words):
    changed = with_estimates(intervals, "skill", **{OURS[variants.HAR]: skill})
    assert answers.meaning(changed, steps, 100, 0.95)[4].endswith(words)


def test_what_the_claim_is_worth_follows_from_its_skill(intervals, steps):
    for skill, words in ((-1.5, "2.5 times as large."), (0.2, "0.80 of that of persistence.")):
        changed = with_estimates(intervals, "skill", Published=(skill, np.nan, np.nan))
        assert answers.meaning(changed, steps, 100, 0.95)[1].endswith(words)
    for r2, words in ((0.95, "above the published"), (0.85, "below the published")):
        changed = with_estimates(intervals, "r2", **{ROLLING: (r2, r2, r2)})
        assert words in answers.meaning(changed, steps, 100, 0.95)[2]


def test_the_headline_is_what_the_first_page_reads(intervals, compared):
    found = comparison.comparison_result(compared, intervals)
    assert Comparison.model_validate_json(found.model_dump_json()) == found
    assert found.test.rows == compared["target_time"].nunique()
    assert [result.label for result in found.forecasts] == list(pd.unique(intervals["model"]))
    published, reproduced = found.forecasts[:2]
    assert published.skill.low is None
    assert published.direction.estimate is None
    assert published.consecutive.estimate == PUBLISHED_FIGURES["overall"]["direction"]
    expected = comparison.metric(intervals, REPRODUCED, "mae")
    assert reproduced.mae.model_dump() == expected[["estimate", "low", "high"]].to_dict()


def sized(gain, p_holm):
    """`size_tests` of two comparisons."""
    return pd.DataFrame(
        {
            "larger": ["LSTM large, last", "LSTM ultra, last"],
            "smaller": ["LSTM baseline, last", "LSTM large, last"],
            "gain": gain,
            "p_holm": p_holm,
            "pairs": 4,
            "better": 1,
            "worse": 2,
        }
    )


@pytest.mark.parametrize(
    ("gain", "p_holm", "words"),
    [
        ([0.1, 0.2], [0.01, 0.02], "the larger is better beyond chance in 2 and worse in 0;"),
        ([-0.1, 0.2], [0.01, 0.5], "the larger is better beyond chance in 0 and worse in 1;"),
        ([-0.1, -0.2], [0.2, 0.5], "the larger is better beyond chance in 0 and worse in 0;"),
    ],
)
def test_size_is_judged_both_ways(ladder, gain, p_holm, words):
    scores, sets = (
        size.seed_scores(ladder),
        size.confidence_sets(ladder, size=0.1, resampling=DRAWS),
    )
    first, second, third = answers.size_answer(scores, sized(gain, p_holm), sets, 0.05)
    assert words in first
    assert "seeds of one size up to" in first
    assert f"(Diebold-Mariano p = {p_holm[0]:.3f} after Holm)" in second
    assert ("better than LSTM baseline" in second) == (gain[0] > 0)
    assert third.endswith("holds LSTM large, dense.")


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-0.004, 0.005, "so the data exclude larger differences;"),
        (-0.01, 0.005, "so the data allow larger differences;"),
        (-0.03, -0.01, "a larger difference, beyond chance;"),
        (0.01, 0.03, "a larger difference, beyond chance;"),
    ],
)
def test_a_small_difference_of_regimes_is_told_from_an_uncertain_one(low, high, words):
    rows = [("r2", low, high), ("rmse", -0.1, 0.1)]
    gaps = pd.DataFrame(
        [("m", metric, (a + b) / 2, a, b) for metric, a, b in rows],
        columns=["model", "metric", "estimate", "low", "high"],
    )
    assert words in answers.regime_sentence(gaps, "m", 0.95)


def test_regimes_that_have_no_hours_cannot_be_compared(ladder):
    calm = average_seeds(ladder.assign(jump_regime="normal"))
    gaps = regime_difference(calm, ("r2", "rmse"), resampling=DRAWS)
    said = answers.regime_sentence(gaps, "LSTM large, last", 0.95)
    assert said == "Regimes cannot be compared: one of them has no hours."
    gaps = regime_difference(average_seeds(ladder), ("r2", "rmse"), resampling=DRAWS)
    assert "0.56 percentage points" in answers.regime_sentence(gaps, "LSTM large, last", 0.95)


def test_figures_show_what_they_are_given(compared, samples, levels, ladder):
    lively = comparison.liveliest_weeks(compared, days=4)
    ax = plots.two_weeks(lively, {REPRODUCED: "ours", ROLLING: "mean"}, title="t")
    assert [line.get_label() for line in ax.get_lines()] == ["outcome", "ours", "mean"]
    steps = comparison.decomposition(
        samples, forecasts_of(samples, levels, ["lstm_baseline"]), levels
    )
    ax = plots.r2_steps(steps, 0.9, title="t")
    assert len(ax.patches) == len(steps)
    np.testing.assert_allclose(ax.patches[1].get_width(), steps["added"].iloc[1])
    ax = plots.seeds(
        size.single_scores(ladder), title=answers.spread_title(size.seed_scores(ladder))
    )
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == list(pd.unique(ladder["model"]))
    assert ax.get_title(loc="left").startswith("last: sizes")


def test_the_page_is_made_only_for_studies_that_ask_for_it(project, tmp_path):
    project = project.model_copy()
    project._root = tmp_path
    (tmp_path / "notebooks").mkdir()
    names = ["05_bootstrap_significance", "07_published_study"]
    for name in names:
        (tmp_path / f"notebooks/{name}.ipynb").touch()
    plain = project.model_copy(update={"published_page": False})
    plain._root = tmp_path
    assert [path.stem for path in study_notebooks(project)] == names
    assert [path.stem for path in study_notebooks(plain)] == names[:1]
    assert (ROOT / f"notebooks/{stages.PUBLISHED.name}.ipynb").is_file()


def test_no_table_of_the_page_shows_a_column_by_its_name_in_the_code(steps, ladder):
    panel, params = small_panel(1_500), small_study().jumps
    tables = [
        steps,
        size.seed_scores(ladder),
        size.size_tests(ladder),
        size.confidence_sets(ladder, size=0.1, resampling=DRAWS),
        flaws.rule_table(panel, panel, params),
    ]
    heads = [head for table in tables for head in readable(table)]
    assert not [head for head in heads if "_" in head or head in ("r2", "rmse", "added", "step")]
    shares = readable(tables[-1])["share of flagged, %"]
    np.testing.assert_allclose(shares, 100 * tables[-1]["survive_share"])


def test_compared_forecasts_are_scored_again(compared, intervals):
    told = comparison.comparison_result(compared, intervals)
    assert list(verify._compared(compared, told)) == []
    spoilt = compared.assign(y_pred=compared["y_pred"] + 0.01 * (compared["model"] == REPRODUCED))
    found = list(verify._compared(spoilt, told))
    assert found[0].startswith("Reproduced: r2 is ")
    assert all(fault.startswith("Reproduced: ") for fault in found)
    other = compared.assign(model=compared["model"].replace(ROLLING, "Other"))
    assert list(verify._compared(other, told)) == [
        f"{name}: in one of results.json and compared.parquet only" for name in ("Other", ROLLING)
    ]
