"""How good quantiles are: coverage, pinball loss and CRPS, overall and by regime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dvol_utils.evaluation.forecast_table import QUANTILES, check_values
from dvol_utils.evaluation.scores import in_order
from dvol_utils.evaluation.twins import settled

# interval: its lower and upper quantile
INTERVALS = {50: ("q25", "q75"), 90: ("q05", "q95")}


def with_quantiles(forecasts: pd.DataFrame) -> pd.DataFrame:
    """The rows on which models' quantiles can be compared.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table with the columns of `QUANTILES`.

    Returns
    -------
    DataFrame
        Models without a single row of quantiles are left out, then the origins at which any other
        model has none.

    Raises
    ------
    ValueError
        A quantile's column is missing.
    """
    check_values(forecasts, ("model", "origin", *QUANTILES))
    there = forecasts[list(QUANTILES)].notna().all(axis="columns")
    rows = forecasts[forecasts["model"].isin(forecasts.loc[there, "model"].unique())]
    keys = [rows[name] for name in ("asset", "origin") if name in rows]
    return rows[there.loc[rows.index].groupby(keys).transform("all")]


def coverage(forecasts: pd.DataFrame, by: str | Sequence[str] = ("model",)) -> pd.DataFrame:
    """Share of outcomes within the intervals and below each quantile, one row per group.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table with quantiles; rows without them are left out. Rows count as they stand:
        use `average_seeds` first.
    by : str or sequence of str
        Columns that define a group; none (`()`) for all rows together.

    Returns
    -------
    DataFrame
        The columns of `by`, `covered_50, covered_90` (share of outcomes from q25 to q75 and from
        q05 to q95, ends included), `below_05 .. below_95` (share at or below each quantile),
        `width_50, width_90` (mean width, index points), `n`.

    Raises
    ------
    ValueError
        A column is missing, or a value is not finite.
    """
    keys = _checked(forecasts, by)
    rows = forecasts.dropna(subset=list(QUANTILES))
    outcome = rows["y_true"]
    parts = pd.DataFrame(index=rows.index)
    for share, (low, high) in INTERVALS.items():
        parts[f"covered_{share}"] = (rows[low] <= outcome) & (outcome <= rows[high])
    for name in QUANTILES:
        parts[f"below_{name[1:]}"] = outcome <= rows[name]
    for share, (low, high) in INTERVALS.items():
        parts[f"width_{share}"] = rows[high] - rows[low]
    return _grouped_means(parts.astype(float), rows, keys)


def crps(forecasts: pd.DataFrame, by: str | Sequence[str] = ("model",)) -> pd.DataFrame:
    """Continuous ranked probability score, its skill against persistence, and pinball losses.

    Parameters
    ----------
    forecasts, by
        As in `coverage`.

    Returns
    -------
    DataFrame
        The columns of `by`, `crps` (index points), `crps_skill` (1 less its ratio to that of
        persistence on the same rows; missing where persistence has no quantiles there),
        `pinball_05 .. pinball_95` (mean loss of each quantile, index points), `n`.

    Raises
    ------
    ValueError
        As `coverage`.

    Notes
    -----
    The CRPS is twice the integral of the pinball loss over all probabilities. With five quantiles
    it is taken as twice their mean pinball loss, which weighs the middle and the tails as the five
    do: good for comparing models by the same five, not with a CRPS from a whole distribution.
    Persistence has quantiles from its own past errors, so the skill is that of the forecast, not of
    having quantiles at all.

    References
    ----------
    Gneiting and Raftery (2007), Strictly proper scoring rules, prediction, and estimation, Journal
    of the American Statistical Association 102(477), doi 10.1198/016214506000001437
    """
    keys = _checked(forecasts, by)
    rows = forecasts.dropna(subset=list(QUANTILES))
    parts = pinball_losses(rows)
    parts.insert(0, "crps", 2 * parts.mean(axis="columns"))
    place = [name for name in ("asset", "origin") if name in rows]
    naive = parts["crps"][rows["model"] == "persistence"]
    # By origin: each forecast is held against persistence's of the same hour.
    naive.index = pd.MultiIndex.from_frame(rows.loc[naive.index, place])
    index = pd.MultiIndex.from_frame(rows[place])
    parts["persistence"] = naive.reindex(index).to_numpy()
    # Both means are over the hours in which persistence has quantiles too.
    parts["paired"] = parts["crps"].where(parts["persistence"].notna())
    table = _grouped_means(parts, rows, keys)
    table.insert(len(keys) + 1, "crps_skill", 1 - table.pop("paired") / table.pop("persistence"))
    return table


def pinball_losses(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Pinball loss of each quantile of each forecast.

    Parameters
    ----------
    forecasts : DataFrame
        `y_true` and the columns of `QUANTILES` (index points).

    Returns
    -------
    DataFrame
        Columns `pinball_05 .. pinball_95`, index points: `tau * (y - q)` where the outcome y lies
        above the quantile q of probability tau, else `(1 - tau) * (q - y)`. Missing where the
        quantile is.
    """
    outcome = forecasts["y_true"]
    losses = {}
    for name, probability in QUANTILES.items():
        above = outcome - forecasts[name]
        # The loss is the larger of its two branches, whichever side the outcome is on.
        losses[f"pinball_{name[1:]}"] = np.maximum(probability * above, (probability - 1) * above)
    return pd.DataFrame(losses)


def crps_losses(forecasts: pd.DataFrame) -> pd.DataFrame:
    """CRPS of models side by side: one row per origin in order of time, one column per model.

    Only `with_quantiles`; one asset, one row per origin and model. Quantiles that are the same but
    for rounding (`twins.settled`) have the same CRPS.
    """
    rows = settled(with_quantiles(forecasts))
    loss = rows.assign(loss=2 * pinball_losses(rows).mean(axis="columns"))
    wide = loss.pivot(index="origin", columns="model", values="loss")  # noqa: PD010 no aggregation
    return wide[list(pd.unique(rows["model"]))]


def _checked(forecasts: pd.DataFrame, by: str | Sequence[str]) -> list[str]:
    keys = [by] if isinstance(by, str) else list(by)
    check_values(forecasts, ("model", "origin", *QUANTILES, *keys))
    return keys


def _grouped_means(parts: pd.DataFrame, rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    if not keys:
        return parts.mean().to_frame().T.assign(n=len(parts))
    groups = parts.groupby([rows[key] for key in keys], observed=True, dropna=False)
    table = groups.mean()
    return in_order(table.assign(n=groups.size()).reset_index(), keys)
