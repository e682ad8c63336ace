"""Golden hashes: the first examples of every shipped grammar, so that no change of the data goes unnoticed.

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

from seqgra.dataset import open_dataset
from seqgra.simulate import simulate

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
    data = open_dataset(folder)
    table = data.elements("training")
    return {
        "x": sha256(data.x("training")),
        "y": sha256(data.y("training")),
        "elements": sha256(np.column_stack([table[name] for name in sorted(table)])),
    }


def differences(name: str, folder: Path) -> list[str]:
    """Say which parts differ from the golden ones."""
    golden = json.loads(GOLDEN.read_text()).get(name, {})
    found = hashes(SHIPPED[name], folder)
    return [f"{name}: {part} is new" for part in found if found[part] != golden.get(part)]


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_examples_are_as_ever(name, tmp_path):
    advice = "if wanted, say so in CHANGELOG.md and run python tests/test_golden.py --update"
    assert not differences(name, tmp_path / "data"), advice


def test_golden_hashes_are_of_shipped_grammars():
    assert set(json.loads(GOLDEN.read_text())) == set(SHIPPED)


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
        if arguments == ["--update"]:
            new = {name: hashes(SHIPPED[name], Path(folder) / name) for name in sorted(SHIPPED)}
            GOLDEN.write_text(json.dumps(new, indent=1) + "\n")
            print(f"{len(new)} grammars written to {GOLDEN.name}")
            return 0
        found = [
            line for name in sorted(SHIPPED) for line in differences(name, Path(folder) / name)
        ]
    print(*found, sep="\n", end="\n" if found else "")
    print(f"numpy {np.__version__}: {len(SHIPPED)} grammars, {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
