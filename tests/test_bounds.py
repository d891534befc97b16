"""Answers and files that are larger, deeper or slower than real ones: refused before they unpack.

Bounds are lowered, so that the input is small; one answer that unpacks to 200 MB is read by a
process of its own, whose memory is measured.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from slow_server import head, serving

from dvol_utils.data.fetching.http import TRIES, FetchError, open_client
from dvol_utils.data.fetching.manifest import read_manifest
from dvol_utils.data.fetching.merge import read_raw
from dvol_utils.data.fetching.pages import unfinished_job
from dvol_utils.data.raw.files import RawStoreError
from dvol_utils.data.raw.store import manifest_entries, read_series, series_path
from dvol_utils.serving.saved_models import ServingError, _panel
from dvol_utils.study import limits
from dvol_utils.study.bounded import OversizeError, parse_json, read_bytes
from dvol_utils.study.files import ArtefactError, file_hash, read_json
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import ParameterError
from dvol_utils.study.tables import read_table, write_table
from dvol_utils.training.checkpoints.resume import TrainState
from dvol_utils.training.checkpoints.sealed import (
    CheckpointError,
    check_file,
    read_sealed,
    write_sealed,
)

START, HOUR = 1_609_459_200_000, 3_600_000
DEEP = b"[" * 100_000


class Answered:
    """What came of one request, and how often it was made."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        with serving(lambda: iter(pieces)) as place:
            urls = {"deribit": f"http://user:secret@{place}/api"}
            with open_client(urls, log=lambda line: None, sleep=lambda s: None) as client:
                self.url = f"http://{place}/api/x"
                try:
                    self.result = client.get("deribit", "x", {}, what="Test", parse=lambda x: x)
                except FetchError as error:
                    self.error = str(error)
                self.requests = client.requests


def packed(content: bytes) -> list[bytes]:
    return [head("Content-Encoding: gzip"), gzip.compress(content)]


def endless() -> Iterator[bytes]:
    yield head()
    while True:
        yield b" " * 1_000


def dripping(first: bytes, byte: bytes) -> Iterator[bytes]:
    yield first
    while True:
        time.sleep(0.02)
        yield byte


class Again:
    """Pieces that begin anew for each request."""

    def __init__(self, make, *args) -> None:
        self.make, self.args = make, args

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.make(*self.args))


def test_an_answer_within_bounds_is_read_packed_or_not():
    assert Answered(packed(b'{"result": 1}')).result == {"result": 1}
    assert Answered([head(), b'{"result":', b" 2}"]).result == {"result": 2}
    assert Answered([head("Content-Encoding: identity"), b'{"result": 3}']).result == {"result": 3}


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        (packed(b"[" + b" " * 200_000 + b"]"), "more than 10,000 bytes unpacked"),
        (Again(endless), "more than 10,000 bytes sent"),
        ([head("Content-Length: 200000000")], "200,000,000 bytes announced"),
    ],
    ids=["packed", "endless", "announced"],
)
def test_an_answer_that_is_too_large_is_refused_at_once(monkeypatch, pieces, found):
    monkeypatch.setattr(limits, "ANSWER_BYTES", 10_000)
    answered = Answered(pieces)
    assert answered.requests == 1
    assert answered.error == (
        f"Test: the answer of {answered.url} is too large: {found}; should be at most 10,000; none "
        "to this request should be: look at the address, or give another with --base-url"
    )


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (DEEP, "found more than 64 levels of nested values; should be fewer"),
        (
            b"[" + b"[]," * 500_000 + b"0]",
            "found about 1,000,001 values; should be at most",
        ),
    ],
)
def test_an_answer_of_too_many_or_nested_values_is_refused_at_once(content, found):
    answered = Answered(packed(content))
    assert answered.requests == 1
    assert f"Test: the answer of {answered.url} is too large: {found}" in answered.error


@pytest.mark.parametrize(
    ("first", "byte"),
    [(head(), b" "), (head("Content-Length: 9000"), b" "), (b"HTTP/1.1 200 OK\r\nX: ", b"x")],
    ids=["body", "body of a length", "headers"],
)
def test_an_answer_that_comes_byte_by_byte_ends_with_its_time(monkeypatch, first, byte):
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 0.3)
    answered = Answered(Again(dripping, first, byte))
    assert answered.requests == 2
    assert answered.error == (
        f"Test: {answered.url} did not finish its answer in 0.3 s, the longest that is waited: run "
        "the command again on a faster connection, or give another address with --base-url "
        "(tried 2 times)"
    )


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        ([head("Content-Encoding: br"), b"x"], "packed as 'br'; should be gzip or plain"),
        ([head("Content-Encoding: gzip"), b"{}"], "not readable as gzip ("),
        ([head("Content-Encoding: gzip"), gzip.compress(b'{"a": 1}')[:-9]], "is cut short"),
    ],
)
def test_a_packing_that_cannot_be_read_is_tried_again(pieces, found):
    answered = Answered(pieces)
    assert answered.requests == TRIES
    assert found in answered.error


def test_a_password_in_an_address_is_in_no_message():
    urls = {"deribit": "http://user:secret@127.0.0.1:9/api"}
    with (
        open_client(urls, log=lambda line: None, sleep=lambda s: None) as client,
        pytest.raises(FetchError) as error,
    ):
        client.get("deribit", "x", {}, what="Test", parse=lambda x: x)
    assert "no connection to http://127.0.0.1:9/api" in str(error.value)
    assert "secret" not in str(error.value)


MEASURED = """
import resource, sys
from dvol_utils.data.fetching.http import FetchError, open_client
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
with open_client({"deribit": sys.argv[1]}, log=print) as client:
    try:
        found = len(client.get("deribit", "x", {}, what="Test", parse=lambda answer: answer))
    except FetchError as error:
        found = error
print(f"{(peak() - before) * 1024} {found}")
"""


def bomb() -> list[bytes]:
    """200 MB of a list of zeros, packed."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    body = [packer.compress(b"[" + b"0," * 500_000)]
    body += [packer.compress(b"0," * 500_000) for _ in range(199)]
    return [head("Content-Encoding: gzip"), *body, packer.compress(b"0]"), packer.flush()]


def costly() -> list[bytes]:
    """As many objects as are let through, in a text that takes four bytes a character."""
    objects = b'{"":{"":0}},' * 160_000
    text = '"' + "\N{GRINNING FACE}" + "x" * (limits.ANSWER_BYTES - len(objects) - 100) + '"'
    return packed(b"[" + objects + text.encode() + b"]")


@pytest.mark.parametrize(("make", "found"), [(bomb, "bytes unpacked"), (costly, "160001")])
def test_one_answer_takes_less_than_300_megabytes(make, found):
    pieces = make()
    with serving(lambda: pieces) as place:
        # By way of a shell: a child's peak begins with that of the process that starts it.
        shell = ["sh", "-c", '"$@"; exit $?', "sh"]
        command = [*shell, sys.executable, "-c", MEASURED, f"http://{place}"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    grown, _, came = said.partition(" ")
    assert found in came
    assert 0 < int(grown) < 300e6


def test_the_deepest_that_is_allowed_is_read_and_brackets_in_texts_do_not_count():
    levels = limits.JSON_LEVELS
    assert parse_json(b"[" * levels + b"]" * levels, most_values=1_000)
    text = {"a": '[[["' * 100, "b\\": "\\\\" + '{"' * 100, "c": [1, {"d": "]"}]}
    assert parse_json(json.dumps(text).encode(), most_values=1_000) == text
    with pytest.raises(OversizeError, match="more than 64 levels"):
        parse_json(b'["\\\\",' * (levels + 1), most_values=1_000)


def test_a_pipe_has_no_size_and_is_read_as_far_as_is_allowed():
    with pytest.raises(OversizeError, match="found more than 1,000 bytes"):
        read_bytes(Path("/dev/zero"), 1_000)


def dvol_csv(rows: int) -> str:
    lines = (f"{START + HOUR * k},60,61,59,60.{k % 90 + 10}" for k in range(rows))
    return "\n".join(["timestamp,dvol_open,dvol_high,dvol_low,dvol_close", *lines, ""])


def refused_series(folder: Path) -> str:
    with pytest.raises(RawStoreError) as error:
        read_series(folder, "BTC", "dvol")
    return str(error.value)


@pytest.mark.parametrize(
    ("limit", "most", "found"),
    [
        ("RAW_BYTES", 1_000, "bytes; should be at most 1,000; keep the hours"),
        ("RAW_ROWS", 50, "found 101 rows; should be at most 50; keep the hours"),
        ("RAW_MARKS", 400, "found 404 commas, quotes and blanks; should be at most 400"),
        ("LINE_BYTES", 30, "line 1: found more than 30 bytes without a line break"),
    ],
)
def test_a_raw_file_that_is_too_large_is_refused(monkeypatch, tmp_path, limit, most, found):
    path = series_path(tmp_path, "BTC", "dvol")
    path.write_text(dvol_csv(100))
    assert len(read_series(tmp_path, "BTC", "dvol")) == 100
    monkeypatch.setattr(limits, limit, most)
    message = refused_series(tmp_path)
    assert message.startswith(f"{path}:")
    assert found in message
    with pytest.raises(RawStoreError, match=re.escape(found)):
        read_raw(path)


def test_an_endless_line_is_named(monkeypatch, tmp_path):
    path = series_path(tmp_path, "BTC", "dvol")
    path.write_text(dvol_csv(10).replace("\n", ",1\n", 1) + "1" * 200_000 + "\n")
    assert f"{path}: line 12: found more than 100,000 bytes without" in refused_series(tmp_path)


def parquet(folder: Path, table: pa.Table) -> Path:
    path = series_path(folder, "BTC", "dvol").with_suffix(".parquet")
    pq.write_table(table, path)
    return path


def equal_rows(rows: int, timestamp: object = START) -> pa.Table:
    columns = dict.fromkeys(("dvol_open", "dvol_high", "dvol_low", "dvol_close"), [60.0] * rows)
    return pa.table({"timestamp": [timestamp] * rows, **columns})


def test_a_parquet_file_of_many_equal_rows_is_refused(monkeypatch, tmp_path):
    path = parquet(tmp_path, equal_rows(100_000))
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(limits, "RAW_ROWS", 50_000)
    message = refused_series(tmp_path)
    assert message.startswith(f"{path}: found 100,000 rows; should be at most 50,000; keep")


def test_a_parquet_file_that_unpacks_to_much_is_refused(monkeypatch, tmp_path):
    table = equal_rows(100_000).set_column(0, "timestamp", pa.array(range(100_000)))
    path = parquet(tmp_path, table)
    size = path.stat().st_size
    monkeypatch.setattr(limits, "RAW_BYTES", size)
    message = refused_series(tmp_path)
    assert re.match(rf"{path}: found [\d,]+ bytes unpacked; should be at most {size:,}", message)


def test_a_long_text_in_every_row_of_a_parquet_file_is_refused(monkeypatch, tmp_path):
    path = parquet(tmp_path, equal_rows(1_000, "x" * 1_000))
    monkeypatch.setattr(limits, "RAW_BYTES", 100_000)
    assert path.stat().st_size < 100_000
    message = refused_series(tmp_path)
    assert f"{path}: found 1,000,000 bytes of text in column timestamp; should be" in message


@pytest.mark.parametrize("content", [DEEP, b'{"files": ' + b"[1]" + b" " * 2_000 + b"}"])
def test_a_json_file_that_is_too_deep_or_too_large_is_refused(monkeypatch, tmp_path, content):
    monkeypatch.setattr(limits, "JSON_BYTES", len(DEEP) if content is DEEP else 1_000)
    for name in ("manifest.json", "job.json", "config.json"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtefactError, match=r"manifest.json: found .*; should be .*: delete it"):
        read_json(tmp_path / "manifest.json")
    with pytest.raises(RawStoreError, match=r"manifest.json: found .*; should be .*; delete it"):
        manifest_entries(tmp_path)
    with pytest.raises(FetchError, match=r"manifest.json is damaged: delete it"):
        read_manifest(tmp_path)
    with pytest.raises(CheckpointError, match=r"config.json is damaged \(OversizeError\('found "):
        read_sealed(tmp_path / "config.json")
    assert unfinished_job(tmp_path) is None


def test_a_json_file_of_too_many_values_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(limits, "JSON_VALUES", 100)
    (tmp_path / "results.json").write_text(json.dumps(list(range(200))))
    with pytest.raises(ArtefactError, match="found about 200 values; should be at most 100"):
        read_json(tmp_path / "results.json")


def test_a_study_file_is_measured_before_it_is_read(tmp_path):
    (tmp_path / "big.yaml").write_bytes(b"\xff" * 900_000)
    with pytest.raises(ParameterError, match="found 900,000 bytes; should be at most 800,000"):
        load_study(tmp_path / "big.yaml")


@pytest.mark.parametrize(
    ("limit", "most", "found"),
    [
        ("TABLE_BYTES", 500, r"found [\d,]+ bytes; should be at most 500"),
        ("TABLE_CELLS", 5, "found 10 cells; should be at most 5"),
    ],
)
def test_a_table_that_is_too_large_is_refused(monkeypatch, tmp_project, limit, most, found):
    study = load_study("tiny")
    path = write_table(study, "panel", pd.DataFrame({"a": range(5), "b": ["x"] * 5}))
    assert list(read_table(study, "panel")["b"]) == ["x"] * 5
    monkeypatch.setattr(limits, limit, most)
    with pytest.raises(ArtefactError, match=f"{path}: {found}: no run leaves that much: run"):
        read_table(study, "panel")
    with pytest.raises(ServingError, match=f"{path}: {found}: no run leaves that much"):
        _panel(path)


def test_a_checkpoint_that_is_too_large_is_refused(monkeypatch, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"x" * 2_000)
    monkeypatch.setattr(limits, "CHECKPOINT_BYTES", 1_000)
    with pytest.raises(CheckpointError, match="found 2,000 bytes; should be at most 1,000; "):
        check_file(path, file_hash(path))


def test_a_training_state_that_unpacks_to_much_is_refused(monkeypatch, tmp_path):
    path = tmp_path / "train_state-1.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("state/data.pkl", b"x" * 100_000)
    entry = {"file": path.name, "sha256": file_hash(path), "fingerprint": "a"}
    write_sealed(tmp_path / "train_state.json", entry)
    monkeypatch.setattr(limits, "CHECKPOINT_BYTES", 10_000)
    with pytest.raises(CheckpointError, match=r"no training state \(found 100,000 bytes unpacked"):
        TrainState(tmp_path, "a", keep_seconds=0).load()
