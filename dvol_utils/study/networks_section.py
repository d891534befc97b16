"""Parameters of the networks that have a size, inputs and training of their own."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from pydantic import model_validator as validator

from dvol_utils.study.data_section import Section
from dvol_utils.study.fitting_section import FeatureGroup

# What these hold is known in every hour that has DVOL: they need not be among features.groups.
_OF_DVOL_AND_CLOCK: tuple[FeatureGroup, ...] = (
    "har",
    "calendar",
    "clock",
    "expiry",
    "macro",
    "volatility",
    "asset",
)


class NetworkParams(Section):
    """What a network has in place of `features.groups` and of keys of `training`."""

    groups: list[FeatureGroup] = Field(
        ["har", "calendar", "expiry", "macro"],
        min_length=1,
        description="its inputs, in place of features.groups: of those, or of "
        f"{', '.join(_OF_DVOL_AND_CLOCK)}",
    )
    learning_rate: float = Field(3e-3, gt=0, lt=1, description="Adam's first learning rate")
    epochs: int = Field(12, ge=1, description="most passes over the training rows")
    patience: int | None = Field(
        None,
        ge=1,
        description="epochs without a better validation loss before the stop; null: all epochs, "
        "on every row that is known, and the last weights",
    )
    target_limit: float | None = Field(
        2.0, gt=0, description="scaled targets are limited to +- this while learning; null: not"
    )
    jump_weight: float = Field(1.0, ge=1, description="weight of jump-regime hours in the loss")

    @property
    def size(self) -> dict[str, Any]:
        """Arguments with which the network is built, beside the number of inputs."""
        # What a section has beyond the common fields is its size.
        return self.model_dump(exclude=set(NetworkParams.model_fields))

    @property
    def training(self) -> dict[str, Any]:
        """Values of its own in place of the same keys of `training`."""
        return self.model_dump(include=set(OWN_TRAINING))


OWN_TRAINING = tuple(name for name in NetworkParams.model_fields if name != "groups")


# As small as it can be, told what the strong simple rivals are told, and trained for a fixed number
# of epochs: two months before a fold are too few to tell when to stop. Chosen on validation rows:
# benchmarks/networks.py.
class TunedParams(NetworkParams):
    """The small LSTM beside a linear map of the hour's inputs."""

    hidden_size: int = Field(8, ge=2, le=4_096, description="units of an LSTM layer")
    num_layers: int = Field(1, ge=1, le=16, description="LSTM layers")
    dropout: float = Field(
        0.3, ge=0, lt=1, description="between layers, before the head and inside it"
    )


class AttentionParams(NetworkParams):
    """The network that selects its inputs, and attends to the last hours."""

    learning_rate: float = Field(2e-3, gt=0, lt=1, description="Adam's first learning rate")
    hidden_size: int = Field(
        16, ge=1, le=4_096, description="width of an hour's vector, a multiple of heads"
    )
    heads: int = Field(2, ge=1, le=64, description="attention heads")
    dropout: float = Field(
        0.3, ge=0, lt=1, description="of the selected inputs and before each gate"
    )
    window_hours: int = Field(
        24,
        ge=1,
        le=2_000,
        description="hours that an hour attends to, itself included; at most training.window_hours",
    )

    @validator(mode="after")
    def _whole_heads(self) -> AttentionParams:
        if self.hidden_size % self.heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} should be a multiple of heads {self.heads}"
            )
        return self


class NetworksParams(Section):
    """Networks that do not take all their settings from `features` and `training`."""

    lstm_tuned: TunedParams = TunedParams()
    attention: AttentionParams = AttentionParams()

    def of(self, name: str) -> NetworkParams | None:
        """A network's own section; None for the published ladder, which has none."""
        return getattr(self, name) if name in type(self).model_fields else None

    def check(self, models: list[str], groups: list[FeatureGroup], window_hours: int) -> None:
        """Refuse settings that contradict those of the study.

        Parameters
        ----------
        models : list of str
            The study's models.
        groups : list of str
            `features.groups`: every model is scored on hours in which these are complete.
        window_hours : int
            `training.window_hours`: so many hours reach a forecast.
        """
        for name in type(self).model_fields:
            others = set(getattr(self, name).groups) - {*groups, *_OF_DVOL_AND_CLOCK}
            if others:
                raise ValueError(
                    f"networks.{name}.groups: found {', '.join(sorted(others))}, which should be "
                    f"in features.groups {groups} too: models are scored where these are complete"
                )
        window = self.attention.window_hours
        if "attention" in models and window > window_hours:
            raise ValueError(
                f"networks.attention.window_hours {window} should be at most training.window_hours "
                f"{window_hours}: hours before these do not reach it"
            )
