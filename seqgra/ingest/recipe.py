"""What goes together among the options of ingest, and the identity of what it makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqgra.alphabet import SETS
from seqgra.errors import bad_input
from seqgra.fingerprint import Identity, file_sha256, identity_of
from seqgra.stages.ingest import Recipe
from seqgra.streams import STREAM_VERSION

_MOST_NEGATIVES = 100
_PACKED = (".txt", ".txt.gz")
#: Options that name files; their content counts, not their names.
_FILES = ("peaks", "fasta", "table", "labels", "genome", "blacklist", "motifs")


def asked_split(recipe: Recipe) -> str | None:
    """Return how sets are to be made: by chromosomes where some are named; None where nothing says it."""
    return "chromosome" if recipe.validation or recipe.test else recipe.split


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
    for source in ("peaks", "fasta"):
        for label, file in getattr(recipe, source):
            if label is not None and not label.strip("| "):
                message = "has no label before '='; write LABEL=FILE, or none=FILE without a label"
                raise bad_input(f"--{source}", f"{label}={file}", message)
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
    options = {name: value for name, value in recipe if name not in _FILES}
    options["files"] = {name: [label for label, _ in getattr(recipe, name)] for name in _FILES[:2]}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in options.items()
    }


def table_files(path: Path) -> list[Path]:
    """Return the files of a table: itself, or those of a folder that `seqgra export` wrote.

    Raises
    ------
    InputError
        If there are none.
    """
    if not path.is_dir():
        return [path]
    ends = (*_PACKED, ".parquet")
    found = [path / f"{name}{end}" for name in SETS for end in ends]
    found = [file for file in found if file.is_file()]
    if not found:
        message = (
            "holds no training.txt or training.parquet; give a folder of seqgra export, or a file"
        )
        raise bad_input(path, "", message)
    return found


def beside(file: Path) -> Path:
    """Return where the elements of a table of sequences are, if they are anywhere."""
    stem, _, end = file.name.partition(".")
    return file.with_name(f"{stem}-{'elements' if end == 'parquet' else 'annotation'}.{end}")
