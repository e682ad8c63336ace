"""The grammar of real examples: what was measured of them, without rules; and their facts in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from seqgra.alphabet import SETS, UNKNOWN, Alphabet, lengths_of
from seqgra.grammar.backgrounds import Background, Markov
from seqgra.grammar.schema import Condition, Element, Grammar, Group
from seqgra.ingest.columns import listed
from seqgra.ingest.examples import COMPLEMENT, gc_shares, same_letters
from seqgra.labels import NONE
from seqgra.law.scan import hit_chance
from seqgra.law.word_counts import chain_shares
from seqgra.metrics import rank
from seqgra.stages.ingest import Recipe

#: Order of the Markov chain of nucleotides.
ORDER = 2
#: Letters in a row that two examples share by chance hardly ever.
STRETCH = 30
#: Share of a motif's own sites below which hits are called few; examples that are looked at at once.
_FEW = 0.5
_CHUNK = 1 << 12
#: Base of the hashes of stretches.
_BASE = 6364136223846793005


def measured_background(x: np.ndarray, alphabet: Alphabet) -> Background:
    """Return the background of examples: a Markov chain of nucleotides, letters of proteins."""
    letters = len(alphabet.letters)
    order = ORDER if letters == 4 and x.shape[1] > ORDER else 0
    initial, table = chain_shares(x, order, letters)
    if order == 0:
        return Background(letters=dict(zip(alphabet.letters, table[0].tolist(), strict=True)))
    chain = Markov(order=order, initial=tuple(initial), table=tuple(map(tuple, table.tolist())))
    return Background(markov=chain)


def measured_grammar(
    recipe: Recipe,
    conditions: list[str],
    elements: Mapping[str, Element],
    x: np.ndarray,
    training: np.ndarray,
) -> Grammar:
    """Return the grammar of real examples, uint8 (N, L): what was measured, and no rules.

    `training` is bool (N,): the examples whose background it is.
    """
    lengths = Counter(lengths_of(x).tolist())
    window: Any = {length: float(n) for length, n in sorted(lengths.items())}
    return Grammar(
        description="measured from real examples; its conditions have no rules",
        alphabet=recipe.alphabet,
        task=recipe.task,
        window=(x.shape[1], x.shape[1]) if len(lengths) == 1 else window,
        background=measured_background(x[training], recipe.letters),
        elements=dict(elements),
        conditions={name: Condition() for name in conditions},
        examples=tuple(Group(conditions=(name,)) for name in conditions),
    )


def set_facts(
    x: np.ndarray,
    y: np.ndarray,
    conditions: list[str],
    elements: Mapping[str, np.ndarray],
    names: list[str],
) -> dict[str, Any]:
    """Return the facts of a set: examples, lengths, mean GC content and elements in each, by label."""
    gc, lengths = gc_shares(x), lengths_of(x)
    shown: dict[str, np.ndarray] = {name: y[:, n] > 0 for n, name in enumerate(conditions)}
    if not y.any(axis=1).all():
        shown[NONE] = np.asarray(~y.any(axis=1))
    hits = np.zeros((len(x), len(names)), np.int64)
    np.add.at(hits, (elements["example"], elements["element"]), 1)
    facts: dict[str, Any] = {"examples": len(x)}
    facts["lengths"] = _quantiles(lengths)
    facts["labels"] = {
        name: {
            "examples": int(own.sum()),
            "lengths": _quantiles(lengths[own]) if own.any() else None,
            "gc": round(float(gc[own].mean()), 4) if own.any() else None,
            "elements": {
                element: round(float(hits[own, n].mean()), 4) if own.any() else None
                for n, element in enumerate(names)
            },
        }
        for name, own in shown.items()
    }
    return facts


def _quantiles(lengths: np.ndarray) -> list[float]:
    return [int(lengths.min()), float(np.median(lengths)), int(lengths.max())]


def shortcuts(
    x: np.ndarray, y: np.ndarray, sets: np.ndarray, names: list[str], alphabet: Alphabet
) -> dict[str, Any]:
    """Return how well each label is recognised without any motif: ROC AUC of label against the rest.

    Parameters
    ----------
    x, y, sets
        uint8 (N, L), uint8 (N, C), int (N,): letter codes, labels, number of the set in `SETS`.
    names
        The labels.

    Returns
    -------
    dict
        ``set``, on which it was measured, the last one that has examples; ``words``, ``dinucleotides``
        (``letters`` of proteins); ``labels``: by name ``length``, the ROC AUC by length alone (longer: more
        likely), and ``words``, that of the linear discriminant of shares of words in an example, fitted to
        the training set (None where nothing is held out, or a label is absent).
    """
    last = int(sets.max())
    letters = len(alphabet.letters)
    width = 2 if letters == 4 else 1
    lengths, held, training = lengths_of(x), sets == last, sets == 0
    shares = _word_shares(x[held | training], width, letters)
    held_shares, fitted_shares = shares[held[held | training]], shares[training[held | training]]
    found: dict[str, Any] = {
        "set": SETS[last],
        "words": "dinucleotides" if width == 2 else "letters",
    }
    found["labels"] = {}
    for n, name in enumerate(names):
        own = y[held, n] > 0
        auc: dict[str, float | None] = {"length": None, "words": None}
        if 0 < own.sum() < own.size:
            auc["length"] = _auc(lengths[held].astype(float), own)
            if last > 0 and training.any():
                weights = _discriminant(fitted_shares, y[training, n] > 0)
                auc["words"] = _auc(held_shares @ weights, own)
        found["labels"][name] = auc
    return found


def _auc(score: np.ndarray, positive: np.ndarray) -> float:
    return round(rank(score, positive).roc_auc, 4)


def _discriminant(features: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return the weights of the linear discriminant (least squares with a ridge): float64 (F,)."""
    if not 0 < positive.sum() < positive.size:
        return np.zeros(features.shape[1])
    weight = np.where(positive, 0.5 / positive.sum(), 0.5 / (~positive).sum())[:, None]
    centred = features - (weight * features).sum(axis=0)
    scatter = (weight * centred).T @ centred
    ridge = 1e-3 * np.trace(scatter) / len(scatter) * np.eye(len(scatter)) + 1e-12 * np.eye(
        len(scatter)
    )
    target = np.where(positive, 1.0, -1.0)[:, None]
    return np.linalg.solve(scatter + ridge, (weight * centred * target).sum(axis=0))


def _word_shares(x: np.ndarray, width: int, letters: int) -> np.ndarray:
    """Return the share of each word among the known ones of each example: float64 (N, letters ** width)."""
    words = letters**width
    shares = np.empty((len(x), words))
    for first in range(0, len(x), _CHUNK):
        codes = x[first : first + _CHUNK].astype(np.int64)
        places = max(codes.shape[1] - width + 1, 0)
        known, index = np.ones((len(codes), places), bool), np.zeros((len(codes), places), np.int64)
        for place in range(width):
            part = codes[:, place : place + places]
            known &= part < letters
            index = index * letters + part
        index += np.arange(len(codes))[:, None] * words
        counts = np.bincount(index[known], minlength=len(codes) * words).reshape(len(codes), words)
        shares[first : first + _CHUNK] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def reverse_complements(x: np.ndarray, y: np.ndarray, sets: np.ndarray) -> list[str]:
    """Return a sentence on examples whose reverse complement is in another set, or has other labels.

    Parameters
    ----------
    x, y, sets
        uint8 (N, L), uint8 (N, C), int (N,): letter codes, labels, number of the set in `SETS`.
    """
    group = same_letters(x, both_strands=True)
    paired = _differs(group, same_letters(x))
    _, labels = np.unique(y, axis=0, return_inverse=True)
    sentences = []
    for what, values in (("in another set", sets), ("with other labels", labels.ravel())):
        if count := int((paired & _differs(group, values)).sum()):
            one = f"{count:,} of {len(x):,} examples have their reverse complement among those "
            sentences.append(one + what)
    return sentences


def _differs(group: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Say of each example whether the values, int (N,), of its group's members differ: bool (N,)."""
    least, most = values[group], values[group]
    np.minimum.at(least, group, values)
    np.maximum.at(most, group, values)
    return np.asarray((least < most)[group])


def shared_copies(x: np.ndarray, sets: np.ndarray, *, both_strands: bool) -> list[str]:
    """Return a sentence for each set on examples too short for `shared_stretches` that training has too.

    Parameters
    ----------
    x, sets
        uint8 (N, L), int (N,): letter codes, and number of the set in `SETS`.
    both_strands
        Whether reverse complements are the same.
    """
    short = lengths_of(x) < STRETCH
    x, sets = x[short], sets[short]
    leader = same_letters(x, both_strands=both_strands)
    trained = np.isin(leader, leader[sets == 0])
    sentences = []
    for number in range(1, len(SETS)):
        own = trained[sets == number]
        if own.any():
            sentence = (
                f"{SETS[number]}: {int(own.sum()):,} of {len(own):,} examples under {STRETCH} "
            )
            sentences.append(sentence + "letters are copies of a training example")
    return sentences


def shared_stretches(x: np.ndarray, sets: np.ndarray, *, both_strands: bool) -> list[str]:
    """Return a sentence for each set whose examples share long stretches with training examples.

    Of large datasets only part of the stretches is looked at, so that the number is a least one.

    Parameters
    ----------
    x, sets
        uint8 (N, L), int (N,): letter codes, and number of the set in `SETS`.
    both_strands
        Whether a stretch and its reverse complement are the same.
    """
    every = np.uint64(max(1, x.size >> 26))
    if x.shape[1] < STRETCH or not (sets == 0).any():
        return []
    found = _stretches(x[sets == 0], every, both_strands)
    training = np.sort(np.concatenate([hashes[chosen] for hashes, chosen in found]))
    sentences = []
    for number in range(1, len(SETS)):
        own, shared = x[sets == number], 0
        for hashes, chosen in _stretches(own, every, both_strands):
            rows, wanted = np.nonzero(chosen)[0], hashes[chosen]
            order = np.argsort(wanted)  # a search in order is several times as fast
            place = np.searchsorted(training, wanted[order])
            there = place < len(training)
            there[there] = training[place[there]] == wanted[order][there]
            shared += len(np.unique(rows[order][there]))
        if shared:
            least = "at least " if every > 1 else ""
            sentence = f"{SETS[number]}: {least}{shared:,} of {len(own):,} examples share {STRETCH} letters "
            sentence += "in a row with a training example: windows that overlap, or repeats"
            sentences.append(sentence)
    return sentences


def _stretches(
    x: np.ndarray, every: np.uint64, both_strands: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the hash of each stretch of `STRETCH` letters, uint64 (N, M), and which count, bool (N, M).

    Those over unknown letters do not, and of the others one hash in `every`. With `both_strands` a stretch
    and its reverse complement have one hash.
    """
    for first in range(0, len(x), _CHUNK):
        codes = x[first : first + _CHUNK]
        foreign = np.cumsum(codes >= UNKNOWN, axis=1, dtype=np.int32)
        foreign = np.hstack([np.zeros((len(codes), 1), np.int32), foreign])
        result = _hashes(codes)
        if both_strands:
            back = np.frombuffer(COMPLEMENT, np.uint8)[codes[:, ::-1]]
            result = np.minimum(result, _hashes(back)[:, ::-1])
        known = foreign[:, STRETCH:] == foreign[:, : result.shape[1]]
        mixed = result ^ (result >> np.uint64(31))
        yield mixed, known & (mixed % every == 0)


def _hashes(codes: np.ndarray) -> np.ndarray:
    """Return the hash of each stretch of `STRETCH` codes, uint8 (N, L): uint64 (N, M)."""
    hashes = codes.astype(np.uint64) + np.uint64(1)
    result, done, size, power = None, 0, 1, _BASE
    while True:  # stretches of 1, 2, 4, ... letters, joined to the wanted length
        if STRETCH & size:
            if result is None:
                result = hashes
            else:
                places = hashes.shape[1] - done
                result = result[:, :places] * np.uint64(power) + hashes[:, done:]
            done += size
        if 2 * size > STRETCH:
            break
        longer = hashes.shape[1] - size
        hashes = hashes[:, :longer] * np.uint64(power) + hashes[:, size:]
        power, size = power * power % 2**64, 2 * size
    assert result is not None
    return np.asarray(result[:, : codes.shape[1] - STRETCH + 1])


def wide_motifs(motifs: Mapping[str, np.ndarray], window: int) -> list[str]:
    """Return a sentence on motifs, float64 (W, A) by name, that are wider than the window."""
    wide = [name for name, matrix in motifs.items() if len(matrix) > window]
    if not wide:
        return []
    return [
        f"motifs: wider than the {window} letters of a window, so without hits: {listed(wide, 5)}"
    ]


def insensitive_motifs(motifs: Mapping[str, np.ndarray], p_value: float) -> list[str]:
    """Return a sentence on motifs, float64 (W, A) by name, of whose own sites few are hits."""
    chances = {name: hit_chance(matrix, p_value) for name, matrix in motifs.items()}
    weak = sorted((chance, name) for name, chance in chances.items() if chance < _FEW)
    if not weak:
        return []
    shown = ", ".join(f"{name} {chance:.2f}" for chance, name in weak[:5])
    more = f" and {len(weak) - 5} more" if weak[5:] else ""
    sentence = (
        f"motifs: at p <= {p_value:g} less than half of a motif's own sites are hits (share: "
    )
    sentence += f"{shown}{more}), so hits are far fewer than the sites that seqgra fit estimates; "
    return [sentence + "a larger --p-value finds more"]
