"""New rows of the forecast table, made by saved models without any fitting."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from dvol_utils.evaluation.forecast_table import QUANTILES
from dvol_utils.forecasting.forecast_rows import forecast_rows
from dvol_utils.forecasting.intervals import add_quantiles
from dvol_utils.models import Forecaster, Restorable
from dvol_utils.samples.folds import LATER
from dvol_utils.samples.samples import Samples
from dvol_utils.serving.changed_models import changed_weights
from dvol_utils.serving.market import Market, broken_sources, missing_inputs
from dvol_utils.serving.saved_models import Finished, ServedFold, ServingError, load_models
from dvol_utils.study.model_names import ENSEMBLE
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.numbers import hour

_CHECKED = 24  # hours of the study's own forecasts that saved models have to give again
_TOLERANCE = 0.02  # points; bfloat16 on another processor moves a forecast by some thousandths


def new_rows(
    finished: Finished,
    market: Market,
    samples: Samples,
    name: str,
    fold: ServedFold,
    rows: np.ndarray,
    *,
    made: Mapping[str, pd.DataFrame] = MappingProxyType({}),
    allow_changed: bool = False,
) -> tuple[pd.DataFrame, list[str]]:
    """Forecasts of a saved model at some hours, one row per hour and seed.

    Parameters
    ----------
    finished : Finished
    market : Market
    samples : Samples
        `serving_samples` of the market.
    name : str
        Model.
    fold : ServedFold
        Whose models forecast.
    rows : ndarray of int
        Hours that are asked for, in order, positions in `samples`.
    made : mapping
        By model, rows that were made before and need not be made again for the ensemble.
    allow_changed : bool
        Go on where the saved models are not those of the study's forecasts, or do not give them
        again.

    Returns
    -------
    table : DataFrame
        Columns of the forecast table, `split` `LATER`; `y_true` is missing where the target lies
        ahead, `y_pred` where inputs are missing.
    notes : list of str
        What was allowed, a sentence each.

    Raises
    ------
    ServingError
        The model left no checkpoint, or another one than made the study's forecasts, or it does not
        give them again.
    """
    if name == ENSEMBLE:
        needed = [member for member in members(finished) if member not in made]
        new = {
            member: new_rows(
                finished, market, samples, member, fold, rows, allow_changed=allow_changed
            )
            for member in needed
        }
        every = {**made, **{member: table for member, (table, _) in new.items()}}
        joined = pd.concat([every[member] for member in members(finished)], ignore_index=True)
        notes = [note for _, notes in new.values() for note in notes]
        return ensemble_rows(joined, finished, fold), notes
    notes = changed_weights(finished, name, fold, allow_changed=allow_changed)
    seeds = finished.asset_forecasts.loc[finished.asset_forecasts["model"] == name, "seed"].unique()
    tables = []
    for seed, forecaster in zip(seeds, load_models(finished, name, fold), strict=True):
        stored = _stored(finished, samples, name, int(seed), fold)
        forecast = _predict(forecaster, samples, rows, stored["row"].to_numpy())
        if fault := _not_reproduced(stored, forecast, name, int(seed)):
            if not allow_changed:
                raise ServingError(
                    f"{fault}: inputs or checkpoints have changed since; run `make report "
                    f"STUDY={finished.study.name}` again, or pass --allow-changed"
                )
            notes.append(fault)
        labels = {"model": name, "seed": int(seed), "fold": fold.number, "split": LATER}
        tables.append(forecast_rows(samples, rows, forecast[rows], **labels))
    return pd.concat(tables, ignore_index=True), notes


def members(finished: Finished) -> list[str]:
    """The models that the study's ensemble is made of."""
    there = finished.asset_forecasts["model"].unique()
    return [name for name in finished.study.ensemble.members if name in there]


def ensemble_rows(new: pd.DataFrame, finished: Finished, fold: ServedFold) -> pd.DataFrame:
    """The ensemble's new rows, with the weights that it had in a fold.

    Parameters
    ----------
    new : DataFrame
        New rows of its members.
    finished : Finished
        The study's forecasts, from which the weights are computed again.
    fold : ServedFold

    Returns
    -------
    DataFrame
        One row per origin, columns of `new`.
    """
    from dvol_utils.forecasting.combination import combine

    stored = finished.asset_forecasts
    past = stored[(stored["fold"] <= fold.number) & (stored["origin"] < new["origin"].min())]
    # Weights go by split and fold: rows that join the study's last period get that period's.
    period = stored.loc[stored["fold"] == fold.number, "split"].iloc[-1]
    both = pd.concat([past[list(new)], new.assign(split=period)], ignore_index=True)
    rows = combine(both, **finished.study.ensemble.model_dump())
    return rows[rows["origin"].isin(new["origin"])].assign(split=LATER)[list(new)]


def lacking_inputs(forecaster: Forecaster, samples: Samples, row: int) -> list[str]:
    """Inputs of a forecaster that have no value at an hour, or in its window up to it."""
    hours = 1
    if not isinstance(forecaster, Restorable):  # a network, which looks back over a window
        hours = forecaster.study.training.window_hours
    columns = list(getattr(forecaster, "columns", []))
    volatility = getattr(forecaster, "own_volatility", None)
    return missing_inputs(samples, [*columns, *([volatility] if volatility else [])], row, hours)


def check_inputs(forecaster: Forecaster, market: Market, samples: Samples, row: int) -> None:
    """Refuse an origin at which inputs are missing, naming the series and how far it reaches."""
    lacking = lacking_inputs(forecaster, samples, row)
    if not lacking:
        return
    more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
    missing = (
        f"origin {hour(samples.times[row])}: inputs are missing: {', '.join(lacking[:3])}{more}"
    )
    broken = broken_sources(market.panel, lacking)
    if not broken:
        raise ServingError(
            f"{missing}, because the history before it is too short or has a gap: the raw store "
            f"begins at {hour(samples.times[0])}; bring earlier months"
        )
    raise ServingError(
        f"{missing}, made from {broken}; bring that series up to date, or choose a model that does "
        "without (--model ridge_decay reads DVOL alone)"
    )


def with_past_quantiles(
    past: pd.DataFrame, new: pd.DataFrame, samples: Samples, study: StudyParams
) -> pd.DataFrame:
    """The new rows with quantile columns made from each model's own past errors."""
    keys = ["asset", "origin", "model", "seed"]
    placed = past[past["origin"].isin(samples.times)]  # the raw store may hold later months only
    # Past forecasts first: new quantiles are made from their errors.
    both = pd.concat([placed[list(new)], new], ignore_index=True)
    added = add_quantiles(both, samples, study.uncertainty)
    return new.merge(added[[*keys, *QUANTILES]], on=keys, how="left")


def _predict(
    forecaster: Forecaster, samples: Samples, rows: np.ndarray, checked: np.ndarray
) -> np.ndarray:
    """Forecasts of every hour in index points; a network only answers near the hours asked for.

    They are missing where inputs are, which a network itself would take for zeros. A batch of one
    sequence would be computed by another kernel than the study's, whose bits differ: so a network
    always sees the sequences before it as well.
    """
    if isinstance(forecaster, Restorable):
        return forecaster.predict(samples)
    chunk = forecaster.study.training.chunk_hours
    wanted = np.zeros(len(samples.times), bool)
    for before in (0, chunk, 2 * chunk):
        wanted[np.maximum(np.concatenate([rows, checked]) - before, 0)] = True
    forecast = forecaster.predict(dataclasses.replace(samples, complete=wanted))
    missing = samples.features[forecaster.columns].isna().any(axis=1).astype(float)
    # A window with one missing hour is no whole one.
    whole = missing.rolling(forecaster.study.training.window_hours).sum() == 0
    return np.where(whole, forecast, np.nan)


def _stored(
    finished: Finished, samples: Samples, name: str, seed: int, fold: ServedFold
) -> pd.DataFrame:
    """The fold's first forecasts in the study's table that these samples should give again.

    Another asset gives others, and so does a history that begins at another hour.
    """
    stored = finished.asset_forecasts
    own_panel = finished.panel[finished.panel["asset"] == finished.asset]
    # Features that look back without end depend on where the history begins.
    if samples.asset != finished.asset or samples.times[0] != own_panel["time"].min():
        return stored.iloc[:0].assign(row=pd.Series(dtype=int))
    mine = (stored["model"] == name) & (stored["seed"] == seed) & (stored["fold"] == fold.number)
    mine &= stored["origin"] >= fold.known_before
    first = stored[mine].nsmallest(_CHECKED, "origin")
    row = samples.times.get_indexer(pd.DatetimeIndex(first["origin"]))
    return first.assign(row=row)[row >= 0]


def _not_reproduced(stored: pd.DataFrame, forecast: np.ndarray, name: str, seed: int) -> str | None:
    """Where a saved model does not give the study's forecasts again, in words."""
    again = forecast[stored["row"].to_numpy()]
    # Written so that a missing forecast counts as off.
    off = ~(np.abs(again - stored["y_pred"].to_numpy()) <= _TOLERANCE)
    if not off.any():
        return None
    at = int(off.argmax())
    row = stored.iloc[at]
    return (
        f"{name} seed {seed}: forecasts {again[at]:.3f} at {hour(row['origin'])} with the data as "
        f"they are now, the study forecast {row['y_pred']:.3f} there"
    )
