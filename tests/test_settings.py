"""SET and --set: several settings in one text, values with blanks, and what is none."""

from __future__ import annotations

import re

import pytest
import yaml

from dvol_utils.study.limits import STUDY_CHARACTERS
from dvol_utils.study.params import ParameterError
from dvol_utils.study.settings import parse_settings
from dvol_utils.study.yaml_values import read_yaml


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training.epochs=3", {"training.epochs": 3}),
        ("training.epochs = 3", {"training.epochs": 3}),
        ("  training.epochs= 3  ", {"training.epochs": 3}),
        ("training.learning_rate=5.0e-4", {"training.learning_rate": 5e-4}),
        ("title=a=b", {"title": "a=b"}),
        ("models=[persistence, har]", {"models": ["persistence", "har"]}),
        ("data.start=", {"data.start": None}),
        ("data.start= data.end=", {"data.start": None, "data.end": None}),
        ("a=[0, 1] b=0.05", {"a": [0, 1], "b": 0.05}),
        ("a=[[0, 1], [2]]  b=x", {"a": [[0, 1], [2]], "b": "x"}),
        ("a={dvol: {close: value}} b=1", {"a": {"dvol": {"close": "value"}}, "b": 1}),
        ("a=2021-01-01 05:00 b=2022-01-01", {"a": "2021-01-01 05:00", "b": "2022-01-01"}),
        ("title=My own study a=1", {"title": "My own study", "a": 1}),
        ("title=Don't stop a=1", {"title": "Don't stop", "a": 1}),
        ("title='a b=c' a=1", {"title": "a b=c", "a": 1}),
        ('title="a \\"b=c\\"" a=1', {"title": 'a "b=c"', "a": 1}),
        ("a=['x y=1', 2] b=3", {"a": ["x y=1", 2], "b": 3}),
        ("a=1\n\tb=2", {"a": 1, "b": 2}),
    ],
)
def test_settings_apart_by_blanks(text, expected):
    assert parse_settings([text]) == expected


def test_one_text_or_several_say_the_same_and_the_last_one_counts():
    assert parse_settings(["a=1 b=2", "a=3"]) == parse_settings(["b=2", "a=3"]) == {"a": 3, "b": 2}


@pytest.mark.parametrize(
    "text", ["", "epochs", "=3", "3", "epochs 3 a=1", "-a=1", "a.b: 3", "[a=1]"]
)
def test_what_names_no_key(text):
    message = f"override {text!r}: should read key=value, e.g. training.epochs=3"
    with pytest.raises(ParameterError, match=f"^{re.escape(message)}$"):
        parse_settings([text])


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("training.seeds=[0,", "training.seeds", "[0,"),
        ("training.seeds=[0, 1 jumps.alpha=0.05", "training.seeds", "[0, 1"),
        ("a=1]", None, None),
        ("a={", "a", "{"),
        ("a='x", "a", "'x"),
        ("a=x: y: z", "a", "x: y: z"),
        ("a=&x [*x]", "a", "&x [*x]"),
        ("a=@x", "a", "@x"),
        ("a=%x", "a", "%x"),
        ("a=!!python/name:os.system", "a", "!!python/name:os.system"),
        ("a=" + "[" * 40 + "]" * 40, "a", "[" * 40 + "]" * 40),
    ],
)
def test_a_value_that_is_none_is_told_in_our_own_words(text, key, value):
    if key is None:
        assert parse_settings([text]) == {"a": "1]"}
        return
    with pytest.raises(ParameterError) as caught:
        parse_settings([text])
    assert str(caught.value) == (
        f"override {key}: found {value!r}; should be one value: a number, words, a list such as "
        "[0, 1], or text in quotes where it holds brackets, colons or quotes"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &x [1]\nb: *x\n", r"found a reference \*x; should be the value itself"),
        ("a: &x {c: 1}\nb: {<<: *x}\n", "found a reference"),
        ("a: " + "[" * 5_000, "found more than 20 levels of nested values"),
        ("a: " + "{b: " * 5_000, "found more than 20 levels of nested values"),
        ("a: x\n" * 2, "key 'a' stands twice"),
        ("a: '" + "x" * STUDY_CHARACTERS + "'", "characters; should be at most 200,000"),
        ("a: !!timestamp 2021-13-40", "month must be in 1..12"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
    ],
)  # fmt: skip
def test_yaml_that_would_be_read_otherwise_or_without_end_is_refused(text, why):
    with pytest.raises(yaml.YAMLError, match=why):
        read_yaml(text)


def test_yaml_leaves_times_to_their_reader():
    assert read_yaml("[2021-03-01, 2021-3-1 5:00:00]") == ["2021-03-01", "2021-3-1 5:00:00"]
