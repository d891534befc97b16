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

from dvol_utils.data.raw.files import HOUR_MS, RawStoreError
from dvol_utils.data.raw.schemas import SCHEMAS
from dvol_utils.data.raw.store import series_path
from dvol_utils.data.simulated.law import (
    MEDIAN_LEVEL,
    REST,
    Hours,
    MarketState,
    Noise,
    draw_noise,
    follow,
)
from dvol_utils.data.simulated.series import (
    bars,
    decaying_sum,
    funding_rates,
    hour_of_week_factor,
    onchain_days,
    quote_volume,
)
from dvol_utils.study.data_section import DataParams, SeriesName
from dvol_utils.study.files import replacing
from dvol_utils.study.params import SimulatedParams

_LEAD_HOURS = 30 * 24  # price, funding and on-chain values begin this long before DVOL
_BURN_IN_HOURS = 40_000  # before anything is kept, so that the level starts anywhere in its range

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
    *for_dvol, for_price, for_volume, for_wicks, for_funding, for_days = _streams(params, asset)
    stamps, noise, dvol_hours = _dvol_hours(params, for_dvol)
    jump, sigma = dvol_hours.jump, dvol_hours.sigma
    # In hundredths of a point, as the index is published.
    dvol_close = np.round(MEDIAN_LEVEL * np.exp(dvol_hours.log_level), 2)

    price_sigma = _price_sigma(stamps, dvol_close, dvol_hours.log_volatility)
    log_price = _log_price(price_sigma, noise.price, jump)
    close = np.round(_PRICE_START[asset] * np.exp(log_price), 2)
    price = bars(for_price, stamps, close, 0.4 * price_sigma)
    price["quote_volume"] = quote_volume(for_volume, stamps, log_price)
    dvol = bars(for_wicks, stamps, dvol_close, 0.3 * sigma).set_axis(
        ["timestamp", "dvol_open", "dvol_high", "dvol_low", "dvol_close"], axis=1
    )
    hour = np.arange(len(stamps)) - _BURN_IN_HOURS
    kept, lead = hour >= 0, hour >= -_LEAD_HOURS
    return {
        "dvol": dvol[kept],
        "price": price[lead],
        "funding": funding_rates(for_funding, stamps[lead], log_price[lead]),
        "onchain": onchain_days(for_days, stamps[lead], close[lead]),
        "true_jumps": pd.DataFrame({"timestamp": stamps, "jump_size": jump})[kept & (jump != 0)],
    }


def dvol_states(params: SimulatedParams, asset: str = "BTC") -> tuple[np.ndarray, MarketState]:
    """What is known of DVOL's law at the close of each hour of the market.

    Returns
    -------
    stamps : ndarray of int, (hours,)
        Milliseconds of each hour's open (UTC).
    state : MarketState
        Arrays (hours,).

    Raises
    ------
    ValueError
        Unknown asset.
    """
    stamps, _, hours = _dvol_hours(params, _streams(params, asset)[:4])
    return stamps[_BURN_IN_HOURS:], hours.state.at(np.arange(_BURN_IN_HOURS, len(stamps)))


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


def chance(params: SimulatedParams, asset: str, *purpose: int) -> np.random.SeedSequence:
    """Where a market's random numbers come from; another purpose, others that know nothing of it.

    Raises
    ------
    ValueError
        Unknown asset.
    """
    if asset not in _PRICE_START:
        raise ValueError(f"asset {asset!r}: should be one of {', '.join(_PRICE_START)}")
    number = sorted(_PRICE_START).index(asset)
    return np.random.SeedSequence([params.seed, number], spawn_key=purpose)


def _streams(params: SimulatedParams, asset: str) -> list[np.random.Generator]:
    """Random numbers of the market: four streams for DVOL, five for the series around it."""
    return list(map(np.random.default_rng, chance(params, asset).spawn(9)))


def _dvol_hours(
    params: SimulatedParams, rngs: list[np.random.Generator]
) -> tuple[np.ndarray, Noise, Hours]:
    """Opens of the hours (milliseconds), from the burn-in on, what chance added, and DVOL."""
    hours = np.arange(-_BURN_IN_HOURS, params.hours)
    stamps = int(params.start.timestamp()) * 1_000 + HOUR_MS * hours
    noise = draw_noise(rngs, (len(hours),), begins=True)
    return stamps, noise, follow(noise, stamps, REST)


def _path(raw_dir: Path | str, asset: str, name: str) -> Path:
    if name in SCHEMAS:
        series: SeriesName = name  # type: ignore[assignment]
        return series_path(raw_dir, asset, series)
    return Path(raw_dir) / f"{asset.lower()}_{name}.csv"


def _price_sigma(
    stamps: np.ndarray, dvol_close: np.ndarray, log_volatility: np.ndarray
) -> np.ndarray:
    """Hourly volatility of the price: what DVOL of the hour before says, and the clusters."""
    # Of the hour before: what is implied is known when the hour begins.
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
    log_price = decaying_sum(sigma * (factor * z + shift), _PRICE_MEMORY_HOURS)
    return log_price - log_price[_BURN_IN_HOURS]
