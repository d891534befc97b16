"""Fixtures that every test module may use."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import yaml
from side_by_side import BySetUp, longest_first, workers
from study_files import TINY_STUDY, finished_project
from threadpoolctl import threadpool_limits
from trainers import TINY, Trainers
from xdist.remote import Producer

from dvol_utils.data.simulated.market import write_store
from dvol_utils.pages.front import read_front
from dvol_utils.report.execute import execute_notebook
from dvol_utils.report.site import build_site
from dvol_utils.study.data_section import DataParams
from dvol_utils.study.loading import load_study
from dvol_utils.study.stages import study_notebooks
from dvol_utils.study.threads import _VARIABLES

mpl.use("Agg")


def pytest_configure() -> None:
    """What is drawn at random is drawn alike in all of pytest's processes."""
    os.environ.setdefault("FAULTS_SEED", str(random.randrange(10**6)))


def pytest_report_header(config: pytest.Config) -> str | None:
    """How the moments of kills and full disks are had again."""
    drawn = "endurance" in config.option.markexpr.replace("not endurance", "")
    return f"faults: FAULTS_SEED={os.environ['FAULTS_SEED']}" if drawn else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """`-n auto`, as `make test` has it."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else workers()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BySetUp | None:
    """Where `--dist` is not given."""
    if config.getoption("dist") != "load":
        return None
    config.option.loadscopereorder = False
    return BySetUp(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Runs after pytest-randomly has shuffled them."""
    if hasattr(config, "workerinput"):
        longest_first(items)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    """Commands and notebooks keep their process to one thread; here it is every test's."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    before = dict(os.environ)
    with threadpool_limits(None):  # notes the numbers, and brings them back
        yield
    for name in _VARIABLES:
        os.environ.pop(name, None)
        if name in before:
            os.environ[name] = before[name]
    if torch:
        torch.set_num_threads(threads)


@pytest.fixture
def tmp_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder, the working directory, with the study `tiny` and nothing else."""
    (tmp_path / "params").mkdir()
    (tmp_path / "params/tiny.yaml").write_text(yaml.safe_dump(TINY_STUDY), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after `make report` of `tiny`, from made-up numbers, before the site: to copy."""
    root = tmp_path_factory.mktemp("finished")
    (root / "params").mkdir()
    (root / "params/tiny.yaml").write_text(yaml.safe_dump(TINY_STUDY), encoding="utf-8")
    return finished_project(root)


@pytest.fixture
def finished(finished_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project `finished_once`, the working directory, for a test to do with as it likes."""
    shutil.copytree(finished_once, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def smoke_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder in which `smoke` was run and its site built: the suite's only whole run."""
    home, root = Path(__file__).parents[1], tmp_path_factory.mktemp("project")
    (root / "params").mkdir()
    shutil.copy(home / "params/smoke.yaml", root / "params")
    shutil.copytree(home / "notebooks", root / "notebooks")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        study = load_study("smoke")
        for notebook in study_notebooks(study):
            target = study.run_dir / "notebooks" / notebook.name
            execute_notebook(notebook, target, study="smoke")
        build_site(study, read_front)
    return root


@pytest.fixture(scope="session")
def market_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw store of the simulated market, two assets; nobody writes into it."""
    folder = tmp_path_factory.mktemp("store")
    write_store(folder, DataParams(assets=["BTC", "ETH"], simulated={"hours": 2_000, "seed": 5}))
    return folder


@pytest.fixture
def raw(market_store: Path, tmp_path: Path) -> Path:
    """The same, to be spoilt."""
    for file in market_store.glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


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
