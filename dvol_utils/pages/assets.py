"""What pooling does for each asset: tables of skill and differences, and the answer in words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from dvol_utils.evaluation import average_seeds, score
from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.forecasting.pooling import ALONE, POOLED
from dvol_utils.results.judging import LEVEL
from dvol_utils.samples.samples import Samples
from dvol_utils.significance import Resampling, bootstrap_difference, equal_loss
from dvol_utils.study.model_names import label
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.columns import readable
from dvol_utils.wording.numbers import MISSING, bounds_text, coverage_text, number, p_text

WAYS = {
    "alone": "its own asset",
    "pooled": "all assets",
    "labelled": "all assets, told which",
}


def pooling_table(forecasts: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """Skill of every model alone and pooled, and what pooling changes, by split and asset.

    Parameters
    ----------
    forecasts : DataFrame
        `pooling_forecasts`; seeds are averaged here.
    study : StudyParams
        Bootstrap, and the hours over which errors overlap.

    Returns
    -------
    DataFrame
        split, asset, model, way, n, skill; for pooled ways `difference, low, high` (skill pooled
        less skill alone on the same resamples), `p_value, p_bartlett` (Diebold-Mariano test of
        the squared errors, `equal_loss`) and `p_holm`, which allows for the number of comparisons
        in the split. Missing for `alone`.
    """
    tables = []
    for split, part in forecasts.groupby("split", sort=False):
        rows = [
            _one_asset(rows_of_asset, study)
            for _, rows_of_asset in part.groupby("asset", sort=False)
        ]
        table = pd.concat(rows, ignore_index=True)
        tested = table["p_value"].notna()
        table["p_holm"] = np.nan
        table.loc[tested, "p_holm"] = multipletests(table.loc[tested, "p_value"], method="holm")[1]
        tables.append(table.assign(split=split))
    columns = ["split", "asset", "model", "way", "n", "skill"]
    columns += ["difference", "low", "high", "p_value", "p_bartlett", "p_holm"]
    return pd.concat(tables, ignore_index=True)[columns]


def _one_asset(forecasts: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    # Model and way in one name, since the tests know models alone.
    rows = average_seeds(forecasts.assign(model=forecasts["model"] + " " + forecasts["way"]))
    kinds = forecasts[["asset", "model", "way"]].drop_duplicates(ignore_index=True)
    names = kinds["model"] + " " + kinds["way"]
    scores = score(rows).set_index("model")[["skill", "n"]].loc[names].reset_index(drop=True)
    pairs = [
        (f"{kind.model} {kind.way}", f"{kind.model} {ALONE}")
        for kind in kinds.itertuples()
        if kind.way != ALONE
    ]
    resampling = Resampling.of(study.significance)
    differences = bootstrap_difference(rows, "skill", pairs, resampling=resampling)
    differences = differences.drop(columns="model_b")
    differences = differences.rename(columns={"estimate": "difference"}).set_index("model_a")
    losses, horizon = squared_errors(rows), study.overlap_hours
    for pooled, alone in pairs:
        test = equal_loss(losses[pooled], losses[alone], horizon=horizon)
        differences.loc[pooled, ["p_value", "p_bartlett"]] = test[1:]
    # A row for each model, those without a comparison too.
    changes = differences.drop(columns="metric").reindex(names).reset_index(drop=True)
    return pd.concat([kinds, scores, changes], axis="columns")


def correlation_table(samples: Sequence[Samples], forecasts: pd.DataFrame) -> pd.DataFrame:
    """How much two assets have in common: their changes, and models' errors, at the same hours.

    Parameters
    ----------
    samples : sequence of Samples
        One asset each.
    forecasts : DataFrame
        `pooling_forecasts`; seeds are averaged here.

    Returns
    -------
    DataFrame
        asset_a, asset_b, series (changes of log DVOL over the horizon, or the errors of a model
        fitted alone, in shares of the level at the origin), correlation, n (hours). The hours are
        those of the forecasts.
    """
    alone = average_seeds(forecasts[forecasts["way"] == ALONE])
    # In shares of the level, without which the larger asset would set the correlation.
    error = (alone["y_true"] - alone["y_pred"]) / alone["y_origin"]
    errors = alone.assign(error=error).set_index(["asset", "model", "origin"])["error"].sort_index()
    rows = []
    for a, b in combinations(samples, 2):
        series = {"changes of DVOL": [_changes(asset_samples, alone) for asset_samples in (a, b)]}
        for model in pd.unique(alone["model"]):
            series[f"errors of {label(model)}"] = [
                errors[asset_samples.asset, model] for asset_samples in (a, b)
            ]
        for name, pair in series.items():
            both = pd.concat(pair, axis="columns", join="inner")
            correlation = float(np.corrcoef(both.to_numpy().T)[0, 1])
            rows.append((a.asset, b.asset, name, correlation, len(both)))
    return pd.DataFrame(rows, columns=["asset_a", "asset_b", "series", "correlation", "n"])


def _changes(samples: Samples, forecasts: pd.DataFrame) -> pd.Series:
    change = pd.Series(np.log(samples.outcome / samples.dvol), index=samples.times)
    origins = forecasts.loc[forecasts["asset"] == samples.asset, "origin"]
    return change.loc[pd.DatetimeIndex(origins.unique())]


def readable_pooling(table: pd.DataFrame) -> pd.DataFrame:
    """`pooling_table` of one split for readers, in percent and percentage points."""
    gaps = [
        MISSING
        if pd.isna(row.difference)
        else f"{number(100 * row.difference, '+.2f')} "
        f"{bounds_text(100 * row.low, 100 * row.high, '.2f')}"
        for row in table.itertuples()
    ]
    shown = table.drop(columns=["split", "difference", "low", "high"])
    shown.insert(shown.columns.get_loc("skill") + 1, "pooling_change", gaps)
    return readable(shown.assign(way=table["way"].map(WAYS)))


def is_found(row: pd.Series) -> bool:
    """Whether a difference is beyond chance: its interval leaves zero out, and so does the test
    that allows for the number of comparisons.
    """
    return bool((row["low"] > 0 or row["high"] < 0) and row["p_holm"] < LEVEL)


def found_words(table: pd.DataFrame) -> str:
    """How many of a split's comparisons lie beyond chance."""
    tested = table[table["way"] != ALONE]
    beyond = int(tested.apply(is_found, axis="columns").sum())
    return f"Pooling changes the skill beyond chance in {beyond} of {len(tested)} comparisons"


def pooling_answer(table: pd.DataFrame, *, coverage: float, simulated: bool) -> list[str]:
    """Does pooling help each asset? One sentence per asset, then one over all comparisons.

    Parameters
    ----------
    table : DataFrame
        `pooling_table` of one split.
    coverage : float
        Coverage of the intervals.
    simulated : bool
        Whether the data come from the simulated market, which the sentences then say.
    """
    tested = table[table["way"] != ALONE]
    sentences = [
        _asset_sentence(str(asset), rows, coverage)
        for asset, rows in tested.groupby("asset", sort=False)
    ]
    where = " in the simulated market" if simulated else ""
    verdict = f"{found_words(table)}{where}; Holm's correction allows for their number"
    if not tested.apply(is_found, axis="columns").any():
        verdict += (
            ". What pooling does on these hours is too little to be told from chance, which is not "
            "to say that it does nothing"
        )
    return [*sentences, f"{verdict}."]


def pooling_summary(table: pd.DataFrame) -> str:
    """What pooling does for each asset in a few words, from `pooling_table` of one split."""
    tested = table[table["way"] != ALONE].groupby("asset", sort=False)
    return " ".join(f"{asset}: pooling {_pooling_words(rows)}." for asset, rows in tested)


def _pooling_words(rows: pd.DataFrame) -> str:
    beyond = [row for _, row in rows.iterrows() if is_found(row)]
    words = [
        f"{verb} {', '.join(names)}"
        for verb, sign in (("helps", 1), ("hurts", -1))
        if (names := dict.fromkeys(label(r["model"]) for r in beyond if sign * r["difference"] > 0))
    ]
    return " and ".join(words) or "is not shown to help or to hurt"


def _asset_sentence(asset: str, rows: pd.DataFrame, coverage: float) -> str:
    """What pooling does for an asset, model by model."""
    parts = [
        f"{label(row.model)} {number(100 * row.difference, '+.2f')} percentage points "
        f"({coverage_text(coverage)} interval {number(100 * row.low, '.2f')} to "
        f"{number(100 * row.high, '.2f')}, Diebold-Mariano {p_text(row.p_holm)} after Holm)"
        + ("" if row.way == POOLED else " when told which asset a row is of")
        for row in rows.itertuples()
    ]
    verdict = f"{asset}: pooling {_pooling_words(rows)}"
    return f"{verdict}. Skill pooled less skill alone: {'; '.join(parts)}."
