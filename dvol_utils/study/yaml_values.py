"""YAML as a study is written in: plain values, each key once, and no time before its reader."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from dvol_utils.study.limits import STUDY_CHARACTERS, STUDY_LEVELS


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses what plain YAML would read as something else, or without end.

    A key written twice: plain YAML keeps the last one. A reference to another value: a few lines of
    them unfold to more than any memory. Times stay text, so that `times.read_time` alone reads
    them: YAML would take 2024-1-4 for one, too.
    """

    levels = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            self._refuse(f"found a reference *{event.anchor}; should be the value itself", event)
        if self.levels > STUDY_LEVELS:
            self._refuse(f"found more than {STUDY_LEVELS} levels of nested values", event)
        self.levels += 1
        node = super().compose_node(parent, index)
        self.levels -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        # As they are constructed: two ways to write a key may be one key, and one way two.
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            self._refuse(f"key {twice[0]!r} stands twice", node)
        return super().construct_mapping(node, deep)

    def _refuse(self, why: str, place: yaml.Event | yaml.Node) -> None:
        raise yaml.constructor.ConstructorError(None, None, why, place.start_mark)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag != "tag:yaml.org,2002:timestamp"]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(text: str) -> Any:
    """The plain values of a YAML text.

    Raises
    ------
    yaml.YAMLError
        Broken, longer than `STUDY_CHARACTERS`, a key that stands twice, a reference, or values
        nested without end.
    """
    if len(text) > STUDY_CHARACTERS:
        raise yaml.YAMLError(
            f"found {len(text):,} characters; should be at most {STUDY_CHARACTERS:,}"
        )
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a safe loader)
    except ValueError as error:  # of its readers of numbers
        raise yaml.YAMLError(str(error)) from None
