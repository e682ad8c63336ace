"""Filters: a network's first-layer filters as motifs, and which known motifs they resemble (Tomtom)."""

from __future__ import annotations

from pathlib import Path

from seqgra.dataset import open_dataset
from seqgra.digest import digest
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft, Outcome, identity_of, make, require_run
from seqgra.grammar.motifs import read_motifs
from seqgra.law.element_motifs import element_columns
from seqgra.stages.filters import DATABASE, DEFAULTS, ELEMENTS


def filters(
    model: Path,
    dataset: Path,
    folder: Path,
    *,
    motifs: Path | None = None,
    examples: int = DEFAULTS.examples,
    device: str = DEFAULTS.device,
) -> str:
    """Turn the filters of a network's first convolution into motifs and compare them with known ones.

    Writes filters.meme (matrices of the windows that activate a filter), filters.csv (each filter and
    its best match), motifs.csv (each motif and the filter that resembles it most) and a figure.

    Parameters
    ----------
    model, dataset
        Folders of a trained network and of a dataset whose test set is scanned.
    folder
        Where the files go: a new or empty folder, or one of filters, which are replaced.
    motifs
        A motif file to compare with too, beside the elements of the dataset's grammar.
    examples
        Test examples that are scanned, at most.
    device
        Where the model is opened.

    Returns
    -------
    str
        How many filters match, in words.

    Raises
    ------
    InputError
        If the model diverged or has no first convolution, the alphabet has not four letters, a file cannot
        be read, or the folder holds other files.
    """
    run, data = require_run(model, "train"), open_dataset(dataset)
    alphabet = data.alphabet
    if len(alphabet.letters) != 4:
        raise bad_input(
            dataset, "alphabet", f"is {alphabet.name}; Tomtom compares nucleotides only"
        )
    if not data.grammar.elements:
        message = "names no motifs to compare with; ingest it again with --motifs"
        raise bad_input(dataset, "elements", message)
    targets = {ELEMENTS: element_columns(data.grammar)}
    if motifs is not None:
        database = read_motifs(motifs, alphabet.letters)
        database.refuse_any_faulty()
        found = {motif.name: motif for motif in database.values()}
        targets[DATABASE] = {name: motif.columns for name, motif in found.items()}
    if run["status"] == "diverged":
        raise bad_input(model, "", "diverged; what weights are left are no motifs")
    x = data.x("test")[:examples]
    known = [
        [source, name, matrix.tolist()]
        for source, matrices in targets.items()
        for name, matrix in matrices.items()
    ]
    inputs = {
        "model": run["fingerprint"],
        "dataset": data.fingerprint,
        "motifs": digest(known),
    }

    def compute(draft: Draft) -> Outcome:
        import numpy as np

        from seqgra.filters.motifs import activating_letters, first_layer, write
        from seqgra.model import open_model

        layer = first_layer(open_model(model, run, data, device))
        if layer is None:
            raise bad_input(
                model, "", "has no convolution over letters; filters are of networks with one"
            )
        data.verify("test")
        counts, windows = activating_letters(layer, np.array(x))
        return Outcome({"found": write(draft, data, counts, windows, targets)})

    made = make(identity_of("filters", inputs, {"examples": len(x)}), folder, compute)
    said = str(made.run["found"])
    return said if made.status == "done" else f"{made.status}; {said}"
