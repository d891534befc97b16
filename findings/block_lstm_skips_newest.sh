#!/usr/bin/env bash
# Believed: an LSTM that forecasts 24 steps at once reads the whole window, then forecasts all steps
#   from its last state. The docstring of darts' own module says that its decoder takes it.
# True: step k is read from the state 24-k hours before the window's end, and so ignores the newest
#   24-k values. The first step, usually the easiest, knows nothing of the last 23 hours, though the
#   window has 48. So it is in darts' BlockRNNModel and in neuralforecast's LSTM as it comes
#   (recurrent=False).
# Versions: darts 0.48.1, neuralforecast 3.3.0, torch 2.13.0, pandas 3.1.1; Python 3.11, Linux.
#   Seen 2026-11-29.
# Instead: in darts output_chunk_length=1, with output_chunk_shift for a later step; in
#   neuralforecast recurrent=True. Compare step 1 with persistence before anything else.
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  darts==0.48.1 neuralforecast==3.3.0 pytorch-lightning==2.6.6 torch==2.13.0 pandas==3.1.1 \
  numpy==2.4.6

cat > check.py <<'PY'
"""Which of a window's 48 values each of 24 forecast steps depends on: change one, forecast again."""
import logging
import sys
import warnings

import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.models import BlockRNNModel
from neuralforecast import NeuralForecast
from neuralforecast.models import LSTM

STEPS, WINDOW = 24, 48
for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
    logging.getLogger(name).setLevel(logging.ERROR)
warnings.filterwarnings("ignore")
quiet = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False}
quiet |= {"enable_model_summary": False, "enable_checkpointing": False}
values = np.random.default_rng(0).normal(size=200).astype(np.float32)
times = pd.date_range("2024-01-01", periods=len(values), freq="h")


def frame(values):
    return pd.DataFrame({"unique_id": "a", "ds": times[-len(values):], "y": values})


def series(values):
    return TimeSeries.from_times_and_values(times[-len(values):], values)


def by_darts(steps, shift=0):
    model = BlockRNNModel(
        WINDOW, steps, output_chunk_shift=shift, model="LSTM", n_epochs=1, random_state=0,
        pl_trainer_kwargs=quiet,
    )
    model.fit(series(values))
    return lambda window: model.predict(steps, series(window), verbose=False).values()[:, 0]


def by_neuralforecast(recurrent):
    model = LSTM(
        h=STEPS, input_size=WINDOW, max_steps=1, scaler_type="identity", recurrent=recurrent, **quiet
    )
    model = NeuralForecast([model], freq="h")
    model.fit(frame(values))
    return lambda window: model.predict(df=frame(window))["LSTM"].to_numpy()


def newest(forecast):
    """Hours before the window's end of the newest value that each step depends on."""
    window = values[-WINDOW:]
    before = forecast(window)
    found = np.full(len(before), -1)
    for age in reversed(range(WINDOW)):
        other = window.copy()
        other[-1 - age] += 10
        found[forecast(other) != before] = age
    return found.tolist()


seen = {
    "darts BlockRNNModel, 24 steps": newest(by_darts(STEPS)),
    "darts BlockRNNModel, 1 step, 24 hours on": newest(by_darts(1, STEPS - 1)),
    "neuralforecast LSTM, 24 steps": newest(by_neuralforecast(False)),
    "neuralforecast LSTM, 24 steps, recurrent": newest(by_neuralforecast(True)),
}
for name, ages in seen.items():
    print(f"{name}: newest value used is this many hours old: {ages}")
whole, one, other, recurrent = seen.values()
skipping = list(range(STEPS))[::-1]  # 23 for the first step, 0 for the last
sys.exit([whole, one, other, recurrent[0]] != [skipping, [0], skipping, 0])
PY
venv/bin/python check.py
