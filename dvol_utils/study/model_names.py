"""Every model, once: its name in `models`, its name for readers, what kind it is, in usual order.

Parameters, labels, colours, tables and pages take names from here. A new model is a line of
`MODELS`; docs/extending.md says what else it needs.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["naive", "linear", "trees", "ladder", "lstm", "attention", "combination"]


class Model(NamedTuple):
    """A model as all rooms know it."""

    label: str  # for readers
    kind: Kind
    rival: bool = False  # networks, the ensemble and the next rival are compared with it


MODELS = {
    "persistence": Model("Persistence", "naive"),
    "seasonal_naive": Model("Seasonal naive (week)", "naive"),
    "har": Model("HAR", "linear"),
    "har_calendar": Model("HAR + calendar", "linear", rival=True),
    "ridge_decay": Model("Time-weighted ridge", "linear", rival=True),
    "boosted_trees": Model("Boosted trees", "trees", rival=True),
    "lstm_baseline": Model("LSTM baseline", "ladder"),
    "lstm_large": Model("LSTM large", "ladder"),
    "lstm_ultra": Model("LSTM ultra", "ladder"),
    "lstm_tuned": Model("LSTM tuned", "lstm"),
    "attention": Model("Attention", "attention"),
    "ensemble": Model("Ensemble", "combination"),
}
MODEL_NAMES = tuple(MODELS)
ModelName = Literal[*MODEL_NAMES]


def names_of(*kinds: Kind) -> tuple[str, ...]:
    """The models of some kinds, in usual order."""
    return tuple(name for name, model in MODELS.items() if model.kind in kinds)


NAIVE_NAMES = names_of("naive")
SIMPLE_NAMES = names_of("naive", "linear", "trees")  # no networks; each is fitted in seconds
RIVAL_NAMES = tuple(name for name, model in MODELS.items() if model.rival)
LADDER_NAMES = names_of("ladder")  # the published study's three sizes, the smallest first
LSTM_NAMES = names_of("ladder", "lstm")
NETWORK_NAMES = names_of("ladder", "lstm", "attention")
(ENSEMBLE,) = names_of("combination")  # no forecaster: made of the forecasts of others
# No model: the best forecast that a simulated market allows; chosen, tested and served nowhere.
ORACLE = "oracle"
_ORACLE_LABEL = "Oracle (the market's law)"


def label(model: str) -> str:
    """A model's name for readers, or the oracle's; one that is neither stands as it is."""
    if model == ORACLE:
        return _ORACLE_LABEL
    return MODELS[model].label if model in MODELS else model
