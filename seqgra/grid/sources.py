"""What the examples of a grid come from: a grammar that they are simulated from, or a real dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seqgra.alphabet import SETS
from seqgra.dataset import Dataset, largest_size, open_dataset, split_size
from seqgra.errors import bad_input
from seqgra.grammar.blocks import blocks_of
from seqgra.grammar.laws import highest
from seqgra.grammar.load import load_grammar
from seqgra.grammar.schema import Grammar
from seqgra.grid.variants import grammar_variant
from seqgra.yamlfile import suggest

#: The word for the largest size that a real dataset has.
ALL = "all"


class Simulated(NamedTuple):
    """A grammar: every data seed has examples of its own, as many as are wanted."""

    #: With the config's changes.
    grammar: Grammar
    #: The file that it starts from, and what the config changes.
    base: Path
    changes: dict[str, Any]
    #: The file to simulate from: the variant's own where the config changes it.
    file: Path
    #: Folder of the test set that all models share.
    test_set: Path

    @property
    def simulated(self) -> bool:
        """Whether examples are drawn from a known law, which has an exact posterior."""
        return True

    def holds(self, size: int) -> bool:
        """Return whether there are examples enough for a size."""
        return True

    def pool(self, largest: int) -> dict[str, int]:
        """Return how many examples of each set a data seed has where `largest` is the largest size."""
        return split_size(largest)

    def test_examples(self, wanted: int) -> int:
        """Return how many test examples there are of those wanted."""
        return wanted


class Real(NamedTuple):
    """A real dataset: a data seed is an order of its training and validation examples.

    See `Simulated` for what its properties are.
    """

    dataset: Dataset

    @property
    def simulated(self) -> bool:
        """The law of real examples is not known."""
        return False

    @property
    def grammar(self) -> Grammar:
        """What was measured of it; without rules."""
        return self.dataset.grammar

    @property
    def test_set(self) -> Path:
        """The dataset's own folder, which holds all three sets."""
        return self.dataset.folder

    def holds(self, size: int) -> bool:
        """Return whether it has the training and validation examples of a size."""
        wanted = split_size(size)
        return all(wanted[name] <= self.dataset.counts[name] for name in ("training", "validation"))

    def pool(self, largest: int) -> dict[str, int]:
        """Return how many examples of each set it has, whatever the largest size."""
        return self.dataset.counts

    def test_examples(self, wanted: int) -> int:
        """Return how many test examples there are of those wanted."""
        return min(wanted, self.dataset.counts["test"])


Source = Simulated | Real


def find_grammar(name: str, config: str, roots: tuple[Path, ...]) -> Path:
    """Return the file of a grammar that a config names, in the first root that has it.

    Raises
    ------
    InputError
        If there is none.
    """
    written = name.endswith((".yaml", ".yml"))  # a path, such as that of a fitted grammar
    for root in roots:
        if (file := root / name if written else root / "grammars" / f"{name}.yaml").is_file():
            return file
    if written:
        message = f"no file {name}; it is relative to the working folder"
        raise bad_input(config, "grammars", message)
    known = sorted({file.stem for root in roots for file in (root / "grammars").glob("*.yaml")})
    message = f"no grammars/{name}.yaml; {suggest(name, known)}"
    raise bad_input(config, f"grammars.{name}", message)


def read_grammar(
    name: str, base: Path, changes: dict[str, Any], config: str, folder: Path
) -> Simulated:
    """Read a grammar of a config, whose results go to `folder`.

    Raises
    ------
    InputError
        If it is wrong, or its elements find no room.
    """
    grammar = grammar_variant(base, changes) if changes else load_grammar(base)
    if any(_may_not_fit(grammar)):
        from seqgra.law.law import compile_law

        compile_law(grammar, f"{config}: grammars.{name}")
    file = folder / "grammars" / f"{name}.yaml" if changes else base
    return Simulated(grammar, base, changes, file, folder / "data" / name / "test")


def read_real(folder: Path, smallest: int, config: str, place: str) -> Real:
    """Open a real dataset that a config names at `place`.

    Raises
    ------
    InputError
        If there is none, it was simulated, or it has too few examples for the smallest size.
    """
    dataset = _open(folder, config, place)
    if dataset.simulated:
        message = f"{folder} was simulated; name its grammar among grammars instead"
        raise bad_input(config, place, message)
    if missing := [name for name in SETS if not dataset.counts.get(name)]:
        message = f"{folder} has no {missing[0]} set; ingest it with all three"
        raise bad_input(config, place, message)
    if not (real := Real(dataset)).holds(smallest):
        held = ", ".join(f"{count:,} {name}" for name, count in dataset.counts.items())
        message = f"holds {held} examples, too few for the smallest size, {smallest:,}"
        raise bad_input(config, place, message)
    return real


def _open(folder: Path, config: str, place: str) -> Dataset:
    """Open the folder of a dataset that a config names at `place`."""
    if not folder.is_dir():
        raise bad_input(config, place, f"{folder} does not exist; make it with seqgra ingest")
    return open_dataset(folder)


def with_all_sizes(content: Any, file: str) -> Any:
    """Return a config whose size ``all`` is the largest that each of its real datasets has.

    Raises
    ------
    InputError
        If it names no dataset, or one that cannot be read.
    """
    sizes = content.get("sizes") if isinstance(content, dict) else None
    sizes = [ALL] if sizes == ALL else sizes
    if not isinstance(sizes, list) or ALL not in sizes:
        return content
    datasets = content.get("datasets")
    if not isinstance(datasets, dict) or not datasets:
        raise bad_input(file, "sizes", f"{ALL} is the size of a real dataset; name one in datasets")
    found = []
    for name, entry in datasets.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("folder"), str):
            return {**content, "sizes": [size for size in sizes if size != ALL] or [10]}
        dataset = _open(Path(entry["folder"]), file, f"datasets.{name}.folder")
        found.append(largest_size(dataset.counts))
    numbers = [size for size in sizes if size != ALL]
    if not all(isinstance(size, int) for size in numbers):
        return {**content, "sizes": numbers}  # said elsewhere
    return {**content, "sizes": [*numbers, *sorted(set(found) - set(numbers))]}


def _may_not_fit(grammar: Grammar) -> Iterator[bool]:
    """Yield for each condition whether its elements might not fit beside one another."""
    for condition in grammar.conditions.values():
        rules = (*condition.rules, *grammar.common.rules)
        blocks = [block for rule in rules for block in blocks_of(rule) * highest(rule.copies)]
        yield len(blocks) > 1 or any(len(block.slots) > 2 for block in blocks)
