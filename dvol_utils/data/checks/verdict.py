"""Is the data fit for the study? Every check of the data page as a finding, and one line on top."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from dvol_utils.data.checks.ticks import place_of
from dvol_utils.study.data_section import DataParams
from dvol_utils.study.params import QualityParams
from dvol_utils.wording.numbers import hour, hours_text, number

# DVOL and price moves count as linked when the sum of squares of their two correlations exceeds
# this over the number of pairs; without a link it lies around 2 over that number.
_LINK = 20.0
_WAY_OUT = (
    " Correct a wrong value or leave its row out; where it is true, add its time to "
    "`data.quality.true_ticks`."
)
_STALE_BARS = 3  # bars of many hours may stand still for so many of them


class Finding(NamedTuple):
    """One check of one asset: passed, failed, or (None) not possible with this data."""

    check: str
    passed: bool | None
    words: str


def findings(
    panel: pd.DataFrame,
    stale: pd.DataFrame,
    outliers: pd.DataFrame,
    closes: pd.DataFrame,
    clock: pd.DataFrame,
    ticks: pd.DataFrame,
    params: DataParams,
) -> pd.DataFrame:
    """What every check found, and whether it lies within the limits of `data.quality`.

    Parameters
    ----------
    panel : DataFrame
    stale, outliers, closes, clock, ticks : DataFrame
        Results of `quality.stale_runs` (of any length), `neighbour_outliers`, `close_differences`
        and `lead_lag`, and of `ticks.wrong_ticks`.
    params : DataParams

    Returns
    -------
    DataFrame
        `asset, check, passed` (bool, or None where the data does not allow the check), `words`.
    """
    rows = []
    for asset, part in panel.groupby("asset", sort=True):
        of_asset = [
            table[table["asset"] == asset] for table in (stale, outliers, closes, clock, ticks)
        ]
        words = (
            _missing(part, params.step_hours, params.quality),
            Finding("timestamps", True, "no timestamp stands twice or out of order"),
            _stale(of_asset[0], params.step_hours, params.quality),
            _outliers(of_asset[1], part, params.quality),
            _ticks(of_asset[4]),
            _closes(of_asset[2], params.quality),
            _clock(of_asset[3]),
        )
        rows += [(asset, *finding) for finding in words]
    # As objects: a bool column would turn None into a false or missing number.
    return pd.DataFrame(rows, columns=["asset", *Finding._fields]).astype({"passed": object})


def verdict(table: pd.DataFrame) -> str:
    """Made from all findings (Markdown): yes or no, then a sentence for each reason.

    Parameters
    ----------
    table : DataFrame
        Result of `findings`.
    """
    failed = table[table["passed"].eq(False)]
    fit = failed.empty
    several = len(set(table["asset"])) > 1
    reasons = _sentences(table[table["passed"].eq(True)] if fit else failed, several)
    unknown = table[table["passed"].isna()]
    note = _WAY_OUT if "wrong ticks" in set(failed["check"]) else ""
    note += f" Not checked: {_words(unknown, several)}." if len(unknown) else ""
    return f"**Fit for the study: {'yes' if fit else 'no'}.** {reasons}{note}"


def _sentences(table: pd.DataFrame, several: bool) -> str:
    """All words of each asset as sentences, with its name where there are several."""
    parts = table.groupby("asset", sort=True)["words"]
    return " ".join(
        (f"{asset}: " if several else "")
        + " ".join(f"{text[0].upper()}{text[1:]}." for text in words)
        for asset, words in parts
    )


def _words(found: pd.DataFrame, several: bool) -> str:
    """All words of each asset, with its name where there are several."""
    return "; ".join(
        (f"{asset}: " if several else "") + _joined(part["words"].tolist())
        for asset, part in found.groupby("asset", sort=True)
    )


def _missing(part: pd.DataFrame, step: int, limits: QualityParams) -> Finding:
    due = (len(part) - 1) // step + 1
    missing = due - int((~part["imputed"]).sum())
    if not missing:
        return Finding("closes", True, f"all {due:,} closes are there")
    words = f"{missing:,} of {due:,} closes ({number(100 * missing / due, '.2f')} %) are missing"
    return Finding("closes", missing / due <= limits.imputed_share, words)


def _stale(stale: pd.DataFrame, step: int, limits: QualityParams) -> Finding:
    if stale.empty:
        return Finding("stale closes", True, "every close moves")
    longest = stale.iloc[0]
    hours = hours_text(longest["hours"])
    if longest["hours"] <= max(limits.longest_stale_hours, _STALE_BARS * step):
        return Finding("stale closes", True, f"no close stays for more than {hours}")
    words = f"{longest['column']} stays the same for {hours} from {hour(longest['start'])}"
    return Finding("stale closes", False, words)


def _outliers(outliers: pd.DataFrame, part: pd.DataFrame, limits: QualityParams) -> Finding:
    share = len(outliers) / max(int((~part["imputed"]).sum()), 1)
    closes = {0: "no close stands", 1: "1 close stands"}.get(
        len(outliers), f"{len(outliers):,} closes stand"
    )
    words = f"{closes} out from both neighbours"
    if len(outliers):
        words += f" ({number(100 * share, '.2f')} %)"
    return Finding("outliers", share <= limits.outlier_share, words)


def _ticks(ticks: pd.DataFrame) -> Finding:
    name = "wrong ticks"
    if ticks.empty:
        return Finding(name, True, "no value jumps away without a sign of it elsewhere")
    first = ticks.iloc[0]
    beside = [f"{first[key]:g}" for key in ("before", "after") if pd.notna(first[key])]
    others = f" (the first of {len(ticks):,})" if len(ticks) > 1 else ""
    words = (
        f"{first['column']} is {first['value']:g} beside {_joined(beside)} in "
        f"{place_of(first)}, though {first['why']}{others}"
    )
    return Finding(name, False, words)


def _closes(closes: pd.DataFrame, limits: QualityParams) -> Finding:
    name = "daily closes"
    by_lag = closes.set_index("lag_hours")
    if 0 not in by_lag.index:
        return Finding(name, None, "hourly against daily closes (no price a day to compare with)")
    best, middle = int(by_lag["spread_percent"].idxmin()), by_lag["median_percent"].loc[0]
    if best:
        words = f"daily closes fit the hourly ones best {_hours(best)} their day's end"
        return Finding(name, False, f"{words}: one of the clocks is shifted")
    words = f"hourly and daily closes differ by {number(middle, '.2f')} % in the median"
    return Finding(name, middle <= limits.close_difference_percent, words)


def _clock(clock: pd.DataFrame) -> Finding:
    name = "clocks of DVOL and price"
    strength = clock["with_return"] ** 2 + clock["with_size"] ** 2
    if clock.empty or strength.max() * clock["hours"].max() < _LINK:
        return Finding(name, None, "DVOL against price moves (no price, or no link between them)")
    best = clock.loc[strength.idxmax()]
    if best["lag_hours"]:
        when = _hours(int(best["lag_hours"]))
        words = f"DVOL moves {when} the price rather than with it: one of the clocks is shifted"
        return Finding(name, False, words)
    size = number(best["with_return"], ".2f")
    return Finding(name, True, f"DVOL answers price moves within their bar (correlation {size})")


def _hours(lag: int) -> str:
    return f"{hours_text(abs(lag))} {'after' if lag > 0 else 'before'}"


def _joined(words: list[str]) -> str:
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)
