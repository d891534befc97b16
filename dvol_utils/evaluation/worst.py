"""Where a model fails: its worst weeks, large moves, and outcomes outside its intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.evaluation.forecast_table import QUANTILES, check_values

_WEEK = pd.Timedelta(days=7)
# A Monday to count weeks from: the epoch itself is a Thursday.
_MONDAY = pd.Timestamp("1970-01-05", tz="UTC")
_SIDES = ("above q95", "below q05")


def weekly_losses(forecasts: pd.DataFrame, model: str) -> pd.DataFrame:
    """A model beside persistence in each week of origins, Monday to Sunday (UTC).

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset, one row per origin and model (`average_seeds`).
    model : str

    Returns
    -------
    DataFrame
        One row per week in order of time: `week` (its Monday), `n` (rows), `skill`, `rmse` and
        `rmse_persistence` (points), `excess` (sum of squared errors less that of persistence,
        squared points: above zero where the model lost), `largest_move` (the largest change from
        origin to target, points, with its sign), `jump_hours` (origins in the jump regime) and
        `covered_90` (share within q05 to q95; missing where there are no quantiles).

    Raises
    ------
    ValueError
        The model has no rows, a column is missing, or a value is not finite.
    """
    rows = _own(forecasts, model, "origin", "jump_regime")
    week = _MONDAY + (rows["origin"] - _MONDAY) // _WEEK * _WEEK
    groups = rows.groupby(week.rename("week"))
    table = groups[["loss", "persistence_loss"]].sum()
    table["n"] = groups.size()
    table["skill"] = _skill(table)
    table["rmse"] = np.sqrt(table["loss"] / table["n"])
    table["rmse_persistence"] = np.sqrt(table["persistence_loss"] / table["n"])
    table["excess"] = table["loss"] - table["persistence_loss"]
    # The move itself, which has a sign, where its size is largest.
    table["largest_move"] = rows["move"].loc[groups["size"].idxmax()].to_numpy()
    table["jump_hours"] = groups["in_jump"].sum().astype(int)
    table["covered_90"] = groups["covered"].mean()
    names = ["n", "skill", "rmse", "rmse_persistence", "excess", "largest_move"]
    return table[[*names, "jump_hours", "covered_90"]].reset_index()


def worst_weeks(weeks: pd.DataFrame, count: int = 5) -> pd.DataFrame:
    """The weeks in which most was lost against persistence, worst first; none where nothing was.

    Parameters
    ----------
    weeks : DataFrame
        `weekly_losses`.
    count : int
        At most so many.
    """
    lost = weeks[weeks["excess"] > 0]
    return lost.sort_values("excess", ascending=False, kind="stable").head(count)


def best_weeks(weeks: pd.DataFrame, count: int = 5) -> pd.DataFrame:
    """The weeks in which most was gained on persistence, best first; none where nothing was.

    Parameters
    ----------
    weeks : DataFrame
        `weekly_losses`.
    count : int
        At most so many.
    """
    gained = weeks[weeks["excess"] < 0]
    return gained.sort_values("excess", kind="stable").head(count)


def rows_of_weeks(forecasts: pd.DataFrame, weeks: pd.DataFrame, count: int = 2) -> pd.DataFrame:
    """Forecasts with origin in the first `count` weeks of a table, with their `week`."""
    origin = forecasts["origin"]
    parts = [
        forecasts[(origin >= week) & (origin < week + _WEEK)].assign(week=week)
        for week in weeks["week"].head(count)
    ]
    return pd.concat(parts) if parts else forecasts.head(0).assign(week=pd.NaT)


def error_by_move(forecasts: pd.DataFrame, model: str, bins: int = 5) -> pd.DataFrame:
    """A model's error by the size of the move that came: bins of equal count.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset, one row per origin and model.
    model : str
    bins : int
        Quantile bins of the absolute change from origin to target, at least 2.

    Returns
    -------
    DataFrame
        One row per bin, smallest moves first: `bin` (from 1), `smallest, largest` (absolute move,
        points), `rmse`, `rmse_persistence` (points), `foreseen` (forecast change in the direction
        of the move as a share of the moves, summed over rows), `covered_90`, `n`.

    Raises
    ------
    ValueError
        Fewer than two bins, or as `weekly_losses`.

    Notes
    -----
    The size of a move is known afterwards only: by construction persistence is best where nothing
    moved, so that skill within a bin means little.
    """
    if bins < 2:
        raise ValueError(f"bins: found {bins}; should be at least 2")
    rows = _own(forecasts, model)
    # Hours of equal size, such as no move at all, may be more than a bin holds.
    place = pd.qcut(rows["size"], bins, labels=False, duplicates="drop")
    groups = rows.groupby(place.rename("bin"))
    table = groups["size"].agg(smallest="min", largest="max")
    means = groups[["loss", "persistence_loss", "foreseen", "size", "covered"]].mean()
    table["rmse"] = np.sqrt(means["loss"])
    table["rmse_persistence"] = np.sqrt(means["persistence_loss"])
    table["foreseen"] = means["foreseen"] / means["size"].where(means["size"] > 0)
    table["covered_90"] = means["covered"]
    table["n"] = groups.size()
    # Dropped bins leave gaps in the numbers.
    return table.reset_index().assign(bin=range(1, len(table) + 1))


def missed_hours(forecasts: pd.DataFrame, model: str) -> pd.DataFrame:
    """Outcomes outside a model's 90 % interval, by side.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset, one row per origin and model; rows without quantiles are left out.
    model : str

    Returns
    -------
    DataFrame
        `side` (above q95, below q05), `hours`, `share` (of the model's rows with quantiles; 5 %
        is meant), `in_jump` (share of these hours in the jump regime), `stretches` (runs of
        consecutive origins), `longest` (hours of the longest), `farthest` (largest distance from
        the interval, points) and `farthest_target` (its target hour). No rows without quantiles.

    Raises
    ------
    ValueError
        As `weekly_losses`.
    """
    rows = _own(forecasts, model, "origin", "target_time", "jump_regime")
    rows = rows[rows["covered"].notna()].sort_values("origin", ignore_index=True)
    if rows.empty:
        return pd.DataFrame()
    beyond = (rows["y_true"] - rows["q95"], rows["q05"] - rows["y_true"])
    return pd.DataFrame(
        [_missed(rows, distance, side) for side, distance in zip(_SIDES, beyond, strict=True)]
    )


def _missed(rows: pd.DataFrame, distance: pd.Series, side: str) -> dict[str, object]:
    out = rows[distance > 0]
    # A stretch begins where the hour before is not outside as well.
    starts = out["origin"].diff() != pd.Timedelta(hours=1)
    lengths = starts.cumsum().value_counts()
    farthest = distance[out.index].idxmax() if len(out) else None
    return {
        "side": side,
        "hours": len(out),
        "share": len(out) / len(rows),
        "in_jump": out["in_jump"].mean(),
        "stretches": int(starts.sum()),
        "longest": int(lengths.max()) if len(out) else 0,
        "farthest": np.nan if farthest is None else distance[farthest],
        "farthest_target": pd.NaT if farthest is None else rows["target_time"][farthest],
    }


def _own(forecasts: pd.DataFrame, model: str, *columns: str) -> pd.DataFrame:
    """A model's rows with losses (squared points), move and size (points) and whether covered."""
    check_values(forecasts, ("model", *columns))
    rows = forecasts[forecasts["model"] == model].reset_index(drop=True)
    if rows.empty:
        found = ", ".join(pd.unique(forecasts["model"]))
        raise ValueError(f"forecasts: found no rows of model {model!r}; it holds {found}")
    move = rows["y_true"] - rows["y_origin"]
    # Tables of studies without intervals have no such columns.
    quantiles = rows.reindex(columns=list(QUANTILES)).astype(float)
    inside = (quantiles["q05"] <= rows["y_true"]) & (rows["y_true"] <= quantiles["q95"])
    new = {
        "loss": (rows["y_true"] - rows["y_pred"]) ** 2,
        "persistence_loss": move**2,
        "move": move,
        "size": move.abs(),
        "foreseen": (rows["y_pred"] - rows["y_origin"]) * np.sign(move),
        "covered": inside.astype(float).where(quantiles.notna().all(axis="columns")),
    }
    if "jump_regime" in columns:
        new["in_jump"] = rows["jump_regime"] == "jump"
    return rows.assign(**new)


def _skill(sums: pd.DataFrame) -> pd.Series:
    moved = sums["persistence_loss"].where(sums["persistence_loss"] > 0)
    return 1 - sums["loss"] / moved
