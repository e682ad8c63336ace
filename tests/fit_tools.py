"""Datasets of real examples, made by hand from arrays."""

import gzip
import json

import numpy as np

from seqgra.alphabet import DNA, SETS
from seqgra.dataset import ELEMENT_COLUMNS
from seqgra.dataset_files import ArrayWriter, ElementWriter
from seqgra.digest import digest
from seqgra.fingerprint import Identity, claim
from seqgra.grammar.combinations import ROLES


def write_dataset(folder, sets, conditions, task, elements):
    """Write sets {name: (x, y)} as an ingested dataset; `elements` holds matrices by name."""
    window = next(iter(sets.values()))[0].shape[1]
    grammar = {
        "task": task,
        "window": [window, window],
        "background": {"letters": dict.fromkeys("ACGT", 0.25)},
        "elements": {name: {"matrix": np.asarray(m).tolist()} for name, m in elements.items()},
        "conditions": {name: {} for name in conditions},
        "examples": [{"conditions": [name]} for name in conditions],
    }
    counts = {name: len(x) for name, (x, _) in sets.items()}
    identity = Identity("ingest", 1, {"data": digest([x.tolist()[:50] for x, _ in sets.values()])})
    with claim(folder, identity) as draft:
        checksums = {}
        for name, (x, y) in sets.items():
            for what, array in (("x", x), ("y", y)):
                writer = ArrayWriter(draft.aside(f"{name}.{what}.npy"), array.shape)
                writer.write(np.ascontiguousarray(array, np.uint8))
                checksums[f"{name}.{what}.npy"] = writer.close()
            table = ElementWriter(draft.aside(f"{name}.elements.parquet"))
            table.write({column: np.empty(0, kind) for column, kind in ELEMENT_COLUMNS.items()})
            table.close()
        content = {
            "grammar_id": folder.name,
            "alphabet": "DNA",
            "task": task,
            "window": window,
            "conditions": list(conditions),
            "elements": list(elements),
            "roles": list(ROLES),
            "counts": counts,
            "grammar": grammar,
            "checksums": checksums,
            "ingest": {},
        }
        draft.aside("dataset.json").write_text(json.dumps(content))
        draft.publish(large=tuple(checksums), counts=counts)
    return folder


def published_set(folder, conditions):
    """Return the sets {name: (x, y)} of a folder with regions.bed and sequences.fa.gz."""
    text = gzip.decompress((folder / "sequences.fa.gz").read_bytes()).decode()
    records = [record.split("\n", 1) for record in text.split(">")[1:]]
    codes = {name.split()[0]: DNA.encode(rest.replace("\n", "")) for name, rest in records}
    rows = [line.split("\t") for line in (folder / "regions.bed").read_text().splitlines()]
    header = [name.lstrip("#") for name in rows[0]]
    found = {}
    for row in rows[1:]:
        named = dict(zip(header, row, strict=True))
        labels = named["label"].split("|")
        found.setdefault(named["set"], []).append(
            (codes[named["name"]], [name in labels for name in conditions])
        )
    random = np.random.default_rng(0)
    sets = {}
    for name in SETS:
        order = random.permutation(len(found[name]))
        x = np.array([found[name][i][0] for i in order], np.uint8)
        sets[name] = (x, np.array([found[name][i][1] for i in order], np.uint8))
    return sets
