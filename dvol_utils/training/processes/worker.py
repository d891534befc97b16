"""One of the processes that torchrun starts to train a network together."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from dvol_utils.study.files import UnwritableError
from dvol_utils.training.checkpoints.sealed import CheckpointError
from dvol_utils.training.devices import process_group
from dvol_utils.training.loop import TrainingError
from dvol_utils.training.processes.job import (
    note_start,
    read_job,
    write_error,
    write_trouble,
)
from dvol_utils.training.processes.parent import end_with_parent, named_parent
from dvol_utils.training.progress import epoch_bar
from dvol_utils.training.run import train_checkpoint


def main(folder: Path) -> None:
    """Train this process's share.

    An error that no restart would mend is left in the job's folder, and the process ends well:
    torchrun would start it again otherwise. All processes meet such an error together.
    """
    note_start(folder)
    trainable, samples = read_job(folder)
    training = trainable.study.training
    try:
        with process_group(training.devices) as place, epoch_bar(training, place.rank) as bar:
            train_checkpoint(trainable, samples, **bar)
    except (TrainingError, CheckpointError, UnwritableError) as error:
        _leave(_told(folder, error))
    except Exception as error:
        write_trouble(folder, error)
        traceback.print_exc()
        _leave(1)


def _told(folder: Path, error: Exception) -> int:
    """Exit status after an error that no restart would mend was left for the parent."""
    try:
        write_error(folder, error)
    except OSError:  # no room for that either
        print(f"dvol: {error}", file=sys.stderr)
        return 1
    return 0


def _leave(status: int) -> None:
    """End at once, while the error still holds the network.

    Let go, the gloo group of torch 2.13 may wait for ever for its own thread, which waits for the
    interpreter's lock to drop the tensors of an all-reduce that the error has cut short.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    end_with_parent(named_parent())
    main(Path(sys.argv[1]))
