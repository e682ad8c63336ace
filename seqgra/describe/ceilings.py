"""The ceiling of a grammar in words: what the exact posterior reaches, and what less knowledge does."""

from __future__ import annotations

from seqgra.describe.rules import table
from seqgra.grammar.schema import Grammar
from seqgra.law.ceiling import NEEDED, Measured, ceiling, suffices
from seqgra.law.restricted import FITTED, restricted_ceilings

_KNOWN = {
    "composition": "how often each letter occurs",
    "number of sites": "how many sites there are",
    "sum of positions": "the sum of all sites' true positions",
    "nearest edge": "how far the outermost site is from its end",
    "span": "how many letters all sites span",
    "one position": "the true positions of one motif's sites, in additive terms",
    "additive positions": "all true positions, in additive terms",
    "additive best scores": "the best score of each motif, in additive terms",
    "best scores": "the best score of each motif",
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
        ("ROC AUC (macro)", _with_error(found.roc_auc)),
        ("PR AUC (macro)", _with_error(found.pr_auc)),
        ("accuracy", _with_error(found.accuracy)),
        ("least log loss H(Y\\|X), nats", _with_error(found.entropy)),
    ]
    lines = [*table(("of the exact posterior", "value"), rows), ""]
    if found.kind == "exact":
        lines.append(
            f"No classifier is better. Measured on {examples:,} drawn examples, with standard errors."
        )
    else:
        lines.append(f"This is an {found.kind}, not a bound: {'; '.join(found.notes)}.")
    restricted = restricted_ceilings(grammar, examples, seed)
    reached = [(_KNOWN[name], _with_error(areas.roc_auc)) for name, areas in restricted.items()]
    unneeded = [
        _KNOWN[name]
        for name, areas in restricted.items()
        if suffices(areas.macro, {"roc_auc": found.roc_auc.value, "pr_auc": found.pr_auc.value})
    ]
    lines += ["", *table(("who knows only", "ROC AUC"), reached), ""]
    lines.append(
        f"Estimates on the same examples, fitted to {FITTED * examples:,} others, so somewhat too low."
    )
    if unneeded:
        lines.append(
            f"Enough by itself (less than {NEEDED} below the ceiling, and three quarters of its PR AUC): "
            f"{'; '.join(unneeded)}. What "
            "goes beyond that is not needed by this grammar."
        )
    return lines


def _with_error(measured: Measured) -> str:
    return f"{measured.value:.4f} ({measured.error:.4f})"
