"""What the first page shows beside `results.json`: the picture, where the gain comes from, what is
established, limits, how to cite, and downloads.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

from dvol_utils.evaluation import score, with_quantiles
from dvol_utils.evaluation.forecast_table import QUANTILES
from dvol_utils.forecasting.inputs import model_inputs
from dvol_utils.pages.card import limits, simple_rival
from dvol_utils.pages.established import DISPUTED, ESTABLISHED, NOT, established
from dvol_utils.pages.where import Where, where_gained, where_line, where_sentences, where_title
from dvol_utils.plots.where import gain_bars
from dvol_utils.report.display import picture, picture_html
from dvol_utils.results.judging import LEVEL
from dvol_utils.results.persistence import study_rows
from dvol_utils.results.results_json import Results
from dvol_utils.significance import reliability
from dvol_utils.study.files import read_json, replacing
from dvol_utils.study.params import StudyParams
from dvol_utils.study.stages import AFTER, CARD, YEARS_BEFORE
from dvol_utils.study.tables import read_table
from dvol_utils.wording.numbers import coverage_text

RECENT = pd.Timedelta(weeks=4)
_LOSSES = 3


class Front(NamedTuple):
    """What the first page's figures and tables are made from."""

    test: pd.DataFrame
    validation_scores: pd.DataFrame
    where: Where
    parameters: dict[str, int]  # numbers of parameters by network, where they are known


def read_front(study: StudyParams, results: Results) -> Front | None:
    """From a run's tables; None where no model was chosen or the page is the published study's."""
    if results.chosen is None or results.comparison is not None:
        return None
    validation, test = study_rows(study)
    where = where_gained(test, results.chosen, study)
    if where is None:
        return None
    return Front(test, score(validation), where, _parameters(study))


def _parameters(study: StudyParams) -> dict[str, int]:
    """Numbers of parameters by network, from what training noted; empty where nothing is kept."""
    counts = {}
    for folder in sorted(study.artefact("checkpoints").glob("*")):
        configs = sorted(folder.glob("*/config.json"))
        count = read_json(configs[0]).get("parameter_count") if configs else None
        if count is not None:
            counts[folder.name] = int(count)
    return counts


def recent(front: Front) -> pd.DataFrame:
    """Test rows of the last four weeks."""
    origin = front.test["origin"]
    return front.test[origin > origin.max() - RECENT]


def where_section(front: Front, study: StudyParams) -> dict[str, Any]:
    """Where the gain comes from: `line`, `sentences`, and a figure's `html`, `caption`."""
    coverage = study.significance.coverage
    title = where_title(front.where)
    alt = f"Bars of the part of the skill by weekday, level, jump regime and week. {title}."
    return {
        "line": where_line(front.where),
        "sentences": where_sentences(front.where, coverage, study.jumps.regime_hours),
        "html": picture_html(picture(gain_bars(front.where.parts, title=title)), alt),
        "caption": (
            "What each group of hours adds to the skill of the chosen model, with "
            f"{coverage_text(coverage)} intervals. The parts of a group sum to the skill. The two "
            "best and the two worst weeks stand below, then the hours of the day."
        ),
    }


def established_rows(
    front: Front, study: StudyParams, manifest: dict[str, Any]
) -> list[tuple[str, str, str]]:
    """Statement, verdict and numbers, the main claim first; empty for a run without a card."""
    if CARD.name not in manifest["stages"] or not study.artefact("regimes.parquet").is_file():
        return []
    judged = with_quantiles(front.test)
    found = established(
        read_table(study, "significance"),
        front.where.model,
        simple_rival(front.validation_scores, front.where.model),
        regimes=read_table(study, "regimes"),
        months=read_table(study, "months"),
        shares=(reliability(judged), reliability(judged, by="jump_regime")),
        coverage=study.significance.coverage,
    )
    rows = [(row.statement, row.verdict, row.evidence) for row in found.itertuples()]
    return rows + _later_rows(study, manifest["stages"])


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
        own = table[table["chosen"].astype(bool) & (table["way"] == "saved")]
        held = int(((own["loss_gain"] > 0) & (own["p_holm"] < LEVEL)).sum())
        verdict = {0: NOT, _LOSSES: ESTABLISHED}.get(held, DISPUTED)
        rows.append(
            ("it beats persistence after the study, too", verdict, _plain(after["summary"]))
        )
    return rows


def _plain(text: str) -> str:
    return text.replace("**", "").removesuffix(".")


def limit_sentences(study: StudyParams, model: str) -> list[str]:
    """What would break the chosen model, in plain words."""
    return [said.replace("`", "") for said in limits(study, model, model_inputs(study, model))]


def cited(study: StudyParams) -> dict[str, str]:
    """How to cite the study, and the day of its run: `text`, `date`."""
    day = datetime.datetime.fromtimestamp(
        study.artefact("results.json").stat().st_mtime, tz=datetime.UTC
    )
    told = {"text": "", "date": f"{day:%Y-%m-%d}"}
    path = study.root / "CITATION.cff"
    if path.is_file():
        facts = yaml.safe_load(path.read_text(encoding="utf-8"))
        names = ", ".join(author["name"] for author in facts["authors"])
        told["text"] = (
            f"{names}: {facts['title']} Version {facts['version']}, study {study.name}, run of "
            f"{told['date']}."
        )
    return told


def write_downloads(
    front: Front, headline: pd.DataFrame, rows: list[tuple[str, str, str]], folder: Path
) -> list[dict[str, str]]:
    """Write the forecasts and tables of the first page; for each file its name and what it is."""
    tables = {
        "forecasts": (wide_forecasts(front), "hourly test forecasts of all models"),
        "skill": (headline.reset_index(), "scores of all models"),
        "gain_by_group": (front.where.parts, "where the gain comes from"),
        "skill_without": (front.where.without, "skill without the best day and weeks"),
    }
    if rows:
        heads = ["statement", "verdict", "numbers"]
        tables["established"] = (pd.DataFrame(rows, columns=heads), "what is established")
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, (table, what) in tables.items():
        csv, parquet = folder / f"{name}.csv", folder / f"{name}.parquet"
        with replacing(csv) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")
        with replacing(parquet) as temporary:
            table.to_parquet(temporary, index=False)
        files.append({"name": name, "what": what, "csv": csv.name, "parquet": parquet.name})
    return files


def wide_forecasts(front: Front) -> pd.DataFrame:
    """Test rows side by side: origin, target hour, outcome, a column a model, and the chosen one's
    quantiles where it has them.
    """
    keys = ["origin", "target_time", "y_true", "y_origin"]
    series = front.test.set_index([*keys, "model"])["y_pred"]
    wide = series.unstack().reset_index()  # noqa: PD010 nothing to aggregate
    own = front.test[front.test["model"] == front.where.model].set_index("origin")
    for name in QUANTILES:
        if name in own and own[name].notna().any():
            wide[f"{front.where.model}_{name}"] = wide["origin"].map(own[name])
    return wide.rename_axis(columns=None)
