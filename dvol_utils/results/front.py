"""What the first page shows beside `results.json`, in words and tables."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from dvol_utils.results.where import Where


class Front(NamedTuple):
    """What the first page's figures, lists and downloads are made from.

    Parameters
    ----------
    test : DataFrame
        Test rows of all models.
    where : Where
        Where the chosen model's gain comes from.
    where_title, where_line : str
        That finding as a title, and in one line for the answer; the line may be empty.
    where_sentences : list of str
    established : list of (statement, verdict, numbers)
        The main claim first; empty for a run without a card.
    limits : list of str
        What would break the chosen model.
    parameters : dict
        Numbers of parameters by network, where they are known.
    """

    test: pd.DataFrame
    where: Where
    where_title: str
    where_line: str
    where_sentences: list[str]
    established: list[tuple[str, str, str]]
    limits: list[str]
    parameters: dict[str, int]
