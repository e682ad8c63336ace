"""Ingest of regions: windows, labels, negatives, sets, and files as they come."""

import gzip
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from real_tools import (
    ingested,
    labelled,
    random_letters,
    refused,
    sequences,
    write_bed,
    write_genome,
)

from seqgra.alphabet import DNA, SETS
from seqgra.cli import main
from seqgra.dataset import open_dataset
from seqgra.errors import InputError
from seqgra.fingerprint import RUN_FILE, file_sha256, seal
from seqgra.ingest.examples import gc_shares
from seqgra.ingest.regions import Intervals, close_windows
from seqgra.ingest.splits import by_fraction, largest_deficit, overlap_groups

ARABIDOPSIS = Path(__file__).parents[2] / "shared" / "data" / "genomes"
CHROMS = {f"chr{n}": random_letters(20_000 - 3000 * n, n) for n in range(1, 6)}


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    return write_genome(tmp_path_factory.mktemp("genome") / "g.fa", CHROMS)


@pytest.fixture(scope="module")
def peaks(tmp_path_factory):
    """Two BED files whose regions do not meet."""
    folder, rng = tmp_path_factory.mktemp("peaks"), np.random.default_rng(7)
    rows = {"A": [], "B": []}
    for chrom, letters in CHROMS.items():
        starts = np.arange(300, len(letters) - 400, 300)
        for n, start in enumerate(rng.permutation(starts)[: len(starts) // 2].tolist()):
            rows["AB"[n % 2]].append((chrom, start, start + 120, f"p{start}", 0, "+"))
    return {name: write_bed(folder / f"{name}.bed", *found) for name, found in rows.items()}


def both(peaks, genome, width=100):
    given = [("--peaks", f"{name}={file}") for name, file in peaks.items()]
    return [*(word for pair in given for word in pair), "--genome", genome, "--width", width]


def regions_of(dataset):
    tables = [
        pd.read_csv(dataset.folder / f"{name}.regions.tsv", sep="\t").assign(set=name)
        for name in dataset.counts
    ]
    return pd.concat(tables, ignore_index=True)


def test_windows_hold_the_letters_about_the_middle(peaks, genome, tmp_path):
    dataset = ingested(tmp_path / "d", *both(peaks, genome))
    expected = set()
    for label, file in peaks.items():
        for chrom, start, end, *_ in (line.split("\t") for line in file.read_text().splitlines()):
            first = (int(start) + int(end)) // 2 - 50
            expected.add((CHROMS[chrom][first : first + 100], label))
    assert {(letters, label) for _, letters, label in labelled(dataset)} == expected
    assert len(sequences(dataset)) == len(expected)
    table = regions_of(dataset)
    assert [CHROMS[row.chrom][row.start : row.end] for row in table.itertuples()] == sequences(
        dataset
    )
    assert not dataset.simulated
    assert dataset.grammar.background.markov.order == 2


def test_sets_are_whole_chromosomes_of_about_the_wanted_shares(peaks, genome, tmp_path):
    dataset = ingested(tmp_path / "d", *both(peaks, genome))
    table = regions_of(dataset)
    assert (table.groupby("chrom")["set"].nunique() == 1).all()
    assert set(dataset.counts) == set(SETS)
    given = ingested(
        tmp_path / "e", *both(peaks, genome), "--validation", "chr5", "--test", "chr2,chr4"
    )
    held = regions_of(given).groupby("set")["chrom"].unique().map(sorted).to_dict()
    assert held == {"training": ["chr1", "chr3"], "validation": ["chr5"], "test": ["chr2", "chr4"]}


def test_order_of_lines_and_line_ends_do_not_count_but_the_seed_does(peaks, genome, tmp_path):
    first = ingested(tmp_path / "d", *both(peaks, genome), "--negatives", "gc")
    mixed = {}
    for name, file in peaks.items():
        lines = file.read_text().splitlines()
        np.random.default_rng(0).shuffle(lines)
        noise = ["browser position chr1:1-9", 'track name="x"', "# a comment", "", *lines]
        mixed[name] = tmp_path / f"{name}.bed.gz"
        mixed[name].write_bytes(gzip.compress("\r\n".join(noise).encode()))
    second = ingested(tmp_path / "e", *both(mixed, genome), "--negatives", "gc")
    for name in SETS:
        assert (first.x(name) == second.x(name)).all()
        assert (first.y(name) == second.y(name)).all()
    other = ingested(tmp_path / "f", *both(peaks, genome), "--negatives", "gc", "--seed", "1")
    assert sequences(other) != sequences(first)


def test_the_same_call_is_up_to_date_and_another_replaces(peaks, genome, tmp_path, capsys):
    call = both(peaks, genome)
    first = ingested(tmp_path / "d", *call)
    copies = {name: shutil.copy(file, tmp_path / f"copy-{name}") for name, file in peaks.items()}
    capsys.readouterr()
    ingested(tmp_path / "d", *both(copies, genome))  # other names, the same content
    assert "up to date" in capsys.readouterr().out
    second = ingested(tmp_path / "d", *call, "--unknown", "0.1")
    assert second.fingerprint != first.fingerprint


def test_narrow_peaks_are_centred_at_their_summit(genome, tmp_path, capsys):
    row = ("chr1", 1000, 1400, "p", 0, ".", 5.0, 3.0, 2.0)
    rows = [(*row, 30), ("chr2", *row[1:], -1), ("chr3", *row[1:], 399)]
    file = write_bed(tmp_path / "p.narrowPeak", *rows)
    call = ("--peaks", f"A={file}", "--genome", genome, "--width", 60, "--negatives", "shuffle")
    table = regions_of(ingested(tmp_path / "d", *call, "--shares", "1,0,0"))
    starts = dict(table.dropna()[["chrom", "start"]].itertuples(index=False))
    assert starts == {"chr1": 1000, "chr2": 1170, "chr3": 1369}
    assert "1 without a summit, centred at their middle (kept)" in capsys.readouterr().out
    said = refused(capsys, tmp_path / "f", *call, "--shares", "1,0,0", "--center", "summit")
    assert (
        "p.narrowPeak: line 2: has no summit (column 10 of narrowPeak); leave --center out" in said
    )
    middle = ingested(tmp_path / "e", *call, "--shares", "1,0,0", "--center", "middle")
    assert set(regions_of(middle).dropna()["start"]) == {1170}


def test_windows_over_the_end_are_shifted_or_dropped(genome, tmp_path):
    end = len(CHROMS["chr1"])
    file = write_bed(
        tmp_path / "p.bed", ("chr1", 0, 10), ("chr1", end - 5, end + 90), ("chr1", 500, 600)
    )
    call = ("--peaks", f"A={file}", "--genome", genome, "--width", 80, "--negatives", "shuffle")
    call += ("--split", "fraction", "--shares", "1,0,0")
    shifted = ingested(tmp_path / "d", *call)
    assert set(regions_of(shifted).dropna()["start"]) == {0, 510, end - 80}
    assert shifted.content["ingest"]["dropped"] == {
        "shifted from beyond the end of their chromosome (kept)": 2
    }
    dropped = ingested(tmp_path / "e", *call, "--edges", "drop")
    assert set(regions_of(dropped).dropna()["start"]) == {510}
    assert dropped.content["ingest"]["dropped"] == {"over the end of their chromosome": 2}


def test_duplicates_neighbours_and_two_classes(genome, tmp_path):
    a = write_bed(tmp_path / "a.bed", ("chr1", 1000, 1100), ("chr1", 1000, 1100), ("chr2", 50, 150))
    b = write_bed(
        tmp_path / "b.bed", ("chr1", 1030, 1130), ("chr1", 3000, 3100), ("chr2", 160, 260)
    )
    call = ("--peaks", f"A={a}", "--peaks", f"B={b}", "--genome", genome, "--width", 100)
    call += ("--split", "fraction", "--shares", "1,0,0")
    one = ingested(tmp_path / "d", *call)
    assert one.content["ingest"]["dropped"] == {
        "merged into a window they overlap": 2,
        "with labels that exclude one another": 1,
    }
    assert {(text[:5], label) for _, text, label in labelled(one)} == {
        (CHROMS["chr1"][3000:3005], "B"),
        (CHROMS["chr2"][50:55], "A"),
        (CHROMS["chr2"][160:165], "B"),
    }
    several = ingested(tmp_path / "e", *call, "--task", "multi-label")
    assert ("training", CHROMS["chr1"][1000:1100], "A|B") in labelled(several)
    apart = ingested(tmp_path / "f", *call, "--task", "multi-label", "--merge", "1")
    assert apart.content["ingest"]["dropped"] == {"merged into a window they overlap": 1}
    # each other's region covers the centre of both
    assert {label for _, text, label in labelled(apart) if text in CHROMS["chr1"][1000:1130]} == {
        "A|B"
    }


def test_unknown_masked_and_listed_windows_are_left_out(tmp_path):
    text = random_letters(4000, 3)
    text = text[:1010] + "NRYn" + text[1014:2000] + text[2000:2050].lower() + text[2050:]
    genome = write_genome(tmp_path / "g.fa", {"c": text})
    file = write_bed(tmp_path / "p.bed", *(("c", s, s + 100) for s in (0, 1000, 2000, 3000)))
    listed = write_bed(tmp_path / "no.bed", ("c", 3099, 3200))
    call = ("--peaks", f"A={file}", "--genome", genome, "--width", 100, "--negatives", "shuffle")
    call += ("--split", "fraction", "--shares", "1,0,0")
    strict = ingested(tmp_path / "d", *call, "--masked", "0.4", "--blacklist", listed)
    assert regions_of(strict).dropna()["start"].tolist() == [0]
    assert strict.content["ingest"]["dropped"] == {
        "on the blacklist": 1,
        "with over 0% unknown letters": 1,
        "with over 40% masked letters": 1,
    }
    free = ingested(tmp_path / "e", *call, "--unknown", "0.04")
    assert len(regions_of(free).dropna()) == 4
    assert text[2000:2100].upper() in sequences(free)
    assert any("NNNN" in letters for letters in sequences(free))


def test_stranded_windows_are_turned(genome, tmp_path):
    file = write_bed(
        tmp_path / "p.bed", ("chr1", 100, 160, "x", 0, "-"), ("chr1", 400, 460, "y", 0, "+")
    )
    call = ("--peaks", f"A={file}", "--genome", genome, "--width", 60, "--negatives", "shuffle")
    call += ("--split", "fraction", "--shares", "1,0,0", "--stranded")
    turned = {label: text for _, text, label in labelled(ingested(tmp_path / "d", *call))}
    assert set(turned) == {"A", "negative"}
    texts = sequences(ingested(tmp_path / "e", *call, "--alphabet", "RNA"))
    back = CHROMS["chr1"][100:160][::-1].translate(str.maketrans("ACGT", "UGCA"))
    assert back in texts
    assert CHROMS["chr1"][400:460].replace("T", "U") in texts


def stranded_call(folder, genome):
    rows = [
        (chrom, s, s + 60, "x", 0, "+-."[s // 200 % 3])
        for chrom in CHROMS
        for s in range(100, 4000, 200)
    ]
    bed = write_bed(folder / "p.bed", *rows)
    return ("--peaks", f"A={bed}", "--genome", genome, "--width", 60, "--negatives", "gc")


def test_regions_have_a_strand(genome, tmp_path):
    call = stranded_call(tmp_path, genome)
    for more, expected in ((("--stranded",), {"+", "-"}), ((), {"."})):
        dataset = ingested(tmp_path / f"{len(more)}", *call, *more)
        for name in SETS:
            table = dataset.regions(name)
            assert list(table) == ["chrom", "start", "end", "strand"]
            positive = dataset.y(name)[:, 0] > 0
            assert set(table["strand"][positive]) == expected
            assert set(table["strand"][~positive]) == {"."}
            for row, text in zip(table.itertuples(), sequences(dataset, name), strict=True):
                letters = CHROMS[row.chrom][row.start : row.end]
                back = letters[::-1].translate(str.maketrans("ACGT", "TGCA"))
                assert text == (back if row.strand == "-" else letters)


@pytest.mark.parametrize("more", [("--stranded",), ("--split", "fraction")])
def test_sets_and_places_survive_export_and_subsample(more, genome, tmp_path):
    dataset = ingested(tmp_path / "d", *stranded_call(tmp_path, genome), *more)
    run = ("subsample", tmp_path / "d", "-o", tmp_path / "s", "--seed", 4)
    assert main([*map(str, run)]) == 0
    drawn = open_dataset(tmp_path / "s")
    export = ("export", tmp_path / "s", "-o", tmp_path / "e", "--format", "fasta-bed")
    assert main([*map(str, export)]) == 0
    files = [word for name in SETS for word in ("--fasta", tmp_path / "e" / f"{name}.fa")]
    back = ingested(tmp_path / "b", *files)
    for name in SETS:
        assert sequences(drawn, name) != sequences(dataset, name)
        found = [placed(made, name) for made in (dataset, drawn, back)]
        assert found[0] == found[1] == found[2]


def placed(dataset, name):
    """Return letters, label and place of every example of a set, in any order."""
    labels = [dataset.conditions[n] for n in np.asarray(dataset.y(name)).argmax(axis=1)]
    places = dataset.regions(name).itertuples(index=False, name=None)
    return sorted(zip(sequences(dataset, name), labels, places, strict=True))


def test_regions_without_a_strand_are_read(genome, tmp_path):
    """As version 3 of ingest wrote them."""
    dataset = ingested(tmp_path / "d", *stranded_call(tmp_path, genome))
    path, file = tmp_path / "d" / "test.regions.tsv", tmp_path / "d" / RUN_FILE
    expected, facts = dataset.regions("test"), json.loads(file.read_text())
    path.write_text(path.read_text().replace("\tstrand\n", "\n").replace("\t.\n", "\n"))
    facts["files"][path.name] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    file.write_text(seal(facts))
    assert "strand" not in path.read_text()
    assert dataset.regions("test").equals(expected)
    path.write_text(path.read_text().replace("chr4", "chr5", 1))
    with pytest.raises(InputError, match=r"test\.regions\.tsv: does not match its checksum"):
        dataset.regions("test")
    path.write_text("chrom\n")
    facts["files"][path.name] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    file.write_text(seal(facts))
    with pytest.raises(InputError, match="does not name a place for each example"):
        dataset.regions("test")


def test_the_strands_of_stranded_windows_are_two(tmp_path):
    """Reverse complements may part, and have other labels without a word, after --stranded alone."""
    half = random_letters(6000, 1)
    genome = write_genome(
        tmp_path / "g.fa", {"c": half, "d": half[::-1].translate(str.maketrans("ACGT", "TGCA"))}
    )
    rows = [("c", s, s + 50, "x", 0, "+") for s in range(0, 6000, 100)]
    other = [("d", 6000 - e, 6000 - s, *more) for _, s, e, *more in rows]
    call = ("--genome", genome, "--width", 50, "--split", "fraction")
    for label, own in (("A", rows), ("B", other)):
        call += ("--peaks", f"{label}={write_bed(tmp_path / label, *own)}")
    for more, held in ((("--stranded",), False), ((), True)):
        dataset = ingested(tmp_path / f"{held}", *call, *more)
        assert dataset.conditions == ("A", "B") and sum(dataset.counts.values()) == 120
        starts = regions_of(dataset)
        starts.loc[starts["chrom"] == "d", "start"] = 5950 - starts["start"]
        assert (starts.groupby("start")["set"].nunique() == 1).all() == held
        told = [note for note in dataset.content["ingest"]["notes"] if "reverse complement" in note]
        said = "120 of 120 examples have their reverse complement among those with other labels"
        assert told == [said] * held


def test_gc_matched_negatives(peaks, genome, tmp_path):
    listed = write_bed(tmp_path / "no.bed", ("chr1", 5000, 9000))
    call = [*both(peaks, genome), "--negatives", "gc", "--blacklist", listed, "--split", "fraction"]
    dataset = ingested(tmp_path / "d", *call)
    table = regions_of(dataset)
    y = np.concatenate([dataset.y(name) for name in dataset.counts])
    negative = y[:, dataset.conditions.index("negative")] > 0
    blocked = [pd.read_csv(f, sep="\t", header=None).iloc[:, :3] for f in (*peaks.values(), listed)]
    blocked = pd.concat([b.set_axis(["chrom", "start", "end"], axis=1) for b in blocked])
    places = pd.concat([table[negative], blocked, table[~negative]])[["chrom", "start", "end"]]
    for row in table[negative].itertuples():
        meets = (places["chrom"] == row.chrom) & (places["start"] < row.end)
        assert (meets & (places["end"] > row.start)).sum() == 1  # itself
    x = np.concatenate([dataset.x(name) for name in dataset.counts])
    ours = np.rint(gc_shares(x[negative]) / 0.02).astype(int)
    theirs = np.rint(gc_shares(x[~negative]) / 0.02).astype(int)
    assert (np.bincount(ours, minlength=51) <= np.bincount(theirs, minlength=51)).all()
    assert len(ours) > 0.8 * len(theirs)
    [note] = dataset.content["ingest"]["notes"]
    assert note.startswith(f"negatives: {len(ours)} of {len(theirs)} wanted windows found")


def test_gc_matched_negatives_of_whole_chromosomes_stay_in_their_set(peaks, genome, tmp_path):
    dataset = ingested(tmp_path / "d", *both(peaks, genome), "--negatives", "gc", "--ratio", "0.5")
    table = regions_of(dataset)
    assert (table.groupby("chrom")["set"].nunique() == 1).all()
    for name in dataset.counts:
        negative = dataset.y(name)[:, dataset.conditions.index("negative")]
        assert negative.sum() <= round(0.5 * (1 - negative).sum())


def test_shuffled_negatives_keep_neighbours_and_set(peaks, genome, tmp_path):
    dataset = ingested(tmp_path / "d", *both(peaks, genome), "--negatives", "shuffle")

    def neighbours(text):
        return tuple(sorted(a + b for a, b in itertools.pairwise(text)))

    for name in dataset.counts:
        rows = [(label, neighbours(t)) for s, t, label in labelled(dataset) if s == name]
        shuffles = sorted(pairs for label, pairs in rows if label == "negative")
        assert shuffles == sorted(pairs for label, pairs in rows if label != "negative")


def test_shuffles_that_equal_an_example_are_left_out(tmp_path, capsys):
    """A sequence of one letter has no other shuffle: as a negative it would contradict its source."""
    lines = [f">r{n} chr{n}:0-40\n{random_letters(40, n)}\n" for n in range(60)]
    file = tmp_path / "a.fa"
    file.write_text("".join(lines) + f">same chr60:0-40\n{'A' * 40}\n")
    options = ("--fasta", f"A={file}", "--negatives", "shuffle", "--split", "fraction")
    dataset = ingested(tmp_path / "d", *options)
    assert "1 of 61 drawn have the letters of another example" in capsys.readouterr().out
    labels = {text: label for _, text, label in labelled(dataset)}
    assert labels["A" * 40] == "A"
    assert sum(dataset.counts.values()) == 121


@pytest.mark.parametrize(
    ("given", "missing"), [("--validation", "--test"), ("--test", "--validation")]
)
def test_chromosomes_are_named_for_both_sets(peaks, genome, tmp_path, capsys, given, missing):
    said = refused(capsys, tmp_path / "d", *both(peaks, genome), given, "chr2")
    assert f"{missing}: is missing; name the chromosomes of both sets" in said


def test_given_negatives_in_a_multi_label_task_have_no_label(peaks, genome, tmp_path):
    call = ["--peaks", f"A={peaks['A']}", "--peaks", f"none={peaks['B']}", "--genome", genome]
    call += ["--width", 100, "--task", "multi-label"]
    dataset = ingested(tmp_path / "d", *call)
    assert dataset.conditions == ("A",)
    assert {label for _, _, label in labelled(dataset)} == {"A", ""}


def test_labels_and_sets_in_columns(genome, tmp_path):
    rows = [
        ("chr1", 300 * n, 300 * n + 50, "x", 0, ".", "AB"[n % 2], SETS[n % 3]) for n in range(12)
    ]
    header = "#chrom\tstart\tend\tname\tscore\tstrand\tlabel\tset"
    file = write_bed(tmp_path / "p.bed", header, *rows)
    dataset = ingested(tmp_path / "d", "--peaks", file, "--genome", genome, "--width", 50)
    expected = {(s, CHROMS["chr1"][a:b], label) for _, a, b, _, _, _, label, s in rows}
    assert labelled(dataset) == expected


def test_overlapping_windows_never_cross_sets(genome, tmp_path):
    rows = [("chr1", 60 * n, 60 * n + 100) for n in range(150)]
    rows += [("chr2", 400 * n, 400 * n + 100) for n in range(30)]
    file = write_bed(tmp_path / "p.bed", *rows)
    call = ("--peaks", f"A={file}", "--genome", genome, "--width", 100, "--negatives", "shuffle")
    dataset = ingested(tmp_path / "d", *call, "--split", "fraction", "--merge", "1")
    table = regions_of(dataset).dropna()
    for row in table.itertuples():
        meets = table[(table["chrom"] == row.chrom) & (table["start"] < row.end)]
        assert (meets[meets["end"] > row.start]["set"] == row.set).all()
    told = [(*row, "", 0, ".", "A", "training" if n % 2 else "test") for n, row in enumerate(rows)]
    header = "#chrom\tstart\tend\tname\tscore\tstrand\tlabel\tset"
    given = write_bed(tmp_path / "q.bed", header, *told)
    call = ("--peaks", given, "--genome", genome, "--width", 100, "--negatives", "shuffle")
    dataset = ingested(tmp_path / "e", *call, "--merge", "1")
    assert dataset.content["ingest"]["dropped"] == {"overlapping an example of a later set": 75}
    assert "chr1" not in set(regions_of(dataset).query("set == 'training'")["chrom"])


def test_tiled_windows_lose_those_at_the_borders_of_sets_alone(genome, tmp_path):
    sets = ["training"] * 60 + ["validation"] * 20 + ["test"] * 20
    rows = [("chr1", 60 * n, 60 * n + 100, "AB"[n % 2], of) for n, of in enumerate(sets)]
    file = write_bed(tmp_path / "p.bed", "#chrom\tstart\tend\tlabel\tset", *rows)
    call = ("--peaks", file, "--genome", genome, "--width", 100, "--merge", "1")
    dataset = ingested(tmp_path / "d", *call)
    assert dataset.counts == {"training": 59, "validation": 19, "test": 20}
    assert dataset.content["ingest"]["dropped"] == {"overlapping an example of a later set": 2}


def test_named_columns_of_narrow_peaks_hold_the_summit(genome, tmp_path, capsys):
    row = ("chr1", 1000, 1400, "p", 0, ".", 5.0, 3.0, 2.0)
    rows = [(*row, 30), ("chr2", *row[1:], -1), ("chr3", *row[1:], 399)]
    names = "chrom chromStart chromEnd name score strand signalValue pValue qValue peak"
    call = ("--genome", genome, "--width", 60, "--negatives", "shuffle", "--shares", "1,0,0")
    starts = []
    for header in (
        "#" + names.replace(" ", "\t"),
        "# " + names.replace(" ", "\t"),
        names.replace(" ", "\t"),
    ):
        file = write_bed(tmp_path / "p.narrowPeak", header, *rows)
        table = regions_of(ingested(tmp_path / "d", "--peaks", f"A={file}", *call))
        starts.append(dict(table.dropna()[["chrom", "start"]].itertuples(index=False)))
    assert starts == [{"chr1": 1000, "chr2": 1170, "chr3": 1369}] * 3
    wrong = write_bed(tmp_path / "q.narrowPeak", names.replace(" ", "\t"), (*row, 400))
    said = refused(capsys, tmp_path / "e", "--peaks", f"A={wrong}", *call)
    assert "q.narrowPeak: line 2: peak 400 lies outside of its region" in said


@pytest.mark.parametrize("shift", [0, 30, 99])
def test_a_window_that_overlaps_one_of_a_later_set_gives_way(shift, genome, tmp_path):
    """Whatever the order of lines; windows are merged within a set alone."""
    rows = [("chr1", 300 * n, 300 * n + 100, "AB"[n % 2], SETS[n % 3]) for n in range(1, 13)]
    for n, (first, later) in enumerate(itertools.combinations(SETS, 2)):
        for m, label in enumerate("AB"):
            at = 5000 + 600 * n + 300 * m
            rows += [("chr1", at, at + 100, label, first)] * 2
            rows += [("chr1", at + shift, at + shift + 100, label, later)]
    header = "#chrom\tstart\tend\tlabel\tset"
    made = []
    for name, given in (("d", rows), ("e", rows[::-1])):
        file = write_bed(tmp_path / f"{name}.bed", header, *given)
        call = ("--peaks", file, "--genome", genome, "--width", 100)
        made.append(ingested(tmp_path / name, *call))
    one, other = made
    assert one.counts == {"training": 4, "validation": 6, "test": 8}
    assert one.content["ingest"]["dropped"] == {
        "merged into a window they overlap": 6,
        "overlapping an example of a later set": 6,
    }
    for name in SETS:
        assert (one.x(name) == other.x(name)).all() and (one.y(name) == other.y(name)).all()
    drawn = ingested(tmp_path / "f", *call, "--split", "fraction", "--merge", "0.01")
    assert drawn.content["ingest"]["dropped"] == {"merged into a window they overlap": 12}


def test_gc_matched_negatives_follow_given_sets_of_whole_chromosomes(genome, tmp_path):
    rows = [
        (chrom, start, start + 50, "", 0, ".", "A", SETS[n % 3])
        for n, chrom in enumerate(CHROMS)
        for start in range(500, 4000, 250)
    ]
    header = "#chrom\tstart\tend\tname\tscore\tstrand\tlabel\tset"
    bed = write_bed(tmp_path / "p.bed", header, *rows)
    call = ("--peaks", bed, "--genome", genome, "--width", 50, "--negatives", "gc")
    table = regions_of(ingested(tmp_path / "d", *call))
    assert (table.groupby("chrom")["set"].nunique() == 1).all()


@pytest.mark.parametrize("packing", ["gzip", "bgzip", "crlf", "one line", "read-only", "misnamed"])
def test_genomes_as_they_come(peaks, genome, tmp_path, packing):
    expected = ingested(tmp_path / "d", *both(peaks, genome))
    folder = tmp_path / "genome"
    folder.mkdir()
    file = folder / "g.fa"
    if packing == "gzip":
        file = folder / "g.fa.gz"
        file.write_bytes(gzip.compress(genome.read_bytes()))
    elif packing == "bgzip":  # several members, one after another
        data, file = genome.read_bytes(), folder / "g.fa.bgz"
        parts = [data[n : n + 5000] for n in range(0, len(data), 5000)]
        file.write_bytes(b"".join(gzip.compress(part) for part in [*parts, b""]))
    elif packing == "crlf":
        write_genome(file, CHROMS, end="\r\n")
    elif packing == "one line":
        write_genome(file, CHROMS, line=100_000)
    elif packing == "misnamed":
        file = shutil.copy(genome, folder / "g.fa.gz")
    else:
        shutil.copy(genome, file)
        (folder / "g.fa.fai").mkdir()  # where nothing can be written, even by root
    dataset = ingested(tmp_path / "e", *both(peaks, file))
    for name in SETS:
        assert (dataset.x(name) == expected.x(name)).all()
    beside = folder / "g.fa.fai"
    assert beside.is_file() == (packing in ("crlf", "one line"))
    assert {path.name for path in folder.iterdir()} <= {Path(file).name, beside.name}


def test_a_stale_index_is_made_again(peaks, tmp_path):
    file = write_genome(tmp_path / "g.fa", {"chr1": "ACGT" * 10})
    index = tmp_path / "g.fa.fai"
    index.write_text("chr9\t40\t6\t60\t61\n")
    os.utime(index, (1, 1))
    write_genome(file, CHROMS)
    assert ingested(tmp_path / "d", *both(peaks, file)).counts
    assert "chr5" in index.read_text()


BAD_BEDS = {
    "empty": ("", "p.bed: holds no regions"),
    "comments": ("# only\ntrack x\n", "p.bed: holds no regions"),
    "missing columns": ("chr1\t5\nchr1\t1\t9\n", "p.bed: line 1: has 2 columns"),
    "backwards": ("chr1\t1\t9\nchr1\t9\t9\n", "p.bed: line 2: ends at 9, not after its start 9"),
    "no number": ("chr1\tfive\t9\n", "p.bed: line 1: start is 'five'"),
    "header alone": ("chrom\tstart\tend\n", "p.bed: holds no regions"),
    "negative": ("chr1\t-5\t9\n", "p.bed: line 1: start is -5"),
    "other assembly": ("chr1\t900000\t900010\n", "p.bed: line 1: starts at 900000, beyond the end"),
    "other names": (
        "1\t5\t9\n2\t5\t9\n3\t1\t2\n4\t1\t2\n",
        "the regions name '1', '2', '3' ... (4 in all), the genome 'chr1', 'chr2', 'chr3' ... (5 in",
    ),
    "summit": (
        "track type=narrowPeak\nchr1\t1\t9\tn\t0\t.\t1\t1\t1\t8\n",
        "p.bed: line 2: has its summit 8",
    ),
    "wide": ("chr5\t1\t9\n", "no example of 1 is left: 1 on chromosomes of fewer than 16000"),
}


@pytest.mark.parametrize("case", BAD_BEDS)
def test_wrong_regions_are_refused(case, genome, tmp_path, capsys):
    text, said = BAD_BEDS[case]
    file = tmp_path / "p.bed"
    file.write_text(text)
    width = 16000 if case == "wide" else 50
    call = ("--peaks", f"A={file}", "--genome", genome, "--width", width, "--negatives", "gc")
    assert said in refused(capsys, tmp_path / "d", *call)


def test_many_wrong_lines_are_told_in_a_few(genome, tmp_path, capsys):
    file = write_bed(tmp_path / "p.bed", *[("chr1", 9, 1)] * 50)
    said = refused(capsys, tmp_path / "d", "--peaks", f"A={file}", "--genome", genome, "--width", 9)
    assert len(said.splitlines()) == 6
    assert "45 more such lines" in said


BAD_GENOMES = {
    "no FASTA": (b"chr1\tACGT\n", "g.fa: line 1: is not FASTA"),
    "absent": (None, "g.fa: cannot be read (No such file or directory)"),
    "twice": (b">chr1\nACGT\n>chr1\nACGT\n", "g.fa: cannot be indexed (Duplicate key"),
    "ragged": (b">chr1\nACGT\nAC\nACGT\n", "g.fa: cannot be indexed (Line length"),
    "protein": (b">chr1\n" + b"MKVLLE" * 99, "g.fa: chr1: holds 'L', which is no letter of DNA"),
    "damaged": (gzip.compress(b">chr1\n" + os.urandom(9999))[:500], "g.fa: is a damaged gzip file"),
}


@pytest.mark.parametrize("case", BAD_GENOMES)
def test_wrong_genomes_are_refused(case, tmp_path, capsys):
    data, said = BAD_GENOMES[case]
    file = tmp_path / "g.fa"
    if data is not None:
        file.write_bytes(data)
    bed = write_bed(tmp_path / "p.bed", ("chr1", 1, 3))
    call = ("--peaks", f"A={bed}", "--genome", file, "--width", 2, "--negatives", "shuffle")
    assert said in refused(capsys, tmp_path / "d", *call)


BAD_OPTIONS = {
    "--peaks: goes with --width": ("--peaks", "A={bed}", "--genome", "{genome}"),
    "--peaks: goes with --genome": ("--peaks", "A={bed}", "--width", "9"),
    "exactly one of": (),
    "has no column label": ("--peaks", "{bed}", "--genome", "{genome}", "--width", "9"),
    "all examples are A": ("--peaks", "A={bed}", "--genome", "{genome}", "--width", "9"),
    "--test: no example lies on 'chr7'": (
        *("--peaks", "A={bed}", "--genome", "{genome}", "--width", "9"),
        *("--validation", "chr1", "--test", "chr7"),
    ),
    "use --split fraction": (
        *("--peaks", "A={bed}", "--genome", "{genome}", "--width", "9", "--negatives", "gc"),
        *("--split", "chromosome"),
    ),
    "no region lies on": (
        *("--peaks", "A={bed}", "--genome", "{genome}", "--width", "9", "--blacklist", "{other}"),
    ),
    "--validation, --test: both name chr1": (
        *("--peaks", "A={bed}", "--genome", "{genome}", "--width", "9"),
        *("--validation", "chr1", "--test", "chr2,chr1"),
    ),
    "ingest: no example has a label; give some that have, such as --peaks LABEL=FILE": (
        *("--peaks", "none={bed}", "--genome", "{genome}", "--width", "9", "--negatives", "gc"),
    ),
    "p.bed: has no label before '='; write LABEL=FILE, or none=FILE": (
        *("--peaks", "={bed}", "--genome", "{genome}", "--width", "9", "--negatives", "gc"),
    ),
    "--shares: expected three": (
        *("--peaks", "A={bed}", "--genome", "{genome}", "--width", "9", "--shares", ".5,.5"),
    ),
}


@pytest.mark.parametrize("said", BAD_OPTIONS)
def test_wrong_options_are_refused(said, genome, tmp_path, capsys):
    files = {
        "bed": write_bed(tmp_path / "p.bed", *(("chr1", n, n + 9) for n in range(100, 900, 20))),
        "other": write_bed(tmp_path / "no.bed", ("x", 1, 5)),
        "genome": genome,
    }
    options = [word.format(**files) for word in BAD_OPTIONS[said]]
    if said == "all examples are A":
        options += ["--split", "fraction"]
    told = refused(capsys, tmp_path / "d", *options)
    assert said in told and len(told.splitlines()) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("task", ["multi-class", "multi-label"])
@pytest.mark.parametrize("negatives", ["none", "gc", "shuffle"])
def test_negatives_alone_are_refused(negatives, task, genome, tmp_path, capsys):
    bed = write_bed(tmp_path / "p.bed", *((f"chr{n}", 100, 109) for n in range(1, 6)))
    call = ("--peaks", f"none={bed}", "--genome", genome, "--width", 9, "--negatives", negatives)
    said = refused(capsys, tmp_path / "d", *call, "--task", task)
    assert said == (
        "seqgra: ingest: no example has a label; give some that have, such as --peaks LABEL=FILE\n"
    )
    other = write_bed(tmp_path / "q.bed", ("chr1", 200, 209))
    listed = ("--peaks", f"A={other}", "--blacklist", other)
    said = refused(capsys, tmp_path / "d", *call, "--task", task, *listed)
    assert said == (
        "seqgra: ingest: no example with a label is left; dropped: 1 on the blacklist\n"
    )


def test_a_set_that_lacks_a_class_is_refused(genome, tmp_path, capsys):
    places = {"A": ("chr1",), "B": ("chr1", "chr2", "chr4"), "C": ("chr1", "chr3")}
    call = ["--genome", genome, "--width", 9]
    for number, (label, chroms) in enumerate(places.items()):
        rows = [(c, n, n + 9) for c in chroms for n in range(100 + 15 * number, 900, 50)]
        call += ["--peaks", f"{label}={write_bed(tmp_path / f'{label}.bed', *rows)}"]
    held = ("--validation", "chr2", "--test", "chr4")
    said = refused(capsys, tmp_path / "d", *call, *held)
    assert "--split: validation: holds no example of A; 16 of A are left; change --split" in said
    ingested(tmp_path / "d", *call, *held, "--task", "multi-label")  # there labels may be rare
    said = capsys.readouterr().out
    for name in ("validation", "test"):
        assert f"{name}: holds no example of A, C; scores of that will be undefined" in said
    for task in ("multi-class", "multi-label"):
        options = ("--validation", "chr1", "--test", "chr2", "--task", task)
        said = refused(capsys, tmp_path / "e", *call, *options)
        assert "--split: training: holds no example of A; 16 of A are left; change --split" in said


def test_a_killed_or_failed_ingest_leaves_the_earlier_one(peaks, genome, tmp_path, capsys):
    dataset = ingested(tmp_path / "d", *both(peaks, genome))
    before = sequences(dataset)
    call = [*map(str, both(peaks, genome)), "--motifs", str(tmp_path / "none.meme")]
    assert main(["ingest", *call, "-o", str(tmp_path / "d")]) == 2
    assert "none.meme" in capsys.readouterr().err
    assert sequences(dataset) == before
    assert not list((tmp_path / "d").glob(".aside*"))


@pytest.mark.skipif(not ARABIDOPSIS.exists(), reason="needs the chromosome in ../shared/data")
def test_the_peaks_of_an_arabidopsis_chromosome(tmp_path, capsys):
    genome = ARABIDOPSIS / "athaliana-TAIR10.1-chr1.fna.gz"
    bed = ARABIDOPSIS / "MYB3R3-peaks-chr1-NC_003070.9.bed"
    call = ("--peaks", f"MYB3R3={bed}", "--genome", genome, "--width", 200, "--negatives", "gc")
    dataset = ingested(tmp_path / "d", *call, "--split", "fraction")
    assert sum(dataset.counts.values()) == 2 * 791
    facts = dataset.content["ingest"]["sets"]["training"]["labels"]
    assert abs(facts["MYB3R3"]["gc"] - facts["negative"]["gc"]) < 0.005
    other = ARABIDOPSIS / "MYB3R3-GSM1482283-peaks-all-chromosomes.bed"
    said = refused(capsys, tmp_path / "e", "--peaks", f"MYB3R3={other}", *call[2:])
    assert "the regions name '1', '2', '3' ... (5 in all), the genome 'NC_003070.9'" in said


def test_close_windows_against_brute_force():
    rng = np.random.default_rng(0)
    start = rng.integers(0, 3000, 200)
    windows = pd.DataFrame(
        {"chrom": rng.choice(["a", "b"], 200), "start": start, "end": start + 50}
    )
    windows["strand"], windows["set"] = "+", rng.integers(0, 2, 200)
    leader, expected = close_windows(windows, 20), {}
    for (chrom, _), part in windows.groupby(["chrom", "set"]):
        kept = None
        for n in part.sort_values("start", kind="stable").index:
            if kept is not None and windows["end"][kept] - windows["start"][n] >= 20:
                expected[n] = kept
            else:
                kept = expected[n] = n
        assert chrom in ("a", "b")
    assert leader.tolist() == [expected[n] for n in range(200)]


def test_intervals_against_brute_force():
    rng = np.random.default_rng(1)
    start = rng.integers(0, 2000, 40)
    regions = pd.DataFrame({"chrom": "a", "start": start, "end": start + rng.integers(1, 60, 40)})
    first = rng.integers(0, 2100, 500)
    end = first + rng.integers(1, 30, 500)
    meets = (regions["start"].to_numpy() < end[:, None]) & (
        regions["end"].to_numpy() > first[:, None]
    )
    assert (Intervals(regions).overlap("a", first, end) == meets.any(axis=1)).all()
    assert not Intervals(regions).overlap("b", first, end).any()


def test_groups_are_the_connected_overlaps():
    rng = np.random.default_rng(2)
    start = rng.integers(0, 3000, 60)
    rows = pd.DataFrame(
        {"chrom": rng.choice(["a", "b", ""], 60), "start": start, "end": start + 60}
    )
    group = overlap_groups(rows)
    reach = np.eye(60, dtype=bool)
    for i in range(60):
        for j in range(60):
            same = rows["chrom"][i] == rows["chrom"][j] != ""
            reach[i, j] |= same and start[i] < start[j] + 60 and start[j] < start[i] + 60
    for _ in range(6):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    assert ((group[:, None] == group) == reach).all()


def test_fractions_are_kept_in_every_labelling():
    y = np.repeat(np.eye(3, dtype=np.uint8), (700, 200, 100), axis=0)
    group = np.arange(1000) // 2 * 2
    sets = by_fraction(y, group, (0.7, 0.1, 0.2), 5)
    assert (sets[::2] == sets[1::2]).all()
    for label in range(3):
        counts = np.bincount(sets[y[:, label] > 0], minlength=3)
        assert np.abs(counts - np.array([0.7, 0.1, 0.2]) * counts.sum()).max() <= 2
    assert (by_fraction(y, group, (0.7, 0.1, 0.2), 6) != sets).any()


def test_units_are_dealt_to_the_set_that_lacks_most():
    assert largest_deficit([10, 5, 3, 2], (0.7, 0.1, 0.2)).tolist() == [0, 0, 2, 1]
    assert largest_deficit([4, 4, 4], (0.7, 0, 0.3)).tolist() == [0, 0, 2]


def test_help_and_json(peaks, genome, tmp_path):
    dataset = ingested(tmp_path / "d", *both(peaks, genome))
    content = json.loads((tmp_path / "d" / "dataset.json").read_text())
    assert content["ingest"]["recipe"]["files"]["peaks"] == ["A", "B"]
    assert set(content["ingest"]["sources"]) == {"peaks 0", "peaks 1", "genome"}
    assert str(tmp_path) not in json.dumps(content["ingest"])
    assert dataset.alphabet is DNA
    help_of = [sys.executable, "-m", "seqgra.cli", "ingest", "--help"]
    subprocess.run(help_of, check=True, capture_output=True)
