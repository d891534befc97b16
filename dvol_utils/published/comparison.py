"""The published numbers beside ours, persistence and a rolling mean, on the same hours."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from dvol_utils.evaluation import METRICS, average_seeds, score
from dvol_utils.published.hours import (
    DAY,
    INFORMATION_AGE,
    consecutive,
    naive_forecasts,
    same_hours,
)
from dvol_utils.published.variants import (
    HAR,
    LEAK_FREE,
    NETWORK,
    RIDGE,
    dense,
    judged_network,
    network_forecasts,
    scored_rows,
)
from dvol_utils.results.published_figures import PUBLISHED_FIGURES
from dvol_utils.results.results_json import ComparedResult, Comparison, Estimate, TestRows
from dvol_utils.samples.samples import Samples
from dvol_utils.significance import Resampling, bootstrap_interval
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.columns import interval_grid
from dvol_utils.wording.numbers import MISSING

REPRODUCED = "Reproduced"
# The same rules on fewer inputs: the checkpoints' folder, and the inputs held at zero.
ALL_INPUTS = "Smallest network, all inputs"
LAGS_ONLY = "Smallest network, lags and on-chain only"
_JUMPS = ("jump_indicator", "jump_magnitude", "days_since_jump", "jump_cluster_7d")
BLIND: dict[str, tuple[str, tuple[str, ...]]] = {
    ALL_INPUTS: ("All inputs", ()),
    "Smallest network, no volatility spread": ("No volatility spread", ("dvol_rv_spread",)),
    LAGS_ONLY: ("Lags and on-chain values only", ("dvol_rv_spread", *_JUMPS)),
}
ROLLING = "Rolling mean, 720 h"
OURS = {RIDGE: "Leak-free ridge", NETWORK: "Leak-free LSTM", HAR: "Leak-free HAR + calendar"}
NAIVE = {hours: f"Persistence, {hours} h" for hours in (INFORMATION_AGE, DAY, 1)}
CONSECUTIVE = "direction of consecutive forecasts, %"


def compared_forecasts(
    study: StudyParams,
    samples: Samples,
    forecasts: pd.DataFrame,
    variants: pd.DataFrame,
    levels: pd.Series,
) -> pd.DataFrame:
    """Every forecast that the page compares, on the same target hours, seeds averaged.

    Parameters
    ----------
    study : StudyParams
        A study of the published rules.
    samples : Samples
        Its samples.
    forecasts : DataFrame
        Its forecast table; the largest network in it is the reproduced one.
    variants : DataFrame
        `variant_forecasts`; of them the leak-free ones.
    levels : Series
        `hourly_levels`.

    Returns
    -------
    DataFrame
        Forecast table of horizon 24, models by the names in this module.
    """
    test = forecasts[forecasts["split"] == "test"]
    largest = largest_network(test)
    reproduced = test[test["model"] == largest].assign(model=REPRODUCED)
    rows = samples.rows("test")
    targets = samples.target_times(rows)
    clean = variants[variants["variant"] == LEAK_FREE]
    tables = [
        reproduced,
        *blind_forecasts(study, samples),
        *naive_forecasts(levels, targets, list(NAIVE)),
        # A scaled forecast of zero is the rolling mean itself, the published rules' naive level.
        scored_rows(samples, samples.to_points(np.zeros(len(samples.dvol))), ROLLING),
        clean.assign(model=clean["model"].map(OURS)),
    ]
    return average_seeds(same_hours(tables, levels))


def largest_network(forecasts: pd.DataFrame) -> str:
    """The largest network of the ladder among the forecasts; `ValueError` where there is none."""
    held = [
        row["model"]
        for row in PUBLISHED_FIGURES["ladder"]
        if row["model"] in set(forecasts["model"])
    ]
    if not held:
        raise ValueError(
            f"forecasts: found {', '.join(pd.unique(forecasts['model']))}; should hold a network"
        )
    return held[-1]


def blind_forecasts(study: StudyParams, samples: Samples) -> list[pd.DataFrame]:
    """Test forecasts of the smallest network, dense, with some inputs held at zero (`BLIND`).

    The newest lag is 25 hours old when the target comes, but the volatility spread is the level
    itself less realised volatility, and the sizes of flagged moves are known up to the last hour.
    """
    twin, networks = dense(study), []
    for folder, hidden in BLIND.values():
        held = samples.features.assign(**dict.fromkeys(hidden, 0.0))
        network = judged_network(twin, NETWORK, twin.training.seeds[0], folder)
        networks.append((network, dataclasses.replace(samples, features=held)))
    forecasts = network_forecasts(networks, study)
    return [
        scored_rows(samples, forecast, name)
        for name, forecast in zip(BLIND, forecasts, strict=True)
    ]


def intervals(forecasts: pd.DataFrame, *, resampling: Resampling) -> pd.DataFrame:
    """Metrics of every forecast with their intervals, and the published figures.

    Returns
    -------
    DataFrame
        `model, metric, estimate, low, high`: the metrics of `score` and `consecutive`, the share
        of signs of consecutive changes called right. `Published` stands first, without intervals;
        its skill is that of its RMSE against persistence on these hours.
    """
    columns = ["model", "metric", "estimate", "low", "high"]
    measured = bootstrap_interval(forecasts, METRICS, resampling=resampling)[columns]
    steps = bootstrap_interval(consecutive(forecasts), "direction", resampling=resampling)[columns]
    overall = PUBLISHED_FIGURES["overall"]
    naive = metric(measured, NAIVE[DAY], "rmse")["estimate"]
    # Their RMSE against ours of persistence: the study names no skill.
    theirs = {**overall, "skill": 1 - (overall["rmse"] / naive) ** 2}
    published = pd.DataFrame(
        [("Published", m, theirs[m]) for m in METRICS if m != "direction"]
        + [("Published", "consecutive", overall["direction"])],
        columns=columns[:3],
    )
    return pd.concat([published, measured, steps.assign(metric="consecutive")], ignore_index=True)


def comparison_result(forecasts: pd.DataFrame, table: pd.DataFrame) -> Comparison:
    """The compared forecasts as `results.json` holds them: the hours, and every metric.

    Parameters
    ----------
    forecasts : DataFrame
        `compared_forecasts`.
    table : DataFrame
        `intervals` of them.
    """
    scores_of = {
        label: rows.set_index("metric").astype({"estimate": float}).to_dict("index")
        for label, rows in table.groupby("model", sort=False)
    }
    scores = [
        ComparedResult(
            label=label, **{m: Estimate.of(rows.get(m)) for m in (*METRICS, "consecutive")}
        )
        for label, rows in scores_of.items()
    ]
    return Comparison(test=TestRows.of(forecasts), forecasts=scores)


def interval_table(table: pd.DataFrame) -> pd.DataFrame:
    """`intervals` for readers: one row per forecast, one column per metric."""
    shares = table["metric"] == "consecutive"
    grid = interval_grid(table[~shares])
    steps = interval_grid(table[shares].assign(metric="direction"))
    steps = steps.rename(columns={"direction right, %": CONSECUTIVE})
    joined = grid.merge(steps, on="model", how="left")
    plain = {name: joined[name].str.removesuffix(f" {MISSING}") for name in joined}
    return joined.assign(**plain).fillna(MISSING)


def decomposition(samples: Samples, forecasts: pd.DataFrame, levels: pd.Series) -> pd.DataFrame:
    """R² of the published target on the test rows, as inputs are added one after the other.

    Parameters
    ----------
    samples : Samples
        Samples of the published rules.
    forecasts : DataFrame
        Its forecast table, validation and test rows, seeds averaged or not.
    levels : Series
        `hourly_levels`.

    Returns
    -------
    DataFrame
        `step, r2, added`: the rolling mean; then least squares, fitted on the validation rows, of
        the scaled level on the scaled level 25 hours before; on that and the network's forecast;
        and, in its place, on the level an hour before. The last two add to the second. Every step
        is mapped back with the mean and deviation that hold the target, as the published forecasts
        were.
    """
    largest = largest_network(forecasts)
    mean = average_seeds(forecasts[forecasts["model"] == largest]).set_index("target_time")
    fitted, scored = (samples.rows(split) for split in ("validation", "test"))

    def inputs(rows: np.ndarray) -> np.ndarray:
        targets = samples.target_times(rows)
        ages = [
            levels.reindex(targets - pd.Timedelta(hours=hours)) for hours in (INFORMATION_AGE, 1)
        ]
        points = [age.to_numpy() for age in ages] + [mean["y_pred"].reindex(targets).to_numpy()]
        scaled = [(x - samples.location[rows]) / samples.scale[rows] for x in points]
        return np.column_stack([np.ones(len(rows)), *scaled])

    x, x_test, y = inputs(fitted), inputs(scored), samples.outcome[scored]
    total = np.sum((y - y.mean()) ** 2)
    mean_alone, lagged = "rolling mean of 720 hours, target included", "+ level 25 hours before"
    steps = {
        mean_alone: ([], ""),
        lagged: ([0, 1], mean_alone),
        "+ level 25 hours before + network": ([0, 1, 3], lagged),
        "+ level 25 hours before + level 1 hour before": ([0, 1, 2], lagged),
    }
    r2: dict[str, float] = {}
    for name, (part, _) in steps.items():
        # Without an input there is nothing to fit, and the error is that of the mean alone.
        beta = np.linalg.lstsq(x[:, part], samples.target[fitted], rcond=None)[0]
        error = y - samples.to_points(x_test[:, part] @ beta, scored)
        r2[name] = 1 - np.sum(error**2) / total
    rows = [(name, r2[name], r2[name] - r2.get(base, 0.0)) for name, (_, base) in steps.items()]
    return pd.DataFrame(rows, columns=["step", "r2", "added"])


def liveliest_weeks(forecasts: pd.DataFrame, days: int = 14) -> pd.DataFrame:
    """The forecasts of the two weeks whose outcome ranges widest, and not at their very end."""
    outcome = forecasts.drop_duplicates("target_time").set_index("target_time")["y_true"]
    outcome = outcome.sort_index()
    span = outcome.rolling(f"{days}D")
    # Two weeks that end a little after their widest range show what came after it.
    end = (span.max() - span.min()).idxmax() + pd.Timedelta(days=days // 4)
    end = min(end, outcome.index[-1])
    return forecasts[forecasts["target_time"].between(end - pd.Timedelta(days=days), end)]


def metric(table: pd.DataFrame, model: str, name: str) -> pd.Series:
    """The row `estimate, low, high` of one forecast and metric of `intervals`."""
    row = table[(table["model"] == model) & (table["metric"] == name)]
    if row.empty:
        raise ValueError(f"intervals: found no {name} of {model!r}")
    return row.iloc[0]


def scores(forecasts: pd.DataFrame) -> pd.DataFrame:
    """`score` of the compared forecasts, in the order in which they stand."""
    order = list(pd.unique(forecasts["model"]))
    return score(forecasts).set_index("model").loc[order].reset_index()
