"""What a study is, and where its files lie."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "loading": ["load_study"],
        "model_names": ["LADDER_NAMES", "NETWORK_NAMES", "label"],
        "params": ["ParameterError", "StudyParams"],
        "files": ["ArtefactError", "read_json"],
        "tables": ["read_table", "record", "write_table"],
        "trials": ["open_study"],
    },
)
