from __future__ import annotations

from dvol_utils.data.fetching.http import FlawedResponseError
from dvol_utils.wording.text import printable


def test_control_characters_reach_no_terminal():
    assert printable("a\x1b[31mb\x07\x9bc\nd – é") == "a?[31mb??c\nd – é"


def test_a_servers_words_are_cleaned():
    assert str(FlawedResponseError("it said \x1b]0;title\x07")) == "it said ?]0;title?"
