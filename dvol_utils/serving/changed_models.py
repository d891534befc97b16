"""Whether saved models are those of the run's forecasts, and of the code that reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dvol_utils.forecasting.forecasters import make_forecaster, saved_folder, saved_hash
from dvol_utils.serving.saved_models import Finished, ServedFold, ServingError
from dvol_utils.study.model_names import NETWORK_NAMES, label
from dvol_utils.study.params import StudyParams
from dvol_utils.study.source_code import changed_code
from dvol_utils.training.checkpoints.code import network_code, simple_code
from dvol_utils.training.checkpoints.sealed import read_sealed


def changed_weights(
    finished: Finished, name: str, fold: ServedFold, *, allow_changed: bool
) -> list[str]:
    """Sentences on weights of a model that the run's forecasts were not made by.

    Parameters
    ----------
    finished : Finished
    name : str
        Model.
    fold : ServedFold
    allow_changed : bool
        Return them, and do not refuse.

    Raises
    ------
    ServingError
        There are some, and they are not allowed.
    CheckpointError
        A file was changed or cut short since it was written.
    """
    changed = list(_changed(finished, name, fold))
    if changed and not allow_changed:
        raise ServingError(
            f"{'; '.join(changed)}; restore it, or run `make report "
            f"STUDY={finished.study.name}` again, or pass --allow-changed"
        )
    return changed


def other_code_notes(finished: Finished, names: Iterable[str], fold: ServedFold) -> list[str]:
    """Sentences on models whose features, fitting or forecasts come from other code by now."""
    files: dict[str, list[str]] = {}
    for name in names:
        changed = changed_code(
            _config(finished, name, fold).get("code"), _code(name, finished.study)
        )
        if changed is not None:
            files.setdefault(changed, []).append(label(name))
    # By reason: most models change for the same one.
    return [
        f"fitted when the code was another one ({changed}): {', '.join(models)}"
        for changed, models in files.items()
    ]


def _changed(finished: Finished, name: str, fold: ServedFold) -> Iterator[str]:
    rows = finished.asset_forecasts[finished.asset_forecasts["model"] == name]
    for seed in map(int, rows["seed"].unique()):
        folder = saved_folder(finished.study, name, seed, fold.number)
        expected = finished.checkpoints.get(f"{name}/{folder.name}")
        if expected is None or (actual := saved_hash(folder)) == expected:
            continue  # versions before noted none
        config = read_sealed(folder / "config.json")
        of = f"{config['model']} seed {config['seed']}, fold {config.get('fold', 0)}"
        mark = config.get("fingerprint", config.get("parameters_hash"))
        yield (
            f"{folder / 'model.safetensors'}: its SHA-256 is {actual[:12]}..., the run's forecasts "
            f"of {name} seed {seed}, fold {fold.number}, were made by {expected[:12]}...: it is "
            f"that of {of}, fingerprint {str(mark)[:12]}..."
        )


def _config(finished: Finished, name: str, fold: ServedFold) -> dict[str, Any]:
    seed = int(
        finished.asset_forecasts.loc[finished.asset_forecasts["model"] == name, "seed"].iloc[0]
    )
    folder = saved_folder(finished.study, name, seed, fold.number)
    return read_sealed(folder / "config.json")


def _code(name: str, study: StudyParams) -> dict[str, str]:
    if name in NETWORK_NAMES:
        return network_code(name)
    return simple_code(make_forecaster(name, study))
