"""A network behind the forecaster interface: it learns here, or in several processes."""

from __future__ import annotations

import numpy as np

from dvol_utils.samples.samples import Samples
from dvol_utils.training.devices import here, process_count
from dvol_utils.training.forward import predict_rows
from dvol_utils.training.network import TrainableNetwork
from dvol_utils.training.processes.launch import train_with_torchrun
from dvol_utils.training.run import take_finished, train_checkpoint
from dvol_utils.training.sequences import build_sequences


class NetworkForecaster(TrainableNetwork):
    """A network behind the forecaster interface; parameters are those of `TrainableNetwork`."""

    def fit(self, samples: Samples) -> None:
        """Train, go on with training, or load the finished checkpoint.

        With more than one process in `training.devices`, torchrun starts them. `auto` takes a
        finished checkpoint of any number of processes, a number only one of that number; so
        `training.precision` does with what it was computed in.

        Raises
        ------
        TrainingError
            A loss is not finite, or the processes failed for another reason.
        CheckpointError
            The checkpoint was changed since it was written, or cannot be written.
        """
        devices = self.study.training.devices
        processes = process_count(devices)
        if take_finished(self, samples, None if devices == "auto" else processes):
            return
        if processes > 1:
            train_with_torchrun(self, samples, quiet=True)
            take_finished(self, samples, processes)
        else:
            train_checkpoint(self, samples)

    def predict(self, samples: Samples) -> np.ndarray:
        """Forecast for every hour with complete inputs, shape (rows,), index points."""
        self.network.to(here(self.study.training.devices).device)
        data = build_sequences(samples, self.study)
        rows = np.flatnonzero(samples.complete)
        forecast = np.full(len(samples.dvol), np.nan)
        forecast[rows] = predict_rows(self.network, data, rows, self.study.training)
        return samples.to_points(forecast)
