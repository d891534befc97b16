"""`docs/parameters.md`, made from the models that check a study: it cannot tell another story."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pandas as pd
from pydantic.fields import FieldInfo

from dvol_utils.study.data_section import Asset, Day, Frequency, Hour, Section
from dvol_utils.study.params import StudyParams

_INTRO = """\
# Parameters

Every key of a study's file `params/<study>.yaml`. Made by `.venv/bin/dvol reference > \
docs/parameters.md` from the models that check the files; not to be edited by hand.

- A key that is left out has its default. `data` and `split` have to be there, and so have keys \
whose default is "required"; only `name` is taken from the file's name.
- `jumps.alpha` is the key `alpha` under `jumps:`. Without touching a file: \
`SET="jumps.alpha=0.05"` for `make`, `--set jumps.alpha=0.05` for `dvol`, \
`overrides = {"jumps.alpha": 0.05}` in a notebook.
- Unknown keys, wrong types, values out of range and keys that contradict each other are refused \
with file, key, what was found and what would be valid. Numbers are finite.
- A time is ISO 8601: `2024-11-22 05:00` or `2024-11-22` in UTC, `2024-11-22T07:00+02:00` with an \
offset. The command line reads times alike, and there alone `now` is one.
- `SET` and `--set` take several settings apart by blanks, such as \
`training.seeds=[0, 1] jumps.alpha=0.05`. Text that holds ` key=` stands in quotes. \
References (`&`, `*`) are refused, and so are keys that stand twice.
- A key that is set, in a file or without touching one, has to change something. It is refused \
where it reaches no model of the study (`training.epochs` where `lstm_tuned` is the only network, \
`ensemble.members` without `ensemble`) or only a page that the study does not have. A file is \
judged by its own models, and may spell out defaults; an override is judged by the models that \
there are with it. `dvol train` adds the network that it trains.
- `.venv/bin/dvol params --study <study>` shows the values that a study has, and which of \
them have no effect in it."""
_HEAD = "| key | type and range | default | meaning |\n| --- | --- | --- | --- |"
_NAMES = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "true or false",
    Path: "path",
    date: "date",
    pd.Timestamp: "time",
    type(None): "null",
}
_CHECKED = {
    get_args(kind)[1].func: name
    for kind, name in (
        (Hour, "full hour (UTC)"),
        (Day, "date"),
        (Asset, "2 to 12 capital letters or digits"),
        (Frequency, "minutes that divide an hour, or hours that divide a day"),
    )
}


def parameter_reference() -> str:
    """Every parameter of a study as Markdown: key, type and range, default and meaning.

    Returns
    -------
    str
        A heading and a table for each section, in the order of the models.
    """
    blocks = [_INTRO, *_blocks(StudyParams, "")]
    return "\n\n".join(blocks) + "\n"


def _blocks(section: type[Section], prefix: str) -> Iterator[str]:
    """Heading, purpose and table of a section, then those of the sections in it."""
    rows, below = [_HEAD], []
    for key, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            below.append((field.annotation, f"{prefix}{key}."))
        else:
            rows.append(_row(prefix + key, field))
    purpose = inspect.cleandoc(section.__doc__ or "").splitlines()[0]
    yield f"## {prefix.removesuffix('.') or 'Keys of no section'}"
    yield purpose if prefix else "The study's name and title, its models, and which pages it has."
    if len(rows) > 1:
        yield "\n".join(rows)
    for inner, name in below:
        yield from _blocks(inner, name)


def _row(key: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else f"`{_value(field.default)}`"
    cells = f"`{key}`", _type(field.annotation, field.metadata), default, field.description or ""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _type(kind: Any, limits: Sequence[Any]) -> str:
    """A type in words, with the limits of its values."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _type(parts[0], [*limits, *_flat(parts[1:])])
    if origin in (Union, types.UnionType):
        return ", or ".join(_type(part, limits) for part in parts)
    if origin is Literal:
        *others, last = (f"`{value}`" for value in parts)
        return f"{', '.join(others)} or {last}" if others else last
    if origin is list:
        filled = "non-empty list" if _limit(limits, "min_length") else "list"
        return f"{filled}, each: {_type(parts[0], [])}"
    if origin is dict:
        return f"mapping of {_type(parts[0], [])} to {_type(parts[1], [])}"
    checked = [_CHECKED[item.func] for item in limits if getattr(item, "func", None) in _CHECKED]
    return checked[0] if checked else _NAMES[kind] + _range(kind, limits)


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    for item in metadata:
        yield from item.metadata if isinstance(item, FieldInfo) else [item]


def _range(kind: Any, limits: Sequence[Any]) -> str:
    if kind is str:
        pattern = _limit(limits, "pattern")
        filled = ", not empty" if _limit(limits, "min_length") else ""
        return filled if pattern is None else f" matching `{pattern}`"
    if kind not in (int, float):
        return ""
    words = {"gt": "above", "ge": "from", "lt": "and below", "le": "to"}
    limits_there = {name: _limit(limits, name) for name in words}
    return "".join(
        f" {words[name]} {value:,}" for name, value in limits_there.items() if value is not None
    )


def _limit(limits: Sequence[Any], name: str) -> Any:
    return next((getattr(item, name) for item in limits if hasattr(item, name)), None)


def _value(value: Any) -> str:
    """A default as a study's file would have it."""
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d %H:%M}"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)
