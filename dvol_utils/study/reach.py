"""Which models of a study a parameter reaches: one that reaches none is a mistake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dvol_utils.study.model_names import (
    ENSEMBLE,
    LADDER_NAMES,
    NETWORK_NAMES,
    SIMPLE_NAMES,
    names_of,
)
from dvol_utils.study.networks_section import OWN_TRAINING, NetworksParams

_OWN = tuple(NetworksParams.model_fields)
_OF_STOPPING = ("training.lr_factor", "training.lr_patience", "walk.warm_epochs")
_OFF_WHEN_EMPTY = ("walk.warm_epochs", "walk.half_life_days", "horizons", "edge.start")
# Section or key: the key, and its value, without which it has no effect.
_ASKED_FOR: dict[str, tuple[str, Any]] = {
    "judgement": ("published_page", True),
    "target.scaled_at": ("target.kind", "scaled_level"),
    "data.simulated": ("data.source", "simulated"),
}


def without_effect(
    keys: Iterable[str], values: Mapping[str, Any], trained: str | None = None
) -> dict[str, str]:
    """Those of some keys that change nothing in a study, and why.

    Parameters
    ----------
    keys : iterable of str
        Dotted: `training.epochs`.
    values : mapping
        All values of the study by their dotted keys.
    trained : str, optional
        A network that is trained whether or not the study names it.

    Returns
    -------
    dict
        A sentence by key: which models it would reach, and which the study has.
    """
    models = [*values["models"], *([trained] if trained else [])]
    unread = {}
    for key in keys:
        reached = _reached(key, values)
        if reached is not None and not set(reached) & set(models):
            unread[key] = _unreached(key, reached, models)
        for name, (other, needed) in _ASKED_FOR.items():
            if f"{key}.".startswith(f"{name}.") and values[other] != needed:
                unread[key] = (
                    f"counts only with {other} {_yaml(needed)}, found {_yaml(values[other])}"
                )
        if key == "edge.chose" and values[key] and values["edge.start"] is None:
            unread[key] = "counts only with edge.start, found null"
    return unread


def _reached(key: str, values: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Models that a key can reach; None where that is not a question of models."""
    section, _, name = key.partition(".")
    if key in _OFF_WHEN_EMPTY and not values[key]:
        return None
    if section == "networks":
        return (name.partition(".")[0],)
    if section == "ensemble":
        return (ENSEMBLE,)
    if key in _OF_STOPPING:
        return tuple(network for network in NETWORK_NAMES if _stops(network, values))
    if section == "training" and name != "window_hours":  # which moves the rows of all models
        return LADDER_NAMES if name in OWN_TRAINING else NETWORK_NAMES
    if key == "walk.half_life_days":
        return NETWORK_NAMES
    if key == "edge.start":
        return names_of("linear", "trees", "lstm")
    if key == "horizons":
        return tuple(name for name in SIMPLE_NAMES if name != "persistence")
    return None


def _stops(network: str, values: Mapping[str, Any]) -> bool:
    """Whether a network stops by rows that it has not learnt from."""
    section = f"networks.{network}" if network in _OWN else "training"
    return values[f"{section}.patience"] is not None


def _unreached(key: str, reached: tuple[str, ...], models: list[str]) -> str:
    whom = ", ".join(reached) or "none"
    if key in _OF_STOPPING:
        whom = f"networks with a patience ({whom})"
    text = f"reaches {whom}; the study has {', '.join(models)}"
    name = key.rpartition(".")[2]
    own_training = [f"networks.{m}.{name}" for m in models if m in _OWN and name in OWN_TRAINING]
    return (
        f"{text}; see {', '.join(own_training)}"
        if own_training and key.startswith("training.")
        else text
    )


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
