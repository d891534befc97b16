"""What each flaw of the published rules does, one at a time."""

from __future__ import annotations

import pandas as pd

from dvol_utils.evaluation import average_seeds, score
from dvol_utils.jumps import detect_jumps, published_rules
from dvol_utils.published.hours import consecutive, same_hours
from dvol_utils.published.variants import LEAK_FREE, NETWORK, PAIRS, RIDGE
from dvol_utils.significance import Resampling, bootstrap_difference, bootstrap_interval
from dvol_utils.study.fitting_section import JumpParams
from dvol_utils.wording.columns import interval_grid
from dvol_utils.wording.numbers import number

_MODELS = {RIDGE: "ridge", NETWORK: "LSTM baseline"}
_ROUNDING = 1e-6  # a regression on rescaled inputs differs by rounding only


def flaw_table(
    variants: pd.DataFrame,
    levels: pd.Series,
    *,
    resampling: Resampling,
) -> pd.DataFrame:
    """Skill with a flaw less skill without it, on the hours that all variants share.

    Parameters
    ----------
    variants : DataFrame
        `variant_forecasts`.
    levels : Series
        `hourly_levels`.
    resampling : Resampling

    Returns
    -------
    DataFrame
        `flaw, against` (the variant that differs by the flaw alone), `model, with_flaw, without,
        estimate, low, high` (shares; the last three of the difference), `n` (hours).
    """
    tables = []
    for model in _MODELS:
        rows = variants[variants["model"] == model]
        parts = [part.assign(model=name) for name, part in rows.groupby("variant", sort=False)]
        # The first table labels the hours by regime, see `same_hours`.
        parts.sort(key=lambda part: part["model"].iloc[0] != LEAK_FREE)  # its regimes label hours
        hours = average_seeds(same_hours(parts, levels))
        gaps = bootstrap_difference(hours, "skill", PAIRS, resampling=resampling)
        skill = score(hours).set_index("model")["skill"]
        tables.append(
            gaps.rename(columns={"model_a": "flaw", "model_b": "against"}).assign(
                model=_MODELS[model],
                with_flaw=lambda gap, skill=skill: gap["flaw"].map(skill),
                without=lambda gap, skill=skill: gap["against"].map(skill),
                n=hours["target_time"].nunique(),
            )
        )
    columns = ["flaw", "against", "model", "with_flaw", "without", "estimate", "low", "high", "n"]
    return pd.concat(tables, ignore_index=True)[columns]


def readable_flaws(table: pd.DataFrame) -> pd.DataFrame:
    """`flaw_table` for readers, in percent and percentage points."""
    gaps = [
        f"{number(100 * row.estimate, '+.2f')} ({number(100 * row.low, '.2f')}\u00a0to\u00a0"
        f"{number(100 * row.high, '.2f')})"
        for row in table.itertuples()
    ]
    return pd.DataFrame(
        {
            "flaw": table["flaw"],
            "compared with": table["against"],
            "model": table["model"],
            "skill with, %": 100 * table["with_flaw"],
            "skill without, %": 100 * table["without"],
            "difference, percentage points": gaps,
        }
    )


def beyond_chance(table: pd.DataFrame) -> pd.Series:
    """Whether the interval of each difference leaves zero out by more than rounding."""
    return (table["low"] > _ROUNDING) | (table["high"] < -_ROUNDING)


def direction_table(forecasts: pd.DataFrame, *, resampling: Resampling) -> pd.DataFrame:
    """The share of moves called right, by both definitions.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table on the same hours, seeds averaged.

    Returns
    -------
    DataFrame
        `model`, then `from the origin` and `from forecast to forecast`: shares in percent with
        their intervals, as text.
    """
    kinds = {"from the origin": forecasts, "from forecast to forecast": consecutive(forecasts)}
    columns = []
    for name, rows in kinds.items():
        intervals = bootstrap_interval(rows, "direction", resampling=resampling)
        grid = interval_grid(intervals).set_index("model")
        columns.append(grid.iloc[:, 0].rename(f"{name}, %"))
    return pd.concat(columns, axis="columns").reset_index()


def rule_table(panel: pd.DataFrame, complete: pd.DataFrame, params: JumpParams) -> pd.DataFrame:
    """Hours that each part of the published rule flags, and how many survive the real test.

    Parameters
    ----------
    panel : DataFrame
        The study's panel, hours dropped as it says.
    complete : DataFrame
        The panel with every hour, on which Lee and Mykland's test runs.
    params : JumpParams
        Window and level of that test.

    Returns
    -------
    DataFrame
        `flagged_by, hours, share` (of the panel's hours), `survive, survive_share` (of the flagged
        hours: those that the test flags too).
    """
    test = detect_jumps(complete, params).set_index("time")["is_jump"]
    rules = published_rules(panel["dvol_close"]).set_index(pd.DatetimeIndex(panel["time"]))
    # Hours that were dropped have no flag of the test.
    real = test.reindex(rules.index).fillna(False).astype(bool)
    names = {
        "squared return against bipower variance": rules["bipower"],
        "level above mean + 3 sd": rules["level"],
        "change beyond 3.5 sd": rules["change"],
        "any of the three": rules[["bipower", "level", "change"]].any(axis=1),
        f"Lee-Mykland test, {100 * params.alpha:g} %": real,
    }
    rows = [
        (name, int(flags.sum()), flags.mean(), int((flags & real).sum()))
        for name, flags in names.items()
    ]
    table = pd.DataFrame(rows, columns=["flagged_by", "hours", "share", "survive"])
    return table.assign(survive_share=table["survive"] / table["hours"].where(table["hours"] > 0))
