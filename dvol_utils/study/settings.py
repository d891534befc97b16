"""Parameters on a command line: `--set` of `dvol`, and SET of `make`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from dvol_utils.study.params import ParameterError
from dvol_utils.study.yaml_values import read_yaml

# After a blank or at the beginning, so that a sign within a value begins no key.
_KEY = re.compile(r"(?:^|(?<=\s))([A-Za-z_][A-Za-z0-9_.]*)\s*=")
_QUOTED = re.compile(r"""(?<![^\s=,:\[{])("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')""")
_BRACKETED = re.compile(r"\[[^][{}]*\]|\{[^][{}]*\}")


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Read settings such as `training.epochs=3 training.seeds=[0, 1]`.

    Parameters
    ----------
    texts : iterable of str
        Each holds one setting or several, apart by blanks. A value reaches up to the next
        `key=`, so that it may hold blanks; between quotes or brackets it may hold `key=`, too.

    Returns
    -------
    dict
        YAML values by dotted key; a later one takes the place of an earlier one.

    Raises
    ------
    ParameterError
        No key, or a value that is none; quotes what was found and says how it is written.
    """
    return dict(pair for text in texts for pair in _pairs(text.strip()))


def _pairs(text: str) -> Iterator[tuple[str, Any]]:
    starts = list(_KEY.finditer(_masked(text)))
    if not starts or starts[0].start() > 0:
        raise ParameterError(f"override {text!r}: should read key=value, e.g. training.epochs=3")
    ends = [*(start.start() for start in starts[1:]), len(text)]
    for start, end in zip(starts, ends, strict=True):
        value = text[start.end() : end].strip()
        try:
            yield start[1], read_yaml(value)
        except yaml.YAMLError:
            raise ParameterError(
                f"override {start[1]}: found {value!r}; should be one value: a number, words, a "
                "list such as [0, 1], or text in quotes where it holds brackets, colons or quotes"
            ) from None


def _masked(text: str) -> str:
    """The text with what stands in quotes or brackets made unreadable, at the same places."""
    text, count = _QUOTED.sub(lambda quoted: "." * len(quoted[0]), text), 1
    # From the innermost brackets outward.
    while count:
        text, count = _BRACKETED.subn(lambda inner: "." * len(inner[0]), text)
    return text
