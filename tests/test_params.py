from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from study_files import TINY_STUDY

from dvol_utils.study.effective import describe, effective, parameters_hash
from dvol_utils.study.loading import load_study, study_from
from dvol_utils.study.model_names import MODEL_NAMES
from dvol_utils.study.params import ParameterError, StudyParams

HOME = Path(__file__).parents[1]


def load_text(folder: Path, text: str) -> StudyParams:
    path = folder / "s.yaml"
    path.write_text(text, encoding="utf-8")
    return load_study(path)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(ParameterError) as caught:
        load_text(tmp_path, text)
    return str(caught.value).replace(f"{tmp_path}/", "")


def tiny(**changes) -> str:
    return yaml.safe_dump(TINY_STUDY | changes)


SPLIT = TINY_STUDY["split"]

REFUSED = {
    "unknown key": (
        tiny(horizon=24),
        f"s.yaml: horizon: unknown key; valid keys here: {', '.join(StudyParams.model_fields)}",
    ),
    "unknown nested key": (
        tiny(target={"horizon": 24}),
        "s.yaml: target.horizon: unknown key; valid keys here: horizon_hours, "
        "volatility_window_hours, kind, scaled_at",
    ),
    "unknown key two levels down": (
        tiny(data={"simulated": {"hour": 2000}}),
        "s.yaml: data.simulated.hour: unknown key; valid keys here: start, hours, seed",
    ),
    "missing key": (
        yaml.safe_dump({key: value for key, value in TINY_STUDY.items() if key != "title"}),
        "s.yaml: title: missing; it has no default",
    ),
    "text for a number": (
        tiny(training={"epochs": "many"}),
        "s.yaml: training.epochs: found 'many'; should be a valid integer, unable to parse "
        "string as an integer",
    ),
    "fraction for a count": (
        tiny(training={"epochs": 2.5}),
        "s.yaml: training.epochs: found 2.5; should be a valid integer, got a number with a "
        "fractional part",
    ),
    "number for a section": (
        tiny(training=3),
        "s.yaml: training: found 3; should be a valid dictionary or instance of TrainingParams",
    ),
    "below range": (
        tiny(jumps={"window": 2}),
        "s.yaml: jumps.window: found 2; should be greater than or equal to 10",
    ),
    "above range": (
        tiny(jumps={"alpha": 0.5}),
        "s.yaml: jumps.alpha: found 0.5; should be less than 0.5",
    ),
    "not a number": (
        tiny(jumps={"alpha": float("nan")}),
        "s.yaml: jumps.alpha: found nan; should be a finite number",
    ),
    "unknown choice": (
        tiny(training={"supervision": "first"}),
        "s.yaml: training.supervision: found 'first'; should be 'last' or 'dense'",
    ),
    "unknown model": (
        tiny(models=["persistence", "lstm"]),
        "s.yaml: models.1: found 'lstm'; should be "
        f"{', '.join(map(repr, MODEL_NAMES[:-1]))} or {MODEL_NAMES[-1]!r}",
    ),
    "no persistence": (
        tiny(models=["har"]),
        "s.yaml: (whole study): models should contain persistence, which every model is judged by",
    ),
    "model twice": (
        tiny(models=["persistence", "persistence"]),
        "s.yaml: (whole study): models ['persistence', 'persistence'] should name each entry once",
    ),
    "seed twice": (
        tiny(training={"seeds": [1, 1]}),
        "s.yaml: (whole study): training.seeds [1, 1] should name each entry once",
    ),
    "split out of order": (
        tiny(split={"validation_start": SPLIT["test_start"], "test_start": SPLIT["test_start"]}),
        "s.yaml: split: validation_start 2021-03-01 00:00:00+00:00 should lie before "
        "test_start 2021-03-01 00:00:00+00:00",
    ),
    "test that ends before it begins": (
        tiny(split=SPLIT | {"test_end": SPLIT["test_start"]}),
        "s.yaml: split: test_end 2021-03-01 00:00:00+00:00 should lie after "
        "test_start 2021-03-01 00:00:00+00:00",
    ),
    "not a full hour": (
        tiny(split=SPLIT | {"test_start": "2021-03-01 00:30"}),
        "s.yaml: split.test_start: found '2021-03-01 00:30'; should be a full hour, UTC, such as "
        "2024-11-22 05:00",
    ),
    "block shorter than horizon": (
        tiny(significance={"block_hours": 12}),
        "s.yaml: (whole study): significance.block_hours 12 should be at least "
        "target.horizon_hours 24: targets overlap that long",
    ),
    "horizons out of order": (
        tiny(horizons=[24, 1]),
        "s.yaml: (whole study): horizons [24, 1] should be in ascending order, each once",
    ),
    "horizon twice": (
        tiny(horizons=[1, 24, 24]),
        "s.yaml: (whole study): horizons [1, 24, 24] should be in ascending order, each once",
    ),
    "horizon of no hour": (
        tiny(horizons=[0, 24]),
        "s.yaml: horizons.0: found 0; should be greater than or equal to 1",
    ),
    "not a mapping": ("- a\n- b\n", "s.yaml: found list; should be keys such as title:"),
    "empty": ("", "s.yaml: found NoneType; should be keys such as title:"),
    "another name": (tiny(name="other"), "s.yaml: name: found 'other'; should be 's'"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_study_is_refused_with_file_key_and_value(tmp_path, text, message):
    assert refusal(tmp_path, text) == message


def test_every_fault_is_named_at_once(tmp_path):
    message = refusal(tmp_path, tiny(jumps={"window": 2, "alfa": 0.1}))
    assert message.splitlines() == [
        "s.yaml: jumps.window: found 2; should be greater than or equal to 10",
        "s.yaml: jumps.alfa: unknown key; valid keys here: rule, window, alpha, "
        "n_tests, periodicity_slots, regime_hours, events",
    ]


def test_key_written_twice_is_refused(tmp_path):
    message = refusal(tmp_path, tiny() + "title: again\n")
    assert message.startswith("s.yaml: not readable as YAML: key 'title' stands twice\n")


def test_broken_yaml_is_refused(tmp_path):
    message = refusal(tmp_path, "title: [unclosed\n")
    assert message.startswith("s.yaml: not readable as YAML: while parsing a flow sequence")


def test_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "s.yaml").write_bytes(b"title: \xff\xfe\n")
    with pytest.raises(ParameterError, match=r"s\.yaml: not readable as YAML: 'utf-8' codec"):
        load_study(tmp_path / "s.yaml")


def test_missing_study_lists_those_there_are(tmp_project):
    (tmp_project / "params/other.yaml").write_text(tiny(), encoding="utf-8")
    expected = f"{tmp_project}/params/none.yaml: no study 'none' there; it holds: other, tiny"
    with pytest.raises(ParameterError, match=f"^{re.escape(expected)}$"):
        load_study("none")


def test_missing_path_is_refused(tmp_path):
    with pytest.raises(ParameterError, match=r"none\.yaml: no such study file$"):
        load_study(tmp_path / "none.yaml")


def test_study_is_found_from_a_folder_below(tmp_project, monkeypatch):
    (tmp_project / "notebooks").mkdir()
    monkeypatch.chdir(tmp_project / "notebooks")
    study = load_study("tiny")
    assert study.root == tmp_project
    assert study.run_dir == tmp_project / "runs/tiny"
    assert study.report_dir == tmp_project / "reports/tiny"


def test_raw_folder_of_each_source(tmp_project):
    assert load_study("tiny").raw_dir == tmp_project / "runs/tiny/raw"
    inside = load_study("tiny", {"data.source": "raw_store", "data.raw_dir": "my data"})
    assert inside.raw_dir == tmp_project / "my data"
    outside = load_study("tiny", {"data.source": "raw_store", "data.raw_dir": "/far/away"})
    assert outside.raw_dir == Path("/far/away")


def test_overrides_nested_and_dotted_say_the_same(tmp_project):
    nested = load_study("tiny", {"training": {"epochs": 3, "seeds": [5]}})
    dotted = load_study("tiny", {"training.epochs": 3, "training.seeds": [5]})
    mixed = load_study("tiny", {"training": {"seeds": [5]}, "training.epochs": 3})
    assert nested == dotted == mixed
    assert (nested.training.epochs, nested.training.seeds) == (3, [5])
    assert nested.training.learning_rate == load_study("tiny").training.learning_rate


def test_bad_override_is_named_as_such(tmp_project):
    expected = (
        'tiny.yaml with overrides {"training.epochs": 0}: training.epochs: found 0; should be '
        "greater than or equal to 1"
    )
    with pytest.raises(ParameterError, match=re.escape(expected)):
        load_study("tiny", {"training.epochs": 0})


def test_hash_follows_values_and_nothing_else(tmp_project):
    study = load_study("tiny")
    same = load_study("tiny", {"training.epochs": study.training.epochs})
    other = load_study("tiny", {"training.epochs": 3})
    assert re.fullmatch("[0-9a-f]{12}", parameters_hash(study))
    assert parameters_hash(same) == parameters_hash(study)
    assert parameters_hash(other) != parameters_hash(study)
    assert parameters_hash(other, ["data"]) == parameters_hash(study, ["data"])
    assert parameters_hash(other, ["training"]) != parameters_hash(study, ["training"])


def test_effective_values_load_to_the_same_study(tmp_project):
    study = load_study("tiny", {"data.end": "2021-03-20 00:00", "jumps.events": ["2021-02-03"]})
    assert effective(StudyParams(**effective(study))) == effective(study)


def test_times_are_utc(tmp_project):
    study = load_study("tiny", {"split.test_start": "2021-03-01 02:00+02:00"})
    assert study.split.test_start == pd.Timestamp("2021-03-01 00:00", tz="UTC")


def test_description_has_a_row_for_every_parameter(tmp_project):
    table = describe(load_study("tiny")).set_index("parameter")
    assert table.index.is_unique
    assert table.loc["training.seeds", "value"] == "0, 1"
    assert table.loc["data.simulated.hours", "meaning"] == "length of the market, hours"
    undocumented = table.index[table["meaning"] == ""]
    assert list(undocumented) == []


def test_values_cannot_change_after_loading(tmp_project):
    with pytest.raises(ValueError, match="Instance is frozen"):
        load_study("tiny").training.epochs = 3


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "params").glob("*.yaml")))
def test_the_projects_own_studies_load(path):
    assert load_study(path).name == path.stem


def test_where_the_raw_files_lie_does_not_change_the_hash(tmp_project):
    here, there = (
        load_study("tiny", {"data.source": "raw_store", "data.raw_dir": folder})
        for folder in ("here", "/there")
    )
    assert parameters_hash(here) == parameters_hash(there)
    assert parameters_hash(here) != parameters_hash(load_study("tiny", {"jumps.alpha": 0.02}))


@pytest.mark.parametrize("path", sorted((HOME / "params").glob("*.yaml")), ids=lambda p: p.stem)
def test_recorded_parameters_have_the_hash_of_those_that_were_recorded(path):
    """A default that JSON would write in another way, 120 for 120.0, is no other parameter."""
    study = load_study(path)
    again = study_from(json.loads(json.dumps(effective(study))), study.root)
    assert parameters_hash(again) == parameters_hash(study)
