"""Forecasts made by different rules, put on the same target hours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

DAY = 24
# The newest lag of the published inputs, a day before a row that lies an hour before the target.
INFORMATION_AGE = 25
_HOUR = pd.Timedelta(hours=1)


def holes(times: pd.Series) -> tuple[int, int]:
    """How many holes a panel's times have, and how many hours lie in them."""
    steps = times.diff().dropna()
    steps = steps[steps > _HOUR]
    # A step of n hours leaves n - 1 out.
    return len(steps), int(steps.sum() / _HOUR) - len(steps)


def naive_forecasts(
    levels: pd.Series, targets: pd.DatetimeIndex, ages: Sequence[int]
) -> list[pd.DataFrame]:
    """Persistence of several ages (hours before the target), one table per age for `same_hours`."""
    return [
        pd.DataFrame(
            {
                "model": f"Persistence, {hours} h",
                "seed": 0,
                "target_time": targets,
                "y_pred": levels.reindex(targets - hours * _HOUR).to_numpy(),
            }
        ).dropna()
        for hours in ages
    ]


def same_hours(tables: Sequence[pd.DataFrame], levels: pd.Series) -> pd.DataFrame:
    """Forecasts of several rules on the target hours that all of them have.

    Parameters
    ----------
    tables : sequence of DataFrame
        Columns `model, seed, target_time` (UTC) and `y_pred` (points), and in the first table
        `jump_regime`, which all hours are labelled by. A model and seed stand in one table only.
    levels : Series
        DVOL by hour without gaps, as `hourly_levels` returns it.

    Returns
    -------
    DataFrame
        A forecast table of horizon 24: `origin` is a day before the target and `y_origin` the level
        then, whatever a rule took for its origin, so that skill is against one persistence.

    Raises
    ------
    ValueError
        No table, no hour that all have, or a target or its day before without a level.
    """
    if not tables:
        raise ValueError("tables: found none; should hold at least one table of forecasts")
    shared = set(tables[0]["target_time"])
    for table in tables:
        for _, rows in table.groupby(["model", "seed"], sort=False):
            shared &= set(rows["target_time"])
    if not shared:
        raise ValueError("tables: found no target hour that all models forecast; should share some")
    regime = tables[0].drop_duplicates("target_time").set_index("target_time")["jump_regime"]
    joined = pd.concat([table[["model", "seed", "target_time", "y_pred"]] for table in tables])
    joined = joined[joined["target_time"].isin(shared)]
    target = pd.DatetimeIndex(joined["target_time"])
    origin = target - DAY * _HOUR
    forecasts = pd.DataFrame(
        {
            "asset": "BTC",
            "origin": origin,
            "target_time": target,
            "horizon_hours": DAY,
            "model": joined["model"].to_numpy(),
            "seed": joined["seed"].to_numpy(),
            "fold": 0,
            "split": "test",
            "y_true": levels.reindex(target).to_numpy(),
            "y_pred": joined["y_pred"].to_numpy(float),
            "y_origin": levels.reindex(origin).to_numpy(),
            "jump_regime": regime.reindex(target).to_numpy(),
        }
    )
    lacking = np.flatnonzero(forecasts[["y_true", "y_origin"]].isna().any(axis=1))
    if len(lacking):
        raise ValueError(
            f"levels: found none for target {target[lacking[0]]} or the day before it; should hold "
            "every hour"
        )
    return forecasts


def consecutive(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Changes from one target hour to the next in place of levels.

    Its `direction` is the published one: the sign of the change from one forecast to the next
    against that of the change from one outcome to the next. Hours whose neighbour is missing are
    left out. `y_origin` is 0.
    """
    rows = forecasts.sort_values(["model", "seed", "target_time"])
    grouped = rows.groupby(["model", "seed"], sort=False)
    steps = rows.assign(
        y_true=grouped["y_true"].diff(), y_pred=grouped["y_pred"].diff(), y_origin=0.0
    )
    # Beside a hole there is no change from one hour to the next.
    steps = steps[grouped["target_time"].diff() == _HOUR]
    # The order in which models stand, which sorting by name has lost.
    order = {model: place for place, model in enumerate(pd.unique(forecasts["model"]))}
    return steps.sort_values("model", key=lambda m: m.map(order), kind="stable")
