#!/usr/bin/env bash
# Believed: a number's sum over ranks depends on the numbers that are summed alone.
# True: with three ranks over gloo, which sums piece by piece around a ring, the order in which
#   ranks are added depends on where a number lies in the buffer. The same ten float32 numbers,
#   alone or in the middle of a longer buffer, have sums that differ in their last bits. So other
#   buckets of gradients give other weights.
# Versions: torch 2.13.0, numpy 2.4.6; Python 3.11, Linux. Seen 2026-11-29.
# Instead: fix what is in a buffer (in DistributedDataParallel bucket_cap_mb, and the model's
#   order of parameters) where runs should agree to the bit. With two ranks there is one order.
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  torch==2.13.0 numpy==2.4.6

cat > check.py <<'PY'
"""Sum the same numbers over ranks, alone and in the middle of a longer buffer."""
import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

PAD = 50_000


def work(rank, ranks, folder):
    meeting = f"file://{folder}/meet{ranks}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=ranks)
    numbers = torch.randn(1_000, generator=torch.Generator().manual_seed(rank))
    middle = torch.cat([torch.zeros(PAD), numbers, torch.zeros(PAD)])
    for buffer in (numbers, middle):
        dist.all_reduce(buffer)
    differ = int((numbers != middle[PAD : PAD + 1_000]).sum())
    if rank == 0:
        print(f"{ranks} ranks: {differ} of 1000 sums differ", flush=True)
    dist.destroy_process_group()
    if (differ > 0) != (ranks > 2):
        sys.exit(1)


if __name__ == "__main__":
    print("torch", torch.__version__)
    for ranks in (2, 3):
        mp.spawn(work, (ranks, sys.argv[1]), nprocs=ranks)
PY
venv/bin/python check.py "$folder"
