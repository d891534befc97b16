"""The notebooks in JupyterLab: a real server as `make lab` starts it, its kernels, a browser."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import nbformat
import pandas as pd
import pytest
import websocket
from trainers import PATIENCE, until

from dvol_utils.study.files import file_hash
from dvol_utils.study.loading import load_study
from dvol_utils.study.stages import study_notebooks

HOME = Path(__file__).parents[1]
NOTEBOOKS = [path.name for path in study_notebooks(load_study(HOME / "params/smoke.yaml"))]
TOKEN = "secret"
PARAMETERS = 'study = "{study}"\noverrides = {overrides}'
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed"),
]


class Run(NamedTuple):
    """What each code cell of a notebook showed, and the error of the one that failed."""

    outputs: list[list[dict[str, str]]]
    error: str | None

    def shown(self, kind: str) -> str:
        """All that was displayed as `kind`, e.g. `text/html`."""
        return "\n".join(output.get(kind, "") for cell in self.outputs for output in cell)


class Lab:
    """A running server: notebooks and sessions as JupyterLab's page asks for them."""

    def __init__(self, root: Path, url: str) -> None:
        self.root, self.url = root, url
        headers = {"Authorization": f"token {TOKEN}"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=PATIENCE, trust_env=False)

    def get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def run(self, name: str, overrides: dict[str, Any] | None = None) -> Run:
        """Open a notebook, set study and overrides in its parameters cell, run all cells."""
        notebook = nbformat.from_dict(self.get(f"/api/contents/notebooks/{name}")["content"])
        return self.execute(name, notebook, list(cells(notebook, overrides or {})))

    def execute(self, name: str, notebook: nbformat.NotebookNode, sources: list[str]) -> Run:
        """Run `sources`, up to the first error, in the kernel that the notebook asks for."""
        kernel = {"name": notebook.metadata.kernelspec.name}
        wanted = {"path": f"notebooks/{name}", "name": name, "type": "notebook", "kernel": kernel}
        session = self.http.post("/api/sessions", json=wanted).raise_for_status().json()
        channels = f"/api/kernels/{session['kernel']['id']}/channels?token={TOKEN}"
        address = self.url.replace("http", "ws", 1) + channels
        outputs = []
        try:
            socket = websocket.create_connection(address, timeout=300, http_no_proxy=["127.0.0.1"])
            for source in sources:
                shown, error = execute_cell(socket, source)
                outputs.append(shown)
                if error:
                    return Run(outputs, error)
            socket.close()
            return Run(outputs, None)
        finally:
            self.http.delete(f"/api/sessions/{session['id']}").raise_for_status()


def execute_cell(
    socket: websocket.WebSocket, source: str
) -> tuple[list[dict[str, str]], str | None]:
    """Send a cell; what it shows, and its error, once the kernel is idle again."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3"}
    header |= {"session": "test", "username": "test", "date": ""}
    content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    socket.send(json.dumps({**message, "channel": "shell", "buffers": []}))
    shown, error, waits_for = [], None, {"execute_reply", "idle"}
    while waits_for:
        answer = json.loads(socket.recv())
        if answer["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        kind, content = answer["msg_type"], answer["content"]
        if kind in ("display_data", "execute_result"):
            shown.append(content["data"])
        elif kind == "stream":
            shown.append({content["name"]: content["text"]})
        elif kind == "execute_reply" and content["status"] != "ok":
            error = f"{content.get('ename')}: {content.get('evalue')}"
        waits_for -= {kind, content.get("execution_state")}
    return shown, error


def cells(notebook: nbformat.NotebookNode, overrides: dict[str, Any]) -> Iterator[str]:
    """The code cells as they stand, but for what a user sets in the parameters cell."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
            assert cell.source == PARAMETERS.format(study="demo", overrides={})
            yield PARAMETERS.format(study="smoke", overrides=overrides)
        elif cell.cell_type == "code":
            yield cell.source


def foreign_kernel(data: Path) -> None:
    """A kernel of the same name, of another Python, among the user's own; it does not start."""
    folder = data / "kernels/python3"
    folder.mkdir(parents=True)
    spec = {"argv": ["false", "{connection_file}"], "display_name": "Foreign", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")


def started(root: Path, process: subprocess.Popen[str], runtime: Path) -> str:
    """Address of the server, which it leaves in a file once it listens."""

    def address() -> str | None:
        if process.poll() is not None:
            pytest.fail((root / "log").read_text(encoding="utf-8"))
        for file in runtime.glob("jpserver-*.json"):
            if (text := file.read_text(encoding="utf-8")).endswith("}"):
                return f"http://127.0.0.1:{json.loads(text)['port']}"
        return None

    return until(address, "the server's address")


def stop(process: subprocess.Popen[str]) -> None:
    """End make and the server, which ends its kernels."""
    for blow in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, blow)
            process.wait(timeout=30)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """`make lab` in a project with the study `smoke`, where nothing was run yet."""
    root = tmp_path_factory.mktemp("project")
    for name in ("params/smoke.yaml", "Makefile", "pyproject.toml", "constraints.txt"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(HOME / name, root / name)
    shutil.copytree(
        HOME / "notebooks", root / "notebooks", ignore=lambda *_: [".ipynb_checkpoints"]
    )
    (root / ".venv").mkdir()
    for name in ("bin", "share"):
        (root / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    (root / ".venv/.installed").touch()
    user = tmp_path_factory.mktemp("user")  # no setting of whoever runs the test counts
    places = {f"JUPYTER_{what}_DIR": str(user / what) for what in ("CONFIG", "DATA", "RUNTIME")}
    places |= {"IPYTHONDIR": str(user / "ipython"), "JUPYTER_PATH": str(user / "more")}
    foreign_kernel(user / "DATA")
    foreign_kernel(user / "more")
    kept = {key: value for key, value in os.environ.items() if "MAKE" not in key}
    options = f"--no-browser --allow-root --port=0 --IdentityProvider.token={TOKEN}"
    with (root / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            ["make", "lab", f"ARGS={options}"],
            cwd=root,
            env=kept | places,
            text=True,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Lab(root, started(root, process, user / "RUNTIME"))
    finally:
        stop(process)


@pytest.fixture(scope="module")
def runs(lab: Lab) -> dict[str, Run]:
    """All notebooks of the study, one after another, as far as they ran."""
    return {name: lab.run(name) for name in NOTEBOOKS}


def test_the_lab_opens_at_the_notebooks_with_the_kernel_of_this_environment(lab):
    opened = lab.http.get("/", follow_redirects=True)
    assert opened.url.path == "/lab/tree/notebooks"
    there = {item["name"] for item in lab.get("/api/contents/notebooks")["content"]}
    assert set(NOTEBOOKS) <= there
    kernel = lab.get("/api/kernelspecs")["kernelspecs"]["python3"]["spec"]
    assert kernel["display_name"] == "Python 3 (ipykernel)"
    notebook = nbformat.read(HOME / "notebooks" / NOTEBOOKS[0], 4)
    told = "import os, sys\nprint(sys.prefix, os.getcwd(), sep='|')"
    prefix, folder = lab.execute(NOTEBOOKS[0], notebook, [told]).shown("stdout").split("|")
    assert prefix == sys.prefix
    assert Path(folder.strip()) == (lab.root / "notebooks").resolve()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs_from_top_to_bottom(runs, name):
    run = runs[name]
    assert run.error is None
    assert run.shown("stderr").strip() == ""
    shown = run.shown("text/html")
    assert "Smoke test, simulated market" in shown
    assert "Trial:" not in shown
    assert shown.count("<figure>") == shown.count('<img src="data:image/png;base64,') > 0
    assert shown.count("<caption>") > 0
    assert run.outputs[-1][-1]["text/markdown"].strip(), "the answer"


def test_nothing_but_the_run_is_written(lab, runs):
    assert [run.error for run in runs.values()] == [None] * len(runs)
    for path in [*lab.root.glob("notebooks/*.ipynb"), *lab.root.glob("params/*")]:
        assert path.read_bytes() == (HOME / path.relative_to(lab.root)).read_bytes(), path.name
    assert {path.name for path in (lab.root / "runs").iterdir()} == {"smoke", ".smoke.lock"}
    assert not (lab.root / "reports").exists()


def test_changed_overrides_show_their_effect_and_leave_files_and_run_alone(lab, runs):
    assert not (lab.root / "runs/smoke/trials").exists()
    before = hashes(lab.root)
    trial = lab.run("02_jump_detection.ipynb", {"jumps.alpha": 0.05})
    assert trial.error is None
    assert "Trial: jumps.alpha is 0.05 in place of 0.01." in trial.shown("text/html")
    assert trial.outputs[-1] != runs["02_jump_detection.ipynb"].outputs[-1], "the same answer"
    after = hashes(lab.root)
    new = {path for path in after if path not in before}
    (folder,) = (path for path in (lab.root / "runs/smoke/trials").iterdir() if path.is_dir())
    assert {path for path in new if path.suffix != ".lock"} == {
        folder / "jumps.parquet",
        folder / "jumps_price.parquet",
        folder / "manifest.json",
    }
    assert {path: after[path] for path in before} == before
    found, usual = (
        pd.read_parquet(place / "jumps.parquet")["is_jump"].sum()
        for place in (folder, lab.root / "runs/smoke")
    )
    assert found > usual > 0
    # the stages after it ask for one with the same overrides; the study goes on as it was
    stopped = lab.run("04_regime_evaluation.ipynb", {"jumps.alpha": 0.05})
    assert stopped.error.endswith("run notebook 03_lstm_training with these parameters")
    costly = lab.run("06_trading_simulation.ipynb", {"trading.slippage": 3.0})
    assert costly.error is None
    assert costly.outputs[-1] != runs["06_trading_simulation.ipynb"].outputs[-1]
    after = hashes(lab.root)
    assert {path: after[path] for path in before} == before


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")
def test_the_page_of_the_lab_runs_a_notebook_from_its_menu(lab, runs):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    answer = runs["02_jump_detection.ipynb"].outputs[-1][-1]["text/markdown"]
    words = answer.split("** ")[1].split(",")[0]
    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu"]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = chromium.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(f"{lab.url}/lab/tree/notebooks/02_jump_detection.ipynb?token={TOKEN}")
        page.locator(".jp-Toolbar-kernelName", has_text="Python 3 (ipykernel)").wait_for()
        page.locator(".jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(PARAMETERS.format(study="smoke", overrides={}))
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.get_by_text(words).wait_for()
        shown = page.locator("figure img").evaluate_all("all => all.map(e => e.naturalWidth)")
        assert shown
        assert min(shown) > 600
        assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
        chromium.close()


def hashes(root: Path) -> dict[Path, str]:
    """Hash of each file of the project that belongs to somebody."""
    others = {".venv", "log", ".ipynb_checkpoints"}
    files = (path for path in root.rglob("*") if path.is_file())
    return {path: file_hash(path) for path in files if not others & {*path.relative_to(root).parts}}
