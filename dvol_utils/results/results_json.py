"""The content of `results.json`, checked where it is read."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, ValidationError

from dvol_utils.study.model_names import MODEL_NAMES
from dvol_utils.study.params import StudyParams
from dvol_utils.study.tables import ArtefactError, read_json


class Estimate(BaseModel):
    """A metric and its bootstrap interval; missing where it is not defined."""

    estimate: float | None
    low: float | None
    high: float | None


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

    dm_p_value: float | None
    in_mcs: bool


class ComparedResult(Scores):
    """A forecast of the page on the published numbers; `consecutive` is the published direction."""

    consecutive: Estimate


class RegimeResult(BaseModel):
    """A model's scores in one regime."""

    model: str
    regime: str
    n: int
    rmse: float | None
    skill: float | None


class TestRows(BaseModel):
    """The rows that everything is scored on; `start` and `end` are origins."""

    start: str
    end: str
    rows: int


class Comparison(BaseModel):
    """The page on the published numbers: published, rebuilt and leak-free on the same hours."""

    test: TestRows
    forecasts: list[ComparedResult] = Field(min_length=1)


class Results(BaseModel):
    """`results.json`; keys that are not named here may be there too."""

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
        raise ArtefactError(f"{path} is missing: {advice}")
    try:
        results = Results.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ArtefactError(f"{path}: {key}: {first['msg']}; {advice}") from None
    # JSON has its keys sorted; readers see persistence first and the ladder in its order
    names = sorted(results.models, key=lambda name: (*MODEL_NAMES, name).index(name))
    return results.model_copy(update={"models": {name: results.models[name] for name in names}})
