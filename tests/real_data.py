"""A dataset as `seqgra ingest` writes it, made of a simulated one: for tests of what comes after."""

import json
from pathlib import Path

from seqgra.dataset import ELEMENT_COLUMNS, open_dataset
from seqgra.dataset_files import ArrayWriter, ElementWriter
from seqgra.fingerprint import Identity, claim
from seqgra.grammar.combinations import ROLES


def as_real(simulated: Path, folder: Path, **names: str) -> Path:
    """Write the examples of a dataset as real ones, whose elements are hits of no condition's own.

    `names` are other names of conditions.
    """
    source = open_dataset(simulated)
    with claim(folder, Identity("ingest", 1, {"source": source.fingerprint}, {})) as draft:
        checksums = {}
        for name in source.counts:
            for what, rows in (("x", source.x(name)), ("y", source.y(name))):
                writer = ArrayWriter(draft.aside(f"{name}.{what}.npy"), rows.shape)
                writer.write(rows)
                checksums[f"{name}.{what}.npy"] = writer.close()
            table = source.elements(name).assign(role=ROLES.index("hit"), condition=-1, rule=0)
            elements = ElementWriter(draft.aside(f"{name}.elements.parquet"))
            elements.write({column: table[column].to_numpy() for column in ELEMENT_COLUMNS})
            elements.close()
        grammar = source.content["grammar"]
        grammar = grammar | {"conditions": {name: {} for name in grammar["conditions"]}}
        content = {**source.content, "grammar": grammar, "checksums": checksums, "ingest": {}}
        content["conditions"] = [names.get(name, name) for name in source.conditions]
        draft.aside("dataset.json").write_text(json.dumps(content))
        draft.publish(large=tuple(checksums))
    return folder
