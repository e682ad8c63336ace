"""Describe: a grammar in tables, numbers and pictures."""

from __future__ import annotations

from pathlib import Path

from seqgra.describe.ceilings import ceiling_lines
from seqgra.describe.description import (
    Description,
    document,
    element_csv,
    similarity_csv,
)
from seqgra.describe.positions import default_examples, rows_of, seen_in_dataset, seen_in_simulation
from seqgra.describe.similarity import element_numbers, similarity
from seqgra.errors import raise_problems
from seqgra.fingerprint import write_atomically
from seqgra.grammar.load import resolve
from seqgra.grammar.schema import Grammar
from seqgra.law.law import compile_law
from seqgra.outputs import own_files
from seqgra.yamlfile import read_yaml, validate


def describe(
    grammar_file: Path,
    folder: Path | None = None,
    *,
    dataset: Path | None = None,
    examples: int | None = None,
    seed: int = 0,
    ceiling: int = 0,
) -> str:
    """Describe a grammar.

    Parameters
    ----------
    grammar_file
        YAML file of the grammar.
    folder
        Where to write description.md, elements.csv, similarity.csv and the figures; None: nothing.
    dataset
        Folder of simulate whose examples are looked at; None: examples are simulated in memory.
    examples
        How many; None: all of the dataset, or `default_examples`.
    seed
        Of the simulated examples and of the sites of the empirical score.
    ceiling
        Examples to measure the ceiling on; 0: leave it out.

    Returns
    -------
    str
        The description, Markdown that reads as plain text.

    Raises
    ------
    InputError
        If the grammar is wrong, or the dataset is not one of it.
    """
    content = read_yaml(grammar_file)
    written, problems = validate(Grammar, content, str(grammar_file))
    resolved = resolve(content, grammar_file, grammar_file.parent)
    raise_problems(problems)
    law = compile_law(resolved, str(grammar_file))
    if dataset is not None:
        seen = seen_in_dataset(dataset, resolved, examples)
    else:
        seen = seen_in_simulation(law, resolved, seed, examples or default_examples(resolved))
    description = Description(
        grammar_file.stem,
        written,
        resolved,
        element_numbers(resolved),
        similarity(resolved, seed),
        seen,
        rows_of(seen, resolved),
        law,
        ceiling_lines(resolved, ceiling, seed) if ceiling else [],
    )
    text = document(description)
    if folder is not None:
        from seqgra.describe.figures import draw

        with own_files(folder, "describe") as own:
            write_atomically(own.file("description.md"), text)
            write_atomically(own.file("elements.csv"), element_csv(description))
            write_atomically(own.file("similarity.csv"), similarity_csv(description))
            draw(description, own)
    return text
