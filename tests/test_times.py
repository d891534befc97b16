"""Times as people write them: one reader for the command line, SET and a study's file."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta, timezone

import pandas as pd
import pytest
from test_cli import dvol

from dvol_utils.study.command_line import time_of
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import ParameterError
from dvol_utils.study.settings import parse_settings
from dvol_utils.study.times import read_day, read_time

EAST = timezone(timedelta(hours=2))
DAY = pd.Timestamp("2023-07-13", tz="UTC")
FIVE = pd.Timestamp("2023-07-13 05:00", tz="UTC")
READ = [
    ("2023-07-13", DAY),
    ("2023-07-13 05", FIVE),
    ("2023-07-13 05:00", FIVE),
    ("2023-07-13T05:00:00", FIVE),
    ("2023-07-13T05:00:00.000Z", FIVE),
    ("2023-07-13 07:00+02:00", FIVE),
    ("2023-07-13t07:00+0200", FIVE),
    ("2023-07-12 23:00-06", FIVE),
    (" 2023-07-13 05:00 ", FIVE),
    (date(2023, 7, 13), DAY),
    (datetime(2023, 7, 13, 5), FIVE),
    (datetime(2023, 7, 13, 7, tzinfo=EAST), FIVE),
    (pd.Timestamp("2023-07-13 07:00", tz="Europe/Berlin"), FIVE),
]
NO_TIMES = [
    *("13/07/2023", "01/07/2023", "07-13-2023", "13.07.2023", "July 13 2023", "2023-7-13"),
    *("2023-07", "2023", "20230713", "2023-W28-4", "2023-194", "2023-07-13 5:00"),
    *("2023-13-01", "2023-06-31", "2023-07-13 24:00", "2023-07-13 05:60"),
    *("2023-07-13 05:00 UTC", "2023-07-13 05:00 Europe/Berlin", "2023-07-13 05:00 PM"),
    *("today", "yesterday", "NOW", "", "NaT", "nan", "0023-07-13", "9999-01-01"),
    "\uff12\uff10\uff12\uff13-07-13",  # digits of another script
    *(20230713, 1689206400, 1689206400000, 1.5, True, None, pd.NaT, ["2023-07-13"]),
]


@pytest.mark.parametrize(("written", "meant"), READ, ids=repr)
def test_iso_8601_is_read_and_is_utc_without_an_offset(written, meant):
    assert read_time(written) == meant
    assert str(read_time(written).tz) == "UTC"


@pytest.mark.parametrize("written", NO_TIMES, ids=repr)
def test_nothing_else_is_a_time(written):
    with pytest.raises(ValueError, match=r"^should be ISO 8601, such as 2024-11-22 05:00 \(UTC\)"):
        read_time(written)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_now_is_now_in_utc_wherever_it_is_asked_for(monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        off = read_time("now", now=True) - pd.Timestamp(time.time(), unit="s", tz="UTC")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert abs(off) < pd.Timedelta(seconds=10)


def test_a_study_never_ends_now():
    with pytest.raises(ValueError, match="should be ISO 8601"):
        read_time("now")


@pytest.mark.parametrize("option", ["--at", "--from", "--to"])
def test_the_command_line_names_option_found_and_valid(option):
    assert time_of(None, option) is None
    assert time_of("2023-07-13 07:00+02:00", option) == FIVE
    with pytest.raises(ParameterError, match=rf"^{option}: found '13/07/2023'; .*, or now$"):
        time_of("13/07/2023", option)


@pytest.mark.parametrize(
    "words",
    [["forecast", "--at"], ["score", "--from"], ["score", "--to"], ["data", "--from"],
     ["data", "--to"]],
)  # fmt: skip
def test_every_command_reads_times_alike(tmp_project, words):
    command, option = words
    more = ["--set", "data.source=raw_store"] if command == "data" else []
    for text in ("13/07/2023", "yesterday", "20230713"):
        said = dvol(command, "--study", "tiny", option, text, *more, status=2)
        assert said.startswith(f"dvol: {option}: found '{text}'; should be ISO 8601, such as")


TIMES = ["split.test_start", "data.start", "data.end", "data.simulated.start"]


@pytest.mark.parametrize("key", TIMES)
@pytest.mark.parametrize("written", ["01/07/2023", "20230713", "1689206400", "now", "2023-7-1"])
def test_set_and_overrides_refuse_what_is_no_time(tmp_project, key, written):
    for overrides in (parse_settings([f"{key}={written}"]), {key: written}):
        with pytest.raises(ParameterError, match=rf"{key}: found '?{written}'?; should be ISO"):
            load_study("tiny", overrides)


@pytest.mark.parametrize("written", [w for w, _ in READ if isinstance(w, str)])
def test_file_set_and_overrides_read_the_same_time(tmp_project, written):
    moved = written.replace("2023-07", "2021-03").strip()
    meant = read_time(moved)
    path = tmp_project / "params/tiny.yaml"
    given = [{"split.test_start": moved}, parse_settings([f"split.test_start={moved}"])]
    assert {load_study("tiny", overrides).split.test_start for overrides in given} == {meant}
    path.write_text(path.read_text().replace("2021-03-01 00:00", moved))
    assert load_study("tiny").split.test_start == meant


@pytest.mark.parametrize("written", ["2021-3-1", "2021-3-1 5:00:00", "01/03/2021", "1614556800"])
def test_a_file_is_no_more_lenient_than_the_command_line(tmp_project, written):
    """YAML itself would take the first two for times."""
    path = tmp_project / "params/tiny.yaml"
    path.write_text(path.read_text().replace("2021-03-01 00:00", written))
    with pytest.raises(ParameterError, match=rf"split\.test_start: found '?{written}'?; should be"):
        load_study("tiny")


@pytest.mark.parametrize("written", ["2021-02-03", date(2021, 2, 3)])
def test_a_day(tmp_project, written):
    assert read_day(written) == date(2021, 2, 3)
    events = load_study("tiny", {"jumps.events": [written]}).jumps.events
    assert events == [date(2021, 2, 3)]


@pytest.mark.parametrize(
    "written", ["03/02/2021", "2021-2-3", "2021-02-30", 20210203, 1612310400, "2021-02-03 12:00",
                datetime(2021, 2, 3), True, None],
)  # fmt: skip
def test_what_is_no_day(tmp_project, written):
    with pytest.raises(ParameterError, match=r"jumps\.events\.0: found .*; should be a day in ISO"):
        load_study("tiny", {"jumps.events": [written]})
