"""The forms in which people bring sequences and regions: read alike, or refused with the cause first."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from real_tools import ingested, labelled, random_letters, sequences, write_bed, write_genome

from seqgra.alphabet import DNA, PADDING, UNKNOWN
from seqgra.cli import main
from seqgra.errors import InputError
from seqgra.grammar.fasta import Encoder
from seqgra.ingest.genome import fits, open_genome
from seqgra.ingest.measure import STRETCH, shared_stretches, shortcuts
from seqgra.ingest.places import Place, places_in_headers
from seqgra.ingest.regions import read_regions
from seqgra.ingest.sequences import SequenceRecords, as_examples, no_records
from seqgra.ingest.tables import read_table
from seqgra.ingest.tally import Tally

TEXTS = [random_letters(40, n) for n in range(24)]
SPLIT = ["train"] * 14 + ["val"] * 4 + ["test"] * 6
CHROMS = {f"chr{n}": random_letters(6000, n) for n in (1, 2, 3)}


def records(header=lambda n: f"s{n} label={'AB'[n % 2]}"):
    return "".join(f">{header(n)}\n{text[:25]}\n{text[25:]}\n" for n, text in enumerate(TEXTS))


FASTA_FORMS = {
    "CR": lambda text: text.replace("\n", "\r").encode(),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "packed mark": lambda text: gzip.compress(b"\xef\xbb\xbf" + text.encode()),
    "blanks at ends": lambda text: text.replace("\n", " \t\n").encode(),
    "UTF-8": lambda text: text.replace(">s", ">\u03b2").encode(),
    "blank lines": lambda text: text.replace("\n>", "\n\n>").encode(),
    "capitals": lambda text: text.replace("label=", "LABEL=").encode(),
    "new line, tab": lambda text: text.replace(" label", "\u00a0\u2028\tlabel").encode(),
}


@pytest.mark.parametrize("form", FASTA_FORMS)
def test_fasta_of_every_form_is_the_same(form, tmp_path):
    (tmp_path / "a.fa").write_bytes(FASTA_FORMS[form](records()))
    dataset = ingested(tmp_path / "d", "--fasta", tmp_path / "a.fa")
    assert {(t, label) for _, t, label in labelled(dataset)} == {
        (text, "AB"[n % 2]) for n, text in enumerate(TEXTS)
    }


HEADERS = {
    "bedtools": (0, "chr{c}:{s}-{e}"),
    "bedtools -s +": (0, "chr{c}:{s}-{e}(+)"),
    "bedtools -s": (0, "chr{c}:{s}-{e}(-)"),
    "bedtools -name": (0, "p{n}::chr{c}:{s}-{e}(+)"),
    "bedtools -name of colons": (0, "a::b:{n}::chr{c}:{s}-{e}"),
    "a name and a bar": (0, "p{n}|chr{c}:{s}-{e}"),
    "a name with a blank": (0, "my peak{n}::chr{c}:{s}-{e}"),
    "samtools": (1, "chr{c}:{s}-{e}"),
    "samtools -i": (1, "chr{c}:{s}-{e}/rc"),
    "UCSC": (1, "hg38_ct_{n} range=chr{c}:{s}-{e} 5'pad=0 3'pad=0 strand=+ repeatMasking=none"),
    "commas": (1, "s{n} chr{c}:{s:,}-{e:,}"),
    "Ensembl": (1, "ENSG{n} chromosome:GRCh38:chr{c}:{s}:{e}:-1"),
    "Ensembl +": (1, "ENSG{n} chromosome:GRCh38:chr{c}:{s}:{e}:1"),
    "NCBI": (1, "chr{c}:c{e}-{s} complement"),
    "FlyBase": (1, "FBgn{n} type=gene; loc=chr{c}:{s}..{e};"),
    "underscores": (0, "chr{c}_{s}_{e}"),
    "underscores and a strand": (0, "chr{c}_{s}_{e}_-"),
    "minus signs": (1, "chr{c}-{s}-{e}"),
}


STRANDS = {
    "+": ("bedtools -s +", "bedtools -name", "Ensembl +"),
    "-": ("bedtools -s", "samtools -i", "Ensembl", "NCBI", "underscores and a strand"),
}


@pytest.mark.parametrize("form", HEADERS)
def test_places_in_headers_of_every_form(form):
    first, pattern = HEADERS[form]
    places = [(n % 3, 1000 + 37 * n) for n in range(20)]
    headers = [
        pattern.format(n=n, c=c, s=start + first, e=start + 50)
        for n, (c, start) in enumerate(places)
    ]
    found, from_one = places_in_headers(headers, [50] * 20, Path("a.fa"))
    strand = "+" if form in STRANDS["+"] else "-" if form in STRANDS["-"] else "."
    assert found == [(f"chr{c}", start, start + 50, strand) for c, start in places]
    assert from_one == 20 * first


@pytest.mark.parametrize("strand", "+-.")
def test_a_sequence_that_is_cut_has_the_place_of_its_middle(strand):
    """Of the reverse strand the letters at the left of the sequence lie at the right of the place."""
    codes, places = np.arange(9, dtype=np.uint8) % 4, [Place("c", 100, 109, strand)]
    cut = SequenceRecords([codes], [np.zeros(9, bool)], [("A",)], [""], places)
    found = as_examples(cut, ["A"], 6)
    first = int(np.flatnonzero([(codes[k : k + 6] == found.x[0]).all() for k in range(4)])[0])
    start = 100 + (3 - first if strand == "-" else first)
    assert found.rows[["start", "end"]].to_numpy().tolist() == [[start, start + 6]]


@pytest.mark.parametrize(
    "pattern", ["s_{s}_{e}", "seq{n}", "x:{n}", "chr1_{s}_{e}", "p{n}:chr1:{s}-{e}"]
)
def test_names_that_look_like_places_are_not_believed(pattern):
    headers = [pattern.format(n=n, s=n, e=n + 50) for n in range(19)] + ["chr1_5_99"]
    if pattern == "p{n}:chr1:{s}-{e}":  # fits, but every record has a chromosome of its own
        headers = [*headers[:-1], "p19:chr1:5-55"]
    found, _ = places_in_headers(headers, [50] * 20, Path("a.fa"))
    assert not any(place.chrom for place in found)


def test_windows_that_overlap_stay_together_whatever_names_them(tmp_path, capsys):
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 3000, 90)
    letters = random_letters(4000, 9)
    texts = [letters[s : s + 60] for s in starts]
    for name, header in (("named", "p{n}::chr1:{s}-{e}"), ("nameless", "p{n}")):
        body = "".join(
            f">{header.format(n=n, s=s, e=s + 60)}\n{t}\n"
            for n, (s, t) in enumerate(zip(starts, texts, strict=True))
        )
        (tmp_path / f"{name}.fa").write_text(body)
        (tmp_path / "none.fa").write_text(
            "".join(f">n{n}\n{random_letters(60, 100 + n)}\n" for n in range(90))
        )
        call = ("--fasta", f"A={tmp_path / name}.fa", "--fasta", f"none={tmp_path / 'none.fa'}")
        capsys.readouterr()
        dataset = ingested(tmp_path / name, *call, "--split", "fraction")
        said = capsys.readouterr().out
        training = set(starts_of(sequences(dataset, "training"), letters))
        shared = sum(
            any(abs(s - t) <= 60 - STRETCH for t in training)
            for s in starts_of(sequences(dataset, "test"), letters)
        )
        assert (shared == 0) == (name == "named")
        assert (f"test: {shared} of" in said) == (name == "nameless")
        count = 90 if name == "named" else sum(dataset.counts.values())
        assert f"{count} of {sum(dataset.counts.values())} examples name no place" in said


def starts_of(texts, letters):
    return [place for text in texts if (place := letters.find(text)) >= 0]


def frame(labels=None):
    labels = labels if labels is not None else ["AB"[n % 2] for n in range(len(TEXTS))]
    return pd.DataFrame({"sequence": TEXTS, "label": labels, "split": SPLIT})


def as_r(table, **options):
    """Return a table as write.table of R writes it: quotes, names of rows, which the header lacks."""
    lines = [options["sep"].join(f'"{name}"' for name in table.columns)]
    for n, row in enumerate(table.itertuples(index=False), 1):
        lines.append(options["sep"].join(f'"{value}"' for value in (n, *row)))
    return "\n".join(lines) + "\n"


TABLES = {
    "TSV": lambda t: t.to_csv(sep="\t", index=False),
    "CSV": lambda t: t.to_csv(index=False),
    "semicolons": lambda t: t.to_csv(sep=";", index=False),
    "quoted TSV": lambda t: t.to_csv(sep="\t", index=False, quoting=1),
    "R": lambda t: as_r(t, sep=" "),
    "R, tabs": lambda t: as_r(t, sep="\t"),
    "mark": lambda t: "\ufeff" + t.to_csv(sep="\t", index=False),
    "CR": lambda t: t.to_csv(sep="\t", index=False).replace("\n", "\r"),
    "seq": lambda t: t.rename(columns={"sequence": "Seq"}).to_csv(sep="\t", index=False),
    "x, y, set": lambda t: t.set_axis(["x", "y", "set"], axis=1).to_csv(sep="\t", index=False),
    "other columns": lambda t: t.assign(fold=1).to_csv(sep="\t", index=False),
    "a comment sign": lambda t: "#" + t.to_csv(sep="\t", index=False),
}


@pytest.mark.parametrize("form", TABLES)
def test_tables_of_every_form_are_the_same(form, tmp_path):
    (tmp_path / "t.txt").write_text(TABLES[form](frame()), newline="")
    rows, tally = no_records(), Tally()
    read_table(rows, tmp_path / "t.txt", Encoder(DNA), tally)
    assert [DNA.decode(codes) for codes in rows.codes] == TEXTS
    assert rows.labels == [("AB"[n % 2],) for n in range(24)]
    words = {"train": "training", "val": "validation", "test": "test"}
    assert rows.sets == [words[word] for word in SPLIT]
    assert tally.notes == (["t.txt: columns not read: 'fold'"] if form == "other columns" else [])


LABELS = {
    "int": (np.arange(24) % 2, ("0", "1")),
    "bool": (np.arange(24) % 2 == 0, ("True", "False")),
    "float": (np.arange(24) % 2 + 0.0, ("0", "1")),
    "small int": ((np.arange(24) % 2).astype("uint8"), ("0", "1")),
    "category": (pd.Categorical(["ab"[n % 2] for n in range(24)]), ("a", "b")),
    "category of int": (pd.Categorical(np.arange(24) % 2), ("0", "1")),
    "list of int": ([[n % 2] for n in range(24)], ("0", "1")),
    "nullable": (pd.array([n % 2 for n in range(24)], "Int64"), ("0", "1")),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_parquet_of_every_type(kind, tmp_path):
    values, names = LABELS[kind]
    frame(values).to_parquet(tmp_path / "t.parquet")
    rows = no_records()
    read_table(rows, tmp_path / "t.parquet", Encoder(DNA), Tally())
    assert rows.labels == [(names[n % 2],) for n in range(24)]


def test_no_label_in_parquet(tmp_path):
    frame([None, np.nan] * 6 + [1.0] * 12).to_parquet(tmp_path / "t.parquet")
    rows = no_records()
    read_table(rows, tmp_path / "t.parquet", Encoder(DNA), Tally())
    assert rows.labels == [()] * 12 + [("1",)] * 12


@pytest.mark.parametrize("first", [0, 1])
def test_places_in_columns(first, tmp_path):
    table = frame().assign(chr="c", start=np.arange(24) * 9 + first, end=np.arange(24) * 9 + 40)
    for name in ("t.tsv", "t.parquet"):
        if name == "t.tsv":
            table.to_csv(tmp_path / name, sep="\t", index=False)
        else:
            table.to_parquet(tmp_path / name)
        rows, tally = no_records(), Tally()
        read_table(rows, tmp_path / name, Encoder(DNA), tally)
        assert rows.places == [("c", 9 * n, 9 * n + 40, ".") for n in range(24)]
        assert bool(tally.notes) == (first == 1)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_row_whose_place_does_not_fit_is_refused(name, tmp_path):
    """Without its place, windows that overlap it would fall into several sets."""
    starts = np.arange(24) * 9
    table = frame().assign(chrom="c", start=starts, end=starts + 40)
    kind = "float" if name == "t.csv" else "Int64"  # a text table with gaps holds 9.0
    table = table.astype({"start": kind, "end": kind})
    for column, value in (("end", 96), ("chrom", None), ("start", None), ("end", -94)):
        wrong = table.copy()
        wrong.loc[6, column] = value
        write = wrong.to_csv if name == "t.csv" else wrong.to_parquet
        write(tmp_path / name, index=False)
        row = "line 8" if name == "t.csv" else "row 6"
        said = (
            rf"{name}: {row}: has 40 letters, but columns chrom, start, end hold .*; correct them"
        )
        with pytest.raises(InputError, match=said):
            read_table(no_records(), tmp_path / name, Encoder(DNA), Tally())
    table.loc[6, ["chrom", "start", "end"]] = None
    write = table.to_csv if name == "t.csv" else table.to_parquet
    write(tmp_path / name, index=False)
    rows = no_records()
    read_table(rows, tmp_path / name, Encoder(DNA), Tally())
    assert [n for n, place in enumerate(rows.places) if not place.chrom] == [6]


@pytest.mark.parametrize("how", ["header", "labels"])
def test_sets_named_split_are_kept(how, tmp_path):
    (tmp_path / "a.fa").write_text(records(lambda n: f"s{n} label={'AB'[n % 2]} split={SPLIT[n]}"))
    call = ["--fasta", tmp_path / "a.fa"]
    if how == "labels":
        rows = "".join(f"s{n},{'AB'[n % 2]},{SPLIT[n]},7\n" for n in range(24))
        (tmp_path / "l.csv").write_text("id,label,split,fold\n" + rows + "absent,A,train,7\n")
        (tmp_path / "a.fa").write_text(records(lambda n: f"s{n}"))
        call += ["--labels", tmp_path / "l.csv"]
    dataset = ingested(tmp_path / "d", *call)
    assert dataset.counts == {"training": 14, "validation": 4, "test": 6}
    notes = dataset.content["ingest"]["notes"]
    expected = [
        "l.csv: columns not read: 'fold'",
        "--labels: 1 ids have no sequence in a.fa: 'absent'",
    ]
    assert notes == (expected if how == "labels" else [])
    drawn = ingested(tmp_path / "e", *call, "--split", "fraction")
    assert any("not used (--split fraction)" in note for note in drawn.content["ingest"]["notes"])


def test_what_headers_say_in_vain_is_named(tmp_path):
    (tmp_path / "a.fa").write_text(records(lambda n: f"s{n} label=B score=3"))
    (tmp_path / "b.fa").write_text(
        "".join(f">t{n}\n{random_letters(40, 50 + n)}\n" for n in range(20))
    )
    call = ("--fasta", f"A={tmp_path / 'a.fa'}", "--fasta", f"none={tmp_path / 'b.fa'}")
    notes = ingested(tmp_path / "d", *call).content["ingest"]["notes"]
    assert "a.fa: not read in headers: 'label=', 'score='" in notes


ROW = ("chr1", 500, 900, "p", 100, "+")
SUMMITS = {
    "narrowPeak": ((5.1, 3.2, -1, 37), 37),
    "no summit": ((5.1, 3.2, 2.2, -1), -1),
    "bedtools -wo": (("chr2", 450, 560, 60), -1),
    "gene, number, text, number": (("g", 12, "promoter", 3), -1),
    "BED9 and a count": ((500, 900, 0, 12), -1),
    "BED9 without a thick part": ((0, 0, 0, 12), -1),
    "colour": ((500, 900, "255,0,0", 12), -1),
    "bedtools coverage": ((3, 200, 400, 0.5), -1),
    "fold change": ((-1.7, 0.01, 0.02, 12), -1),
    "beyond the end": ((5.1, 3.2, 2.2, 400), -1),
    "no numbers": (("nan", "inf", "1_0", 12), -1),
    "a strand elsewhere": ((5.1, 3.2, 2.2, 37), -1),
}


@pytest.mark.parametrize("further", [(), (540, 3.1, 2.9, 510, 880, 30, 2.2, 505, 900, 41)])
@pytest.mark.parametrize("kind", SUMMITS)
def test_ten_columns_are_narrow_peaks_where_they_prove_it(kind, further, tmp_path):
    """And the first ten of more, such as the twenty of IDR."""
    more, summit = SUMMITS[kind]
    row = (*ROW[:5], "7", *more) if kind == "a strand elsewhere" else (*ROW, *more)
    file, tally = write_bed(tmp_path / "p.bed", (*row, *further)), Tally()
    assert read_regions(file, tally)["summit"].tolist() == [summit]
    proved = kind in ("narrowPeak", "no summit")
    assert ("not narrowPeak" in tally.notes[0]) != proved


REGIONS = {
    "BED": "chr1\t10\t50\nchr2\t5\t25\n",
    "BOM": "\ufeffchr1\t10\t50\nchr2\t5\t25\n",
    "CR": "chr1\t10\t50\rchr2\t5\t25\r",
    "blanks": "chr1 10 50\nchr2  5  25\n",
    "header": "chrom\tstart\tend\nchr1\t10\t50\nchr2\t5\t25\n",
    "header of R": "seqnames\tstart\tend\twidth\tstrand\n1\tchr1\t11\t50\t40\t*\n2\tchr2\t6\t25\t20\t*\n",
    "CSV": '"chr","start","end"\n"chr1",10,50\n"chr2",5,25\n',
    "other order": "#name\tend\tstart\tchrom\nx\t50\t10\tchr1\ny\t25\t5\tchr2\n",
    "MACS": "# This file is generated by MACS\n\nchr\tstart\tend\tlength\tabs_summit\tpileup\tname\n"
    "chr1\t11\t50\t40\t31\t9\tp\nchr2\t6\t25\t20\t6\t9\tq\n",
    "MACS, broad": "chr\tstart\tend\tlength\tpileup\nchr1\t11\t50\t40\t9\nchr2\t6\t25\t20\t9\n",
}


@pytest.mark.parametrize("form", REGIONS)
def test_regions_of_every_form_are_the_same(form, tmp_path):
    (tmp_path / "p.txt").write_text(REGIONS[form], newline="")
    tally = Tally()
    table = read_regions(tmp_path / "p.txt", tally)
    assert table[["chrom", "start", "end"]].values.tolist() == [["chr1", 10, 50], ["chr2", 5, 25]]
    assert table["summit"].tolist() == ([20, 0] if form == "MACS" else [-1, -1])
    assert any("counted from 1" in note for note in tally.notes) == (
        form in ("MACS", "MACS, broad", "header of R")
    )
    assert any("'pileup'" in note for note in tally.notes) == form.startswith("MACS")


@pytest.mark.parametrize("change", ["order", "length", "names", "line", "more", "fewer", "header"])
def test_an_index_of_another_genome_is_made_again(change, tmp_path):
    file = write_genome(tmp_path / "g.fa", CHROMS)
    with open_genome(file, Encoder(DNA), Tally()) as genome:
        assert genome.lengths == {name: 6000 for name in CHROMS}
    index = tmp_path / "g.fa.fai"
    assert fits(index, file)
    other = dict(CHROMS)
    if change == "order":
        other = dict(reversed(CHROMS.items()))
    elif change == "length":
        other["chr2"] = other["chr2"][:-1]
    elif change == "names":
        other = {name.replace("chr", "ch0"): text for name, text in other.items()}
    elif change == "more":
        other["chr9"] = "ACGT"
    elif change == "fewer":
        del other["chr3"]
    write_genome(file, other, line=50 if change == "line" else 60)
    if change == "header":
        file.write_text(file.read_text().replace(" described", " named"))
    index.touch()
    assert not fits(index, file)
    tally = Tally()
    with open_genome(file, Encoder(DNA), tally) as genome:
        assert all(DNA.decode(genome.letters(name)[0]) == text for name, text in other.items())
    assert tally.notes == ["g.fa.fai was the index of another file, and is made again"]
    assert fits(index, file)


@pytest.mark.parametrize("form", ["CR", "mark", "no last line end", "empty record", "CRLF"])
def test_genomes_of_every_form(form, tmp_path):
    file = write_genome(tmp_path / "g.fa", CHROMS, end="\r\n" if form == "CRLF" else "\n")
    data = file.read_bytes()
    forms = {"CR": data.replace(b"\n", b"\r"), "mark": b"\xef\xbb\xbf" + data}
    forms |= {"no last line end": data.rstrip(), "empty record": b">none\n" + data, "CRLF": data}
    file.write_bytes(forms[form])
    for _ in range(2):  # the second time by its index
        tally = Tally()
        with open_genome(file, Encoder(DNA), tally) as genome:
            for name, text in CHROMS.items():
                assert DNA.decode(genome.letters(name)[0]) == text
        assert not tally.notes


def test_what_is_printed(tmp_path, capsys):
    """Counts, lengths, GC, shortcuts and the split by label; what was dropped, of which label and why."""
    a = [random_letters(40, n, gc=0.7) for n in range(60)] + ["N" * 40] * 3
    b = [random_letters(40 + n % 9, 100 + n, gc=0.3) for n in range(60)]
    b += b[:5]
    for name, texts in (("a", a), ("b", b)):
        body = "".join(f">{name}{n}\n{text}\n" for n, text in enumerate(texts))
        (tmp_path / f"{name}.fa").write_text(body)
    call = [word for name in "ab" for word in ("--fasta", f"{name.upper()}={tmp_path / name}.fa")]
    dataset = ingested(tmp_path / "d", *call)
    said = capsys.readouterr().out
    for line in (
        "  3 with over 0% unknown letters (A 3)",
        "  5 with the letters of another (B 5)",
        "split: drawn by seed 0 in shares 0.7, 0.1, 0.2, each combination of labels by itself",
        "examples  training  validation  test  mean GC",
        "ROC AUC (test)  length alone  dinucleotides alone",
        "120 of 120 examples name no place (such as chr1:100-200)",
    ):
        assert line in said
    assert "40 to 48, median" in said
    found = dataset.content["ingest"]["shortcuts"]["labels"]
    lengths = [len(text) for text in sequences(dataset, "test")]
    own = dataset.y("test")[:, 0] > 0
    both = list(zip(lengths, own, strict=True))
    pairs = [(x, y) for x, o in both if o for y, p in both if not p]
    assert found["A"]["length"] == pytest.approx(
        np.mean([(x > y) + (x == y) / 2 for x, y in pairs]), abs=1e-4
    )
    assert found["A"]["words"] > 0.9 and found["B"]["words"] > 0.9


def test_labels_without_a_shortcut_have_none(tmp_path):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 4, (4000, 60)).astype(np.uint8)
    y = np.eye(2, dtype=np.uint8)[rng.integers(0, 2, 4000)]
    sets = np.repeat([0, 2], 2000)
    found = shortcuts(x, y, sets, ["A", "B"], DNA)["labels"]
    for (
        auc
    ) in found.values():  # 5 standard errors of 1,000 against 1,000: a false alarm in a million
        assert auc["length"] == 0.5 and abs(auc["words"] - 0.5) < 5 * np.sqrt(1 / (12 * 500))


@pytest.mark.parametrize("both_strands", [True, False])
def test_shared_stretches_against_brute_force(both_strands):
    rng = np.random.default_rng(2)
    x = rng.integers(0, 4, (60, 50)).astype(np.uint8)
    sets = np.repeat([0, 1, 2], 20)
    x[25, 3:33] = x[4, 12:42]
    x[45, 0:29] = x[7, 5:34]  # one letter too few
    x[50, 20:50] = x[51, 0:30] = x[9, 8:38]
    x[52, 5:35] = x[30, 5:35]  # validation and test: neither is training
    x[53, :40] = x[10, :40] = UNKNOWN
    x[26] = PADDING
    x[27, 10:40] = 3 - x[5, 34:4:-1]
    x[54, 20:], x[55, :49] = 3 - x[6, 29::-1], 3 - x[8, :0:-1]
    x[55, 49:] = PADDING
    known = [
        {r[p : p + STRETCH].tobytes() for p in range(21) if (r[p : p + STRETCH] < 4).all()}
        for r in x
    ]
    if both_strands:
        known = [{min(t, bytes(3 - c for c in t[::-1])) for t in texts} for texts in known]
    for number, name in ((1, "validation"), (2, "test")):
        training = set().union(*known[:20])
        count = sum(bool(k & training) for k in np.array(known, dtype=object)[sets == number])
        assert f"{name}: {count} of 20 examples" in " ".join(
            shared_stretches(x, sets, both_strands=both_strands)
        )


def turned(letters):
    return letters[::-1].translate(str.maketrans("ACGT", "TGCA"))


@pytest.mark.parametrize("alphabet", ["DNA", "RNA"])
@pytest.mark.parametrize("length", [24, 60])
def test_copies_and_reverse_complements_stay_together(alphabet, length, tmp_path):
    """Whole examples, also those too short for stretches; the strands of RNA are two."""
    texts = [random_letters(length, n) for n in range(60)]
    body = "".join(
        f">s{n} label={'AB'[n % 2]}\n{t}\n>c label={'AB'[n % 2]}\n{t}\n>t label=A\n{turned(t)}\n"
        for n, t in enumerate(texts)
    )
    (tmp_path / "a.fa").write_text(body)
    call = ("--fasta", tmp_path / "a.fa", "--alphabet", alphabet, "--keep-duplicates")
    dataset = ingested(tmp_path / "d", *call)
    assert sum(dataset.counts.values()) == 180
    held = [set(sequences(dataset, name)) for name in dataset.counts]
    held = [{text.replace("U", "T") for text in found} for found in held]
    assert not any(a & b for a, b in ((held[0], held[1]), (held[0], held[2]), (held[1], held[2])))
    parted = any({turned(t) for t in held[0]} & other for other in held[1:])
    assert parted == (alphabet == "RNA")
    notes = " ".join(dataset.content["ingest"]["notes"])
    said = "90 of 180 examples have their reverse complement among those with other labels"
    assert (said in notes) == (alphabet == "DNA")
    assert "training example" not in notes and "in another set" not in notes


@pytest.mark.parametrize("length", [24, 60])
def test_copies_and_reverse_complements_of_given_sets_are_told(length, tmp_path):
    texts = [random_letters(length, n) for n in range(24)]
    body = "".join(
        f">s label={'AB'[n % 2]} set={SPLIT[n]}\n{text}\n" for n, text in enumerate(texts)
    )
    more = [texts[0], turned(texts[1]), turned(texts[2])]
    body += "".join(f">t label={'AB'[n % 2]} set=test\n{text}\n" for n, text in enumerate(more))
    (tmp_path / "a.fa").write_text(body)
    dataset = ingested(tmp_path / "d", "--fasta", tmp_path / "a.fa", "--keep-duplicates")
    notes = dataset.content["ingest"]["notes"]
    assert "4 of 27 examples have their reverse complement among those in another set" in notes
    copies = "test: 3 of 9 examples under 30 letters are copies of a training example"
    stretches = "test: 3 of 9 examples share 30 letters in a row with a training example: windows "
    assert (copies in notes) == (length == 24)
    assert (stretches + "that overlap, or repeats" in notes) == (length == 60)


def test_a_motif_wider_than_the_window_is_named(tmp_path):
    lines = ["MEME version 4", "", "ALPHABET= ACGT", ""]
    for width in (40, 41):
        lines += [f"MOTIF w{width}", f"letter-probability matrix: w= {width}"]
        lines += ["0.97 0.01 0.01 0.01"] * width + [""]
    (tmp_path / "m.meme").write_text("\n".join(lines))
    (tmp_path / "a.fa").write_text(records())
    call = ("--fasta", tmp_path / "a.fa", "--motifs", tmp_path / "m.meme")
    notes = ingested(tmp_path / "d", *call).content["ingest"]["notes"]
    assert "motifs: wider than the 40 letters of a window, so without hits: w41" in notes


def test_a_motif_of_few_hits_is_named(tmp_path):
    lines = [
        "MEME version 4",
        "",
        "ALPHABET= ACGT",
        "",
        "MOTIF short",
        "letter-probability matrix: w= 5",
    ]
    lines += ["0.97 0.01 0.01 0.01"] * 5 + ["", "MOTIF long", "letter-probability matrix: w= 12"]
    lines += ["0.97 0.01 0.01 0.01"] * 12
    (tmp_path / "m.meme").write_text("\n".join(lines) + "\n")
    (tmp_path / "a.fa").write_text(records())
    call = ("--fasta", tmp_path / "a.fa", "--motifs", tmp_path / "m.meme")
    [note] = [n for n in ingested(tmp_path / "d", *call).content["ingest"]["notes"] if "motif" in n]
    assert "(share: short 0.00), so hits are far fewer" in note
    with (tmp_path / "m.meme").open("a") as stream:
        stream.write("\nMOTIF none\n")
    left_out = ingested(tmp_path / "f", *call).content["ingest"]["notes"]
    said = "m.meme: 1 motifs cannot be read and are left out; line 29: motif none has no matrix"
    assert said in left_out
    wider = ingested(tmp_path / "e", *call, "--p-value", "0.01").content["ingest"]["notes"]
    assert not any("own sites are hits" in note for note in wider)


def copies(letters):
    return "".join(f">n{n} label=C\n{letters}\n" for n in range(6))


def signal(count, row):
    return "".join(row.format(n, n / 7, random_letters(9, n)) for n in range(count))


NAMES = "label,sequence\n"
#: What is brought, as name and content of a file and further words, and the cause.
BAD: dict[str, tuple[str, str | bytes, str, tuple[str, ...]]] = {
    "empty FASTA": ("a.fa", "", "a.fa: is empty; expected FASTA", ()),
    "FASTQ": ("a.fa", "@r\nACGT\n+\nIIII\n", "(this looks like FASTQ)", ()),
    "GenBank": ("a.fa", "LOCUS X\n", "(this looks like GenBank)", ()),
    "comments": ("a.fa", ";x\n>a label=A\nACGT\n", "line 1: is not FASTA", ()),
    "Latin-1": ("a.fa", b">a\n>\xe9\n", "line 2: holds the byte 0xe9, which is no UTF-8 text", ()),
    "UTF-16": ("a.fa", ">a\nACGT\n".encode("utf-16"), "a.fa: is UTF-16 text; save it as UTF-8", ()),
    "Excel": ("a.fa", b"PK\x03\x04aaaa", "is an Excel workbook or zip archive", ()),
    "zeros": ("a.fa", b">a\n\0\0", "is a binary file; expected text", ()),
    "bzip2": ("a.fa", b"BZh9", "is a bzip2 file; unpack it", ()),
    "packed BAM": ("a.fa", gzip.compress(b"BAM\1"), "is a BAM file of reads", ()),
    "2bit": ("a.fa", b"\x43\x27\x41\x1a\0\0", "turn it into FASTA with twoBitToFa", ()),
    "damaged gzip": ("a.fa", gzip.compress(b">a\nACGT\n")[:15], "is a damaged gzip file", ()),
    "blank within": ("a.fa", ">a label=A\nAC GT\n", "record 'a': holds ' '", ()),
    "gap": ("a.fa", ">a label=A\nAC-GT\n", "record 'a': holds '-'", ()),
    "foreign letter": ("a.fa", ">a label=A\nAC\u03b2T\n", "record 'a': holds '\u03b2'", ()),
    "no record": ("a.fa", ">a label=A\n", "record 'a': holds no letters", ()),
    "no label": ("a.fa", ">a\nACGT\n", "has no label=", ()),
    "two sets": (
        "a.fa",
        ">a label=A set=test split=train\nACGT\n",
        "names its set twice: 'test', 'train'",
        (),
    ),
    "no set": ("a.fa", ">a label=A set=dev\nACGT\n", "set is 'dev'", ()),
    "some sets": (
        "a.fa",
        ">a label=A set=test\nACGT\n>b label=B\nCCGT\n",
        "1 of 2 examples name no set",
        (),
    ),
    "wrong place": ("a.fa", ">a chr1:5-20 label=A\nACGT\n", "but its place chr1:5-20 has 15", ()),
    "a signal in headers": (
        "a.fa",
        signal(9, ">{0} label={1}\n{2}\n"),
        "a continuous signal is not supported",
        (),
    ),
    "all N": (
        "a.fa",
        records() + copies("NNNN"),
        "0 of C are left, dropped: 6 with over 0% unknown letters (see --unknown)",
        ("--split", "fraction"),
    ),
    "identical": (
        "a.fa",
        records() + copies("ACGT"),
        "1 of C are left, dropped: 5 with the letters of another (see --keep-duplicates)",
        ("--split", "fraction"),
    ),
    "label of a motif": (
        "a.fa",
        records(),
        "there is no label 'C'; labels are A, B",
        ("--motifs", "m.meme", "--motif", "x=EBOX:C"),
    ),
    "no motif": (
        "a.fa",
        records(),
        "has no motif 'EBOXX'",
        ("--motifs", "m.meme", "--motif", "x=EBOXX"),
    ),
    "no such labels": (
        "a.fa",
        ">a\nACGT\n",
        "l.tsv: cannot be read (No such file",
        ("--labels", "l.tsv"),
    ),
    "labels of a file": (
        "a.fa",
        records(),
        "--labels: is not used, since every --fasta LABEL=FILE",
        ("=A", "--labels", "l.txt"),
    ),
    "two label columns": (
        "l.txt",
        "id\tlabel\ty\na\tA\tA\n",
        "has columns label and y, each of which",
        ("labels",),
    ),
    "id twice": ("l.txt", "id\tlabel\na\tA\na\tB\n", "line 3: gives 'a' twice", ("labels",)),
    "no header": ("t.tsv", "ACGT\tA\nCCGT\tB\n", "the file names 'ACGT', 'A'", ()),
    "no label column": (
        "t.csv",
        "id,sequence,A,B\na,ACGT,0,1\n",
        "are classes in columns of zeros and ones? Write",
        (),
    ),
    "two sequences": (
        "t.csv",
        "x,sequence,label\n1,ACGT,A\n",
        "has columns x and sequence, each of which",
        (),
    ),
    "two sets in columns": (
        "t.csv",
        "sequence,label,set,split\nACGT,A,test,test\n",
        "has columns set and split",
        (),
    ),
    "short row": (
        "t.csv",
        f"{NAMES}A,ACGT\nB\n",
        "line 3: has 1 columns; the first line names 2",
        (),
    ),
    "quote": ("t.csv", f'{NAMES}A,"ACGT\n', "line 2: cannot be split into quoted columns", ()),
    "empty table": ("t.csv", "", "line 1: needs columns sequence", ()),
    "names alone": ("t.csv", NAMES, "holds no sequences", ()),
    "a signal": ("t.csv", NAMES + signal(20, "{1},{2}\n"), "labels are 20 different numbers", ()),
    "many counts": (
        "t.csv",
        NAMES + signal(101, "{0},{2}\n"),
        "labels are 101 different numbers",
        (),
    ),
    "Parquet by name": ("t.parquet", "sequence\tlabel\n", "cannot be read as Parquet", ()),
    "a Parquet file as TSV": ("t.tsv", b"PAR1\0\0", "is a Parquet file; name it .parquet", ()),
    "numbers for letters": (
        "t.parquet",
        [("sequence", [1, 2]), ("label", ["A", "B"])],
        "row 0: column sequence holds 1; expected letters",
        (),
    ),
    "null letters": (
        "t.parquet",
        [("sequence", ["ACGT", None]), ("label", ["A", "B"])],
        "row 1: column sequence holds nothing",
        (),
    ),
    "structs": (
        "t.parquet",
        [("sequence", ["AC", "CC"]), ("label", [{"a": 1}, {"a": 2}])],
        "of type dict; expected a text, a number, or a list",
        (),
    ),
    "multi-hot lists": (
        "t.parquet",
        [("seq", ["AC", "CC"]), ("label", [[0, 0, 1], [1, 0, 0]])],
        "column label: holds lists of zeros and ones",
        (),
    ),
    "floats": (
        "t.parquet",
        [("seq", [random_letters(9, n) for n in range(9)]), ("y", [n / 7 for n in range(9)])],
        "a continuous signal is not supported",
        (),
    ),
    "VCF": ("p.bed", "##fileformat=VCFv4.2\n", "line 1: is VCF, no BED", ()),
    "GFF": ("p.bed", "chr1\tx\tgene\t5\t9\t.\t+\t.\tid=1\n", "line 1: is GFF or GTF, no BED", ()),
    "GFF header": ("p.bed", "##gff-version 3\n", "line 1: is GFF, no BED", ()),
    "interval list": ("p.bed", "@HD\tVN:1.0\n", "line 1: is SAM or a Picard interval list", ()),
    "HOMER": (
        "p.bed",
        "#PeakID\tchr\tstart\tend\nx\tchr1\t1\t9\n",
        "is a HOMER peak file; pos2bed.pl",
        (),
    ),
    "FASTA as BED": ("p.bed", ">a\nACGT\n", "line 1: is FASTA, no BED; give it with --fasta", ()),
    "wiggle": (
        "p.bed",
        "fixedStep chrom=chr1 start=1 step=1\n1\n",
        "is a wiggle file: a continuous signal",
        (),
    ),
    "bedGraph": (
        "p.bed",
        "chr1\t0\t100\t0.5\nchr1\t100\t200\t7\nchr1\t200\t300\t0\n",
        "is bedGraph: a continuous signal",
        (),
    ),
    "bedGraph by track": (
        "p.bed",
        'track type="bedGraph"\nchr1\t0\t100\t5\n',
        "line 2: is bedGraph",
        (),
    ),
    "bedGraph by name": (
        "p.bdg",
        "chr1\t0\t100\t5\nchr1\t500\t600\t5\n",
        "line 1: is bedGraph",
        (),
    ),
    "bigWig": ("p.bed", b"\x26\xfc\x8f\x88\0\0", "is a bigWig file: a continuous signal", ()),
    "places in a word": (
        "p.bed",
        "chr1:100-200\n",
        "is chrom:start-end; write chrom, start and end",
        (),
    ),
    "exponents": (
        "p.bed",
        "chr1\t1e+05\t200000\n",
        "start is '1e+05'; expected a whole number",
        (),
    ),
    "underscores": ("p.bed", "chr1\t1_0\t200\n", "start is '1_0'", ()),
    "narrowPeak by name": (
        "p.narrowPeak",
        "chr1\t500\t900\tp\t0\t+\tchr1\t4\t5\t60\n",
        "line 1: column 7 is 'chr1', no number",
        (),
    ),
    "narrowPeak of nine": (
        "p.narrowPeak",
        "chr1\t500\t900\tp\t0\t+\t1\t4\t5\n",
        "has 9 columns; narrowPeak has ten",
        (),
    ),
    "lengths": (
        "p.bed",
        "chrom\tstart\tend\twidth\nchr1\t5\t9\t7\n",
        "column of lengths is neither end - start nor one more",
        (),
    ),
    "summit elsewhere": (
        "p.bed",
        "chr\tstart\tend\tlength\tabs_summit\nchr1\t5\t9\t5\t77\n",
        "line 2: summit 77 lies outside",
        (),
    ),
    "two starts": (
        "p.bed",
        "chrom\tstart\tchromStart\tend\nchr1\t5\t5\t9\n",
        "has columns start and chromStart",
        (),
    ),
    "strands": (
        "p.bed",
        "chr1\t5\t9\tx\t0\tplus\n",
        "line 1: strand is 'plus'; expected +, - or .",
        ("--stranded",),
    ),
    "beyond": (
        "p.bed",
        "chr1\t5\t9\nchr1\t99999\t100000\n",
        "line 2: starts at 99999, beyond the end of chr1",
        (),
    ),
    "far beyond": (
        "p.bed",
        "chr1\t5990\t7000\nchr1\t5990\t7001\n",
        "line 2: ends at 7001, 1001 letters beyond the end of chr1 (6000 letters); is this another",
        (),
    ),
}


def brought(kind: str, folder: Path) -> list[str]:
    """Write a bad input, and return the words of a call of ingest."""
    name, content, _, more = BAD[kind]
    file = folder / name
    if isinstance(content, list):
        pd.DataFrame(dict(content)).to_parquet(file)
    else:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "m.meme").write_text(
        "MEME version 4\n\nMOTIF EBOX\nletter-probability matrix:\n" + "0.01 0.97 0.01 0.01\n" * 8
    )
    words = [str(folder / word) if "." in word else word for word in more]
    if more[:1] == ("labels",):
        (folder / "a.fa").write_text(">a\nACGT\n")
        return ["--fasta", str(folder / "a.fa"), "--labels", str(file)]
    if more[:1] == ("=A",):
        (folder / "l.txt").write_text("id\tlabel\ns0\tB\n")
        return ["--fasta", f"A={file}", *words[1:]]
    if name.startswith("a."):
        return ["--fasta", str(file), *words]
    if name.startswith("t."):
        return ["--table", str(file)]
    genome = write_genome(folder / "g.fa", CHROMS)
    call = ["--peaks", f"A={file}", "--genome", str(genome), "--width", "50"]
    return [*call, "--negatives", "shuffle", *words]


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_names_its_cause_in_the_first_line(kind, tmp_path, capsys):
    call = brought(kind, tmp_path)
    assert main(["ingest", *call, "-o", str(tmp_path / "d")]) == 2
    said = capsys.readouterr().err
    assert BAD[kind][2] in said.splitlines()[0]
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "d").exists()


def test_there_are_at_least_sixty_kinds_of_bad_input():
    assert len(BAD) >= 60
