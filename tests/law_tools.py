"""What the tests of the law share: small grammars, drawn examples, a chi-square test."""

from pathlib import Path

import numpy as np
from scipy import stats

from seqgra.grammar.load import resolve
from seqgra.law.law import SampledExamples, compile_law, draw_block
from seqgra.law.placement import Placed

FALSE_ALARM = 1e-6
#: Blocks of 4,096 examples: about half a million.
BLOCKS = 122


def draw(grammar, blocks=BLOCKS, seed=0, set_name="training"):
    law = compile_law(grammar, "test")
    parts = [draw_block(law, seed, set_name, block) for block in range(blocks)]
    joined = [np.concatenate(arrays) for arrays in zip(*(p.placed for p in parts), strict=True)]
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in SampledExamples._fields
        if name != "placed"
    }
    return law, SampledExamples(**arrays, placed=Placed(*joined))


def grammar_of(**changes):
    content = {
        "alphabet": "DNA",
        "window": 60,
        "elements": {
            "a": {"kmers": {"ACGTAC": 1}},
            "b": {"kmers": {"TTGGTT": 0.25, "TTGGAA": 0.75}},
        },
        "conditions": {"one": {"rules": [{"elements": ["a"]}]}, "two": {}},
    }
    return resolve({**content, **changes}, Path("g.yaml"), Path())


def rejects(observed, expected_shares):
    """Tell whether counts contradict the expected shares (chi-square); zero shares must be empty."""
    observed, shares = np.asarray(observed), np.asarray(expected_shares, float)
    assert observed[shares == 0].sum() == 0, "something impossible was drawn"
    observed, shares = observed[shares > 0], shares[shares > 0]
    if len(shares) == 1:
        return False
    return stats.chisquare(observed, shares / shares.sum() * observed.sum()).pvalue < FALSE_ALARM


def rule_grammar(*rules, **changes):
    return grammar_of(conditions={"one": {"rules": list(rules)}, "two": {}}, **changes)
