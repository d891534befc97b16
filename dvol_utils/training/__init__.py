"""Training of networks: the loop, checkpoints, exact resume, many devices and many networks."""

from dvol_utils.training.devices import arithmetic, chosen_arithmetic, pick_device
from dvol_utils.training.forecaster import NetworkForecaster
from dvol_utils.training.loop import TrainingError, fit_network, predict_rows

__all__ = [
    "NetworkForecaster",
    "TrainingError",
    "arithmetic",
    "chosen_arithmetic",
    "fit_network",
    "pick_device",
    "predict_rows",
]
