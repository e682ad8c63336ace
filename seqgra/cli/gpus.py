"""Several GPUs in one machine: each process takes the one that fewest others have taken."""

from __future__ import annotations

import fcntl
import getpass
import itertools
import os
import tempfile
from functools import cache
from pathlib import Path

_DRIVER = Path("/proc/driver/nvidia/gpus")


@cache
def share_gpus() -> None:
    """Let CUDA see one GPU only, where there are several and nobody has chosen yet.

    A cluster's scheduler sets CUDA_VISIBLE_DEVICES itself, and then nothing is done here. Call it
    before any library starts CUDA; which GPU computes changes no result.
    """
    if "CUDA_VISIBLE_DEVICES" in os.environ or not _DRIVER.is_dir():
        return
    count = len(list(_DRIVER.iterdir()))
    if count > 1:
        folder = Path(tempfile.gettempdir()) / f"seqgra-gpus-{getpass.getuser()}"
        os.environ["CUDA_VISIBLE_DEVICES"] = str(take_gpu(count, folder))


def take_gpu(count: int, folder: Path) -> int:
    """Return the first of the GPUs that fewest processes have; it is taken until this process ends.

    Parameters
    ----------
    count
        GPUs in this machine.
    folder
        Holds one lock file for each GPU and turn: the second process on a GPU has turn 1.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    for turn in itertools.count():
        for gpu in range(count):
            lock = os.open(folder / f"{gpu}.{turn}", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
            else:
                return gpu  # the lock stays open: the system drops it when the process ends
    raise AssertionError("unreachable: there is always another turn")
