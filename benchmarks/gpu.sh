#!/usr/bin/env bash
# Training on a GPU, checked and timed in at most eight minutes; with two GPUs also on both.
#
#     bash benchmarks/gpu.sh > gpu.md
#
# The tables come as Markdown on stdout, all else on stderr. Ends with 1 where a part failed or took
# too long; the others are done all the same. Without a GPU the parts are small, to try the script.
set -uo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
failed=0
export OMP_NUM_THREADS=1 # torchrun would warn, and set it itself

# part SECONDS TITLE COMMAND...
part() {
  local limit=$1 title=$2 status=0
  shift 2
  printf '\n## %s\n\n' "$title"
  timeout --kill-after=5 "$limit" "$@" || status=$?
  if [ "$status" -ne 0 ]; then
    printf '\n**failed** with status %s (124: took more than %s s)\n' "$status" "$limit"
    failed=1
  fi
}

gpus=$($python -c 'import torch; print(torch.cuda.device_count())') || exit 1
printf '# Training on %s GPU(s), %s\n' "$gpus" "$(date -u +%F)"
part 140 "Tests of the engine" bash -c '"$@" >&2 && echo passed' tests \
  $python -m pytest -n 0 -q -m "not faults and not endurance" tests/test_no_waiting.py \
  tests/test_training.py tests/test_attention.py tests/test_arithmetic.py
part 230 "One process" $python benchmarks/gpu.py
if [ "$gpus" -eq 1 ]; then
  printf '\nTwo processes were not measured: they need two GPUs.\n'
else
  part 90 "Two processes" $python -m torch.distributed.run --standalone --nproc-per-node 2 \
    benchmarks/gpu.py --together
fi
exit "$failed"
