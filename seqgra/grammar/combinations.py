"""Which rules concern an example, given the conditions it shows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.alphabet import SETS
from seqgra.grammar.schema import Arrangement, Grammar

#: What an element in a sequence is there for; a hit was not placed but found, in a real sequence, and
#: an annotation says that places matter, but not what is there.
ROLES = ("grammar", "confounder", "common", "hit", "annotated")


def tells(role: np.ndarray, condition: np.ndarray, explained: np.ndarray | int) -> np.ndarray:
    """Tell of placed elements whether they tell about the condition that is explained: bool (M,).

    Those that a rule of the condition placed do, and hits of motifs, or annotations, that belong to it
    or to no condition in particular (-1).
    """
    own = condition == explained
    grammar = role == ROLES.index("grammar")
    found = np.isin(role, (ROLES.index("hit"), ROLES.index("annotated")))
    return np.asarray((grammar & own) | (found & (own | (condition < 0))))


class Applied(NamedTuple):
    """A rule of a combination of conditions."""

    #: Where it stands in the grammar file.
    place: str
    #: The arrangement.
    rule: Arrangement
    #: One of `ROLES`.
    role: str
    #: Number of the condition that owns it, -1 for a common rule or a confounder.
    condition: int
    #: Counted within its condition, the common rules or the confounders.
    number: int
    #: Probability in each set of `SETS`.
    chances: tuple[float, ...]
    #: Whether at most one of its condition's rules applies.
    exclusive: bool


def applied_rules(grammar: Grammar, shown: tuple[str, ...]) -> list[Applied]:
    """Return the rules of examples that show these conditions, in the order in which they are drawn.

    Those of the conditions come first, in the conditions' order, then common ones, then confounders.
    """
    found = []
    for number, (name, condition) in enumerate(grammar.conditions.items()):
        if name in shown:
            exclusive = condition.mode == "mutually-exclusive"
            for n, rule in enumerate(condition.rules):
                place, chances = f"conditions.{name}.rules[{n}]", (rule.probability,) * len(SETS)
                found.append(Applied(place, rule, "grammar", number, n, chances, exclusive))
    for n, rule in enumerate(grammar.common.rules):
        chances = (rule.probability,) * len(SETS)
        found.append(Applied(f"common.rules[{n}]", rule, "common", -1, n, chances, False))
    for n, confounder in enumerate(grammar.confounders):
        chances = tuple(confounder.chance(shown, name) for name in SETS)
        place = f"confounders[{n}]"
        found.append(Applied(place, confounder, "confounder", -1, n, chances, False))
    return found
