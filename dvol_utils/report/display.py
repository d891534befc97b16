"""Figures, tables and notices as a notebook shows them, in JupyterLab and on the site alike."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, starmap
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, Markdown, display
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas.api.types import (
    is_bool_dtype,
    is_datetime64_any_dtype,
    is_float_dtype,
    is_integer_dtype,
    is_numeric_dtype,
)
from PIL import Image

from dvol_utils.plots.style import fit_titles, lay_out, plain
from dvol_utils.plots.variants import make_narrow, on_dark, pixels
from dvol_utils.study.effective import describe
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.numbers import MISSING, TIME_FORM, written

SIMULATED_NOTICE = (
    "Simulated data: every number on this page comes from a simulated market with known jumps. "
    "It shows what the method finds where the truth is known, not how Bitcoin's DVOL behaves."
)
_NUMBER = re.compile(r"(< )?[-+\N{MINUS SIGN}]?[\d,]*\.?\d+(e[-+]?\d+)?\s?%?|–|nan|NaN", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d(-\d\d( \d\d:\d\d)?)?|–", re.ASCII)
_WORDS, _SENTENCE = 12, 60  # characters from which a column of words gets a least width
_INCH = 100  # pixels of a page for an inch of a figure
_DPI, _NARROW_DPI = 144, 180  # pixels of an image an inch, for dense screens and denser ones
_SCREEN_DARK, _PHONE = "screen and (prefers-color-scheme: dark)", "(max-width: 600px)"


def study_header(study: StudyParams) -> None:
    """Title, notice where data is simulated, and the effective parameters, folded away."""
    display(HTML(header_html(study)))


def header_html(study: StudyParams) -> str:
    """What `study_header` shows."""
    parts = [f'<p class="study"><strong>{html.escape(study.title)}</strong> ({study.name})</p>']
    if study.is_simulated:
        parts.append(f'<p class="simulated" role="note">{SIMULATED_NOTICE}</p>')
    if study.trial:
        parts.append(
            f'<p class="trial" role="note">Trial: {html.escape(study.trial.words)}. What this '
            f"notebook makes goes to runs/{study.name}/trials/{study.trial.name}; the study's run "
            "and its pages stay as they are.</p>"
        )
    first, *others = study.data.assets
    if others:
        parts.append(
            f'<p role="note">Assets: {", ".join(study.data.assets)}. The pages on jumps, training, '
            f"regimes and significance are about {first}, those on the data and on several assets "
            "about all.</p>"
        )
    rows = _table_html({("", name): texts for name, texts in describe(study).items()})
    parts.append(f"<details><summary>Effective parameters</summary>{rows}</details>")
    return "\n".join(parts)


def figure(plot: Axes | Figure, caption: str, alt: str) -> None:
    """Show a figure with its caption and its text for readers who cannot see it, then close it."""
    image = picture(plot if isinstance(plot, Figure) else plot.get_figure())
    said = f"<figcaption>{html.escape(caption)}</figcaption>"
    display(HTML(f"<figure>{picture_html(image, alt)}{said}</figure>"))


def picture(figure: Figure) -> dict[str, Any]:
    """A figure as pages hold it, and closed: `image` (PNG, base64), `width`, `height` (CSS pixels).

    All figures have letters of the same size, whatever their width. `variants` are the same for
    narrow and for dark screens, by the media query that asks for each.
    """
    with plain():
        figure.set_dpi(_DPI)
        if fit_titles(figure):
            lay_out(figure)
        # Drawn before the figure is made narrow, which cannot be undone.
        wide = pixels(figure)
        figure.set_dpi(_NARROW_DPI)
        make_narrow(figure)
        narrow = pixels(figure)
    plt.close(figure)  # a notebook's own, made by pyplot
    variants = {
        f"{_SCREEN_DARK} and {_PHONE}": _variant(on_dark(narrow), _NARROW_DPI),
        f"screen and {_PHONE}": _variant(narrow, _NARROW_DPI),
        _SCREEN_DARK: _variant(on_dark(wide), _DPI),
    }
    return _variant(wide, _DPI) | {"variants": variants}


def picture_html(image: Mapping[str, Any], alt: str) -> Markup:
    """A `picture` as an element of a page, with the text for readers who cannot see it."""
    sources = "".join(
        f'<source media="{media}" width="{variant["width"]}" height="{variant["height"]}" '
        f'srcset="data:image/png;base64,{variant["image"]}">'
        for media, variant in image["variants"].items()
    )
    return Markup(  # noqa: S704 all but the text is made here, and that is escaped
        f'<picture>{sources}<img src="data:image/png;base64,{image["image"]}" '
        f'width="{image["width"]}" height="{image["height"]}" alt="{html.escape(alt)}"></picture>'
    )


def _variant(image: Image.Image, dpi: int) -> dict[str, Any]:
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    width, height = (round(_INCH * side / dpi) for side in image.size)
    return {
        "image": base64.b64encode(buffer.getvalue()).decode(),
        "width": width,
        "height": height,
    }


def table(
    frame: pd.DataFrame,
    caption: str,
    *,
    decimals: int = 3,
    percent_decimals: int | None = None,
    full: pd.DataFrame | None = None,
    sections: str | None = None,
) -> None:
    """Show a table with its caption; numbers rounded for reading, the files keep them whole.

    Times are UTC and shown to the minute; `share_pct` heads its column as "share, %". Percentages
    have no more than two decimals, and one where a column reaches ten, unless `percent_decimals`
    says how many. The column of models comes first. A table without rows is words: its caption,
    and that there is none. `full` is a longer table that this is an extract of: pages offer it as
    a file. A column (group, head) stands under its group, in a second row of heads. Each run of
    equal values in the column `sections` becomes a row above the rows that it is about.
    """
    if frame.empty:
        display(HTML(f"<p>{html.escape(caption)}: none in this study.</p>"))
        return
    columns = _columns(_model_first(frame), decimals, percent_decimals)
    above = columns.pop(_head(sections)) if sections is not None else ()
    shown = _table_html(columns, caption, above)
    if full is not None:
        # Hidden, for the page's builder to take out: see `arranged.downloads`.
        rest = _table_html(_columns(full, decimals, percent_decimals))
        shown += rest.replace('class="dataframe data"', 'class="full" hidden', 1)
    display(HTML(shown))


def _model_first(frame: pd.DataFrame) -> pd.DataFrame:
    """The column that stays in sight on a narrow screen says which model a row is about."""
    return frame[["model", *frame.columns.drop("model")]] if "model" in frame else frame


def _columns(
    frame: pd.DataFrame, decimals: int, percent_decimals: int | None
) -> dict[tuple[str, str], list[str]]:
    """Texts by (group, head); the group is empty where a column is of none."""
    columns = {}
    for name, values in frame.items():
        head, places = _head(name), decimals
        if is_integer_dtype(values):
            places = 0
        elif any(", %" in part for part in head) and is_float_dtype(values):
            places = _percent_places(values, decimals, percent_decimals)
        columns[head] = _texts(values, places)
    return columns


def _texts(values: pd.Series, decimals: int) -> list[str]:
    """The cells of a column as readers see them."""
    if is_datetime64_any_dtype(values):
        values = values.dt.strftime(TIME_FORM)
    elif is_bool_dtype(values):
        values = values.map({True: "yes", False: "no"})
    # A year is a name: 2,025 would be none.
    if is_numeric_dtype(values) and values.name != "year":
        return [written(value, decimals) for value in values]
    return [
        written(value, decimals)
        if isinstance(value, float)
        else MISSING
        if pd.isna(value)
        else str(value)
        for value in values
    ]


def _table_html(
    columns: Mapping[tuple[str, str], list[str]],
    caption: str | None = None,
    sections: Sequence[str] = (),
) -> str:
    """Columns of text as a table whose cells carry their column's class, for the page to set."""
    kinds = [_kind(texts) for texts in columns.values()]

    def row(tag: str, texts: Iterable[str]) -> str:
        cells = zip(kinds, texts, strict=True)
        lines = [f"      <{tag}{kind}>{html.escape(text)}</{tag}>\n" for kind, text in cells]
        return f"    <tr>\n{''.join(lines)}    </tr>\n"

    said = "" if caption is None else f"<caption>{html.escape(caption)}</caption>"
    heads = _groups_html(group for group, _ in columns) + row("th", (head for _, head in columns))
    body = ""
    for place, texts in enumerate(zip(*columns.values(), strict=True)):
        # A slice, so that the first row has nothing before it to be equal to.
        if sections and sections[place] not in sections[max(place - 1, 0) : place]:
            name = html.escape(sections[place])
            spanned = f'<th colspan="{len(columns)}"><span>{name}</span></th>'
            body += f'    <tr class="section">\n      {spanned}\n    </tr>\n'
        body += row("td", texts)
    return (
        f'<table class="dataframe data">\n  {said}<thead>\n{heads}  </thead>\n'
        f"  <tbody>\n{body}  </tbody>\n</table>"
    )


def _groups_html(groups: Iterable[str]) -> str:
    """The row above the heads that says what group they are of; none where there are no groups."""
    runs = [(group, len(list(run))) for group, run in groupby(groups)]
    if not any(group for group, _ in runs):
        return ""
    cells = [
        f'      <th class="group" colspan="{count}">{html.escape(group)}</th>\n'
        if group
        else "      <td></td>\n" * count
        for group, count in runs
    ]
    return f"    <tr>\n{''.join(cells)}    </tr>\n"


def _kind(texts: list[str]) -> str:
    """The class of a column: numbers to the right, dates unbroken, words not squeezed."""
    if all(_NUMBER.fullmatch(text) for text in texts):
        return ' class="num"'
    if all(_DATE.fullmatch(text) for text in texts):
        return ' class="date"'
    longest = max(map(len, texts))
    if longest > _SENTENCE:
        return ' class="sentence"'
    return ' class="words"' if longest > _WORDS else ""


def leave_out() -> None:
    """Say to the page that this section has nothing to show in this study: it is not rendered."""
    display(HTML('<p class="left-out" hidden>Nothing to show in this study.</p>'))


def failures(messages: Mapping[str, str]) -> None:
    """Warn of models that could not be trained; nothing where all were."""
    if messages:
        reasons = failures_by_reason(messages)
        rows = "\n".join(
            f"<li>{html.escape(names)}: {html.escape(message)}</li>"
            for names, message in reasons.items()
        )
        head = "<p><strong>Not trained, and missing from all that follows:</strong></p>"
        display(HTML(f"{head}\n<ul>\n{rows}\n</ul>"))


def failures_by_reason(messages: Mapping[str, str]) -> dict[str, str]:
    """Reasons by the models, with their seeds, that each holds for: every reason is said once."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for name, message in messages.items():
        model, _, seed = name.partition(" seed ")
        reasons.setdefault(message, {}).setdefault(model, []).append(seed)
    return {
        ", ".join(starmap(_with_seeds, by_model.items())): text
        for text, by_model in reasons.items()
    }


def _with_seeds(model: str, seeds: list[str]) -> str:
    several = "s" if len(seeds) > 1 else ""
    return f"{model} seed{several} {' '.join(seeds)}" if any(seeds) else model


def _head(name: Any) -> tuple[str, str]:
    """A column's group, empty where it has none, and its head."""
    parts = name if isinstance(name, tuple) else ("", name)
    group, head = (
        str(part).replace("_pct", ", %").replace("_percent", ", %").replace("_", " ")
        for part in parts
    )
    return group, head


def _percent_places(values: pd.Series, decimals: int, places: int | None) -> int:
    if places is not None:
        return places
    return min(decimals, 1 if values.abs().max() >= 10 else 2)


def picture_element(text: Markup) -> None:
    """Show a picture that is made of marks of its own, such as `plots.weeks.weeks_html`."""
    display(HTML(str(text)))


def answer(text: str) -> None:
    """Show the notebook's closing words (Markdown), made from its numbers."""
    display(Markdown(text))
