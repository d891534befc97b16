"""Every network that a study can train: how it is built, what it sees, how it learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from dvol_utils.models.attention import AttentionNetwork
from dvol_utils.models.lstm import DVOLLSTM, LADDER, DirectLSTM
from dvol_utils.study.model_names import NETWORK_NAMES
from dvol_utils.study.params import StudyParams


@dataclass(frozen=True)
class NetworkKind:
    """A network by its name in `models`.

    `build(inputs, **size)` makes it; `groups`, its inputs, and `training`, how it learns, stand in
    place of the study's where they are given.
    """

    build: Callable[..., nn.Module]
    size: Mapping[str, Any]
    groups: tuple[str, ...] | None = None
    training: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


# As small as it can be, told what the strong simple rivals are told, and trained for a fixed number
# of epochs: two months before a fold are too few to tell when to stop. Chosen on validation rows:
# benchmarks/networks.py.
TUNED = NetworkKind(
    build=DirectLSTM,
    size={"hidden_size": 8, "num_layers": 1, "dropout": 0.3},
    groups=("har", "calendar", "expiry", "macro"),
    training={
        "learning_rate": 3e-3,
        "epochs": 12,
        "patience": None,
        "target_limit": 2.0,
        "jump_weight": 1.0,
    },
)
ATTENTION = NetworkKind(
    build=AttentionNetwork,
    size={"hidden_size": 16, "heads": 2, "dropout": 0.3, "window_hours": 24},
    groups=TUNED.groups,
    training={**TUNED.training, "learning_rate": 2e-3, "epochs": 12},
)
CHOSEN = {"lstm_tuned": TUNED, "attention": ATTENTION}


def network_kind(name: str) -> NetworkKind:
    """The network of a name in `NETWORK_NAMES`; the ladder has the study's inputs and training."""
    return CHOSEN[name] if name in CHOSEN else NetworkKind(build=DVOLLSTM, size=LADDER[name])


def network_study(name: str, study: StudyParams) -> StudyParams:
    """The study as a network sees it: with its own inputs and its own way to learn."""
    kind = network_kind(name)
    changes: dict[str, Any] = {}
    if kind.groups is not None:
        # Which asset it is stays the study's to tell.
        groups = [*kind.groups, *({"asset"} & set(study.features.groups))]
        changes["features"] = study.features.model_copy(update={"groups": groups})
    if kind.training:
        changes["training"] = study.training.model_copy(update=dict(kind.training))
    return study.model_copy(update=changes)


def build_network(name: str, input_size: int, seed: int) -> nn.Module:
    """A freshly initialised network; the same seed gives the same weights."""
    kind = network_kind(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind.build(input_size, **kind.size)


def stopping_networks(study: StudyParams) -> list[str]:
    """The study's networks that stop by rows they have not learnt from."""
    names = [name for name in study.models if name in NETWORK_NAMES]
    return [name for name in names if network_study(name, study).training.patience is not None]
