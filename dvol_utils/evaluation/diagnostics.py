"""Where forecasts are good or bad: gain by hour of the week, telling weeks, errors."""

from __future__ import annotations

import pandas as pd

from dvol_utils.evaluation.forecast_table import add_calendar, check_values
from dvol_utils.evaluation.scores import contributions, score


def gain_by_hour_of_week(forecasts: pd.DataFrame, model: str) -> pd.DataFrame:
    """How much of a model's gain over persistence each hour of the week brings.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset, one row per origin and model.
    model : str

    Returns
    -------
    DataFrame
        `weekday` (0 is Monday), `hour` (UTC, of the origin), `gain` (squared error saved over
        persistence, summed, squared points), `share` (of the gain of all hours, which it adds up
        to; divided by its absolute value, so that a loss is negative) and `n` (rows).
    """
    check_values(forecasts, ("model", "origin"))
    rows = add_calendar(forecasts[forecasts["model"] == model])
    parts = contributions(rows)
    gain = parts["persistence_squared"] - parts["error_squared"]
    groups = gain.groupby([rows["weekday"], rows["hour"]])
    table = groups.agg(gain="sum", n="size").reset_index()
    total = abs(table["gain"].sum())
    return table.assign(share=table["gain"] / total if total > 0 else 0.0)


def telling_weeks(weeks: pd.DataFrame) -> pd.DataFrame:
    """The best, the typical and the worst week of a model: rows of `weekly_losses`, with `kind`.

    By what was saved or lost over persistence, the typical one being the middle of all. Weeks at
    the ends, with fewer hours than half of the longest, are left out. Fewer than three make one.
    """
    # A week cut off by the ends of the test would be the calmest or the worst by its length.
    whole = weeks[weeks["n"] > weeks["n"].max() / 2].sort_values("excess", ignore_index=True)
    places = {"Best week": 0, "Typical week": len(whole) // 2, "Worst week": len(whole) - 1}
    if len(whole) < len(places):
        places = {"Best week": 0}
    return whole.iloc[list(places.values())].assign(kind=list(places))


def error_distribution(
    forecasts: pd.DataFrame, quantiles: tuple[float, ...] = (0.01, 0.05, 0.5, 0.95, 0.99)
) -> pd.DataFrame:
    """Shape of each model's errors, outcome minus forecast.

    Returns
    -------
    DataFrame
        `model, mean, sd` (index points), `skew`, `kurtosis` (0 for a normal distribution) and the
        quantiles, named `q01`, `q05`, ... (index points).
    """
    errors = (forecasts["y_true"] - forecasts["y_pred"]).groupby(forecasts["model"])
    table = errors.agg(mean="mean", sd="std", skew="skew", kurtosis=pd.Series.kurt)
    for quantile in quantiles:
        table[f"q{100 * quantile:02.0f}"] = errors.quantile(quantile)
    # Models in their usual order, which `score` knows.
    return table.loc[score(forecasts)["model"]].reset_index()
