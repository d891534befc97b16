"""Panel and jumps in, rows to learn from out."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "features": ["feature_columns"],
        "folds": ["study_folds"],
        "samples": ["Samples", "build_samples"],
    },
)
