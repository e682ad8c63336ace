"""The ladder: eleven rules at 200 letters, each solvable by all knowledge and by none of its shortcuts.

By the table of docs/grammars.md. A shortcut is closed where its ROC AUC, an estimate, is below 0.6 or less
than one standard error above it.
"""

from pathlib import Path

import pytest

from seqgra.grammar.load import load_grammar
from seqgra.law.ceiling import ceiling
from seqgra.law.restricted import restricted_ceilings

GRAMMARS = Path(__file__).parents[1] / "grammars"
EXAMPLES = 600
PLACES = ("sum of positions", "nearest edge", "span", "one position", "additive positions")
PAIR = ("composition", "number of sites", *PLACES, "additive best scores")
#: What is closed of each rule, and what is the rule itself, or an open way to it.
RULES = {
    "motif": (("composition", "number of sites", *PLACES[:3]), ("additive best scores",)),
    "affinity": (("composition", "number of sites", *PLACES), ("additive best scores",)),
    "position": (("composition", "number of sites", "best scores"), ("one position",)),
    "orientation": (PAIR, ()),
    "order": (PAIR, ()),
    "near-far": (PAIR, ()),
    "exact-gap": (PAIR, ()),
    "helical": (PAIR, ()),
    "and": (("composition", "number of sites", *PLACES), ("additive best scores",)),
    "xor": (PAIR, ("best scores",)),
    "confounder": (("composition", "number of sites", *PLACES[:3]), ("additive best scores",)),
}


def rule(name):
    return load_grammar(GRAMMARS / f"ladder-{name}.yaml")


def test_every_rung_is_here():
    assert {f"ladder-{name}" for name in RULES} == {
        file.stem for file in GRAMMARS.glob("ladder-*.yaml")
    }


@pytest.mark.parametrize("name", RULES)
def test_all_knowledge_solves_a_rule_and_no_shortcut_does(name):
    closed, opened = RULES[name]
    found = restricted_ceilings(rule(name), EXAMPLES, resamples=40, knows=(*closed, *opened))
    for knows in closed:
        value, error = found[knows].roc_auc
        assert value - error < 0.6, knows
    for knows in opened:
        assert found[knows].roc_auc.value > 0.98, knows
    exact = ceiling(rule(name), 300)
    assert exact.kind == "exact" and exact.roc_auc.value > 0.95


def test_the_confounder_says_much_in_training_and_nothing_in_the_test_set():
    """It is there in 0.9 of one class and 0.1 of the other: ROC AUC 0.9, and 0.5 on the test set."""
    for set_name, known in (("training", 0.9), ("validation", 0.9), ("test", 0.5)):
        found = restricted_ceilings(
            rule("confounder"), EXAMPLES, 0, set_name, 40, ["number of sites"]
        )
        value, error = found["number of sites"].roc_auc
        assert abs(value - known) < 5.2 * error
        assert error < 0.03
