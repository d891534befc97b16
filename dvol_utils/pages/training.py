"""What the networks learn from, what training left, and the ensemble's weights, in tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from dvol_utils.forecasting.forecasters import trained_folders
from dvol_utils.models.lstm import DVOLLSTM, LADDER
from dvol_utils.samples.folds import Fold, fold_rows, fold_samples
from dvol_utils.samples.samples import Samples
from dvol_utils.study.fitting_section import WalkParams
from dvol_utils.study.model_names import label
from dvol_utils.study.params import StudyParams
from dvol_utils.training.checkpoints.networks import read_config
from dvol_utils.training.devices import Arithmetic

PUBLISHED_INPUTS = 11


def target_text(study: StudyParams) -> str:
    """What the study's target may know that the origin does not, in a sentence or two."""
    if study.target.kind == "scaled_level" and study.target.scaled_at == "target":
        return (
            "This study follows the published rules (`target.kind: scaled_level`): its target is "
            "the level less its rolling mean, in rolling standard deviations. Their window ends "
            "with the target itself, so the scale knows what came after the origin."
        )
    kind = ""
    if study.target.kind == "scaled_level":
        kind = (
            "In this study the target is the level less its rolling mean, in rolling standard "
            "deviations (`target.kind: scaled_level`). "
        )
    return (
        f"{kind}Nothing in inputs or the target's scale is from after the origin; "
        "`tests/test_no_lookahead.py` changes the future and checks it."
    )


def split_summary(samples: Samples) -> pd.DataFrame:
    """Rows of each split: split, first_origin, last_origin, rows, jump_share (of origins)."""
    rows = []
    for split in ("train", "validation", "test"):
        at = samples.rows(split)
        rows.append(
            {
                "split": split,
                "first_origin": samples.times[at[0]],
                "last_origin": samples.times[at[-1]],
                "rows": len(at),
                "jump_share": float(np.mean(samples.jump_regime[at] == "jump")),
            }
        )
    return pd.DataFrame(rows)


def feature_summary(samples: Samples, columns: list[str]) -> pd.DataFrame:
    """Inputs on the training rows: feature, mean, sd, min, max, target_correlation."""
    rows = samples.rows("train")
    values = samples.features[columns].iloc[rows]
    # By index, as `corrwith` pairs its rows.
    correlation = values.corrwith(pd.Series(samples.target[rows], index=values.index))
    return pd.DataFrame(
        {
            "feature": columns,
            "mean": values.mean().to_numpy(),
            "sd": values.std().to_numpy(),
            "min": values.min().to_numpy(),
            "max": values.max().to_numpy(),
            "target_correlation": correlation.to_numpy(),
        }
    )


def fold_summary(samples: Samples, folds: list[Fold], walk: WalkParams) -> pd.DataFrame:
    """What each fold learns from and forecasts.

    Returns
    -------
    DataFrame
        fold, first_origin, last_origin (of its forecasts), and numbers of rows: learnt_from,
        stopped_by, forecast.
    """
    rows = []
    for fold in folds:
        learnt, forecast = fold_samples(samples, fold, walk), fold_rows(samples, fold)
        rows.append(
            {
                "fold": fold.number,
                "first_origin": samples.times[forecast[0]],
                "last_origin": samples.times[forecast[-1]],
                "learnt_from": len(learnt.rows("train")),
                "stopped_by": len(learnt.rows("validation")),
                "forecast": len(forecast),
            }
        )
    return pd.DataFrame(rows)


def ladder_table(input_size: int) -> pd.DataFrame:
    """Sizes of the ladder: model, hidden_size, num_layers, dropout, and parameter counts.

    `parameters_published` counts at the published eleven inputs, `parameters` at `input_size`.
    """
    rows = [
        {
            "model": name,
            **size,
            "parameters_published": _count(DVOLLSTM(PUBLISHED_INPUTS, **size)),
            "parameters": _count(DVOLLSTM(input_size, **size)),
        }
        for name, size in LADDER.items()
    ]
    return pd.DataFrame(rows)


def _count(network: nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


def training_summary(folders: Iterable[Path]) -> pd.DataFrame:
    """Finished checkpoints, one per row.

    Returns
    -------
    DataFrame
        model, seed, inputs (number), parameters, epochs, best_epoch, validation_loss.
    """
    rows = []
    for folder in folders:
        config = read_config(folder)
        rows.append(
            {
                "model": config["model"],
                "seed": config["seed"],
                "inputs": len(config["inputs"]),
                "parameters": config["parameter_count"],
                "epochs": config["epochs"],
                "best_epoch": config["best_epoch"],
                "validation_loss": config["validation_loss"],
            }
        )
    return pd.DataFrame(rows)


def training_overview(folders: Iterable[Path]) -> pd.DataFrame:
    """Finished checkpoints in brief: `training_summary`, or one row per model where it has folds.

    Returns
    -------
    DataFrame
        With folds: model, seeds, folds (numbers), inputs, parameters, and of all its checkpoints
        the median (whole) of epochs and best_epoch and the mean of validation_loss.
    """
    summary = training_summary(folders)
    # A model and seed that stand twice have folds.
    if summary.empty or not summary.duplicated(["model", "seed"]).any():
        return summary
    overview = summary.groupby("model", sort=False, as_index=False).agg(
        seeds=("seed", "nunique"),
        folds=("seed", "size"),
        inputs=("inputs", "first"),
        parameters=("parameters", "first"),
        epochs=("epochs", "median"),
        best_epoch=("best_epoch", "median"),
        validation_loss=("validation_loss", "mean"),
    )
    whole = {name: overview[name].round().astype(int) for name in ("epochs", "best_epoch")}
    # Each fold and seed is one checkpoint.
    return overview.assign(folds=overview["folds"] // overview["seeds"], **whole)


def network_sizes(study: StudyParams, forecasts: pd.DataFrame) -> pd.DataFrame:
    """Number of parameters of each trained network: `model, parameters`, the smallest first."""
    folders = trained_folders(study, forecasts, newest=True)
    one_each = {folder.parent.name: folder for folder in folders}  # seeds are of one size
    sizes = training_summary(one_each.values()).reindex(columns=["model", "parameters"])
    return sizes.sort_values("parameters", ignore_index=True)


def training_history(folders: Iterable[Path]) -> pd.DataFrame:
    """Every finished checkpoint's `history.csv` in one table, with `model` and `seed`."""
    tables = []
    for folder in folders:
        config = read_config(folder)
        history = pd.read_csv(folder / "history.csv")
        tables.append(history.assign(model=config["model"], seed=config["seed"]))
    return pd.concat(tables, ignore_index=True)


def arithmetic_text(folders: Iterable[Path], here: Arithmetic) -> str:
    """What finished checkpoints were computed in, and where this machine would choose otherwise.

    Parameters
    ----------
    folders : iterable of Path
    here : Arithmetic
        What networks are trained in, and forecast with, on this machine.

    Returns
    -------
    str
        A sentence for readers; empty without checkpoints.
    """
    configs = [read_config(folder) for folder in folders]
    kinds = Counter(
        str(Arithmetic(config["arithmetic"], config["arithmetic_because"])) for config in configs
    )
    if not kinds:
        return ""
    text = f"Networks were trained in {next(iter(kinds))}."
    if len(kinds) > 1:
        counts = ", ".join(f"{count} in {kind}" for kind, count in kinds.items())
        text = f"Networks were not all trained alike: {counts}."
    if {config["arithmetic"] for config in configs} != {here.name}:
        text += f" This machine chooses {here}, and their forecasts were computed so."
    return text


def weights_by_fold(weights: pd.DataFrame) -> pd.DataFrame:
    """`combination_weights`, one row per fold: fold, learnt_from (hours), a column per member."""
    keyed = weights.set_index(["split", "fold", "rows", "model"])["weight"]
    wide = keyed.unstack(sort=False).reset_index()  # noqa: PD010 nothing to aggregate
    named = wide.drop(columns="split").rename(columns={"rows": "learnt_from"})
    return named.rename(columns=label).rename_axis(columns=None)
