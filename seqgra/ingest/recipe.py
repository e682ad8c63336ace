"""What to ingest and how: the options of the verb, and its identity."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from seqgra.alphabet import ALPHABETS, Alphabet
from seqgra.errors import bad_input
from seqgra.fingerprint import Identity, file_sha256, identity_of
from seqgra.ingest.splits import SHARES
from seqgra.ingest.tables import beside, table_files
from seqgra.law.scan import P_VALUE
from seqgra.model import MULTI_CLASS, MULTI_LABEL
from seqgra.streams import STREAM_VERSION


class Recipe(NamedTuple):
    """Options of ingest; exactly one of `peaks`, `fasta` and `table` is given.

    Attributes
    ----------
    peaks, fasta
        Label (None: the file says it; ``none``: no label) and file, in the order of the labels.
    table
        A TSV or Parquet file, or a folder of `seqgra export`.
    labels
        Table of labels, and perhaps sets, of the sequences in FASTA files.
    genome, blacklist, motifs
        FASTA of the regions; BED of places to leave out; motif file.
    motif
        ``NAME=ID`` or ``NAME=ID:LABEL`` of the motifs to look for; none: all of the file.
    alphabet, task
        As in a grammar.
    width
        Letters of a window.
    center
        ``summit`` or ``middle``; None: the summit where there is one.
    stranded
        Whether windows of regions on strand - are turned.
    edges
        ``shift`` or ``drop`` windows over the end of their chromosome.
    unknown, masked
        Largest share of unknown letters, and of letters in lower case.
    merge
        Windows that share this part of their width with an earlier one are merged into it.
    keep_duplicates
        Whether examples of the same letters stay.
    negatives, ratio
        ``none``, ``gc`` or ``shuffle``, and how many for each positive.
    split, shares
        ``chromosome``, ``fraction`` or ``given``; None: given where the input names sets, else by chromosome
        where places are known, else by fraction. Shares of training, validation and test.
    validation, test
        Chromosomes of these sets.
    p_value
        Of motif hits.
    seed
        Of everything that is drawn.
    """

    peaks: tuple[tuple[str | None, Path], ...] = ()
    fasta: tuple[tuple[str | None, Path], ...] = ()
    table: Path | None = None
    labels: Path | None = None
    genome: Path | None = None
    blacklist: Path | None = None
    motifs: Path | None = None
    motif: tuple[str, ...] = ()
    alphabet: str = "DNA"
    task: str = MULTI_CLASS
    width: int | None = None
    center: str | None = None
    stranded: bool = False
    edges: str = "shift"
    unknown: float = 0.0
    masked: float = 1.0
    merge: float = 0.5
    keep_duplicates: bool = False
    negatives: str = "none"
    ratio: float = 1.0
    split: str | None = None
    shares: tuple[float, ...] = SHARES
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    p_value: float = P_VALUE
    seed: int = 0

    @property
    def letters(self) -> Alphabet:
        """The alphabet."""
        return ALPHABETS[self.alphabet]

    @property
    def multi_label(self) -> bool:
        """Whether an example may have any number of labels."""
        return self.task == MULTI_LABEL


_MOST_NEGATIVES = 100
#: Options that name files; their content counts, not their names.
_FILES = ("peaks", "fasta", "table", "labels", "genome", "blacklist", "motifs")


def check(recipe: Recipe) -> None:
    """Refuse options that do not go together.

    Raises
    ------
    InputError
        Saying which and what to do.
    """
    sources = [name for name in ("peaks", "fasta", "table") if getattr(recipe, name)]
    if len(sources) != 1:
        raise bad_input("ingest", "", "needs exactly one of --peaks, --fasta and --table")
    needs = (
        ("peaks", "genome"),
        ("peaks", "width"),
        ("blacklist", "peaks"),
        ("genome", "peaks"),
        ("labels", "fasta"),
        ("motif", "motifs"),
        ("stranded", "peaks"),
        ("center", "peaks"),
    )
    for given, needed in needs:
        if getattr(recipe, given) and not getattr(recipe, needed):
            raise bad_input(f"--{given}", "", f"goes with --{needed}; give that too")
    if recipe.labels and all(label for label, _ in recipe.fasta):
        message = "is not used, since every --fasta LABEL=FILE names its label; write --fasta FILE"
        raise bad_input("--labels", "", message)
    if recipe.negatives == "gc" and not recipe.peaks:
        raise bad_input(
            "--negatives", "gc", "needs --peaks and --genome; use shuffle, or none=FILE"
        )
    if recipe.negatives == "gc" and recipe.alphabet == "protein":
        raise bad_input("--negatives", "gc", "goes with nucleotides; use shuffle")
    for name, low, high in (("unknown", 0, 1), ("masked", 0, 1), ("merge", 0, 1)):
        if not low <= getattr(recipe, name) <= high:
            raise bad_input(f"--{name}", "", "is a share; expected 0 to 1")
    if not 0 < recipe.p_value < 1:
        raise bad_input(
            "--p-value", "", f"is {recipe.p_value:g}; expected a number between 0 and 1"
        )
    if not 0 < recipe.ratio <= _MOST_NEGATIVES:
        message = f"is {recipe.ratio:g}; expected a number above 0, at most {_MOST_NEGATIVES}"
        raise bad_input("--ratio", "", message)
    if (recipe.validation or recipe.test) and recipe.split not in (None, "chromosome"):
        message = "name chromosomes, but --split is {}; leave one out"
        raise bad_input("--validation, --test", "", message.format(recipe.split))
    if bool(recipe.validation) != bool(recipe.test):
        missing = "--test" if recipe.validation else "--validation"
        raise bad_input(missing, "", "is missing; name the chromosomes of both sets")
    if both := sorted(set(recipe.validation) & set(recipe.test)):
        raise bad_input("--validation, --test", "", f"both name {both[0]}; leave one out")
    shares = recipe.shares
    if len(shares) != 3 or not (min(shares) >= 0 and abs(sum(shares) - 1) <= 1e-6):
        message = "expected three shares that sum to 1, such as 0.7,0.1,0.2"
        raise bad_input("--shares", "", message)


def files_of(recipe: Recipe) -> dict[str, Path]:
    """Return every file that is read by its role."""
    found: dict[str, Path] = {}
    for name in _FILES:
        value = getattr(recipe, name)
        if value is None:
            continue
        if name == "table":
            several = [part for file in table_files(value) for part in (file, beside(file))]
            found |= {f"table {f.name}": f for f in several if f.is_file() or f == value}
        elif isinstance(value, tuple):
            found |= {f"{name} {n}": file for n, (_, file) in enumerate(value)}
        else:
            found[name] = value
    return found


def identify(recipe: Recipe) -> tuple[Identity, dict[str, dict[str, str]]]:
    """Return the identity, and the name and SHA-256 of every file by its role.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    sources = {}
    for role, file in files_of(recipe).items():
        try:
            sources[role] = {"name": file.name, "sha256": file_sha256(file)}
        except OSError as error:
            raise bad_input(file, "", f"cannot be read ({error.strerror})") from None
    inputs = {role: facts["sha256"] for role, facts in sources.items()}
    options = options_of(recipe) | {"stream": STREAM_VERSION}
    return identity_of("ingest", inputs, options), sources


def options_of(recipe: Recipe) -> dict[str, Any]:
    """Return the options as JSON-like values, labels in the place of files."""
    options = {name: value for name, value in recipe._asdict().items() if name not in _FILES}
    options["files"] = {name: [label for label, _ in getattr(recipe, name)] for name in _FILES[:2]}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in options.items()
    }
