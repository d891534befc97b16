"""Every network that a study can train: how it is built, what it sees, how it learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from dvol_utils.models.attention import AttentionNetwork
from dvol_utils.models.lstm import DVOLLSTM, LADDER, DirectLSTM
from dvol_utils.study.model_names import NETWORK_NAMES
from dvol_utils.study.networks_section import NetworksParams
from dvol_utils.study.params import StudyParams

# `build(inputs, **size)` makes a network; its size is in `LADDER`, or in its section of `networks`.
_BUILD: dict[str, Callable[..., nn.Module]] = {
    **dict.fromkeys(LADDER, DVOLLSTM),
    "lstm_tuned": DirectLSTM,
    "attention": AttentionNetwork,
}


def network_size(name: str, networks: NetworksParams) -> Mapping[str, Any]:
    """Arguments with which a network is built, beside the number of inputs."""
    params = networks.of(name)
    return LADDER[name] if params is None else params.size


def network_module(name: str) -> str:
    """Dotted name of the module that a network's class is written in."""
    return _BUILD[name].__module__


def network_study(name: str, study: StudyParams) -> StudyParams:
    """The study as a network sees it: with its own inputs and its own way to learn."""
    params = study.networks.of(name)
    if params is None:
        return study
    # Which asset it is stays the study's to tell.
    markers = {"asset"} & set(study.features.groups) - set(params.groups)
    features = study.features.model_copy(update={"groups": [*params.groups, *markers]})
    training = study.training.model_copy(update=params.training)
    return study.model_copy(update={"features": features, "training": training})


def with_epochs(name: str, study: StudyParams, epochs: int) -> StudyParams:
    """The study in which a network trains at most so many epochs."""
    params = study.networks.of(name)
    if params is None:
        training = study.training.model_copy(update={"epochs": epochs})
        return study.model_copy(update={"training": training})
    section = params.model_copy(update={"epochs": epochs})
    networks = study.networks.model_copy(update={name: section})
    return study.model_copy(update={"networks": networks})


def build_network(
    name: str, input_size: int, seed: int, networks: NetworksParams | None = None
) -> nn.Module:
    """A freshly initialised network; the same seed gives the same weights.

    Parameters
    ----------
    name : str
        One of `NETWORK_NAMES`.
    input_size : int
        Features an hour.
    seed : int
    networks : NetworksParams, optional
        A study's sizes of the networks; without them the defaults.
    """
    size = network_size(name, networks or NetworksParams())
    # The caller's generator stays as it was; weights are drawn on the CPU for all devices alike.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _BUILD[name](input_size, **size)


def stopping_networks(study: StudyParams) -> list[str]:
    """The study's networks that stop by rows they have not learnt from."""
    names = [name for name in study.models if name in NETWORK_NAMES]
    return [name for name in names if network_study(name, study).training.patience is not None]
