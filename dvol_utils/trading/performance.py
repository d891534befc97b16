"""How good a back-test was: return, risk, chance. Amounts are in percent of capital."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from dvol_utils.significance.resampling import resampled_hours
from dvol_utils.trading.backtest import DAYS_PER_YEAR, days_apart

KEYS = ("instrument", "model", "rule")
_EULER = 0.5772156649015329  # of Euler and Mascheroni


def summary(
    trades: pd.DataFrame,
    by: Sequence[str] = KEYS,
    *,
    block_days: int = 10,
    reps: int = 1_000,
    coverage: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return and risk of back-tests, one row per group.

    Parameters
    ----------
    trades : DataFrame
        Rows of `back_test`, each day's once per group.
    by : sequence of str
        Columns that define a group.
    block_days, reps, coverage, seed : int, int, float, int
        Stationary bootstrap of the daily returns, for the interval of the Sharpe ratio.

    Returns
    -------
    DataFrame
        The columns of `by`; `days` (decisions), `years`; `annual_return`, `annual_gross`,
        `annual_cost` and `volatility` (% of capital a year), `sharpe`, `sharpe_low`, `sharpe_high`,
        `drawdown` (% of capital, the largest loss from a peak of what the group earned),
        `in_market` (share of days with a position), `hit_rate` (share of positions held that ended
        with a net gain), `turnover` (position bought and sold a year, in units of the mean position
        held), `break_even` (cost that would take the whole gross gain, points a side). Missing
        where there is no position, and so are ratios, though closing an earlier one may have cost.

    Notes
    -----
    Days count by the size p of their position, so that tiny ones hardly do: `in_market` is
    `sum(|p|)^2 / (n * sum(p^2))`, the effective share of a weighted sample, the mean position
    `sum(p^2) / sum(|p|)`; where all positions are alike these are the plain share and mean.

    References
    ----------
    Kish (1965), Survey Sampling, Wiley: the effective size of a weighted sample
    """
    rows = []
    for names, group in trades.groupby(list(by), sort=False, dropna=False):
        net = group["net"].to_numpy()
        apart = days_apart(group)
        years = len(group) * apart / DAYS_PER_YEAR
        held = group["position"].abs()
        total, squares = held.sum(), (held**2).sum()
        drawn = {
            "block": _rows(block_days, apart),
            "reps": reps,
            "coverage": coverage,
            "seed": seed,
        }
        moved = net if total > 0 else np.zeros(len(net))  # closing alone makes no ratio
        low, high = sharpe_interval(moved, len(group) / years, **drawn)
        traded = group["traded"].sum()
        row = {
            "days": len(group),
            "years": years,
            "annual_return": net.sum() / years,
            "annual_gross": group["gross"].sum() / years,
            "annual_cost": group["cost"].sum() / years,
            "volatility": _deviation(net) * math.sqrt(len(group) / years),
            "sharpe": sharpe(moved, len(group) / years),
            "sharpe_low": low,
            "sharpe_high": high,
            "drawdown": drawdown(net),
            "in_market": total**2 / squares / len(group) if total > 0 else 0.0,
            "hit_rate": held[group["net"] > 0].sum() / total if total > 0 else np.nan,
            "turnover": traded * total / squares / years if total > 0 else 0.0,
            "break_even": group["gross"].sum() / traded if traded > 0 else np.nan,
        }
        rows.append(dict(zip(by, names, strict=True)) | row)
    return pd.DataFrame(rows)


def sharpe(returns: np.ndarray, periods: float) -> float:
    """Mean over standard deviation, times the root of `periods` a year; missing where none moves.

    Examples
    --------
    >>> round(sharpe(np.array([1.0, -0.5, 1.0, 0.5]), 4), 3)
    1.414
    """
    deviation = _deviation(returns)
    return float(returns.mean() / deviation * math.sqrt(periods)) if deviation > 0 else math.nan


def sharpe_interval(
    returns: np.ndarray, periods: float, *, block: int, reps: int, coverage: float, seed: int
) -> tuple[float, float]:
    """Percentile interval of the Sharpe ratio, by the stationary bootstrap.

    Parameters
    ----------
    returns : ndarray of shape (days,)
        Net returns in order of time.
    periods : float
        Of them a year.
    block, reps, seed : int
        Mean block (at most all days), resamples, their seed.
    coverage : float
        Of the interval.

    Returns
    -------
    low, high : float
        Missing where the returns never move. A resample that never does has a ratio of 0.

    References
    ----------
    Politis and Romano (1994), The stationary bootstrap, Journal of the American Statistical
    Association 89(428), doi 10.1080/01621459.1994.10476870
    """
    if _deviation(returns) == 0:
        return math.nan, math.nan
    draws = _resamples(returns, block, reps, seed)
    # Resamples without a trade count as zero: left out, one good day of a year would look certain.
    means, deviations = draws.mean(axis=1), draws.std(axis=1, ddof=1)
    moves = deviations > 1e-12 * np.abs(draws).max(axis=1)  # rounding of a constant is none
    ratios = np.divide(means, deviations, out=np.zeros(len(means)), where=moves)
    ratios *= math.sqrt(periods)
    low, high = np.quantile(ratios, [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)


def deflated_sharpe(
    sharpe_ratio: float, *, n: int, skew: float, kurtosis: float, trials: int, variance: float
) -> tuple[float, float]:
    """Chance that a Sharpe ratio is more than luck, given how many were tried.

    Parameters
    ----------
    sharpe_ratio : float
        Of one period's returns, not annual.
    n : int
        Returns, at least 2.
    skew, kurtosis : float
        Of the returns; 0 and 3 where they are normal.
    trials : int
        Configurations that were tried, at least 2.
    variance : float
        Of their Sharpe ratios, of one period too.

    Returns
    -------
    expected : float
        The largest Sharpe ratio to expect from that many trials without any skill.
    probability : float
        That the true ratio is above zero, beyond that luck.

    Raises
    ------
    ValueError
        Fewer than two returns or trials.

    Notes
    -----
    `SR0 = sqrt(V) * ((1 - g) * z(1 - 1/N) + g * z(1 - 1/(N * e)))` with Euler's constant g;
    `DSR = Phi((SR - SR0) * sqrt(T - 1) / sqrt(1 - skew * SR + (kurtosis - 1) / 4 * SR^2))`.

    References
    ----------
    Bailey and Lopez de Prado (2014), The deflated Sharpe ratio, Journal of Portfolio Management
    40(5), doi 10.3905/jpm.2014.40.5.094

    Examples
    --------
    The example of the paper: an annual ratio of 2.5 over 1,250 days, the best of 100.

    >>> found = deflated_sharpe(
    ...     2.5 / 250**0.5, n=1250, skew=-3, kurtosis=10, trials=100, variance=0.5 / 250
    ... )
    >>> [round(value, 4) for value in found]
    [0.1132, 0.9004]
    """
    if n < 2 or trials < 2:
        raise ValueError(f"n, trials: found {n} and {trials}; should be at least 2 each")
    quantiles = stats.norm.ppf([1 - 1 / trials, 1 - 1 / (trials * math.e)])
    expected = math.sqrt(variance) * ((1 - _EULER) * quantiles[0] + _EULER * quantiles[1])
    spread = math.sqrt(1 - skew * sharpe_ratio + (kurtosis - 1) / 4 * sharpe_ratio**2)
    statistic = (sharpe_ratio - expected) * math.sqrt(n - 1) / spread
    return float(expected), float(stats.norm.cdf(statistic))


def deflated(trades: pd.DataFrame, tried: pd.DataFrame) -> dict[str, float]:
    """`deflated_sharpe` of one back-test, given all that were tried.

    Parameters
    ----------
    trades : DataFrame
        `back_test`.
    tried : DataFrame
        `summary` of every configuration tried, on validation rows; those without a position have no
        ratio and count as trials all the same.

    Returns
    -------
    dict
        `trials`, `expected` (annual), `sharpe` (annual) and `probability`, missing where the
        back-test never moved or fewer than two were tried.
    """
    net = trades["net"].to_numpy()
    periods = DAYS_PER_YEAR / days_apart(trades)
    ratios = tried["sharpe"].dropna()
    facts = {"trials": len(tried), "sharpe": sharpe(net, periods)}
    if math.isnan(facts["sharpe"]) or len(ratios) < 2:
        return facts | {"expected": math.nan, "probability": math.nan}
    expected, probability = deflated_sharpe(
        facts["sharpe"] / math.sqrt(periods),
        n=len(net),
        skew=float(stats.skew(net)),
        kurtosis=float(stats.kurtosis(net, fisher=False)),
        trials=len(tried),
        variance=float(ratios.var()) / periods,
    )
    return facts | {"expected": expected * math.sqrt(periods), "probability": probability}


def deflated_table(chance: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """`deflated` by instrument, one per row."""
    return pd.DataFrame(chance.values()).assign(instrument=list(chance))[
        ["instrument", "trials", "sharpe", "expected", "probability"]
    ]


def drawdown(returns: np.ndarray) -> float:
    """Largest loss from a peak of the summed returns, the start included.

    Examples
    --------
    >>> drawdown(np.array([1.0, -3.0, 1.0, 5.0]))
    3.0
    """
    equity = np.concatenate([[0.0], np.cumsum(returns)])
    return float((np.maximum.accumulate(equity) - equity).max())


def equity_band(
    trades: pd.DataFrame, *, block_days: int, reps: int, coverage: float, seed: int
) -> pd.DataFrame:
    """Where the equity might have been, had the same days come in other blocks.

    Parameters
    ----------
    trades : DataFrame
        One `back_test`.
    block_days, reps, coverage, seed : int, int, float, int
        As `summary`.

    Returns
    -------
    DataFrame
        `exit` (UTC), `equity`, `low, high`: the interval of the resampled sums at each day.
    """
    net = trades["net"].to_numpy()
    block = _rows(block_days, days_apart(trades))
    paths = np.cumsum(_resamples(net, block, reps, seed), axis=1)
    low, high = np.quantile(paths, [(1 - coverage) / 2, (1 + coverage) / 2], axis=0)
    return pd.DataFrame(
        {
            "exit": trades["exit"].to_numpy(),
            "equity": trades["equity"].to_numpy(),
            "low": low,
            "high": high,
        }
    )


def worst_days(trades: pd.DataFrame, count: int = 5) -> pd.DataFrame:
    """The days of one back-test that lost most, the worst first.

    Returns
    -------
    DataFrame
        `fill, exit, position, unit_gain` (of a position of one, points)`, net, jump_regime`, only
        days with a loss.
    """
    losses = trades[trades["net"] < 0].nsmallest(count, "net")
    losses = losses.rename(columns={"gain": "unit_gain"})
    columns = ["fill", "exit", "position", "unit_gain", "net", "jump_regime"]
    return losses[columns].reset_index(drop=True)


def _rows(days: int, apart: float) -> int:
    """Rows of a back-test that make a block of so many days."""
    return max(1, round(days / apart))


def _resamples(values: np.ndarray, block: int, reps: int, seed: int) -> np.ndarray:
    """Resampled series, shape (reps, rows)."""
    rows, block = len(values), min(block, len(values))
    draws = resampled_hours(rows, block_hours=block, reps=reps, seed=seed)
    return np.stack([values[drawn] for drawn in draws])


def _deviation(returns: np.ndarray) -> float:
    """Standard deviation; 0 where the returns differ by rounding alone."""
    if len(returns) < 2 or np.ptp(returns) <= 1e-12 * np.abs(returns).max():
        return 0.0
    return float(returns.std(ddof=1))
