"""Real sequences -> the files of a dataset, as simulate makes them, with hits of motifs for elements.

The examples of all sets are in memory at once: about a byte a letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seqgra.alphabet import SETS
from seqgra.dataset_files import (
    ArrayWriter,
    ElementWriter,
    content_of,
    write_content,
    write_regions,
)
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft, Outcome
from seqgra.grammar.fasta import Encoder
from seqgra.grammar.schema import Grammar
from seqgra.ingest.columns import listed
from seqgra.ingest.elements import (
    SoughtMotif,
    annotated_elements,
    annotation_columns,
    as_element,
    hit_columns,
    wanted_motifs,
)
from seqgra.ingest.examples import NEGATIVE, IngestedExamples, gc_shares, same_letters
from seqgra.ingest.gather import Gathered, gather
from seqgra.ingest.genome import Genome, open_genome
from seqgra.ingest.measure import (
    insensitive_motifs,
    measured_grammar,
    reverse_complements,
    set_facts,
    shared_copies,
    shared_stretches,
    shortcuts,
    wide_motifs,
)
from seqgra.ingest.negatives import Limits, gc_distance, gc_matched, shuffled
from seqgra.ingest.recipe import asked_split, options_of
from seqgra.ingest.splits import (
    by_chromosome,
    by_fraction,
    crossing,
    joined_groups,
    overlap_groups,
    overlapping_later,
    sets_of_chromosomes,
)
from seqgra.ingest.tally import Tally
from seqgra.stages.ingest import Recipe
from seqgra.streams import stratified_order

_ROWS = 1 << 14


class _Made(NamedTuple):
    """Examples with their sets, their labels' names, and how they were split."""

    examples: IngestedExamples
    names: list[str]
    split: str


def write_dataset(
    draft: Draft, recipe: Recipe, sources: Mapping[str, Mapping[str, str]]
) -> Outcome:
    """Make the examples that a recipe asks for and write them.

    Parameters
    ----------
    draft
        The dataset's folder.
    recipe
        What to read and how, checked.
    sources
        Name and SHA-256 of every file, by its role.

    Raises
    ------
    InputError
        If files are wrong or no example is left.
    """
    encoder = Encoder(recipe.letters, "give --alphabet protein if these are proteins")
    tally = Tally()
    with ExitStack() as stack:
        genome = (
            stack.enter_context(open_genome(recipe.genome, encoder, tally))
            if recipe.genome
            else None
        )
        made = _make(recipe, genome, encoder, tally)
    if encoder.stops:
        tally.remark(f"{encoder.stops:,} proteins end in *, their stop, which is left out")
    content = _write(draft, recipe, made, tally)
    content["ingest"] = {
        "recipe": options_of(recipe),
        "sources": sources,
        "read": tally.read,
        "dropped": tally.counts,
        "dropped_by_label": {reason: dict(own) for reason, own in tally.by_label.items()},
        "notes": tally.notes,
        **content.pop("ingest"),
    }
    return write_content(draft, content)


def _make(recipe: Recipe, genome: Genome | None, encoder: Encoder, tally: Tally) -> _Made:
    """Return the examples of all sets, negatives among them."""
    gathered = gather(recipe, genome, encoder, tally)
    _refuse_no_label(recipe, gathered, tally)
    examples, split = _split(recipe, gathered.examples, gathered.names, tally)
    made = _Made(examples, gathered.names, split)
    if recipe.negatives != "none":
        made = _with_negatives(recipe, made, gathered, genome, tally)
    if recipe.multi_label and NEGATIVE in made.names:
        column = made.names.index(NEGATIVE)
        y = np.delete(made.examples.y, column, axis=1)
        names = [name for name in made.names if name != NEGATIVE]
        made = made._replace(examples=made.examples._replace(y=y), names=names)
    _missing_classes(recipe, made, tally)
    return made


def _refuse_no_label(recipe: Recipe, gathered: Gathered, tally: Tally) -> None:
    """Refuse negatives alone: there is nothing that others could be drawn after."""
    labels = [name for name in gathered.names if name != NEGATIVE]
    own = [gathered.names.index(name) for name in labels]
    if gathered.examples.y[:, own].any():
        return
    if labels:
        message = f"no example with a label is left; dropped: {tally.dropped_of(labels[0])}"
    else:
        option = next(name for name in ("peaks", "fasta", "table") if getattr(recipe, name))
        message = "no example has a label; give some that have"
        message += "" if option == "table" else f", such as --{option} LABEL=FILE"
    raise bad_input("ingest", "", message)


def _split(
    recipe: Recipe, examples: IngestedExamples, names: list[str], tally: Tally
) -> tuple[IngestedExamples, str]:
    """Return the examples with their sets, and in words how they were split."""
    rows, how = examples.rows, asked_split(recipe)
    named, placed = rows["set"].to_numpy() >= 0, rows["chrom"].to_numpy() != ""
    if how is None:
        how = "given" if named.any() else "chromosome" if placed.all() else "fraction"
    if how == "given" and not named.all():
        message = f"{int((~named).sum())} of {len(rows)} examples name no set; give all one, "
        message += "or use another --split"
        raise bad_input("--split", "given", message)
    if how == "given":
        examples = tally.keep(
            examples, ~overlapping_later(rows), names, "overlapping an example of a later set"
        )
        if not recipe.keep_duplicates:
            good = ~crossing(examples.rows["set"].to_numpy(), same_letters(examples.x))
            reason = "with the letters of an example of a later set"
            examples = tally.keep(examples, good, names, reason, "--keep-duplicates")
        return examples, "by the sets that the input names"
    if how == "chromosome":
        given = {"validation": recipe.validation, "test": recipe.test}
        sets = by_chromosome(rows, recipe.shares, given)
        chroms = rows["chrom"].to_numpy()
        of = {name: sorted(set(chroms[sets == n])) for n, name in enumerate(SETS)}
        words = "by chromosome; " + "; ".join(f"{n}: {listed(c, 8)}" for n, c in of.items() if c)
    else:
        copies = same_letters(examples.x, both_strands=_both_strands(recipe))
        group = joined_groups(overlap_groups(rows), copies)
        sets = by_fraction(examples.y, group, recipe.shares, recipe.seed)
        shares = ", ".join(f"{share:g}" for share in recipe.shares)
        words = (
            f"drawn by seed {recipe.seed} in shares {shares}, each combination of labels by itself"
        )
        if placed.any():
            words += "; overlapping windows stay together"
        if not placed.all():
            message = f"{int((~placed).sum()):,} of {len(rows):,} examples name no place (such as "
            tally.remark(
                message + "chr1:100-200), so windows that overlap may fall into several sets"
            )
    for number, share in enumerate(recipe.shares):
        if share > 0 and how == "fraction" and not (sets == number).any():
            message = f"gets no example of {len(sets)}; change --shares, or give more"
            raise bad_input("--split", SETS[number], message)
    return examples._replace(rows=rows.assign(set=sets)), words


def _both_strands(recipe: Recipe) -> bool:
    """Say whether an example and its reverse complement are the same."""
    return recipe.alphabet == "DNA" and not recipe.stranded


def _with_negatives(
    recipe: Recipe, made: _Made, gathered: Gathered, genome: Genome | None, tally: Tally
) -> _Made:
    """Add drawn negatives to the examples."""
    examples, names = made.examples, made.names
    if NEGATIVE not in names:
        names = [*names, NEGATIVE]
        column = np.zeros((len(examples.y), 1), np.uint8)
        examples = examples._replace(y=np.hstack([examples.y, column]))
    own = names.index(NEGATIVE)
    positives = examples.take(examples.y[:, own] == 0)
    if recipe.negatives == "gc":
        assert genome is not None and gathered.taken is not None
        limits = Limits(recipe.unknown, recipe.masked)
        drawn, wanted = gc_matched(
            positives,
            genome,
            gathered.taken,
            sets_of_chromosomes(examples.rows),
            ratio=recipe.ratio,
            limits=limits,
            seed=recipe.seed,
        )
        tally.remark(_match_note(positives, drawn, wanted))
    else:
        letters = len(recipe.letters.letters)
        drawn = shuffled(positives, recipe.ratio, letters, recipe.seed)
    drawn.y[:, own] = 1
    leader = same_letters(np.concatenate([examples.x, drawn.x]))[len(examples.x) :]
    new = leader == np.arange(len(examples.x), len(examples.x) + len(leader))
    if not new.all():  # they would serve two sets, or contradict a label
        count = f"{int((~new).sum()):,} of {len(new):,} drawn"
        tally.remark(f"negatives: {count} have the letters of another example and are left out")
        drawn = drawn.take(new)
    joined = IngestedExamples(
        np.concatenate([examples.x, drawn.x]),
        np.concatenate([examples.y, drawn.y]),
        pd.concat([examples.rows, drawn.rows], ignore_index=True),
        examples.elements,
    )
    return made._replace(examples=joined, names=names)


def _match_note(positives: IngestedExamples, drawn: IngestedExamples, wanted: int) -> str:
    ours, theirs = gc_shares(positives.x), gc_shares(drawn.x)
    return (
        f"negatives: {len(theirs):,} of {wanted:,} wanted windows found; mean GC "
        f"{theirs.mean() if len(theirs) else 0:.1%} beside {ours.mean():.1%}, largest difference of the "
        f"cumulative distributions {gc_distance(ours, theirs):.3f}"
    )


def _missing_classes(recipe: Recipe, made: _Made, tally: Tally) -> None:
    """Refuse sets without a class; note labels that validation or test lack in a multi-label task.

    Raises
    ------
    InputError
        If all examples are of one class, or a set lacks one: validation and test of a multi-label task may,
        where labels are many and some of them rare.
    """
    y, sets = made.examples.y, made.examples.rows["set"].to_numpy()
    if len(made.names) == 1 and y.all():
        message = (
            f"all examples are {made.names[0]}; add --negatives gc or shuffle, or none=FILE, or "
        )
        raise bad_input("ingest", "", message + "another label")
    for number, set_name in enumerate(SETS):
        own = y[sets == number]
        lacking = np.flatnonzero(~own.any(axis=0))
        if not len(own) or not len(lacking):
            continue
        if set_name == "training" or not recipe.multi_label:
            name = made.names[lacking[0]]
            left, lost = int(y[:, lacking[0]].sum()), tally.dropped_of(name)
            message = f"holds no example of {name}"
            message += f"; {left} of {name} are left" + (f", dropped: {lost}" if lost else "")
            message += "; change --split, --shares or --validation and --test" if left else ""
            raise bad_input("--split", set_name, message)
        absent = listed([made.names[n] for n in lacking], 5)
        tally.remark(f"{set_name}: holds no example of {absent}; scores of that will be undefined")


def _write(draft: Draft, recipe: Recipe, made: _Made, tally: Tally) -> dict[str, Any]:
    """Write the files of all sets and return the content of `dataset.json`."""
    examples, names = made.examples, made.names
    sets = examples.rows["set"].to_numpy()
    training = sets == SETS.index("training")
    training = training if training.any() else np.ones(len(sets), bool)
    motifs = wanted_motifs(recipe, names, tally)
    if motifs:
        examples = examples._replace(elements=None)
    elements = {name: as_element(motif.matrix) for name, motif in motifs.items()}
    if examples.elements is not None:
        elements = annotated_elements(examples, training, len(recipe.letters.letters))
    grammar = measured_grammar(recipe, names, elements, examples.x, training)
    content = content_of(grammar, draft.folder.name, recipe.seed)
    shares = shortcuts(examples.x, examples.y, sets, names, recipe.letters)
    content["ingest"] = {"split": made.split, "shortcuts": shares, "sets": {}}
    matrices = {name: motif.matrix for name, motif in motifs.items()}
    dna = recipe.alphabet == "DNA"
    for note in (
        *(reverse_complements(examples.x, examples.y, sets) if _both_strands(recipe) else ()),
        *shared_stretches(examples.x, sets, both_strands=dna),
        *shared_copies(examples.x, sets, both_strands=dna),
        *wide_motifs(matrices, examples.x.shape[1]),
        *insensitive_motifs(matrices, recipe.p_value),
    ):
        tally.remark(note)
    for number, name in enumerate(SETS):
        own = np.flatnonzero(sets == number)
        if len(own):
            order = own[stratified_order(examples.y[own], recipe.seed, name)]
            _write_set(draft, recipe, name, examples.take(order), motifs, grammar, content)
    return content


def _write_set(
    draft: Draft,
    recipe: Recipe,
    name: str,
    examples: IngestedExamples,
    motifs: dict[str, SoughtMotif],
    grammar: Grammar,
    content: dict[str, Any],
) -> None:
    """Write the files of a set and add what is known of it to `content`."""
    conditions, elements = content["conditions"], content["elements"]
    if examples.elements is not None:
        columns = annotation_columns(examples.elements, elements, conditions)
    else:
        b = grammar.letter_distribution()
        columns = hit_columns(examples.x, motifs, recipe.letters, recipe.p_value, b)
    for what, array in (("x", examples.x), ("y", examples.y)):
        file = f"{name}.{what}.npy"
        writer = ArrayWriter(draft.aside(file), array.shape)
        for first in range(0, len(array), _ROWS):
            writer.write(np.ascontiguousarray(array[first : first + _ROWS]))
        content["checksums"][file] = writer.close()
    table = ElementWriter(draft.aside(f"{name}.elements.parquet"))
    table.write(columns)
    table.close()
    if (examples.rows["chrom"] != "").any():
        write_regions(draft.aside(f"{name}.regions.tsv"), examples.rows)
    content["counts"][name] = len(examples.x)
    facts = set_facts(examples.x, examples.y, conditions, columns, elements)
    content["ingest"]["sets"][name] = facts
