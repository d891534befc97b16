"""Plain names of the models' inputs, for figures."""

from __future__ import annotations

import re

_NAMES = {
    "dvol_lag_1d": "DVOL a day before the target",
    "dvol_lag_7d": "DVOL 7 days before the target",
    "dvol_lag_30d": "DVOL 30 days before the target",
    "transaction_volume": "transfer volume on the chain",
    "network_activity": "active addresses on the chain",
    "nvrv": "market to realised value",
    "dvol_rv_spread": "DVOL less realised volatility",
    "jump_indicator": "a jump in this hour",
    "jump_magnitude": "size of this hour's jump",
    "days_since_jump": "days since the last jump",
    "jump_cluster_7d": "jumps of 7 days",
    "log_level": "level of DVOL",
    "volatility_ratio": "volatility of the price, lately",
    "funding_8h": "funding rate, 8 hours",
    "funding_3d": "funding rate, 3 days",
    "hour_of_day": "hour of the day",
    "hour_of_week": "hour of the week",
    "month_expiry_ahead": "hours before a monthly expiry",
    "month_expiry_behind": "hours after a monthly expiry",
    "quarter_expiry_ahead": "hours before a quarterly expiry",
    "quarter_expiry_behind": "hours after a quarterly expiry",
    "macro_ahead": "release due within a day",
    "macro_later": "release due on the day after",
    "asset_place": "which asset",
}
_PATTERNS = {
    r"gap_(\d+)h": r"DVOL against its mean of \1 hours",
    r"week_(sin|cos)_(\d+)": r"wave of the week, \2 cycles (\1)",
    r"return_(\d+)h": r"return of the price, \1 hours",
    r"volatility_(\d+)h": r"volatility of DVOL, \1 hours",
}


def input_name(column: str) -> str:
    """What an input is, in plain words; its own name where it has no other.

    Examples
    --------
    >>> input_name("gap_24h"), input_name("log_level"), input_name("mine")
    ('DVOL against its mean of 24 hours', 'level of DVOL', 'mine')
    """
    for pattern, words in _PATTERNS.items():
        if re.fullmatch(pattern, column):
            return re.sub(pattern, words, column)
    return _NAMES.get(column, column)
