"""The law of the simulated DVOL: from chance and the hours before to the next hours.

The market is one path of it (`market.py`); the best forecast follows many paths on from an hour of
the market (`oracle.py`). `market.py` says in words what the law is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.special import gamma

from dvol_utils.data.raw.files import DAY_MS, HOUR_MS
from dvol_utils.data.simulated.series import decaying_sum, hour_of_week_factor, increments, weekday

# Fitted to the sd of log DVOL's changes over 1 to 2,880 hours and of its level.
MEDIAN_LEVEL = 60.0
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

# Each jump causes the branching more, so that all together come at the rate.
_BASE_RATE = _JUMP_RATE * (1 - _JUMP_BRANCHING)
_EXCITEMENT_DECAY = float(np.exp(-1.0 / _JUMP_MEMORY_HOURS))
# sums to the branching over the hours after
_KICK = _JUMP_BRANCHING * (1 - _EXCITEMENT_DECAY) / _EXCITEMENT_DECAY


class Noise(NamedTuple):
    """What chance adds to each hour: arrays (..., hours)."""

    volatility: tuple[np.ndarray, ...]  # increments of the three parts of log volatility
    jump: np.ndarray  # uniform: an hour jumps where it lies below the hour's chance
    jump_size: np.ndarray  # standard normal
    jump_sign: np.ndarray  # uniform
    price: np.ndarray  # Student t of variance 1: the price's shock
    dvol: np.ndarray  # Student t of variance 1: DVOL's own


class MarketState(NamedTuple):
    """All that the hours up to one say about those after it: arrays, of one shape or broadcast."""

    volatility: tuple[np.ndarray, ...]  # three parts of log volatility
    excitement: np.ndarray  # what jumps add to the chance of the next, decayed up to now
    aftershock: np.ndarray  # jumps up to now, decayed, as they count in the next hour
    change: np.ndarray  # the last hour's shock and jump, log
    decays: tuple[np.ndarray, ...]  # three parts of log DVOL

    def at(self, index: np.ndarray | tuple[np.ndarray | slice | None, ...]) -> MarketState:
        """The state with every array indexed alike."""
        volatility, decays = (
            tuple(part[index] for part in parts) for parts in (self.volatility, self.decays)
        )
        others = (self.excitement[index], self.aftershock[index], self.change[index])
        return MarketState(volatility, *others, decays)


class Hours(NamedTuple):
    """Hours of the market, arrays (..., hours), and the state at the close of each."""

    log_volatility: np.ndarray
    sigma: np.ndarray
    jump: np.ndarray  # log change that a jump adds, 0 where there is none
    log_level: np.ndarray  # log of DVOL over its median, before rounding
    state: MarketState


REST = MarketState((0.0,) * 3, 0.0, 0.0, 0.0, (0.0,) * 3)


def draw_noise(
    rngs: Iterable[np.random.Generator], shape: tuple[int, ...], *, begins: bool
) -> Noise:
    """Draw what chance adds.

    Parameters
    ----------
    rngs : four Generators
        For volatility, the price's shocks, DVOL's own, and jumps.
    shape : tuple of int
        (..., hours).
    begins : bool
        Whether the first hour has none before it; its volatility is then drawn as of any hour.
    """
    for_volatility, for_return, for_dvol, for_jumps = rngs
    volatility = tuple(
        increments(child, shape, memory, sd, begins=begins)
        for child, (memory, sd) in zip(for_volatility.spawn(3), _SIGMA_PARTS, strict=True)
    )
    for_times, for_sizes, for_signs = for_jumps.spawn(3)
    return Noise(
        volatility,
        for_times.random(shape),
        for_sizes.standard_normal(shape),
        for_signs.random(shape),
        _student(for_return, shape),
        _student(for_dvol, shape),
    )


def follow(noise: Noise, stamps: np.ndarray, before: MarketState) -> Hours:
    """The hours that the law makes of chance and the state before them.

    Parameters
    ----------
    noise : Noise
        Of hours that follow each other, (..., hours).
    stamps : ndarray of int, (..., hours)
        Milliseconds of each hour's open (UTC): the calendar.
    before : MarketState
        At the close of the hour before the first; its arrays broadcast with `noise` but for hours.

    Notes
    -----
    The path does not depend on where it is cut: following on from the state at any of its hours
    gives the same bits.
    """
    parts = tuple(
        decaying_sum(increment, memory, part)
        for increment, (memory, _), part in zip(
            noise.volatility, _SIGMA_PARTS, before.volatility, strict=True
        )
    )
    slow = parts[1] + parts[2]
    happens, excitement = _jump_times(noise.jump, before.excitement)
    # A size is drawn for each hour, so that a jump more moves no other random number.
    jump = np.where(happens, _jump_sizes(noise, slow), 0.0)
    after = decaying_sum(happens.astype(float), _AFTERSHOCK_HOURS, before.aftershock)
    # Of the hours before: a jump makes the next hours livelier, and not without end.
    counted = np.minimum(_one_earlier(after, before.aftershock), _AFTERSHOCK_LIMIT)
    log_volatility = parts[0] + slow + _AFTERSHOCK * counted
    sigma = _SIGMA * np.exp(log_volatility)
    sigma = sigma * hour_of_week_factor(stamps, _HOUR_SIZE, _WEEKDAY_SIZE)
    change = sigma * _shocks(noise.dvol, noise.price) + jump - _MEAN_JUMP
    level, decays = linear_level(change, before)
    state = MarketState(parts, excitement, after, change, decays)
    return Hours(log_volatility, sigma, jump, level + calendar(stamps), state)


def linear_level(
    change: np.ndarray, before: MarketState
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Log DVOL around its median and calendar, and its three parts, (..., hours) each.

    Linear in `change` (log, less the mean jump) and in `before`: the changes of the hours pass
    through momentum and three decays.
    """
    pushed = change + _MOMENTUM * _one_earlier(change, before.change)
    decays = tuple(
        decaying_sum(pushed, memory, part)
        for memory, part in zip(_DECAY_HOURS, before.decays, strict=True)
    )
    return sum(w * part for w, part in zip(_DECAY_WEIGHTS, decays, strict=True)), decays


def mean_changes(before: MarketState, hours: int) -> np.ndarray:
    """What the changes of the next hours are on average, given the state, (..., hours), log.

    Shocks have mean 0. A jump's chance follows a linear recursion, its mean size that of a
    log-normal whose location is an autoregression; the two are independent of each other.
    """
    ahead = np.arange(1, hours + 1)
    log_size = 0.5 * _JUMP_SPREAD**2
    for (memory, sd), part in zip(_SIGMA_PARTS[1:], before.volatility[1:], strict=True):
        kept = np.exp(-ahead / memory)
        log_size = log_size + np.multiply.outer(part, kept) + 0.5 * sd**2 * (1 - kept**2)
    excitement, chances = before.excitement, []
    for _ in ahead:
        chances.append(_BASE_RATE + _EXCITEMENT_DECAY * excitement)
        excitement = _EXCITEMENT_DECAY * excitement + _KICK * chances[-1]
    mean_size = (2 * _JUMP_UP_SHARE - 1) * _JUMP_MEDIAN * np.exp(log_size)
    return np.stack(chances, axis=-1) * mean_size - _MEAN_JUMP


def calendar(stamps: np.ndarray) -> np.ndarray:
    """Weekly pattern of the log level, mean 0: the running sum of the week's mean changes."""
    # From percent a day, and basis points an hour, to log changes an hour.
    drift = np.add.outer(np.array(_WEEKDAY_PERCENT) / 2_400, np.array(_HOUR_BP) / 1e4).ravel()
    # Less its mean, so that the week ends where it began.
    level = np.cumsum(drift - drift.mean())
    slot = weekday(stamps) * 24 + stamps % DAY_MS // HOUR_MS
    return (level - level.mean())[slot]


def _jump_times(draws: np.ndarray, excitement: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each hour jumps, and the excitement at its close, (..., hours).

    An hour jumps with probability base + excitement; a jump adds to the excitement, which decays.
    """
    happens, excited = [], []
    for draw in np.moveaxis(draws, -1, 0):
        excitement = excitement * _EXCITEMENT_DECAY
        now = draw < _BASE_RATE + excitement
        excitement = excitement + _KICK * now
        happens.append(now)
        excited.append(excitement)
    return np.stack(happens, axis=-1), np.stack(excited, axis=-1)


def _jump_sizes(noise: Noise, slow_volatility: np.ndarray) -> np.ndarray:
    """Log size of the jump that each hour would have."""
    size = _JUMP_MEDIAN * np.exp(_JUMP_SPREAD * noise.jump_size + slow_volatility)
    return np.where(noise.jump_sign < _JUMP_UP_SHARE, 1.0, -1.0) * size


def _mean_jump() -> float:
    """Mean change by jumps of any hour."""
    variance = _JUMP_SPREAD**2 + sum(sd**2 for _, sd in _SIGMA_PARTS[1:])
    # The mean of a log-normal: its median times exp(variance / 2).
    return _JUMP_RATE * (2 * _JUMP_UP_SHARE - 1) * _JUMP_MEDIAN * np.exp(variance / 2)


_MEAN_JUMP = _mean_jump()


def _student(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Student t shocks of variance 1."""
    # Student's variance is nu / (nu - 2).
    return rng.standard_t(_TAIL_FREEDOM, shape) * np.sqrt(1 - 2 / _TAIL_FREEDOM)


def _shocks(dvol: np.ndarray, price: np.ndarray) -> np.ndarray:
    """DVOL's shocks of variance 1, which load on the price's shock and on its size."""
    nu = _TAIL_FREEDOM
    # The mean of |t| at variance 1.
    mean_size = 2 * np.sqrt((nu - 2) / np.pi) / (nu - 1) * gamma((nu + 1) / 2) / gamma(nu / 2)
    size = (np.abs(price) - mean_size) / np.sqrt(1 - mean_size**2)
    # What the loads leave of a variance of 1.
    weight = np.sqrt(1 - _LOAD_RETURN**2 - _LOAD_SIZE**2)
    return weight * dvol + _LOAD_RETURN * price + _LOAD_SIZE * size


def _one_earlier(values: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Each hour's value of the hour before, (..., hours)."""
    first = np.broadcast_to(np.asarray(before)[..., np.newaxis], (*values.shape[:-1], 1))
    return np.concatenate((first, values[..., :-1]), axis=-1)
