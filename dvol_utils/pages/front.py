"""The first page's words on the chosen model: where its gain comes from, what is established, and
what would break it.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from dvol_utils.evaluation import score, with_quantiles
from dvol_utils.forecasting.inputs import model_inputs
from dvol_utils.pages.card import limits, simple_rival
from dvol_utils.pages.established import DISPUTED, ESTABLISHED, NOT, established
from dvol_utils.pages.where import where_line, where_sentences, where_title
from dvol_utils.results.front import Front
from dvol_utils.results.judging import LEVEL
from dvol_utils.results.persistence import study_rows
from dvol_utils.results.results_json import Results
from dvol_utils.results.where import where_gained
from dvol_utils.significance import reliability
from dvol_utils.study.files import read_json
from dvol_utils.study.params import StudyParams
from dvol_utils.study.stages import AFTER, CARD, YEARS_BEFORE
from dvol_utils.study.tables import read_table

_LOSSES = 3


def read_front(study: StudyParams, results: Results, manifest: dict[str, Any]) -> Front | None:
    """From a run's tables; None where no model was chosen or the page is the published study's."""
    if results.chosen is None or results.comparison is not None:
        return None
    validation, test = study_rows(study)
    where = where_gained(test, results.chosen, study)
    if where is None:
        return None
    return Front(
        test=test,
        where=where,
        where_title=where_title(where),
        where_line=where_line(where),
        where_sentences=where_sentences(
            where, study.significance.coverage, study.jumps.regime_hours
        ),
        established=_established(test, validation, where.model, study, manifest["stages"]),
        limits=_limits(study, where.model),
        parameters=_parameters(study),
    )


def _established(
    test: pd.DataFrame,
    validation: pd.DataFrame,
    model: str,
    study: StudyParams,
    stages: dict[str, Any],
) -> list[tuple[str, str, str]]:
    """Statement, verdict and numbers, the main claim first; empty for a run without a card."""
    if CARD.name not in stages or not study.artefact("regimes.parquet").is_file():
        return []
    judged = with_quantiles(test)
    table = established(
        read_table(study, "significance"),
        model,
        simple_rival(score(validation), model),
        regimes=read_table(study, "regimes"),
        months=read_table(study, "months"),
        shares=(reliability(judged), reliability(judged, by="jump_regime")),
        coverage=study.significance.coverage,
    )
    rows = [(row.statement, row.verdict, row.evidence) for row in table.itertuples()]
    return rows + _later_rows(study, stages)


def _later_rows(study: StudyParams, stages: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Whether the gain fades before the test, and whether it is there after it."""
    rows = []
    before = stages.get(YEARS_BEFORE.name, {})
    if "summary" in before:
        verdict = "it fades" if before.get("decayed") else "no fading is shown"
        rows.append(("its gain lasts from year to year", verdict, _plain(before["summary"])))
    after = stages.get(AFTER.name, {})
    if "summary" in after and study.artefact("after.parquet").is_file():
        table = read_table(study, "after")
        # As it was: the models that were there when the study ended.
        chosen = table[table["chosen"].astype(bool) & (table["way"] == "saved")]
        held = int(((chosen["loss_gain"] > 0) & (chosen["p_holm"] < LEVEL)).sum())
        verdict = {0: NOT, _LOSSES: ESTABLISHED}.get(held, DISPUTED)
        rows.append(
            ("it beats persistence after the study, too", verdict, _plain(after["summary"]))
        )
    return rows


def _plain(text: str) -> str:
    return text.replace("**", "").removesuffix(".")


def _limits(study: StudyParams, model: str) -> list[str]:
    """What would break the chosen model, in plain words."""
    return [said.replace("`", "") for said in limits(study, model, model_inputs(study, model))]


def _parameters(study: StudyParams) -> dict[str, int]:
    """Numbers of parameters by network, from what training noted; empty where nothing is kept."""
    counts = {}
    for folder in sorted(study.artefact("checkpoints").glob("*")):
        configs = sorted(folder.glob("*/config.json"))
        # Simple models have no such number.
        count = read_json(configs[0]).get("parameter_count") if configs else None
        if count is not None:
            counts[folder.name] = int(count)
    return counts
