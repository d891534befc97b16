#!/usr/bin/env bash
# Believed: an all_reduce with ReduceOp.MAX over gloo tells every rank of a NaN that one rank
#   holds, so that all may stop together.
# True: it depends on which rank holds it. With two ranks a NaN of rank 0 reaches both, a NaN of
#   rank 1 reaches neither: both read the other's number. ReduceOp.MIN is the same. A sum hands a
#   NaN on from any rank.
# Versions: torch 2.13.0, numpy 2.4.6; Python 3.11, Linux. Seen 2026-11-29.
# Instead: reduce a flag instead: 1.0 where torch.isfinite fails, else 0.0, by SUM or MAX.
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  torch==2.13.0 numpy==2.4.6

cat > check.py <<'PY'
"""All-reduce a NaN that one of two ranks holds, by each operation."""
import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def reduced(rank, holder, operation):
    value = torch.tensor([float("nan") if rank == holder else 1.0])
    dist.all_reduce(value, op=getattr(dist.ReduceOp, operation))
    return value.item()


def work(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    seen = {
        (operation, holder): str(reduced(rank, holder, operation))
        for operation in ("MAX", "MIN", "SUM")
        for holder in (0, 1)
    }
    print(f"rank {rank}: {seen}", flush=True)
    dist.destroy_process_group()
    expected = {(operation, 0): "nan" for operation in ("MAX", "MIN", "SUM")}
    expected |= {("MAX", 1): "1.0", ("MIN", 1): "1.0", ("SUM", 1): "nan"}
    if seen != expected:
        sys.exit(1)


if __name__ == "__main__":
    print("torch", torch.__version__)
    mp.spawn(work, (sys.argv[1],), nprocs=2)
PY
venv/bin/python check.py "$folder"
