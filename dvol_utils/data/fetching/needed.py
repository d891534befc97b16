"""Whether a study's raw store has to be fetched, and whether it may be."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from dvol_utils.data.fetching.manifest import read_manifest
from dvol_utils.data.fetching.series import SPECS
from dvol_utils.data.raw.store import read_series, series_file, series_path
from dvol_utils.study.data_section import SeriesName
from dvol_utils.study.params import ParameterError, StudyParams
from dvol_utils.wording.numbers import hour


def own_files(study: StudyParams) -> str | None:
    """The parameter that says that the raw store is not one that this project fetched."""
    uses = {
        "data.frequency_minutes": study.data.frequency_minutes != 60,
        "data.price_frequency_minutes": study.data.bar_minutes("price") != 60,
        "data.timestamp_unit": study.data.timestamp_unit != "ms",
        "data.columns": bool(study.data.columns),
    }
    return next((name for name, differs in uses.items() if differs), None)


def missing_data(study: StudyParams) -> str | None:
    """Why the raw store cannot serve the study as it is; None where it can."""
    last = study.split.test_end or study.split.test_start
    needed = study.data.end or last + pd.Timedelta(hours=study.target.horizon_hours)
    for asset in study.data.assets:
        path = series_file(study.raw_dir, asset, "dvol", study.data)
        if path is None:
            return f"{series_path(study.raw_dir, asset, 'dvol', study.data)} is not there"
        opened = read_series(study.raw_dir, asset, "dvol", study.data).index[-1]
        last = opened + pd.Timedelta(minutes=study.data.bar_minutes("dvol"))
        if last < needed:
            return f"{path} ends {hour(last)}, the study needs {hour(needed)}"
    return None


def check_place(study: StudyParams, overrides: Mapping[str, Any]) -> None:
    """Refuse to fetch to where a study's file alone leads, out of the project.

    Raises
    ------
    ParameterError
        `data.raw_dir` is an absolute path or leaves the project, and is not among `overrides`.
    """
    # Not resolved: a link within the project is the person's own (tests/test_trust.py).
    place = os.path.relpath(study.raw_dir.absolute(), study.root.absolute())
    if "data.raw_dir" not in overrides and place.split(os.sep)[0] == os.pardir:
        raise ParameterError(
            f"study {study.name}: data.raw_dir {str(study.data.raw_dir)!r} lies outside the "
            "project; a study's file may say what is read there, not what is written: "
            f"`make data STUDY={study.name} RAW=folder` fetches into a folder that you name"
        )


class Lack(NamedTuple):
    """What an earlier fetch did not get of an asset; `until` is the last close of its DVOL.

    `required` says that a study cannot do without it, `reason` what is not there.
    """

    asset: str
    series: list[SeriesName]
    columns: list[str]
    until: pd.Timestamp
    required: bool
    reason: str


def lacking_series(study: StudyParams) -> list[Lack]:
    """What a raw store that this project fetched still lacks, by asset.

    A store with a DVOL file of one's own may do without other series, and is left as it is.
    """
    manifest, lacking = read_manifest(study.raw_dir), []
    for asset in study.data.assets:
        if series_path(study.raw_dir, asset, "dvol", study.data).name not in manifest:
            continue
        reasons: dict[SeriesName, str] = {}
        columns: list[str] = []
        for series in SPECS:
            name = series_path(study.raw_dir, asset, series, study.data).name
            lost = list(manifest.get(name, {}).get("not_fetched", {}))
            if series_file(study.raw_dir, asset, series, study.data) is None:
                reasons[series] = f"{name} is not there"
                lost = SPECS[series].columns_of(asset)
            elif lost:
                reasons[series] = f"{name} lacks {', '.join(lost)}"
            columns += lost
        if reasons:
            last = read_series(study.raw_dir, asset, "dvol", study.data).index[-1]
            until = last + pd.Timedelta(minutes=study.data.bar_minutes("dvol"))
            required = any(not SPECS[series].optional for series in reasons)
            words = "; ".join(reasons.values())
            lacking.append(Lack(asset, list(reasons), columns, until, required, words))
    return lacking


def source_url(text: str) -> tuple[str, str]:
    """Split `deribit=https://...` of a command line."""
    source, sign, url = text.partition("=")
    if not sign:
        raise ParameterError(f"base URL {text!r}: should read SOURCE=URL")
    return source, url
