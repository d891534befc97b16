"""The next forecast: one origin, one model, with what a reader needs to trust or refuse it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dvol_utils.data.checks.coverage import ended_series
from dvol_utils.data.checks.ticks import OPENS, wrong_ticks
from dvol_utils.evaluation import average_seeds, evaluation_rows, score
from dvol_utils.forecasting.inputs import readers, release_sentences
from dvol_utils.results.chosen_model import choose
from dvol_utils.samples.features import FEATURE_SOURCES
from dvol_utils.samples.samples import Samples
from dvol_utils.serving.changed_models import other_code_notes
from dvol_utils.serving.market import (
    Market,
    broken_sources,
    gap_notes,
    read_market,
    serving_samples,
    tick_words,
)
from dvol_utils.serving.new_forecasts import check_inputs, members, new_rows, with_past_quantiles
from dvol_utils.serving.saved_models import (
    Finished,
    ServedFold,
    ServingError,
    fold_at,
    load_models,
    load_run,
)
from dvol_utils.study.model_names import ENSEMBLE, label
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.numbers import day, hour

MAX_AGE_HOURS = 3
_RECENT_HOURS = 24 * 90  # of forecasts since the study whose errors tell how wide intervals are
_OLD_DAYS = 120


def forecast(
    study: StudyParams,
    *,
    raw_dir: Path | None = None,
    at: pd.Timestamp | None = None,
    model: str | None = None,
    now: pd.Timestamp | None = None,
    max_age_hours: int = MAX_AGE_HOURS,
    allow_changed: bool = False,
) -> dict[str, Any]:
    """Forecast DVOL one horizon ahead of one hour, by a finished study's saved models.

    Parameters
    ----------
    study : StudyParams
        A study that was run.
    raw_dir : Path, optional
        Raw store with the hours up to the origin; otherwise the study's.
    at : Timestamp, optional
        Moment (UTC) at which the forecast is made; nothing later is used. Otherwise `now`.
    model : str, optional
        Otherwise the one with the lowest RMSE on the study's validation rows.
    now : Timestamp, optional
        The clock; otherwise the computer's. A simulated market's is its own last hour.
    max_age_hours : int
        How much older than the moment the origin, the last complete hour, may be.
    allow_changed : bool
        Take a history that differs from the one that the models were fitted on, and models that
        differ from those of the study's forecasts; the notes say what differs.

    Returns
    -------
    dict
        Plain JSON values, named in docs/forecast.md.

    Raises
    ------
    ServingError
        No forecast can be given: the study was not run or has changed, the data are stale, imputed
        at the origin, lack inputs or are not the study's, or every model knows the future.
    """
    finished = load_run(study)
    market = read_market(finished, raw_dir, allow_changed=allow_changed)
    chosen = _chosen(finished)
    name = model or chosen
    priced = _reads_price(name, finished.study)
    market, origin = _at_origin(market, priced, finished.study, at, now, max_age_hours)
    fold = fold_at(finished, origin)
    samples = serving_samples(market, finished.study)
    # The origin is the last row: later ones were cut off by `_at_origin`.
    row = len(samples.times) - 1
    single = members(finished) if name == ENSEMBLE else [name]
    for member in single:
        check_inputs(load_models(finished, member, fold)[0], market, samples, row)
    rows = _recent(samples, finished, fold, row)
    new, allowed = new_rows(
        finished, market, samples, name, fold, rows, allow_changed=allow_changed
    )
    # Before the new rows alone, so that no hour stands twice.
    past = finished.asset_forecasts[
        (finished.asset_forecasts["model"] == name)
        & (finished.asset_forecasts["origin"] < new["origin"].min())
    ]
    new = with_past_quantiles(past, new, samples, finished.study)
    last = average_seeds(new[new["origin"] == origin]).iloc[0]
    if not np.isfinite(last["y_pred"]):
        gap = broken_sources(market.panel, ["log_level"])
        raise ServingError(
            f"origin {hour(origin)}: {name} gives no forecast, because too little history lies "
            f"before it: the raw store begins at {hour(samples.times[0])}"
            + (f"; {gap}" if gap else "")
        )
    return _facts(finished, market, fold, last) | {
        "chosen_on_validation": name == chosen,
        "seeds": int(new["seed"].nunique()),
        "notes": [
            *market.notes,
            *gap_notes(market.panel, with_price=priced),
            *_ended_notes(market.panel, name),
            *release_sentences(finished.study, [name], origin, origin),
            *_age_note(fold, origin),
            *allowed,
            *finished.notes,
            *other_code_notes(finished, single, fold),
        ],
    }


def _ended_notes(panel: pd.DataFrame, model: str) -> list[str]:
    """Which series ended before the origin; those that the model reads have been refused."""
    ended = ended_series(panel)
    named = [f"{row.column} (last value {day(row.last)})" for row in ended.itertuples()]
    return [f"series that ended, none of them read by {model}: {', '.join(named)}"] if named else []


def _reads_price(name: str, study: StudyParams) -> bool:
    prices = [column for column, source in FEATURE_SOURCES.items() if source == "price_close"]
    # A name that the study does not have is refused later.
    return name in study.models and bool(readers(study, [name], prices))


def _at_origin(
    market: Market,
    priced: bool,
    study: StudyParams,
    at: pd.Timestamp | None,
    now: pd.Timestamp | None,
    max_age_hours: int,
) -> tuple[Market, pd.Timestamp]:
    """The market up to the origin, the last complete hour at the moment of the forecast."""
    panel = market.panel
    last = panel["time"].iloc[-1]
    moment = at if at is not None else now
    if moment is None:
        # The market ends when it ends: its own last hour is now.
        moment = last if study.is_simulated else pd.Timestamp.now(tz="UTC")
    past = panel[panel["time"] <= moment]
    if past.empty:
        raise ServingError(
            f"{hour(moment)} lies before the raw store {market.raw_dir}, which begins at "
            f"{hour(panel['time'].iloc[0])}; choose a later --at"
        )
    missing = past["dvol_imputed"]
    if priced:  # where there is no price at all, the model's inputs say so
        gone = past["price_close"].isna() & past["price_close"].notna().any()
        missing = past["imputed"] | gone
    complete = past.loc[~missing, "time"]
    origin = complete.iloc[-1] if len(complete) else past["time"].iloc[0]
    bars = "DVOL or price" if priced else "DVOL"
    # Who names an hour means that one; without it the last complete hour is taken.
    if at is not None and missing.iloc[-1] and past["time"].iloc[-1] == at.floor("h"):
        raise ServingError(
            f"origin {hour(past['time'].iloc[-1])}: its {bars} "
            f"bar is missing; choose the last complete hour, --at '{hour(origin)}', or bring the "
            "missing rows"
        )
    age = int((moment - origin) / pd.Timedelta(hours=1))
    if age > max_age_hours:
        raise ServingError(
            f"{market.raw_dir}: the last complete hour, {hour(origin)}, is {age:,} hours older "
            f"than {hour(moment)}; at most {max_age_hours} are allowed: {_way_out(study, origin)}"
        )
    upto = panel[panel["time"] <= origin].reset_index(drop=True)
    # Judged as at the origin: no later value says whether there is a forecast, or a note.
    ticks = wrong_ticks(market.raw_dir, market.params, upto, until=origin)
    _refuse_tick(ticks, origin, priced, study)
    notes = [*market.notes, *map(tick_words, ticks.itertuples())]
    return dataclasses.replace(market, panel=upto, notes=notes), origin


def _refuse_tick(
    ticks: pd.DataFrame, origin: pd.Timestamp, priced: bool, study: StudyParams
) -> None:
    """Refuse an origin whose own close looks wrong: the forecast would start from it."""
    for series, column in {"dvol": "dvol_close", **({"price": "close"} if priced else {})}.items():
        step = pd.Timedelta(minutes=study.data.bar_minutes(series))
        # By its close, at which a bar becomes known.
        at_origin = (ticks["column"] == column) & (ticks["time"] + step == origin)
        # Nobody knows yet whether it comes back: what has jumped less far before, and stayed, may.
        at_origin &= np.log((ticks["value"] / ticks["before"]).astype(float)).abs() > OPENS
        for tick in ticks[at_origin].itertuples():
            raise ServingError(
                f"origin {hour(origin)}: {tick_words(tick)}; mend it, choose another --at, or name "
                "its time in data.quality.true_ticks"
            )


def _way_out(study: StudyParams, origin: pd.Timestamp) -> str:
    fetch = "" if study.is_simulated else f"run `make data STUDY={study.name}`, "
    return f"{fetch}forecast that hour with --at '{hour(origin)}', or raise --max-age"


def _chosen(finished: Finished) -> str:
    validation, _ = evaluation_rows(finished.forecasts, finished.asset)
    return choose(score(validation)) or "persistence"


def _recent(samples: Samples, finished: Finished, fold: ServedFold, row: int) -> np.ndarray:
    """The origin, and the scored hours between the study's forecasts and it."""
    # After both: the fold's models must not have learnt from them, nor the study forecast them.
    since = max(finished.asset_forecasts["origin"].max(), fold.known_before)
    late = np.asarray(samples.times > since) & samples.scored
    recent = np.flatnonzero(late)
    return np.union1d(recent[recent > row - _RECENT_HOURS], [row])


def _facts(finished: Finished, market: Market, fold: ServedFold, last: pd.Series) -> dict[str, Any]:
    panel, change = market.panel, last["y_pred"] - last["y_origin"]
    return {
        "study": finished.study.name,
        "simulated": finished.study.is_simulated,
        "asset": market.asset,
        "model": last["model"],
        "model_label": label(last["model"]),
        "fold": fold.number,
        "fitted_before": fold.known_before.isoformat(),
        "origin": last["origin"].isoformat(),
        "target_time": last["target_time"].isoformat(),
        "horizon_hours": int(last["horizon_hours"]),
        "dvol_now": float(last["y_origin"]),
        "forecast": float(last["y_pred"]),
        "change_points": float(change),
        "change_percent": float(100 * change / last["y_origin"]),
        "median": _number(last, "q50"),
        "interval_50": _pair(last, "q25", "q75"),
        "interval_90": _pair(last, "q05", "q95"),
        "jump_regime": last["jump_regime"],
        "level_regime": last["level_regime"] if isinstance(last["level_regime"], str) else None,
        "data": {
            "raw_dir": str(market.raw_dir),
            "first": panel["time"].iloc[0].isoformat(),
            "last": panel["time"].iloc[-1].isoformat(),
            "hours": len(panel),
            "imputed": int(panel["imputed"].sum()),
        },
    }


def _age_note(fold: ServedFold, origin: pd.Timestamp) -> list[str]:
    days = (origin - fold.known_before).days
    if days <= _OLD_DAYS:
        return []
    return [f"the models were fitted {days} days before the origin; refit them with make report"]


def _number(row: pd.Series, name: str) -> float | None:
    return float(row[name]) if np.isfinite(row[name]) else None


def _pair(row: pd.Series, low: str, high: str) -> list[float] | None:
    bounds = [_number(row, low), _number(row, high)]
    return None if None in bounds else bounds  # type: ignore[return-value]
