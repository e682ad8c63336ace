"""Stage ingest: real sequences -> dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from seqgra.errors import bad_input
from seqgra.stages import DATASET_FILES, Stage
from seqgra.stages.options import Count, File, Natural, Texts, Written
from seqgra.yamlfile import Strict

if TYPE_CHECKING:
    from seqgra.alphabet import Alphabet

SOURCES: dict[str, Any] = {"group": "where the sequences are; --peaks, --fasta or --table"}
WINDOWS: dict[str, Any] = {"group": "windows"}
SPLITS: dict[str, Any] = {"group": "negatives and sets"}
MOTIFS: dict[str, Any] = {"group": "motifs"}


def _labelled(text: str) -> tuple[str | None, Path]:
    """Read LABEL=FILE, or FILE."""
    label, equals, file = text.partition("=")
    return (label, Path(file)) if equals else (None, Path(text))


def _as_labelled(value: tuple[str | None, Path]) -> str:
    label, file = value
    return str(file) if label is None else f"{label}={file}"


def _read_shares(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    try:
        return tuple(float(share) for share in given.split(","))
    except ValueError:
        raise bad_input("--shares", "", f"is {given!r}; expected 0.7,0.1,0.2") from None


Labelled = Annotated[
    tuple[tuple[str | None, Path], ...],
    Written(_labelled, "LABEL=FILE", write=_as_labelled, repeated=True),
]
Share = Annotated[float, Written(float, "SHARE")]
Chromosomes = Annotated[Texts, Written(str, "CHROM,...", join=",")]


def _of_labels(what: str) -> str:
    return (
        f"{what} file of a label; again for each label; none=FILE: without a label; FILE: labels "
        "stand in it"
    )


class Recipe(Strict):
    """Options of ``seqgra ingest``: what to read and how; one of `peaks`, `fasta` and `table` is given."""

    peaks: Labelled = Field(
        (), description=_of_labels("BED, narrowPeak, or MACS .xls"), json_schema_extra=SOURCES
    )
    fasta: Labelled = Field((), description=_of_labels("FASTA"), json_schema_extra=SOURCES)
    table: Path | None = Field(
        None,
        description="TSV, CSV or Parquet file, or a folder made by seqgra export",
        json_schema_extra=SOURCES,
    )
    labels: Path | None = Field(
        None,
        description="TSV or CSV of id, label, set for --fasta FILE",
        json_schema_extra=SOURCES,
    )
    genome: Annotated[Path, Written(Path, "FASTA")] | None = Field(
        None, description="of --peaks", json_schema_extra=SOURCES
    )
    blacklist: Annotated[Path, Written(Path, "BED")] | None = Field(
        None, description="places to leave out", json_schema_extra=WINDOWS
    )
    motifs: File | None = Field(
        None, description="look for hits of these motifs", json_schema_extra=MOTIFS
    )
    motif: Annotated[tuple[str, ...], Written(str, "NAME=ID[:LABEL]", repeated=True)] = Field(
        (),
        description="look for this motif of the file, which is about LABEL [all, about every label]",
        json_schema_extra=MOTIFS,
    )
    alphabet: Literal["DNA", "RNA", "protein"] = Field("DNA", json_schema_extra=SOURCES)
    task: Literal["multi-class", "multi-label"] = Field(
        "multi-class",
        description="multi-class: examples with two labels are dropped",
        json_schema_extra=SOURCES,
    )
    width: Count | None = Field(
        None,
        description="letters of a window; longer FASTA sequences are cut to it",
        json_schema_extra=WINDOWS,
    )
    center: Literal["summit", "middle"] | None = Field(
        None, description="of regions [summit where there is one]", json_schema_extra=WINDOWS
    )
    stranded: bool = Field(
        False, description="turn windows of regions on strand -", json_schema_extra=WINDOWS
    )
    edges: Literal["shift", "drop"] = Field(
        "shift",
        description="what to do with windows over the end of their chromosome",
        json_schema_extra=WINDOWS,
    )
    unknown: Share = Field(0.0, description="most N in an example", json_schema_extra=WINDOWS)
    masked: Share = Field(1.0, description="most lower case in one", json_schema_extra=WINDOWS)
    merge: Share = Field(
        0.5,
        description="windows that overlap by this share are one; 1: only identical ones",
        json_schema_extra=WINDOWS,
    )
    keep_duplicates: bool = Field(
        False, description="keep examples of the same letters", json_schema_extra=WINDOWS
    )
    negatives: Literal["none", "gc", "shuffle"] = Field(
        "none",
        description="add genome windows of the same GC content, or shuffles that keep neighbours",
        json_schema_extra=SPLITS,
    )
    ratio: float = Field(1.0, description="negatives for each positive", json_schema_extra=SPLITS)
    split: Literal["chromosome", "fraction", "given"] | None = Field(
        None,
        description="what goes to one set as a whole [given where the input names sets, chromosome where "
        "places are known, else fraction]",
        json_schema_extra=SPLITS,
    )
    shares: Annotated[tuple[float, ...], BeforeValidator(_read_shares), Written(str, join=",")] = (
        Field(
            (0.7, 0.1, 0.2),
            description="of training, validation and test",
            json_schema_extra=SPLITS,
        )
    )
    validation: Chromosomes = Field(
        (), description="chromosomes of the validation set", json_schema_extra=SPLITS
    )
    test: Chromosomes = Field(
        (), description="chromosomes of the test set", json_schema_extra=SPLITS
    )
    p_value: float = Field(1e-4, description="of a hit, at most", json_schema_extra=MOTIFS)
    seed: Natural = Field(0, description="of all that is sampled", json_schema_extra=SPLITS)

    @property
    def letters(self) -> Alphabet:
        """The alphabet."""
        from seqgra.alphabet import ALPHABETS

        return ALPHABETS[self.alphabet]

    @property
    def multi_label(self) -> bool:
        """Whether an example may have any number of labels."""
        return self.task == "multi-label"


STAGE = Stage(
    "ingest",
    version=4,
    files=rf"{DATASET_FILES}|regions\.tsv)",
    makes="DATASET",
    example="seqgra ingest --peaks SOX2=sox2.bed --genome mm10.fa --width 150 --negatives gc \\\n"
    "             --motifs motifs.meme -o data/sox2\n"
    "         seqgra ingest --fasta SOX2=sox2.fa --fasta none=others.fa -o data/sox2",
    run="seqgra.ingest:run",
    options=Recipe,
)
