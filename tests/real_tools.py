"""Small genomes and region files for tests of ingest."""

from pathlib import Path

import numpy as np

from seqgra.cli import main
from seqgra.dataset import Dataset, open_dataset


def random_letters(length: int, seed: int, gc: float = 0.4) -> str:
    rng = np.random.default_rng(seed)
    return "".join(rng.choice(list("ACGT"), length, p=[(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]))


def write_genome(path: Path, records: dict[str, str], line: int = 60, end: str = "\n") -> Path:
    """Write a FASTA file with lines of `line` letters."""
    lines = []
    for name, letters in records.items():
        lines.append(f">{name} described")
        lines += [letters[n : n + line] for n in range(0, len(letters), line)]
    path.write_bytes((end.join(lines) + end).encode())
    return path


def write_bed(path: Path, *rows: object) -> Path:
    """Write rows of a BED file; a text is a line as it stands."""
    lines = [row if isinstance(row, str) else "\t".join(map(str, row)) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def ingested(folder: Path, *options: object) -> Dataset:
    """Run `seqgra ingest` and open what it made."""
    assert main(["ingest", *map(str, options), "-o", str(folder)]) == 0
    return open_dataset(folder)


def refused(capsys, folder: Path, *options: object) -> str:
    """Run `seqgra ingest`, which must end with code 2 and leave nothing; return what it said."""
    capsys.readouterr()
    assert main(["ingest", *map(str, options), "-o", str(folder)]) == 2
    assert not folder.exists()
    return capsys.readouterr().err


def sequences(dataset: Dataset, *sets: str) -> list[str]:
    """Return the letters of every example of the sets, of all where none is named."""
    names = sets or tuple(dataset.counts)
    return [dataset.alphabet.decode(row) for name in names for row in dataset.x(name)]


def labelled(dataset: Dataset) -> set[tuple[str, str, str]]:
    """Return set, letters and labels of every example."""
    found = set()
    for name in dataset.counts:
        for row, y in zip(dataset.x(name), dataset.y(name), strict=True):
            labels = "|".join(c for c, shown in zip(dataset.conditions, y, strict=True) if shown)
            found.add((name, dataset.alphabet.decode(row), labels))
    return found
