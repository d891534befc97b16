"""Figures, tables and notices as a notebook shows them, in JupyterLab and on the site alike."""

from __future__ import annotations

import base64
import functools
import html
import io
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, Markdown, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dvol_utils.plots.style import fit_titles
from dvol_utils.study.params import StudyParams, describe
from dvol_utils.wording.numbers import MISSING, TIME_FORM, written

SIMULATED_NOTICE = (
    "Simulated data: every number on this page comes from a simulated market with known jumps. "
    "It shows that the method works, not how Bitcoin's DVOL behaves."
)
_SHOWN = 0.7  # pixels of a page for each of an image, which stays sharp on dense screens


def study_header(study: StudyParams) -> None:
    """Title, notice where data is simulated, and the effective parameters, folded away."""
    parts = [f'<p class="study"><strong>{html.escape(study.title)}</strong> ({study.name})</p>']
    if study.is_simulated:
        parts.append(f'<p class="simulated" role="note">{SIMULATED_NOTICE}</p>')
    if study.trial:
        changes = "; ".join(
            f"{key} is {now} in place of {then}" for key, (now, then) in study.trial.changes.items()
        )
        parts.append(
            f'<p class="trial" role="note">Trial: {html.escape(changes)}. What this notebook makes '
            f"goes to runs/{study.name}/trials/{study.trial.name}; the study's run and its pages "
            "stay as they are.</p>"
        )
    first, *others = study.data.assets
    if others:
        parts.append(
            f'<p role="note">Assets: {", ".join(study.data.assets)}. The pages on jumps, training, '
            f"regimes and significance are about {first}, those on the data and on several assets "
            "about all.</p>"
        )
    rows = describe(study).to_html(index=False, border=0, classes="data", escape=True)
    parts.append(f"<details><summary>Effective parameters</summary>{rows}</details>")
    display(HTML("\n".join(parts)))


def figure(plot: Axes | Figure, caption: str, alt: str) -> None:
    """Show a figure with its caption and its text for readers who cannot see it, then close it."""
    image = picture(plot if isinstance(plot, Figure) else plot.get_figure())
    display(
        HTML(
            f'<figure><img src="data:image/png;base64,{image["image"]}" '
            f'width="{image["width"]}" height="{image["height"]}" alt="{html.escape(alt)}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )
    )


def picture(figure: Figure) -> dict[str, Any]:
    """A figure as pages hold it, and closed: `image` (PNG, base64), `width`, `height` (CSS pixels).

    All figures have letters of the same size, whatever their width.
    """
    fit_titles(figure)
    buffer = io.BytesIO()
    settings = {"dpi": 144, "bbox_inches": "tight", "pil_kwargs": {"optimize": True}}
    figure.savefig(buffer, format="png", **settings, metadata={"Software": None})
    plt.close(figure)
    png = buffer.getvalue()
    width, height = (round(_SHOWN * int.from_bytes(png[i : i + 4])) for i in (16, 20))
    return {"image": base64.b64encode(png).decode(), "width": width, "height": height}


def table(
    frame: pd.DataFrame,
    caption: str,
    *,
    decimals: int = 3,
    percent_decimals: int | None = None,
    index: bool = False,
) -> None:
    """Show a table with its caption; numbers rounded for reading, the files keep them whole.

    Times are UTC and shown to the minute; `share_pct` heads its column as "share, %". Percentages
    have no more than two decimals, and one where a column reaches ten, unless `percent_decimals`
    says how many. A table without rows is words: its caption, and that there is none.
    """
    if frame.empty:
        display(Markdown(f"{caption}: none in this study."))
        return
    times = frame.select_dtypes(["datetime", "datetimetz"]).columns
    frame = frame.assign(**{name: frame[name].dt.strftime(TIME_FORM) for name in times})
    yes_no = {
        name: frame[name].map({True: "yes", False: "no"}) for name in frame.select_dtypes(bool)
    }
    frame = frame.assign(**yes_no).rename(columns=_head)
    places = {
        name: _percent_places(frame[name], decimals, percent_decimals)
        for name in frame.select_dtypes("float").columns
        if ", %" in str(name)
    }
    body = frame.to_html(
        index=index,
        border=0,
        classes="data",
        escape=True,
        na_rep=MISSING,
        float_format=lambda value: written(value, decimals),
        formatters={
            name: functools.partial(written, decimals=number) for name, number in places.items()
        }
        | {
            name: functools.partial(written, decimals=0)
            for name in frame.select_dtypes("integer").columns
            if name != "year"
        },
    )
    caption_html = f"<caption>{html.escape(caption)}</caption>"
    display(HTML(body.replace("<thead>", f"{caption_html}<thead>", 1)))


def failures(messages: Mapping[str, str]) -> None:
    """Warn of models that could not be trained; nothing where all were."""
    if messages:
        rows = "\n".join(f"- {name}: {message}" for name, message in messages.items())
        display(Markdown(f"**Not trained, and missing from all that follows:**\n\n{rows}"))


def _head(name: str) -> str:
    return str(name).replace("_pct", ", %").replace("_percent", ", %").replace("_", " ")


def _percent_places(values: pd.Series, decimals: int, asked: int | None) -> int:
    if asked is not None:
        return asked
    return min(decimals, 1 if values.abs().max() >= 10 else 2)


def answer(text: str) -> None:
    """Show the notebook's closing words (Markdown), made from its numbers."""
    display(Markdown(text))
