"""Every interval and test in one table, `significance.parquet`, and what is looked up in it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
import pandas as pd

from dvol_utils.study.model_names import (
    ENSEMBLE,
    LADDER_NAMES,
    NAIVE_NAMES,
    NETWORK_NAMES,
    RIVAL_NAMES,
)

SIGNIFICANCE_COLUMNS = (
    *("kind", "model_a", "model_b", "metric", "estimate", "low", "high", "statistic"),
    *("p_value", "p_bartlett", "p_holm", "p_fdr"),
)


def comparisons(models: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of models that claims are about.

    (Larger, smaller) size of the ladder, (tuned LSTM, size of the ladder), (network or ensemble,
    simple rival) and (simple rival, the one before it).
    """
    ladder, rivals, others = (
        [model for model in names if model in models]
        for names in (LADDER_NAMES, RIVAL_NAMES, (*NETWORK_NAMES, ENSEMBLE))
    )
    pairs = [(large, small) for small, large in combinations(ladder, 2)]
    pairs += [("lstm_tuned", size) for size in ladder if "lstm_tuned" in models]
    pairs += [(model, rival) for rival in rivals for model in others]
    return pairs + [(better, rival) for rival, better in pairwise(rivals)]


def nested_pairs(models: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs (larger, smaller) where the smaller model is the larger with some weights at zero.

    Persistence is any model that forecasts no change; HAR is HAR + calendar without calendar.
    """
    pairs = [(m, "persistence") for m in models if m not in NAIVE_NAMES]
    return pairs + [("har_calendar", "har")] * ({"har", "har_calendar"} <= set(models))


def significance_table(
    *,
    intervals: pd.DataFrame,
    regimes: pd.DataFrame,
    regime_gaps: pd.DataFrame,
    differences: pd.DataFrame,
    pairs: pd.DataFrame,
    confidence_set: pd.DataFrame,
    direction: pd.DataFrame,
    conditional: pd.DataFrame,
    nested: pd.DataFrame,
    unbiased: pd.DataFrame,
    superior: pd.DataFrame,
    losses: pd.DataFrame,
    quantiles: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Every interval and test in one tidy table.

    Parameters
    ----------
    intervals, regimes : DataFrame
        `bootstrap_interval`, on all rows and by `jump_regime`.
    regime_gaps : DataFrame
        `regime_difference`, jump less normal.
    differences : DataFrame
        `bootstrap_difference`.
    pairs, confidence_set, direction : DataFrame
        `diebold_mariano_pairs`, `model_confidence_set` and `direction_test`.
    conditional, nested, unbiased, superior : DataFrame
        `giacomini_white_pairs`, `clark_west_pairs`, `unbiasedness_test` and `superior_ability`.
    losses : DataFrame
        `three_losses`.
    quantiles : DataFrame, optional
        `crps_against_persistence`.

    Returns
    -------
    DataFrame
        Columns `SIGNIFICANCE_COLUMNS`. By `kind`: `interval`, `interval_jump`, `interval_normal`
        (a metric and its interval), `jump_minus_normal`, `difference` (a less b), `diebold_mariano`
        and `giacomini_white` (mean difference of squared errors, a less b), `clark_west` (the same
        less the noise of estimated weights), `confidence_set` (`estimate` 1 for a model in the set,
        0 outside), `direction` and `mincer_zarnowitz` (`estimate` is the slope),
        `superior_ability` and `reality_check` (mean gain of a over persistence), `crps` (skill of
        a in CRPS and the test of its difference to persistence), `loss` (gain of a over persistence
        by the loss that `metric` names). p-values are by the periodogram, `p_bartlett` beside them;
        `p_holm` is over the pairs of `diebold_mariano`, or over the losses of `loss`.
    """
    squared = {"metric": "squared_error"}
    gains = superior.assign(model_b="persistence", estimate=superior["mean_gain"], **squared)
    white = {"statistic": np.nan, "p_value": gains["p_reality_check"]}
    tables = [
        intervals.assign(kind="interval"),
        regimes.assign(kind="interval_" + regimes["jump_regime"].astype(str)),
        regime_gaps.assign(kind="jump_minus_normal"),
        differences.assign(kind="difference"),
        pairs.assign(kind="diebold_mariano", estimate=pairs["mean_difference"], **squared),
        confidence_set.assign(
            kind="confidence_set", estimate=confidence_set["included"].astype(float), **squared
        ),
        direction.assign(kind="direction", metric="direction", estimate=direction["slope"]),
        conditional.assign(
            kind="giacomini_white", estimate=conditional["mean_difference"], **squared
        ),
        nested.assign(kind="clark_west", estimate=nested["adjusted_difference"], **squared),
        unbiased.assign(kind="mincer_zarnowitz", metric="change", estimate=unbiased["slope"]),
        gains.assign(kind="superior_ability"),
        gains.assign(kind="reality_check", **white),
        losses.assign(kind="loss", estimate=losses["loss_gain"], metric=losses["loss"]),
    ]
    if quantiles is not None:
        named = {"kind": "crps", "metric": "crps_skill", "model_b": "persistence"}
        tables.append(quantiles.assign(estimate=quantiles["crps_skill"], **named))
    columns = list(SIGNIFICANCE_COLUMNS)
    tidy = [table.rename(columns={"model": "model_a"}).reindex(columns=columns) for table in tables]
    text = dict.fromkeys(("kind", "model_a", "model_b", "metric"), "str")
    numbers = dict.fromkeys(columns[4:], float)
    # One dtype a column in each part: pandas would guess from the empty ones.
    return pd.concat([table.astype(text | numbers) for table in tidy], ignore_index=True)


def look_up(
    table: pd.DataFrame, kind: str, model_a: str, metric: str, model_b: str | None = None
) -> pd.Series | None:
    """The row of a significance table, or None.

    A comparison of two models is found in either order; where it stands the other way round, the
    signs of `estimate`, `low`, `high` and `statistic` are turned.
    """
    rows = table[(table["kind"] == kind) & (table["metric"] == metric)]
    a, b = rows["model_a"], rows["model_b"]
    matching = rows[(a == model_a) & (b.isna() if model_b is None else b == model_b)]
    if not matching.empty:
        return matching.iloc[0]
    turned = rows[(a == model_b) & (b == model_a)]
    if model_b is None or turned.empty:
        return None
    row = turned.iloc[0]
    # Turned round, the upper end becomes the lower one.
    signs = {"estimate": -row["estimate"], "low": -row["high"], "high": -row["low"]}
    other = {"model_a": model_a, "model_b": model_b, "statistic": -row["statistic"]}
    return pd.Series({**row, **other, **signs})
