"""The README's blocks of results, one a study, made from `results.json`."""

from __future__ import annotations

import re
from pathlib import Path

from dvol_utils.results.headline import compared_markdown, markdown_table
from dvol_utils.results.results_json import Results
from dvol_utils.study.files import ArtefactError, replacing


def results_block(results: Results, coverage: float) -> str:
    """What the README says about a study: its headline table or, for a study of the published
    rules, the compared forecasts.
    """
    if results.comparison is not None:
        return compared_markdown(results, results.comparison, coverage)
    return markdown_table(results, coverage)


def readme_block(readme: Path, study_name: str) -> str | None:
    """The study's result table as the README has it; None where it has none."""
    if not readme.is_file():
        return None
    found = _block(study_name).search(readme.read_text(encoding="utf-8"))
    return found["body"].strip() if found else None


def rewrite_readme(readme: Path, results: Results, coverage: float) -> None:
    """Put a study's results between `<!-- results:STUDY -->` and `<!-- /results -->`.

    Raises
    ------
    ArtefactError
        The README has no such block.
    """
    if readme_block(readme, results.study) is None:
        raise ArtefactError(
            f"{readme}: no place for the table; should have a line "
            f"<!-- results:{results.study} --> and after it a line <!-- /results -->"
        )
    body = results_block(results, coverage)
    text = readme.read_text(encoding="utf-8")
    text = _block(results.study).sub(
        lambda found: f"{found['start']}\n{body}\n{found['end']}", text, count=1
    )
    with replacing(readme) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _block(study_name: str) -> re.Pattern[str]:
    start, end = re.escape(f"<!-- results:{study_name} -->"), re.escape("<!-- /results -->")
    return re.compile(
        rf"(?P<start>{start})\n(?P<body>(?:(?!<!-- results:).)*?)(?P<end>{end})", re.DOTALL
    )
