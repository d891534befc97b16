"""Bars of any length as the panel's hours: each value in the hour by whose close it was known."""

from __future__ import annotations

import numpy as np
import pandas as pd

_HOUR = pd.Timedelta(hours=1)


def hourly_closes(
    bars: pd.DataFrame, names: tuple[str, str, str, str], minutes: int
) -> pd.DataFrame:
    """Bars by the hour at which they are known.

    Parameters
    ----------
    bars : DataFrame
        Increasing index of bar opens, UTC; open, high, low, close by `names`, and amounts such as a
        volume in other columns.
    names : tuple of str
        Columns of open, high, low and close.
    minutes : int
        Length of a bar: it divides an hour, or is a number of hours.

    Returns
    -------
    DataFrame
        The same columns, index: close of the hour, UTC, only hours at which a bar became known.

    Notes
    -----
    Shorter bars: first open, highest high, lowest low, last close, sum of amounts, of the bars that
    open and close within the hour; missing where the cell of one of them is. An hour without any
    bar is a gap; hours that the first or last bars of the file cover only in part are left out.

    Longer bars stand at the hour of their close; amounts are divided by their hours. The hours
    before that close, which the bar has seen but nobody knew, have no row.
    """
    length = pd.Timedelta(minutes=minutes)
    if length >= _HOUR:
        amounts = [name for name in bars if name not in names]
        # From the label of the open to the hour at which the bar was known.
        closed = bars.set_axis(bars.index + length)
        closed[amounts] = closed[amounts] / (minutes // 60)
        return closed
    closes = bars.index.floor("h") + _HOUR
    # Differs from the hour before: the first bar of each hour; the first of all begins one.
    first = np.flatnonzero(np.diff(closes.asi8, prepend=closes.asi8[0] - 1))
    last = np.append(first[1:], len(bars)) - 1
    whole = np.ones(len(first), bool)
    # Parts of an hour at the file's ends are no bars of it.
    whole[0] &= bars.index[0] + _HOUR == closes[0]
    whole[-1] &= bars.index[-1] + length == closes[-1]
    opened, high, low, close = names
    rules = {opened: first, close: last, high: np.maximum, low: np.minimum}
    hours = {name: _combined(bars[name], rules.get(name, np.add), first) for name in bars}
    return pd.DataFrame(hours, index=closes[first])[whole]


def _combined(values: pd.Series, rule: np.ndarray | np.ufunc, first: np.ndarray) -> np.ndarray:
    """One value per group: the one at a position, or those of the group combined; NaN stays NaN."""
    cells = values.to_numpy()
    return rule.reduceat(cells, first) if isinstance(rule, np.ufunc) else cells[rule]
