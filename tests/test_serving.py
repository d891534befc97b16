"""Saved models at work: what they forecast, what they refuse, what they are worth later."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from market import small_jumps, small_panel, small_study
from safetensors.numpy import load_file
from served import HOURS, LATER_HOURS, SERVED, SIMPLE, later_store, run_study
from trainers import TINY
from typer.testing import CliRunner

from dvol_utils.cli import app
from dvol_utils.data.panel import build_panel
from dvol_utils.evaluation import average_seeds, score
from dvol_utils.forecasting.forecasters import checkpoint_folder, make_forecaster
from dvol_utils.forecasting.intervals import add_quantiles
from dvol_utils.jumps import jumps_by_rule
from dvol_utils.models import Restorable
from dvol_utils.models.linear import RidgeForecaster
from dvol_utils.models.lstm import LADDER
from dvol_utils.models.trees import BoostedTrees
from dvol_utils.samples.features import build_features, feature_columns, trailing_volatility
from dvol_utils.samples.samples import build_samples
from dvol_utils.serving.forecast import forecast
from dvol_utils.serving.later_scores import SCORE_COLUMNS, score_later
from dvol_utils.serving.market import changed_values
from dvol_utils.serving.saved_models import ServingError
from dvol_utils.serving.text import score_json, score_text
from dvol_utils.significance import bootstrap_interval, diebold_mariano
from dvol_utils.study.files import file_hash
from dvol_utils.study.loading import load_study
from dvol_utils.training import NetworkForecaster
from dvol_utils.training.checkpoints.networks import read_config
from dvol_utils.training.checkpoints.sealed import CheckpointError
from dvol_utils.training.checkpoints.simple_models import load_simple, save_simple

LAST = pd.Timestamp("2021-01-01", tz="UTC") + pd.Timedelta(hours=HOURS)  # of the study's panel
HOUR = pd.Timedelta(hours=1)
MODELS = SERVED["models"]


@pytest.fixture(scope="module")
def samples():
    panel, study = small_panel(), small_study()
    return build_samples(panel, small_jumps(panel, study), study)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dvol_utils.forecasting.walk.default_workers", lambda: 1)
        patch.setitem(LADDER, "lstm_baseline", TINY)
        yield run_study(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def later(study):
    return later_store(study.root / "later")


@pytest.fixture(scope="module")
def found(study, later):
    return score_later(study, raw_dir=later)


@pytest.fixture(scope="module")
def table(study):
    return pd.read_parquet(study.run_dir / "forecasts.parquet")


@pytest.fixture
def copy(study, tmp_path):
    """A study of its own to damage."""
    shutil.copytree(study.root, tmp_path / "copy", ignore=shutil.ignore_patterns("later"))
    return load_study(tmp_path / "copy/params/served.yaml")


@pytest.fixture
def raw(study, tmp_path):
    """A raw store of its own to damage, with the study's hours."""
    return Path(shutil.copytree(study.raw_dir, tmp_path / "raw"))


def edit(store, series, change):
    """Change a raw file; `timestamp` is the index, milliseconds."""
    path = store / f"btc_{series}.csv"
    change(pd.read_csv(path).set_index("timestamp")).to_csv(path, lineterminator="\n")


def opened(time):
    """The timestamp of the bar that closes at a time."""
    return int((pd.Timestamp(time) - HOUR).timestamp() * 1_000)


def dvol(*words, status=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == status, done.output
    return done.output


# What simple models leave


@pytest.mark.parametrize("name", SIMPLE)
def test_a_restored_model_forecasts_the_same_bits(samples, tmp_path, name):
    study = small_study()
    fitted, restored = make_forecaster(name, study), make_forecaster(name, study)
    fitted.fit(samples)
    save_simple(tmp_path / "x", fitted, study, model=name, fold=3)
    config = load_simple(tmp_path / "x", restored, study, model=name, fold=3)
    np.testing.assert_array_equal(restored.predict(samples), fitted.predict(samples))
    assert (config["model"], config["fold"], config["seed"]) == (name, 3, 0)
    assert (config["numbers"] > 0) == (name not in ("persistence", "seasonal_naive"))
    again = restored.state()
    assert set(again) == set(fitted.state())
    for key, value in fitted.state().items():
        np.testing.assert_array_equal(again[key], value)


def test_a_network_keeps_checkpoints_of_its_own(tmp_path):
    network = NetworkForecaster("lstm_baseline", small_study(), seed=0, checkpoint=tmp_path)
    assert not isinstance(network, Restorable)


def test_restored_trees_forecast_in_the_bits_of_those_that_grew():
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((6_000, 4)).round(1)  # many values on a threshold's edge
    target = np.sign(inputs[:, 0]) * inputs[:, 1] + rng.standard_normal(6_000)
    grown, restored = BoostedTrees(), BoostedTrees()
    grown.fit(inputs, target, rng.random(6_000))
    restored.restore(grown.state())
    asked = np.vstack([inputs, 10 * rng.standard_normal((2_000, 4))])
    np.testing.assert_array_equal(restored.predict(asked), grown.predict(asked))
    assert len(np.unique(restored.predict(asked))) > 100
    restored.fit(inputs, -target, np.ones(6_000))  # what it had taken over is forgotten
    assert restored.predict(inputs)[0] != grown.predict(inputs)[0]


@pytest.fixture
def saved(samples, tmp_path):
    ridge = RidgeForecaster(["har"])
    ridge.fit(samples)
    save_simple(tmp_path / "har", ridge, small_study(), model="har", fold=0)
    return tmp_path / "har"


ADVICE = r"; restore it, or delete \S+/har to train this model again$"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: flip(folder / "model.safetensors"),
            r"har/model\.safetensors was changed or cut short since it was written: its SHA-256 is",
        ),
        (
            lambda folder: (folder / "model.safetensors").unlink(),
            r"har/model\.safetensors: No such file or directory",
        ),
        (
            lambda folder: rewrite(folder / "config.json", '"fold": 0', '"fold": 1'),
            r"har/config\.json was changed since it was written: its content does not have the",
        ),
        (
            lambda folder: (folder / "config.json").write_text("{"),
            r"har/config\.json is damaged \(JSONDecodeError",
        ),
    ],
)
def test_damaged_files_are_refused(saved, damage, message):
    damage(saved)
    with pytest.raises(CheckpointError, match=message + ".*" + ADVICE):
        load_simple(saved, RidgeForecaster(["har"]), small_study(), model="har", fold=0)


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def rewrite(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fold": 1}, "fold is 0, this study needs 1"),
        ({"model": "har_calendar"}, "model is 'har', this study needs 'har_calendar'"),
        ({"forecaster": RidgeForecaster(["har", "clock"])}, "inputs is .*, this study needs "),
        ({"study": small_study(**{"jumps.alpha": 0.02})}, "parameters_hash is '[0-9a-f]{12}', "),
    ],
)
def test_the_model_of_another_fold_or_study_is_refused(saved, changes, message):
    wanted = {"model": "har", "fold": 0, "study": small_study()}
    wanted |= {"forecaster": RidgeForecaster(["har"])} | changes
    with pytest.raises(CheckpointError, match=r"har/config\.json: " + message):
        load_simple(saved, wanted.pop("forecaster"), wanted.pop("study"), **wanted)


# The next forecast


def test_every_fold_and_model_leaves_a_checkpoint(study, table):
    for name, seed, fold in table.groupby(["model", "seed", "fold"]).groups:
        folder = checkpoint_folder(study, name, seed, fold)
        assert (folder / "config.json").is_file(), folder
    assert set(table["fold"]) == {0, 1}


@pytest.mark.parametrize("name", MODELS)
def test_a_forecast_is_the_studys_own_to_the_bit(study, table, name):
    """At origins of the fold of validation rows and of the test's, whatever came after them."""
    for fold, place in ((0, 100), (1, 0), (1, 400)):
        origin = table.loc[table["fold"] == fold, "origin"].unique()[place]
        stored = average_seeds(table[(table["origin"] == origin) & (table["model"] == name)])
        made = forecast(study, at=origin, model=name)
        assert made["fold"] == fold
        assert made["origin"] == origin.isoformat()
        assert made["forecast"] == stored["y_pred"].item()
        assert made["dvol_now"] == stored["y_origin"].item()
        for key in ("jump_regime", "level_regime"):
            assert made[key] == stored[key].item()
        assert made["data"]["last"] == made["origin"]


def test_the_newest_hour_is_forecast_by_the_newest_models(study, later, table):
    made = forecast(study, raw_dir=later)
    last = LAST + (LATER_HOURS - HOURS) * HOUR
    assert made["origin"] == last.isoformat()
    assert made["target_time"] == (last + 24 * HOUR).isoformat()
    assert made["fold"] == 1
    assert made["fitted_before"] == table.loc[table["fold"] == 1, "origin"].min().isoformat()
    assert made["forecast"] == made["dvol_now"] + made["change_points"]
    assert made["change_percent"] == pytest.approx(100 * made["change_points"] / made["dvol_now"])
    assert made["notes"] == []
    json.dumps(made, allow_nan=False)


def test_the_model_is_chosen_on_validation_rows(study, table):
    validation = score(average_seeds(table[table["split"] == "validation"]))
    rivals = validation[validation["model"] != "persistence"].set_index("model")
    made = forecast(study)
    assert made["model"] == rivals["rmse"].idxmin()
    assert made["chosen_on_validation"]
    other = forecast(study, model="lstm_baseline")
    assert (other["model"], other["seeds"]) == ("lstm_baseline", 2)
    assert other["chosen_on_validation"] == (made["model"] == "lstm_baseline")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"at": LAST + 4 * HOUR},
            "raw: the last complete hour, 2021-06-16 16:00, is 4 hours older than 2021-06-16 20:00;"
            " at most 3 are allowed: forecast that hour with --at '2021-06-16 16:00', or raise "
            "--max-age",
        ),
        ({"now": LAST + 30 * HOUR, "max_age_hours": 29}, "is 30 hours older than"),
        (
            {"at": LAST - HOURS * HOUR},
            "2021-01-01 00:00 lies before the raw store .*, which begins at 2021-01-01 01:00",
        ),
        (
            {"at": pd.Timestamp("2021-04-01", tz="UTC")},
            "origin 2021-04-01 00:00: every saved model has learnt from later hours; choose one "
            "from 2021-04-20 00:00 on",
        ),
        ({"model": "lstm_ultra"}, "model 'lstm_ultra': study served has no forecasts of it; "),
        ({"raw_dir": Path("none")}, "none: no such folder; should hold the raw store's CSV files"),
    ],
)
def test_what_cannot_be_forecast_is_refused(study, asked, message):
    with pytest.raises(ServingError, match=message):
        forecast(study, **asked)


def test_an_age_within_the_limit_is_taken(study):
    for at in (LAST + 3 * HOUR, LAST + 29 * HOUR / 10):
        assert forecast(study, at=at, model="har")["origin"] == LAST.isoformat()


def test_an_imputed_origin_is_refused_and_the_clock_falls_back_to_the_hour_before(study, raw):
    edit(raw, "price_hourly", lambda table: table[table.index < opened(LAST)])
    message = (
        "origin 2021-06-16 16:00: its DVOL or price bar is missing; choose the last complete "
        "hour, --at '2021-06-16 15:00', or bring the missing rows"
    )
    with pytest.raises(ServingError, match=message):
        forecast(study, raw_dir=raw, at=LAST, model="lstm_baseline")
    made = forecast(study, raw_dir=raw, now=LAST, model="lstm_baseline")
    assert made["origin"] == (LAST - HOUR).isoformat()
    # A model of DVOL alone does not need that bar.
    assert forecast(study, raw_dir=raw, at=LAST, model="har")["origin"] == LAST.isoformat()
    edit(raw, "dvol_hourly", lambda table: table.drop(opened(LAST - 2 * HOUR)))
    with pytest.raises(ServingError, match="origin 2021-06-16 14:00: its DVOL bar is missing; cho"):
        forecast(study, raw_dir=raw, at=LAST - 2 * HOUR, model="har", allow_changed=True)


# A gap that the study would refuse


@pytest.fixture
def gap(tmp_path):
    """A function that drops hours of a series from a store that goes on after the study."""

    def cut(series, first, hours):
        store = later_store(tmp_path / "gap")
        begin, end = opened(first), opened(first + hours * HOUR)
        edit(store, series, lambda t: t[(t.index < begin) | (t.index >= end)])
        return store

    return cut


def test_a_gap_blocks_only_the_hours_that_look_back_on_it(study, later, gap, found):
    begin = LAST + 100 * HOUR
    store = gap("dvol_hourly", begin, 60)
    asked = {"raw_dir": store, "model": "ridge_decay"}
    for at in (LAST, begin - HOUR):
        whole = forecast(study, raw_dir=later, model="ridge_decay", at=at)
        assert forecast(study, at=at, **asked)["forecast"] == whole["forecast"]
    with pytest.raises(ServingError, match="its DVOL bar is missing; choose the last complete ho"):
        forecast(study, at=begin + 30 * HOUR, **asked)
    message = (
        "inputs are missing: gap_24h.* made from dvol_close, without values from 2021-06-20 20:00 "
        "to 2021-06-23 07:00; bring that series"
    )
    with pytest.raises(ServingError, match=message):
        forecast(study, at=begin + 70 * HOUR, **asked)
    note = (
        "DVOL has no bar from 2021-06-20 20:00 to 2021-06-23 07:00: inputs that look back on "
        "these hours rest on those beside them"
    )
    assert forecast(study, at=begin + 400 * HOUR, **asked)["notes"][0] == note
    assert forecast(study, raw_dir=store, model="persistence")["change_points"] == 0
    scored = score_later(study, raw_dir=store)
    assert not scored.left_out
    assert scored.facts["rows"] < found.facts["rows"]
    assert scored.facts["last_origin"] == found.facts["last_origin"]


@pytest.mark.parametrize("hours", [25, 60, 10_000])
def test_a_gap_of_the_price_is_nothing_to_models_of_dvol(study, later, gap, hours):
    store = gap("price_hourly", LAST + 500 * HOUR, hours)  # or its end
    for name in ("ridge_decay", "har", "persistence"):
        whole = forecast(study, raw_dir=later, model=name)
        made = forecast(study, raw_dir=store, model=name)
        assert made["origin"] == whole["origin"]
        # Hours that were filled count as imputed, and do not enter the volatility of DVOL.
        assert made["forecast"] == pytest.approx(whole["forecast"], abs=0.05)
    at = LAST + 510 * HOUR
    with pytest.raises(ServingError, match="its DVOL or price bar is missing; choose the last com"):
        forecast(study, raw_dir=store, model="lstm_baseline", at=at)


@pytest.mark.parametrize("series", ["price_hourly", "dvol_hourly"])
def test_how_long_a_gap_will_last_moves_no_forecast_within_it(study, gap, tmp_path, series):
    begin = LAST + 300 * HOUR
    store = gap(series, begin, 60)
    for hours in (10, 40) if series == "price_hourly" else (-1, 80, 400):
        at = begin + hours * HOUR
        known = shutil.copytree(store, tmp_path / f"known{hours}")
        for name in ("price_hourly", "dvol_hourly"):
            edit(known, name, lambda table, at=at: table[table.index <= opened(at)])
        for model in ("har", "persistence"):
            made = [forecast(study, raw_dir=raw, at=at, model=model) for raw in (store, known)]
            assert made[0]["forecast"] == made[1]["forecast"]
            assert made[0]["interval_90"] == made[1]["interval_90"]


def test_a_study_that_ends_before_a_gap_can_forecast_after_it(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dvol_utils.forecasting.walk.default_workers", lambda: 1)
        store = later_store(tmp_path / "store")
        begin, end = opened(LAST - 300 * HOUR), opened(LAST - 270 * HOUR)
        edit(store, "dvol_hourly", lambda t: t[(t.index < begin) | (t.index >= end)])
        end_of_study = f"{LAST - 320 * HOUR:%Y-%m-%d %H:%M}"
        data = {"source": "raw_store", "raw_dir": str(store), "end": end_of_study}
        study = run_study(tmp_path / "ended", data=data, models=SIMPLE, training={})
    made = forecast(study, now=LAST + 700 * HOUR, model="har")
    assert made["origin"] == (LAST + 700 * HOUR).isoformat()
    assert score_later(study).facts["rows"] > 300


def test_missing_inputs_are_named_and_only_matter_to_models_that_read_them(study, raw):
    edit(raw, "onchain_daily", lambda table: table[table.index < opened(LAST - 300 * HOUR)])
    message = (
        r"origin 2021-06-16 16:00: inputs are missing: transaction_volume, network_activity, nvrv, "
        r"made from transfer_volume_usd, last at 2021-06-\d\d \d\d:00; active_addresses, last at "
        r".*bring that series up to date, or choose a model that does without"
    )
    with pytest.raises(ServingError, match=message):
        forecast(study, raw_dir=raw, model="lstm_baseline")
    whole = forecast(study, model="ridge_decay")
    assert forecast(study, raw_dir=raw, model="ridge_decay")["forecast"] == whole["forecast"]


def test_too_short_a_history_is_refused(study, raw):
    start = opened(LAST - 750 * HOUR)
    edit(raw, "price_hourly", lambda table: table[table.index > opened(LAST - 370 * HOUR)])
    edit(raw, "dvol_hourly", lambda table: table[table.index > start])
    message = (
        "origin 2021-06-16 16:00: inputs are missing: dvol_rv_spread, because the history before "
        "it is too short or has a gap: the raw store begins at 2021-05-16 11:00; bring earlier"
    )
    with pytest.raises(ServingError, match=message):
        forecast(study, raw_dir=raw, model="lstm_baseline")
    assert forecast(study, raw_dir=raw, model="persistence")["change_points"] == 0
    edit(raw, "dvol_hourly", lambda table: table.tail(700))
    message = "raw: 700 hours of BTC, from 2021-05-18 13:00 to .* the inputs look back over 744: br"
    with pytest.raises(ServingError, match=message):
        forecast(study, raw_dir=raw, model="persistence")


def test_what_a_model_does_not_know_of_releases_is_a_note(study, raw, monkeypatch):
    ends = {"FOMC": LAST - 50 * HOUR, "CPI": LAST + 48 * HOUR}
    monkeypatch.setattr("dvol_utils.samples.releases.listed_until", lambda: ends)
    notes = forecast(study, model="ridge_decay")["notes"]
    assert notes == [
        "The list of releases ends before these hours do (FOMC at 2021-06-14 14:00 UTC): from "
        "there the inputs macro_ahead and macro_later take every day for one without that news. "
        "Add later days to dvol_utils/samples/releases.csv.",
        "It matters to Time-weighted ridge.",
    ]
    assert forecast(study, model="har")["notes"] == []
    later = score_later(study, raw_dir=later_store(raw)).notes
    assert "It matters to Time-weighted ridge, Boosted trees." in later


def test_another_history_is_refused_with_the_number_of_hours(study, raw):
    def shift(table):
        changed = [opened(LAST - 50 * HOUR), opened(LAST - 1_000 * HOUR)]
        table.loc[changed, [name for name in table if name.startswith("dvol")]] += 0.01
        return table

    edit(raw, "dvol_hourly", shift)
    text = "DVOL differs from the study's data in 2 of 4,000 hours that both hold, first at "
    message = f"raw: {text}2021-05-06 00:00: its models .*, run `make report STUDY=served`"
    with pytest.raises(ServingError, match=message):
        forecast(study, raw_dir=raw)
    made = forecast(study, raw_dir=raw, allow_changed=True)
    assert made["notes"] == [f"{text}2021-05-06 00:00"]


def test_inputs_that_no_longer_give_the_studys_forecasts_are_refused(study, raw):
    edit(raw, "onchain_daily", lambda table: table.assign(mvrv=table["mvrv"][::-1].to_numpy()))
    message = (
        r"lstm_baseline seed \d: forecasts \d+\.\d{3} at 2021-05-20 \d\d:00 with the data as they "
        r"are now, the study forecast \d+\.\d{3} there: inputs or checkpoints have changed since"
    )
    with pytest.raises(ServingError, match=message):
        forecast(study, raw_dir=raw, model="lstm_baseline")
    made = forecast(study, raw_dir=raw, model="ridge_decay")
    assert [note.split(" in ")[0] for note in made["notes"]] == [
        "mvrv differs from the study's data"
    ]


def test_values_that_came_later_are_no_change(study):
    then = build_panel(study.raw_dir, study.data)
    filled = then.copy()
    filled.loc[len(then) - 30 :, "mvrv"] += 1  # the end of the study's data, when it was run
    assert (changed_values(filled, then)["changed"] == 0).all()
    filled.loc[90, "mvrv"] = np.nan  # not there now: that is for those to say who need it
    filled.loc[100, "mvrv"] += 1
    table = changed_values(filled, then).set_index("column")
    assert table.loc["mvrv", "changed"] == 1
    assert table.loc["mvrv", "first_changed"] == then["time"][100]


def test_a_study_that_was_not_run_says_what_to_run(copy):
    shutil.rmtree(copy.run_dir)
    message = r"study served has not been run: \S+manifest\.json is missing; run `make report"
    with pytest.raises(ServingError, match=message):
        forecast(copy)


def test_other_parameters_are_refused_by_name(copy):
    path = copy.root / "params/served.yaml"
    other = load_study(path, {"jumps.alpha": 0.02, "training.cluster": "local"})
    message = (
        "study served: its models were fitted with other parameters: jumps.alpha is 0.02, the run "
        "had 0.01; run `make report STUDY=served` again"
    )
    with pytest.raises(ServingError, match=message):
        forecast(other)


def test_models_that_are_gone_or_damaged_are_refused(copy):
    folder = checkpoint_folder(copy, "har", 0, 1)
    flip(folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="was changed or cut short since it was written"):
        forecast(copy, model="har")
    shutil.rmtree(folder)
    message = r"har/1-0 holds no fitted model: delete \S+/03_lstm_training\.ipynb and run `make"
    with pytest.raises(ServingError, match=message):
        forecast(copy, model="har")


@pytest.mark.parametrize("raw_dir", ["as it was", "later months"])
def test_weights_of_another_network_are_named(copy, later, raw_dir, monkeypatch):
    """Whole and sealed as they are; with later months alone there is nothing to compare with."""
    mine, other = (checkpoint_folder(copy, "lstm_baseline", 1, 1 - fold) for fold in (0, 1))
    expected, found = (file_hash(path / "model.safetensors") for path in (mine, other))
    mark = read_config(other)["fingerprint"]
    shutil.rmtree(mine)
    shutil.copytree(other, mine)
    raw = copy.raw_dir
    if raw_dir == "later months":
        raw = Path(shutil.copytree(later, copy.root / "months"))
        for series in ("dvol_hourly", "price_hourly"):
            edit(raw, series, lambda table: table[table.index >= opened(LAST - 1_000 * HOUR)])
    fact = (
        f"{mine / 'model.safetensors'}: its SHA-256 is {found[:12]}..., the run's forecasts of "
        f"lstm_baseline seed 1, fold 1, were made by {expected[:12]}...: it is that of "
        f"lstm_baseline seed 1, fold 0, fingerprint {mark[:12]}..."
    )
    asked = {"model": "lstm_baseline", "raw_dir": raw}
    message = re.escape(f"{fact}; restore it, or run `make report STUDY=served`")
    with pytest.raises(ServingError, match=message):
        forecast(copy, **asked)
    made = forecast(copy, **asked, allow_changed=True)
    assert fact in made["notes"]
    monkeypatch.chdir(copy.root)
    words = ["forecast", "--study", "served", "--model", "lstm_baseline", "--raw", raw]
    words.append("--allow-changed")
    assert fact in dvol(*words)
    assert fact in json.loads(dvol(*words, "--json"))["notes"]


def test_weights_of_another_network_are_named_beside_scores(copy, later):
    mine, other = (checkpoint_folder(copy, "lstm_baseline", seed, 1) for seed in (0, 1))
    shutil.rmtree(mine)
    shutil.copytree(other, mine)
    with pytest.raises(
        ServingError, match=r"1-0/model\.safetensors: its SHA-256 is .*seed 1, fold 1"
    ):
        score_later(copy, raw_dir=later, first=LAST + 300 * HOUR)
    found = score_later(copy, raw_dir=later, first=LAST + 300 * HOUR, allow_changed=True)
    assert any("1-0/model.safetensors: its SHA-256 is " in note for note in found.notes)


def test_other_code_than_the_runs_is_a_note(study, later, monkeypatch):
    """Of the whole run, by its commit, and of what a model learns by."""
    monkeypatch.setattr("dvol_utils.study.made_by.git_commit", lambda root: "a" * 40)
    marks = {"models/linear.py": "0"}
    monkeypatch.setattr("dvol_utils.serving.changed_models.simple_code", lambda model: marks)
    expected = [
        "the run was made by other code (not under version control) than this (aaaaaaaaaaaa)",
        "fitted when the code was another one (models/decay.py, ",
    ]
    made = forecast(study, model="har")
    for note, start in zip(made["notes"], expected, strict=True):
        assert note.startswith(start)
    assert made["notes"][1].endswith(": HAR")
    notes = score_later(study, raw_dir=later, first=LAST + 300 * HOUR).notes
    assert expected[0] in notes
    assert any(note.startswith("fitted when") and "HAR + calendar" in note for note in notes)
    assert not any("LSTM" in note for note in notes)


def test_published_rules_give_no_forecast_to_use(copy):
    path = copy.root / "params/served.yaml"
    path.write_text(yaml.safe_dump({**SERVED, "jumps": {"rule": "published"}}))
    rewrite(copy.run_dir / "manifest.json", '"rule": "lee_mykland"', '"rule": "published"')
    message = r"published rules that use more than is known at the origin \(jumps\.rule\)"
    with pytest.raises(ServingError, match=message):
        forecast(load_study(path))


def test_the_command_prints_text_or_json(study, later, monkeypatch):
    monkeypatch.chdir(study.root)
    words = ["forecast", "--study", "served", "--raw", later, "--model", "har"]
    made = forecast(study, raw_dir=later, model="har")
    assert json.loads(dvol(*words, "--json")) == made
    shown = dvol(*words)
    assert shown.startswith("DVOL of BTC 24 hours ahead, study served, simulated market\n")
    change = f"{made['change_points']:+.2f} points, {made['change_percent']:+.2f} %"
    assert f"DVOL {made['forecast']:.2f}   ({change})" in shown
    refused = dvol(*words, "--at", "noon", status=2)
    assert refused == (
        "dvol: --at: found 'noon'; should be ISO 8601, such as 2024-11-22 05:00 (UTC), "
        "2024-11-22T05:00+02:00 or 2024-11-22, or now\n"
    )
    early = json.loads(dvol(*words, "--at", "2021-06-10 14:30+02:00", "--json"))
    assert early["origin"] == "2021-06-10T12:00:00+00:00"


# Later months


def test_scores_of_later_months_are_those_by_hand(study, later, found):
    """HAR written out: stored coefficients, features of the whole store, points, errors."""
    state = load_file(checkpoint_folder(study, "har", 0, 1) / "model.safetensors")
    panel = build_panel(later, study.data)
    jumps = jumps_by_rule(panel, study.jumps)
    features = build_features(panel, jumps, study)[feature_columns(["har"])].clip(-6, 6)
    frame = panel.set_index("time")
    flags = jumps.set_index("time")
    scale = 24**0.5 * trailing_volatility(frame, flags, 240)
    standard = (features - state["mean"]) / state["scale"]
    change = standard @ state["coefficients"] + state["intercept"][0]
    level = frame["dvol_close"]
    rows = (level.index > LAST) & (level.index <= level.index[-1] - 24 * HOUR)
    outcome, predicted = level.shift(-24)[rows], (level * np.exp(change * scale))[rows]
    error, naive = outcome - predicted, outcome - level[rows]
    har = found.scores.set_index(["jump_regime", "model"]).loc[("all", "har")]
    assert har["n"] == rows.sum() == LATER_HOURS - HOURS - 24
    assert har["rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-9)
    assert har["skill"] == pytest.approx(1 - (error**2).sum() / (naive**2).sum(), rel=1e-9)
    assert har["mae"] == pytest.approx(error.abs().mean(), rel=1e-9)


def test_all_models_are_scored_on_the_same_hours_by_regime(found):
    assert list(found.scores) == list(SCORE_COLUMNS)
    counts = found.scores.groupby("jump_regime", sort=False)["n"].unique()
    assert list(counts.index) == ["all", "normal", "jump"]
    assert all(len(numbers) == 1 for numbers in counts)
    assert counts["all"][0] == counts["normal"][0] + counts["jump"][0]
    every = found.scores[found.scores["jump_regime"] == "all"]
    assert every["model"].tolist() == MODELS
    assert found.left_out == {}
    assert found.notes == []
    assert found.facts["first_origin"] == (LAST + HOUR).isoformat()


def test_intervals_and_tests_are_those_of_the_significance_page(study, found):
    rows = found.forecasts
    settings = study.significance
    draws = {"block_hours": settings.block_hours, "reps": settings.reps, "seed": settings.seed}
    bounds = bootstrap_interval(rows, "skill", **draws).set_index("model").loc["har"]
    har = found.scores.set_index(["jump_regime", "model"]).loc[("all", "har")]
    assert (har["skill_low"], har["skill_high"]) == (bounds["low"], bounds["high"])
    loss = (rows["y_true"] - rows["y_pred"]) ** 2
    losses = [loss[rows["model"] == name].to_numpy() for name in ("har", "persistence")]
    for name, way in (("dm_p_value", "periodogram"), ("dm_p_bartlett", "bartlett")):
        expected = diebold_mariano(*losses, horizon=24, variance=way)[1]
        assert har[name] == pytest.approx(expected)
    jump = found.scores.set_index(["jump_regime", "model"]).loc[("jump", "har")]
    assert jump["skill_low"] < jump["skill"] < jump["skill_high"]
    assert jump[["dm_p_value", "dm_p_bartlett"]].isna().all()


def test_scoring_is_the_forecast_of_each_hour(study, later, found):
    rows = found.forecasts.set_index(["model", "origin"])["y_pred"]
    for name in ("har_calendar", "boosted_trees", "lstm_baseline"):
        for origin in found.forecasts["origin"].unique()[[0, 333]]:
            made = forecast(study, raw_dir=later, at=origin, model=name)
            assert made["forecast"] == pytest.approx(rows[name, origin], abs=1e-12)


def test_nothing_is_fitted_again(study, later, monkeypatch):
    def refuse(self, *args):
        raise AssertionError("fitted")

    for kind in (RidgeForecaster, BoostedTrees, NetworkForecaster):
        monkeypatch.setattr(kind, "fit", refuse)
    files = [path for path in study.run_dir.rglob("*") if path.is_file()]
    before = {path: (file_hash(path), path.stat().st_mtime_ns) for path in files}
    score_later(study, raw_dir=later, first=LAST + 300 * HOUR)
    forecast(study, raw_dir=later)
    after = [path for path in study.run_dir.rglob("*") if path.is_file()]
    assert {path: (file_hash(path), path.stat().st_mtime_ns) for path in after} == before


def test_hours_that_the_models_learnt_from_are_no_test(study, later):
    early = pd.Timestamp("2021-05-15", tz="UTC")
    message = (
        "--from 2021-05-15 00:00: the newest models have seen outcomes up to 2021-05-20 00:00, so "
        "earlier hours are no test; begin there, or pass --in-sample"
    )
    with pytest.raises(ServingError, match=message):
        score_later(study, first=early)
    found = score_later(study, first=early, last=early + 100 * HOUR, in_sample=True)
    assert found.notes[0].startswith("NOT OUT OF SAMPLE: the models have seen outcomes up to 2021")
    assert found.notes[-1] == "101 hours carry no interval and no test; 240 would"
    assert found.scores["skill_low"].isna().all()
    assert found.scores[["dm_p_value", "dm_p_bartlett"]].isna().all(axis=None)


def test_the_studys_own_test_rows_give_its_own_scores(study, table):
    first = pd.Timestamp("2021-05-20", tz="UTC")
    found = score_later(study, first=first)
    assert found.notes == ["hours up to 2021-06-16 16:00 are in the study's own test rows too"]
    own = score(average_seeds(table[table["split"] == "test"])).set_index("model")
    again = found.scores[found.scores["jump_regime"] == "all"].set_index("model")
    pd.testing.assert_frame_equal(again[list(own)], own, check_exact=True)


def test_a_store_without_later_hours_is_refused(study):
    message = (
        "no hour from 2021-06-16 17:00 can be scored: .*raw holds BTC from 2021-01-01 01:00 to "
        "2021-06-16 16:00. The last 24 hours have no outcome yet"
    )
    with pytest.raises(ServingError, match=message):
        score_later(study)


def test_later_months_alone_are_enough_after_a_warm_up(study, later, found, tmp_path):
    store = Path(shutil.copytree(later, tmp_path / "months"))
    start = opened(LAST - 1_000 * HOUR)
    for series in ("dvol_hourly", "price_hourly"):
        edit(store, series, lambda table: table[table.index >= start])
    late = score_later(study, raw_dir=store, first=LAST + HOUR)
    assert late.facts["rows"] == found.facts["rows"]
    assert "1,001 hours of history, the study's longest window is 1,440" in late.notes[0]
    one, two = (part.forecasts.set_index(["model", "origin"])["y_pred"] for part in (late, found))
    simple = [name for name in MODELS if name != "lstm_baseline"]
    np.testing.assert_allclose(one[simple], two[simple], rtol=1e-9)
    np.testing.assert_allclose(one["lstm_baseline"], two["lstm_baseline"], rtol=0.01)
    edit(store, "dvol_hourly", lambda table: table[table.index > opened(LAST)])
    edit(store, "price_hourly", lambda table: table[table.index > opened(LAST)])
    with pytest.raises(ServingError, match=r"months: 700 hours of BTC, from .*; the inputs look"):
        score_later(study, raw_dir=store)


def test_another_index_is_scored_by_the_models_that_can_read_it(study, tmp_path):
    store = later_store(tmp_path / "eth", asset="ETH")
    whole = score_later(study, raw_dir=store, asset="ETH")
    assert whole.left_out == {}
    assert whole.notes == ["the models were fitted on BTC, not on ETH"]
    for path in store.glob("eth_*"):
        if "dvol" not in path.name:
            path.unlink()
    found = score_later(study, raw_dir=store, asset="ETH")
    assert found.left_out == {
        "lstm_baseline": "inputs are not in the raw store: transaction_volume, network_activity, "
        "nvrv and 1 more"
    }
    assert found.facts["asset"] == "ETH"
    scores = found.scores[found.scores["jump_regime"] == "all"]
    assert scores["model"].tolist() == SIMPLE
    one, two = (part.forecasts.set_index(["model", "origin"])["y_pred"] for part in (whole, found))
    pd.testing.assert_series_equal(one[SIMPLE], two[SIMPLE])


def test_the_keys_are_the_documented_ones(study, found):
    text = (Path(__file__).parents[1] / "docs/forecast.md").read_text()
    for before, told in (
        ("The JSON object has the keys ", forecast(study)),
        ("prints it with all the rest: ", score_json(found)),
    ):
        keys = re.search(f"{before}`([^`]+)`", text)[1]
        assert sorted(keys.split(", ")) == sorted(told)
    row = text[text.index("A row of `scores`") :]
    assert set(re.findall(r"\w+", row)) >= set(SCORE_COLUMNS)


def test_the_command_scores_into_a_file(study, later, found, tmp_path, monkeypatch):
    monkeypatch.chdir(study.root)
    words = ["score", "--study", "served", "--raw", later]
    output = tmp_path / "scores.csv"
    told = json.loads(dvol(*words, "--json", "--output", output))
    written = pd.read_csv(output)
    assert list(written) == list(SCORE_COLUMNS)
    pd.testing.assert_frame_equal(written, found.scores, check_exact=False, rtol=1e-12)
    assert {key: told[key] for key in found.facts} == found.facts
    assert told["scores"][0]["dm_p_value"] is None
    assert [row["skill"] for row in told["scores"]] == found.scores["skill"].tolist()
    shown = dvol(*words)
    assert "fold 1; nothing was fitted again" in shown
    assert re.search(r"^All hours, 676$", shown, re.M)
    assert re.search(r"^ *Persistence +0\.0 ", shown, re.M)
    assert re.search(r" DM p +DM p, Bartlett$", shown, re.M)
    assert dvol(*words, "--to", "2021-06-01", status=2).startswith("dvol: no hour from 2021-06-16")


def test_what_comes_after_the_moment_moves_no_forecast(study, later, tmp_path):
    at = LAST + 200 * HOUR
    store = Path(shutil.copytree(later, tmp_path / "other"))
    for series in ("dvol_hourly", "price_hourly", "funding_8h", "onchain_daily"):
        edit(store, series, lambda table: table.mul(1 + 0.1 * (table.index > opened(at)), axis=0))
    assert not build_panel(store, study.data).equals(build_panel(later, study.data))
    for name in ("boosted_trees", "lstm_baseline"):
        one, two = (forecast(study, raw_dir=raw, at=at, model=name) for raw in (later, store))
        assert one["forecast"] == two["forecast"]
    one, two = (forecast(study, raw_dir=raw, at=at + HOUR) for raw in (later, store))
    assert one["forecast"] != two["forecast"]


@pytest.mark.parametrize("factor", [0.4, 3.0])
def test_a_jump_after_the_moment_makes_no_tick_of_the_origin(study, later, tmp_path, factor):
    at = LAST + 200 * HOUR
    store = Path(shutil.copytree(later, tmp_path / "other"))
    after = opened(at + HOUR)
    change = lambda table: table.mul(1 + (factor - 1) * (table.index >= after), axis=0)  # noqa: E731
    edit(store, "dvol_hourly", change)
    one, two = (forecast(study, raw_dir=raw, at=at) for raw in (later, store))
    assert (one["forecast"], one["notes"]) == (two["forecast"], two["notes"])


def test_a_wrong_tick_in_later_data_is_told(study, later, tmp_path):
    store = Path(shutil.copytree(later, tmp_path / "other"))
    at = opened(LAST + 200 * HOUR)
    edit(store, "dvol_hourly", lambda table: table.mul(1 + 0.5 * (table.index == at), axis=0))
    for made in (score_later(study, raw_dir=store).notes, forecast(study, raw_dir=store)["notes"]):
        told = [note for note in made if "looks wrong" in note]
        assert len(told) == 1
        assert told[0].startswith("btc_dvol_hourly.csv, line ")
        assert "the bar after it opens at" in told[0]
    told = score_text(score_later(study, raw_dir=store))
    assert told.startswith("doubtful: btc_dvol_hourly.csv, line ")
    assert told.count("looks wrong") == 1
    found = score_later(study, raw_dir=later)
    assert not any("looks wrong" in note for note in found.notes)
    assert score_text(found).startswith("Saved models of study")
    with pytest.raises(
        ServingError, match=r"btc_dvol_hourly\.csv, line \d+ .* looks wrong: .* mend"
    ):
        forecast(study, raw_dir=store, at=LAST + 200 * HOUR)


# Where the package has them: an ensemble, and quantiles


def test_the_ensemble_is_the_studys_own(tmp_path):
    pytest.importorskip("dvol_utils.forecasting.combination")
    models = ["persistence", "har", "har_calendar", "ridge_decay", "ensemble"]
    study = run_study(tmp_path / "run", models=models, training={})
    table = pd.read_parquet(study.run_dir / "forecasts.parquet")
    own = table[table["model"] == "ensemble"].set_index("origin")
    for place in (0, 200):
        for fold in (0, 1):
            stored = own[own["fold"] == fold].iloc[place]
            made = forecast(study, at=stored.name, model="ensemble")
            assert made["forecast"] == pytest.approx(stored["y_pred"], abs=1e-9)
    again = score_later(study, first=own.index[own["fold"] == 1][0])
    rows = again.forecasts[again.forecasts["model"] == "ensemble"].set_index("origin")
    expected = own.loc[rows.index, "y_pred"]
    np.testing.assert_allclose(rows["y_pred"], expected, atol=1e-9)


def test_the_command_draws_nothing_and_so_loads_no_matplotlib(study):
    script = (
        "import sys; from dvol_utils.cli import app; app(sys.argv[1:], standalone_mode=False); "
        "print([name for name in ('matplotlib', 'IPython') if name in sys.modules])"
    )
    file = study.root / "params/served.yaml"
    words = ("forecast", "--study", str(file), "--model", "har", "--at", str(LAST))
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True
    )
    assert "DVOL of BTC 24 hours ahead" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_quantiles_are_those_of_the_whole_table(study, table, later):
    panel = build_panel(study.raw_dir, study.data)
    samples = build_samples(panel, jumps_by_rule(panel, study.jumps), study)
    whole = add_quantiles(table, samples, study.uncertainty)
    origin = table["origin"].max()
    expected = average_seeds(whole[(whole["origin"] == origin) & (whole["model"] == "har")]).iloc[0]
    made = forecast(study, at=origin, model="har")
    assert made["median"] == pytest.approx(expected["q50"])
    assert made["interval_50"] == pytest.approx([expected["q25"], expected["q75"]])
    assert made["interval_90"] == pytest.approx([expected["q05"], expected["q95"]])
    newest = forecast(study, raw_dir=later, model="har")
    (low, high), (lower, higher) = newest["interval_50"], newest["interval_90"]
    assert lower < low < newest["median"] < high < higher
