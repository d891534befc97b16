"""Is a column in the unit that it should be in? Its usual size in every month says so.

A wrong unit leaves each single value possible: 0.85 points of DVOL is a number like any other. A
month of them is not. The limits leave at least a factor of three to either side of what real
series did from December 2020 to March 2026. Units differ by more: a factor of a hundred at least.
Where a month is beyond them, the units that would bring it back are named.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from dvol_utils.data.raw.files import RawFile, RawStoreError

DAYS_A_YEAR = 365
_FEWEST_ROWS = 12  # of a month that is judged
_THOUSANDS = (("thousands", 1e3), ("millions", 1e6), ("billions", 1e9))
_PERCENT = ("percent", 0.01)
_COINS = "coins"


class Usual(NamedTuple):
    """How large a quantity is in a month, and what else it may have been written in."""

    low: float
    high: float
    middle: float
    unit: str
    others: tuple[tuple[str, float], ...]  # a unit's name, and the factor that converts it
    share: float = 0.5  # the quantile of absolute values that is judged
    coins: bool = False  # whether it may be counted in coins


# Monthly medians of real series lie within: DVOL 36 to 116 points, MVRV 0.8 to 3.5, active
# addresses 0.6 to 1.2 million, transactions 0.2 to 0.7 million, transfers 1.9 to 15 billion USD,
# volume 140 to 950 million USD an hour. No market with options is as small as a hundredth of these.
USUAL: dict[str, Usual] = {
    "dvol": Usual(
        5.0, 500.0, 60.0, "index points",
        (("a fraction", 100.0), ("basis points", 0.01), ("percent a day", DAYS_A_YEAR**0.5),
         ("a fraction a day", 100 * DAYS_A_YEAR**0.5)),
    ),
    "quote_volume": Usual(1e6, 1e12, 1e8, "USD an hour", _THOUSANDS, coins=True),
    # Real months: a tenth of the rates exceed 0.006 to 0.15 %. A tenth beyond 0.3 % for 8 hours
    # would cost 330 % a year. From below there is little to say: quiet rates are nearly zero.
    "funding_rate": Usual(
        1e-6, 3e-3, 2e-4, "as a share, for 8 hours",
        (_PERCENT, ("basis points", 1e-4), ("a share a year", 1 / (3 * DAYS_A_YEAR)),
         ("percent a year", 0.01 / (3 * DAYS_A_YEAR))),
        share=0.9,
    ),
    "active_addresses": Usual(1e3, 1e8, 1e6, "addresses a day", _THOUSANDS),
    "transaction_count": Usual(1e3, 1e8, 4e5, "transactions a day", _THOUSANDS),
    "mvrv": Usual(0.2, 20.0, 2.0, "market value over realised value", (_PERCENT,)),
    "transfer_volume_usd": Usual(1e7, 1e12, 5e9, "USD a day", _THOUSANDS, coins=True),
}  # fmt: skip


def quantity_of(column: str) -> str:
    """What `data.factors` calls a column: DVOL's and the price's four columns have one unit."""
    if column.startswith("dvol_"):
        return "dvol"
    return "price" if column in ("open", "high", "low", "close") else column


def converted(
    table: pd.DataFrame, factors: dict[str, float], in_coins: list[str], price: str | None
) -> pd.DataFrame:
    """The columns in the raw store's units.

    Parameters
    ----------
    table : DataFrame
    factors : dict
        By quantity, what its columns are multiplied by.
    in_coins : list of str
        Columns that are multiplied by the price, too.
    price : str or None
        The column that holds the price of the same row.
    """
    numbers = {}
    for name, values in table.items():
        factor = factors.get(quantity_of(str(name)), 1.0)
        numbers[name] = values * factor if factor != 1 else values
    for name in set(in_coins) & set(numbers):
        numbers[name] = numbers[name] * numbers[price]
    return pd.DataFrame(numbers)


def check_usual(
    file: RawFile,
    table: pd.DataFrame,
    hours: float,
    declared: dict[str, float],
    price: pd.Series | None,
) -> None:
    """Refuse a column that is written in another unit, in any month.

    Parameters
    ----------
    file : RawFile
    table : DataFrame
        Columns in the raw store's units; index: time of the row, UTC.
    hours : float
        Length of a bar: a volume is judged as an amount an hour.
    declared : dict
        `data.factors`: a quantity that is declared with 1 is right as it is.
    price : Series or None
        Price of the same rows, USD: for amounts in coins.

    Raises
    ------
    RawStoreError
        With the month, its usual size, the limits, and the units that would explain it.
    """
    month = table.index.year * 12 + table.index.month
    for name, values in table.items():
        quantity = quantity_of(str(name))
        usual = USUAL.get(quantity)
        if usual is None or declared.get(quantity) == 1:
            continue
        size = values.abs() / (hours if quantity == "quote_volume" else 1)
        by_month = size.groupby(month)
        levels = by_month.quantile(usual.share)[by_month.count() >= _FEWEST_ROWS]
        # A month of zeros says nothing of the unit.
        bad = ~levels.between(usual.low, usual.high) & (levels > 0)
        if bad.any():
            first = bad.index[int(np.argmax(bad))]
            rows = month == first
            usual_price = None if price is None else price[rows].median()
            words = _words(levels[first], usual, quantity, usual_price)
            row = int(np.argmax(rows))
            start = f"{table.index[row]:%Y-%m-%d}"
            file.refuse(f"the month from {start} has {words}", row=row, column=str(name))


# A week's DVOL over the volatility that the price realised in it: 1.2 in the median of five years
# of Bitcoin; in that of any five weeks 0.8 to 3.4, counting Ether's DVOL beside Bitcoin's price.
# The nearest other unit, that of 30 days not annualised, has 0.35. Weeks, and their median, because
# a single wrong tick is no unit.
_BESIDE_PRICE = (0.5, 4.0)
_USUAL_RATIO = 1.2
_WEEK = pd.Timedelta(days=7)
_FEWEST_WEEKS = 4


def check_beside_price(
    path: Path, dvol: pd.Series, price: pd.Series, step_hours: int, declared: dict[str, float]
) -> None:
    """Refuse a DVOL whose level the price's own moves do not explain.

    Parameters
    ----------
    path : Path
        DVOL's file.
    dvol, price : Series
        Closes of bars that are there, index points and USD; index: time, UTC.
    step_hours : int
        From one close to the next.
    declared : dict
        `data.factors`: DVOL that is declared with 1 is right as it is.

    Raises
    ------
    RawStoreError
        In the median of four weeks or more, DVOL is below half of the volatility that the price
        realised, or above four times that.
    """
    both = pd.DataFrame({"dvol": dvol, "price": price}).dropna()
    step = pd.Timedelta(hours=step_hours)
    # Across a gap a return is that of several bars.
    both["squared_move"] = np.log(both["price"]).diff().where(both.index.diff() == step) ** 2
    weeks = both.groupby((both.index - both.index.min()) // _WEEK)
    a_year = 24 * DAYS_A_YEAR / step_hours
    realised = 100 * np.sqrt(a_year * weeks["squared_move"].mean())
    judged = pd.DataFrame({"level": weeks["dvol"].median(), "realised": realised})
    judged = judged[judged["realised"] > 0]
    if declared.get("dvol") == 1 or len(judged) < _FEWEST_WEEKS:
        return
    level, realised = judged["level"].median(), judged["realised"].median()
    ratio = (judged["level"] / judged["realised"]).median()
    if _BESIDE_PRICE[0] <= ratio <= _BESIDE_PRICE[1]:
        return
    month = ("percent over 30 days", (DAYS_A_YEAR / 30) ** 0.5)
    name, factor = min(
        (*USUAL["dvol"].others, month),
        key=lambda other: abs(np.log(ratio * other[1] / _USUAL_RATIO)),
    )
    looks = "; is the price the same asset's, in USD?"
    if _BESIDE_PRICE[0] <= ratio * factor <= _BESIDE_PRICE[1]:
        looks = f"; it looks like {name} (data.factors.dvol: {factor:.6g})"
    raise RawStoreError(
        f"{path}: DVOL has a median of {level:.3g} points while the price realised a volatility of "
        f"{realised:.3g} % a year; should be {_BESIDE_PRICE[0]:g} to {_BESIDE_PRICE[1]:g} times "
        f"that{looks}; where it is right, say data.factors.dvol: 1"
    )


def _words(size: float, usual: Usual, quantity: str, price: float | None) -> str:
    most = "a median of" if usual.share == 0.5 else "a tenth of its values beyond"
    text = f"{most} {size:.3g}; should be between {usual.low:,g} and {usual.high:,g} {usual.unit}"
    others = [
        (name, size * factor, f"data.factors.{quantity}: {factor:.6g}")
        for name, factor in usual.others
    ]
    if usual.coins and price is not None and np.isfinite(price):
        others.append((_COINS, size * price, f"data.in_coins: [{quantity}]"))
    fitting = [other for other in others if usual.low <= other[1] <= usual.high]
    fitting.sort(key=lambda other: abs(np.log(other[1] / usual.middle)))
    hints = " or ".join(f"{name} ({key})" for name, _, key in fitting[:2])
    looks = f"; it looks like {hints}" if hints else ""
    return f"{text}{looks}; where it is right, say data.factors.{quantity}: 1"
