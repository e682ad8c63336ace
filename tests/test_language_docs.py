"""The documentation of the language: a file for every key, each of which loads and draws."""

import re
from pathlib import Path

import pytest

from seqgra.grammar.load import load_grammar
from seqgra.grammar.schema import (
    Affinity,
    Arrangement,
    Condition,
    Confounder,
    Element,
    Grammar,
    Group,
    Noise,
    Rule,
    Spacing,
)
from seqgra.law.law import compile_law, draw_block
from seqgra.yamlfile import read_yaml

DOCS = Path(__file__).parents[1] / "docs"
FILES = sorted((DOCS / "language").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_example_file_draws_and_is_linked(path):
    draw_block(compile_law(load_grammar(path), str(path)), 0, "training", 0)
    assert f"language/{path.name}" in (DOCS / "grammar.md").read_text()


def keys(content):
    if isinstance(content, dict):
        yield from (str(key) for key in content)
        for value in content.values():
            yield from keys(value)
    elif isinstance(content, list):
        for value in content:
            yield from keys(value)


@pytest.mark.parametrize(
    "model",
    [Grammar, Affinity, Arrangement, Condition, Confounder, Element, Group, Noise, Rule, Spacing],
)
def test_every_key_has_an_example_and_a_word_in_the_docs(model):
    used = {key for path in FILES for key in keys(read_yaml(path))}
    told = (DOCS / "grammar.md").read_text()
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in ("training", "validation"):  # as test
            continue
        assert key in used, f"no example of {key}"
        assert re.search(rf"[`{{ ]{key}\b[`:]", told), f"no word about {key}"
