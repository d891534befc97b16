"""Fixtures that every test module may use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import yaml
from study_files import TINY_STUDY, finished_project
from trainers import TINY, Trainers

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def tmp_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder, the working directory, with the study `tiny` and nothing else."""
    (tmp_path / "params").mkdir()
    (tmp_path / "params/tiny.yaml").write_text(yaml.safe_dump(TINY_STUDY), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def finished(tmp_project: Path) -> Path:
    """The project after `make report` of `tiny`, from made-up numbers, before the site."""
    return finished_project(tmp_project)


@pytest.fixture(scope="session")
def trainers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainers]:
    """Starts training in processes that may be killed."""
    started = Trainers(tmp_path_factory.mktemp("trainers") / "errors.txt")
    yield started
    started.close()


@pytest.fixture
def tiny_ladder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest network of the ladder is smaller still, as in `trainers.train`."""
    from dvol_utils.models.lstm import LADDER

    monkeypatch.setitem(LADDER, "lstm_baseline", TINY)
