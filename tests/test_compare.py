from __future__ import annotations

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from arch.bootstrap import StationaryBootstrap
from bs4 import BeautifulSoup
from forecast_tables import MODELS, forecast_table
from periodogram import literal_error, literal_mean_test
from scipy import stats
from study_files import TINY_STUDY, headline_numbers
from test_cli import dvol

from dvol_utils.evaluation import average_seeds
from dvol_utils.pages.front import read_front
from dvol_utils.pages.recomputed import recomputed_results
from dvol_utils.report.compare import compare_studies, parameter_differences
from dvol_utils.report.site import build_site
from dvol_utils.report.verify import run_checks
from dvol_utils.results.shared_rows import (
    difference_sentence,
    least_rows,
    rows_mismatch,
    settings_mismatch,
    shared_rows,
    study_differences,
)
from dvol_utils.serving.saved_models import load_run
from dvol_utils.study import files, tables
from dvol_utils.study.judging_section import SignificanceParams
from dvol_utils.study.loading import load_study

BETTER = {**MODELS, "har_calendar": (0.5, 0.2, 1)}
OTHERS = {**MODELS, "har_calendar": (0.5, 0.2, 1), "lstm_large": (0.1, 0.3, 1)}
QUICK = {"significance": {"reps": 60}}
SETTINGS = SignificanceParams(reps=80, block_hours=30, seed=4)


def finish(root, name, forecasts, **changes):
    """A finished run of a study in `root`: parameters, forecasts, results, manifest."""
    values = {**TINY_STUDY, **QUICK, **changes}
    values["models"] = list(pd.unique(forecasts["model"]))
    (root / f"params/{name}.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    study = load_study(root / f"params/{name}.yaml")
    tables.write_table(study, "forecasts", forecasts)
    files.write_json(study.run_dir / "results.json", headline_numbers(study, forecasts))
    tables.record(study, "03_lstm_training", {"device": "cpu"})
    return study


@pytest.fixture
def two(tmp_project):
    """Studies `one` and `two` of the same market, where one model of `two` knows far more."""
    finish(tmp_project, "one", forecast_table(300, validation_rows=50))
    finish(
        tmp_project,
        "two",
        forecast_table(300, validation_rows=50, models=BETTER),
        training={"seeds": [0, 1], "epochs": 7},
    )
    return tmp_project


def rows_of(models=MODELS, **changes):
    """Test rows as `study_rows` returns them."""
    return average_seeds(forecast_table(300, models=models, **changes))


def page_of(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def body(page, label):
    """A table's rows as lists of text, by the label of its box."""
    box = page.find(attrs={"aria-label": label})
    rows = box.find("tbody").find_all("tr")
    return [
        [" ".join(cell.get_text().split()) for cell in row.find_all(["th", "td"])] for row in rows
    ]


def test_differences_are_those_of_a_literal_bootstrap_and_test():
    a, b = rows_of(), rows_of(BETTER)
    joined = shared_rows({"one": a, "two": b})
    pair = ("one:har", "two:har_calendar")
    row = study_differences(joined, [pair], overlap_hours=24, settings=SETTINGS).iloc[0]

    mine, yours = (
        rows[rows["model"] == model.partition(":")[2]].sort_values("origin")
        for rows, model in zip((a, b), pair, strict=True)
    )
    y, start = mine["y_true"].to_numpy(), mine["y_origin"].to_numpy()
    losses = [(y - rows["y_pred"].to_numpy()) ** 2 for rows in (mine, yours)]
    naive = (y - start) ** 2
    skills = [1 - loss.sum() / naive.sum() for loss in losses]
    sampler = StationaryBootstrap(30, np.arange(300), seed=4)
    drawn = []
    for _ in range(80):
        hours = sampler.update_indices()
        own = [1 - loss[hours].sum() / naive[hours].sum() for loss in losses]
        drawn.append(own[0] - own[1])
    low, high = np.quantile(drawn, [0.025, 0.975])
    gap = skills[0] - skills[1]
    adds = (
        (1 - skills[0]) * naive - losses[0] - (1 - skills[1]) * naive + losses[1]
    ) / naive.mean()
    width = 2 * stats.t.ppf(0.975, 2 * 6) * literal_error(adds.tolist())  # 6 ordinates
    low, high = (gap + width / (high - low) * (end - gap) for end in (low, high))
    assert row["skill_a"] == pytest.approx(skills[0])
    assert row["skill_b"] == pytest.approx(skills[1])
    assert row["rmse_b"] == pytest.approx(np.sqrt(losses[1].mean()))
    assert row["difference"] == pytest.approx(skills[0] - skills[1])
    assert [row["low"], row["high"]] == pytest.approx([low, high], rel=1e-3)

    d = losses[0] - losses[1]
    centred, n, h = d - d.mean(), 300, 24
    gamma = [sum(centred[t] * centred[t - k] for t in range(k, n)) / n for k in range(h)]
    variance = gamma[0] + 2 * sum((1 - k / h) * gamma[k] for k in range(1, h))
    statistic = d.mean() / np.sqrt(variance / n)
    statistic *= np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    assert row["p_bartlett"] == pytest.approx(2 * stats.t.sf(abs(statistic), n - 1))
    assert row["p_value"] == pytest.approx(literal_mean_test(d.tolist())[1])


def test_study_compared_with_itself_differs_nowhere():
    rows = rows_of()
    joined = shared_rows({"one": rows, "two": rows})
    pairs = [(f"one:{model}", f"two:{model}") for model in ("har", "lstm_large")]
    table = study_differences(joined, pairs, overlap_hours=24, settings=SETTINGS)
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)
    assert (table[["p_value", "p_bartlett", "p_holm"]] == 1).all(axis=None)


def test_swapped_studies_swap_signs_and_keep_p_values():
    joined = shared_rows({"one": rows_of(), "two": rows_of(BETTER)})
    pairs = [(f"one:{model}", f"two:{model}") for model in ("har", "har_calendar")]
    there = study_differences(joined, pairs, overlap_hours=24, settings=SETTINGS)
    back = study_differences(
        joined, [(b, a) for a, b in pairs], overlap_hours=24, settings=SETTINGS
    )
    assert there["difference"].to_numpy() == pytest.approx(-back["difference"].to_numpy())
    assert there["low"].to_numpy() == pytest.approx(-back["high"].to_numpy())
    assert there["p_value"].to_numpy() == pytest.approx(back["p_value"].to_numpy())
    assert there["difference"].iloc[1] < -0.3


def test_p_values_are_corrected_for_the_number_of_lines_by_holm():
    joined = shared_rows({"one": rows_of(), "two": rows_of(OTHERS)})
    pairs = [(f"one:{m}", f"two:{m}") for m in ("har_calendar", "lstm_large", "lstm_ultra")]
    table = study_differences(joined, pairs, overlap_hours=24, settings=SETTINGS)
    first, second, third = sorted(table["p_value"])
    literal = [3 * first, max(3 * first, 2 * second), max(3 * first, 2 * second, third)]
    assert first < second < third
    assert sorted(table["p_holm"]) == pytest.approx([min(1, p) for p in literal])
    assert literal[1] < 1


def test_shared_rows_are_the_origins_of_both_with_models_named_by_study():
    a = rows_of()
    late = a[a["origin"] >= a["origin"].min() + pd.Timedelta(hours=40)]
    joined = shared_rows({"one": a, "two": late})
    assert joined["origin"].nunique() == 260
    assert set(joined["model"]) == {
        f"{study}:{model}" for study in ("one", "two") for model in MODELS
    }
    assert joined.groupby("model").size().eq(260).all()
    mine = joined[joined["model"] == "one:har"].set_index("origin")["y_pred"]
    original = a[a["model"] == "har"].set_index("origin")["y_pred"]
    pd.testing.assert_series_equal(mine, original.loc[mine.index])


def moved(rows, hours):
    return rows.assign(origin=rows["origin"] + pd.Timedelta(hours=hours))


def changed(rows, column, by):
    first = rows["origin"].isin(np.sort(rows["origin"].unique())[:7])
    return rows.assign(**{column: rows[column] + np.where(first, by, 0.0)})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rows: rows, None),
        (lambda rows: changed(rows, "y_true", 1e-12), None),
        (lambda rows: changed(rows, "y_true", 0.01), "outcomes differ in 7 of 300 shared rows"),
        (lambda rows: changed(rows, "y_origin", 0.01), "outcomes differ in 7 of 300 shared rows"),
        (
            lambda rows: moved(rows, 2400),
            "no shared origins: 2024-11-22 to 2024-12-04 and 2025-03-02 to 2025-03-14",
        ),
        (
            lambda rows: rows[rows["origin"] >= rows["origin"].min() + pd.Timedelta(hours=61)],
            "only 239 shared rows, should be at least 240",
        ),
        (lambda rows: rows[rows["origin"] >= rows["origin"].min() + pd.Timedelta(hours=60)], None),
    ],
)
def test_rows_match_or_the_reason_is_given(change, reason):
    rows = rows_of()
    assert rows_mismatch(rows, change(rows), 240) == reason
    if reason is None or "shared rows" in reason:
        assert rows_mismatch(change(rows), rows, 240) == reason


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({}, None),
        ({"data.assets": ["ETH"]}, "other asset: BTC and ETH"),
        ({"target.horizon_hours": 1}, "other horizon: 24 hours and 1 hour"),
        ({"training.epochs": 3}, None),
    ],
)
def test_settings_that_cannot_match_are_named(tmp_project, overrides, reason):
    assert settings_mismatch(load_study("tiny"), load_study("tiny", overrides)) == reason


def test_inputs_beyond_the_origin_are_not_compared_with_others(tmp_project):
    plain = load_study("tiny", {"target.horizon_hours": 1})
    late = load_study("tiny", {"target.horizon_hours": 1, "features.lags_from": "row"})
    assert settings_mismatch(late, late) is None
    reason = (
        "inputs of tiny reach up to 1 hour before the target, beyond the origin, those of the "
        "other study do not"
    )
    assert settings_mismatch(plain, late) == settings_mismatch(late, plain) == reason


def test_comparison_needs_ten_overlaps_and_a_block():
    assert least_rows(SignificanceParams(), 24) == 240
    assert least_rows(SignificanceParams(), 1) == 24
    assert least_rows(SignificanceParams(block_hours=500), 24) == 500


def test_only_parameters_that_differ_are_listed(tmp_project):
    one = load_study("tiny", {"title": "Other", "data.raw_dir": "far", "training.epochs": 3})
    two = load_study("tiny", {"training.epochs": 4, "horizons": [1, 24]})
    table = parameter_differences([one, two]).set_index("parameter")
    assert table["values"].to_dict() == {
        "training.epochs": ["3", "4"],
        "horizons": ["none", "1, 24"],
    }
    meaning = (
        "most passes over the training rows; lstm_tuned and attention have networks.NAME.epochs"
    )
    assert table.loc["training.epochs", "meaning"] == meaning


def test_page_shows_studies_results_and_parameters(two):
    path = compare_studies(["one", "two"])
    assert path == two / "reports/compare-one-two.html"
    page = page_of(path)
    study = load_study("two")
    facts = body(page, "Studies")
    assert [row[:5] for row in facts] == [
        [name, "Tiny <study> & market", "simulated", "BTC", "24 h"] for name in ("one", "two")
    ]
    assert facts[1][5:8] == [
        "2024-11-22 05:00 to 2024-12-04 16:00",
        "300",
        files.read_json(study.run_dir / "results.json")["parameters_hash"],
    ]
    results = body(page, "Headline results")
    assert [row[:2] for row in results[:2]] == [
        ["Persistence", "one"],
        ["Seasonal naive (week)", "one"],
    ]
    assert len(results) == 2 * len(MODELS)
    har = files.read_json(study.run_dir / "results.json")["models"]["har"]
    shown = next(row for row in results if row[:2] == ["HAR", "two"])
    assert shown[4] == f"{har['rmse']['estimate']:.3f}"
    assert [row[:3] for row in body(page, "Parameters that differ")] == [
        ["training.epochs", str(load_study("one").training.epochs), "7"]
    ]
    assert "every number of one, two comes from a simulated market" in page.aside.get_text()


def test_page_tells_how_far_the_chosen_models_differ(two):
    page = page_of(compare_studies(["one", "two"]))
    rows = body(page, "Differences of one and two")
    chosen = [row[0] for row in rows if row[0].endswith("(chosen)")]
    assert rows[0][0] == chosen[0]
    assert len(chosen) == 1
    assert chosen[0].endswith("against HAR + calendar (chosen)")
    said = " ".join(page.find(id="differences").find_next("p").get_text().split())
    assert re.fullmatch(
        r"On 300 shared test rows the models chosen on validation rows, .+ in one and HAR \+ "
        r"calendar in two, have a skill of \S+ % in one and \S+ % in two: a difference of −\S+ "
        r"percentage points \(95 % interval −\S+ to −\S+; Diebold-Mariano p .+\), better in two "
        r"beyond chance\.",
        said,
    )
    har = next(row for row in rows if row[0] == "HAR + calendar")
    assert float(har[2]) < float(har[1])
    assert har[5].startswith("−")
    assert "Persistence" not in [row[0] for row in rows]


def test_one_model_chosen_in_both_studies_is_said_once(tmp_project):
    market = forecast_table(300, validation_rows=50, models=BETTER)
    finish(tmp_project, "one", market)
    finish(tmp_project, "two", market)
    page = page_of(compare_studies(["one", "two"]))
    said = " ".join(page.find(id="differences").find_next("p").get_text().split())
    assert "the model that both chose on validation rows, HAR + calendar, has a skill of" in said
    assert said.endswith(
        "; Diebold-Mariano p = 1.000, with Bartlett weights 1.000), not beyond chance."
    )
    assert "None: the studies differ in name and title alone." in page.get_text()
    names = [row[0] for row in body(page, "Differences of one and two")]
    assert names.count("HAR + calendar (chosen)") == 1
    assert "HAR + calendar" not in names


def test_three_studies_make_three_pairs_and_each_mismatch_has_its_reason(two):
    finish(
        two,
        "hourly",
        forecast_table(300, validation_rows=50, horizon=1),
        target={"horizon_hours": 1},
    )
    page = page_of(compare_studies(["one", "two", "hourly"]))
    assert page.h1.get_text() == "one, two and hourly compared"
    pairs = page.find(id="differences").find_all_next("h3")
    assert [pair.get_text() for pair in pairs] == [
        "one and two",
        "one and hourly",
        "two and hourly",
    ]
    for pair in pairs[1:]:
        said = pair.find_next("p").get_text()
        assert said == "Their test rows do not match: other horizon: 24 hours and 1 hour."


def test_studies_that_share_persistence_alone_say_so(tmp_project):
    market = forecast_table(300, validation_rows=50)
    finish(tmp_project, "one", market)
    finish(tmp_project, "alone", market[market["model"] == "persistence"], training={})
    said = (
        page_of(compare_studies(["one", "alone"])).find(id="differences").find_next("p").get_text()
    )
    assert said == "Their test rows do not match: no model but persistence in both studies."


def test_page_holds_all_it_needs_and_escapes_what_studies_say(two):
    text = compare_studies(["one", "two"]).read_text(encoding="utf-8")
    assert "<study>" not in text
    assert "Tiny &lt;study&gt; &amp; market" in text
    loading = page_of(two / "reports/compare-one-two.html").select(
        "[src], link[href^=http], iframe"
    )
    assert loading == []


def test_same_runs_give_the_same_bytes(two):
    first = compare_studies(["one", "two"]).read_bytes()
    assert compare_studies(["one", "two"], two / "again.html").read_bytes() == first


@pytest.mark.parametrize(
    ("low", "high", "p", "said"),
    [
        (0.01, 0.05, 0.01, "better in one beyond chance"),
        (-0.05, -0.01, 0.01, "better in two beyond chance"),
        (-0.01, 0.05, 0.01, "on which interval and test do not agree"),
        (0.01, 0.05, 0.05, "on which interval and test do not agree"),
        (-0.01, 0.05, 0.30, "not beyond chance"),
    ],
)
def test_verdict_needs_interval_and_test(low, high, p, said):
    row = pd.Series(
        {
            "model_a": "one:har",
            "model_b": "two:har",
            "skill_a": 0.1,
            "skill_b": 0.1,
            "difference": (low + high) / 2,
            "low": low,
            "high": high,
            "p_value": p,
            "p_bartlett": p / 2,
        }
    )
    said_of_both = difference_sentence(row, 1234, 0.95)
    assert said_of_both.endswith(f"), {said}.")
    assert f"; Diebold-Mariano p = {p:.3f}, with Bartlett weights {p / 2:.3f}), " in said_of_both


def test_command_writes_the_page_where_it_is_asked_to(two):
    said = dvol("compare", "params/one.yaml", "two", "--output", "pages/both.html")
    assert said == "compare: pages/both.html\n"
    assert (two / "pages/both.html").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["one"], "dvol: studies: found 1; should be two or more to compare\n"),
        (["one", "two", "one"], "dvol: studies: found one twice; should be different studies\n"),
        (["one", "params/one.yaml"], "studies: found one twice; should be different studies\n"),
        (["one", "nowhere"], "no study 'nowhere' there; it holds: one, tiny, two\n"),
        (["one", "nowhere"], "once its file is right, run `make report STUDY=nowhere`\n"),
        (["one", "tiny"], "manifest.json is missing: run `make report STUDY=tiny`\n"),
        (["one", "tiny"], "dvol: study tiny is not finished: "),
        (
            ["one", "two", "--output", "x.txt"],
            "output 'x.txt': should be a file that ends in .html",
        ),
        (["one", "two", "--output", "params"], "output 'params': should be a file that ends in"),
    ],
)
def test_command_refuses_what_it_cannot_compare(two, words, message):
    assert message in dvol("compare", *words, status=2)
    assert not (two / "reports").exists()


@pytest.mark.parametrize("name", ["results.json", "forecasts.parquet"])
def test_missing_file_names_the_command_and_leaves_the_old_page(two, name):
    old = compare_studies(["one", "two"]).read_bytes()
    (two / "runs/two" / name).unlink()
    message = re.escape(f"{name} is missing: run `make report STUDY=two`")
    with pytest.raises(files.ArtefactError, match=message):
        compare_studies(["one", "two"])
    assert (two / "reports/compare-one-two.html").read_bytes() == old


def test_files_of_different_runs_are_refused(two):
    path = two / "runs/two/results.json"
    files.write_json(path, {**files.read_json(path), "parameters_hash": "0" * 12})
    with pytest.raises(
        files.ArtefactError, match="are of different runs: run `make report STUDY=two`"
    ):
        compare_studies(["one", "two"])


def test_run_of_another_version_is_refused(two):
    path = two / "runs/two/manifest.json"
    manifest = files.read_json(path)
    manifest["parameters"]["gone"] = 1
    files.write_json(path, manifest)
    message = "parameters are not those of this version: run `make report STUDY=two`"
    with pytest.raises(files.ArtefactError, match=message):
        compare_studies(["one", "two"])


@pytest.mark.parametrize(
    ("version", "named"), [(None, "before 0.2.0"), ("0.1.7", "0.1.7"), ("1.2.0", "1.2.0")]
)
@pytest.mark.parametrize(
    "read",
    [
        load_run,
        lambda study: build_site(study, read_front),
        lambda study: run_checks(study, recomputed_results),
    ],
)
def test_a_run_of_other_formats_says_so_and_what_to_do(two, read, version, named):
    path = two / "runs/two/manifest.json"
    manifest = files.read_json(path) | {"version": version}
    files.write_json(path, {key: value for key, value in manifest.items() if value})
    message = rf"version {named} of the project left this run at commit .*: run `make report STUDY"
    with pytest.raises(files.ArtefactError, match=message):
        read(load_study("two"))


def test_run_counts_with_the_parameters_that_it_had(two):
    path = two / "params/two.yaml"
    path.write_text(path.read_text().replace("epochs: 7", "epochs: 9"), encoding="utf-8")
    shown = body(page_of(compare_studies(["one", "two"])), "Parameters that differ")
    assert [row[2] for row in shown] == ["7"]


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")
def test_page_in_a_browser(two):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = compare_studies(["one", "two"])
    complaints = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        wide = page.evaluate("document.documentElement.scrollWidth")
        page.get_by_role("button", name="RMSE").last.click()
        cells = page.locator("table.sortable").last.locator("tbody td:nth-of-type(4)")
        values = [
            float(text) for text in cells.evaluate_all("all => all.map(e => e.dataset.value)")
        ]
        browser.close()
    assert complaints == []
    assert wide <= 390
    assert values == sorted(values)
    assert len(values) == 2 * len(MODELS)
