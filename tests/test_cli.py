from __future__ import annotations

import re
import signal

import pytest
from typer.testing import CliRunner

from dvol_utils.cli import app
from dvol_utils.report import execute
from dvol_utils.results.headline import markdown_table
from dvol_utils.results.results_json import read_results
from dvol_utils.study.files import read_json, write_json
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import ParameterError
from dvol_utils.study.tables import read_table, write_table

BLOCK = "<!-- results:tiny -->\n{}\n<!-- /results -->\n"


def dvol(*words, status=0):
    """What a command prints; anything but an expected error is raised."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == status, done.output
    return done.output


@pytest.fixture
def study(finished):
    return load_study("tiny")


@pytest.fixture
def executed(monkeypatch):
    """What `dvol notebook` would have run."""
    calls = []

    def note(source, target, *, study, overrides):
        calls.append((str(source), str(target), study, overrides))

    monkeypatch.setattr(execute, "execute_notebook", note)
    return calls


def test_params_shows_every_parameter_with_its_meaning(tmp_project):
    shown = dvol("params", "--study", "tiny", "--set", "training.epochs=3")
    assert re.search(r"^training\.epochs +3\n +most passes over the training rows; ", shown, re.M)


def test_params_says_what_has_no_effect(tmp_project):
    shown = dvol("params", "--study", "tiny", "--set", "models=[persistence, har, lstm_tuned]")
    reason = (
        "without effect here: reaches lstm_baseline, lstm_large, lstm_ultra; the study has "
        "persistence, har, lstm_tuned; see networks.lstm_tuned.epochs"
    )
    assert re.search(rf"^training\.epochs +100\n .+\n +{re.escape(reason)}$", shown, re.M)
    assert re.search(r"^training\.batch_size +32\n .+\n\S", shown, re.M)


def test_notebook_passes_settings_on(tmp_project, executed):
    (tmp_project / "my raw").mkdir()
    dvol("notebook", "n.ipynb", "--study", "tiny", "--output", "o.ipynb", "--raw", "my raw",
         "--set", "data.source=raw_store", "--set", "training.epochs=3")  # fmt: skip
    overrides = {
        "data.source": "raw_store",
        "training.epochs": 3,
        "data.raw_dir": "my raw",
    }
    assert executed == [("n.ipynb", "o.ipynb", "tiny", overrides)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--study", "none"], "no study 'none' there; it holds: tiny"),
        (["--study", "tiny", "--set", "epochs"], "override 'epochs': should read key=value"),
        (["--study", "tiny", "--set", "epochs=3"], "epochs: unknown key; valid keys here: name,"),
        (["--study", "tiny", "--raw", "."], "was given, but data.source is simulated; choose"),
        (
            ["--study", "tiny", "--set", "data.source=raw_store", "--raw", "none"],
            "none: no such folder; should hold the raw store's CSV files",
        ),
    ],
)
@pytest.mark.parametrize("command", ["notebook", "params"])
def test_bad_settings_are_one_message(tmp_project, executed, command, words, message):
    more = ["n.ipynb", "--output", "o.ipynb"] if command == "notebook" else []
    shown = dvol(command, *more, *words, status=2)
    assert shown.startswith("dvol: ")
    assert message in shown
    assert "Traceback" not in shown
    assert executed == []


def test_site_is_built_and_named(study):
    assert dvol("site", "--study", "tiny") == f"site: {study.report_dir}/index.html\n"
    assert (study.report_dir / "index.html").is_file()


def test_site_without_a_run_names_the_command(tmp_project):
    shown = dvol("site", "--study", "tiny", status=2)
    assert shown.endswith("results.json is missing: run `make report STUDY=tiny`\n")


def test_readme_and_verify_agree(study):
    readme = study.root / "README.md"
    readme.write_text(BLOCK.format("old"))
    assert re.search("^README +FAILED  README.md: other results; run `dvol readme --study tiny`$",
                     dvol("verify", "--study", "tiny", status=1), re.M)  # fmt: skip
    dvol("readme", "--study", "tiny")
    assert readme.read_text() == BLOCK.format(markdown_table(read_results(study), 0.95))
    picture = study.root / "docs/skill-tiny.svg"
    first = picture.read_bytes()
    assert b"<svg" in first
    dvol("readme", "--study", "tiny")
    assert picture.read_bytes() == first
    assert "FAILED" not in dvol("verify", "--study", "tiny")


def test_readme_without_a_place_is_refused(study):
    assert "no place for the table" in dvol("readme", "--study", "tiny", status=2)


def test_verify_of_a_sound_run(study):
    lines = dvol("verify", "--study", "tiny").splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == [
        "scores",
        "claims",
        "parameters",
        "raw files",
        "notebooks",
        "README",
    ]
    assert all(re.match(r".{10}  ok ", line) for line in lines)
    assert "7 models, 300 test hours scored again" in lines[0]
    assert "1 of 1 recorded files are there, unchanged" in lines[3]


def test_verify_without_a_run_is_refused(tmp_project):
    assert "results.json is missing: run `make" in dvol("verify", "--study", "tiny", status=2)


def change_number(study, difference):
    results = read_json(study.run_dir / "results.json")
    results["models"]["har"]["rmse"]["estimate"] += difference
    write_json(study.run_dir / "results.json", results)


def test_verify_allows_rounding(study):
    change_number(study, 1e-10)
    assert "FAILED" not in dvol("verify", "--study", "tiny")


def nudged_number(study):
    change_number(study, 1e-8)


def absent_number(study):
    results = read_json(study.run_dir / "results.json")
    results["models"]["har"]["r2"]["estimate"] = None
    write_json(study.run_dir / "results.json", results)


def absent_model(study):
    results = read_json(study.run_dir / "results.json")
    del results["models"]["har"]
    write_json(study.run_dir / "results.json", results)


def other_rows(study):
    results = read_json(study.run_dir / "results.json")
    results["test"]["rows"] = 299
    write_json(study.run_dir / "results.json", results)


def other_forecasts(study):
    forecasts = read_table(study, "forecasts")
    forecasts.loc[forecasts["model"] == "har", "y_pred"] += 0.01
    write_table(study, "forecasts", forecasts)


def damaged_forecasts(study):
    (study.run_dir / "forecasts.parquet").write_bytes(b"PAR1")


def other_parameters(study):
    path = study.root / "params/tiny.yaml"
    path.write_text(path.read_text().replace("seed: 3", "seed: 4"))


def other_hash(study):
    results = read_json(study.run_dir / "results.json")
    write_json(study.run_dir / "results.json", results | {"parameters_hash": "0123456789ab"})


def other_raw_file(study):
    with (study.raw_dir / "btc_dvol_hourly.csv").open("a") as file:
        file.write("3600000,51\n")


def no_raw_files(study):
    manifest = read_json(study.run_dir / "manifest.json")
    del manifest["stages"]["01_data_preparation"]
    write_json(study.run_dir / "manifest.json", manifest)


def incomplete_notebook(study):
    path = study.run_dir / "notebooks/02_jump_detection.ipynb"
    path.write_text(path.read_text().replace('"execution_count": 3', '"execution_count": null'))


@pytest.mark.parametrize(
    ("spoil", "check", "detail"),
    [
        (nudged_number, "scores", r"har: rmse is 1\.\d+, results\.json says 1\.\d+$"),
        (absent_number, "scores", r"har: r2 is 0\.\d+, results\.json says nan$"),
        (absent_model, "scores", "har: in one of results.json and forecasts.parquet only"),
        (other_rows, "scores", "persistence: 300 test rows, results.json says 299; "),
        (other_forecasts, "scores", "har: r2 is "),
        (damaged_forecasts, "scores", "forecasts.parquet is damaged"),
        (other_parameters, "parameters", "data.simulated.seed is 4, the run had 3$"),
        (other_hash, "parameters", "results.json says parameters 0123456789ab, those of the run"),
        (other_raw_file, "raw files", "btc_dvol_hourly.csv has changed since the run"),
        (no_raw_files, "raw files", "manifest.json records no raw file"),
        (incomplete_notebook, "notebooks", "02_jump_detection.ipynb is not complete: cell 4 was"),
    ],
)
def test_verify_finds_what_is_wrong_and_nothing_else(study, spoil, check, detail):
    spoil(study)
    lines = dvol("verify", "--study", "tiny", status=1).splitlines()
    failed = [line for line in lines if line[12:].startswith("FAILED")]
    assert len(failed) == 1
    assert failed[0].startswith(f"{check:<10}  FAILED")
    assert re.search(detail, failed[0])


@pytest.mark.parametrize("command", ["verify", "site"])
def test_a_run_of_another_commit_is_said_in_one_line(study, monkeypatch, command):
    def told():
        return [line for line in dvol(command, "--study", "tiny").splitlines() if "code" in line]

    assert told() == []
    monkeypatch.setattr("dvol_utils.study.made_by.git_commit", lambda root: "a" * 40)
    (line,) = told()
    note = "the run was made by other code (not under version control) than this (aaaaaaaaaaaa)"
    assert line == {"verify": f"code        note    {note}", "site": f"site: {note}"}[command]


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("command", ["verify", "forecast", "score"])
def test_a_trial_that_nobody_has_made_is_named_with_its_command(command):
    shown = dvol(command, "--study", "tiny", "--set", "training.epochs=3", status=2)
    assert "no such trial; it is made by `make report STUDY=tiny SET='training.epochs=3'`" in shown


def test_raw_files_that_are_gone_are_no_failure(study):
    (study.raw_dir / "btc_dvol_hourly.csv").unlink()
    assert "0 of 1 recorded files are there" in dvol("verify", "--study", "tiny")


@pytest.fixture
def trained(monkeypatch):
    """What `dvol train` would have trained."""
    calls = []

    def note(study, model, **settings):
        calls.append((study.training.devices, study.training.lr_scaling, model, settings))
        return {
            "parameter_count": 212_609,
            "best_epoch": 3,
            "epochs": 9,
            "validation_loss": 1.25,
            "arithmetic": "float32",
            "folder": "folder",
        }

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("dvol_utils.forecasting.train_command.train_network", note)
    yield calls
    signal.signal(signal.SIGTERM, before)


def test_train_passes_everything_on(tmp_project, trained):
    shown = dvol("train", "--study", "tiny", "--model", "lstm_ultra", "--seed", "1", "--devices",
                 "4", "--no-resume", "--nnodes", "2", "--rendezvous", "first:29500",
                 "--set", "training.lr_scaling=conservative")  # fmt: skip
    settings = {"seed": 1, "fresh": True, "nnodes": 2, "rendezvous": "first:29500"}
    assert trained == [(4, "conservative", "lstm_ultra", settings)]
    assert shown == (
        "train: lstm_ultra seed 1, 212,609 parameters, best epoch 3 of 9, validation loss 1.2500, "
        "in float32: folder\n"
    )


@pytest.mark.parametrize(("more", "own"), [((), True), (("--set", "training.epochs=7"), False)])
def test_other_devices_are_no_trial(tmp_project, monkeypatch, more, own):
    """The study's report takes the network; with other settings it is a trial's."""
    folders = []

    def note(study, *_, **__):
        folders.append(study.run_dir)
        raise ParameterError("enough")

    monkeypatch.setattr("dvol_utils.forecasting.train_command.train_network", note)
    words = ("train", "--study", "tiny", "--model", "lstm_large", *more)
    for devices in ((), ("--devices", "2")):
        dvol(*words, *devices, status=2)
    assert folders[0] == folders[1]
    assert (folders[0].name == "tiny") == own


def test_train_goes_on_unless_told_otherwise(tmp_project, trained):
    dvol("train", "--study", "tiny", "--model", "lstm_large")
    settings = {"seed": 0, "fresh": False, "nnodes": 1, "rendezvous": None}
    assert trained == [("auto", "none", "lstm_large", settings)]


def test_train_says_that_the_report_will_not_show_a_seed(tmp_project, trained):
    shown = dvol("train", "--study", "tiny", "--model", "lstm_large", "--seed", "7")
    assert shown.startswith("train: seed 7 is not in training.seeds [0, 1], so the study's report")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "har"], "model 'har': no network; should be one of lstm_baseline, lstm_large"),
        (["--model", "lstm_large", "--devices", "two"], "training.devices"),
        (["--model", "lstm_large", "--devices", "0"], "greater than or equal to 1"),
    ],
)
def test_train_refuses_what_it_cannot_do(tmp_project, words, message):
    shown = dvol("train", "--study", "tiny", *words, status=2)
    assert shown.startswith("dvol: ")
    assert message in shown


def test_train_help_needs_no_manual():
    shown = " ".join(
        dvol("train", "--help").replace("\N{BOX DRAWINGS LIGHT VERTICAL}", " ").split()
    )
    for words in ("--model", "--seed", "--devices", "--no-resume", "--nnodes", "HOST:PORT",
                  "goes on from the last kept epoch", "make monitor",
                  "dvol train --study bitcoin --model lstm_ultra",
                  "--devices 4 --nnodes 2 --rendezvous first-machine:29500",
                  "--set training.lr_scaling=conservative"):  # fmt: skip
        assert words in shown


def test_train_makes_panel_and_jumps_where_there_are_none(tmp_project):
    before = signal.getsignal(signal.SIGTERM)
    short = ("evaluation.level_window_hours", "features.scaling_window_hours",
             "target.volatility_window_hours")  # fmt: skip
    settings = ["training.epochs=1", *(f"{key}=240" for key in short)]
    settings += ["split.validation_start=2021-03-05", "split.test_start=2021-03-15"]
    words = [word for setting in settings for word in ("--set", setting)]
    shown = dvol("train", "--study", "tiny", "--model", "lstm_baseline", *words)
    signal.signal(signal.SIGTERM, before)
    assert re.match(r"train: lstm_baseline seed 0 on \w+: (float32|bfloat16) \(.+\)\n", shown)
    assert re.search(r"^train: lstm_baseline seed 0, 212,609 parameters, best epoch 1 of 1, "
                     r"validation loss \d\.\d+, in \w+: "
                     r"\S+/runs/tiny/trials/\w+/checkpoints/lstm_baseline/0-0$",
                     shown, re.M)  # fmt: skip
    (folder,) = tmp_project.glob("runs/tiny/trials/*/checkpoints/lstm_baseline/0-0")
    assert (folder / "model.safetensors").is_file()
    assert not (tmp_project / "runs/tiny/panel.parquet").exists()
