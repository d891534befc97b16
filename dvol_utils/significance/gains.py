"""Where squared error is saved over persistence: summed over time, and by the change forecast."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.significance.hac import degrees, periodogram_variance, standard_error
from dvol_utils.significance.resampling import Resampling, resampled_hours

_STEP = 6  # hours between two points of a curve: a figure has no room for more


def summed_gain(
    forecasts: pd.DataFrame, model: str, *, resampling: Resampling | None = None
) -> pd.DataFrame:
    """Squared error that a model saved over persistence, summed from the first origin on.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset, one row per origin and model, `persistence` among the models.
    model : str
    resampling : Resampling, optional
        Asks for the band.

    Returns
    -------
    DataFrame
        `origin`, `gain` (squared points, summed up to the origin) and, with `resampling`, `low` and
        `high`, a row every six hours and one for the last.

    Notes
    -----
    The band is pointwise: the curve and, around it, how far sums over as many hours differ from
    their expectation, from blocks of hours less their mean (stationary bootstrap). It is as wide at
    its end as the long-run variance of all hours asks for (`Resampling.interval`).

    References
    ----------
    Goyal and Welch (2008), A comprehensive look at the empirical performance of equity premium
    prediction, Review of Financial Studies 21(4), doi 10.1093/rfs/hhm014, for the curve.

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> blocks = Resampling(block_hours=24, reps=200, seed=0)
    >>> curve = summed_gain(example_forecasts(), "good", resampling=blocks)
    >>> curve[["gain", "low", "high"]].iloc[[0, 40, -1]].round(1)
         gain    low    high
    0     0.4   -5.0    10.9
    40  230.2 -162.8   655.9
    80  571.4    7.2  1129.8
    """
    losses = squared_errors(forecasts)
    saved = (losses["persistence"] - losses[model]).to_numpy()
    places = np.union1d(np.arange(0, len(saved), _STEP), [len(saved) - 1])
    table = pd.DataFrame({"origin": losses.index[places], "gain": saved.cumsum()[places]})
    if resampling is None:
        return table
    low, high = _band(saved, places, resampling.fitted(forecasts))
    return table.assign(low=table["gain"] + low, high=table["gain"] + high)


def _band(saved: np.ndarray, places: np.ndarray, resampling: Resampling) -> np.ndarray:
    """How far chance moves the sums up to each place: low and high, shape (2, places)."""
    apart = saved - saved.mean()
    params = resampling
    draws = resampled_hours(
        len(apart), block_hours=params.block_hours, reps=params.reps, seed=params.seed
    )
    sums = np.stack([apart[hours].cumsum()[places] for hours in draws])
    low, high = np.quantile(sums, resampling.tails, axis=0)
    error = np.sqrt(len(apart) * periodogram_variance(apart[:, None]).item())
    reach = 2 * stats.t.ppf((1 + resampling.coverage) / 2, degrees(len(apart))) * error
    width = high[-1] - low[-1]
    factor = reach / width if resampling.calibrated and width > 0 else 1.0
    return factor * np.array([low, high])


def calibration(
    forecasts: pd.DataFrame, model: str, *, bins: int = 10, coverage: float = 0.95
) -> pd.DataFrame:
    """What came where a model forecast about the same change: bins of equal count.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset, one row per origin and model.
    model : str
    bins : int
        Quantile bins of the forecast change, at least 2.
    coverage : float
        Of the intervals, which allow for overlapping targets.

    Returns
    -------
    DataFrame
        `bin` (from 0, smallest forecast change first), `forecast_change`, `outcome_change` (means,
        index points), `low, high` (of the mean outcome) and `n`. No rows for a model that forecasts
        no change.

    Raises
    ------
    ValueError
        Fewer than two bins.

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> calibration(example_forecasts(), "good", bins=3).round(2)
       bin  forecast_change  outcome_change   low  high    n
    0    0            -0.72           -1.52 -2.32 -0.71  160
    1    1             0.10           -0.71 -1.80  0.39  160
    2    2             0.96            1.44  0.07  2.81  160
    """
    if bins < 2:
        raise ValueError(f"bins: found {bins}; should be at least 2")
    rows = forecasts[forecasts["model"] == model].sort_values("origin", ignore_index=True)
    forecast, outcome = (rows[name] - rows["y_origin"] for name in ("y_pred", "y_true"))
    columns = ["bin", "forecast_change", "outcome_change", "low", "high", "n"]
    if forecast.nunique() < 2:
        return pd.DataFrame([], None, columns)
    place = pd.qcut(forecast, bins, labels=False, duplicates="drop").to_numpy()
    reach = stats.t.ppf((1 + coverage) / 2, degrees(len(rows)))
    table = []
    for number in np.unique(place):
        inside = place == number
        mean = outcome[inside].mean()
        error = reach * standard_error(inside * (outcome - mean), len(rows) / inside.sum())
        means = forecast[inside].mean(), mean, mean - error, mean + error
        table.append((number, *means, inside.sum()))
    return pd.DataFrame(table, columns=columns)
