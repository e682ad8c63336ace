"""Where grammars and architectures are found by name.

A name is looked for in the folder that the user gives (`--library`), then in the working folder, then among
what ships with seqgra. Each of these holds folders grammars/ and architectures/.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

#: Holds the shipped grammars/, architectures/ and workflow/: the top folder of a checkout, or
#: `seqgra/shipped` of an installed wheel.
SHIPPED = (Path(__file__).parent / "shipped" / "grammars").resolve().parent
GRAMMARS, ARCHITECTURES = "grammars", "architectures"


def library_folders(library: Path | None = None) -> tuple[Path, ...]:
    """Return the folders that may hold grammars/ and architectures/; the first that has a file wins.

    Parameters
    ----------
    library
        The user's own, looked at first; that of what ships adds nothing.
    """
    own = [] if library is None or library.resolve() == SHIPPED else [library]
    return (*own, Path(), SHIPPED)


def find_named(name: str | Path, kind: str, folders: Sequence[Path]) -> Path | None:
    """Return the file that a path or a name stands for, None where there is none.

    Parameters
    ----------
    name
        A file, or a name such as ``mc2-dna150-homer``.
    kind
        `GRAMMARS` or `ARCHITECTURES`.
    folders
        Where to look for a name, see `library_folders`.
    """
    files = [Path(name), *(folder / kind / f"{name}.yaml" for folder in folders)]
    return next((file for file in files if file.is_file()), None)


def pip_requirement() -> str | None:
    """Return what pip installs this same seqgra from: a folder, a repository and its commit, or a file.

    It stands in `direct_url.json` (PEP 610). None where it came from an index: the public one has another
    project of this name.
    """
    import json
    from importlib import metadata
    from urllib.parse import urlparse
    from urllib.request import url2pathname

    noted = json.loads(metadata.distribution("seqgra").read_text("direct_url.json") or "{}")
    if vcs := noted.get("vcs_info"):
        return f"{vcs['vcs']}+{noted['url']}@{vcs['commit_id']}"
    if "dir_info" in noted:
        return url2pathname(urlparse(noted["url"]).path)
    url: str | None = noted.get("url")
    return url


def named_files(kind: str, folders: Sequence[Path]) -> dict[str, Path]:
    """Return the files of a kind by name, ascending; of those with the same name the first."""
    found: dict[str, Path] = {}
    for folder in folders:
        for file in (folder / kind).glob("*.yaml"):
            found.setdefault(file.stem, file)
    return dict(sorted(found.items()))
