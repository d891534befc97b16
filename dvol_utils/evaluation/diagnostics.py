"""Where forecasts are good or bad: skill over time, calibration, distribution of errors."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.evaluation.forecast_table import check_values
from dvol_utils.evaluation.scores import contributions, score

_SAME = 1e-9  # index points: errors closer than this differ by rounding


def rolling_skill(forecasts: pd.DataFrame, window_hours: int) -> pd.DataFrame:
    """Skill against persistence over a moving window of targets.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table, one row a target and model.
    window_hours : int
        Length of the window, hours; it ends at `time`.

    Returns
    -------
    DataFrame
        `model, time` (UTC), `skill`; one row a target hour from the first full window on. Missing
        where the level did not move within the window.

    Raises
    ------
    ValueError
        The window is longer than the time that the targets span, no rows, or a value that is not
        finite.
    """
    check_values(forecasts, ("model", "target_time"))
    times = forecasts["target_time"]
    first_full = times.min() + pd.Timedelta(hours=window_hours - 1)
    if window_hours < 1 or first_full > times.max():
        span = (times.max() - times.min()) / pd.Timedelta(hours=1) + 1
        raise ValueError(
            f"window_hours: found {window_hours}; should be 1 to {span:.0f}, the hours spanned by "
            "the targets"
        )
    parts = contributions(forecasts)[["error_squared", "persistence_squared"]]
    sums = parts.groupby([forecasts["model"], times], sort=True).sum()
    window = pd.Timedelta(hours=window_hours)
    sums = sums.reset_index("model").groupby("model", sort=False).rolling(window).sum()
    moved = sums["persistence_squared"].where(sums["persistence_squared"] > 0)
    skill = (1 - sums["error_squared"] / moved).rename("skill")
    skill = skill.rename_axis(["model", "time"]).reset_index()
    return skill[skill["time"] >= first_full].reset_index(drop=True)


def calibration(forecasts: pd.DataFrame, bins: int = 10) -> pd.DataFrame:
    """Mean outcome of forecasts of about the same change: bins of equal count.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table.
    bins : int
        Quantile bins of the forecast change, at least 2.

    Returns
    -------
    DataFrame
        `model, bin` (from 0, smallest forecast change first), `forecast_change` and
        `outcome_change` (means, index points), `n`. A model that forecasts no change has no rows.
    """
    check_values(forecasts, ("model",))
    if bins < 2:
        raise ValueError(f"bins: found {bins}; should be at least 2")
    tables = []
    for model, changes in _changes(forecasts).groupby("model", sort=False):
        place = pd.qcut(changes["forecast_change"], bins, labels=False, duplicates="drop")
        table = changes.groupby(place.rename("bin"))[["forecast_change", "outcome_change"]].mean()
        table["n"] = place.value_counts()
        tables.append(table.reset_index().assign(model=model))
    columns = ["model", "bin", "forecast_change", "outcome_change", "n"]
    return (
        pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame([], None, columns)
    )


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
    return table.loc[score(forecasts)["model"]].reset_index()


def error_histogram(
    forecasts: pd.DataFrame, bins: int = 60, *, trim: float = 0.005
) -> pd.DataFrame:
    """Density of each model's errors on common bins.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table.
    bins : int
        Bins of equal width between the pooled quantiles `trim` and `1 - trim`.
    trim : float
        Share of all errors left out at each end, so that single hours do not set the scale.

    Returns
    -------
    DataFrame
        `model, error` (middle of the bin, outcome minus forecast, index points), `density` (share
        of the model's rows a point). Errors that are all the same lie in the middle of one point.

    Raises
    ------
    ValueError
        No rows, or a value that is not finite.
    """
    check_values(forecasts, ("model",))
    errors = forecasts["y_true"] - forecasts["y_pred"]
    low, high = errors.quantile([trim, 1 - trim])
    half = 0.0 if high - low > _SAME else 0.5
    edges = np.linspace(low - half, high + half, bins + 1)
    middles, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    tables = [
        pd.DataFrame(
            {
                "model": model,
                "error": middles,
                "density": np.histogram(group, edges)[0] / (len(group) * width),
            }
        )
        for model, group in errors.groupby(forecasts["model"], sort=False)
    ]
    return pd.concat(tables, ignore_index=True)


def liveliest(forecasts: pd.DataFrame, hours: int = 336, *, after: int = 0) -> pd.DataFrame:
    """The rows whose targets lie in the stretch of `hours` with the widest range of outcomes, or
    in the `after` hours that follow it.

    Raises `ValueError` for no rows, or a value that is not finite.
    """
    check_values(forecasts, ("target_time",))
    outcome = forecasts.groupby("target_time")["y_true"].first()
    window = outcome.rolling(pd.Timedelta(hours=hours))
    last = (window.max() - window.min()).idxmax()
    time = forecasts["target_time"]
    return forecasts[
        (time <= last + pd.Timedelta(hours=after)) & (time > last - pd.Timedelta(hours=hours))
    ]


def _changes(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Forecast and outcome changes of the models that forecast any change."""
    changes = pd.DataFrame(
        {
            "model": forecasts["model"],
            "forecast_change": forecasts["y_pred"] - forecasts["y_origin"],
            "outcome_change": forecasts["y_true"] - forecasts["y_origin"],
        }
    )
    spread = changes.groupby("model")["forecast_change"].transform("nunique")
    return changes[spread > 1]
