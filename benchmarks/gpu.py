"""Training on a GPU: the three sizes in both arithmetics, beside a stock PyTorch loop.

    bash benchmarks/gpu.sh                   # with the engine's tests, at most eight minutes
    python benchmarks/gpu.py                 # the table alone; without a GPU a small one, to try it
    torchrun --standalone --nproc-per-node 2 benchmarks/gpu.py --together

All learn from the same 22,091 training targets of a simulated market, eleven inputs:

- `stock`: one stacked `nn.LSTM`, windows of 24 hours one by one from a `DataLoader`, 32 a step,
  with pinned memory and `loss.item()` after each step, as such loops are written;
- `last`: the same windows, cut by index on the device, 32 a step;
- `dense`: sequences of 168 targets, 8 a step, as a study trains.

Seconds are those of the second epoch, without validation; MiB the most that torch held on the GPU.
`--together` trains the three sizes, dense, in the processes of torchrun: nccl on GPUs, else gloo.
"""

from __future__ import annotations

import argparse
import time
import warnings

import torch
from torch import nn
from torch.utils.data import DataLoader

from dvol_utils.models.lstm import DVOLLSTM, LADDER
from dvol_utils.models.networks import build_network
from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.samples import Samples
from dvol_utils.study.params import StudyParams
from dvol_utils.study.threads import one_thread
from dvol_utils.training import arithmetic, fit_network, pick_device
from dvol_utils.training.devices import process_group
from training import Windows, market, own_epochs, with_targets

BATCH = {"stock": 32, "last": 32, "dense": 8}
SMALL, SMALL_SIZES = 1_344, ("lstm_baseline",)  # targets and sizes where there is no GPU
SYNCHRONISES = "called a synchronizing CUDA operation"


class StockLSTM(nn.Module):
    """`nn.LSTM` with its own dropout between layers, and the published head."""

    def __init__(self, inputs: int, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden_size, num_layers, dropout=dropout, batch_first=True)
        self.head = DVOLLSTM(inputs, hidden_size, num_layers, dropout).head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(x)[0][:, -1]).squeeze(-1)  # (B, L, F) -> (B,)


@one_thread()
def stock_epochs(name: str, samples: Samples, study: StudyParams, device: torch.device) -> float:
    """Seconds of the second of two epochs."""
    columns = feature_columns(study.features.groups)
    network = StockLSTM(len(columns), **LADDER[name]).to(device).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=1e-5)
    windows = Windows(samples, columns, study.training.jump_weight)
    loader = DataLoader(windows, batch_size=32, shuffle=True, pin_memory=device.type == "cuda")
    low = arithmetic(device, study.training) == "bfloat16"
    for _ in range(2):
        started, total = time.perf_counter(), 0.0
        for batch in loader:
            x, y, w = (part.to(device, non_blocking=True) for part in batch)
            with torch.autocast(device.type, torch.bfloat16, enabled=low):
                forecast = network(x)
            loss = (w * (forecast.float() - y) ** 2).mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            total += loss.item()
    return time.perf_counter() - started


def study_for(study: StudyParams, program: str, precision: str) -> StudyParams:
    training = {
        "supervision": "dense" if program == "dense" else "last",
        "batch_size": BATCH[program],
        "precision": precision,
        "epochs": 2,
        "patience": 100,
    }
    return study.model_copy(update={"training": study.training.model_copy(update=training)})


def seconds_of(name: str, program: str, samples: Samples, study: StudyParams) -> float:
    """Seconds of a training epoch without validation."""
    if program == "stock":
        return stock_epochs(name, samples, study, pick_device())
    epochs, validation = own_epochs(name, samples, study)
    return epochs[-1] - validation


def table(samples: Samples, study: StudyParams, sizes: tuple[str, ...]) -> None:
    print(
        "| size | parameters | arithmetic | program | s / epoch | targets / s | times stock | MiB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    targets, device = len(samples.rows("train")), pick_device()
    for name in sizes:
        count = sum(value.numel() for value in build_network(name, 11, 0).parameters())
        for precision in ("float32", "bfloat16"):
            if arithmetic(device, study_for(study, "last", precision).training) != precision:
                continue  # no instructions for it
            stock = None
            for program in BATCH:
                if device.type == "cuda":
                    torch.cuda.reset_peak_memory_stats()
                seconds = seconds_of(name, program, samples, study_for(study, program, precision))
                stock = stock or seconds
                mib = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else 0
                print(
                    f"| {name} | {count:,} | {precision} | {program} | {seconds:.2f} "
                    f"| {targets / seconds:,.0f} | {stock / seconds:.1f} | {mib:.0f} |",
                    flush=True,
                )


def waits(samples: Samples, study: StudyParams) -> None:
    """How often an epoch waits for the GPU, with few and with many steps: it should not differ."""
    study, found = study_for(study, "dense", "float32"), []
    for batch in (8, 2):
        training = study.training.model_copy(update={"batch_size": batch, "epochs": 1})
        own = study.model_copy(update={"training": training})
        network = build_network("lstm_baseline", 11, 0)
        torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fit_network(network, samples, own, seed=0)
        torch.cuda.set_sync_debug_mode("default")
        found.append(sum(SYNCHRONISES in str(each.message) for each in caught))
    same = "as it should be" if found[0] == found[1] else "**a step waits**"
    print(
        f"Waits for the GPU in a training of one epoch: {found[0]} with 8 sequences a step, ",
        end="",
    )
    print(f"{found[1]} with 2 ({same}).\n")


def agreement(samples: Samples, study: StudyParams) -> None:
    """Validation loss after an epoch in float32 without dropout, on the CPU and on the GPU."""
    study, losses = study_for(study, "dense", "float32"), []
    for devices in ("cpu", "auto"):
        training = study.training.model_copy(update={"devices": devices, "epochs": 1})
        network = build_network("lstm_baseline", 11, 0)
        for part in network.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
        own = study.model_copy(update={"training": training})
        losses.append(fit_network(network, samples, own, seed=0)[-1]["validation_loss"])
    print(f"Validation loss after an epoch: CPU {losses[0]:.6f}, GPU {losses[1]:.6f}.\n")


def together(samples: Samples, study: StudyParams, sizes: tuple[str, ...]) -> None:
    """Epochs of the sizes in the processes of torchrun that this is one of."""
    with process_group("auto") as place:
        says = place.rank == 0
        if says:
            print(f"{place.processes} processes, dense, 8 sequences a step each:\n")
            print("| size | arithmetic | s / epoch | targets / s |\n|---|---|---|---|")
        for name in sizes:
            for precision in ("float32", "bfloat16"):
                own = study_for(study, "dense", precision)
                if arithmetic(place.device, own.training) != precision:
                    continue
                seconds = seconds_of(name, "dense", samples, own)
                rate = len(samples.rows("train")) / seconds
                if says:
                    print(f"| {name} | {precision} | {seconds:.2f} | {rate:,.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--together", action="store_true", help="one of torchrun's processes")
    args = parser.parse_args()
    samples, study, _ = market()
    gpu = torch.cuda.is_available()
    samples, sizes = (
        (samples, tuple(LADDER)) if gpu else (with_targets(samples, SMALL), SMALL_SIZES)
    )
    if args.together:
        together(samples, study, sizes)
        return
    device = torch.cuda.get_device_name() if gpu else "no GPU: the CPU, in small, to try the script"
    print(
        f"{device}; torch {torch.__version__}; {len(samples.rows('train')):,} targets an epoch.\n"
    )
    if gpu:
        waits(samples, study)
        agreement(samples, study)
    table(samples, study, sizes)


if __name__ == "__main__":
    main()
