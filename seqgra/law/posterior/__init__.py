"""The exact posterior: the probability of each condition given a sequence, under the grammar's own law.

p(x | group) = b(x) E[ numerator / Z ]: the mean runs over scenarios (which rules apply, copies, slots,
elements, orders, strands), the numerator sums over placements the product of the elements' ratios to the
background, and Z is the same sum with every ratio 1. Where there is no closed form an estimate with its
error, or an approximation, stands instead, and `Posterior.kind` says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqgra.alphabet import ALPHABETS, SETS, lengths_of
from seqgra.errors import bad_input
from seqgra.grammar.backgrounds import Background, Markov, fit_markov
from seqgra.grammar.schema import Grammar
from seqgra.law.pcg import generator_state
from seqgra.law.posterior.background_likelihood import BackgroundLaw, background_laws
from seqgra.law.posterior.block_layouts import LayoutTable, Scenario
from seqgra.law.posterior.sequence_sums import BackgroundSums, Ratios
from seqgra.law.posterior.site_probabilities import SiteTable
from seqgra.law.shuffle import shuffle_rows
from seqgra.law.word_counts import complement_words
from seqgra.streams import stream

#: Added to every likelihood ratio, so that sequences no condition can make have a posterior: the prior.
FLOOR_LOG = -30 * np.log(10)
#: Order of the chain that stands for backgrounds drawn from a FASTA file.
POOL_ORDER = 2
_SHUFFLES = 64
#: Bytes of ratios in memory at a time, about.
_CHUNK_BYTES = 64 << 20


class Combination(NamedTuple):
    """Examples that show one combination of conditions."""

    #: bool (C,).
    shown: np.ndarray
    #: Their probabilities.
    scenarios: dict[Scenario, float]
    #: Chance and number of each background.
    backgrounds: tuple[tuple[float, int], ...]


class Likelihoods(NamedTuple):
    """Log likelihoods of N examples under G groups."""

    #: float64 (N, G): log p(x | group).
    logs: np.ndarray
    #: float64 (N, G): standard error of `logs`; 0 where they are exact.
    errors: np.ndarray


class Posterior:
    """The posterior of a grammar in one set; holds tables by example length.

    Attributes
    ----------
    grammar, set_name
        Whose law it is; confounders, backgrounds and noise may differ between sets.
    kind
        ``exact``, ``estimate`` or ``approximation``.
    notes
        Why it is not exact.
    combinations, backgrounds, sites, layouts
        The parts of the law.
    """

    def __init__(self, grammar: Grammar, set_name: str) -> None:
        self.grammar, self.set_name = grammar, set_name
        self.alphabet = ALPHABETS[grammar.alphabet]
        self.notes: list[str] = []
        self.kind = "exact"
        table = SiteTable(grammar)
        layouts = LayoutTable(grammar, table)
        self.backgrounds: list[BackgroundLaw] = []
        self.combinations = [self._combination(layouts, c) for c in grammar.combinations]
        self.sites = table.tables()
        self.layouts = layouts.layouts
        self._sums: dict[tuple[int, int], BackgroundSums] = {}
        if any(group.shuffle for group in grammar.examples):
            self._mark("estimate", "shuffled examples: the mean over shuffles of each sequence")

    def _mark(self, kind: str, note: str) -> None:
        order = ("exact", "estimate", "approximation")
        self.kind = max(self.kind, kind, key=order.index)
        if note not in self.notes:
            self.notes.append(note)

    def _combination(self, layouts: LayoutTable, shown: tuple[str, ...]) -> Combination:
        names = list(self.grammar.conditions)
        lenders = self.grammar.background.lenders(shown, tuple(names))
        chances: dict[int, float] = {}
        for name in lenders:
            strands = self._without_pool(self.grammar.background.of(name, self.set_name))
            for strand in strands:
                for chance, background in background_laws(strand, self.alphabet):
                    number = self._background(background)
                    share = chance / (len(lenders) * len(strands))
                    chances[number] = chances.get(number, 0.0) + share
        return Combination(
            np.array([name in shown for name in names]),
            layouts.scenarios(shown, self.set_name),
            tuple((chance, number) for number, chance in chances.items()),
        )

    def _without_pool(self, background: Background) -> list[Background]:
        """Return the background, or a chain for each strand that stretches of a FASTA file are read on."""
        pool = background.fasta
        if pool is None:
            return [background]
        note = f"background of a FASTA file: a chain of order {POOL_ORDER} fitted to it instead"
        self._mark("approximation", note)
        chain = fit_markov(Markov(order=POOL_ORDER, fasta=pool.file), self.alphabet, Path())
        strands = [chain, _reverse_complement(chain)] if pool.strand == "random" else [chain]
        return [Background(markov=strand) for strand in strands]

    def _background(self, background: BackgroundLaw) -> int:
        for number, there in enumerate(self.backgrounds):
            if background.order == there.order and all(
                np.array_equal(getattr(background, part), getattr(there, part))
                for part in ("logs", "initial", "table")
            ):
                return number
        self.backgrounds.append(background)
        return len(self.backgrounds) - 1

    def likelihoods(self, x: np.ndarray) -> Likelihoods:
        """Return the log likelihood of each of the grammar's example groups.

        Parameters
        ----------
        x
            uint8 (N, L): letter codes, padding behind shorter examples.

        Raises
        ------
        InputError
            If a sequence has unknown letters and the background is a chain.
        """
        groups = self.grammar.examples
        logs, errors = np.zeros((len(x), len(groups))), np.zeros((len(x), len(groups)))
        length = lengths_of(np.asarray(x))
        for letters in np.unique(length).tolist():
            rows = np.flatnonzero(length == letters)
            size = self._chunk(letters)
            for first in range(0, len(rows), size):
                part = rows[first : first + size]
                found = self._groups(np.ascontiguousarray(x[part, :letters]))
                logs[part], errors[part] = found
        return Likelihoods(logs, errors)

    def _chunk(self, length: int) -> int:
        parts = max(self.sites.part_site.size, 1)
        return int(np.clip(_CHUNK_BYTES // (16 * parts * max(length, 1)), 1, 256))

    def _groups(self, x: np.ndarray) -> Likelihoods:
        """Return the log likelihoods of sequences of one length: uint8 (N, L) without padding."""
        own = self._combinations(x)
        shown = [set(c) for c in self.grammar.combinations]
        number = [shown.index(set(group.conditions)) for group in self.grammar.examples]
        logs, errors = own.logs[:, number], own.errors[:, number]
        for g, group in enumerate(self.grammar.examples):
            if group.shuffle:
                logs[:, g], errors[:, g] = self._shuffled(x, group.shuffle, number)
        return Likelihoods(logs, errors)

    def _shuffled(self, x: np.ndarray, k: int, number: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean likelihood of shuffles of each sequence under the groups they come from."""
        groups = self.grammar.examples
        sources = [g for g, group in enumerate(groups) if not group.shuffle]
        shares = np.array([groups[g].share for g in sources])
        state = generator_state(stream(0, f"posterior shuffle {k}", self.set_name, 0))
        logs = np.empty((_SHUFFLES, len(x)))
        for draw in range(_SHUFFLES):
            shuffled = x.copy()
            shuffle_rows(shuffled, np.arange(len(x)), len(self.alphabet.letters), k, state)
            own = self._combinations(shuffled).logs[:, [number[g] for g in sources]]
            logs[draw] = log_sum(own + np.log(shares / shares.sum()))
        top = logs.max(axis=0)
        values = np.exp(logs - top)
        mean = values.mean(axis=0)
        return top + np.log(mean), values.std(axis=0) / np.sqrt(_SHUFFLES) / mean

    def _combinations(self, x: np.ndarray) -> Likelihoods:
        """Return the log likelihood under each combination of conditions: float64 (N, K)."""
        shape = (len(x), len(self.combinations))
        logs, variance = np.full(shape, -np.inf), np.zeros(shape)
        ratios = Ratios(self.sites, x)
        for number in range(len(self.backgrounds)):
            background_sums = self.background_sums(number, x.shape[1])
            sums = background_sums.of_sequences(ratios)
            for c, combination in enumerate(self.combinations):
                for chance, background in combination.backgrounds:
                    if background == number:
                        found, error = sums.ratio(combination.scenarios)
                        part = np.log(chance) + sums.background + np.logaddexp(found, FLOOR_LOG)
                        total = np.logaddexp(logs[:, c], part)
                        old, new = np.exp(logs[:, c] - total), np.exp(part - total)
                        variance[:, c] = old**2 * variance[:, c] + (new * error) ** 2
                        logs[:, c] = total
        return Likelihoods(logs, np.sqrt(variance))

    def background_sums(self, background: int, length: int) -> BackgroundSums:
        """Return the layouts over one of `backgrounds` in examples of `length` letters."""
        key = (background, length)
        if key not in self._sums:
            scenarios = [
                c.scenarios
                for c in self.combinations
                if any(g == background for _, g in c.backgrounds)
            ]
            used = sorted({n for found in scenarios for scenario in found for n in scenario})
            self._sums[key] = BackgroundSums(
                self.backgrounds[background],
                self.sites,
                {n: self.layouts[n] for n in used},
                length,
                self.grammar.overlap == "allow",
                self._mark,
            )
        return self._sums[key]

    def group_logs(self) -> np.ndarray:
        """Return the log share of each group: float64 (G,)."""
        shares = np.array([group.share for group in self.grammar.examples])
        return np.asarray(np.log(shares / shares.sum()))

    def log_posterior(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what the labels of sequences are, as they are recorded in this set.

        Parameters
        ----------
        x
            uint8 (N, L): letter codes.

        Returns
        -------
        tuple
            float64 (N, C): log posterior of each condition (multi-class), or the log odds of each
            label (multi-label). float64 (N,): its standard error, at most; 0 where it is exact.
        """
        found = self.likelihoods(x)
        joint = found.logs + self.group_logs()
        joint -= log_sum(joint)[:, None]
        errors = np.sort(found.errors, axis=1)[:, -2:]
        shown = np.array(
            [
                [name in g.conditions for name in self.grammar.conditions]
                for g in self.grammar.examples
            ]
        )
        values = labels_of(joint, shown, self.grammar.task == "multi-label")
        return self._noisy(values), np.sqrt((errors**2).sum(axis=1))

    def _noisy(self, values: np.ndarray) -> np.ndarray:
        """Return the posterior of recorded labels, given that of the conditions shown."""
        noise = self.grammar.noise
        if noise is None or self.set_name not in noise.sets:
            return values
        rates = np.array([noise.labels.get(name, 0.0) for name in self.grammar.conditions])
        if self.grammar.task == "multi-label":
            log_p, log_q = -np.logaddexp(0, -values), -np.logaddexp(0, values)
            with np.errstate(divide="ignore"):
                stay, flip = np.log1p(-rates), np.log(rates)
            yes = np.logaddexp(log_p + stay, log_q + flip)
            no = np.logaddexp(log_p + flip, log_q + stay)
            return np.asarray(yes - no)
        flips = np.diag(1 - rates)
        others = rates[:, None] / (len(rates) - 1) * (1 - np.eye(len(rates)))
        return np.asarray(np.log(np.exp(values) @ (flips + others)))


def labels_of(joint: np.ndarray, shown: np.ndarray, multi_label: bool) -> np.ndarray:
    """Turn log posteriors of groups into those of conditions.

    Parameters
    ----------
    joint
        float64 (N, G): log posterior of each group.
    shown
        bool (G, C): conditions that each group shows.
    multi_label
        Whether to return log odds; clipped to those of the floor where a label is certain.
    """
    outside = np.full_like(joint, -np.inf)
    columns = []
    for condition in range(shown.shape[1]):
        yes = log_sum(np.where(shown[:, condition], joint, outside))
        if multi_label:
            no = log_sum(np.where(shown[:, condition], outside, joint))
            yes = np.clip(yes - no, FLOOR_LOG, -FLOOR_LOG)
        columns.append(yes)
    return np.stack(columns, axis=1)


def log_sum(logs: np.ndarray) -> np.ndarray:
    """Return log sum exp over the last axis, -inf where all are."""
    top = logs.max(axis=-1)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(safe + np.log(np.exp(logs - safe[..., None]).sum(axis=-1)))


def compile_posterior(grammar: Grammar, set_name: str = "test") -> Posterior:
    """Return the posterior of a resolved grammar under the law of one set.

    Raises
    ------
    InputError
        If there is no such set, the grammar has too many outcomes, or a FASTA file cannot be read.
    """
    if set_name not in SETS:
        raise bad_input("--set", set_name, f"is no set; choose from {', '.join(SETS)}")
    return Posterior(grammar, set_name)


def _reverse_complement(chain: Markov) -> Markov:
    """Return the chain of sequences read backwards on the other strand, of one fitted to words of a file."""
    assert chain.initial is not None and chain.table is not None
    words = np.array(chain.initial)[:, None] * np.array(chain.table)
    contexts, letters = words.shape
    words = words.ravel()[complement_words(chain.order + 1, letters)].reshape(contexts, letters)
    starts = words.sum(axis=1)
    return Markov(
        order=chain.order,
        initial=tuple(starts.tolist()),
        table=tuple(map(tuple, (words / starts[:, None]).tolist())),
    )
