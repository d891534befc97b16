"""`dvol data`: the fetch of a raw store, and which models are lost by what did not come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import pandas as pd

from dvol_utils.data.fetching.fetch import fetch_store
from dvol_utils.data.fetching.http import FetchError, UnreachableError
from dvol_utils.data.fetching.needed import (
    check_place,
    lacking_series,
    missing_data,
    own_files,
    source_url,
)
from dvol_utils.study.params import ParameterError, StudyParams


def fetch_data(
    study: StudyParams,
    *,
    assets: Iterable[str],
    start: pd.Timestamp | str | None,
    end: pd.Timestamp | str | None,
    base_urls: Iterable[str] = (),
    overrides: Mapping[str, Any] = MappingProxyType({}),
    if_needed: bool = False,
    log: Callable[[str], None] = print,
) -> None:
    """Fetch a study's raw store, or bring it up to date.

    Parameters
    ----------
    study : StudyParams
        One that reads a raw store.
    assets, start, end
        As `fetch_store` takes them.
    base_urls : iterable of str
        `SOURCE=URL` each.
    overrides : mapping
        What the person who fetches has set, as `check_place` takes it.
    if_needed : bool
        Only what an earlier fetch did not get, or everything if the store is missing or ends before
        the study does.
    log : callable
        Takes lines of progress.

    Raises
    ------
    ParameterError
        The files are the user's own, an asset, time or address cannot be used, or the folder is
        one that `check_place` refuses.
    FetchError
        DVOL or price could not be fetched; of the others a line says what is missing.
    """
    if settings := own_files(study):
        if if_needed:
            return  # the reader says what those files lack
        raise ParameterError(
            f"study {study.name}: {settings} describes files of your own; fetched ones have hourly "
            "bars, times in ms and the names of docs/data.md"
        )
    urls = dict(map(source_url, base_urls))
    cost = partial(_cost, study)
    fetch = partial(fetch_store, study.raw_dir, start=start, base_urls=urls, cost=cost, log=log)
    if if_needed:
        reason = missing_data(study)
        if reason is None:
            return _fetch_lacking(study, overrides, fetch, log)
        log(f"data: {reason}; fetching")
    check_place(study, overrides)
    try:
        fetch(assets=assets, end=end)
    except UnreachableError as error:
        raise UnreachableError(
            f"{error}\nWithout a network, bring the files: make report STUDY={study.name} "
            "RAW=folder (README, Bring data), or run the simulated market: make report"
        ) from None


def _fetch_lacking(
    study: StudyParams,
    overrides: Mapping[str, Any],
    fetch: Callable[..., Any],
    log: Callable[[str], None],
) -> None:
    """Ask again for what an earlier fetch did not get; the rest stays as it is."""
    for lack in lacking_series(study):
        check_place(study, overrides)
        log(f"data: {lack.reason}; fetching")
        try:
            fetch(assets=[lack.asset], series=lack.series, end=lack.until)
        except FetchError as error:
            if lack.required:
                raise
            log(f"data: not fetched: {_cost(study, lack.columns)}: {error}")


def _cost(study: StudyParams, columns: list[str]) -> str:
    from dvol_utils.forecasting.inputs import cost_of  # which takes seconds to load

    return cost_of(study, columns)
