"""Datasets on disk: a folder with any subset of the sets training, validation and test.

    dataset.json               grammar, names behind the codes, counts, checksums
    training.x.npy             uint8 (N, L): letter codes, see `alphabet`
    training.y.npy             uint8 (N, C): recorded labels, one-hot or multi-hot
    training.y_true.npy        the same without label noise, in sets that have noise
    training.elements.parquet  one row a placed element
    training.regions.tsv       one row an example: its place on a genome, in real sets where places are known

Example i of a set never depends on how many there are, so a smaller dataset is the first rows of a
larger one, and one folder serves all sizes.
"""

from __future__ import annotations

import json
import tokenize
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seqgra.alphabet import ALPHABETS, Alphabet
from seqgra.errors import InputError, bad_argument, bad_input, in_a_line
from seqgra.fingerprint import delete_and_make_again, require_run, verify_file
from seqgra.labels import name_problem

if TYPE_CHECKING:  # that a result is up to date is seen without opening arrays
    import numpy as np
    import pandas as pd

    from seqgra.grammar.schema import Grammar

#: Verbs that make datasets.
MAKERS = ("simulate", "ingest", "subsample")
#: Bytes that one checksum covers.
CHUNK = 4 << 20
#: Columns of the element table; positions are 0-based, end exclusive.
ELEMENT_COLUMNS = {
    "example": "int32",
    "element": "int16",
    "condition": "int16",
    "rule": "int16",
    "start": "int32",
    "end": "int32",
    "strand": "int8",  # 1 forward, -1 reverse
    "role": "int8",  # index in ROLES
    "intact": "bool",  # False where a later element overwrote letters of this one
}


def split_size(size: int) -> dict[str, int]:
    """Return how many examples of each set a dataset of `size` has: 70 / 10 / 20 %, as in the paper.

    >>> split_size(1005)
    {'training': 703, 'validation': 100, 'test': 202}
    """
    training, validation = size * 7 // 10, size // 10
    return {"training": training, "validation": validation, "test": size - training - validation}


def largest_size(counts: Mapping[str, int]) -> int:
    """Return the size with the most training and validation examples that are among `counts`.

    Of the sizes that have as many it is the smallest; 0 where a set is empty.

    >>> largest_size({"training": 700, "validation": 100}), largest_size(split_size(1005))
    (1000, 1005)
    """
    training, validation = counts.get("training", 0), counts.get("validation", 0)
    if not (training and validation):
        return 0
    used = split_size(min((10 * training + 9) // 7, 10 * validation + 9))
    return max(-(-10 * used["training"] // 7), 10 * used["validation"])


class _Content(BaseModel):
    """What `dataset.json` must hold to be used; it may hold more."""

    model_config = ConfigDict(strict=True)

    alphabet: str
    task: str
    window: int = Field(ge=1)
    conditions: list[str] = Field(min_length=1)
    elements: list[str]
    roles: list[str]
    counts: dict[str, int]
    grammar: dict[str, Any]
    checksums: dict[str, list[int]]


@dataclass(frozen=True)
class Dataset:
    """A finished dataset folder; arrays are memory-mapped when asked for.

    Attributes
    ----------
    folder
        Where it lies.
    fingerprint
        Identity of the law and the seed; the same however far the dataset has grown.
    content
        What ``dataset.json`` says.
    """

    folder: Path
    fingerprint: str
    content: Mapping[str, Any]

    def __repr__(self) -> str:
        sets = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        what = f"{self.alphabet.name}, {self.window} letters, {self.task}"
        return f"<{self.folder}: {sets} examples; {what}: {', '.join(self.conditions)}>"

    @property
    def simulated(self) -> bool:
        """Whether the examples were drawn from a grammar; otherwise they are real, see `ingest`."""
        return "ingest" not in self.content

    @cached_property
    def grammar(self) -> Grammar:
        """The resolved grammar that the examples were drawn from.

        That of real examples says what was measured: task, window, background and the motifs that
        were looked for, without rules.
        """
        from seqgra.grammar.schema import Grammar

        try:
            return Grammar.model_validate(self.content["grammar"])
        except ValidationError as error:
            raise _damaged(self.folder / "dataset.json", "grammar", error) from None

    @property
    def alphabet(self) -> Alphabet:
        """The alphabet of the letter codes."""
        return ALPHABETS[self.content["alphabet"]]

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the conditions, in the order of the label columns."""
        return tuple(self.content["conditions"])

    @property
    def task(self) -> str:
        """``multi-class``: one condition an example; ``multi-label``: any number."""
        return str(self.content["task"])

    @property
    def window(self) -> int:
        """Length L of the (longest) examples."""
        return int(self.content["window"])

    @property
    def counts(self) -> dict[str, int]:
        """Number of examples of each set in the folder."""
        return dict(self.content["counts"])

    @property
    def training(self) -> Examples:
        """The training set."""
        return self.examples("training")

    @property
    def validation(self) -> Examples:
        """The validation set."""
        return self.examples("validation")

    @property
    def test(self) -> Examples:
        """The test set."""
        return self.examples("test")

    def examples(self, set_name: str) -> Examples:
        """Return a set by name.

        Raises
        ------
        InputError
            If the dataset has no such set.
        """
        if not self.counts.get(set_name):
            held = ", ".join(name for name, count in self.counts.items() if count) or "none"
            message = f"the dataset has no {set_name} set (it has {held}); simulate or ingest one"
            raise bad_argument("data", message)
        return Examples(self, set_name)

    def x(self, set_name: str, examples: int | None = None) -> np.ndarray:
        """Return the letter codes of the first examples of a set: uint8 (N, L), memory-mapped.

        Raises
        ------
        InputError
            If the set is missing, too small or damaged.
        """
        return self._load(set_name, "x", examples)

    def y(self, set_name: str, examples: int | None = None) -> np.ndarray:
        """Return the recorded labels of the first examples of a set: uint8 (N, C), memory-mapped.

        Raises
        ------
        InputError
            If the set is missing, too small or damaged.
        """
        return self._load(set_name, "y", examples)

    def absent_conditions(self, set_name: str, examples: int | None = None) -> list[str]:
        """Return the conditions that none of the first examples of a set is labelled with.

        Raises
        ------
        InputError
            If the set is missing, too small or damaged.
        """
        most = self.y(set_name, examples).max(axis=0, initial=0)
        return [name for name, some in zip(self.conditions, most.tolist(), strict=True) if not some]

    def y_true(self, set_name: str, examples: int | None = None) -> np.ndarray:
        """Return the conditions that the examples were drawn from, as `y`; they differ by label noise.

        Raises
        ------
        InputError
            If the set is missing, too small or damaged.
        """
        noisy = f"{set_name}.y_true.npy" in self.content["checksums"]
        return self._load(set_name, "y_true" if noisy else "y", examples)

    def elements(self, set_name: str, examples: int | None = None) -> pd.DataFrame:
        """Return the placed elements of the first examples of a set (see `ELEMENT_COLUMNS`).

        Raises
        ------
        InputError
            If the set is missing or too small.
        """
        import pandas as pd

        examples = self.count(set_name, examples)
        self._require_same()
        path = self.folder / f"{set_name}.elements.parquet"
        try:
            return pd.read_parquet(path, filters=[("example", "<", examples)])
        except (OSError, ValueError) as error:
            raise _damaged(path, "", error) from None

    def regions(self, set_name: str) -> pd.DataFrame | None:
        """Return where the examples of a set lie; None where no place is known.

        Returns
        -------
        DataFrame or None
            ``chrom`` (empty: nowhere), ``start`` and ``end`` (from 0, end exclusive), ``strand`` (``+``,
            ``-``, or ``.`` where none is known).

        Raises
        ------
        InputError
            If the file is damaged.
        """
        import pandas as pd

        run, name = require_run(self.folder, *MAKERS), f"{set_name}.regions.tsv"
        if name not in run["files"]:
            return None
        path = verify_file(self.folder, name, run)
        kinds = {"chrom": "str", "start": "int64", "end": "int64"}
        try:
            table = pd.read_csv(path, sep="\t", dtype=kinds, keep_default_na=False)
            if not kinds.keys() <= set(table) or len(table) != self.counts[set_name]:
                raise ValueError("does not name a place for each example")
        except (OSError, ValueError) as error:
            raise _damaged(path, "", error) from None
        return table if "strand" in table else table.assign(strand=".")  # version 3 wrote none

    def element_blocks(
        self, set_name: str, examples: int | None = None, rows: int = 1 << 14
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yield the elements of each `rows` examples, in order; memory does not grow with their number.

        Yields
        ------
        dict of str to array (M,)
            One array for each of `ELEMENT_COLUMNS`; `example` counts from the start of the set.

        Raises
        ------
        InputError
            If the set is missing, too small or damaged.
        """
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        examples = self.count(set_name, examples)
        self._require_same()
        path = self.folder / f"{set_name}.elements.parquet"
        left = {name: np.empty(0, kind) for name, kind in ELEMENT_COLUMNS.items()}
        first = 0
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(4 * rows, columns=list(ELEMENT_COLUMNS)):
                    for name, values in left.items():
                        new = batch.column(name).to_numpy(zero_copy_only=False)
                        left[name] = np.concatenate([values, new])
                    known = int(left["example"][-1]) if left["example"].size else 0
                    while first + rows <= min(
                        known, examples
                    ):  # all of these rows' elements are here
                        block, left = _cut(left, first + rows)
                        yield block
                        first += rows
                    if known >= examples:
                        break
        except (OSError, pa.ArrowInvalid) as error:
            raise _damaged(path, "", error) from None
        for end in range(first + rows, examples + rows, rows):
            block, left = _cut(left, min(end, examples))
            yield block

    def count(self, set_name: str, examples: int | None = None) -> int:
        """Return how many the first examples of a set are.

        Raises
        ------
        InputError
            If the set is missing or too small.
        """
        there = self.counts.get(set_name, 0)
        wanted = there if examples is None else examples
        if not 0 < wanted <= there:
            more = "simulate more" if self.simulated else "give fewer"
            message = f"has {there} examples; {wanted} are wanted: {more}"
            raise bad_input(self.folder, set_name, message)
        return wanted

    def _require_same(self) -> None:
        """Refuse a folder that holds another dataset, or more of this one, than when it was opened."""
        run = require_run(self.folder, *MAKERS)
        if run["fingerprint"] != self.fingerprint:
            raise bad_input(self.folder, "", "was replaced by another dataset meanwhile; run again")
        if run.get("counts", self.counts) != self.counts:
            raise bad_input(self.folder, "", "has grown meanwhile; open it again")

    def _load(self, set_name: str, what: str, examples: int | None) -> np.ndarray:
        import numpy as np

        name = f"{set_name}.{what}.npy"
        wanted = self.count(set_name, examples)
        self._require_same()
        path = self.folder / name
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, SyntaxError, tokenize.TokenError) as error:
            raise _damaged(path, "", error) from None
        shape = (self.counts[set_name], self.window if what == "x" else len(self.conditions))
        if array.shape != shape or array.dtype != np.uint8:
            held = f"{array.dtype} {array.shape}; expected uint8 {shape}"
            raise bad_input(path, "", f"holds {held}; {delete_and_make_again(self.folder)}")
        result: np.ndarray = array[:wanted]
        return result

    def verify(self, *sets: str) -> None:
        """Compare the arrays of the named sets with their checksums.

        Raises
        ------
        InputError
            Naming the first file and byte range that differ.
        """
        for name, sums in self.content["checksums"].items():
            if name.split(".")[0] in sets:
                verify_chunks(self.folder / name, sums)
        for name in sets:
            for what, labels in (("y", self.y(name)), ("y_true", self.y_true(name))):
                if labels.max(initial=0) > 1:
                    file = self.folder / f"{name}.{what}.npy"
                    advice = delete_and_make_again(self.folder)
                    raise bad_input(file, "", f"holds labels beside 0 and 1; {advice}")
        run = require_run(self.folder, *MAKERS)
        for name in sets:
            verify_file(self.folder, f"{name}.elements.parquet", run)


@dataclass(frozen=True)
class Examples:
    """One set of a dataset: `x` uint8 (N, L), `y` uint8 (N, C), and the placed elements."""

    dataset: Dataset
    set_name: str

    def __repr__(self) -> str:
        return f"<{self.set_name} set, {len(self):,} examples, of {self.dataset!r}>"

    def __len__(self) -> int:
        return self.dataset.counts[self.set_name]

    @property
    def x(self) -> np.ndarray:
        """Letter codes, uint8 (N, L); see `alphabet`."""
        return self.dataset.x(self.set_name)

    @property
    def y(self) -> np.ndarray:
        """Recorded labels, uint8 (N, C): one-hot, or multi-hot of a multi-label task."""
        return self.dataset.y(self.set_name)

    @property
    def elements(self) -> pd.DataFrame:
        """The placed elements, one row each; see `ELEMENT_COLUMNS`."""
        return self.dataset.elements(self.set_name)


def open_dataset(folder: Path) -> Dataset:
    """Open a finished dataset folder.

    Raises
    ------
    InputError
        If there is none, or it has lost or truncated files.
    """
    run = require_run(folder, *MAKERS)
    path = verify_file(folder, "dataset.json", run)
    try:
        content = json.loads(path.read_text())
        _Content.model_validate(content)
    except ValueError as error:  # of JSON, of UTF-8, of what is expected
        raise _damaged(path, "", error) from None
    if content["alphabet"] not in ALPHABETS:
        message = f"is {content['alphabet']!r}; {delete_and_make_again(folder)}"
        raise bad_input(path, "alphabet", message)
    if foreign := [name for name in content["checksums"] if name not in run["files"]]:
        message = f"names {foreign[0]!r}, which is no file of it; {delete_and_make_again(folder)}"
        raise bad_input(path, "checksums", message)
    for name in content["conditions"]:
        if problem := name_problem(name, content["task"]):
            raise bad_input(path, f"label {name!r}", f"{problem}; ingest it under another")
    return Dataset(folder, run["fingerprint"], content)


def _damaged(path: Path, place: str, error: Exception) -> InputError:
    """Return the error of a file that cannot be what a simulation wrote."""
    return bad_input(
        path, place, f"cannot be read ({in_a_line(error)}); {delete_and_make_again(path.parent)}"
    )


def verify_chunks(path: Path, sums: list[int]) -> None:
    """Compare a large file with its CRC-32 per `CHUNK`.

    Raises
    ------
    InputError
        If the file cannot be read or a chunk differs.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise _damaged(path, "", error) from None
    with stream:
        for number, expected in enumerate(sums):
            if zlib.crc32(stream.read(CHUNK)) != expected:
                place = f"bytes {number * CHUNK} to {(number + 1) * CHUNK}"
                message = "do not match their checksum (damaged or edited)"
                advice = delete_and_make_again(path.parent)
                raise bad_input(path, place, f"{message}; {advice}")


def _cut(
    columns: dict[str, np.ndarray], end: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Split element columns before example `end`."""
    import numpy as np

    at = int(np.searchsorted(columns["example"], end))
    before = {name: values[:at] for name, values in columns.items()}
    return before, {name: values[at:] for name, values in columns.items()}
