"""The model card: what the chosen model is, what it has learnt from, how well it does, limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dvol_utils.results.chosen_model import choose
from dvol_utils.results.significance_table import look_up
from dvol_utils.samples.features import FEATURE_SOURCES, GROUPS
from dvol_utils.samples.releases import RELEASES, listed_until
from dvol_utils.study.made_by import code_words
from dvol_utils.study.model_names import ENSEMBLE, NETWORK_NAMES, SIMPLE_NAMES, label
from dvol_utils.study.params import StudyParams
from dvol_utils.study.stages import DATA, TRAINING
from dvol_utils.wording.columns import interval_grid
from dvol_utils.wording.numbers import (
    MISSING,
    bounds_text,
    hour,
    hours_text,
    number,
    p_text,
    written,
    written_p,
)

_MEANINGS = {
    "published": "DVOL 1, 7 and 30 days before the target; transfer volume, active addresses and "
    "MVRV of the chain; DVOL less realised volatility; whether the hour jumped, by how much, and "
    "when others did",
    "har": "DVOL against its own means of the last 6 hours to 30 days; its level",
    "calendar": "waves of the hour of the week, 1 to 21 cycles",
    "market": "returns of the price over 1, 24 and 168 hours; how far it has lately been moving",
    "funding": "funding rate of the perpetual future, now and over 3 days",
    "clock": "hour of the day and of the week",
    "expiry": "whether options expire within 24 hours, or have expired in the last 24",
    "macro": "central bank statements and inflation figures due within 24 and within 48 hours",
    "volatility": "how far DVOL has been moving over two weeks",
    "asset": "which of the study's assets the row is of",
}
_SERIES = {
    "transfer_volume_usd": "on-chain values",
    "active_addresses": "on-chain values",
    "mvrv": "on-chain values",
    "price_close": "the price",
    "funding_rate": "the funding rate",
}


def simple_rival(validation: pd.DataFrame, model: str) -> str | None:
    """The best model on validation rows that is no network and no combination, other than `model`.

    Parameters
    ----------
    validation : DataFrame
        `score` of the validation rows.
    model : str
        The model that the card is about.
    """
    names = [name for name in SIMPLE_NAMES if name not in ("persistence", model)]
    return choose(validation, names)


def described(study: StudyParams, model: str) -> pd.DataFrame:
    """What the model predicts and for whom: `about, answer`."""
    asset, horizon = study.data.assets[0], study.target.horizon_hours
    reach = hours_text(study.late_hours or horizon)
    market = " of a simulated market" if study.is_simulated else ""
    kinds = {
        ENSEMBLE: "a weighted mean of other models' forecasts",
        "persistence": "the last value",
    }
    kind = "a network" if model in NETWORK_NAMES else "a regression"
    rows = {
        "Model": f"{label(model)}, {kinds.get(model, kind)}",
        "Predicts": f"DVOL of {asset}{market}, the index of the volatility that option prices "
        f"imply for 30 days, at the close of the hour {hours_text(horizon)} after the origin",
        "Unit": "index points: annualised volatility in percent; with quantiles at 5, 25, 50, 75 "
        "and 95 %",
        "Made": f"at the close of every hour, from what is known {reach} before the target",
        "Chosen": "by the lowest RMSE on the validation rows; test rows chose nothing"
        if model != "persistence"
        else "as the only model of the study",
        "For": "studies of forecasting, and as one sign among others of where implied volatility "
        "is heading",
        "Not for": "trading advice. DVOL itself cannot be bought: futures on it and options have "
        "prices, costs and risks that no number here holds",
    }
    return _pairs(rows)


def inputs_table(inputs: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Inputs by group: `group, inputs` (number), `what they are, read by`.

    Parameters
    ----------
    inputs : mapping
        `model_inputs`.
    """
    rows = []
    for group, columns in GROUPS.items():
        read = {
            model: [name for name in columns if name in read_columns]
            for model, read_columns in inputs.items()
        }
        used = {name for read_columns in read.values() for name in read_columns}
        if used:
            readers = ", ".join(
                label(model) for model, read_columns in read.items() if read_columns
            )
            rows.append((group, len(used), _MEANINGS[group], readers))
    return pd.DataFrame(rows, columns=["group", "inputs", "what they are", "read by"])


def trained_on(
    study: StudyParams, forecasts: pd.DataFrame, manifest: Mapping[str, Any], model: str
) -> pd.DataFrame:
    """What the model has learnt from: `about, answer`.

    Parameters
    ----------
    study : StudyParams
    forecasts : DataFrame
        The study's forecast table, validation and test rows.
    manifest : mapping
        `manifest.json` of the run.
    model : str
    """
    stages, walk = manifest["stages"], study.walk
    data, training = (stages.get(stage.name, {}) for stage in (DATA, TRAINING))
    of_model = forecasts[
        (forecasts["model"] == model) & (forecasts["asset"] == study.data.assets[0])
    ]
    origins = of_model.groupby("split")["origin"]
    folds, seeds = of_model["fold"].nunique(), of_model["seed"].nunique()
    # The embargo, and rows whose inputs reach before the data, are in no split.
    splits = {row["split"]: row["rows"] for row in training.get("splits", [])}
    rows = {
        "Asset": study.data.assets[0],
        "Hours": f"{data['rows']:,}, {data['first'][:16]} to {data['last'][:16]} UTC"
        if data
        else "",
        "Origins": ", ".join(f"{name} {count:,}" for name, count in splits.items()),
        "Judged on": "; ".join(
            f"{name} origins {hour(group.min())} to {hour(group.max())}"
            for name, group in sorted(origins, key=lambda pair: pair[1].min())
        ),
        "Fitted": "once, on the train rows"
        if walk.is_fixed
        else f"{folds} times, {walk.validation} over validation rows and {walk.test} over test "
        f"rows, each time on all that was known; last for origins from "
        f"{hour(of_model.loc[of_model['fold'] == of_model['fold'].max(), 'origin'].min())}",
        "Older rows": "count as much as new ones"
        if walk.half_life_days is None
        else f"count half as much with every {walk.half_life_days:g} days",
        "Seeds": f"{seeds}, whose mean is the forecast" if seeds > 1 else "one",
        "Parameters": manifest["parameters_hash"],
        "Code": code_words(manifest),
    }
    return _pairs({about: answer for about, answer in rows.items() if answer})


def data_hashes(hashes: Mapping[str, str]) -> pd.DataFrame:
    """Raw files with their SHA-256: `file, SHA-256`."""
    return pd.DataFrame(list(hashes.items()), columns=["file", "SHA-256"])


def score_card(
    table: pd.DataFrame, metrics: pd.DataFrame, models: Sequence[str], model: str
) -> pd.DataFrame:
    """Scores of a few models on all test rows, as text: one row per score, one column per model.

    Parameters
    ----------
    table : DataFrame
        `significance_table` of the test rows.
    metrics : DataFrame
        `metrics_table` of the test rows.
    models : sequence of str
        Columns of the table.
    model : str
        The model that the others are tested against.
    """
    shown = ("skill", "rmse", "mae", "direction")
    intervals = table[table["kind"] == "interval"].rename(columns={"model_a": "model"})
    intervals = pd.concat([intervals[intervals["metric"] == metric] for metric in shown])
    grid = interval_grid(intervals.drop(columns="model_b")).set_index("model")
    whole = metrics[metrics["regime_type"] == "all"].set_index(["model", "metric"])["value"]
    columns = {}
    for name in dict.fromkeys(models):
        sure = {metric: whole.get((name, metric), float("nan")) for metric in _SURE}
        columns[label(name)] = {
            **grid.loc[label(name)],
            "p against persistence": _tested(table, name, "persistence"),
            f"p against {label(model)}": _tested(table, name, model),
            **{
                head: written(factor * sure[metric], decimals)
                for metric, (head, decimals, factor) in _SURE.items()
            },
        }
    return pd.DataFrame(columns).rename_axis("score").reset_index()


# metric: head, decimals, factor
_SURE = {
    "crps": ("CRPS, points", 3, 1),
    "covered_90": ("in the 90 % interval, %", 1, 100),
    "width_90": ("width of 90 %, points", 2, 1),
}


def regime_grid(skills: pd.DataFrame) -> pd.DataFrame:
    """Skill with its interval and p as text: one row per model, one column per regime.

    Parameters
    ----------
    skills : DataFrame
        `regime_skill` of one regime type, or `monthly_skill` with its `month` as text `regime`.
    """
    columns = ["skill", "low", "high", "p_value"]
    cells = [_cell(*row) for row in skills[columns].itertuples(index=False)]
    hours = skills.groupby("regime", sort=False)["n"].first()
    heads = {name: f"{name}, {count:,} hours" for name, count in hours.items()}
    named = skills.assign(cell=cells, model=skills["model"].map(label))
    grid = named.set_index(["model", "regime"])["cell"].unstack(sort=False)  # noqa: PD010 text
    return grid.rename(columns=heads).reset_index().rename_axis(columns=None)


def limits(study: StudyParams, model: str, inputs: Mapping[str, Sequence[str]]) -> list[str]:
    """What would break the model, and when to fit it again, in sentences.

    Parameters
    ----------
    study : StudyParams
    model : str
    inputs : mapping
        `model_inputs`.
    """
    used = {name for columns in inputs.values() for name in columns}
    where = "a simulated market" if study.is_simulated else study.data.assets[0]
    said = [
        f"All was measured on {where} in one stretch of time. A market that moves in another way "
        "than the rows it has learnt from is not foreseen; jumps least of all."
    ]
    if study.is_simulated:
        said.append("The market is simulated: nothing here says how Bitcoin's DVOL behaves.")
    series = dict.fromkeys(
        _SERIES[FEATURE_SOURCES[name]] for name in sorted(used & set(FEATURE_SOURCES))
    )
    listed = "".join(f", {name}" for name in series)
    said.append(
        f"It reads hourly DVOL{listed}: where a source ends or changes what it counts there is no "
        "forecast, and `dvol forecast` refuses one."
    )
    if used & set(GROUPS["macro"]):
        ends = ", ".join(f"{hour(end)} ({kind})" for kind, end in listed_until().items())
        said.append(
            f"Its calendar of releases ends at {ends} UTC; after that it would take every day for "
            "one without that news until newer days are added to "
            f"`dvol_utils/samples/{RELEASES.name}`."
        )
    said.append(
        f"Intervals come from its errors of the last {study.uncertainty.past_days} days, recent "
        "ones counting more: after a calm stretch they are too narrow for the first days of a "
        "lively one."
    )
    said.append(_refit(study, model))
    return said


def usage(study: StudyParams) -> str:
    """How the model is used from the command line (Markdown)."""
    if study.late_hours is not None:
        return (
            "The study's rules use more than is known at the origin, so that `dvol forecast` "
            "refuses it: there is no forecast to use."
        )
    return (
        f"The next forecast, with its intervals: `dvol forecast --study {study.name}`. Scores on "
        f"data that came after the study's: `dvol score --study {study.name} --raw DIR`."
    )


def _refit(study: StudyParams, model: str) -> str:
    if model == "persistence":
        return "It has learnt nothing, so there is nothing to fit again."
    if study.walk.is_fixed:
        return (
            "It was fitted once: how fast it ages is seen in its months above. Fit it again when "
            "`dvol score` on later data shows no skill."
        )
    return (
        f"The scores are those of a model that is fitted again ({study.walk.test} over the test "
        "rows). Left as it is for longer, nothing here says how good it is: run the study again "
        "as often, and at once when `dvol score` on later data shows no skill."
    )


def _tested(table: pd.DataFrame, first: str, second: str) -> str:
    row = look_up(table, "diebold_mariano", first, "squared_error", second)
    if row is None or pd.isna(row["p_value"]):
        return MISSING
    return written_p(row["p_value"])


def _cell(skill: float, low: float, high: float, p_value: float) -> str:
    """Percent, on one line of its cell."""
    if pd.isna(skill):
        return MISSING
    text = f"{number(100 * skill, '.1f')} {bounds_text(100 * low, 100 * high, '.1f')}"
    return text if pd.isna(p_value) else f"{text}, " + p_text(p_value).replace(" ", "\u00a0")


def _pairs(rows: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows.items()), columns=["about", "answer"])
