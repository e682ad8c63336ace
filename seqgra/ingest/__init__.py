"""Stage ingest: real sequences -> dataset folder; what computes is in `assemble`, imported when needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqgra.fingerprint import Draft, Outcome, make
from seqgra.ingest.recipe import check, identify
from seqgra.stages.ingest import Recipe


def ingest(recipe: Recipe, folder: Path) -> str:
    """Make a dataset of real examples.

    Parameters
    ----------
    recipe
        What to read and how.
    folder
        The dataset: a new or empty folder, or an ingested dataset, which is replaced.

    Returns
    -------
    str
        ``done`` or ``up to date``.

    Raises
    ------
    InputError
        If options or files are wrong, no example is left, or the folder cannot be written.
    """
    check(recipe)
    identity, sources = identify(recipe)

    def compute(draft: Draft) -> Outcome:
        from seqgra.ingest.assemble import write_dataset

        return write_dataset(draft, recipe, sources)

    return make(identity, folder, compute).status


def run(folder: Path, **options: Any) -> str:
    """Ingest as ``seqgra ingest`` asks; return in words what was made, or that it is up to date."""
    status = ingest(Recipe(**options), folder)
    if status != "done":
        return status
    from seqgra.dataset import open_dataset
    from seqgra.ingest.words import facts_in_words

    return f"{facts_in_words(open_dataset(folder).content)}\n"
