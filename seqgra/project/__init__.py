"""Init: a folder of the user's own that runs a grid through the workflow that ships with seqgra."""

from __future__ import annotations

from pathlib import Path

from seqgra.errors import bad_input
from seqgra.fingerprint import write_atomically
from seqgra.library import SHIPPED

_TEMPLATE = Path(__file__).parent / "template"
#: What a project holds, and the file that it is a copy of.
FILES = {
    "README.md": _TEMPLATE / "README.md",
    "Snakefile": _TEMPLATE / "Snakefile",
    "config/config.yaml": _TEMPLATE / "config" / "config.yaml",
    "profiles/default/config.yaml": SHIPPED / "workflow" / "profiles" / "default" / "config.yaml",
    "slurm/config.yaml": SHIPPED / "workflow" / "profiles" / "slurm" / "config.yaml",
}
#: Where the template, which lies in the package, names the schema of a config.
_SCHEMA = "../../../schemas/config.json"


def make_project(folder: Path) -> None:
    """Make a folder in which ``snakemake --cores 2`` runs a small grid that the user then edits.

    Parameters
    ----------
    folder
        New or empty; nothing in it is replaced.

    Raises
    ------
    InputError
        If something is in the folder, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise bad_input(folder, "", "holds files; give a new or empty folder")
    except OSError as error:
        message = f"cannot be made ({error.strerror}); give another folder"
        raise bad_input(folder, "", message) from None
    for name, source in FILES.items():
        text = source.read_text(encoding="utf-8")
        write_atomically(folder / name, text.replace(_SCHEMA, _installed_schema()))


def _installed_schema() -> str:
    """Return where an editor finds the schema of a config, from wherever the project lies."""
    return (_TEMPLATE.parents[1] / "schemas" / "config.json").as_uri()
