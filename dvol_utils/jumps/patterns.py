"""When jumps come: sizes, clustering, hours of the week, events, company of another series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chisquare

from dvol_utils.jumps.periodicity import slot_of
from dvol_utils.jumps.statistics import Mask, critical_value
from dvol_utils.study.fitting_section import JumpParams

_HOUR, _DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
DAYS_AROUND = 3  # shown before and after an event


def jump_summary(tables: Mapping[str, pd.DataFrame], params: JumpParams) -> pd.DataFrame:
    """Flags of several series in one table.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Tables of `detect_jumps`.
    params : JumpParams
        As used for them.

    Returns
    -------
    DataFrame
        `series, asset, threshold` (on `|L|`), `tested` (hours), `flags, share_pct, up_pct` (of the
        flags), `median_pct, p95_pct, largest_pct` (absolute log size times 100),
        `median_sigma_pct` (hourly volatility of the typical hour times 100).
    """
    rows = []
    for series, table in tables.items():
        for asset, part in table.groupby("asset", sort=False):
            tested, sizes = int(part["statistic"].count()), part.loc[part["is_jump"], "jump_size"]
            size = 100 * sizes.abs()
            rows.append(
                {
                    "series": series,
                    "asset": asset,
                    "threshold": critical_value(params.alpha, params.n_tests),
                    "tested": tested,
                    "flags": len(sizes),
                    "share_pct": percentage(len(sizes), tested),
                    "up_pct": percentage((sizes > 0).sum(), len(sizes)),
                    "median_pct": size.median(),
                    "p95_pct": size.quantile(0.95),
                    "largest_pct": size.max(),
                    "median_sigma_pct": 100 * part["sigma"].median(),
                }
            )
    return pd.DataFrame(rows)


def clustering(jumps: pd.DataFrame, hours: int) -> pd.DataFrame:
    """How much more often an hour is flagged when one of the last `hours` hours was.

    Returns
    -------
    DataFrame
        `hours` ("any hour", "within ... hours after a flag", "other hours"), `tested, flags,
        share_pct, ratio` (share relative to any hour).
    """
    # Hours that could not be tested are no quiet ones, and count on neither side.
    tested = jumps["statistic"].notna().to_numpy()
    flagged = jumps["is_jump"].to_numpy()
    # From one hour back: an hour's own flag does not count as the one before it.
    near = ~np.isnan(nearest_mark(jumps, flagged, range(-hours, 0)))
    groups = {"any hour": tested, f"within {hours} hours after a flag": tested & near}
    groups["other hours"] = tested & ~near
    rows = []
    for name, chosen in groups.items():
        flags, total = int((flagged & chosen).sum()), int(chosen.sum())
        rows.append((name, total, flags, percentage(flags, total)))
    table = pd.DataFrame(rows, columns=["hours", "tested", "flags", "share_pct"])
    # Without any flag there is nothing to be relative to.
    return table.assign(ratio=table["share_pct"] / (table["share_pct"].iloc[0] or np.nan))


def flags_by_slot(flags: pd.DataFrame, times: pd.Series, slots: int = 168) -> pd.DataFrame:
    """Number of flags of each method (columns) in each hour of the day or week (index `slot`)."""
    slot = pd.Series(slot_of(times, slots), index=flags.index, name="slot")
    return flags.groupby(slot).sum().reindex(range(slots), fill_value=0).rename_axis("slot")


def evenness(flags: pd.DataFrame, times: pd.Series) -> pd.DataFrame:
    """Whether flags fall evenly on hours of the day and days of the week.

    Returns
    -------
    DataFrame
        `method, busiest_hour` (UTC, hour of the bar's open), `its_share_pct` (of the flags; even
        would be 4.2), `hour_p_value, weekend_pct` (of the flags; even would be 28.6),
        `weekday_p_value`: chi-squared tests of equal counts, which take flags as independent.
    """
    rows = []
    for method, counts in flags_by_slot(flags, times).items():
        # Slots count from Monday 00:00, so that a row of seven is a day of the week.
        grid = counts.to_numpy().reshape(7, 24)
        by_hour, by_day, total = grid.sum(axis=0), grid.sum(axis=1), grid.sum()
        rows.append(
            {
                "method": method,
                "busiest_hour": int(by_hour.argmax()),
                "its_share_pct": percentage(by_hour.max(), total),
                "hour_p_value": _even_p_value(by_hour),
                "weekend_pct": percentage(by_day[5:].sum(), total),
                "weekday_p_value": _even_p_value(by_day),
            }
        )
    return pd.DataFrame(rows)


def jump_events(jumps: pd.DataFrame, days: Sequence[date]) -> pd.DataFrame:
    """The strongest flagged hour of each named day and the next, or the largest `|L|` without one.

    Parameters
    ----------
    jumps : DataFrame
        Table of `detect_jumps`.
    days : sequence of date
        UTC days; hours that open on them or on the next day are looked at.

    Returns
    -------
    DataFrame
        One row per event and asset: `event, asset, flags` (number), `flags_near` (number from
        three days before the day to three after, as `event_windows` shows them), `time` (bar close,
        UTC) of the flagged hour with the largest `|L|`, `size_pct` and `sigma_pct` (its log return
        and the hourly volatility before it, times 100), `statistic`, and `note` ("", "none
        flagged", "no data"); with none flagged, the hour of the largest `|L|`.
    """
    rows = []
    for day in days:
        start = pd.Timestamp(day, tz="UTC")
        for asset, part in jumps.groupby("asset", sort=False):
            tested = part[part["statistic"].notna()]
            hours = _opened(tested, start, start + 2 * _DAY)
            near = _opened(tested, start - DAYS_AROUND * _DAY, start + (1 + DAYS_AROUND) * _DAY)
            row = {"event": start.date(), "asset": asset, "flags_near": int(near["is_jump"].sum())}
            rows.append(row | _strongest(hours))
    columns = [
        "event",
        "asset",
        "flags",
        "flags_near",
        "time",
        "size_pct",
        "sigma_pct",
        "statistic",
        "note",
    ]
    return pd.DataFrame(rows, columns=columns)


def event_days(jumps: pd.DataFrame, named: Sequence[date], most: int = 6) -> list[date]:
    """The named days, or without any the days of the strongest flags, in order of time."""
    if named:
        return list(named)
    flagged = jumps[jumps["is_jump"]]
    # Stable, so that of equal statistics the earlier hour comes first on every machine.
    order = flagged["statistic"].abs().sort_values(ascending=False, kind="stable").index
    # By the bar's open: the close of a day's last bar is already the next day's midnight.
    days = (flagged.loc[order, "time"] - _HOUR).dt.date
    return sorted(days.drop_duplicates().head(most))


def event_windows(panel: pd.DataFrame, jumps: pd.DataFrame, days: Sequence[date]) -> pd.DataFrame:
    """DVOL of the panel's first asset from three days before each day to three after, with flags.

    Returns
    -------
    DataFrame
        One row per event and hour: `event` (date), `time, dvol_close, is_jump, jump_size`; days
        without data have no rows.
    """
    first = (panel["asset"] == panel["asset"].iloc[0]).to_numpy()
    hours = panel.loc[first, ["time", "dvol_close"]].join(jumps[["is_jump", "jump_size"]])
    parts = []
    for day in days:
        start = pd.Timestamp(day, tz="UTC")
        near = _opened(hours, start - DAYS_AROUND * _DAY, start + (1 + DAYS_AROUND) * _DAY)
        parts.append(near.assign(event=start.date()))
    columns = ["event", "time", "dvol_close", "is_jump", "jump_size"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def overlap(
    jumps: pd.DataFrame, other: pd.DataFrame, within_hours: Sequence[int] = (0, 1, 24)
) -> pd.DataFrame:
    """Share of the flags in `jumps` that have a flag of `other` within some hours, and by chance.

    Returns
    -------
    DataFrame
        `within_hours` (before or after), `flags, with_other, share_pct, chance_pct` (share of all
        tested hours that lie so near a flag of `other`), `ratio`. No rows where `other` has none.
    """
    columns = ["within_hours", "flags", "with_other", "share_pct", "chance_pct", "ratio"]
    if other.empty:
        return pd.DataFrame(columns=columns)
    flagged, tested = jumps["is_jump"].to_numpy(), jumps["statistic"].notna().to_numpy()
    keys = pd.MultiIndex.from_frame(jumps[["asset", "time"]])
    other_flag = other.set_index(["asset", "time"])["is_jump"]
    # The other series may begin later or lack hours: there nothing is flagged.
    marks = other_flag.reindex(keys, fill_value=False).to_numpy(dtype=bool)
    rows = []
    for hours in within_hours:
        near = ~np.isnan(nearest_mark(jumps, marks, range(-hours, hours + 1)))
        hits, flags = int((near & flagged).sum()), int(flagged.sum())
        share, chance = percentage(hits, flags), percentage((near & tested).sum(), tested.sum())
        rows.append((hours, flags, hits, share, chance, share / chance if chance else np.nan))
    return pd.DataFrame(rows, columns=columns)


def nearest_mark(jumps: pd.DataFrame, marks: Mask, offsets: Iterable[int]) -> NDArray[np.float64]:
    """Smallest distance in hours from each row to a marked row of its asset at one of `offsets`.

    An offset of -3 looks three hours back. Missing where no such row is marked.
    """
    distance = np.full(len(jumps), np.nan)
    # The nearest offset is written last and so has the last word.
    far_first = sorted(offsets, key=abs, reverse=True)
    for rows in jumps.groupby("asset", sort=False).indices.values():
        times = pd.DatetimeIndex(jumps["time"].iloc[rows])
        marked = times[marks[rows]]
        for offset in far_first:
            distance[rows[(times + offset * _HOUR).isin(marked)]] = abs(offset)
    return distance


def percentage(part: float, whole: float) -> float:
    """`part` of `whole` in percent, missing where `whole` is zero."""
    return 100 * part / whole if whole else float("nan")


def _even_p_value(counts: NDArray[np.int64]) -> float:
    return float(chisquare(counts).pvalue) if counts.sum() else float("nan")


def _opened(rows: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Rows whose bar opens in `start .. end`, the end left out."""
    # A bar that closes at midnight belongs to the day that ends with it.
    opens = rows["time"] - _HOUR
    return rows[(opens >= start) & (opens < end)]


def _strongest(hours: pd.DataFrame) -> dict[str, object]:
    """The flagged hour with the largest `|L|`, or the hour with the largest where none is."""
    flagged = hours[hours["is_jump"]]
    pool = flagged if len(flagged) else hours
    if pool.empty:
        return {"flags": 0, "time": pd.NaT, "note": "no data"}
    row = pool.loc[pool["statistic"].abs().idxmax()]
    return {
        "flags": len(flagged),
        "time": row["time"],
        "size_pct": 100 * row["log_return"],
        "sigma_pct": 100 * row["sigma"],
        "statistic": row["statistic"],
        "note": "" if len(flagged) else "none flagged",
    }
