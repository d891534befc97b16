"""What a finished study left to serve from: its parameters, its forecasts, its fitted models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from dvol_utils.evaluation.forecast_table import ended_models
from dvol_utils.forecasting.forecasters import make_forecaster, saved_folder
from dvol_utils.models import Forecaster
from dvol_utils.study.bounded import OversizeError
from dvol_utils.study.effective import changed, effective
from dvol_utils.study.made_by import other_code
from dvol_utils.study.model_names import NETWORK_NAMES
from dvol_utils.study.params import StudyParams
from dvol_utils.study.parquet import read_whole
from dvol_utils.study.recorded import recorded_study
from dvol_utils.study.stages import TRAINING
from dvol_utils.study.tables import read_manifest, read_table, sections_of
from dvol_utils.study.trials import check_made
from dvol_utils.training.checkpoints.sealed import CheckpointError
from dvol_utils.training.checkpoints.simple_models import load_simple
from dvol_utils.wording.numbers import hour


class ServingError(RuntimeError):
    """No forecast can be given; the message says why, and what to do about it."""


@dataclass(frozen=True)
class Finished:
    """A study that was run: its parameters then, its forecasts, the panel they were made from.

    `checkpoints` are the SHA-256 of the weights that made the forecasts, as `checkpoint_hashes`
    names them; `notes` sentences on the code that the run was made by. `loaded` has the models that
    `load_models` has read, by name and fold.
    """

    study: StudyParams
    forecasts: pd.DataFrame
    panel: pd.DataFrame
    checkpoints: Mapping[str, str]
    notes: list[str]
    loaded: dict[tuple[str, int], list[Forecaster]] = field(default_factory=dict, compare=False)

    @property
    def asset(self) -> str:
        """The asset whose forecasts the study is about."""
        return self.study.data.assets[0]

    @cached_property
    def asset_forecasts(self) -> pd.DataFrame:
        """Forecasts of that asset."""
        return self.forecasts[self.forecasts["asset"] == self.asset]

    @property
    def until(self) -> pd.Timestamp:
        """Last hour that is the study's own: its test's last origin, or the end of its data."""
        last, test_end = self.panel["time"].max(), self.study.split.test_end
        return last if test_end is None else min(last, test_end)

    @property
    def living(self) -> list[str]:
        """The models whose inputs go on to the end of the study."""
        ended = ended_models(self.asset_forecasts)
        return [name for name in self.asset_forecasts["model"].unique() if name not in ended]


@dataclass(frozen=True)
class ServedFold:
    """Fitted models: the fold's number, and before which time they knew every outcome."""

    number: int
    known_before: pd.Timestamp


def load_run(study: StudyParams) -> Finished:
    """Read what a run of a study left, and check that it is one run of these parameters.

    Parameters
    ----------
    study : StudyParams
        The study as its file and the command line's overrides give it now.

    Raises
    ------
    ServingError
        The study was not run, was run with other parameters, or its forecasts need what nobody
        knows at the origin.
    ArtefactError
        `forecasts.parquet` is missing, damaged, or was not made from the panel that is there.
    """
    check_made(study)
    path = study.artefact("manifest.json")
    if not path.is_file():
        raise ServingError(
            f"study {study.name} has not been run: {path} is missing; "
            f"run `make report STUDY={study.name}`"
        )
    manifest = read_manifest(study)
    recorded = recorded_study(study, manifest)
    changed = _differences(study, recorded)
    if changed:
        raise ServingError(
            f"study {study.name}: its models were fitted with other parameters: "
            f"{'; '.join(changed)}; run `make report STUDY={study.name}` again, or repeat with "
            "--set what that run was given"
        )
    _check_leak_free(study)
    data = study.data.model_copy(update={"raw_dir": recorded.data.raw_dir})
    served = study.model_copy(update={"data": data})
    forecasts = read_table(served, "forecasts")  # and with it the panel's hash
    checkpoints = manifest["stages"].get(TRAINING.name, {}).get("checkpoints", {})
    note = other_code(manifest, study.root)
    panel = _panel(study.artefact("panel.parquet"))
    return Finished(served, forecasts, panel, checkpoints, [note] if note else [])


def _panel(path: Path) -> pd.DataFrame:
    """Its origin is not asked for: the raw store may have gone on since."""
    try:
        return read_whole(path).to_pandas()
    except OversizeError as error:
        raise ServingError(f"{path}: {error}: no run leaves that much") from None


def newest_fold(finished: Finished) -> ServedFold:
    """The models that were fitted last."""
    return _folds(finished)[-1]


def fold_at(finished: Finished, origin: pd.Timestamp) -> ServedFold:
    """The newest models that had seen no outcome from `origin` on.

    Raises
    ------
    ServingError
        There are none: every model has learnt from what came after the origin.
    """
    folds = _folds(finished)
    # At the fold's start its models knew outcomes up to then, and none of the origin's.
    honest = [fold for fold in folds if fold.known_before <= origin]
    if not honest:
        raise ServingError(
            f"origin {hour(origin)}: every saved model has learnt from later hours; choose one "
            f"from {hour(folds[0].known_before)} on"
        )
    return honest[-1]


def load_models(finished: Finished, name: str, fold: ServedFold) -> list[Forecaster]:
    """A model's fitted forecasters in a fold, one per seed.

    Raises
    ------
    ServingError
        The study has no such model, or it left no checkpoint.
    CheckpointError
        A file of it was changed or cut short since it was written.
    """
    rows = finished.asset_forecasts[finished.asset_forecasts["model"] == name]
    if rows.empty:
        raise ServingError(
            f"model {name!r}: study {finished.study.name} has no forecasts of it; should be one "
            f"of {', '.join(finished.asset_forecasts['model'].unique())}"
        )
    if rows["fold"].max() < fold.number:
        raise ServingError(
            f"model {name!r}: an input of it ended in study {finished.study.name}, so its last "
            f"forecast there is of {hour(rows['origin'].max())}; should be one of "
            f"{', '.join(finished.living)}"
        )
    key = name, fold.number
    # Loaded once: several hours ask for the same models.
    if key not in finished.loaded:
        finished.loaded[key] = [
            _load(finished.study, *key, int(seed)) for seed in rows["seed"].unique()
        ]
    return finished.loaded[key]


def _load(study: StudyParams, name: str, fold: int, seed: int) -> Forecaster:
    folder = saved_folder(study, name, seed, fold)
    if not (folder / "config.json").is_file():
        raise ServingError(
            f"{folder} holds no fitted model: delete {study.run_dir}/notebooks/"
            f"03_lstm_training.ipynb and run `make report STUDY={study.name}`"
        )
    forecaster = make_forecaster(name, study, seed=seed, fold=fold)
    if name not in NETWORK_NAMES:
        load_simple(folder, forecaster, study, model=name, fold=fold)
        return forecaster
    from dvol_utils.training.checkpoints.networks import load_weights, read_config

    config = read_config(folder)
    if (config["model"], config["inputs"]) != (name, forecaster.columns):
        raise CheckpointError(
            f"{folder / 'config.json'}: {config['model']} on {len(config['inputs'])} inputs, this "
            f"study needs {name} on {len(forecaster.columns)}"
        )
    load_weights(folder, forecaster.network)
    return forecaster


def _folds(finished: Finished) -> list[ServedFold]:
    """The study's folds, told by its forecasts: a fold's models knew nothing of its origins."""
    first = finished.asset_forecasts.groupby("fold")["origin"].min().sort_index()
    if finished.study.walk.is_fixed:  # the validation rows have stopped the networks
        return [ServedFold(int(number), finished.study.split.test_start) for number in first.index]
    return [ServedFold(int(number), start) for number, start in first.items()]


def _differences(study: StudyParams, recorded: StudyParams) -> list[str]:
    sections = sections_of("forecasts")
    both = (effective(one, sections) for one in (study, recorded))
    return [
        f"{key} is {now!r}, the run had {then!r}" for key, (now, then) in changed(*both).items()
    ]


def _check_leak_free(study: StudyParams) -> None:
    """Refuse published rules (`StudyParams.late_rules`)."""
    if study.late_rules:
        raise ServingError(
            f"study {study.name} keeps published rules that use more than is known at the origin "
            f"({', '.join(study.late_rules)}), so there is no forecast to use; choose another study"
        )
