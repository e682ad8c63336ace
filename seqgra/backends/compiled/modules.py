"""Modules of generated source, kept in a cache folder so that they are compiled once.

numba keeps compiled code beside the file that a function stands in; source that never was a file is
compiled again in every process. So generated source goes to a file that is named by its hash, and is
imported from there. The hash covers whatever the source is compiled together with.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

from seqgra.fingerprint import write_atomically

#: Environment variable that names another cache folder.
CACHE_VARIABLE = "SEQGRA_CACHE"


@cache
def _folder() -> Path:
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


def load_module(source: str, parts: tuple[ModuleType, ...]) -> ModuleType:
    """Return the module of a source text; what numba compiles in it is kept for other processes.

    Parameters
    ----------
    source
        The text. It must follow from sizes and names of this package alone, never from a user's words.
    parts
        Modules whose compiled functions it calls: with other source of theirs it is another module.
    """
    digest = hashlib.sha256(source.encode())
    for part in parts:
        digest.update(Path(str(part.__file__)).read_bytes())
    name = f"seqgra_kernels_{digest.hexdigest()[:24]}"
    if name in sys.modules:
        return sys.modules[name]
    path = _folder() / f"{name}.py"
    if not path.exists() or path.read_text() != source:  # its time of change is part of numba's key
        write_atomically(path, source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
