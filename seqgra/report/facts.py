"""What a reader must know of a grammar to read its numbers, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seqgra.alphabet import SETS
from seqgra.grammar.schema import Grammar


def grammar_facts(grammar: Grammar) -> str:
    """Return sentences on several labels, lengths, label noise and confounders; empty without any."""
    return " ".join(
        [*_labels(grammar), *_lengths(grammar), *_noise(grammar), *_confounders(grammar)]
    )


def _labels(grammar: Grammar) -> Iterable[str]:
    if grammar.task == "multi-label":
        sizes = {len(shown) for shown in grammar.combinations}
        none = "; some show none" if 0 in sizes else ""
        yield (
            f"Multi-label: an example shows up to {max(sizes)} of the {len(grammar.conditions)} "
            f"conditions{none}. Each label is predicted and explained by itself."
        )


def _lengths(grammar: Grammar) -> Iterable[str]:
    if grammar.shortest < grammar.longest:
        yield f"Sequences have {grammar.shortest:,} to {grammar.longest:,} letters."


def _noise(grammar: Grammar) -> Iterable[str]:
    if grammar.noise is None:
        return
    wrong = [
        f"{100 * rate:g} % of {name}" for name, rate in grammar.noise.labels.items() if rate > 0
    ]
    sets = [name for name in SETS if name in grammar.noise.sets]
    if wrong and sets:
        test = "scores are against wrong ones too" if "test" in sets else "the test set is clean"
        yield f"Labels are wrong in {_listed(sets)}: {_listed(wrong)}; {test}."


def _confounders(grammar: Grammar) -> Iterable[str]:
    if not grammar.confounders:
        return
    names = dict.fromkeys(
        element
        for confounder in grammar.confounders
        for choices in confounder.elements.values()
        for element in choices
    )
    shifted = any(confounder.test is not None for confounder in grammar.confounders)
    drawn = "are drawn otherwise in the test set" if shifted else "are drawn alike in all sets"
    yield f"Confounders ({_listed(list(names))}) go with conditions but do not make them, and {drawn}."


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
