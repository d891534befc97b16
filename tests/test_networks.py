"""Networks with settings of their own: `networks` in a study, and what it does to them."""

from __future__ import annotations

import re

import pytest
import torch
from market import small_jumps, small_panel, small_study

from dvol_utils.forecasting.walk import make_forecaster
from dvol_utils.models.networks import build_network, network_size, network_study, stopping_networks
from dvol_utils.samples.samples import Samples, build_samples
from dvol_utils.study.effective import effective
from dvol_utils.study.model_names import NETWORK_NAMES
from dvol_utils.study.networks_section import NetworksParams
from dvol_utils.study.params import ParameterError
from dvol_utils.training import NetworkForecaster
from dvol_utils.training.forecaster import take_finished

MODELS = ["persistence", "lstm_baseline", "lstm_tuned", "attention"]
GROUPS = ["har", "calendar", "expiry", "macro"]
CHOSEN = {  # on validation rows; other values are another study
    "lstm_tuned": {
        "groups": GROUPS,
        "learning_rate": 3e-3,
        "epochs": 12,
        "patience": None,
        "target_limit": 2.0,
        "jump_weight": 1.0,
        "hidden_size": 8,
        "num_layers": 1,
        "dropout": 0.3,
    },
    "attention": {
        "groups": GROUPS,
        "learning_rate": 2e-3,
        "epochs": 12,
        "patience": None,
        "target_limit": 2.0,
        "jump_weight": 1.0,
        "hidden_size": 16,
        "heads": 2,
        "dropout": 0.3,
        "window_hours": 24,
    },
}
OTHER = {
    "groups": ["har", "clock", "asset"],
    "learning_rate": 1e-3,
    "epochs": 3,
    "patience": 2,
    "target_limit": None,
    "jump_weight": 4.0,
    "hidden_size": 4,
    "num_layers": 2,
    "heads": 4,
    "dropout": 0.1,
    "window_hours": 12,
}
SIZE = ("hidden_size", "num_layers", "heads", "dropout", "window_hours")
KEYS = [(name, key) for name, own in CHOSEN.items() for key in own]


@pytest.fixture(scope="module")
def samples() -> Samples:
    panel, study = small_panel(), small_study(models=MODELS)
    return build_samples(panel, small_jumps(panel, study), study)


def test_defaults_are_what_was_chosen():
    assert effective(small_study(models=MODELS))["networks"] == CHOSEN


def test_every_own_section_is_a_network():
    assert set(NetworksParams.model_fields) < set(NETWORK_NAMES)


@pytest.mark.parametrize("name", CHOSEN)
def test_network_is_built_and_trained_by_its_section(name):
    changes = {key: OTHER[key] for key in CHOSEN[name]}
    study = small_study(models=MODELS, networks={name: changes}, **{"training.loss": "huber"})
    seen = network_study(name, study)
    size = {key: changes[key] for key in SIZE if key in changes}
    training = {key: changes[key] for key in changes if key not in (*SIZE, "groups")}
    assert network_size(name, study.networks) == size
    assert seen.features.groups == changes["groups"]
    # What its section does not have is the study's, and so is the length of its sequences.
    assert seen.training == study.training.model_copy(update=training)
    assert (seen.training.loss, seen.training.window_hours) == ("huber", 24)


def test_ladder_sees_the_study_as_it_is():
    study = small_study(models=MODELS, **{"networks.lstm_tuned.epochs": 3})
    assert network_study("lstm_baseline", study) is study


def test_network_without_a_study_has_the_default_size():
    one, two = (build_network("lstm_tuned", 5, 1, given) for given in (None, NetworksParams()))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    wide = NetworksParams(lstm_tuned={"hidden_size": 16})
    assert build_network("lstm_tuned", 5, 1, wide).layers[0].hidden_size == 16


def test_asset_is_told_once():
    own = {"networks.lstm_tuned.groups": ["har", "asset"]}
    for changes, expected in (({}, [*GROUPS, "asset"]), (own, ["har", "asset"])):
        study = small_study(models=MODELS, **changes)
        assert network_study("lstm_tuned", study).features.groups == expected


@pytest.mark.parametrize(("name", "key"), KEYS)
def test_change_of_its_section_is_another_network_and_no_other_ones(tmp_path, samples, name, key):
    before, after = (
        {
            network: NetworkForecaster(network, study, seed=0, checkpoint=tmp_path).fingerprint(
                samples, 1, "float32"
            )
            for network in MODELS[1:]
        }
        for study in (
            small_study(models=MODELS),
            small_study(models=MODELS, **{f"networks.{name}.{key}": OTHER[key]}),
        )
    )
    assert {network for network in before if before[network] != after[network]} == {name}


def test_checkpoint_is_taken_until_its_own_settings_change(tmp_path, samples):
    once = {"networks.lstm_tuned.epochs": 1}

    def found(**changes: object) -> bool:
        study = small_study(models=MODELS, **once, **changes)
        network = NetworkForecaster("lstm_tuned", study, seed=0, checkpoint=tmp_path / "0")
        return take_finished(network, samples, None)

    study = small_study(models=MODELS, **once)
    NetworkForecaster("lstm_tuned", study, seed=0, checkpoint=tmp_path / "0").fit(samples)
    assert found()
    assert found(**{"networks.attention.hidden_size": 8, "training.epochs": 7})
    assert not found(**{"networks.lstm_tuned.hidden_size": 4})
    assert not found(**{"training.batch_size": 4})


def test_network_that_gets_a_patience_stops_and_starts_warm():
    walk = {"walk.test": "monthly", "walk.warm_epochs": 2, "networks.lstm_tuned.patience": 3}
    study = small_study(models=MODELS, **walk)
    assert stopping_networks(study) == ["lstm_baseline", "lstm_tuned"]
    for name, own in (("lstm_tuned", 12), ("lstm_baseline", study.training.epochs)):
        first, next_one = (make_forecaster(name, study, fold=1, after=after) for after in (None, 0))
        assert first.study.training.epochs == own
        assert next_one.study.training.epochs == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"networks.attention.hidden_size": 9},
            "networks.attention: hidden_size 9 should be a multiple of heads 2",
        ),
        (
            {"networks.attention.window_hours": 30},
            "(whole study): networks.attention.window_hours 30 should be at most "
            "training.window_hours 24: hours before these do not reach it",
        ),
        (
            {"features.groups": ["har", "market"], "networks.lstm_tuned.groups": ["funding"]},
            "(whole study): networks.lstm_tuned.groups: found funding, which should be in "
            "features.groups ['har', 'market'] too: models are scored where these are complete",
        ),
        (
            {"networks.lstm_tuned.heads": 2},
            "networks.lstm_tuned.heads: unknown key; valid keys here: groups, learning_rate, "
            "epochs, patience, target_limit, jump_weight, hidden_size, num_layers, dropout",
        ),
        (
            {"networks.lstm_tuned.dropout": 1.0},
            "networks.lstm_tuned.dropout: found 1.0; should be less than 1",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ParameterError, match=f": {re.escape(message)}$"):
        small_study(models=MODELS, **changes)


def test_window_of_attention_does_not_hold_back_studies_without_it():
    small_study(**{"training.window_hours": 12})
