"""`results.json`: its content, written and read by one type."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from dvol_utils.evaluation import METRICS, score
from dvol_utils.results.published_figures import PUBLISHED_FIGURES
from dvol_utils.results.significance_table import look_up
from dvol_utils.study.effective import parameters_hash
from dvol_utils.study.files import SEAL, ArtefactError, read_json, seal_holds, sealed, write_json
from dvol_utils.study.model_names import MODEL_NAMES, label
from dvol_utils.study.params import StudyParams


def _defined(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else value


# A number, None where it is not defined: JSON has no NaN.
_Number = Annotated[float | None, BeforeValidator(_defined)]


class Estimate(BaseModel):
    """A metric and its bootstrap interval; missing where it is not defined."""

    estimate: _Number
    low: _Number
    high: _Number

    @classmethod
    def of(cls, row: Mapping[str, Any] | pd.Series | None) -> Estimate:
        """From a row with `estimate, low, high`; nothing is defined where there is no row."""
        names = ("estimate", "low", "high")
        return cls(**{name: None if row is None else row[name] for name in names})


class Scores(BaseModel):
    """A forecast's scores on the test rows."""

    label: str
    rmse: Estimate
    r2: Estimate
    mae: Estimate
    mape: Estimate
    skill: Estimate
    direction: Estimate


class ModelResult(Scores):
    """A model's scores and its tests."""

    dm_p_value: _Number
    dm_p_bartlett: _Number = None
    in_mcs: bool


class OracleResult(Scores):
    """The best forecast that a simulated market allows, and what the models reach of it.

    `expected_skill` is its skill without the luck of the outcomes, `expected_skill_se` the standard
    error of that through the number of simulated paths, `shares` the share of it by model.
    """

    expected_skill: _Number
    expected_skill_se: _Number
    shares: dict[str, _Number]


class ComparedResult(Scores):
    """A forecast of the page on the published numbers; `consecutive` is the published direction."""

    consecutive: Estimate


class RegimeResult(BaseModel):
    """A model's scores in one regime."""

    model: str
    regime: str
    n: int
    rmse: _Number
    skill: _Number


class TestRows(BaseModel):
    """The rows that everything is scored on; `start` and `end` are origins."""

    start: str
    end: str
    rows: int

    @classmethod
    def of(cls, forecasts: pd.DataFrame) -> TestRows:
        """Those of a forecast table."""
        origins = forecasts["origin"]
        ends = origins.min().isoformat(), origins.max().isoformat()
        return cls(start=ends[0], end=ends[1], rows=origins.nunique())


class Comparison(BaseModel):
    """The page on the published numbers: published, rebuilt and leak-free on the same hours."""

    test: TestRows
    forecasts: list[ComparedResult] = Field(min_length=1)


class Results(BaseModel):
    """The headline numbers, as `results.json` holds them; a file may hold other keys too."""

    study: str
    title: str
    simulated: bool
    parameters_hash: str
    test: TestRows
    chosen: str | None = None
    models: dict[str, ModelResult] = Field(min_length=1)
    regimes: list[RegimeResult] = []
    published: dict[str, Any] = {}
    claims: list[str] = []
    answer: list[str] = Field(min_length=1)
    persistence_hours: int | None = None
    late_hours: int | None = None
    comparison: Comparison | None = None
    oracle: OracleResult | None = None


@dataclass(frozen=True)
class NoResults:
    """What a site shows of a study that ends with its data page, by the names of `Results`."""

    study: str
    title: str
    simulated: bool
    parameters_hash: str
    answer: list[str]
    claims: tuple[str, ...] = ()
    test: None = None
    comparison: None = None


def study_results(
    study: StudyParams,
    forecasts: pd.DataFrame,
    table: pd.DataFrame,
    *,
    claims: Sequence[str],
    answer: Sequence[str],
    chosen: str | None = None,
    oracle: OracleResult | None = None,
) -> Results:
    """The headline numbers of a study.

    Parameters
    ----------
    study : StudyParams
        The study.
    forecasts : DataFrame
        Test rows, one row per origin and model.
    table : DataFrame
        `significance_table`.
    claims, answer : sequence of str
        Sentences of `pages.claims` and `pages.first_page`.
    chosen : str, optional
        The model chosen on validation rows, if there is one beside persistence.
    oracle : OracleResult, optional
        `attainable.oracle_result`, where the market's law is known.
    """
    models = {model: _model(table, model) for model in pd.unique(forecasts["model"])}
    if study.late_hours is not None:
        # With its age, where that is not the horizon that readers expect.
        models["persistence"].label += f", {study.persistence_hours} h"
    regimes = score(forecasts, ("model", "jump_regime"))
    regimes = regimes.rename(columns={"jump_regime": "regime"})
    return Results(
        study=study.name,
        title=study.title,
        simulated=study.is_simulated,
        parameters_hash=parameters_hash(study),
        test=TestRows.of(forecasts),
        persistence_hours=study.persistence_hours,
        late_hours=study.late_hours,
        chosen=chosen,
        models=models,
        regimes=[RegimeResult(**row) for row in regimes.to_dict("records")],
        published=PUBLISHED_FIGURES,
        claims=list(claims),
        answer=list(answer),
        oracle=oracle,
    )


def _model(table: pd.DataFrame, model: str) -> ModelResult:
    test = look_up(table, "diebold_mariano", model, "squared_error", "persistence")
    inside = look_up(table, "confidence_set", model, "squared_error")
    return ModelResult(
        label=label(model),
        dm_p_value=None if test is None else test["p_value"],
        dm_p_bartlett=None if test is None else test["p_bartlett"],
        in_mcs=inside is not None and bool(inside["estimate"] > 0),
        **{metric: Estimate.of(look_up(table, "interval", model, metric)) for metric in METRICS},
    )


def write_results(study: StudyParams, results: Results) -> None:
    """Write `results.json` of a run; `read_results` gives the same back."""
    left_out = {name for name in ("comparison", "oracle") if getattr(results, name) is None}
    content = results.model_dump(exclude=left_out)
    # Through JSON once, so that the seal is of what a reader will see.
    write_json(study.run_dir / "results.json", sealed(json.loads(json.dumps(content))))


def read_results(study: StudyParams) -> Results:
    """Read and check `runs/<study>/results.json`.

    Raises
    ------
    ArtefactError
        The file is missing, damaged, or lacks a key; the message says which command makes it.
    """
    path = study.artefact("results.json")
    advice = f"run `make report STUDY={study.name}`"
    if not path.is_file():
        hours = study.data.step_hours
        if hours > 1:
            advice = f"a study of bars of {hours} hours ends with its data page"
        raise ArtefactError(f"{path} is missing: {advice}")
    content = read_json(path)
    if isinstance(content, dict) and SEAL in content and not seal_holds(content):
        raise ArtefactError(
            f"{path} was changed since it was written: its content does not have the SHA-256 that "
            f"it names: delete it and {advice}"
        )
    try:
        results = Results.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ArtefactError(f"{path}: {key}: {first['msg']}; {advice}") from None
    # JSON has its keys sorted; readers see persistence first and the ladder in its order
    names = sorted(results.models, key=lambda name: (*MODEL_NAMES, name).index(name))
    return results.model_copy(update={"models": {name: results.models[name] for name in names}})
