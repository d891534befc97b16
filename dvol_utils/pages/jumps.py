"""The answer of the jump stage, in words made from its tables."""

from __future__ import annotations

import pandas as pd

from dvol_utils.jumps.quality import PLAIN
from dvol_utils.wording.numbers import written_p

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_HEADS = {
    "up_pct": "upward, %",
    "median_pct": "median size, %",
    "p95_pct": "95 % of sizes below, %",
    "largest_pct": "largest size, %",
    "median_sigma_pct": "usual hourly volatility, %",
    "ratio": "times as often",
    "shared": "shared with the plain test",
    "only_here": "not in the plain test",
    "only_first": "only in the plain test",
    "its_share_pct": "its share of flags, %",
    "hour_p_value": "p, all hours alike",
    "weekend_pct": "on weekends, %",
    "weekday_p_value": "p, all weekdays alike",
    "flags_near": "flags nearby",
    "size_pct": "size, %",
    "sigma_pct": "volatility, %",
    "with_other": "with a flag of the price",
    "chance_pct": "by chance, %",
    "n_tests": "tests in a family",
    "nominal_pct": "stated chance a family, %",
    "family_pct": "true chance a family, %",
    "one_return": "false flags in a million returns",
    "return_in_window": "return in its own window",
}


def describe_jumps(
    *,
    summary: pd.DataFrame,
    clusters: pd.DataFrame,
    even: pd.DataFrame,
    companions: pd.DataFrame,
    rates: pd.DataFrame,
    compared: pd.DataFrame,
    quality: pd.DataFrame,
    events: pd.DataFrame,
) -> str:
    """When DVOL jumped and how far the test can be trusted, in words (Markdown).

    Parameters
    ----------
    summary, clusters, even, companions, rates, compared, quality, events : DataFrame
        What `jump_summary`, `clustering`, `evenness`, `overlap`, `false_alarm_rates`,
        `compare_variants`, `detection_quality` and `jump_events` returned, DVOL and the plain test
        in the first row.
    """
    dvol = summary.iloc[0]
    trust = [
        _level_words(rates),
        _variant_words(compared),
        _truth_words(quality),
        _event_words(events, dvol),
    ]
    when = _when_words(dvol, clusters.iloc[1], even.iloc[0], companions)
    return f"**When did DVOL jump?** {when}\n\n**Can the test be trusted?** " + " ".join(
        filter(None, trust)
    )


def busiest_slots(counts: pd.Series, weekend_pct: float) -> str:
    """The two hours of the week with most flags, from `flags_by_slot` of one test.

    Parameters
    ----------
    counts : Series
        Flags by hour of the week, from Monday 00:00 UTC.
    weekend_pct : float
        Share of the flags that fall on weekends, percent.
    """
    most = counts.sort_values(ascending=False, kind="stable").index[:2]
    named = " and ".join(f"{_WEEKDAYS[slot // 24]} {slot % 24:02d}:00" for slot in most)
    return f"Most flags at {named} UTC; {weekend_pct:.0f} % on weekends (29 % if even)"


def _when_words(
    dvol: pd.Series, near: pd.Series, plain: pd.Series, companions: pd.DataFrame
) -> str:
    if not dvol["flags"]:
        return f"The test flags none of {dvol['tested']:,} hours."
    price = ". There is no price to compare with"
    if len(companions):
        same = companions.iloc[0]
        price = (
            f", and {same['share_pct']:.0f} % share their hour with a jump of the price "
            f"({same['chance_pct']:.1f} % by chance)"
        )
    return (
        f"The test flags {dvol['flags']:,} of {dvol['tested']:,} hours "
        f"({dvol['share_pct']:.2f} %), {dvol['up_pct']:.0f} % of them upward, with a median size "
        f"of {dvol['median_pct']:.1f} %. An hour {near['hours'].removesuffix(' a flag')} another "
        f"flag is {near['ratio']:.1f} times as likely to be flagged as any hour. "
        f"{plain['weekend_pct']:.0f} % of the flags fall on weekends (29 % if they were even)"
        f"{price}."
    )


def _level_words(rates: pd.DataFrame) -> str:
    study = rates.iloc[0]
    return (
        f"Its stated level, {study['nominal_pct']:g} % for {study['n_tests']:,} hours, is in truth "
        f"about {study['family_pct']:.1f} % with Gaussian returns of constant volatility, and "
        "hourly returns have heavier tails than that."
    )


def _variant_words(compared: pd.DataFrame) -> str:
    plain, week, fdr = (
        compared.set_index("method").loc[name]
        for name in (PLAIN, "periodicity by week", "false discovery rate")
    )
    return (
        "The choice of test matters: correcting for the hour of the week keeps "
        f"{week['shared']:,.0f} of the {plain['flags']:,.0f} flags and adds "
        f"{week['only_here']:,.0f}, and controlling the false discovery rate at the same level "
        f"gives {fdr['flags']:,.0f}."
    )


def _truth_words(quality: pd.DataFrame) -> str:
    if quality.empty:
        return ""
    exact = quality[quality["tolerance_hours"] == quality["tolerance_hours"].min()]
    # The largest class that holds a true jump: some markets have none of the largest.
    overall, largest = exact.iloc[0], exact[exact["true_jumps"] > 0].iloc[-1:]
    if not overall["flags"]:
        return f"None of the {overall['true_jumps']:,} true jumps is found."
    words = (
        f"{overall['correct']:,} of the {overall['flags']:,} flags "
        f"({100 * overall['precision']:.0f} %) are true jumps"
    )
    for _, row in largest.iterrows():
        words += (
            f". The test finds {overall['found']:,} of {overall['true_jumps']:,} true jumps "
            f"({100 * overall['recall']:.0f} %) in their very hour, and {row['found']:,} of "
            f"{row['true_jumps']:,} with a size of {row['size']}"
        )
    return words + "."


def _event_words(events: pd.DataFrame, dvol: pd.Series) -> str:
    if events.empty:
        return ""
    silent = events[events["flags"] == 0]
    words = (
        f"Of the {len(events)} known events, {len(events) - len(silent)} have a flag on "
        f"the day or the next, {(events['flags_near'] > 0).sum()} within three days"
    )
    sigma = silent["sigma_pct"].dropna()
    if len(sigma):
        words += (
            f"; where the day has none, hourly volatility stood at {sigma.min():.1f} to "
            f"{sigma.max():.1f} % against a usual {dvol['median_sigma_pct']:.2f} %, and the test "
            f"asks for {dvol['threshold']:.1f} times as much"
        )
    return words + "."


def readable_jumps(table: pd.DataFrame) -> pd.DataFrame:
    """A table of the jump tests for readers: heads in words, p-values as text.

    Parameters
    ----------
    table : DataFrame
        Columns as `patterns` and `quality` name them; unknown ones stay as they are.

    Returns
    -------
    DataFrame
        The same rows; the p-value of a test that could not be made is a dash.
    """
    tests = [name for name in table if str(name).endswith("p_value")]
    words = {name: table[name].map(written_p) for name in tests}
    return table.assign(**words).rename(columns=_HEADS)
