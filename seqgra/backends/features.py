"""Features of baselines: letters, words, motif scores, random convolutions, the user's own functions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from seqgra.alphabet import ALPHABETS
from seqgra.architecture.custom import load_named, only_own_file
from seqgra.architecture.schema import MOST_FEATURES, Baseline, RandomConvolutions
from seqgra.architecture.shapes import check_features
from seqgra.backends import gapped_kmers
from seqgra.backends.strands import Strand, either_strand, element_strands
from seqgra.errors import InputError, bad_input, in_a_line, out_of_memory
from seqgra.fingerprint import replacing
from seqgra.grammar.schema import Grammar
from seqgra.law.elements import best_scores
from seqgra.law.jit import kept
from seqgra.law.word_counts import complement_words
from seqgra.model import ModelCard
from seqgra.motif import ADDED, Zeros, log_odds
from seqgra.streams import stream
from seqgra.training import TrainingData

#: Sequences that a function of the user's own is given at once; each such part is one file of a cache.
PART = 256
#: A part of a model's arrays: what its features are made of.
Arrays = dict[str, np.ndarray]


class BaselineCard(ModelCard):
    """What a baseline's features are made of, and how its head is kept."""

    #: Length of the k-mers that are counted; None without.
    k: int | None = None
    #: Length of gapped k-mers and how many letters of it they are of; None without.
    gapped: tuple[int, int] | None = None
    #: Log odds (W, A) of each motif; None without.
    scores: dict[str, list[list[float]]] | None = None
    #: Strands of the k-mers, ``both`` or ``forward``.
    strands: str | None = None
    #: Strands of the gapped k-mers; None: those of the k-mers, as models of earlier versions have it.
    gapped_strands: str | None = None
    #: Strands of each motif.
    element_strands: dict[str, list[Strand]] | None = None
    #: Text of each file of the user's own that it runs, by the name that its architecture has for it.
    sources: dict[str, str] | None = None
    #: Of an estimator that the user's own function made, see `estimators.STORED`; None of others.
    kept: str | None = None

    def baseline(self, file: str) -> Baseline:
        """Return the architecture; `file` is its name for messages.

        Raises
        ------
        InputError
            If it is wrong.
        """
        from seqgra.architecture.load import resolve_architecture

        # a card holds penalties, which a file may not, beside a head too; predicting takes none
        content = {key: value for key, value in self.architecture.items() if key != "penalties"}
        found = resolve_architecture(content, file, self.sources or {})
        assert isinstance(found, Baseline)
        return found


class Extractor:
    """Computes a baseline's features.

    Parameters
    ----------
    card, baseline
        What they are made of.
    arrays
        ``words``, int64 (F,), of gapped k-mers; ``filters``, float32 (W, A, F), of random convolutions.
    file
        What to call the model in messages.

    Attributes
    ----------
    cache
        Folder that keeps what a function of the user's own returns; None: nothing is kept.
    """

    def __init__(self, card: BaselineCard, baseline: Baseline, arrays: Arrays, file: str) -> None:
        self._letters, self._alphabet = len(ALPHABETS[card.alphabet].letters), card.alphabet
        self._file, self._source = file, ""
        self.cache: Path | None = None
        self.parts: list[Callable[[np.ndarray], np.ndarray]] = []
        chosen = baseline.features
        if chosen.one_hot is not None:
            self.parts.append(self._flat_letters)
        if (k := card.k) is not None:
            columns = kmer_columns(k, self._letters, str(card.strands))
            self.parts.append(lambda x: kmer_counts(x, k, self._letters, columns))
        if card.gapped is not None:
            self.parts.append(self._gapped(card, arrays["words"]))
        if card.scores is not None:
            self.parts.append(lambda x: motif_scores(card, x))
        if chosen.random_convolutions is not None:
            filters = np.ascontiguousarray(arrays["filters"])
            self.parts.append(lambda x: pooled_convolutions(np.ascontiguousarray(x), filters))
        if chosen.module is not None:
            self._name, self._source = chosen.module, baseline.sources.get(chosen.module, "")
            with only_own_file(self._name):
                self._function = load_named(self._name, self._source, file, "features.module")
            self.parts.append(self._own)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return float32 (N, F) of letter codes `x`, uint8 (N, L).

        Raises
        ------
        InputError
            If a function of the user's own fails, or returns anything else than finite numbers (N, D).
        """
        x = np.asarray(x)
        found = [part(x) for part in self.parts]
        return found[0] if len(found) == 1 else np.concatenate(found, axis=1)

    def _flat_letters(self, x: np.ndarray) -> np.ndarray:
        letters = x[:, None, :] == np.arange(self._letters)[:, None]
        return np.asarray(letters.reshape(len(x), -1), np.float32)

    def _gapped(self, card: BaselineCard, words: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        assert card.gapped is not None
        places = gapped_kmers.patterns(*card.gapped)
        both = (card.gapped_strands or card.strands) == "both"
        columns = gapped_kmers.chosen_columns(places, self._letters, both, words)
        return lambda x: gapped_kmers.counts(x, places, self._letters, columns, len(words))

    def _own(self, x: np.ndarray) -> np.ndarray:
        """Return what the user's function returns, from the cache where it has been asked before."""
        parts = [self._own_part(x[first : first + PART]) for first in range(0, len(x), PART)]
        self._width(parts)
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)

    def width_of_own(self, x: np.ndarray) -> int:
        """Return how many numbers the user's function returns for a sequence; it is called with one, and all.

        Parameters
        ----------
        x
            uint8 (N, L), N at least 1.

        Raises
        ------
        InputError
            As when it is called, or if the numbers differ.
        """
        return self._width([self._own_part(x), self._own_part(x[:1])])

    def _width(self, parts: list[np.ndarray]) -> int:
        """Return how many numbers a sequence has in all parts, 0 without parts."""
        widths = sorted({part.shape[1] for part in parts})
        if len(widths) > 1:
            raise self._wrong(f"returns {' and '.join(map(str, widths))} numbers a sequence")
        return int(widths[0]) if widths else 0

    def _own_part(self, x: np.ndarray) -> np.ndarray:
        file = None
        if self.cache is not None:
            key = hashlib.sha256(f"{self._alphabet}\n{self._name}\n{self._source}\n".encode())
            key.update(repr(x.shape).encode() + np.ascontiguousarray(x).tobytes())
            file = self.cache / f"{key.hexdigest()[:32]}.npy"
            if (kept := _kept(file, len(x))) is not None:
                return kept
        alphabet = ALPHABETS[self._alphabet]
        try:
            with only_own_file(self._name):
                given = self._function([alphabet.decode(row) for row in x])
        except Exception as error:
            if isinstance(error, InputError) or out_of_memory(error):
                raise
            raise self._wrong(f"fails: {type(error).__name__}: {in_a_line(error)}") from error
        values = self._checked(given, len(x))
        if file is not None:
            with (
                suppress(OSError),
                replacing(file) as stream,
            ):  # read-only, or full: it is no result
                stream.write(_checksum(values))
                np.save(stream, values, allow_pickle=False)
        return values

    def _checked(self, given: object, examples: int) -> np.ndarray:
        try:
            values = np.asarray(given, np.float32)
        except (TypeError, ValueError):
            message = f"returns {type(given).__name__}, no array of numbers"
            raise self._wrong(message) from None
        if values.ndim != 2 or len(values) != examples or not values.shape[1]:
            raise self._wrong(f"returns shape {values.shape} for {examples} sequences")
        if values.shape[1] > MOST_FEATURES:
            message = f"returns {values.shape[1]:,} numbers a sequence; {MOST_FEATURES:,} at most"
            raise self._wrong(message)
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            raise self._wrong(f"returns {values[row, column]} in row {row}, column {column}")
        return values

    def _wrong(self, message: str) -> InputError:
        advice = "return finite numbers (N, D), one row a sequence, the same D for all"
        return bad_input(self._file, f"features.module: {self._name}", f"{message}; {advice}")


def _kept(file: Path, examples: int) -> np.ndarray | None:
    """Return the values that a file of a cache holds; None where it is missing or no such file."""
    try:
        with file.open("rb") as stream:
            checksum = stream.read(hashlib.sha256().digest_size)
            values = np.load(stream, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if values.dtype != np.float32 or values.ndim != 2 or len(values) != examples:
        return None
    return values if checksum == _checksum(values) else None


def _checksum(values: np.ndarray) -> bytes:
    found = hashlib.sha256(repr(values.shape).encode())
    found.update(np.ascontiguousarray(values).data)
    return found.digest()


def cache_beside(dataset: Path) -> Path:
    """Return the folder that keeps the features of a dataset's sequences; it may be deleted at any time."""
    dataset = dataset.absolute()
    return dataset.with_name(f"{dataset.name}.features")


def motif_scores(card: BaselineCard, x: np.ndarray) -> np.ndarray:
    """Return the best score of each motif on each of its strands: float32 (N, F).

    A sequence without a place that counts has the lowest score that the motif can give.
    """
    best = []
    for name, matrix in (card.scores or {}).items():
        scores = np.array(matrix, np.float32)
        lowest = scores.min(axis=1).sum()
        for strand in (card.element_strands or {})[name]:
            best.append(np.maximum(best_on_strand(x, scores, strand), lowest))
    return np.stack(best, axis=1)


def best_on_strand(x: np.ndarray, scores: np.ndarray, strand: Strand) -> np.ndarray:
    """Return the best score of a matrix (float32 (W, A)) in each of `x`, uint8 (N, L): float32 (N,).

    On strand ``-`` that of its reverse complement, on ``random`` the better of the two.
    """
    if strand == "+":
        return np.asarray(best_scores(x, scores))
    reverse = best_scores(x, np.ascontiguousarray(scores[::-1, ::-1]))
    return np.asarray(
        np.maximum(best_scores(x, scores), reverse) if strand == "random" else reverse
    )


def kmer_columns(k: int, letters: int, strands: str) -> np.ndarray:
    """Return the feature that each k-mer counts for, int64 (letters ** k,), in alphabetical order.

    With ``both`` strands of DNA a k-mer and its reverse complement are one.

    >>> kmer_columns(1, 4, "both").tolist()  # A and T, C and G
    [0, 1, 1, 0]
    """
    words = np.arange(letters**k)
    if strands == "forward":
        return words
    lesser = np.minimum(words, complement_words(k, letters))
    return np.unique(lesser, return_inverse=True)[1].astype(np.int64)


@kept(nogil=True)
def kmer_counts(x: np.ndarray, k: int, letters: int, columns: np.ndarray) -> np.ndarray:
    """Count the k-mers of each sequence; those with padding or unknown letters do not count.

    Parameters
    ----------
    x
        uint8 (N, L): letter codes.
    k, letters
        Length of the k-mers and size of the alphabet.
    columns
        int64 (letters ** k,): the feature that each counts for, see `kmer_columns`.

    Returns
    -------
    ndarray
        float32 (N, F), F one more than the largest of `columns`.
    """
    examples, length = x.shape
    size = letters**k
    counts = np.zeros((examples, columns.max() + 1), np.float32)
    for n in range(examples):
        index, run = 0, 0
        for position in range(length):
            letter = x[n, position]
            run = run + 1 if letter < letters else 0
            index = (index * letters + letter) % size if letter < letters else 0
            if run >= k:
                counts[n, columns[index]] += 1
    return counts


def random_filters(chosen: RandomConvolutions, letters: int) -> np.ndarray:
    """Return the filters of random convolutions: float32 (W, A, F), normal, mean 0 over letters.

    Each is scaled so that its output has variance 1 on letters that are all equally frequent.
    """
    draws = np.random.Generator(stream(chosen.seed, "random convolutions", "filters", 0))
    filters = draws.standard_normal((chosen.width, letters, chosen.filters))
    filters -= filters.mean(axis=1, keepdims=True)
    variance = (filters**2).mean(axis=1).sum(axis=0)
    return np.asarray(filters / np.sqrt(variance), np.float32)


@kept(nogil=True)
def pooled_convolutions(x: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Return largest and mean rectified outputs of convolutions of one-hot letters, none learnt.

    Parameters
    ----------
    x
        uint8 (N, L): letter codes; padding and unknown letters add nothing. L is at least W.
    filters
        float32 (W, A, F).

    Returns
    -------
    ndarray
        float32 (N, 2 F): of each filter the largest output over all places, at least 0, then of each the
        mean of the outputs above 0 with 0 for the others.
    """
    (examples, length), (width, letters, count) = x.shape, filters.shape
    result = np.zeros((examples, 2 * count), np.float32)
    output = np.empty(count, np.float32)
    places = length - width + 1
    for n in range(examples):
        for start in range(places):
            output[:] = 0
            for w in range(width):
                letter = x[n, start + w]
                if letter < letters:
                    output += filters[w, letter]
            for f in range(count):
                value = output[f]
                if value > 0:
                    result[n, f] = max(result[n, f], value)
                    result[n, count + f] += value
        result[n, count:] /= places
    return result


def card_and_arrays(baseline: Baseline, data: TrainingData) -> tuple[BaselineCard, Arrays]:
    """Return what a baseline's features are made of on a dataset.

    Raises
    ------
    InputError
        If they cannot be had of it: both strands of an alphabet with one, too many words, no motifs, or a
        window shorter than a random filter.
    """
    dataset, chosen = data.dataset, baseline.features
    alphabet = dataset.alphabet
    check_features(baseline, alphabet.name, dataset.window, baseline.description)
    card = BaselineCard(
        architecture=baseline.model_dump(mode="json"),
        alphabet=alphabet.name,
        window=dataset.window,
        conditions=tuple(dataset.conditions),
        task=data.task,
    )
    found: dict[str, object] = {"sources": dict(baseline.sources)} if baseline.sources else {}
    arrays: Arrays = {}
    if kmers := chosen.kmers:
        found |= {"k": kmers.k, "strands": _strands_of_words(kmers.strands, data)}
    if gapped := chosen.gapped_kmers:
        strands = _strands_of_words(gapped.strands, data)
        found |= {"gapped": (gapped.length, gapped.informative), "gapped_strands": strands}
        arrays["words"] = _words(baseline, data, strands == "both")
    if chosen.pwm_scan is not None:
        if not dataset.grammar.elements:
            message = "names no motifs to score; ingest it again with --motifs"
            raise bad_input(dataset.folder, "elements", message)
        found["scores"] = element_scores(dataset.grammar)
        found["element_strands"] = _strands_of_elements(chosen.pwm_scan.strands, data)
    if random := chosen.random_convolutions:
        arrays["filters"] = random_filters(random, len(alphabet.letters))
    return BaselineCard(**{**card.model_dump(exclude_unset=True), **found}), arrays


def _strands_of_words(wanted: str, data: TrainingData) -> str:
    if wanted == "auto":
        return "both" if either_strand(data.dataset) else "forward"
    return wanted


def _strands_of_elements(wanted: str, data: TrainingData) -> dict[str, list[Strand]]:
    if wanted == "auto":
        return {name: list(each) for name, each in element_strands(data.dataset).items()}
    one: Strand = "random" if wanted == "both" else "+"
    return {name: [one] for name in data.dataset.grammar.elements}


def _words(baseline: Baseline, data: TrainingData, both: bool) -> np.ndarray:
    """Return which gapped k-mers are features."""
    gapped = baseline.features.gapped_kmers
    assert gapped is not None
    places = gapped_kmers.patterns(gapped.length, gapped.informative)
    x, y = np.asarray(data.x), np.asarray(data.y)
    letters = len(data.dataset.alphabet.letters)
    found = gapped_kmers.distinct_words(x, y, places, letters, both, gapped.most)
    if not len(found):
        message = (
            "no gapped k-mer differs between the conditions of the training set; use more examples"
        )
        raise bad_input(baseline.description, "features.gapped_kmers", message)
    return found


def element_scores(grammar: Grammar) -> dict[str, list[list[float]]]:
    """Return log2 odds of every element against the background: (W, A) by element."""
    letters = ALPHABETS[grammar.alphabet].letters
    background = grammar.letter_distribution()
    return {
        name: log_odds(
            element.letter_probabilities(letters), background, ADDED, Zeros.ADDED
        ).tolist()
        for name, element in grammar.elements.items()
    }
