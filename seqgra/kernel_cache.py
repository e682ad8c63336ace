"""Where machine code is kept, so that it is compiled once for all processes and checkouts of a user."""

from __future__ import annotations

import logging
import os
import tempfile
from functools import cache
from pathlib import Path

#: Environment variable that names another cache folder.
CACHE_VARIABLE = "SEQGRA_CACHE"

log = logging.getLogger(__name__)


@cache
def kernel_folder() -> Path:
    """Return a folder that belongs to this user alone, made if there is none."""
    named = os.environ.get(CACHE_VARIABLE)
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    folder = Path(named) if named else Path(home) / "seqgra" / "kernels"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = folder.stat()
        ours = about.st_uid == os.getuid() and not about.st_mode & 0o022
    except OSError:
        ours = False
    if ours and os.access(folder, os.W_OK):
        return folder
    return Path(tempfile.mkdtemp(prefix="seqgra-kernels-"))  # compiled anew by each process


@cache
def say_compiling() -> None:
    """Say once a process that it compiles, which a user would otherwise wait for without a word."""
    folder = kernel_folder()
    log.info(
        "compiling for this machine, up to half a minute, once a kind of model: kept in %s",
        folder,
    )
