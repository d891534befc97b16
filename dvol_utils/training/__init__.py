"""Training of networks: the loop, checkpoints, exact resume, many devices and many networks."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "devices": ["arithmetic", "chosen_arithmetic", "pick_device"],
        "forecaster": ["NetworkForecaster"],
        "forward": ["predict_rows"],
        "loop": ["TrainingError", "fit_network"],
    },
)
