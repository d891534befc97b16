"""Several assets: models that learn from one asset's rows, and from those of all of them.

A target is a change in units of its own asset's volatility, and inputs are scaled by their own
asset's past, so that rows of several assets can be learnt together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import chain

import numpy as np
import pandas as pd

from dvol_utils.forecasting.forecast_rows import forecast_rows
from dvol_utils.forecasting.forecasters import make_forecaster
from dvol_utils.forecasting.inputs import absent_inputs
from dvol_utils.forecasting.walk import fit_networks
from dvol_utils.models import Forecaster
from dvol_utils.samples.folds import Fold, fold_rows, fold_samples, refuse_empty, study_folds
from dvol_utils.samples.samples import Samples, build_samples
from dvol_utils.study.model_names import NETWORK_NAMES
from dvol_utils.study.params import ParameterError, StudyParams
from dvol_utils.training import NetworkForecaster, TrainingError
from dvol_utils.training.processes.many import Failure

# What a model learns from: its asset's rows; all assets' rows; these, told which asset each is of.
ALONE, POOLED, LABELLED = "alone", "pooled", "labelled"
_SIMPLE = ("ridge_decay", "boosted_trees")


@dataclass(frozen=True)
class Fit:
    """One model of one fold: what it learns from, and the assets that it forecasts."""

    model: str
    way: str
    seed: int
    fold: Fold
    assets: tuple[str, ...]


def asset_samples(panel: pd.DataFrame, jumps: pd.DataFrame, study: StudyParams) -> list[Samples]:
    """Samples of each of the study's assets, in their order.

    Raises
    ------
    ParameterError
        The study has one asset: there is nothing to pool.
    """
    if len(study.data.assets) < 2:
        raise ParameterError(
            f"data.assets {study.data.assets}: should name several assets to pool, such as BTC, ETH"
        )
    # All ways of learning are compared on the same rows: those that every model has.
    read = [make_forecaster(name, study).columns for name in pooled_models(study)]
    columns = list(chain.from_iterable(read))
    assets = study.data.assets
    return [build_samples(panel, jumps, study, asset=one).as_far_as(columns) for one in assets]


def asset_summary(samples: Sequence[Samples]) -> pd.DataFrame:
    """Rows of each asset.

    Returns
    -------
    DataFrame
        asset, first_origin, last_origin (of its scored rows), and numbers of scored rows: train,
        validation, test.
    """
    rows = []
    for of_asset in samples:
        scored = of_asset.times[np.flatnonzero(of_asset.scored)]
        counts = {split: len(of_asset.rows(split)) for split in ("train", "validation", "test")}
        origins = {"first_origin": scored[0], "last_origin": scored[-1]}
        rows.append({"asset": of_asset.asset, **origins, **counts})
    return pd.DataFrame(rows)


def pool(samples: Sequence[Samples], study: StudyParams) -> Samples:
    """Rows of several assets one after the other, to learn from.

    Parameters
    ----------
    samples : sequence of Samples
        One asset each; those of a fold hold what was known at its start.
    study : StudyParams
        Length of the networks' sequences.

    Returns
    -------
    Samples
        Each asset's rows up to the last that is learnt from, then rows without values, so many that
        no sequence holds hours of two assets and that each asset's sequences lie as they would
        alone. Assets without a row to learn from are left out. Times repeat: forecasts are asked
        for with each asset's own samples.

    Raises
    ------
    ValueError
        No asset has a row to learn from.
    """
    ends = [_last_learnt(of_asset) + 1 for of_asset in samples]
    parts = [(of_asset, end) for of_asset, end in zip(samples, ends, strict=True) if end]
    if not parts:
        raise ValueError(f"assets {[of_asset.asset for of_asset in samples]}: no row to learn from")
    # Each hour is a sequence of its own where only a window's last hour is a target.
    training = study.training
    chunk = training.chunk_hours if training.supervision == "dense" else 1
    # As long as a sequence with its burn-in: none reaches over it.
    apart = training.window_hours - 1 + chunk
    # Rounded up to whole chunks, so that the next asset's sequences begin as they would alone.
    blanks = [-(-(end + apart) // chunk) * chunk - end for _, end in parts]
    joined = {
        field.name: _joined(
            [getattr(of_asset, field.name)[:end] for of_asset, end in parts], blanks
        )
        for field in fields(Samples)
        if isinstance(getattr(parts[0][0], field.name), np.ndarray)
    }
    names = parts[0][0].features.columns
    values = [of_asset.features[names].to_numpy()[:end] for of_asset, end in parts]
    # Without the zone they are numpy's own times, whose blank is NaT.
    times = _joined(
        [of_asset.times[:end].tz_localize(None).to_numpy() for of_asset, end in parts], blanks
    )
    index = pd.DatetimeIndex(times, name="time").tz_localize("UTC")
    return Samples(
        asset="+".join(of_asset.asset for of_asset, _ in parts),
        times=index,
        horizon=parts[0][0].horizon,
        features=pd.DataFrame(_joined(values, blanks), columns=names, index=index),
        **joined,
    )


def _last_learnt(samples: Samples) -> int:
    """Position of the last row that a model learns from or is stopped by; -1 where there is none.

    What comes after it may be of another asset's future, and does not enter.
    """
    learnt = [samples.fitting_rows(), samples.rows("train"), samples.rows("validation")]
    return int(max((rows[-1] for rows in learnt if len(rows)), default=-1))


def _joined(parts: Sequence[np.ndarray], blanks: Sequence[int]) -> np.ndarray:
    """Parts one after the other, each followed by some blank values of its kind."""
    blank = {"f": np.nan, "b": False, "U": "", "O": None, "M": np.datetime64("NaT")}
    pieces = []
    for part, count in zip(parts, blanks, strict=True):
        fill = np.full((count, *part.shape[1:]), blank[part.dtype.kind], part.dtype)
        pieces += [part, fill]
    return np.concatenate(pieces)


def pooled_models(study: StudyParams) -> list[str]:
    """The study's models that are fitted alone and pooled: its strong simple ones, its networks.

    Raises
    ------
    ParameterError
        The study has none of them.
    """
    names = [name for name in study.models if name in (*_SIMPLE, *NETWORK_NAMES)]
    if not names:
        valid = ", ".join((*_SIMPLE, *NETWORK_NAMES))
        raise ParameterError(
            f"models {study.models}: found none to pool; should name one of {valid}"
        )
    return names


def study_fits(samples: Sequence[Samples], study: StudyParams) -> list[Fit]:
    """Every model to fit: each of `pooled_models`, in each fold, way and seed.

    Folds are the study's, those of its first asset. Models that read a series which one of the
    assets lacks are left out. Networks alone are told which asset a row is
    of: regressions would learn a constant.
    """
    assets = tuple(of_asset.asset for of_asset in samples)
    folds = study_folds(samples[0], study)
    absent = {name for of_asset in samples for name in absent_inputs(study, of_asset)}
    fits = []
    for model in pooled_models(study):
        if model in absent:
            continue
        network = model in NETWORK_NAMES
        ways = [(ALONE, (asset,)) for asset in assets] + [(POOLED, assets)]
        ways += [(LABELLED, assets)] if network else []
        fits += [
            Fit(model, way, seed, fold, learnt)
            for way, learnt in ways
            for seed in (study.training.seeds if network else [0])
            for fold in folds
        ]
    return fits


def fit_forecaster(fit: Fit, study: StudyParams) -> Forecaster:
    """The forecaster of a fit, not yet fitted.

    A network of the study's first asset alone is the study's own, with its checkpoint.
    """
    if fit.way == LABELLED:
        groups = [*study.features.groups, "asset"]
        features = study.features.model_copy(update={"groups": list(dict.fromkeys(groups))})
        labelled = study.model_copy(update={"features": features})
        labelled._root = study.root
        study = labelled
    number = None if study.walk.is_fixed else fit.fold.number
    forecaster = make_forecaster(fit.model, study, seed=fit.seed, fold=number)
    if isinstance(forecaster, NetworkForecaster) and fit.assets != (study.data.assets[0],):
        folder = "_".join((fit.way, *fit.assets))
        place = f"{fit.fold.number}-{fit.seed}"
        forecaster.checkpoint = study.run_dir / "pooling" / folder / fit.model / place
    return forecaster


def fit_samples(fit: Fit, samples: Sequence[Samples], study: StudyParams) -> Samples:
    """What a fit learns from: rows of its assets that were known when its fold begins.

    Raises
    ------
    ValueError
        There is no row to learn from, or none to stop networks by.
    """
    # An asset without rows here may still be forecast by what another has learnt.
    learnable = [
        fold_samples(of_asset, fit.fold, study.walk, may_be_empty=True)
        for of_asset in samples
        if of_asset.asset in fit.assets
    ]
    learnt = learnable[0] if fit.way == ALONE else pool(learnable, study)
    refuse_empty(learnt, fit.fold, study.walk)
    return learnt


def pooling_forecasts(
    samples: Sequence[Samples], study: StudyParams, *, log: Callable[[str], None] = print
) -> pd.DataFrame:
    """Forecasts of every asset by models that learnt from it alone and from all assets.

    Parameters
    ----------
    samples : sequence of Samples
        One asset each, as `asset_samples` returns them.
    study : StudyParams
    log : callable
        Receives the networks' progress lines while they train.

    Returns
    -------
    DataFrame
        Columns of `forecast_rows`, and way: `alone`, `pooled`, or `labelled` (networks that are
        told which asset a row is of).

    Raises
    ------
    ParameterError
        As `pooled_models`.
    TrainingError
        A network could not be trained; the comparison needs all.
    """
    fits = study_fits(samples, study)
    learnt = _learnt_once(fits, samples, study)
    _train_networks(fits, learnt, study, log)
    tables = []
    for fit, rows in zip(fits, learnt, strict=True):
        forecaster = fit_forecaster(fit, study)
        forecaster.fit(rows)  # networks find their checkpoints
        for of_asset in samples:
            if of_asset.asset in fit.assets:
                at = fold_rows(of_asset, fit.fold)
                in_fold = fold_samples(of_asset, fit.fold, study.walk, may_be_empty=True)
                made = {"model": fit.model, "seed": fit.seed, "fold": fit.fold.number}
                table = forecast_rows(of_asset, at, forecaster.predict(in_fold)[at], **made)
                tables.append(table.assign(way=fit.way))
    return pd.concat(tables, ignore_index=True)


def _learnt_once(
    fits: Sequence[Fit], samples: Sequence[Samples], study: StudyParams
) -> list[Samples]:
    """`fit_samples` of each fit; the same object where it is the same, since it is large."""
    made: dict[tuple[Fold, bool, tuple[str, ...]], Samples] = {}
    for fit in fits:
        key = (fit.fold, fit.way == ALONE, fit.assets)
        if key not in made:
            made[key] = fit_samples(fit, samples, study)
    return [made[fit.fold, fit.way == ALONE, fit.assets] for fit in fits]


def _train_networks(
    fits: Sequence[Fit],
    learnt: Sequence[Samples],
    study: StudyParams,
    log: Callable[[str], None],
) -> None:
    """Train every network into its checkpoint, side by side."""
    networks = []
    for fit, rows in zip(fits, learnt, strict=True):
        forecaster = fit_forecaster(fit, study)
        if isinstance(forecaster, NetworkForecaster):
            networks.append((forecaster, rows))
    results = fit_networks(networks, study, log=log)
    for (network, _), result in zip(networks, results, strict=True):
        if isinstance(result, Failure):
            raise TrainingError(f"{network.checkpoint}: {result.error}")
