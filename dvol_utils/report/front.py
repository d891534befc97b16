"""What the first page draws, cites and offers to download, from `results.front.Front`."""

from __future__ import annotations

import datetime
from typing import Any

import pandas as pd
import yaml

from dvol_utils.evaluation.forecast_table import QUANTILES
from dvol_utils.plots.where import gain_bars
from dvol_utils.report.display import picture, picture_html
from dvol_utils.results.front import Front
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.numbers import coverage_text

RECENT = pd.Timedelta(weeks=4)


def recent(front: Front) -> pd.DataFrame:
    """Test rows of the last four weeks."""
    origin = front.test["origin"]
    return front.test[origin > origin.max() - RECENT]


def where_section(front: Front, coverage: float) -> dict[str, Any]:
    """Where the gain comes from: `line`, `sentences`, and a figure's `html`, `caption`."""
    title = front.where_title
    alt = f"Bars of the part of the skill by weekday, level, jump regime and week. {title}."
    return {
        "line": front.where_line,
        "sentences": front.where_sentences,
        "html": picture_html(picture(gain_bars(front.where.parts, title=title)), alt),
        "caption": (
            "What each group of hours adds to the skill of the chosen model, with "
            f"{coverage_text(coverage)} intervals. The parts of a group sum to the skill. The two "
            "best and the two worst weeks stand below, then the hours of the day."
        ),
    }


def cited(study: StudyParams) -> dict[str, str]:
    """How to cite the study, and the day of its run: `text`, `date`."""
    # In UTC, so that the page does not depend on where it is built.
    day = datetime.datetime.fromtimestamp(
        study.artefact("results.json").stat().st_mtime, tz=datetime.UTC
    )
    citation = {"text": "", "date": f"{day:%Y-%m-%d}"}
    path = study.root / "CITATION.cff"
    if path.is_file():
        facts = yaml.safe_load(path.read_text(encoding="utf-8"))
        names = ", ".join(author["name"] for author in facts["authors"])
        citation["text"] = (
            f"{names}: {facts['title']} Version {facts['version']}, study {study.name}, run of "
            f"{citation['date']}."
        )
    return citation


def front_files(
    front: Front, headline: pd.DataFrame
) -> tuple[list[dict[str, str]], dict[str, bytes]]:
    """The forecasts and tables of the first page: for each what it is and its files' names, then
    the files by name, as CSV and Parquet.
    """
    tables = {
        "forecasts": (wide_forecasts(front), "hourly test forecasts of all models"),
        "skill": (headline.reset_index(), "scores of all models"),
        "gain_by_group": (front.where.parts, "where the gain comes from"),
        "skill_without": (front.where.without, "skill without the best day and weeks"),
    }
    if front.established:
        heads = ["statement", "verdict", "numbers"]
        rows = pd.DataFrame(front.established, columns=heads)
        tables["established"] = (rows, "what is established")
    listed, files = [], {}
    for name, (table, what) in tables.items():
        csv, parquet = f"{name}.csv", f"{name}.parquet"
        files[csv] = table.to_csv(index=False, lineterminator="\n").encode()
        files[parquet] = table.to_parquet(index=False)
        listed.append({"name": name, "what": what, "csv": csv, "parquet": parquet})
    return listed, files


def wide_forecasts(front: Front) -> pd.DataFrame:
    """Test rows side by side: origin, target hour, outcome, a column a model, and the chosen one's
    quantiles where it has them.
    """
    keys = ["origin", "target_time", "y_true", "y_origin"]
    series = front.test.set_index([*keys, "model"])["y_pred"]
    wide = series.unstack().reset_index()  # noqa: PD010 nothing to aggregate
    chosen = front.test[front.test["model"] == front.where.model].set_index("origin")
    for name in QUANTILES:
        if name in chosen and chosen[name].notna().any():
            wide[f"{front.where.model}_{name}"] = wide["origin"].map(chosen[name])
    return wide.rename_axis(columns=None)
