"""A simulated market whose jumps are known, written as a raw store.

Log DVOL answers each hour's shock with the sum of three exponential decays and carries a weekly
calendar. Shocks are Student t with a slow and a fast stochastic volatility, an hour-of-week pattern
and a load on the price return and on its size. Jumps excite each other (a Hawkes process in hours),
scale with slow volatility, and raise volatility for a few hours. `stylised.REFERENCE_FACTS` holds
what the constants were fitted to.

Notes
-----
Means over 24 markets of 40,000 hours against Bitcoin's 39,985. Where they differ: the level varies
less (sd 14.4 for 18.8 points) and forgets faster (autocorrelation 0.68 for 0.82 at 720 hours),
because one market is short beside the level's slowest decay; the means of single markets lie
within about 45 to 80 points. Absolute changes are correlated 0.29 for 0.34 at one hour; the excess
kurtosis of changes is 58 for 75, that of price returns 11 for 15. The jump test flags as many hours
(0.81 %), but only 54 % of its flags are simulated jumps, it finds 65 % of these, and 61 % of its
flags are upward for 67 %: large diffusive moves are symmetric here. Assets are independent.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.special import gamma

from dvol_utils.data.raw.files import DAY_MS, HOUR_MS, RawStoreError
from dvol_utils.data.raw.schemas import SCHEMAS
from dvol_utils.data.raw.store import series_path
from dvol_utils.data.simulated.series import (
    autoregression,
    bars,
    funding_rates,
    hour_of_week_factor,
    onchain_days,
    quote_volume,
    weekday,
)
from dvol_utils.study.data_section import DataParams, SeriesName
from dvol_utils.study.files import replacing
from dvol_utils.study.params import SimulatedParams

_LEAD_HOURS = 30 * 24  # price, funding and on-chain values begin this long before DVOL
_BURN_IN_HOURS = 40_000  # before anything is kept, so that the level starts anywhere in its range

# Fitted to the sd of log DVOL's changes over 1 to 2,880 hours and of its level.
_MEDIAN_LEVEL = 60.0
_DECAY_HOURS = (9.0, 300.0, 8_000.0)
_DECAY_WEIGHTS = (0.15, 0.48, 0.37)
_MOMENTUM = 0.06

# Hourly volatility: log sum of three autoregressions, (time constant in hours, sd).
_SIGMA = 0.0053
_SIGMA_PARTS = ((3.0, 0.22), (24.0, 0.30), (300.0, 0.42))
_TAIL_FREEDOM = 8.0
_LOAD_RETURN, _LOAD_SIZE = -0.20, 0.24

# Jumps: share of hours, jumps that one jump causes and how long it takes, size (log), aftershocks.
_JUMP_RATE = 0.007
_JUMP_BRANCHING, _JUMP_MEMORY_HOURS = 0.20, 12.0
_JUMP_UP_SHARE = 0.68
_JUMP_MEDIAN, _JUMP_SPREAD = 0.043, 0.32
_AFTERSHOCK, _AFTERSHOCK_HOURS, _AFTERSHOCK_LIMIT = 1.3, 4.0, 1.5

# Mean change by UTC hour of the bar's open (basis points) and by weekday, Monday first (% a day).
_HOUR_BP = (
    *(-6.1, -9.4, -11.7, -6.1, -6.3, -2.6, -0.5, -3.4, -29.3, 1.7, 6.5, 8.3),
    *(10.1, 3.2, 7.1, 6.4, 2.3, 5.5, 2.6, 9.2, 5.3, 1.9, 1.3, 0.3),
)
_WEEKDAY_PERCENT = (0.16, 0.18, -0.22, -1.33, -1.58, 0.28, 2.24)
# Size of a change by hour and by weekday.
_HOUR_SIZE = (
    *(0.95, 0.98, 0.97, 0.89, 0.84, 0.81, 0.87, 1.09, 1.42, 1.13, 1.04, 0.89),
    *(1.01, 1.11, 1.30, 1.20, 1.10, 1.04, 0.98, 0.97, 0.95, 0.93, 0.90, 0.82),
)
_WEEKDAY_SIZE = (1.10, 0.96, 1.05, 1.02, 1.15, 0.82, 0.80)

# Price: realised volatility beside DVOL, share of DVOL's log volatility, part in jumps.
_PRICE_START = {"BTC": 40_000.0, "ETH": 2_500.0}
_PRICE_MEMORY_HOURS = 3 * 8_760.0
_PRICE_VOLATILITY, _PRICE_VOLATILITY_LOAD = 0.70, 0.55
_JUMP_PRICE_FACTOR, _JUMP_PRICE_SHIFT = 2.2, 0.5
_PRICE_HOUR_SIZE = (
    *(1.08, 1.09, 0.91, 0.88, 0.75, 0.75, 0.88, 0.83, 0.90, 0.82, 0.83, 0.81),
    *(1.10, 1.12, 1.43, 1.21, 1.09, 1.07, 1.05, 1.08, 1.09, 1.03, 0.97, 0.95),
)
_PRICE_WEEKDAY_SIZE = (1.12, 1.05, 1.14, 1.01, 1.05, 0.72, 0.83)


def simulate_market(params: SimulatedParams, asset: str = "BTC") -> dict[str, pd.DataFrame]:
    """Simulate one asset's raw series.

    Parameters
    ----------
    params : SimulatedParams
        Open of the first DVOL bar (UTC), length in hours, seed.
    asset : {"BTC", "ETH"}
        Asset; it sets the price's start and the stream of random numbers.

    Returns
    -------
    dict of DataFrame
        `dvol`, `price`, `funding`, `onchain` with the raw store's columns and `timestamp` (UTC
        milliseconds, bar open), and `true_jumps` with `timestamp` and `jump_size` (log change that
        the jump adds to the hour). A longer market of the same seed begins with the same values.

    Raises
    ------
    ValueError
        Unknown asset.
    """
    if asset not in _PRICE_START:
        raise ValueError(f"asset {asset!r}: should be one of {', '.join(_PRICE_START)}")
    number = sorted(_PRICE_START).index(asset)
    rngs = map(np.random.default_rng, np.random.SeedSequence([params.seed, number]).spawn(9))
    for_volatility, for_return, for_dvol, for_jumps, *for_series = rngs

    hours = np.arange(-_BURN_IN_HOURS, params.hours)
    stamps = int(params.start.timestamp()) * 1_000 + HOUR_MS * hours
    log_volatility, slow = _log_volatility(for_volatility, len(hours))
    jump = _jumps(for_jumps, slow)
    log_volatility += _aftershocks(jump)
    size = hour_of_week_factor(stamps, _HOUR_SIZE, _WEEKDAY_SIZE)
    sigma = _SIGMA * np.exp(log_volatility) * size
    z = _student(for_return, len(hours))
    log_level = _log_level(sigma * _shocks(for_dvol, z) + jump) + _calendar(stamps)
    dvol_close = np.round(_MEDIAN_LEVEL * np.exp(log_level), 2)

    price_sigma = _price_sigma(stamps, dvol_close, log_volatility)
    log_price = _log_price(price_sigma, z, jump)
    close = np.round(_PRICE_START[asset] * np.exp(log_price), 2)
    price = bars(for_series[0], stamps, close, 0.4 * price_sigma)
    price["quote_volume"] = quote_volume(for_series[1], stamps, log_price)
    dvol = bars(for_series[2], stamps, dvol_close, 0.3 * sigma).set_axis(
        ["timestamp", "dvol_open", "dvol_high", "dvol_low", "dvol_close"], axis=1
    )
    kept, lead = hours >= 0, hours >= -_LEAD_HOURS
    return {
        "dvol": dvol[kept],
        "price": price[lead],
        "funding": funding_rates(for_series[3], stamps[lead], log_price[lead]),
        "onchain": onchain_days(for_series[4], stamps[lead], close[lead]),
        "true_jumps": pd.DataFrame({"timestamp": stamps, "jump_size": jump})[kept & (jump != 0)],
    }


def write_store(raw_dir: Path | str, params: DataParams) -> None:
    """Write every asset's simulated market as a raw store, with its true jumps beside it.

    Parameters
    ----------
    raw_dir : Path or str
        Folder of the raw store; made where it is missing.
    params : DataParams
        `assets` and `simulated`. The same parameters write the same bytes.

    Notes
    -----
    Each file is written whole or not at all.
    """
    for asset in params.assets:
        for name, table in simulate_market(params.simulated, asset).items():
            with replacing(_path(raw_dir, asset, name)) as temporary:
                table.to_csv(temporary, index=False, lineterminator="\n")


def true_jumps(raw_dir: Path | str, asset: str) -> pd.Series:
    """The simulated market's jumps.

    Parameters
    ----------
    raw_dir : Path or str
        Folder that `write_store` wrote.
    asset : str
        Asset code.

    Returns
    -------
    Series
        `jump_size` (log), indexed by `time` (bar close, UTC); only hours with a jump.

    Raises
    ------
    RawStoreError
        The raw store does not know its true jumps: it is not simulated.
    """
    path = _path(raw_dir, asset, "true_jumps")
    if not path.is_file():
        raise RawStoreError(f"{path}: no such file; only a simulated market knows its true jumps")
    table = pd.read_csv(path)
    time = pd.to_datetime(table["timestamp"] + HOUR_MS, unit="ms", utc=True)
    return table["jump_size"].set_axis(pd.DatetimeIndex(time, name="time").as_unit("us"))


def _path(raw_dir: Path | str, asset: str, name: str) -> Path:
    if name in SCHEMAS:
        series: SeriesName = name  # type: ignore[assignment]
        return series_path(raw_dir, asset, series)
    return Path(raw_dir) / f"{asset.lower()}_{name}.csv"


def _log_volatility(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Log volatility, and the part of it that lasts a day or longer."""
    parts = [
        autoregression(child, n, memory, sd)
        for child, (memory, sd) in zip(rng.spawn(3), _SIGMA_PARTS, strict=True)
    ]
    slow = parts[1] + parts[2]
    return parts[0] + slow, slow


def _jumps(rng: np.random.Generator, slow_volatility: np.ndarray) -> np.ndarray:
    """Log size of each hour's jump, 0 where there is none.

    An hour jumps with probability base + excitement; a jump adds to the excitement, which decays.
    """
    for_times, for_sizes, for_signs = rng.spawn(3)
    n = len(slow_volatility)
    decay = float(np.exp(-1.0 / _JUMP_MEMORY_HOURS))
    kick = _JUMP_BRANCHING * (1 - decay) / decay  # sums to the branching over the hours after
    base, excitement = _JUMP_RATE * (1 - _JUMP_BRANCHING), 0.0
    happens = np.zeros(n, bool)
    for i, u in enumerate(for_times.random(n).tolist()):
        excitement *= decay
        if u < base + excitement:
            happens[i] = True
            excitement += kick
    size = _JUMP_MEDIAN * np.exp(_JUMP_SPREAD * for_sizes.standard_normal(n) + slow_volatility)
    sign = np.where(for_signs.random(n) < _JUMP_UP_SHARE, 1.0, -1.0)
    return np.where(happens, sign * size, 0.0)


def _aftershocks(jump: np.ndarray) -> np.ndarray:
    """Log volatility that jumps add to the hours after them."""
    decay = np.exp(-1.0 / _AFTERSHOCK_HOURS)
    before = np.concatenate(([0.0], jump[:-1] != 0))
    return _AFTERSHOCK * np.minimum(lfilter([1.0], [1.0, -decay], before), _AFTERSHOCK_LIMIT)


def _student(rng: np.random.Generator, n: int) -> np.ndarray:
    """Student t shocks of variance 1."""
    return rng.standard_t(_TAIL_FREEDOM, n) * np.sqrt(1 - 2 / _TAIL_FREEDOM)


def _shocks(rng: np.random.Generator, z: np.ndarray) -> np.ndarray:
    """DVOL's shocks of variance 1, which load on the price's shock `z` and on its size."""
    nu = _TAIL_FREEDOM
    mean_size = 2 * np.sqrt((nu - 2) / np.pi) / (nu - 1) * gamma((nu + 1) / 2) / gamma(nu / 2)
    size = (np.abs(z) - mean_size) / np.sqrt(1 - mean_size**2)
    own = np.sqrt(1 - _LOAD_RETURN**2 - _LOAD_SIZE**2)
    return own * _student(rng, len(z)) + _LOAD_RETURN * z + _LOAD_SIZE * size


def _log_level(change: np.ndarray) -> np.ndarray:
    """Log DVOL around its median: the hours' changes through momentum and three decays."""
    variance = _JUMP_SPREAD**2 + sum(sd**2 for _, sd in _SIGMA_PARTS[1:])
    mean_jump = _JUMP_RATE * (2 * _JUMP_UP_SHARE - 1) * _JUMP_MEDIAN * np.exp(variance / 2)
    change = lfilter([1.0, _MOMENTUM], [1.0], change - mean_jump)
    decays = zip(_DECAY_WEIGHTS, _DECAY_HOURS, strict=True)
    return sum(w * lfilter([1.0], [1.0, -np.exp(-1.0 / memory)], change) for w, memory in decays)


def _calendar(stamps: np.ndarray) -> np.ndarray:
    """Weekly pattern of the log level, mean 0: the running sum of the week's mean changes."""
    drift = np.add.outer(np.array(_WEEKDAY_PERCENT) / 2_400, np.array(_HOUR_BP) / 1e4).ravel()
    level = np.cumsum(drift - drift.mean())
    slot = weekday(stamps) * 24 + stamps % DAY_MS // HOUR_MS
    return (level - level.mean())[slot]


def _price_sigma(
    stamps: np.ndarray, dvol_close: np.ndarray, log_volatility: np.ndarray
) -> np.ndarray:
    """Hourly volatility of the price: what DVOL of the hour before says, and the clusters."""
    before = np.concatenate((dvol_close[:1], dvol_close[:-1]))
    implied = (
        before
        / 100
        / np.sqrt(8_760)
        * hour_of_week_factor(stamps, _PRICE_HOUR_SIZE, _PRICE_WEEKDAY_SIZE)
    )
    return _PRICE_VOLATILITY * implied * np.exp(_PRICE_VOLATILITY_LOAD * log_volatility)


def _log_price(sigma: np.ndarray, z: np.ndarray, jump: np.ndarray) -> np.ndarray:
    """Log price relative to the first kept hour: larger and, when DVOL jumps up, lower in jumps."""
    factor = np.where(jump == 0, 1.0, _JUMP_PRICE_FACTOR)
    shift = np.where(jump > 0, -_JUMP_PRICE_SHIFT, 0.0)
    log_price = lfilter(
        [1.0], [1.0, -np.exp(-1.0 / _PRICE_MEMORY_HOURS)], sigma * (factor * z + shift)
    )
    return log_price - log_price[_BURN_IN_HOURS]
