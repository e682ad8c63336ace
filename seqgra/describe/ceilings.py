"""The ceiling of a grammar in words: what the exact posterior reaches, and what less knowledge does."""

from __future__ import annotations

from seqgra.describe.words import table
from seqgra.grammar.schema import Grammar
from seqgra.law.ceiling import NEEDED, Measured, ceiling, restricted_ceilings

_KNOWN = {
    "composition": "how often each letter occurs",
    "vocabulary": "the best score of each element",
    "one position": "the true position of one element, if any",
    "additive positions": "all true positions, in additive terms",
}


def ceiling_lines(grammar: Grammar, examples: int, seed: int) -> list[str]:
    """Return what any classifier can reach, as Markdown.

    Parameters
    ----------
    grammar
        Resolved.
    examples, seed
        How many to draw and score, and the data seed of the draw.

    Raises
    ------
    InputError
        If the grammar has too many outcomes.
    """
    found = ceiling(grammar, examples, seed)
    rows = [
        ("ROC AUC (macro)", _told(found.roc_auc)),
        ("PR AUC (macro)", _told(found.pr_auc)),
        ("accuracy", _told(found.accuracy)),
        ("least log loss H(Y\\|X), nats", _told(found.entropy)),
    ]
    lines = [*table(("of the exact posterior", "value"), rows), ""]
    if found.kind == "exact":
        lines.append(
            f"No classifier is better. Measured on {examples:,} drawn examples, with standard errors."
        )
    else:
        lines.append(f"This is an {found.kind}, not a bound: {'; '.join(found.notes)}.")
    restricted = restricted_ceilings(grammar, 2 * examples, seed)
    told = [(_KNOWN[name], _told(areas.roc_auc)) for name, areas in restricted.items()]
    unneeded = [
        _KNOWN[name]
        for name, areas in restricted.items()
        if areas.roc_auc.value > found.roc_auc.value - NEEDED
    ]
    lines += ["", *table(("who knows only", "ROC AUC"), told), ""]
    lines.append("Estimates, fitted to as many drawn examples.")
    if unneeded:
        lines.append(
            f"Enough by itself (less than {NEEDED} below the ceiling): {'; '.join(unneeded)}. What "
            "goes beyond that is not needed by this grammar."
        )
    return lines


def _told(measured: Measured) -> str:
    return f"{measured.value:.4f} ({measured.error:.4f})"
