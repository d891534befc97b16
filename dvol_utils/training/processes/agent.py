"""torchrun that ends, with all its processes, when the process that started it does."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from types import FrameType

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

from dvol_utils.study.files import UnwritableError, explained
from dvol_utils.training.processes.parent import PARENT, end_with_parent, named_parent


def main(arguments: list[str]) -> int:
    """Run torchrun; the last of its arguments is the job's folder."""
    parent = named_parent()
    try:
        signal.signal(signal.SIGTERM, _end)  # until torchrun has its own
        end_with_parent(parent, grace_seconds=20)
        os.environ[PARENT] = str(os.getpid())  # the workers'
        run(parse_args(arguments))
    except SignalException as error:
        return 128 + error.sigval
    except ChildFailedError:  # the workers have said why
        return 1
    except OSError as error:  # no room for what torchrun itself writes
        told = explained(error)
        if not isinstance(told, UnwritableError):
            raise
        print(f"dvol: {told}", file=sys.stderr)
        return 1
    finally:
        if os.getppid() != parent:  # which would have removed it
            shutil.rmtree(arguments[-1], ignore_errors=True)
    return 0


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
