"""Which inputs the trained attention networks of a study listen to."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from dvol_utils.forecasting.forecasters import make_forecaster
from dvol_utils.models.attention import selection_table
from dvol_utils.samples.samples import Samples
from dvol_utils.study.params import StudyParams
from dvol_utils.training.checkpoints.networks import load_weights

_NAME = "attention"


def study_selection(
    samples: Samples, study: StudyParams, *, fold: int = 0, failures: Iterable[str] = ()
) -> pd.DataFrame:
    """Mean weights of the inputs on the study's validation rows, over its seeds.

    Parameters
    ----------
    samples : Samples
        Those of the study.
    study : StudyParams
    fold : int
        Number of the fold whose checkpoints are read.
    failures : iterable of str
        "model seed N" of networks that could not be trained.

    Returns
    -------
    DataFrame
        As `selection_table`; empty where the study has no trained attention network.

    Raises
    ------
    CheckpointError
        A checkpoint is missing, or was changed since it was written.
    """
    forecasters = [
        make_forecaster(_NAME, study, seed=seed, fold=fold)
        for seed in (study.training.seeds if _NAME in study.models else [])
        if f"{_NAME} seed {seed}" not in failures
    ]
    for forecaster in forecasters:
        load_weights(forecaster.checkpoint, forecaster.network)
    if not forecasters:
        return pd.DataFrame()
    networks = [forecaster.network for forecaster in forecasters]
    return selection_table(networks, samples, forecasters[0].columns, samples.rows("validation"))


def selection_by_group(table: pd.DataFrame) -> pd.DataFrame:
    """Weights of whole feature groups: `selection_table` in brief.

    Returns
    -------
    DataFrame
        group, inputs (number), equal_weight (theirs if all inputs had the same), mean_weight (in
        all hours), and where there are such hours normal_weight and jump_weight; each sums to 1.
    """
    summed = table.groupby(["jump_regime", "group"], sort=False)["weight"]
    inputs = summed.size()["all"]
    regimes = {"all": "mean_weight", "normal": "normal_weight", "jump": "jump_weight"}
    weights = summed.sum()
    present = [name for name in regimes if name in table["jump_regime"].unique()]
    columns = {regimes[name]: weights[name] for name in present}
    brief = pd.DataFrame({"inputs": inputs, "equal_weight": inputs / inputs.sum(), **columns})
    return brief.reset_index()
