"""What a study found, in one table and one file: `significance.parquet` and `results.json`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd

from dvol_utils.evaluation import METRICS, add_calendar, score
from dvol_utils.evaluation.quantile_scores import coverage, crps
from dvol_utils.forecasting.forecast_table import QUANTILES
from dvol_utils.results.published_figures import PUBLISHED
from dvol_utils.study.model_names import (
    ENSEMBLE,
    LADDER_NAMES,
    NAIVE_NAMES,
    NETWORK_NAMES,
    RIVAL_NAMES,
    label,
)
from dvol_utils.study.params import StudyParams, parameters_hash

REGIME_TYPES = (
    "all",
    "jump_regime",
    "level_regime",
    "half",
    "month",
    "weekday",
    "hour",
    "hour_of_week",
)
SIGNIFICANCE_COLUMNS = (
    "kind",
    "model_a",
    "model_b",
    "metric",
    "estimate",
    "low",
    "high",
    "statistic",
    "p_value",
    "p_wide",
    "p_holm",
    "p_fdr",
)
_JUDGED_BY = REGIME_TYPES[:5]  # a share in the tails needs more rows than a cell of the week has


def choose(validation: pd.DataFrame, among: Sequence[str] | None = None) -> str | None:
    """The model with the lowest RMSE on validation rows, so that test rows choose nothing.

    Parameters
    ----------
    validation : DataFrame
        `score` of the validation rows, one row a model.
    among : sequence of str, optional
        Candidates; without it every model but persistence.

    Returns
    -------
    str or None
        The model, or None where no candidate was scored.
    """
    candidates = validation[validation["model"] != "persistence"]
    if among is not None:
        candidates = validation[validation["model"].isin(list(among))]
    return None if candidates.empty else candidates.loc[candidates["rmse"].idxmin(), "model"]


def weights_by_fold(weights: pd.DataFrame) -> pd.DataFrame:
    """`combination_weights` with a row a fold: fold, learnt_from (hours), a column a member."""
    keyed = weights.set_index(["split", "fold", "rows", "model"])["weight"]
    wide = keyed.unstack(sort=False).reset_index()  # noqa: PD010 nothing to aggregate
    named = wide.drop(columns="split").rename(columns={"rows": "learnt_from"})
    return named.rename(columns=label).rename_axis(columns=None)


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
        a in CRPS and the test of its difference to persistence). `p_wide`, `p_holm` and `p_fdr`
        are those of `diebold_mariano`.
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
    ]
    if quantiles is not None:
        named = {"kind": "crps", "metric": "crps_skill", "model_b": "persistence"}
        tables.append(quantiles.assign(estimate=quantiles["crps_skill"], **named))
    columns = list(SIGNIFICANCE_COLUMNS)
    tidy = [table.rename(columns={"model": "model_a"}).reindex(columns=columns) for table in tables]
    text = dict.fromkeys(("kind", "model_a", "model_b", "metric"), "str")
    numbers = dict.fromkeys(columns[4:], float)
    return pd.concat([table.astype(text | numbers) for table in tidy], ignore_index=True)


def metrics_table(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Every metric of every model by every grouping, one value a row.

    Parameters
    ----------
    forecasts : DataFrame
        Test rows, seeds averaged.

    Returns
    -------
    DataFrame
        `model, regime_type` (all, jump_regime, level_regime, half, month, weekday, hour,
        hour_of_week), `regime` (text), `metric, value, n`. Where the forecasts have quantiles,
        also those of `coverage` and `crps`, by all of these but weekday and hours.
    """
    rows = add_calendar(forecasts).assign(all="all")
    rows["month"] = rows["month"].dt.strftime("%Y-%m")
    tables = []
    for regime_type in REGIME_TYPES:
        table = score(rows, ("model", regime_type)).rename(columns={regime_type: "regime"})
        tidy = table.melt(["model", "regime", "n"], METRICS, "metric", "value")
        tables.append(tidy.assign(regime_type=regime_type, regime=tidy["regime"].astype(str)))
    if set(QUANTILES) <= set(rows) and rows[list(QUANTILES)].notna().all(axis="columns").any():
        tables += [
            judge(rows, ("model", regime_type))
            .rename(columns={regime_type: "regime"})
            .melt(["model", "regime", "n"], var_name="metric")
            .assign(regime_type=regime_type)
            .astype({"regime": "str"})
            for regime_type in _JUDGED_BY
            for judge in (coverage, crps)
        ]
    columns = ["model", "regime_type", "regime", "metric", "value", "n"]
    return pd.concat(tables, ignore_index=True)[columns]


def look_up(
    table: pd.DataFrame, kind: str, model_a: str, metric: str, model_b: str | None = None
) -> pd.Series | None:
    """The row of a significance table, or None.

    A comparison of two models is found in either order; where it stands the other way round, the
    signs of `estimate`, `low`, `high` and `statistic` are turned.
    """
    rows = table[(table["kind"] == kind) & (table["metric"] == metric)]
    a, b = rows["model_a"], rows["model_b"]
    found = rows[(a == model_a) & (b.isna() if model_b is None else b == model_b)]
    if not found.empty:
        return found.iloc[0]
    turned = rows[(a == model_b) & (b == model_a)]
    if model_b is None or turned.empty:
        return None
    row = turned.iloc[0]
    signs = {"estimate": -row["estimate"], "low": -row["high"], "high": -row["low"]}
    other = {"model_a": model_a, "model_b": model_b, "statistic": -row["statistic"]}
    return pd.Series({**row, **other, **signs})


def headline(
    study: StudyParams,
    forecasts: pd.DataFrame,
    table: pd.DataFrame,
    *,
    claims: Sequence[str],
    answer: Sequence[str],
    chosen: str | None = None,
) -> dict[str, Any]:
    """The content of `results.json`: plain JSON values, missing numbers as null.

    Parameters
    ----------
    study : StudyParams
        The study.
    forecasts : DataFrame
        Test rows, one row an origin and model.
    table : DataFrame
        `significance_table`.
    claims, answer : sequence of str
        Sentences of `dvol_utils.pages.claims`.
    chosen : str, optional
        The model chosen on validation rows, if there is one beside persistence.
    """
    origins = forecasts["origin"]
    models = {model: _model(table, model) for model in pd.unique(forecasts["model"])}
    if study.late_hours is not None:
        models["persistence"]["label"] += f", {study.persistence_hours} h"
    regimes = score(forecasts, ("model", "jump_regime"))
    regimes = regimes.rename(columns={"jump_regime": "regime"})
    regimes = regimes[["model", "regime", "n", "rmse", "skill"]].to_dict("records")
    return {
        "study": study.name,
        "title": study.title,
        "simulated": study.is_simulated,
        "parameters_hash": parameters_hash(study),
        "test": {
            "start": origins.min().isoformat(),
            "end": origins.max().isoformat(),
            "rows": int(origins.nunique()),
        },
        "persistence_hours": study.persistence_hours,
        "late_hours": study.late_hours,
        "chosen": chosen,
        "models": models,
        "regimes": [{key: _plain(value) for key, value in row.items()} for row in regimes],
        "published": PUBLISHED,
        "claims": list(claims),
        "answer": list(answer),
    }


def _model(table: pd.DataFrame, model: str) -> dict[str, Any]:
    numbers: dict[str, Any] = {"label": label(model)}
    for metric in METRICS:
        row = look_up(table, "interval", model, metric)
        bounds = ("estimate", "low", "high")
        numbers[metric] = {name: None if row is None else _plain(row[name]) for name in bounds}
    test = look_up(table, "diebold_mariano", model, "squared_error", "persistence")
    numbers["dm_p_value"] = None if test is None else _plain(test["p_value"])
    inside = look_up(table, "confidence_set", model, "squared_error")
    numbers["in_mcs"] = bool(inside is not None and inside["estimate"] > 0)
    return numbers


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    return float(value) if np.isfinite(value) else None
