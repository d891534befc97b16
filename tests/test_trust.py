"""What a stranger's study file may not do: choose machines, write elsewhere, become a command."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
import yaml
from study_files import TINY_STUDY
from test_cli import dvol

from dvol_utils.study.loading import load_study
from dvol_utils.study.params import ParameterError
from dvol_utils.study.trials import open_study

ROOT = Path(__file__).parents[1]


@pytest.fixture
def listener():
    """A machine that only notes whether anybody calls."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


def called(server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except TimeoutError:
        return False
    return True


def stranger(project: Path, **changes) -> str:
    (project / "params/strange.yaml").write_text(yaml.safe_dump(TINY_STUDY | changes))
    return "strange"


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_a_study_file_names_no_machine(tmp_project, listener, scheme):
    address = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    name = stranger(tmp_project, training={"seeds": [0, 1], "cluster": address})
    refused = re.escape(f"strange.yaml: training.cluster: found {address!r}; should be local or")
    for opened in (load_study, open_study):
        with pytest.raises(ParameterError, match=refused):
            opened(name)
    with pytest.raises(ParameterError, match=r'SET="training\.cluster=tcp://HOST:PORT"'):
        load_study(name, {"training.cluster": None})  # the file is not one to be trusted
    for words in (["params"], ["train", "--model", "lstm_baseline"], ["site"], ["rules"]):
        assert "whoever starts the run names it" in dvol(*words, "--study", name, status=2)
    assert not called(listener)


def test_the_person_who_starts_the_run_names_one(tmp_project):
    study = load_study("tiny", {"training.cluster": "tcp://127.0.0.1:8786"})
    assert study.training.cluster == "tcp://127.0.0.1:8786"
    name = stranger(tmp_project, training={"seeds": [0, 1], "cluster": "local"})
    assert load_study(name).training.cluster == "local"
    assert load_study(name, {"training.cluster": "tcp://a:1"}).training.cluster == "tcp://a:1"


@pytest.mark.parametrize("folder", ["../elsewhere", "/tmp/elsewhere", "data/../../elsewhere"])
@pytest.mark.parametrize("needed", [[], ["--if-needed"]])
def test_a_study_file_does_not_say_where_fetching_writes(tmp_project, listener, folder, needed):
    name = stranger(tmp_project, data={"source": "raw_store", "raw_dir": folder})
    url = f"--base-url=deribit=http://127.0.0.1:{listener.getsockname()[1]}"
    said = dvol("data", "--study", name, *needed, url, status=2)
    assert f"data.raw_dir '{folder}' lies outside the project; a study's file may say" in said
    assert not called(listener)
    assert not (tmp_project.parent / "elsewhere").exists()


def test_the_person_may_fetch_anywhere_and_a_link_in_the_project_is_theirs(
    tmp_project, monkeypatch
):
    fetched = []
    monkeypatch.setattr(
        "dvol_utils.forecasting.fetch_command.fetch_store",
        lambda folder, **_: fetched.append(folder),
    )
    name = stranger(tmp_project, data={"source": "raw_store", "raw_dir": "../elsewhere"})
    other = tmp_project / "other"
    other.mkdir()
    dvol("data", "--study", name, "--raw", other)
    dvol("data", "--study", name, "--set", "data.raw_dir=../mine")
    (tmp_project / "data").symlink_to(other)
    name = stranger(tmp_project, data={"source": "raw_store"})
    dvol("data", "--study", name)
    assert len(fetched) == 3


NAMES = [
    "../tiny",
    "a/b",
    "/etc/x",
    "a b",
    "*",
    "a;b",
    "$(touch pwned)",
    "a\nb",
    ".",
    "",
    "ä",
    "-x y",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_a_study_is_no_path_and_no_command(tmp_project, name):
    with pytest.raises(ParameterError, match=r"should be one name of params/ without \.yaml, of"):
        load_study(name)


@pytest.mark.parametrize("stem", ["a b", "a;touch pwned", "a'b", "$(touch pwned)", "a\nb"])
def test_a_file_whose_name_is_none_is_refused_and_not_listed(tmp_project, stem):
    path = tmp_project / f"params/{stem}.yaml"
    path.write_text(yaml.safe_dump(TINY_STUDY))
    with pytest.raises(ParameterError, match=r"name: found .*; should match pattern|String should"):
        load_study(path)
    with pytest.raises(ParameterError, match=r"it holds: tiny$"):
        load_study("none")


@pytest.mark.parametrize(
    "stem", ["a';touch pwned;'", "$(touch pwned)", "`touch pwned`", "x'\ntouch pwned #", "a b", "*"]
)
@pytest.mark.parametrize("goal", ["help", "clean"])
def test_file_names_never_become_commands_of_make(tmp_path, stem, goal):
    (tmp_path / "params").mkdir()
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    for name in (stem, "tiny"):
        (tmp_path / f"params/{name}.yaml").write_text("title: x\n")
    environment = {key: value for key, value in os.environ.items() if "MAKE" not in key}
    done = subprocess.run(
        ["make", goal], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    if goal == "help":
        assert "one of: tiny\n" in done.stdout
    assert not list(tmp_path.rglob("pwned"))


def test_make_clean_removes_the_named_study_alone(tmp_path):
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    for name in ("one", "two"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    done = subprocess.run(
        ["make", "clean", "STUDY=*"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "STUDY='*': should be one name of params/" in done.stderr
    assert sorted(os.listdir(tmp_path / "runs")) == ["one", "two"]


def test_what_make_includes_is_not_part_of_a_run(tmp_path):
    """A finished run may come from somebody else."""
    makefile = (ROOT / "Makefile").read_text()
    assert "include $(RULES)" in makefile
    assert re.search(r"^RULES +:= \.venv/", makefile, re.M)
