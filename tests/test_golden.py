"""Golden hashes, so that no change of the data goes unnoticed.

Of the first examples of every shipped grammar, and of what ingest and subsample make of small files.


python tests/test_golden.py             compare, without pytest
python tests/test_golden.py --update    after a wanted change, which CHANGELOG.md must name
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from real_tools import ingested, write_bed, write_genome

from seqgra.alphabet import SETS
from seqgra.dataset import open_dataset
from seqgra.simulate import simulate
from seqgra.subsample import subsample

GOLDEN = Path(__file__).with_name("golden.json")
SHIPPED = {file.stem: file for file in (Path(__file__).parents[1] / "grammars").glob("*.yaml")}
EXAMPLES, SEED = 300, 1


def sha256(array) -> str:
    """Return the hash of an array's shape and values, read as 64-bit integers."""
    array = np.ascontiguousarray(array, dtype="<i8")
    return hashlib.sha256(repr(array.shape).encode() + array.tobytes()).hexdigest()


def hashes(grammar: Path, folder: Path) -> dict[str, str]:
    """Return a hash of each part of the first training examples."""
    simulate(grammar, folder, seed=SEED, counts={"training": EXAMPLES})
    return hashes_of(folder, "training")


def hashes_of(folder: Path, *sets: str) -> dict[str, str]:
    """Return a hash of each part of the sets of a dataset."""
    data, parts = open_dataset(folder), {"x": [], "y": [], "elements": []}
    for name in sets:
        table = data.elements(name)
        parts["x"].append(data.x(name))
        parts["y"].append(data.y(name))
        parts["elements"].append(np.column_stack([table[column] for column in sorted(table)]))
    return {part: sha256(np.concatenate(rows)) for part, rows in parts.items()}


def letters(name: str, length: int) -> str:
    """Return letters that depend on nothing but a name."""
    return "".join("ACGT"[byte % 4] for byte in hashlib.shake_128(name.encode()).digest(length))


def make_windows(folder: Path) -> Path:
    """Ingest windows about regions of two classes, and negatives of their GC content."""
    genome = write_genome(folder / "g.fa", {f"chr{n}": letters(f"chr{n}", 9000) for n in range(4)})
    call = ["--genome", genome, "--width", 60, "--negatives", "gc", "--seed", 3]
    for label, first in (("A", 200), ("B", 350)):
        places = [(f"chr{n}", at, at + 80) for n in range(4) for at in range(first, 8800, 300)]
        call += ["--peaks", f"{label}={write_bed(folder / f'{label}.bed', *places)}"]
    ingested(folder / "data", *call)
    return folder / "data"


def make_sequences(folder: Path) -> Path:
    """Ingest sequences with hits of a motif, and shuffles as negatives."""
    site = [[0.02, 0.94, 0.02, 0.02], [0.94, 0.02, 0.02, 0.02]] * 4
    rows = "".join(" ".join(map(str, row)) + "\n" for row in site)
    motifs = folder / "m.meme"
    motifs.write_text(
        "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF ebox\n"
        f"letter-probability matrix: alength= 4 w= {len(site)}\n{rows}"
    )
    records = {
        f"s{n}": letters(f"left{n}", 10 + n % 7) + "CACACACA" + letters(f"right{n}", 40)
        for n in range(80)
    }
    file = folder / "a.fa"
    file.write_text("".join(f">{name}\n{text}\n" for name, text in records.items()))
    call = ["--fasta", f"A={file}", "--motifs", motifs, "--negatives", "shuffle", "--seed", 3]
    ingested(folder / "data", *call)
    return folder / "data"


def make_subsample(folder: Path) -> Path:
    """Order the examples of a real dataset anew."""
    subsample(make_sequences(folder), folder / "drawn", seed=5, sets=["training", "validation"])
    return folder / "drawn"


#: What makes a real dataset, and its sets.
REAL = {
    "ingest: windows": (make_windows, SETS),
    "ingest: sequences": (make_sequences, SETS),
    "subsample": (make_subsample, ("training", "validation")),
}


def golden_of(name: str, folder: Path) -> dict[str, str]:
    """Return the hashes of a shipped grammar's examples, or of a real dataset."""
    if name in SHIPPED:
        return hashes(SHIPPED[name], folder)
    make, sets = REAL[name]
    folder.mkdir()
    return hashes_of(make(folder), *sets)


def differences(name: str, folder: Path) -> list[str]:
    """Say which parts differ from the golden ones."""
    golden = json.loads(GOLDEN.read_text()).get(name, {})
    found = golden_of(name, folder)
    return [f"{name}: {part} is new" for part in found if found[part] != golden.get(part)]


NAMES = [*sorted(SHIPPED), *REAL]


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_as_ever(name, tmp_path):
    advice = "if wanted, say so in CHANGELOG.md and run python tests/test_golden.py --update"
    assert not differences(name, tmp_path / "data"), advice


def test_golden_hashes_are_of_shipped_grammars_and_real_datasets():
    assert list(json.loads(GOLDEN.read_text())) == NAMES


def test_hashes_heed_every_part(tmp_path):
    file = SHIPPED["toy1-kmer-center"]
    first = hashes(file, tmp_path / "first")
    other = tmp_path / "other.yaml"
    other.write_text(file.read_text().replace("ACGTTGCAAC", "ACGTTGCAAG"))
    second = hashes(other, tmp_path / "second")
    assert [part for part in first if first[part] != second[part]] == ["x"]
    other.write_text(file.read_text().replace("position: center", "position: 3"))
    third = hashes(other, tmp_path / "third")
    assert [part for part in first if first[part] != third[part]] == ["x", "elements"]


def main(arguments: list[str]) -> int:
    """Compare, or with ``--update`` write, the golden hashes."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / str(number) for number, name in enumerate(NAMES)}
        if arguments == ["--update"]:
            new = {name: golden_of(name, path) for name, path in paths.items()}
            GOLDEN.write_text(json.dumps(new, indent=1) + "\n")
            print(f"{len(new)} datasets written to {GOLDEN.name}")
            return 0
        found = [line for name, path in paths.items() for line in differences(name, path)]
    print(*found, sep="\n", end="\n" if found else "")
    print(f"numpy {np.__version__}: {len(NAMES)} datasets, {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
