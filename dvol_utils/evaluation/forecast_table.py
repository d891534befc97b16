"""The forecast table, the one thing that passes from models to evaluation: checks and columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from dvol_utils.evaluation.forecast_columns import FORECAST_COLUMNS, QUANTILES, VALUES
from dvol_utils.evaluation.twins import settled


def check_forecasts(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Return the forecast table if models can be compared on it, refuse it otherwise.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table with the columns `FORECAST_COLUMNS`; the columns `QUANTILES` are optional
        and may be missing in some rows.

    Returns
    -------
    DataFrame
        The table itself.

    Raises
    ------
    ValueError
        A column is missing; `y_true`, `y_pred` or `y_origin` is not finite; a target is not one
        horizon after its origin; a model and seed forecasts an origin twice; models stand on
        different origins, but for models that ended; or they disagree about an origin's outcome,
        split or regime; quantiles cross.
    """
    check_values(forecasts, FORECAST_COLUMNS)
    due = forecasts["origin"] + pd.to_timedelta(forecasts["horizon_hours"], unit="h")
    _refuse(forecasts, forecasts["target_time"] != due, "target_time", "origin + horizon_hours")
    twice = forecasts.duplicated(["asset", "origin", "model", "seed"])
    _refuse(forecasts, twice, "seed", "one forecast per asset, origin, model and seed")
    _check_same_rows(forecasts)
    facts = ["y_true", "y_origin", "split", "jump_regime", "level_regime"]
    first = forecasts.groupby(["asset", "origin"])[facts].transform("first")
    for name in facts:
        # A missing value differs from itself, and "first" passes it over.
        differs = (forecasts[name] != first[name]) & forecasts[name].notna()
        _refuse(forecasts, differs, name, "the same for every model")
    for low, high in pairwise(name for name in QUANTILES if name in forecasts):
        _refuse(forecasts, forecasts[high] < forecasts[low], high, f"no less than {low}")
    return forecasts


def evaluation_rows(forecasts: pd.DataFrame, asset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Validation and test rows of one asset, checked, seeds averaged.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table.
    asset : str
        The asset that is evaluated.

    Returns
    -------
    validation, test : DataFrame
        One row per origin and model each, the same origins for all models. Models that ended are
        not among them: `ended_scores` is about theirs.

    Raises
    ------
    ValueError
        As `check_forecasts`, or the asset has no validation or no test rows.
    """
    check_forecasts(forecasts)
    rows = average_seeds(forecasts[forecasts["asset"] == asset])
    rows = rows[~rows["model"].isin(ended_models(rows))]
    splits = []
    for split in ("validation", "test"):
        part = rows[rows["split"] == split]
        if part.empty:
            raise ValueError(
                f"forecasts: found no {split} rows of {asset}; should hold validation and test rows"
            )
        splits.append(part.reset_index(drop=True))
    return splits[0], splits[1]


def ended_models(forecasts: pd.DataFrame) -> dict[str, pd.Timestamp]:
    """Last origin of each model whose forecasts end before those of the others.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table of one asset.
    """
    last = forecasts.groupby("model", sort=False)["origin"].max()
    return last[last < last.max()].to_dict()


def average_seeds(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Mean forecast over seeds: one row per asset, origin and model.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table.

    Returns
    -------
    DataFrame
        The same columns. `y_pred` and quantiles, where there are any, are means over seeds; other
        columns keep the first seed's value. Order of first appearance.
    """
    keys = ["asset", "origin", "model"]
    groups = forecasts.groupby(keys, sort=False, as_index=False)
    averaged = [name for name in ("y_pred", *QUANTILES) if name in forecasts]
    rules = {name: "first" for name in forecasts if name not in keys}
    rules |= dict.fromkeys(averaged, "mean")
    return groups.agg(rules)[list(forecasts.columns)]


def add_calendar(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Add calendar columns of the origin (UTC) to group by.

    Returns
    -------
    DataFrame
        A copy with `hour` (0..23), `weekday` (0 is Monday), `hour_of_week` (0 is Monday 00:00),
        `month` (first day, UTC midnight) and `half` (first or second half of the time that the
        origins span).
    """
    origin = forecasts["origin"].dt
    middle = forecasts["origin"].min() + (forecasts["origin"].max() - forecasts["origin"].min()) / 2
    midnight = origin.normalize()
    return forecasts.assign(
        hour=origin.hour,
        weekday=origin.day_of_week,
        hour_of_week=24 * origin.day_of_week + origin.hour,
        # Not `to_period`, which drops the time zone with a warning.
        month=midnight - pd.to_timedelta(origin.day - 1, unit="D"),
        half=np.where(forecasts["origin"] <= middle, "first", "second"),
    )


def squared_errors(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Squared errors of models side by side.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset, one row per origin and model, all models on the same origins.

    Returns
    -------
    DataFrame
        Squared index points: one row per origin, in order of time; one column per model. Forecasts
        that are the same but for rounding (`twins.settled`) have the same errors.

    Raises
    ------
    ValueError
        A value is not finite, several rows per origin and model, or models on different origins.
    """
    check_values(forecasts, ("origin", "model"))
    twice = forecasts.duplicated(["origin", "model"])
    _refuse(forecasts, twice, "origin", "once per model: one asset, seeds averaged")
    same = settled(forecasts)
    loss = same.assign(loss=(same["y_true"] - same["y_pred"]) ** 2)
    wide = loss.pivot(index="origin", columns="model", values="loss")  # noqa: PD010 no aggregation
    for model in wide.columns[wide.isna().any()]:
        lacking = wide.index[wide[model].isna()]
        raise ValueError(
            f"forecasts: model {model}: found no forecast for origin {lacking[0]} ({len(lacking)} "
            f"such origins); all models should stand on the same {len(wide)} rows"
        )
    return wide[list(pd.unique(forecasts["model"]))]


def check_values(forecasts: pd.DataFrame, keys: Sequence[str] = ()) -> None:
    """Refuse a table without rows, without `VALUES` and the columns `keys`, or with a value that
    is not finite (`ValueError` with model and origin).
    """
    absent = [name for name in (*VALUES, *keys) if name not in forecasts]
    if absent:
        raise ValueError(
            f"forecasts: column {absent[0]!r} is missing; found {', '.join(forecasts.columns)}"
        )
    if forecasts.empty:
        raise ValueError("forecasts: found no rows; should hold at least one forecast")
    for name in VALUES:
        bad = ~np.isfinite(forecasts[name].to_numpy(dtype=float))
        if bad.any():
            row = forecasts.iloc[int(bad.argmax())]
            raise ValueError(
                f"forecasts: {name} of {_name(row)}: found {row[name]}; should be a finite number "
                f"({bad.sum()} such rows)"
            )


def _check_same_rows(forecasts: pd.DataFrame) -> None:
    """Models stand on the same origins; one that ended, all its seeds, on those up to its last."""
    asset, assets = pd.factorize(forecasts["asset"])
    origin, origins = pd.factorize(forecasts["origin"])
    places, pairs = pd.factorize(
        asset * len(origins) + origin
    )  # as a MultiIndex, but ten times faster
    both = np.divmod(pairs, len(origins))
    all_rows = pd.MultiIndex.from_arrays([assets[both[0]], origins[both[1]]])
    last = forecasts.groupby(["asset", "model"])["origin"].max()
    for (model, seed), its_places in pd.Series(places).groupby(
        # As arrays: `places` has an index of its own.
        [forecasts["model"].to_numpy(), forecasts["seed"].to_numpy()]
    ):
        lacking = all_rows[np.setdiff1d(np.arange(len(all_rows)), its_places)]
        ends = last.xs(model, level="model").reindex(lacking.get_level_values(0))
        origins = lacking.get_level_values(1)
        # No end at all: the model has no row of that asset and lacks each of them.
        lacking = lacking[np.asarray(ends.isna()) | np.asarray(origins <= pd.DatetimeIndex(ends))]
        if len(lacking):
            asset, origin = lacking[0]
            raise ValueError(
                f"forecasts: model {model}, seed {seed}: found no forecast for {asset}, origin "
                f"{origin} ({len(lacking)} such origins); all models should stand on the same "
                f"{len(all_rows)} rows"
            )


def _refuse(forecasts: pd.DataFrame, bad: pd.Series, column: str, valid: str) -> None:
    if bad.any():
        row = forecasts.loc[bad].iloc[0]
        raise ValueError(
            f"forecasts: {column} of {_name(row)}: found {row[column]}; should be {valid} "
            f"({bad.sum()} such rows)"
        )


def _name(row: pd.Series) -> str:
    return f"model {row.get('model', '?')}, origin {row.get('origin', '?')}"
