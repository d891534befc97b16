"""A network of a study before and while it learns: what it is, and where it is kept."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from dvol_utils.models.networks import build_network, network_study
from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.samples import Samples
from dvol_utils.study.params import StudyParams
from dvol_utils.training.checkpoints.networks import fingerprint, load_weights


class TrainableNetwork:
    """A network, its seed and its checkpoint's folder: all that training it needs beside samples.

    Parameters
    ----------
    name : str
        One of `NETWORK_NAMES`.
    study : StudyParams
        A network with inputs or training of its own sees them in place of the study's.
    seed : int
        Initial weights, order of the sequences, dropout.
    checkpoint : Path
        Folder for weights, configuration, history and TensorBoard events. A finished checkpoint of
        the same data and parameters is loaded instead of trained again, an unfinished one goes on.
    fold : int, optional
        Named in messages and in the configuration, where the study has folds.
    begins_with : Path, optional
        Finished checkpoint of the same network whose weights it starts from.
    """

    def __init__(
        self,
        name: str,
        study: StudyParams,
        *,
        seed: int,
        checkpoint: Path,
        fold: int | None = None,
        begins_with: Path | None = None,
    ) -> None:
        self.name, self.seed, self.checkpoint = name, seed, checkpoint
        self.study = network_study(name, study)
        self.fold, self.begins_with = fold, begins_with
        self.columns = feature_columns(self.study.features.groups)
        self.network = build_network(name, len(self.columns), seed, self.study.networks)

    @property
    def title(self) -> str:
        """What its lines begin with."""
        return f"{self.name} seed {self.seed}" + ("" if self.fold is None else f" fold {self.fold}")

    def untrained(self) -> nn.Module:
        """The network before its first epoch: with the seed's weights, or an earlier network's."""
        network = build_network(self.name, len(self.columns), self.seed, self.study.networks)
        if self.begins_with is not None:
            load_weights(self.begins_with, network)
        return network

    def fingerprint(self, samples: Samples, processes: int, arithmetic: str) -> str:
        """Hash of all that its weights depend on."""
        facts = (self.name, samples, self.study, self.seed)
        return fingerprint(*facts, processes, arithmetic, begins_with=self.begins_with)
