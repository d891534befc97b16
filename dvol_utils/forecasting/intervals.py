"""How sure a forecast is: quantiles from its model's own past errors, corrected as time goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dvol_utils.evaluation.forecast_table import QUANTILES
from dvol_utils.samples.samples import Samples
from dvol_utils.study.judging_section import UncertaintyParams

# A forecast's width is DVOL's usual hourly move, with so much of the last day's in the mix.
_USUAL_HOURS, _RECENT_HOURS, _RECENT_SHARE = 720, 24, 0.4
_RECENT_LIMIT = 3.0  # one day moves the width no more than a day three times as wild or as calm
_LEVELS = np.array([0.5, 0.9])  # coverage of [q25, q75] and of [q05, q95]
_ABOVE_NONE = np.nextafter(0.0, 1.0)  # the weight at which the smallest of all errors is found


def add_quantiles(
    forecasts: pd.DataFrame, samples: Samples | Iterable[Samples], params: UncertaintyParams
) -> pd.DataFrame:
    """Add the quantiles of `QUANTILES` to a forecast table, for every model and seed.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table. `y_true` is missing where an outcome is not known yet: such rows get
        quantiles and move no other row's.
    samples : Samples or iterable of Samples
        Those that the forecasts were made from, one per asset.
    params : UncertaintyParams

    Returns
    -------
    DataFrame
        The table with `q05, q25, q50, q75, q95` (index points), in this order of size. They are
        missing where fewer than `min_errors` errors are known: in the first weeks of validation.

    Raises
    ------
    ValueError
        A model and seed forecasts an origin twice, an asset or an origin is not among the samples,
        or a forecast of log DVOL is not above zero.

    Notes
    -----
    The error of an origin is `log(y_true / y_pred)`, or `y_true - y_pred` as a share of DVOL where
    the study forecasts levels, in units of the origin's width, `forecast_width`. At an origin only
    errors of targets up to the midnight (UTC) before it are known. Their quantiles, weighted by
    `2 ** (-age / half_life_days)`, are taken at the probabilities `(1 - a) / 2` and
    `(1 + a) / 2` for the two intervals and at 1/2, then multiplied by the origin's width.

    The level a of an interval begins at its nominal 0.5 or 0.9 and moves once a day by
    `learning_rate / 24 * sum of (nominal - inside)` over the errors that became known since, inside
    being 1 where the interval given at the time held the outcome: adaptive conformal inference,
    with the lateness of the outcomes. Origins in the jump regime have levels of their own, moved by
    their own errors and `jump_learning_rate`. Levels stay in 0..1, so no interval reaches beyond
    the largest past error.

    All models are treated alike, persistence too. The mean of several seeds' quantiles
    (`average_seeds`) is a little too wide for the mean forecast, by as much as seeds disagree.

    References
    ----------
    Gibbs and Candes (2021), Adaptive conformal inference under distribution shift, NeurIPS 34,
    arxiv.org/abs/2106.00170
    """
    samples_of = {
        part.asset: part for part in ([samples] if isinstance(samples, Samples) else samples)
    }
    _refuse_doubles(forecasts)
    quantiles = np.full((len(forecasts), len(QUANTILES)), np.nan)
    for asset, at in forecasts.reset_index(drop=True).groupby("asset", sort=False).indices.items():
        if asset not in samples_of:
            raise ValueError(
                f"forecasts: found asset {asset!r}; samples are of {', '.join(sorted(samples_of))}"
            )
        quantiles[at] = _asset_quantiles(forecasts.iloc[at], samples_of[asset], params)
    return forecasts.assign(**dict(zip(QUANTILES, quantiles.T, strict=True)))


def forecast_width(dvol: np.ndarray, horizon: int) -> np.ndarray:
    """How far DVOL usually moves over a horizon, as known at each hour.

    Parameters
    ----------
    dvol : ndarray of shape (rows,)
        Hourly closes, index points.
    horizon : int
        Hours.

    Returns
    -------
    ndarray of shape (rows,)
        In logs: `sqrt(horizon) * usual ** 0.6 * recent ** 0.4`, where `usual` and `recent` are the
        mean absolute hourly log changes of the last 720 and of the last 24 hours, `recent` between
        a third and three times `usual`. Missing in the first 360 hours.
    """
    change = pd.Series(np.log(dvol)).diff().abs()
    usual, recent = (
        # Half a window is enough; before that there is no width, and so no quantile.
        change.rolling(hours, min_periods=hours // 2).mean().to_numpy()
        for hours in (_USUAL_HOURS, _RECENT_HOURS)
    )
    # A market without a move for a month has no width to divide by.
    usual = np.where(usual > 0, usual, np.nan)
    ratio = np.clip(recent / usual, 1 / _RECENT_LIMIT, _RECENT_LIMIT)
    return horizon**0.5 * usual * ratio**_RECENT_SHARE


@dataclass(frozen=True)
class _Day:
    """Origins of one UTC day among all origins in order, and the errors known at its midnight."""

    origins: slice
    oldest: int  # first error that is not too old
    known_errors: int  # number of errors known


def _asset_quantiles(rows: pd.DataFrame, samples: Samples, params: UncertaintyParams) -> np.ndarray:
    """Quantiles of one asset's forecasts, shape (rows, 5), index points."""
    width = _widths(rows, samples)
    levels = samples.location is not None
    error = _errors(rows, width, levels)
    place, origins = pd.factorize(rows["origin"], sort=True)
    hours = _hours(pd.DatetimeIndex(origins))
    targets = hours + samples.horizon
    days = list(_days(hours, targets, params.past_days))
    # Relative to the first target, so that rows that come later change no bit of earlier ones.
    weight = 2.0 ** ((targets - targets[0]) / (24 * params.half_life_days))
    series = rows.groupby(["model", "seed"], sort=False).ngroup().to_numpy()
    regime = np.zeros(len(origins), int)
    regime[place] = rows["jump_regime"] == "jump"
    errors = np.full((series.max() + 1, len(origins)), np.nan)
    errors[series, place] = error
    quantiles = _quantiles_of_errors(errors, regime, weight, days, params)[series, place]
    forecast = rows["y_pred"].to_numpy(float)[:, None]
    # Back from units of the origin's own width.
    moves = quantiles * width[:, None]
    return forecast + moves if levels else forecast * np.exp(moves)


def _quantiles_of_errors(
    errors: np.ndarray,
    regime: np.ndarray,
    weight: np.ndarray,
    days: list[_Day],
    params: UncertaintyParams,
) -> np.ndarray:
    """Quantiles of scaled errors at each origin, shape (series, origins, 5), a series a model.

    `errors` (series, origins), missing where not known, in order of origins like `weight` and
    `regime` (1 in jump hours, else 0).
    """
    quantiles = np.full((*errors.shape, len(QUANTILES)), np.nan)
    there = np.isfinite(errors)
    # Counts before each origin, so that those of a stretch are a difference of two.
    until = np.cumsum(np.pad(there, ((0, 0), (1, 0))), axis=1)  # how many there are before each
    # Sorted once, not once a day: errors that are not known, or too old, have no weight.
    orders = [np.argsort(row)[:count] for row, count in zip(errors, until[:, -1], strict=True)]
    rates = np.array([params.learning_rate, params.jump_learning_rate])
    level, seen = np.tile(_LEVELS, (len(errors), len(rates), 1)), 0
    for day in days:
        new = slice(seen, day.known_errors)
        level = _adapted(level, errors[:, new], quantiles[:, new], regime[new], rates)
        seen, past = day.known_errors, slice(day.oldest, day.known_errors)
        counts = until[:, day.known_errors] - until[:, day.oldest]
        weights = np.zeros(len(weight))
        weights[past] = weight[past]
        wanted = _probabilities(level)
        for k in np.flatnonzero(counts >= params.min_errors):
            # In order of the errors' size the running sum of weights is their distribution.
            total = np.cumsum(weights[orders[k]])
            at = total.searchsorted(np.maximum(wanted[k] * total[-1], _ABOVE_NONE))
            # Levels of the two intervals move apart, and the inner may pass the outer: sorted
            # again.
            quantiles[k, day.origins] = np.sort(errors[k, orders[k][at]])[regime[day.origins]]
    return quantiles


def _adapted(
    level: np.ndarray,
    errors: np.ndarray,
    quantiles: np.ndarray,
    regime: np.ndarray,
    rates: np.ndarray,
) -> np.ndarray:
    """Levels (series, regimes, 2) after outcomes: errors (series, n), regime (n,), quantiles
    (series, n, 5) that were given then.
    """
    low, high = quantiles[..., [1, 0]], quantiles[..., [3, 4]]
    # Before the first quantiles nothing was promised, so nothing was missed.
    judged = np.isfinite(low[..., 0]) & np.isfinite(errors)
    inside = (low <= errors[..., None]) & (errors[..., None] <= high)
    missed = np.where(judged[..., None], _LEVELS - inside, 0.0)
    by_regime = [missed[:, regime == k].sum(axis=1) for k in range(len(rates))]
    return np.clip(level + rates[:, None] * np.stack(by_regime, axis=1) / 24, 0.0, 1.0)


def _probabilities(level: np.ndarray) -> np.ndarray:
    """Probabilities of the five quantiles (..., 5) by the levels (..., 2) of the two intervals."""
    inner, outer = np.moveaxis(level / 2, -1, 0)
    return 0.5 + np.stack([-outer, -inner, np.zeros_like(inner), inner, outer], axis=-1)


def _days(origins: np.ndarray, targets: np.ndarray, past_days: int) -> Iterator[_Day]:
    """The days of origins (hours since 1970, in order), with what is known of their targets."""
    day = origins // 24
    for number in np.unique(day):
        first, end = np.searchsorted(day, [number, number + 1])
        yield _Day(
            origins=slice(first, end),
            # By target, not origin: an error is as old as the outcome that made it known.
            oldest=int(np.searchsorted(targets, 24 * (number - past_days), side="right")),
            known_errors=int(np.searchsorted(targets, 24 * number, side="right")),
        )


def _widths(rows: pd.DataFrame, samples: Samples) -> np.ndarray:
    """Width of each forecast as of its row of the samples, shape (rows,)."""
    target = pd.DatetimeIndex(rows["target_time"])
    at = samples.times.get_indexer(target) - samples.horizon
    # Targets to come have no row; where hours were dropped, origins have none of their own.
    ahead = target > samples.times[-1]
    at[ahead] = samples.times.get_indexer(pd.DatetimeIndex(rows["origin"])[ahead])
    if (at < 0).any():
        row = rows.iloc[int((at < 0).argmax())]
        raise ValueError(
            f"forecasts: origin {row['origin']} of {samples.asset} is not among the samples, "
            f"{samples.times[0]} to {samples.times[-1]}"
        )
    width = forecast_width(samples.dvol, samples.horizon)[at]
    return width if samples.location is None else width * samples.dvol[at]


def _errors(rows: pd.DataFrame, width: np.ndarray, levels: bool) -> np.ndarray:
    """Scaled errors, missing where the outcome is."""
    outcome, forecast = (rows[name].to_numpy(float) for name in ("y_true", "y_pred"))
    if levels:
        return (outcome - forecast) / width
    if (forecast <= 0).any():
        row = rows.iloc[int((forecast <= 0).argmax())]
        raise ValueError(
            f"forecasts: y_pred of model {row['model']}, origin {row['origin']}: found "
            f"{row['y_pred']}; should be above 0"
        )
    return np.log(outcome / forecast) / width


def _hours(times: pd.DatetimeIndex) -> np.ndarray:
    return ((times - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(hours=1)).to_numpy()


def _refuse_doubles(forecasts: pd.DataFrame) -> None:
    twice = forecasts.duplicated(["asset", "origin", "model", "seed"])
    if twice.any():
        row = forecasts[twice].iloc[0]
        raise ValueError(
            f"forecasts: found two of {row['asset']}, model {row['model']}, seed {row['seed']}, "
            f"origin {row['origin']}; should be one"
        )
