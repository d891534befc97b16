"""Does size help? Every size, seed and kind of supervision on the same hours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pandas as pd
from statsmodels.stats.multitest import multipletests

from dvol_utils.evaluation import average_seeds, score
from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.published.hours import INFORMATION_AGE, same_hours
from dvol_utils.published.variants import (
    dense,
    judged_checkpoint,
    judged_network,
    network_forecasts,
    scored_rows,
)
from dvol_utils.results.judging import LEVEL
from dvol_utils.samples.samples import Samples
from dvol_utils.significance import Resampling, equal_loss, model_confidence_set
from dvol_utils.study.model_names import LADDER_NAMES, label
from dvol_utils.study.params import StudyParams

SUPERVISION = ("last", "dense")
_DENSE = "Dense"


def ladder_forecasts(
    study: StudyParams,
    samples: Samples,
    forecasts: pd.DataFrame,
    levels: pd.Series,
) -> pd.DataFrame:
    """Test forecasts of every size, seed and supervision under the published rules.

    Parameters
    ----------
    study : StudyParams
        A study of the published rules.
    samples, forecasts, levels
        Its samples and forecast table (supervision `last`), and `hourly_levels`. The networks in
        dense supervision are trained here.

    Returns
    -------
    DataFrame
        Forecast table on the same hours, `model` "size, supervision", and `size, supervision`.
    """
    sizes = [name for name in LADDER_NAMES if name in study.models]
    test = forecasts[(forecasts["split"] == "test") & forecasts["model"].isin(sizes)]
    twin = dense(study)
    tables = [test.assign(model=[joined(name, "last") for name in test["model"]])]
    networks = [
        judged_network(twin, name, seed, _DENSE) for name in sizes for seed in study.training.seeds
    ]
    trained = network_forecasts([(network, samples) for network in networks], study)
    for network, forecast in zip(networks, trained, strict=True):
        dense_name = joined(network.name, "dense")
        tables.append(scored_rows(samples, forecast, dense_name, network.seed))
    return same_hours(tables, levels)


def dense_folders(study: StudyParams) -> list[Path]:
    """Checkpoints of the networks in dense supervision, by size and seed."""
    return [
        judged_checkpoint(study, _DENSE, name, seed)
        for name in LADDER_NAMES
        if name in study.models
        for seed in study.training.seeds
    ]


def joined(size: str, supervision: str) -> str:
    """Name of a size in a kind of supervision."""
    return f"{label(size)}, {supervision}"


def seed_scores(forecasts: pd.DataFrame) -> pd.DataFrame:
    """RMSE and R² over seeds, and of the mean forecast over them.

    Returns
    -------
    DataFrame
        `model, seeds, rmse` (mean over seeds), `rmse_sd, rmse_low, rmse_high` (over seeds; the
        deviation is missing for one seed), `rmse_averaged, r2_averaged` (of the mean forecast).
    """
    table = single_scores(forecasts)
    table = table.groupby("model", sort=False)["rmse"].agg(["count", "mean", "std", "min", "max"])
    table.columns = ["seeds", "rmse", "rmse_sd", "rmse_low", "rmse_high"]
    whole = score(average_seeds(forecasts)).set_index("model")
    table["rmse_averaged"], table["r2_averaged"] = whole["rmse"], whole["r2"]
    return table.reset_index()


def single_scores(forecasts: pd.DataFrame) -> pd.DataFrame:
    """`score` of every model and seed, in the order in which models stand."""
    order = {model: place for place, model in enumerate(pd.unique(forecasts["model"]))}
    table = score(forecasts, ("model", "seed"))
    return table.sort_values(
        ["model", "seed"],
        key=lambda column: column.map(order) if column.name == "model" else column,
        ignore_index=True,
    )


def size_pairs(models: Sequence[str]) -> list[tuple[str, str]]:
    """(Larger, smaller) within each kind of supervision."""
    pairs = []
    for supervision in SUPERVISION:
        sizes = [joined(name, supervision) for name in LADDER_NAMES]
        held = [name for name in sizes if name in set(models)]
        pairs += [(large, small) for small, large in combinations(held, 2)]
    return pairs


def size_tests(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Diebold-Mariano tests of larger against smaller, on mean and on single forecasts.

    Returns
    -------
    DataFrame
        `larger, smaller, gain` (RMSE of the smaller less that of the larger, mean forecasts, index
        points), `statistic, p_value, p_bartlett` (`equal_loss` of mean forecasts; a negative
        statistic speaks for the larger), over all pairs of seeds `pairs, better, worse` (how many
        there are, and in how many the larger is better or worse at the 5 % level), and `p_holm`,
        the p-value of the mean forecasts
        after Holm's correction for the number of comparisons.

    Notes
    -----
    Bartlett weights have 24 lags: the lagged inputs are 25 hours old, so that errors overlap as
    those of 25-hour forecasts do.
    """
    averaged = squared_errors(average_seeds(forecasts))
    # With the seed in the name, since the table of losses wants one row a model and hour.
    single = squared_errors(forecasts.assign(model=_named_by_seed(forecasts)))
    seeds = list(pd.unique(forecasts["seed"]))
    rows = []
    for large, small in size_pairs(averaged.columns):
        test = equal_loss(averaged[large], averaged[small], horizon=INFORMATION_AGE)
        gain = averaged[small].mean() ** 0.5 - averaged[large].mean() ** 0.5
        tests = [
            equal_loss(
                single[f"{large} #{one}"], single[f"{small} #{two}"], horizon=INFORMATION_AGE
            )
            for one in seeds
            for two in seeds
        ]
        better = sum(test.statistic < 0 and test.p_value < LEVEL for test in tests)
        worse = sum(test.statistic > 0 and test.p_value < LEVEL for test in tests)
        rows.append((large, small, gain, *test, len(tests), better, worse))
    columns = ["larger", "smaller", "gain", "statistic", "p_value", "p_bartlett"]
    columns += ["pairs", "better", "worse"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(p_holm=multipletests(table["p_value"], method="holm")[1] if rows else [])


def confidence_sets(
    forecasts: pd.DataFrame, *, size: float, resampling: Resampling
) -> pd.DataFrame:
    """Model confidence sets of the mean forecasts, and of all single ones together.

    Returns
    -------
    DataFrame
        `model, averaged_p, averaged_in` (mean forecast over seeds), `seeds, single_in` (how many
        of its seeds are in the set of all single forecasts).
    """
    settings = {"size": size, "resampling": resampling}
    averaged = model_confidence_set(average_seeds(forecasts), **settings).set_index("model")
    named = forecasts.assign(model=_named_by_seed(forecasts))
    single = model_confidence_set(named, **settings)
    single["model"] = single["model"].str.replace(r" #\d+$", "", regex=True)
    counts = single.groupby("model", sort=False)["included"].agg(["size", "sum"])
    order = list(pd.unique(forecasts["model"]))
    return pd.DataFrame(
        {
            "model": order,
            "averaged_p": averaged["p_value"].loc[order].to_numpy(),
            "averaged_in": averaged["included"].loc[order].to_numpy(),
            "seeds": counts["size"].loc[order].to_numpy(),
            "single_in": counts["sum"].loc[order].to_numpy(int),
        }
    )


def turned(summary: pd.DataFrame) -> tuple[int, int]:
    """Of how many trained networks the validation loss had turned before the last epoch, and all.

    `summary` is `training_summary`.
    """
    return int((summary["best_epoch"] < summary["epochs"]).sum()), len(summary)


def _named_by_seed(forecasts: pd.DataFrame) -> pd.Series:
    return forecasts["model"] + " #" + forecasts["seed"].astype(str)
