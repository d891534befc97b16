"""The raw store as it is now: its panel, its samples, and whether it is still the study's data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dvol_utils.data.checks.ticks import place_of
from dvol_utils.data.panel import ONCHAIN_MAX_AGE_HOURS, VALUE_COLUMNS, build_panel, runs
from dvol_utils.jumps import jumps_by_rule
from dvol_utils.samples.features import FEATURE_SOURCES
from dvol_utils.samples.samples import Samples, build_samples
from dvol_utils.serving.saved_models import Finished, ServingError
from dvol_utils.study.data_section import DataParams
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.numbers import hour

_MONTH_HOURS = 720  # the longest lag of an input


@dataclass(frozen=True)
class Market:
    """An asset's hours in a raw store: where it lies, the panel, and how it differs from the study.

    `params` are those by which it is read, `notes` what a reader should know of it, a sentence
    each.
    """

    raw_dir: Path
    asset: str
    panel: pd.DataFrame
    params: DataParams
    notes: list[str]


def read_market(
    finished: Finished,
    raw_dir: Path | None = None,
    *,
    asset: str | None = None,
    allow_changed: bool = False,
) -> Market:
    """Build an asset's panel from a raw store as the study did, to the store's end.

    Gaps that the study would refuse stay empty: they matter where a model looks back on them.

    Parameters
    ----------
    finished : Finished
    raw_dir : Path, optional
        Folder of the raw store; otherwise the one that the study was run with.
    asset : str, optional
        Another asset than the study's.
    allow_changed : bool
        Take a history that differs from the one that the models were fitted on.

    Raises
    ------
    ServingError
        No such folder, or DVOL of an hour that the study knows is another one.
    RawStoreError
        A file is missing or not usable.
    """
    study = finished.study
    folder = study.raw_dir if raw_dir is None else Path(raw_dir)
    if not folder.is_dir():
        raise ServingError(f"{folder}: no such folder; should hold the raw store's CSV files")
    wanted = asset or finished.asset
    # To the store's end, whatever hour the study's file ends at.
    params = study.data.model_copy(update={"assets": [wanted], "end": None})
    panel = build_panel(folder, params, leave_gaps=True)
    if wanted != finished.asset:
        notes = [f"the models were fitted on {finished.asset}, not on {wanted}"]
    else:
        notes = _compared(finished, panel, folder, allow_changed)
    return Market(folder, wanted, panel, params, notes)


def tick_words(tick: Any) -> str:
    """A row of `wrong_ticks` in words."""
    return f"{place_of(tick)}: {tick.column} {tick.value:g} looks wrong: {tick.why}"


def changed_values(now: pd.DataFrame, then: pd.DataFrame) -> pd.DataFrame:
    """How far two panels of one asset agree on the hours that both hold.

    Returns
    -------
    DataFrame
        `column, hours` (in both), `changed` (of them, with another value now), `first_changed`
        (time); one row per column of values. The last week of `then` is left out, but for DVOL and
        price: daily values of its end may not have been there yet.
    """
    both = then.merge(now, on="time", suffixes=("_then", "_now"))
    rows = []
    for column in VALUE_COLUMNS:
        settled = both
        if not column.startswith(("dvol", "price", "volume")):
            week = pd.Timedelta(hours=ONCHAIN_MAX_AGE_HOURS)
            settled = both[both["time"] <= then["time"].max() - week]
        one, two = settled[f"{column}_then"], settled[f"{column}_now"]
        # A value that is gone is a gap, which other checks name, and no change.
        differs = two.notna() & (one != two)
        first = settled.loc[differs, "time"].min()
        rows.append((column, len(settled), int(differs.sum()), first))
    return pd.DataFrame(rows, columns=["column", "hours", "changed", "first_changed"])


def serving_samples(market: Market, study: StudyParams) -> Samples:
    """Samples of a panel that need not hold the study's splits, with every input that is there.

    Raises
    ------
    ServingError
        The panel is too short for the inputs' windows, or of no use for another reason.
    """
    panel = market.panel
    # A window of returns needs one hour more than it has returns.
    needed = max(study.jumps.window + 1, _MONTH_HOURS + study.target.horizon_hours)
    if len(panel) < needed:
        raise ServingError(
            f"{market.raw_dir}: {len(panel)} hours of {market.asset}, from "
            f"{hour(panel['time'].iloc[0])} to {hour(panel['time'].iloc[-1])}; the inputs look "
            f"back over {needed}: bring earlier months"
        )
    is_listed = market.asset in study.data.assets
    assets = study.data.assets if is_listed else [market.asset]
    data = study.data.model_copy(update={"assets": assets})
    adapted = study.model_copy(update={"data": data})
    try:
        # Later hours are in no split of the study, and choose nothing.
        return build_samples(panel, jumps_by_rule(panel, study.jumps), adapted, splits=())
    except ValueError as error:
        raise ServingError(f"{market.raw_dir}: {error}") from None


def missing_inputs(samples: Samples, columns: list[str], row: int, hours: int) -> list[str]:
    """Those of some feature columns that have no value in the `hours` up to a row."""
    window = samples.features[columns].iloc[max(row - hours + 1, 0) : row + 1]
    lacking = window.isna().any() if row + 1 >= hours else pd.Series(True, index=columns)
    return list(lacking.index[lacking])


def broken_sources(panel: pd.DataFrame, columns: list[str]) -> str:
    """Which series behind some features ended before the panel, or lately had a gap, in words."""
    words, lately = [], len(panel) - 2 * _MONTH_HOURS
    for source in dict.fromkeys(FEATURE_SOURCES.get(name, "dvol_close") for name in columns):
        times, empty = panel["time"], panel[source].isna().to_numpy()
        gaps = [(first, last) for first, last in _unfilled(panel, source) if last > lately]
        if empty.all():
            words.append(f"{source}, not in the raw store")
        elif empty[-1]:
            words.append(f"{source}, last at {hour(times[np.flatnonzero(~empty)[-1]])}")
        elif gaps:
            first, last = (hour(times[place]) for place in gaps[-1])
            words.append(f"{source}, without values from {first} to {last}")
    return "; ".join(words)


def gap_notes(panel: pd.DataFrame, *, with_price: bool) -> list[str]:
    """What a model should be known to have looked back on: hours without a bar, a sentence each.

    An input counts as there where at least half the hours of its window are.
    """
    series = {"DVOL": "dvol_close", **({"price": "price_close"} if with_price else {})}
    times, late = panel["time"], len(panel) - _MONTH_HOURS
    return [
        f"{name} has no bar from {hour(times[first])} to {hour(times[last])}: inputs that look "
        "back on these hours rest on those beside them"
        for name, source in series.items()
        for first, last in _unfilled(panel, source)
        if last >= late
    ]


def _unfilled(panel: pd.DataFrame, source: str) -> list[tuple[int, int]]:
    """First and last row of gaps of a column that were too long to be filled to their end."""
    empty = panel[source].isna().to_numpy()
    missing = empty
    if source == "dvol_close":
        missing = empty | panel["dvol_imputed"].to_numpy()
    elif source == "price_close":
        missing = empty | (panel["imputed"] & ~panel["dvol_imputed"]).to_numpy()
    return [(first, last) for first, last in runs(missing) if first and empty[last]]


def _compared(
    finished: Finished, panel: pd.DataFrame, folder: Path, allow_changed: bool
) -> list[str]:
    """What a reader should know of a history beside the study's; refuses another DVOL."""
    then = finished.panel[finished.panel["asset"] == finished.asset]
    table = changed_values(panel, then).set_index("column")
    hours, changed = table.loc["dvol_close", ["hours", "changed"]]
    if not hours:
        return [
            f"the raw store begins at {hour(panel['time'].iloc[0])}, after the study's data, so "
            "that the two cannot be compared"
        ]
    if changed:
        text = (
            f"DVOL differs from the study's data in {changed:,} of {hours:,} hours that both "
            f"hold, first at {hour(table.loc['dvol_close', 'first_changed'])}"
        )
        if not allow_changed:
            raise ServingError(
                f"{folder}: {text}: its models were fitted on another history; bring that one, "
                f"run `make report STUDY={finished.study.name}` on this one, or pass "
                "--allow-changed"
            )
        return [text]
    inputs = table[(table["changed"] > 0) & ~table.index.str.startswith("dvol")]
    share = np.round(100 * inputs["changed"] / inputs["hours"], 2)
    return [
        f"{name} differs from the study's data in {share[name]:.2f} % of hours, first at "
        f"{hour(inputs.loc[name, 'first_changed'])}"
        for name in inputs.index
    ]
