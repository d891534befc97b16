"""The terms that pages use, each explained once and linked where a page first uses it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from bs4 import BeautifulSoup, NavigableString, Tag

from dvol_utils.forecasting.forecasters import saved_folder
from dvol_utils.study.files import read_json
from dvol_utils.study.model_names import NETWORK_NAMES, label
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.numbers import MISSING

FILE = "glossary.html"


class Term(NamedTuple):
    """A term: its anchor, its name, the words that a page may use for it, what it means."""

    anchor: str
    name: str
    words: str
    meaning: str


TERMS = (
    Term("dvol", "DVOL", r"DVOL", "Deribit's index of the volatility that option prices imply "
         "for the next 30 days, in percent a year."),
    Term("point", "Point", r"index points?|points?", "The unit of DVOL: one point is one percent "
         "of volatility a year."),
    Term("origin", "Origin", r"origins?", "The hour at which a forecast is made. Nothing that "
         "became known later may enter it."),
    Term("target", "Target", r"targets?", "The hour that is forecast: the origin and the horizon."),
    Term("persistence", "Persistence", r"persistence", "The forecast that DVOL stays where it is. "
         "Every model is judged beside it."),
    Term("skill", "Skill", r"skills?", "One less the model's squared error as a share of "
         "persistence's, on the same hours. 0 % is no better than persistence."),
    Term("r2", "R²", r"R²", "The share of the outcomes' variance that the forecasts explain. It is "
         "high for persistence too, because the level of DVOL moves slowly."),
    Term("rmse", "RMSE", r"RMSE", "The root of the mean squared error, in points."),
    Term("direction", "Direction", r"direction", "The share of moves whose sign was forecast."),
    Term("jump", "Jump", r"jumps?", "A change within an hour too large for the volatility around "
         "it, by the test on the page on jumps."),
    Term("regime", "Jump regime", r"jump regimes?|jump hours", "The hours after a detected jump, "
         "24 unless the study says otherwise. All other hours are normal."),
    Term("level", "Level", r"low, middle (?:or|and) high", "Low, middle or high by the thirds of "
         "DVOL's own past. A year can lie mostly in one of them."),
    Term("fold", "Fold", r"folds?", "A stretch of hours forecast by models that were fitted at its "
         "start, on what was known then."),
    Term("validation", "Validation and test", r"validation rows|test rows", "Validation rows "
         "choose the model and its settings. Test rows come later and only judge."),
    Term("har", "HAR", r"HAR", "A regression on DVOL's means over six hours to a month; "
         "heterogeneous autoregressive."),
    Term("ridge", "Ridge", r"ridge", "A linear regression whose coefficients are drawn to zero."),
    Term("lstm", "LSTM", r"LSTMs?", "A recurrent neural network: long short-term memory."),
    Term("interval", "Interval", r"9[05] % intervals?", "Of a forecast: a range that should hold "
         "the outcome so often. Of a number: what a bootstrap of the same hours gives."),
    Term("bootstrap", "Bootstrap", r"bootstrap", "Drawing blocks of neighbouring hours anew, many "
         "times, to see how far a number may be chance."),
    Term("dm", "Diebold-Mariano", r"Diebold-Mariano|Diebold and Mariano", "A test of whether two "
         "forecasts differ in their mean loss. A p below 0.05 counts as a difference."),
    Term("holm", "Holm's correction", r"Holm's correction|Holm", "It makes p-values of several "
         "tests larger, so that one of many is not taken for a finding by luck."),
    Term("mcs", "Model confidence set", r"[Mm]odel [Cc]onfidence [Ss]et|MCS", "The models that "
         "cannot be told from the best at the stated level."),
    Term("crps", "CRPS", r"CRPS", "The error of a whole forecast distribution, in points; for a "
         "single number it is the absolute error."),
    Term("calibration", "Calibration", r"calibrat\w+", "Whether what is forecast comes as often, "
         "and as large, as the forecast says."),
)  # fmt: skip

_MODELS = {
    "persistence": ("DVOL stays where it is", "DVOL now"),
    "seasonal_naive": ("DVOL at the same hour of the week before", "DVOL a week before"),
    "har": ("Ridge regression", "DVOL's means over six hours to a month"),
    "har_calendar": ("Ridge regression", "the same, and the calendar of the week"),
    "ridge_decay": (
        "Ridge regression in which recent years weigh more",
        "DVOL's means, calendar, option expiries, economic releases",
    ),
    "boosted_trees": (
        "100 small gradient-boosted trees",
        "DVOL's means, hour and weekday, option expiries, economic releases",
    ),
    "lstm_baseline": ("The smallest published LSTM", "the study's input groups"),
    "lstm_large": ("The middle published LSTM", "the study's input groups"),
    "lstm_ultra": ("The largest published LSTM", "the study's input groups"),
    "lstm_tuned": (
        "A small LSTM beside a linear map",
        "DVOL's means, calendar, option expiries, economic releases",
    ),
    "attention": (
        "A small attention network over the last 24 hours",
        "DVOL's means, calendar, option expiries, economic releases",
    ),
    "ensemble": ("A weighted sum of forecasts", "forecasts of the other models"),
}


def model_rows(study: StudyParams) -> list[dict[str, Any]]:
    """The study's models: `label, what, inputs, parameters` (networks alone have a number)."""
    return [
        {
            "label": label(name),
            "what": _MODELS[name][0],
            "inputs": _MODELS[name][1],
            "parameters": _parameters(study, name),
        }
        for name in study.models
    ]


def link_terms(soup: BeautifulSoup) -> None:
    """Link each term to the glossary where running text first uses it."""
    blocks = soup.select(".prose p, .prose li")
    for term in TERMS:
        # Whole words, and no part of a name with a hyphen.
        pattern = re.compile(rf"(?<![\w-])(?:{term.words})(?![\w-])")
        for text in _running_text(blocks):
            match = pattern.search(text)
            if match:
                _link(soup, text, match, term)
                break


def _running_text(blocks: Iterable[Tag]) -> Iterable[NavigableString]:
    for block in blocks:
        for text in block.find_all(string=True):
            # A link within a link is no HTML, and code is not running text.
            if text.find_parent(["a", "code", "pre"]) is None:
                yield text


def _link(soup: BeautifulSoup, text: NavigableString, match: re.Match[str], term: Term) -> None:
    link = soup.new_tag("a", href=f"{FILE}#{term.anchor}", title=term.meaning)
    link["class"] = "term"
    link.string = match[0]
    whole = str(text)
    text.replace_with(whole[: match.start()], link, whole[match.end() :])


def _parameters(study: StudyParams, name: str) -> str:
    if name not in NETWORK_NAMES:
        return MISSING
    path = saved_folder(study, name, study.training.seeds[0]) / "config.json"
    return f"{read_json(path)['parameter_count']:,}" if path.is_file() else MISSING
