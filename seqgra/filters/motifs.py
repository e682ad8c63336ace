"""Motifs of first-layer filters, and which known motifs they resemble (Tomtom)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seqgra.alphabet import ALPHABETS, Alphabet, one_hot
from seqgra.dataset import Dataset
from seqgra.fingerprint import Draft
from seqgra.model import AbstractModel
from seqgra.motif import information, meme_text
from seqgra.plot.elements import logos
from seqgra.plot.style import save
from seqgra.stages.filters import ELEMENTS
from seqgra.streams import stream
from seqgra.textfile import harmless_table

#: Share of a filter's highest activation from which a window counts (doi:10.1371/journal.pcbi.1007560).
SHARE = 0.5
#: q-value below which a filter matches a motif.
MATCHES = 0.1
#: Tomtom's null is made of the targets' columns: fewer targets are filled up with permuted ones.
LEAST_TARGETS = 100
_BATCH = 128


class Filters(NamedTuple):
    """Filters of a first layer."""

    #: float32 (F, A, W), (F,).
    weights: np.ndarray
    bias: np.ndarray
    #: Distance between the letters that a filter sees.
    dilation: int


def first_layer(model: AbstractModel) -> Filters | None:
    """Return the first convolution over letters of a network, or of its PyTorch copy.

    Its input must be the letters themselves, whatever stands before it, and all of them: filters of groups
    see some only.
    """
    import torch
    from torch import nn

    try:
        module: Any = getattr(model, "module", None)
    except NotImplementedError:  # a custom module of another library has no PyTorch copy
        return None
    if module is None:
        return None
    alphabet = ALPHABETS[model.alphabet].letters
    codes = np.random.default_rng(0).integers(len(alphabet), size=(1, model.window), dtype=np.uint8)
    device = next(module.parameters(), torch.zeros(0)).device
    letters = torch.from_numpy(one_hot(codes, len(alphabet))).to(device)
    over_letters = []

    def note(part: Any, given: Any) -> None:
        same = part.groups == 1 and given and given[0].shape == letters.shape
        if same and (given[0] == letters).all():
            over_letters.append(part)

    convolutions = [part for part in module.modules() if isinstance(part, nn.Conv1d)]
    hooks = [part.register_forward_pre_hook(note) for part in convolutions]
    try:
        with torch.inference_mode():
            module(letters.clone())
    finally:
        for hook in hooks:
            hook.remove()
    for part in convolutions:
        if part in over_letters:
            weights = part.weight.detach().cpu().numpy()
            bias = np.zeros(len(weights)) if part.bias is None else part.bias.detach().cpu().numpy()
            return Filters(weights, bias.astype(np.float32), int(part.dilation[0]))
    return None


def activating_letters(layer: Filters, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the letters of the windows that activate each filter.

    A window activates a filter if its weighted sum and bias are above `SHARE` of the highest of all
    windows, and that is above 0.

    Parameters
    ----------
    layer
        The filters.
    x
        uint8 (N, L): letter codes.

    Returns
    -------
    (ndarray, ndarray)
        int64 (F, W, A): counts; int64 (F,): windows.
    """
    highest = np.max([scan.max(axis=(0, 2)) for _, scan in _scans(layer, x)], axis=0)
    number, letters, width = layer.weights.shape
    counts = np.zeros((number, width, letters), np.int64)
    windows = np.zeros(number, np.int64)
    limit = np.where(highest > 0, SHARE * highest, np.inf)[None, :, None]
    for first, scan in _scans(layer, x):
        example, which, start = np.nonzero(scan > limit)
        windows += np.bincount(which, minlength=number)
        for column in range(width):
            codes = x[first + example, start + column * layer.dilation]
            known = codes < letters
            cells = which[known] * letters + codes[known]
            seen = np.bincount(cells, minlength=number * letters)
            counts[:, column] += seen.reshape(number, letters)
    return counts, windows


def _scans(layer: Filters, x: np.ndarray) -> Any:
    """Yield the first row of each batch and what every filter gives at every start: (n, F, L')."""
    import torch

    weights, bias = torch.from_numpy(layer.weights), torch.from_numpy(layer.bias)
    letters = np.arange(layer.weights.shape[1], dtype=np.uint8)[:, None]
    for first in range(0, len(x), _BATCH):
        inputs = (x[first : first + _BATCH, None] == letters).astype(np.float32)
        scan = torch.nn.functional.conv1d(
            torch.from_numpy(inputs), weights, bias, dilation=layer.dilation
        )
        yield first, scan.numpy()


def match(
    queries: Mapping[int, np.ndarray], targets: Mapping[str, np.ndarray], alphabet: Alphabet
) -> pd.DataFrame:
    """Compare matrices by Tomtom (doi:10.1186/gb-2007-8-2-r24), as memelite has it.

    The null distribution is that of the targets' own columns. So that a few targets do not decide it,
    they are filled up to `LEAST_TARGETS` with their columns in random order, letters permuted.

    Parameters
    ----------
    queries
        float64 (A, W) by number.
    targets
        float64 (W, A) by name.
    alphabet
        DNA is compared on both strands.

    Returns
    -------
    DataFrame
        One row a pair: filter, motif, p, q (Benjamini and Hochberg over all pairs), offset, strand.
    """
    from memelite import tomtom
    from scipy.stats import false_discovery_control

    if not queries:
        return pd.DataFrame(columns=["filter", "motif", "p", "q", "offset", "strand"])
    known = [matrix.T for matrix in targets.values()]
    p, _, offset, _, strand = tomtom(
        [*queries.values()],
        [*known, *_permuted(known)],
        n_target_bins=None,
        reverse_complement=alphabet.name == "DNA",
        n_jobs=1,
    )
    pairs = pd.MultiIndex.from_product([queries, targets], names=["filter", "motif"])
    parts = (part[:, : len(known)].ravel() for part in (p, offset, strand))
    table = pd.DataFrame(dict(zip(("p", "offset", "strand"), parts, strict=True)), index=pairs)
    table.insert(1, "q", false_discovery_control(table["p"]))
    types = {"offset": "int64", "strand": "int64"}
    return table.reset_index().astype(types).replace({"strand": {0: "+", 1: "-"}})


def _permuted(known: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return matrices of the known ones' columns in random order, each with permuted letters."""
    generator = np.random.Generator(stream(0, "filters", "permuted", 0))
    pool = np.concatenate(known, axis=1)
    made = []
    for number in range(max(LEAST_TARGETS - len(known), 0)):
        width = known[number % len(known)].shape[1]
        columns = pool[:, generator.integers(pool.shape[1], size=width)]
        made.append(generator.permuted(columns, axis=0))
    return made


def write(
    draft: Draft,
    data: Dataset,
    counts: np.ndarray,
    windows: np.ndarray,
    targets: Mapping[str, Mapping[str, np.ndarray]],
) -> str:
    """Write matrices, tables and figure, and return how many filters match."""
    alphabet, background = data.alphabet, data.grammar.letter_distribution()
    matrices = {
        number: (letters / letters.sum(axis=1, keepdims=True)).T
        for number, letters in enumerate(counts)
        if (letters.sum(axis=1) > 0).all()
    }
    matches = pd.concat(
        [match(matrices, known, alphabet).assign(source=name) for name, known in targets.items()],
        ignore_index=True,
    )
    table = pd.DataFrame({"filter": np.arange(len(windows)), "windows": windows})
    bits = {number: information(matrix.T, background) for number, matrix in matrices.items()}
    table["bits"] = [bits[n].sum() if n in bits else np.nan for n in table["filter"]]
    best = matches.sort_values(["p", "motif"], kind="stable")
    for source, found in best.groupby("source", sort=False):
        own = found.drop_duplicates("filter").drop(columns="source").set_index("filter")
        table = table.join(own.add_prefix("" if source == ELEMENTS else "database_"), on="filter")
    harmless_table(table).to_csv(draft.aside("filters.csv"), index=False, lineterminator="\n")
    columns = ["source", "motif", "filter", "p", "q", "offset", "strand"]
    known = best.drop_duplicates(["source", "motif"])[columns]
    known = known.sort_values(["source", "motif"], ascending=[False, True])  # elements first
    harmless_table(known).to_csv(draft.aside("motifs.csv"), index=False, lineterminator="\n")
    named = {f"filter-{number}": matrix.T for number, matrix in matrices.items()}
    sites = [int(windows[number]) for number in matrices]
    content = meme_text(named, alphabet.letters, background.tolist(), sites)
    draft.aside("filters.meme").write_text(content)
    if matrices:
        _draw(draft.aside_figure("filters"), alphabet, matrices, bits, table)
    return _summary(matches, len(windows))


def _draw(
    stem: Path,
    alphabet: Alphabet,
    matrices: Mapping[int, np.ndarray],
    bits: Mapping[int, np.ndarray],
    table: pd.DataFrame,
) -> None:
    """Draw a logo of each filter, those first that resemble an element most."""
    order = table.dropna(subset=["q"]).sort_values(["q", "filter"])
    names = {}
    for number, motif, q in order[["filter", "motif", "q"]].itertuples(index=False):
        match_text = f", {motif} q {q:.1g}" if q < MATCHES else ""
        names[number] = f"filter {number}{match_text}"
    columns = {name: matrices[number].T for number, name in names.items()}
    heights = {name: np.maximum(bits[number], 0) for number, name in names.items()}
    title = "First-layer filters: letters of the windows that activate them"
    save(logos(columns, alphabet.letters, heights, title), stem)


def _summary(matches: pd.DataFrame, number: int) -> str:
    """Return which share of the filters matches, of each source."""
    close, parts = matches[matches["q"] < MATCHES], []
    for source, found in matches.groupby("source", sort=False):
        own = close[close["source"] == source]
        motifs, hit = own["motif"].nunique(), own["filter"].nunique()
        words = "elements of the grammar" if source == ELEMENTS else "motifs of the file"
        share = f"{hit} of {number} filters ({hit / number:.0%})"
        parts.append(f"{share} match {motifs} of {found['motif'].nunique()} {words}")
    summary = "; ".join(parts) or "no filter is ever activated"
    return f"{summary} (q < {MATCHES:g})" if parts else summary
