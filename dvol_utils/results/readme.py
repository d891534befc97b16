"""The README's blocks of results: one per study, made from `results.json`, and one of what came
after it where its run holds that.
"""

from __future__ import annotations

import re
from pathlib import Path

from dvol_utils.evaluation import score
from dvol_utils.results.after_study import after_markdown, after_sentences
from dvol_utils.results.headline import compared_markdown, markdown_table
from dvol_utils.results.persistence import study_rows
from dvol_utils.results.results_json import Results
from dvol_utils.study.files import ArtefactError, replacing
from dvol_utils.study.params import StudyParams
from dvol_utils.study.stages import AFTER, study_stages
from dvol_utils.study.tables import read_table


def results_block(results: Results, coverage: float) -> str:
    """What the README says about a study: its headline table or, for a study of the published
    rules, the compared forecasts.
    """
    if results.comparison is not None:
        return compared_markdown(results, results.comparison, coverage)
    return markdown_table(results, coverage)


def after_name(study_name: str) -> str:
    """The name of a study's second block; no study's name holds a colon."""
    return f"{study_name}:after"


def after_block(study: StudyParams) -> str | None:
    """What the README says of the hours after a study; None where its run holds too few.

    Raises
    ------
    ArtefactError
        A table of the run is missing, or was made with other parameters.
    """
    if AFTER not in study_stages(study):
        return None
    table = read_table(study, "after")
    if table.empty:
        return None
    _, test = study_rows(study)
    skills = score(test).set_index("model")["skill"]
    test_skill = float(skills.reindex(table.loc[table["chosen"], "model"]).mean())
    sentences = after_sentences(table, study.significance.coverage, test_skill)
    return after_markdown(table, study, sentences)


def readme_block(readme: Path, name: str) -> str | None:
    """A block as the README has it, by the study's name or `after_name`; None where it has none."""
    if not readme.is_file():
        return None
    block = _block(name).search(readme.read_text(encoding="utf-8"))
    return block["body"].strip() if block else None


def rewrite_readme(readme: Path, results: Results, coverage: float) -> None:
    """Put a study's results between `<!-- results:STUDY -->` and `<!-- /results -->`.

    Raises
    ------
    ArtefactError
        The README has no such block.
    """
    rewrite_block(readme, results.study, results_block(results, coverage))


def rewrite_block(readme: Path, name: str, body: str) -> None:
    """Put a text into a block; errors are those of `rewrite_readme`."""
    if readme_block(readme, name) is None:
        raise ArtefactError(
            f"{readme}: no place for the table; should have a line "
            f"<!-- results:{name} --> and after it a line <!-- /results -->"
        )
    text = readme.read_text(encoding="utf-8")
    # A function, since a backslash in the text would be read as a group of the pattern.
    text = _block(name).sub(
        lambda match: f"{match['start']}\n{body}\n{match['end']}", text, count=1
    )
    with replacing(readme) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _block(name: str) -> re.Pattern[str]:
    start, end = re.escape(f"<!-- results:{name} -->"), re.escape("<!-- /results -->")
    return re.compile(
        rf"(?P<start>{start})\n(?P<body>(?:(?!<!-- results:).)*?)(?P<end>{end})", re.DOTALL
    )
