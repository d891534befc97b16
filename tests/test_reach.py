"""A key that is set has to change something in its study."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from study_files import TINY_STUDY

from dvol_utils.study.effective import effective, flat
from dvol_utils.study.loading import load_study
from dvol_utils.study.model_names import MODEL_NAMES
from dvol_utils.study.params import ParameterError
from dvol_utils.study.reach import without_effect

TINY = "persistence, seasonal_naive, har, har_calendar, lstm_baseline, lstm_large, lstm_ultra"
LADDER = "lstm_baseline, lstm_large, lstm_ultra"
NETWORKS = f"{LADDER}, lstm_tuned, attention"
TUNED = ["persistence", "har", "lstm_tuned"]
HAS_TUNED = "the study has persistence, har, lstm_tuned"
SIMPLE = ["persistence", "har"]
HAS_SIMPLE = "the study has persistence, har"
REFITTED = {"walk.test": "monthly"}

# models, what is set, the key at fault and why
IDLE = [
    (
        TUNED, {"training.epochs": 3}, "training.epochs",
        f"reaches {LADDER}; {HAS_TUNED}; see networks.lstm_tuned.epochs",
    ),
    (
        TUNED, {"training.jump_weight": 3.0}, "training.jump_weight",
        f"reaches {LADDER}; {HAS_TUNED}; see networks.lstm_tuned.jump_weight",
    ),
    (
        TUNED, {"networks.attention.heads": 4}, "networks.attention.heads",
        f"reaches attention; {HAS_TUNED}",
    ),
    (
        TUNED, {"ensemble.shrinkage": 1.0}, "ensemble.shrinkage", f"reaches ensemble; {HAS_TUNED}",
    ),
    (
        TUNED, {"training.lr_factor": 0.1}, "training.lr_factor",
        f"reaches networks with a patience ({LADDER}); {HAS_TUNED}",
    ),
    (
        TUNED, {"training.patience": None, **REFITTED, "walk.warm_epochs": 2},
        "walk.warm_epochs", f"reaches networks with a patience (none); {HAS_TUNED}",
    ),
    (
        SIMPLE, {"training.batch_size": 4}, "training.batch_size",
        f"reaches {NETWORKS}; {HAS_SIMPLE}",
    ),
    (
        SIMPLE, {**REFITTED, "walk.half_life_days": 90}, "walk.half_life_days",
        f"reaches {NETWORKS}; {HAS_SIMPLE}",
    ),
    (
        ["persistence", "lstm_tuned"], {"horizons": [1, 24]}, "horizons",
        "reaches seasonal_naive, har, har_calendar, ridge_decay, boosted_trees; the study has "
        "persistence, lstm_tuned",
    ),
    (
        TUNED, {"judgement.epochs": 3}, "judgement.epochs",
        "counts only with published_page true, found false",
    ),
    (
        TUNED, {"target.scaled_at": "origin"}, "target.scaled_at",
        "counts only with target.kind scaled_level, found log_change",
    ),
    (
        TUNED, {"data.source": "raw_store", "data.simulated.seed": 4}, "data.simulated.seed",
        "counts only with data.source simulated, found raw_store",
    ),
]  # fmt: skip

HEEDED = [
    (TUNED, {"networks.lstm_tuned.epochs": 3, "training.batch_size": 4}),
    (TUNED, {"networks.lstm_tuned.patience": 2, **REFITTED, "walk.warm_epochs": 2}),
    (TUNED, {"networks.lstm_tuned.patience": 2, "training.lr_patience": 2}),
    (SIMPLE, {"training.window_hours": 12}),  # moves the rows of every model
    (SIMPLE, {"features.groups": ["har", "market"]}),  # likewise
    (SIMPLE, {"walk.half_life_days": None, "horizons": []}),
    (["persistence", "ridge_decay", "ensemble"], {"ensemble.shrinkage": 1.0}),
    (["persistence", "lstm_baseline"], {"published_page": True, "judgement.epochs": 3}),
    (["persistence"], {"significance.reps": 60, "jumps.alpha": 0.02}),
]


@pytest.mark.parametrize(("models", "given", "key", "why"), IDLE)
def test_key_without_effect_is_refused_in_overrides(tmp_project, models, given, key, why):
    with pytest.raises(ParameterError) as caught:
        load_study("tiny", {"models": models, **given})
    assert refusals(caught)[key] == why


def refusals(caught: pytest.ExceptionInfo) -> dict[str, str]:
    """Key and reason of each line of a refusal."""
    line = re.compile(r".*tiny\.yaml(?: with .*})?: ([\w.]+): (.+)")
    return dict(line.fullmatch(text).groups() for text in str(caught.value).splitlines())


@pytest.mark.parametrize(("models", "given"), HEEDED)
def test_key_with_an_effect_is_taken(tmp_project, models, given):
    load_study("tiny", {"models": models, **given})


def write(folder: Path, **changes: object) -> None:
    study = TINY_STUDY | changes
    (folder / "params/tiny.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")


def test_key_without_effect_is_refused_in_a_file(tmp_project):
    write(tmp_project, models=TUNED, training={"epochs": 3}, ensemble={"shrinkage": 1.0})
    with pytest.raises(ParameterError) as caught:
        load_study("tiny")
    assert refusals(caught) == {
        "training.epochs": f"reaches {LADDER}; {HAS_TUNED}; see networks.lstm_tuned.epochs",
        "ensemble.shrinkage": f"reaches ensemble; {HAS_TUNED}",
    }


def test_file_may_spell_out_defaults(tmp_project):
    write(tmp_project, **effective(load_study("tiny", {"name": "tiny", "training.epochs": 3})))
    assert load_study("tiny").training.epochs == 3


def test_file_is_judged_by_its_own_models_whatever_is_overridden(tmp_project):
    load_study("tiny", {"models": SIMPLE})  # the file sets training.seeds
    write(tmp_project, training={"epochs": 3}, ensemble={"shrinkage": 1.0})
    with pytest.raises(ParameterError, match=r"tiny\.yaml: ensemble\.shrinkage: reaches ensemble"):
        load_study("tiny", {"models": [*SIMPLE, "ridge_decay", "ensemble"]})


def test_file_that_is_whole_with_its_overrides_alone_is_judged_with_them(tmp_project):
    write(tmp_project, models=["har"])
    load_study("tiny", {"models": SIMPLE})


def test_network_that_is_trained_counts_as_one_of_the_study(tmp_project):
    own = {"networks.attention.epochs": 3}
    assert load_study("tiny", own, trained="attention").networks.attention.epochs == 3
    with pytest.raises(ParameterError, match=f"reaches attention; the study has {TINY}$"):
        load_study("tiny", own)


def test_every_parameter_reaches_a_study_that_has_everything(tmp_project):
    every = {
        "models": list(MODEL_NAMES),
        "published_page": True,
        "target.kind": "scaled_level",
        "walk.test": "monthly",
        "walk.warm_epochs": 2,
        "horizons": [1],
    }
    values = flat(effective(load_study("tiny", every)))
    assert without_effect(values, values) == {}
