"""Which properties a grammar asks for: those without which no classifier reaches the exact posterior.

A property is *asked* where no classifier that lacks it suffices (`seqgra.law.ceiling.suffices`). Which
classifiers lack it depends on the property: restricted ceilings (see `seqgra.law.restricted`), or the
posterior of the same grammar with the property left open.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from seqgra.grammar.schema import Grammar, Rule
from seqgra.law.ceiling import Areas, areas_of, suffices
from seqgra.law.law import compile_law, draw_examples
from seqgra.law.posterior import compile_posterior
from seqgra.law.restricted import ONE_MOTIF, restricted_ceilings
from seqgra.metrics import log_odds

#: Property -> what a classifier that lacks it may know at most. A sum of positions of both elements is not
#: among them: the difference of two starts is their order.
LACKING = {
    "vocabulary": ("composition",),
    "position": ("composition", "best scores"),
    "order": ("composition", "best scores", "one position"),
    "spacing": ("composition", "best scores", "one position"),
    "logic": (ONE_MOTIF,),  # a sum of motifs with a threshold is AND
}
#: Property -> changes of every rule that leave it open.
OPEN: dict[str, dict[str, object]] = {
    "strand": {"strand": "random"},
    "orientation": {"orientation": "any"},
    "copies": {"copies": (1, 1)},
}
#: How far the posterior's measure must lie above chance for a property that is not asked to be testable.
TESTABLE = 0.1


class Asked(NamedTuple):
    """Whether a grammar asks for a property."""

    #: Whether it does; else a model can do without.
    asked: bool
    #: ROC AUC of the exact posterior (macro).
    full: float
    #: ROC AUC of the best classifier that lacks the property; None for what is asked of every model:
    #: sufficiency, translation, confounder, shift.
    without: float | None
    #: What that classifier knows.
    knows: str


def asked_of(
    grammar: Grammar,
    properties: Iterable[str],
    examples: int = 2000,
    seed: int = 0,
    set_name: str = "test",
) -> dict[str, Asked]:
    """Return which of some properties a grammar asks for.

    Parameters
    ----------
    grammar
        Resolved; its posterior is exact.
    properties
        Such as ``order``.
    examples
        How many are scored.
    seed
        Of their draw, not negative.
    set_name
        Whose distributions hold.

    Raises
    ------
    InputError
        If the elements can hardly be placed, or the grammar has too many outcomes.
    """
    names = list(dict.fromkeys(properties))
    drawn = draw_examples(compile_law(grammar, "grammar"), seed, set_name, examples)
    truth = drawn.y.astype(bool)

    def areas(of: Grammar) -> Areas:
        values, _ = compile_posterior(of, set_name).log_posterior(drawn.x)
        odds = log_odds(values, of.task == "multi-label")
        return areas_of(odds, truth, seed, 0)

    full = areas(grammar)
    knows = list(dict.fromkeys(k for name in names for k in LACKING.get(name, ())))
    less = restricted_ceilings(grammar, examples, seed, set_name, 0, knows)
    found = {}
    for name in names:
        lacking: dict[str, Areas] = {}
        if name in LACKING:
            lacking = {k: less[k] for k in LACKING[name]}
        elif name in OPEN or name == "affinity":
            lacking = {f"everything but {name}": areas(_left_open(grammar, name))}
        asked = not any(suffices(own.macro, full.macro) for own in lacking.values())
        without, best = max(
            ((own.roc_auc.value, k) for k, own in lacking.items()), default=(None, "")
        )
        found[name] = Asked(asked, full.roc_auc.value, without, best)
    return found


def _left_open(grammar: Grammar, name: str) -> Grammar:
    """Return the grammar with a property of every rule left open."""
    if name == "affinity":
        elements = {
            key: element.model_copy(update={"affinity": None})
            for key, element in grammar.elements.items()
        }
        return grammar.model_copy(update={"elements": elements})

    def opened(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return tuple(rule.model_copy(update=OPEN[name]) for rule in rules)

    conditions = {
        key: condition.model_copy(update={"rules": opened(condition.rules)})
        for key, condition in grammar.conditions.items()
    }
    return grammar.model_copy(update={"conditions": conditions})
