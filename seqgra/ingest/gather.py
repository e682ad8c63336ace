"""From files to labelled examples: windows of a genome, sequences, tables; what is dropped, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from seqgra.alphabet import SETS
from seqgra.errors import bad_input
from seqgra.grammar.fasta import Encoder
from seqgra.ingest.examples import (
    COMPLEMENT,
    IngestedExamples,
    contradictory,
    make_rows,
    merge,
    same_letters,
    unknown_shares,
)
from seqgra.ingest.genome import Genome
from seqgra.ingest.recipe import asked_split
from seqgra.ingest.regions import (
    Intervals,
    centres,
    close_windows,
    read_regions,
    refuse_foreign_names,
    refuse_no_summit,
)
from seqgra.ingest.sequences import (
    as_examples,
    condition_names,
    label_matrix,
    no_records,
    read_label_table,
    read_sequences,
    refuse_signal,
    set_name,
    split_labels,
    with_negative,
)
from seqgra.ingest.tables import read_table
from seqgra.ingest.tally import Tally
from seqgra.labels import name_problem
from seqgra.progress import Progress
from seqgra.stages.ingest import Recipe

#: Letters by which a region may end beyond its chromosome, since peak callers extend them.
_OVERHANG = 1000


class Gathered(NamedTuple):
    """What the files gave."""

    #: With a column of labels a name.
    examples: IngestedExamples
    #: The labels, `NEGATIVE` last where an example has none.
    names: list[str]
    #: Where no negative may lie: regions, windows and the blacklist; None without a genome.
    taken: Intervals | None


def gather(recipe: Recipe, genome: Genome | None, encoder: Encoder, tally: Tally) -> Gathered:
    """Read the files of a recipe.

    Raises
    ------
    InputError
        If a file is wrong, or no example is left.
    """
    if genome is not None:
        gathered = _from_regions(recipe, genome, tally)
    else:
        gathered = _from_sequences(recipe, encoder, tally)
    examples, names = gathered.examples, gathered.names
    _refuse_names(recipe, names)
    good = unknown_shares(examples.x) <= recipe.unknown
    reason = f"with over {recipe.unknown:.0%} unknown letters"
    examples = tally.keep(examples, good, names, reason, "--unknown")
    good = examples.rows["masked"].to_numpy() <= recipe.masked
    reason = f"with over {recipe.masked:.0%} masked letters"
    examples = tally.keep(examples, good, names, reason, "--masked")
    if not recipe.keep_duplicates:
        leader = same_letters(examples.x, examples.rows["set"].to_numpy())
        copies = leader != np.arange(len(leader))
        tally.drop(copies, examples.y, names, "with the letters of another", "--keep-duplicates")
        examples = merge(examples, leader)
    good = ~contradictory(examples.y, names, recipe.multi_label)
    reason = "with labels that exclude one another"
    option = "" if recipe.multi_label else "--task multi-label"
    examples = tally.keep(examples, good, names, reason, option)
    return gathered._replace(examples=examples)


def _without_unused_sets(recipe: Recipe, rows: pd.DataFrame, tally: Tally) -> pd.DataFrame:
    """Return rows without the sets that they name where the sets are drawn anew, and say so."""
    how = asked_split(recipe)
    named = int((rows["set"] >= 0).sum())
    if how in (None, "given") or not named:
        return rows
    tally.remark(f"the sets that {named:,} examples name are not used (--split {how})")
    return rows.assign(set=np.int8(-1))


def _refuse_names(recipe: Recipe, names: Sequence[str]) -> None:
    """Refuse labels that no condition may be called; name the file that has them."""
    for name in names:
        if problem := name_problem(name, recipe.task):
            given = [
                file for label, file in (*recipe.peaks, *recipe.fasta) if label in (name, None)
            ]
            files = [file for file in (recipe.table, recipe.labels) if file] or given
            raise bad_input(files[0] if files else "", f"label {name!r}", f"{problem}; rename it")


def _from_sequences(recipe: Recipe, encoder: Encoder, tally: Tally) -> Gathered:
    records = no_records()
    elements = read_table(records, recipe.table, encoder, tally) if recipe.table else None
    table = read_label_table(recipe.labels, tally) if recipe.labels else None
    for label, file in recipe.fasta:
        read_sequences(records, file, encoder, label, table, tally)
    tally.read = len(records.codes)
    if recipe.table or not all(label for label, _ in recipe.fasta):
        source = recipe.labels or recipe.table or next(f for name, f in recipe.fasta if not name)
        refuse_signal(source, records.labels)
    names = condition_names([label for label, _ in recipe.fasta if label], records.labels)
    names = with_negative(names, records.labels)
    examples = as_examples(records, names, recipe.width)
    examples = examples._replace(rows=_without_unused_sets(recipe, examples.rows, tally))
    if elements is not None:
        if max(len(codes) for codes in records.codes) > examples.x.shape[1]:
            raise bad_input("--width", "", "would cut annotated sequences; leave it out")
        examples = examples._replace(elements=elements)
    return Gathered(examples, names, None)


def _from_regions(recipe: Recipe, genome: Genome, tally: Tally) -> Gathered:
    assert recipe.width is not None
    regions = _read_all(recipe, genome, tally)
    labels = regions["labels"].tolist()
    names = condition_names([label for label, _ in recipe.peaks if label], labels)
    names = with_negative(names, labels)
    region_y = label_matrix(labels, names)
    windows, kept = _windows(recipe, genome, regions, region_y, names, tally)
    windows = _without_unused_sets(recipe, windows, tally)
    y = region_y[kept]
    blocked = [regions, windows]
    if recipe.blacklist:
        listed = read_regions(recipe.blacklist)
        refuse_foreign_names(recipe.blacklist, listed, genome.file, list(genome.lengths))
        if foreign := int((~listed["chrom"].isin(genome.lengths.keys())).sum()):
            tally.remark(f"--blacklist: {foreign:,} places lie on sequences that the genome lacks")
        good = ~Intervals(listed).overlap_rows(windows)
        tally.drop(~good, y, names, "on the blacklist")
        windows, y = windows[good], y[good]
        tally.refuse_nothing(len(windows))
        blocked.append(listed)
    order = _genome_order(windows, genome)
    windows, y = windows.iloc[order].reset_index(drop=True), y[order]
    places = ["chrom", "start", "end"]
    taken = Intervals(pd.concat([part[places] for part in blocked]))
    leader = close_windows(windows, max(1, math.ceil(recipe.merge * recipe.width)))
    stay = leader == np.arange(len(leader))
    tally.drop(~stay, y, names, "merged into a window they overlap", "--merge")
    merged = np.zeros_like(y)
    np.maximum.at(merged, leader, y)
    windows, y = windows[stay].reset_index(drop=True), merged[stay]
    _add_covering_labels(windows, y, regions, region_y)
    x, masked = _letters(windows, genome, recipe)
    windows["masked"] = masked
    return Gathered(IngestedExamples(x, y, windows), names, taken)


def _read_all(recipe: Recipe, genome: Genome, tally: Tally) -> pd.DataFrame:
    """Return all regions that lie on the genome, with ``labels`` (tuples) and ``set`` (names)."""
    parts = []
    for label, file in recipe.peaks:
        regions = read_regions(file, tally)
        tally.read += len(regions)
        refuse_foreign_names(file, regions, genome.file, list(genome.lengths))
        if recipe.center == "summit":
            refuse_no_summit(file, regions)
        if label is None and not regions["label"].any():
            message = "has no column label (a first line `#chrom start end ... label`); "
            raise bad_input(file, "", message + "write --peaks LABEL=FILE")
        if label is not None and regions["label"].any():
            tally.remark(f"{file.name}: its column of labels is not read; --peaks names its label")
        if label is None:
            refuse_signal(file, [split_labels(text) for text in regions["label"].unique()])
        if recipe.stranded:
            _check_strands(file, regions, tally)
        texts = regions["label"] if label is None else pd.Series(label, index=regions.index)
        regions["labels"] = [split_labels(text) for text in texts]
        regions["set"] = [
            set_name(text, file, f"line {line}")
            for text, line in zip(regions["set"], regions["line"], strict=True)
        ]
        known = regions["chrom"].isin(genome.lengths.keys())
        lost = regions["labels"][~known]
        tally.count(len(lost), "on sequences that the genome lacks", lost)
        regions = regions[known]
        ends = regions["chrom"].map(genome.lengths)
        beyond = regions[(regions["start"] >= ends) | (regions["end"] > ends + _OVERHANG)]
        if len(beyond):
            chrom, start, end, line = beyond[["chrom", "start", "end", "line"]].iloc[0]
            length = genome.lengths[chrom]
            where = (
                f"starts at {start},"
                if start >= length
                else f"ends at {end}, {end - length} letters"
            )
            message = (
                f"{where} beyond the end of {chrom} ({length} letters); is this another assembly?"
            )
            raise bad_input(file, f"line {line}", message)
        parts.append(regions)
    return pd.concat(parts, ignore_index=True)


def _check_strands(file: Path, regions: pd.DataFrame, tally: Tally) -> None:
    """Refuse strands that are none, and say where no region has one."""
    strange = ~regions["strand"].isin(["+", "-", ".", "*", ""])
    if strange.any():
        strand, line = regions.loc[strange, ["strand", "line"]].iloc[0]
        message = f"strand is {strand!r}; expected +, - or . for --stranded"
        raise bad_input(file, f"line {line}", message)
    if not regions["strand"].isin(["+", "-"]).any():
        tally.remark(
            f"{file.name}: no region has a strand, so --stranded turns none of its windows"
        )


def _windows(
    recipe: Recipe,
    genome: Genome,
    regions: pd.DataFrame,
    y: np.ndarray,
    names: list[str],
    tally: Tally,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the windows about the regions' centres, and which regions have one: bool (N,)."""
    width = recipe.width or 0
    without = regions["summit"].to_numpy() < 0
    if recipe.center is None and not without.all():
        tally.drop(without, y, names, "without a summit, centred at their middle (kept)")
    lengths = regions["chrom"].map(genome.lengths).to_numpy(np.int64)
    start = centres(regions, recipe.center) - width // 2
    fits = lengths >= width
    tally.drop(~fits, y, names, f"on chromosomes of fewer than {width} letters", "--width")
    beyond = fits & ((start < 0) | (start + width > lengths))
    if recipe.edges == "drop":
        tally.drop(beyond, y, names, "over the end of their chromosome", "--edges shift")
        fits &= ~beyond
    else:
        tally.drop(beyond, y, names, "shifted from beyond the end of their chromosome (kept)")
        start = np.clip(start, 0, np.maximum(lengths - width, 0))
    tally.refuse_nothing(int(fits.sum()))
    windows = make_rows(len(regions))
    windows["chrom"], windows["start"], windows["end"] = regions["chrom"], start, start + width
    windows["set"] = [SETS.index(name) if name else -1 for name in regions["set"]]
    if recipe.stranded:
        windows["strand"] = np.where(regions["strand"] == "-", "-", "+")
    return windows[fits].reset_index(drop=True), fits


def _genome_order(windows: pd.DataFrame, genome: Genome) -> np.ndarray:
    """Return the order of windows along the genome, so that the order of lines does not count."""
    number = {name: n for n, name in enumerate(genome.lengths)}
    chrom = windows["chrom"].map(number).to_numpy(np.int64)
    start, sets = windows["start"].to_numpy(np.int64), windows["set"].to_numpy()
    return np.lexsort((sets, windows["strand"] == "-", start, chrom))


def _add_covering_labels(
    windows: pd.DataFrame, labels: np.ndarray, regions: pd.DataFrame, region_labels: np.ndarray
) -> None:
    """Add to each window the label of every region that covers its centre."""
    middle = (windows["start"] + windows["end"]) // 2
    centre = windows.assign(start=middle, end=middle + 1)
    for column, own in zip(labels.T, region_labels.T > 0, strict=True):
        column[Intervals(regions[own]).overlap_rows(centre)] = 1


def _letters(
    windows: pd.DataFrame, genome: Genome, recipe: Recipe
) -> tuple[np.ndarray, np.ndarray]:
    """Return the letters of windows, uint8 (N, L), and their share in lower case, float64 (N,)."""
    width = recipe.width or 0
    x, shares = np.empty((len(windows), width), np.uint8), np.zeros(len(windows))
    start = windows["start"].to_numpy(np.int64)
    progress = Progress(f"windows of {genome.file.name}", len(windows))
    for chrom, places in windows.groupby("chrom", sort=False).indices.items():
        codes, soft = genome.letters(str(chrom))
        x[places] = sliding_window_view(codes, width)[start[places]]
        progress.advance(len(places))
        if recipe.masked < 1:
            shares[places] = sliding_window_view(soft, width)[start[places]].mean(axis=1)
    progress.close()
    turned = np.flatnonzero(windows["strand"] == "-")
    x[turned] = np.frombuffer(COMPLEMENT, np.uint8)[x[turned][:, ::-1]]
    return x, shares
