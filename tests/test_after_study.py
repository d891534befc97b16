"""Hours after a study's end: two ways of forecasting them, one set of numbers for all readers."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from served import HOURS, LATER_HOURS, SERVED, SIMPLE, later_store, run_study
from trainers import TINY
from typer.testing import CliRunner

from dvol_utils.cli import app
from dvol_utils.evaluation.forecast_table import average_seeds
from dvol_utils.models.lstm import LADDER
from dvol_utils.pages import after as page
from dvol_utils.report import verify
from dvol_utils.results.after_study import after_sentences, after_table
from dvol_utils.results.judging import Verdict, loss_verdict
from dvol_utils.results.readme import after_block, after_name, readme_block, rewrite_block
from dvol_utils.samples.samples import build_samples
from dvol_utils.serving.after_study import after_the_study
from dvol_utils.serving.later_scores import score_later
from dvol_utils.significance.losses import LOSSES
from dvol_utils.study.files import ArtefactError
from dvol_utils.study.model_names import NAIVE_NAMES
from dvol_utils.study.tables import read_table, write_table

pytestmark = pytest.mark.slow
END = pd.Timestamp("2021-06-10 00:00", tz="UTC")
REFIT = pd.Timestamp("2021-06-20 00:00", tz="UTC")  # a month after the test's start
MODELS = [*SIMPLE, "lstm_baseline", "ensemble"]
WARM = {"walk": {**SERVED["walk"], "warm_epochs": 1}, "models": MODELS}


def market_of(hours):
    return {"source": "simulated", "simulated": {**SERVED["data"]["simulated"], "hours": hours}}


def ending(end=END, **split):
    return {"split": {**SERVED["split"], "test_end": str(end), **split}}


@pytest.fixture(scope="module")
def patched():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dvol_utils.forecasting.walk.default_workers", lambda: 1)
        patch.setitem(LADDER, "lstm_baseline", TINY)
        yield


@pytest.fixture(scope="module")
def study(patched, tmp_path_factory):
    """A study that ended before its data do."""
    folder = tmp_path_factory.mktemp("ended")
    return run_study(folder, **WARM, **ending(), data=market_of(LATER_HOURS))


@pytest.fixture(scope="module")
def found(study):
    return after_the_study(study, log=lambda line: None)


@pytest.fixture(scope="module")
def table(study, found):
    return after_table(found.forecasts, study, "ridge_decay")


@pytest.fixture(scope="module")
def written(study, found, table):
    """The run with the tables that the page leaves."""
    write_table(study, "after_forecasts", found.forecasts)
    write_table(study, "after", table)
    return study


@pytest.fixture(scope="module")
def endless(patched, tmp_path_factory):
    """The same study whose test goes on to the end of the data."""
    folder = tmp_path_factory.mktemp("endless")
    return run_study(folder, **WARM, data=market_of(LATER_HOURS))


def way(found, name):
    rows = found.forecasts[found.forecasts["way"] == name]
    return rows.drop(columns="way").reset_index(drop=True)


# The study itself ends


def test_no_split_holds_an_hour_after_the_end(study):
    forecasts = read_table(study, "forecasts")
    assert forecasts["origin"].max() == END
    samples = build_samples(read_table(study, "panel"), read_table(study, "jumps"), study)
    assert (samples.split[samples.times > END] == None).all()  # noqa: E711 elementwise
    assert (samples.split[samples.times == END] == "test").all()


def test_later_data_move_no_forecast_of_the_study(study, endless, patched, tmp_path):
    """Shorter data, longer data, or no end at all: validation and test rows are the same bits."""
    own = read_table(study, "forecasts")
    shorter = run_study(tmp_path / "s", **WARM, **ending(), data=market_of(HOURS))
    pd.testing.assert_frame_equal(read_table(shorter, "forecasts"), own, check_exact=True)
    longer = read_table(endless, "forecasts")
    longer = longer[longer["origin"] <= END].reset_index(drop=True)
    pd.testing.assert_frame_equal(longer, own, check_exact=True)


def test_the_saved_models_are_those_of_the_studys_last_fold(study, found):
    rows = way(found, "saved")
    assert set(rows["fold"]) == {read_table(study, "forecasts")["fold"].max()}
    assert set(rows["split"]) == {"later"}
    assert rows["origin"].min() == END + pd.Timedelta(hours=1)
    assert rows["origin"].nunique() == found.hours


# As it was: dvol score and the page


def test_score_and_page_give_the_same_numbers(study, found, table):
    scored = score_later(study)
    pd.testing.assert_frame_equal(
        way(found, "saved"), scored.forecasts.reset_index(drop=True), check_exact=True
    )
    saved = table[table["way"] == "saved"].drop(columns=["way", "chosen"])
    pd.testing.assert_frame_equal(
        saved.reset_index(drop=True), scored.losses.reset_index(drop=True), check_exact=True
    )
    every = scored.scores[scored.scores["jump_regime"] == "all"].set_index("model")
    squared = saved[saved["loss"] == "squared_error"].set_index("model")
    for name in ("n", "rmse", "direction"):
        assert (squared[name] == every.loc[squared.index, name]).all()
    for ours, theirs in (("loss_gain", "skill"), ("low", "skill_low"), ("high", "skill_high"),
                         ("p_value", "dm_p_value")):  # fmt: skip
        np.testing.assert_allclose(squared[ours], every.loc[squared.index, theirs], rtol=1e-12)


def test_the_command_and_a_folder_of_later_data_give_them_too(patched, study, table, tmp_path,
                                                             monkeypatch):  # fmt: skip
    """Models of a study run on shorter data, scored on a folder that goes on."""
    short = run_study(tmp_path / "short", **WARM, **ending(), data=market_of(HOURS))
    store = later_store(tmp_path / "later")
    monkeypatch.chdir(short.root)
    words = ["score", "--study", "served", "--raw", str(store), "--json"]
    told = json.loads(CliRunner().invoke(app, words).output)
    saved = table[table["way"] == "saved"].reset_index(drop=True)
    rows = pd.DataFrame(told["losses"])
    for name in ("model", "loss", "n", "loss_gain", "low", "high", "p_value", "p_holm", "rmse",
                 "rmse_persistence", "direction", "covered_90"):  # fmt: skip
        assert rows[name].tolist() == saved[name].tolist(), name
    assert pd.Timestamp(told["study_until"]) == END
    shown = CliRunner().invoke(app, words[:-1]).output
    assert "Gain over persistence by three losses" in shown


# Refitted: the study's walk gone on


def test_refits_are_the_walk_that_has_no_end(study, found, endless):
    own = average_seeds(read_table(endless, "forecasts"))
    own = own[own["origin"] > END].set_index(["model", "origin"])["y_pred"]
    rows = way(found, "refitted").set_index(["model", "origin"])["y_pred"]
    learning = [name for name in MODELS if name not in NAIVE_NAMES]
    for name in learning:
        np.testing.assert_allclose(rows[name], own[name].loc[rows[name].index], atol=1e-9)
    assert set(rows.index.get_level_values("model")) == {*learning, "persistence"}


def test_both_ways_stand_on_the_same_hours_and_part_at_the_first_month(found):
    one, two = (way(found, name).set_index(["model", "origin"]) for name in ("saved", "refitted"))
    assert [fold.start for fold in found.folds] == [REFIT]
    same = one.loc[two.index]
    early = same.index.get_level_values("origin") < REFIT
    assert (same["y_pred"][early] == two["y_pred"][early]).all()
    for name in ("har", "boosted_trees", "lstm_baseline", "ensemble"):
        late = (same["y_pred"] != two["y_pred"])[~early][name]
        assert late.mean() > 0.9, name


def test_a_study_that_fits_once_is_refitted_by_the_month(patched, tmp_path):
    models = ["persistence", "har"]
    fixed = run_study(tmp_path, models=models, training={}, walk={}, **ending(),
                      data=market_of(LATER_HOURS))  # fmt: skip
    made = after_the_study(fixed)
    assert [fold.start for fold in made.folds] == [REFIT]
    one, two = (way(made, name).query("model == 'har'") for name in ("saved", "refitted"))
    late = (one["origin"] >= REFIT).to_numpy()
    assert (one["y_pred"].to_numpy()[late] != two["y_pred"].to_numpy()[late]).all()


def test_an_input_that_ends_costs_its_own_models_hours_alone(patched, tmp_path):
    """On-chain values that stop after the study: the network has its hours, the others all."""
    store = later_store(tmp_path / "store")
    path = store / "btc_onchain_daily.csv"
    values = pd.read_csv(path)
    ended = pd.Timestamp("2021-06-17", tz="UTC")
    values.loc[pd.to_datetime(values["timestamp"], unit="ms", utc=True) > ended,
               "transfer_volume_usd"] = np.nan  # fmt: skip
    values.to_csv(path, index=False, lineterminator="\n")
    data = {"source": "raw_store", "raw_dir": str(store)}
    run = run_study(tmp_path / "run", **ending(), data=data, models=["persistence", "har",
                    "lstm_baseline"])  # fmt: skip
    made = after_the_study(run, log=lambda line: None)
    rows = after_table(made.forecasts, run, "har").query("loss == 'squared_error'")
    hours = rows.set_index(["way", "model"])["n"]
    assert (hours[:, "har"] == made.hours).all()
    assert (hours[:, "lstm_baseline"] < made.hours - 24).all()
    network = rows[rows["model"] == "lstm_baseline"]
    assert (network["rmse_persistence"] != rows.loc[rows["model"] == "har",
            "rmse_persistence"].iloc[0]).all()  # fmt: skip
    (sentence,) = page.own_hours_sentences(made.forecasts)
    assert sentence.startswith("LSTM baseline: an input ended, so the last origin is 2021-0")


# Too little to say


@pytest.mark.parametrize(("hours", "told"), [(HOURS - 160 + 24, "no hour"), (HOURS, "only ")])
def test_data_that_hardly_go_beyond_the_end_say_what_to_do(patched, tmp_path, hours, told):
    run = run_study(tmp_path, models=["persistence", "har"], training={}, **ending(),
                    data=market_of(hours))  # fmt: skip
    made = after_the_study(run)
    assert made.forecasts.empty
    assert made.last_target is None
    rows = after_table(made.forecasts, run, "har")
    assert rows.empty
    write_table(run, "after_forecasts", made.forecasts)
    write_table(run, "after", rows)
    assert after_block(run) is None
    text = page.too_few_text(run, made.hours, read_table(run, "panel")["time"].max())
    assert f": {told}" in text
    assert "this page needs 240. To see what came after the study, raise data.simulated.ho" in text
    assert page.own_hours_sentences(made.forecasts) == []


# Words


def verdict_rows(gains, p):
    """A table of one model in both ways with some gains by the three losses."""
    rows = [
        {"way": name, "model": "har", "chosen": True, "loss": loss, "loss_gain": gain,
         "low": gain - 0.01, "high": gain + 0.01, "p_value": p, "p_bartlett": p, "p_holm": p,
         "direction": 0.55, "covered_90": 0.9, "n": 500}
        for name in ("saved", "refitted")
        for loss, gain in zip(LOSSES, gains, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("gains", "p", "said"),
    [
        ((0.06, 0.04, 0.05), 0.001, "After the study too, HAR as it was is better than "
         "persistence beyond chance by squared error, absolute error and direction (skill 6.0 % "
         "after the study, 7.0 % in its test)."),
        ((0.06, 0.04, 0.05), 0.3, "This disappoints: HAR as it was is not better than persistence "
         "beyond chance by any of the three losses (skill 6.0 % after the study, 7.0 % in its "
         "test)."),
        ((-0.02, -0.01, 0.0), 0.3, "This disappoints: HAR as it was is no better than persistence, "
         "its squared error is 2.0 % larger (skill −2.0 % after the study, 7.0 % in its test)."),
    ],
)  # fmt: skip
def test_what_disappoints_is_said_so(gains, p, said):
    sentences = after_sentences(verdict_rows(gains, p), 0.95, 0.07)
    assert sentences[0] == said
    assert [text.partition(":")[0] for text in sentences[1:]] == [
        "As it was", "Refitted every month",
    ]  # fmt: skip


def test_a_part_that_lasts_is_named():
    rows = verdict_rows((0.06, 0.04, 0.05), 0.3)
    rows.loc[rows["loss"] == "direction", "p_holm"] = 0.001
    first = after_sentences(rows, 0.95, 0.07)[0]
    assert first.startswith(
        "After the study, HAR as it was is better than persistence beyond chance by direction, but "
        "not by squared error and absolute error: skill"
    )
    assert page.finding(rows, 0.95).endswith("as it was beyond chance by direction")


def test_without_a_chosen_model_nothing_is_said():
    assert after_sentences(verdict_rows((0, 0, 0), 1).assign(chosen=False), 0.95, 0.07) == []


def test_a_loss_without_a_test_is_unjudged():
    row = pd.Series({"estimate": np.nan, "low": np.nan, "high": np.nan, "p_value": np.nan})
    assert loss_verdict(row, "direction", np.nan, 0.95).verdict is Verdict.UNJUDGED


def test_gains_add_up_to_the_difference_of_squares(found, table):
    gains = page.cumulative_gains(found.forecasts)
    last = gains[(gains["way"] == "saved") & (gains["model"] == "har")]["gain"].iloc[-1]
    row = table.query("way == 'saved' and model == 'har' and loss == 'squared_error'").iloc[0]
    expected = row["n"] * (row["rmse_persistence"] ** 2 - row["rmse"] ** 2)
    assert last == pytest.approx(expected)


def test_a_gain_that_rests_on_one_day_is_said_so():
    origin = pd.date_range("2026-01-01", periods=72, freq="h", tz="UTC")
    rows = {"way": "saved", "model": "har", "origin": origin, "y_origin": 50.0, "y_true": 51.0}
    forecast = np.where(origin.day == 2, 51.0, 49.9)  # right on the second, else a little wrong
    forecasts = pd.DataFrame({**rows, "y_pred": forecast})
    assert page.best_day_sentence(forecasts, "har") == (
        "The origins of 2026-01-02 alone save 24 squared points, all other days together −10: "
        "without that day it would be behind persistence by squared error."
    )
    assert page.best_day_sentence(forecasts.assign(y_pred=49.0), "har") is None
    assert page.best_day_sentence(forecasts, None) is None


# README and verify


def test_the_readmes_block_says_up_to_when_it_reaches(written, table, tmp_path):
    block = after_block(written)
    last = table["last_origin"].max() + pd.Timedelta(hours=24)
    assert f"outcomes reach {last:%Y-%m-%d %H:%M}*" in block
    assert block.splitlines()[0].startswith("| Model | Hours | As it was: RMSE, points | Skill, %")
    assert block.count("\n| ") == len(MODELS) + 1
    readme = tmp_path / "README.md"
    marks = "<!-- results:served -->\nold\n<!-- /results -->\n"
    name = after_name("served")
    readme.write_text(f"{marks}\n<!-- results:{name} -->\nold\n<!-- /results -->\n")
    rewrite_block(readme, name, block)
    assert readme_block(readme, name) == block
    assert readme_block(readme, "served") == "old"
    readme.write_text(marks)
    with pytest.raises(ArtefactError, match="should have a line <!-- results:served:after -->"):
        rewrite_block(readme, name, block)


def test_numbers_that_do_not_come_out_again_are_found(written, found, table):
    class Judged:
        chosen = "ridge_decay"

    faults, told = verify._after(written, Judged)
    assert (faults, told) == ([], f"{found.hours:,} hours, outcomes up to 2021-07-15 20:00")
    write_table(written, "after", table.assign(rmse=table["rmse"] + 1e-6))
    faults, _ = verify._after(written, Judged)
    write_table(written, "after", table)
    assert "rmse is" in faults[0]
    assert "after.parquet says" in faults[0]
