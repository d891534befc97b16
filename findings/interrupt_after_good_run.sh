#!/usr/bin/env bash
# Believed: a notebook that runs to its end by papermill or nbclient ends its kernel by asking it;
#   signals are for kernels that do not answer. So says the docstring of jupyter_client's
#   KernelManager.shutdown_kernel: a shutdown message first, a signal only "if that fails".
# True: shutdown_kernel sends SIGINT to the kernel's whole process group before the message, always
#   (only the help of `shutdown_wait_time` says so). ipykernel ignores SIGINT between requests, but
#   it answers papermill's last one, kernel_info, a moment before it is done with it. So after a run
#   without a fault
#   - programs that a cell has started and left running get a SIGINT, which nobody typed;
#   - the terminal shows "[IPKernelApp] ERROR | KeyboardInterrupt caught in kernel." when the signal
#     comes in that moment: on a busy machine in a few runs of a hundred. Here the moment is made a
#     second long.
# Versions: jupyter_client 8.10.0, ipykernel 7.4.0, nbclient 0.11.0, papermill 2.7.0; Python 3.11,
#   Linux. Seen 2026-11-28.
# Instead: give papermill or nbclient a `kernel_manager_class` whose shutdown_kernel, once the cells
#   are through, calls request_shutdown, finish_shutdown (which kills a kernel that stays) and
#   cleanup_resources. While a cell runs the interrupt is of use: without it the cell runs on until
#   the kernel is killed.
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  jupyter_client==8.10.0 ipykernel==7.4.0 nbclient==0.11.0 papermill==2.7.0
# the kernel `python3` of this environment, whatever others the user has
export JUPYTER_PATH="$folder/venv/share/jupyter" JUPYTER_PREFER_ENV_PATH=1

cat > child.py <<'PY'
"""A program that a cell leaves running: notes SIGINT and SIGTERM, ends at SIGTERM."""
import signal
import sys


def note(number, _frame):
    print(signal.Signals(number).name, file=open("signals", "a"))
    if number == signal.SIGTERM:
        sys.exit()


signal.signal(signal.SIGINT, note)
signal.signal(signal.SIGTERM, note)
print("ready", flush=True)
while True:
    signal.pause()
PY

cat > run.py <<'PY'
"""Run a good notebook, with jupyter_client's manager or with one that only asks."""
import sys

import nbformat
import papermill
from jupyter_client import AsyncKernelManager
from nbformat.v4 import new_code_cell, new_notebook

CELLS = [
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, 'child.py'], stdout=subprocess.PIPE, text=True)\n"
    "child.stdout.readline()",
    "import time\n"
    "handlers = get_ipython().kernel.shell_handlers\n"
    "answer = handlers['kernel_info_request']\n"
    "async def slow(*request):\n"
    "    await answer(*request)\n"
    "    time.sleep(1)\n"
    "handlers['kernel_info_request'] = slow",
]


class Asks(AsyncKernelManager):
    async def shutdown_kernel(self, now=False, restart=False):
        await self.request_shutdown()
        await self.finish_shutdown()
        await self.cleanup_resources()


notebook = new_notebook(cells=[new_code_cell(source) for source in CELLS])
notebook.metadata.kernelspec = {"name": "python3", "display_name": "p", "language": "python"}
nbformat.write(notebook, "in.ipynb")
manager = {"asks": Asks, "default": AsyncKernelManager}[sys.argv[1]]
papermill.execute_notebook(
    "in.ipynb", "out.ipynb", progress_bar=False, kernel_manager_class=manager
)
PY

venv/bin/pip list --disable-pip-version-check 2>/dev/null |
  grep -E '^(jupyter_client|ipykernel|nbclient|papermill) '
status=0
check() { # manager, signals that the child should note, error lines that should be shown
  rm -f signals
  venv/bin/python run.py "$1" 2> stderr
  signals=$(paste -sd ' ' signals)
  errors=$(grep -c 'ERROR | KeyboardInterrupt caught in kernel' stderr || true)
  echo "$1: the notebook ran to its end; its child got: $signals; error lines: $errors"
  if [ "$signals" != "$2" ] || [ "$errors" != "$3" ]; then
    echo "$1: expected: $2; error lines: $3" >&2
    cat stderr >&2
    status=1
  fi
}
check default 'SIGINT SIGTERM' 1
check asks 'SIGTERM' 0
exit "$status"
