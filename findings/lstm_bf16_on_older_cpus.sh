#!/usr/bin/env bash
# Believed: CPU autocast to bfloat16 runs on every CPU, only slowly where there are no
#   instructions for it; torch.nn.Linear does.
# True: torch.nn.LSTM hands its work to oneDNN, which has no bfloat16 LSTM below AVX-512. There
#   the forward pass ends with a RuntimeError: could not create a primitive descriptor. Here
#   ONEDNN_MAX_CPU_ISA=AVX2 stands in for such a CPU.
# Versions: torch 2.13.0, numpy 2.4.6; Python 3.11, Linux. Seen 2026-11-29.
# Instead: try one small forward pass before training and fall back to float32 where it fails, or
#   switch oneDNN off for the LSTM (torch.backends.mkldnn.flags(enabled=False)).
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  torch==2.13.0 numpy==2.4.6

cat > check.py <<'PY'
"""A forward pass under bfloat16 autocast: of a linear map, and of an LSTM with oneDNN and without."""
import sys

import torch


def outcome(layer, inputs):
    try:
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            layer(inputs)
    except RuntimeError as error:
        return "refused" if "could not create a primitive descriptor" in str(error) else str(error)
    return "runs"


inputs = torch.randn(4, 20, 11)
lstm = torch.nn.LSTM(11, 16, batch_first=True)
seen = {"linear": outcome(torch.nn.Linear(11, 16), inputs), "lstm": outcome(lstm, inputs)}
with torch.backends.mkldnn.flags(enabled=False):
    seen["lstm without oneDNN"] = outcome(lstm, inputs)
print("torch", torch.__version__, seen)
expected = {"linear": "runs", "lstm": "refused", "lstm without oneDNN": "runs"}
sys.exit(seen != expected)
PY
ONEDNN_MAX_CPU_ISA=AVX2 venv/bin/python -W ignore check.py
