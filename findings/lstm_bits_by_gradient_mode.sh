#!/usr/bin/env bash
# Believed: torch.no_grad() leaves a forward pass the numbers that it has; it only keeps no
#   graph.
# True: on a CPU, torch.nn.LSTM runs another oneDNN program where gradients are off, and about
#   half of its outputs differ in the last bits, in eval mode and without dropout. Without oneDNN
#   the two agree.
# Versions: torch 2.13.0, numpy 2.4.6; Python 3.11, Linux. Seen 2026-11-29.
# Instead: compare or store forecasts that were all made in one mode. A test of equal bits
#   between training and forecasting has to switch oneDNN off.
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  torch==2.13.0 numpy==2.4.6

cat > check.py <<'PY'
"""The same LSTM on the same inputs, with gradients and without."""
import sys

import torch


def differing(lstm, inputs):
    with_graph = lstm(inputs)[0].detach()
    with torch.no_grad():
        without = lstm(inputs)[0]
    return (with_graph != without).float().mean().item()


torch.manual_seed(0)
lstm, inputs = torch.nn.LSTM(11, 64, 2, batch_first=True).eval(), torch.randn(8, 50, 11)
plain = differing(lstm, inputs)
with torch.backends.mkldnn.flags(enabled=False):
    native = differing(lstm, inputs)
print("torch", torch.__version__, f"outputs that differ: {plain:.0%}; without oneDNN: {native:.0%}")
sys.exit(not (plain > 0.1 and native == 0))
PY
venv/bin/python -W ignore check.py
