"""Where a run's numbers come from, as its manifest tells it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dvol_utils.results.results_json import NoResults, Results
from dvol_utils.study.made_by import Code, code_words, commit_words, this_code
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.numbers import duration_text, hour

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHORT = 12


def recorded_hashes(manifest: dict[str, Any]) -> dict[str, str]:
    """SHA-256 of each raw file that a stage recorded, by file name."""
    hashes: dict[str, str] = {}
    for facts in manifest.get("stages", {}).values():
        files = facts.get("raw_files")
        if isinstance(files, dict):
            hashes |= {
                name: text
                for name, text in files.items()
                if isinstance(text, str) and _SHA256.fullmatch(text)
            }
    return dict(sorted(hashes.items()))


def code_lines(manifest: dict[str, Any], pages: Code) -> list[str]:
    """The commits of a run's stages and of the code that wrote its pages, a line each."""
    words = code_words(manifest).split("; ")
    if words == [commit_words(pages)]:
        return words
    return [*words, f"these pages: {commit_words(pages)}"]


def provenance(
    study: StudyParams,
    results: Results | NoResults,
    manifest: dict[str, Any],
    durations: Mapping[str, float],
) -> list[tuple[str, list[str]]]:
    """What a reader needs to trace the numbers: pairs of a name and its values, one per line.

    Parameters
    ----------
    study : StudyParams
        The study with the run's own parameters.
    results, manifest
        `results.json` and `manifest.json`.
    durations : mapping
        Seconds that each stage took, by its name.
    """
    test = results.test
    span = test and f"{test.rows:,}, origins {hour(test.start)} to {hour(test.end)} UTC"
    versions = {"Python": manifest["python"], **manifest["packages"]}
    devices = {
        ", ".join(facts[key] for key in ("device", "arithmetic") if key in facts)
        for facts in manifest.get("stages", {}).values()
        if "device" in facts
    }
    rows = [
        ("Data", [_data(study), *_range(manifest)]),
        (
            "Raw files, SHA-256",
            [f"{n}  {h[:_SHORT]}…" for n, h in recorded_hashes(manifest).items()],
        ),
        ("Test hours", [span] if span else []),
        ("Code", code_lines(manifest, this_code(study.root))),
        ("Parameters", [results.parameters_hash]),
        ("Seeds of the networks", [", ".join(map(str, manifest["seeds"]))]),
        ("Trained on", sorted(devices)),
        ("Durations", _taken(durations)),
        ("Versions", [", ".join(f"{name} {version}" for name, version in versions.items())]),
    ]
    return [(name, values) for name, values in rows if values]


def _taken(durations: Mapping[str, float]) -> list[str]:
    """Each stage's duration and the sum; none where nothing is known."""
    if not durations:
        return []
    stages = [f"{stage[:2]}: {duration_text(seconds)}" for stage, seconds in durations.items()]
    return [
        f"{', '.join(stages)}; in sum {duration_text(sum(durations.values()))}",
        "of each page's last run, some of them at the same time; networks trained before are read",
    ]


def _range(manifest: dict[str, Any]) -> list[str]:
    """First and last hour of the panel, as the data stage recorded them."""
    ranges = [
        f"panel from {hour(facts['first'])} to {hour(facts['last'])} UTC"
        for facts in manifest.get("stages", {}).values()
        if {"first", "last"} <= set(facts)
    ]
    return ranges[:1]


def _data(study: StudyParams) -> str:
    assets = ", ".join(study.data.assets)
    if study.is_simulated:
        market = study.data.simulated
        return (
            f"simulated market, seed {market.seed}, {market.hours:,} hours "
            f"from {hour(market.start)} UTC ({assets})"
        )
    return f"raw store {study.data.raw_dir.name} ({assets})"
