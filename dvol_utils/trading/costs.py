"""What a trade costs: half the spread, slippage and fee, points a side."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from dvol_utils.study.judging_section import TradingParams

PAPER_INDEX, FUTURES, STRADDLE = "paper_index", "futures_proxy", "straddle"
INSTRUMENTS = (PAPER_INDEX, FUTURES, STRADDLE)
# Deribit has other fees from here on, and options deliver into futures: docs/trading.md.
FEES_UNTIL = pd.Timestamp("2026-08-01", tz="UTC")


def side_cost(
    instrument: str, level: np.ndarray, params: TradingParams, half_spread: float | None = None
) -> np.ndarray:
    """Cost of trading one point of position once.

    Parameters
    ----------
    instrument : str
        One of `INSTRUMENTS`.
    level : ndarray of shape (trades,)
        DVOL at the origin, points: the fee of index and futures is a share of it.
    params : TradingParams
    half_spread : float, optional
        Points, in place of `params.half_spread`.

    Returns
    -------
    ndarray of shape (trades,)
        Points. A future's half-spread is rounded up to whole ticks; half of a straddle's
        round-trip fees is paid on each side.

    Raises
    ------
    ValueError
        An unknown instrument.
    """
    if instrument not in INSTRUMENTS:
        known = ", ".join(INSTRUMENTS)
        raise ValueError(f"instrument: found {instrument!r}; should be one of {known}")
    half = _half_spread(instrument, params, half_spread)
    fee = params.fee_pct / 100 * np.asarray(level, dtype=float)
    if instrument == STRADDLE:
        # Straddles cost volatility points whatever the level; given for a round trip.
        fee = np.full(np.shape(level), params.straddle_fee / 2)
    return half + params.slippage + fee


def cost_parts(instrument: str, paid: float, params: TradingParams) -> dict[str, float]:
    """What a mean cost of a side, `paid` points, is made of: half-spread, slippage and fee."""
    half = _half_spread(instrument, params)
    parts = {"half-spread": half, "slippage": params.slippage}
    return parts | {"fee": paid - half - params.slippage}


def _half_spread(instrument: str, params: TradingParams, other: float | None = None) -> float:
    half = params.half_spread if other is None else other
    if instrument != FUTURES:
        return half
    # Rounded first: 0.07 / 0.01 is 7.000000000000001, which would be eight ticks.
    return params.tick * math.ceil(round(half / params.tick, 9))
