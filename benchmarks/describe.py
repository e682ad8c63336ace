"""CPU seconds of describing a grammar of the 50 HOMER motifs: numbers, text, and text with figures.

    python benchmarks/describe.py

One class a motif, 1,000 letters. Each figure is the best of three rounds on one thread; compiling is not
counted.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from seqgra.describe import describe
from seqgra.describe.similarity import element_columns, element_numbers, empirical_scores
from seqgra.grammar.load import load_grammar
from seqgra.motif import divergences

ROUNDS = 3
MOTIFS = Path(__file__).parents[1] / "grammars" / "motifs" / "homer.meme"


def grammar_file(folder: Path) -> Path:
    """Write the grammar and return its file."""
    names = [
        line.split()[1] for line in MOTIFS.read_text().splitlines() if line.startswith("MOTIF")
    ]
    content = {
        "window": 1000,
        "background": "human",
        "elements": {f"m{n}": {"motif": str(MOTIFS), "id": name} for n, name in enumerate(names)},
        "conditions": {f"c{n}": {"rules": [{"elements": [f"m{n}"]}]} for n in range(len(names))},
    }
    file = folder / "motifs.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of the fastest round."""
    taken = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


def main() -> None:
    """Print a line for each part."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = grammar_file(folder)
        grammar = load_grammar(file)
        empirical_scores(grammar, 0, 1)  # compiles
        columns, background = list(element_columns(grammar).values()), grammar.letter_distribution()
        parts: dict[str, Callable[[], object]] = {
            "information and chance": lambda: element_numbers(grammar),
            "divergences": lambda: divergences(columns, background, True),
            "empirical scores": lambda: empirical_scores(grammar, 0),
            "the whole text": lambda: describe(file),
            "text and figures": lambda: describe(file, folder / "out"),
        }
        print(f"{len(columns)} elements")
        for part, work in parts.items():
            print(f"{part:24}{seconds(work):8.2f} s")


if __name__ == "__main__":
    main()
