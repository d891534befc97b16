"""The parameters in force: as plain values, compared, hashed, described."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pandas as pd

from dvol_utils.study.data_section import NO_RESULT, Section
from dvol_utils.study.params import StudyParams


def effective(study: StudyParams, sections: Iterable[str] | None = None) -> dict[str, Any]:
    """The parameters as plain JSON values, all or some top-level keys of them."""
    include = set(sections) if sections is not None else None
    plain = study.model_dump(include=include)
    # Through JSON and back: times and paths become the text that a manifest holds.
    return json.loads(json.dumps(plain, default=str))


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters by their dotted keys."""
    flattened: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        flattened |= flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flattened


def neutral_keys() -> frozenset[str]:
    """Parameters whose field says that they change no result, by their dotted keys."""
    return frozenset(_neutral(StudyParams, ""))


def changed(
    now: Mapping[str, Any], then: Mapping[str, Any], *, neutral: Collection[str] | None = None
) -> dict[str, tuple[Any, Any]]:
    """Parameters that differ between two studies, as `effective` gives them.

    Parameters
    ----------
    now, then : mapping
    neutral : collection of str, optional
        Dotted keys that are left out; by default `neutral_keys`.

    Returns
    -------
    dict
        By dotted key, in order: the value now and the value then, None where there is none.
    """
    one, other = flat(now), flat(then)
    left_out = neutral_keys() if neutral is None else neutral
    return {
        key: (one.get(key), other.get(key))
        for key in sorted({*one, *other} - set(left_out))
        if one.get(key) != other.get(key)
    }


def parameters_hash(study: StudyParams, sections: Iterable[str] | None = None) -> str:
    """Hash of the effective parameters (12 hex digits), of all or some top-level keys.

    Those that change no result (`neutral_keys`) do not enter; of raw files a run records hashes.
    """
    values = effective(study, sections)
    for key in neutral_keys():
        section, _, name = key.partition(".")
        values.get(section, {}).pop(name, None)
    # Sorted, so that the order of keys in a file makes no other study.
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def describe(study: StudyParams) -> pd.DataFrame:
    """Effective parameters, one per row: `parameter, value, meaning`."""
    rows = list(_describe(study, prefix=""))
    return pd.DataFrame(rows, columns=["parameter", "value", "meaning"])


def _describe(section: Section, prefix: str) -> Iterable[tuple[str, str, str]]:
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, Section):
            yield from _describe(value, f"{prefix}{key}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield prefix + key, text, field.description or ""


def _neutral(section: type[Section], prefix: str) -> Iterable[str]:
    for key, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _neutral(field.annotation, f"{prefix}{key}.")
        elif field.json_schema_extra == NO_RESULT:
            yield prefix + key
