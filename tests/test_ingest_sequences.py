"""Ingest of FASTA files and tables, motif hits, and what other verbs make of real datasets."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from real_data import as_real
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
from seqgra.dataset import ELEMENT_COLUMNS, largest_size, open_dataset
from seqgra.errors import InputError
from seqgra.grammar.combinations import ROLES
from seqgra.ingest.measure import measured_background
from seqgra.law.scan import best_hits, find_hits
from seqgra.law.word_counts import word_counts

SHARED = Path(__file__).parents[2] / "shared" / "data"
TINY = SHARED / "sets" / "tiny-pou5f1-mafk-hg19"
EBOX = np.array([[0.02, 0.94, 0.02, 0.02], [0.94, 0.02, 0.02, 0.02]] * 4)


def write_motifs(path: Path) -> Path:
    """Write two motifs, EBOX and its like, as MEME."""
    lines = ["MEME version 4", "", "ALPHABET= ACGT", ""]
    for name, matrix in (("EBOX:1", EBOX), ("GBOX", EBOX[:, [0, 2, 1, 3]])):
        lines += [f"MOTIF {name}", f"letter-probability matrix: alength= 4 w= {len(matrix)}"]
        lines += [" ".join(f"{p:.6f}" for p in row) for row in matrix] + [""]
    path.write_text("\n".join(lines))
    return path


def write_fasta(path: Path, *records: tuple[str, str]) -> Path:
    path.write_text("".join(f">{name}\n{letters}\n" for name, letters in records))
    return path


def with_box(letters: str, box: str, seed: int) -> str:
    start = np.random.default_rng(seed).integers(0, len(letters) - len(box))
    return letters[:start] + box + letters[start + len(box) :]


@pytest.fixture(scope="module")
def two_classes(tmp_path_factory):
    """FASTA files of 120 sequences a class, whose box differs; and their motifs."""
    folder = tmp_path_factory.mktemp("two")
    files = {}
    for number, (name, box) in enumerate((("A", "CACACACA"), ("B", "GAGAGAGA"))):
        records = [
            (f"{name}{n}", with_box(random_letters(60, 1000 * number + n), box, n))
            for n in range(120)
        ]
        files[name] = write_fasta(folder / f"{name}.fa", *records)
    return files, write_motifs(folder / "m.meme")


def classes(two_classes):
    files, motifs = two_classes
    given = [word for name, file in files.items() for word in ("--fasta", f"{name}={file}")]
    return [*given, "--motifs", motifs, "--motif", "ebox=EBOX:1:A", "--motif", "gbox=GBOX:B"]


@pytest.fixture(scope="module")
def real(two_classes, tmp_path_factory):
    return ingested(tmp_path_factory.mktemp("real") / "d", *classes(two_classes))


def test_a_file_a_label(two_classes, real):
    expected = set()
    for name, file in two_classes[0].items():
        expected |= {(text, name) for text in file.read_text().splitlines()[1::2]}
    assert {(text, label) for _, text, label in labelled(real)} == expected
    assert real.counts == {"training": 168, "validation": 24, "test": 48}
    for name in SETS:
        assert (real.y(name).sum(axis=0) == real.counts[name] / 2).all()
        half = real.y(name, real.counts[name] // 2)
        assert abs(int(half[:, 0].sum()) - int(half[:, 1].sum())) <= 1


def test_hits_are_the_scanner_s_with_the_motifs_label(real):
    assert real.content["elements"] == ["ebox", "gbox"]
    for name in SETS:
        table = real.elements(name)
        motifs = {n: np.array(e.matrix) for n, e in real.grammar.elements.items()}
        hits = best_hits(find_hits(np.asarray(real.x(name)), motifs, DNA))
        for column in ("example", "element", "start", "end", "strand"):
            assert (table[column] == hits[column]).all()
        assert (table["condition"] == table["element"]).all()
        assert (table["role"] == ROLES.index("hit")).all()
        assert len(table) >= real.counts[name]
        assert dict(table.dtypes.astype(str)) == ELEMENT_COLUMNS


def test_all_motifs_of_a_file_tell_about_every_label(two_classes, tmp_path):
    dataset = ingested(tmp_path / "d", *classes(two_classes)[:6])
    assert dataset.content["elements"] == ["EBOX:1", "GBOX"]
    assert (dataset.elements("training")["condition"] == -1).all()


def test_headers_give_labels_sets_and_places(tmp_path):
    places = [("chr1", 10), ("chr1", 15), ("chr2", 10), ("chr3", 7), ("chr4", 5), ("chr5", 2)]
    letters = [random_letters(30, n) for n in range(6)]
    labels = ["A", "A|B", "none", "B", "", "A"]
    records = [
        (f"s{n} {chrom}:{start}-{start + 30} label={label}", text)
        for n, ((chrom, start), label, text) in enumerate(zip(places, labels, letters, strict=True))
    ]
    file = write_fasta(tmp_path / "a.fa", *records)
    dataset = ingested(tmp_path / "d", "--fasta", file, "--task", "multi-label", "--seed", "3")
    assert {(t, label) for _, t, label in labelled(dataset)} == {
        (text, label.replace("none", "")) for text, label in zip(letters, labels, strict=True)
    }
    table = pd.concat(
        pd.read_csv(tmp_path / "d" / f"{s}.regions.tsv", sep="\t").assign(set=s)
        for s in dataset.counts
    )
    assert sorted(zip(table["chrom"], table["start"], strict=True)) == sorted(places)
    assert (table.groupby("chrom")["set"].nunique() == 1).all()
    told = [(f"s{n} conditions={'AB'[n % 2]} set={SETS[n % 3]}", t) for n, t in enumerate(letters)]
    given = ingested(tmp_path / "e", "--fasta", write_fasta(tmp_path / "b.fa", *told))
    assert labelled(given) == {(SETS[n % 3], t, "AB"[n % 2]) for n, t in enumerate(letters)}


def test_a_table_of_labels(tmp_path):
    letters = {f"s{n}": random_letters(20, n) for n in range(6)}
    file = write_fasta(tmp_path / "a.fa.gz", *((f"{n} more", t) for n, t in letters.items()))
    file.write_bytes(gzip.compress(file.read_bytes()))
    table = tmp_path / "labels.tsv"
    rows = [f"s{n}\t{'AB'[n % 2]}\t{('train', 'valid', 'test')[n % 3]}" for n in range(6)]
    table.write_text("\r\n".join(["id\tlabel\tset", *rows, ""]))
    dataset = ingested(tmp_path / "d", "--fasta", file, "--labels", table)
    assert labelled(dataset) == {(SETS[n % 3], letters[f"s{n}"], "AB"[n % 2]) for n in range(6)}


def test_a_short_line_of_a_table_of_labels_is_refused(tmp_path, capsys):
    file, table = write_fasta(tmp_path / "a.fa", ("s0", "ACGT")), tmp_path / "labels.tsv"
    for header in ("id\tlabel", "label\tid"):
        table.write_text(f"{header}\ns0\n")
        said = refused(capsys, tmp_path / "d", "--fasta", file, "--labels", table)
        assert "labels.tsv: line 2: has 1 columns; the first line names 2" in said


def test_lengths_case_and_ambiguity_codes(tmp_path):
    a = write_fasta(
        tmp_path / "a.fa", *((f"a{n}", random_letters(10 + n, n).lower()) for n in range(9))
    )
    b = write_fasta(
        tmp_path / "b.fa", *((f"b{n}", "ACGTRYKMSWBDHVNacgtu"[: 19 - n]) for n in range(9))
    )
    call = ("--fasta", f"A={a}", "--fasta", f"B={b}", "--unknown", "1", "--shares", "1,0,0")
    dataset = ingested(tmp_path / "d", *call)
    assert dataset.window == 19 and dataset.grammar.shortest == 10
    assert {len(text) for text in sequences(dataset)} == set(range(10, 20))
    assert "ACGT" + "N" * 11 + "ACGT" in sequences(dataset)
    cut = ingested(tmp_path / "e", *call, "--width", "8")
    assert cut.window == 8
    assert random_letters(13, 3)[2:10] in sequences(cut)


def test_proteins(tmp_path):
    rng = np.random.default_rng(5)
    texts = ["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 40)) for _ in range(60)]
    texts = [text[:10] + "RRSPSPRR" + text[18:] if n < 30 else text for n, text in enumerate(texts)]
    files = [
        write_fasta(tmp_path / f"{name}.fa", *((f"{name}{n}", t) for n, t in enumerate(part)))
        for name, part in (("P", texts[:30]), ("Q", texts[30:]))
    ]
    call = ("--fasta", f"P={files[0]}", "--fasta", f"Q={files[1]}", "--alphabet", "protein")
    motif = np.full((4, 20), 0.01)
    motif[range(4), [16 - 1, 13 - 1, 16 - 1, 13 - 1]] = 0.81  # S P S P
    motifs = tmp_path / "m.meme"
    lines = ["MEME version 4", "", "ALPHABET= ACDEFGHIKLMNPQRSTVWY", "", "MOTIF sp", ""]
    lines += ["letter-probability matrix: alength= 20 w= 4"]
    motifs.write_text("\n".join([*lines, *(" ".join(map(str, row)) for row in motif), ""]))
    dataset = ingested(tmp_path / "d", *call, "--motifs", motifs, "--negatives", "shuffle")
    table = dataset.elements("training")
    shown = np.asarray(dataset.y("training"))[:, 0] > 0
    assert set(np.flatnonzero(shown)) <= set(table["example"])
    assert (table["strand"] == 1).all() and dataset.conditions == ("P", "Q", "negative")
    assert dataset.grammar.background.letters is not None


def test_the_stop_that_ends_a_protein_is_left_out(tmp_path):
    rng = np.random.default_rng(6)
    texts = ["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 12)) for _ in range(40)]
    texts[3] = texts[3][:5] + "*" + texts[3][6:]  # within a protein it is an unknown letter
    ends = ["*" if n % 2 else "" for n in range(40)]
    fasta = [
        write_fasta(tmp_path / f"{name}.fa", *((f"{n}", texts[n] + ends[n]) for n in own))
        for name, own in (("P", range(20)), ("Q", range(20, 40)))
    ]
    table = tmp_path / "t.csv"
    lines = [f"{texts[n]}{ends[n]},{'P' if n < 20 else 'Q'}\n" for n in range(40)]
    table.write_text("sequence,label\n" + "".join(lines))
    of_fasta = ("--fasta", f"P={fasta[0]}", "--fasta", f"Q={fasta[1]}")
    for name, call in (("a", of_fasta), ("b", ("--table", table))):
        dataset = ingested(tmp_path / name, *call, "--alphabet", "protein", "--unknown", "0.1")
        assert sorted(sequences(dataset)) == sorted(text.replace("*", "X") for text in texts)
        notes = dataset.content["ingest"]["notes"]
        assert "20 proteins end in *, their stop, which is left out" in notes


def test_proteins_read_as_dna_are_refused(tmp_path, capsys):
    file = write_fasta(tmp_path / "p.fa", ("a", "ACGT"), ("b", "MKVLQE"))
    said = refused(capsys, tmp_path / "d", "--fasta", f"A={file}")
    assert "p.fa: record 'b': holds 'L', which is no letter of DNA; give --alphabet protein" in said


def test_equal_letters_are_one_example(tmp_path):
    letters = [random_letters(30, n) for n in range(20)]
    a = write_fasta(
        tmp_path / "a.fa", *((f"a{n}", t) for n, t in enumerate([*letters[:12], letters[0]]))
    )
    b = write_fasta(tmp_path / "b.fa", *((f"b{n}", t) for n, t in enumerate(letters[11:])))
    call = ("--fasta", f"A={a}", "--fasta", f"B={b}")
    one = ingested(tmp_path / "d", *call)
    assert one.content["ingest"]["dropped"] == {
        "with the letters of another": 2,
        "with labels that exclude one another": 1,
    }
    assert len(sequences(one)) == 19
    several = ingested(tmp_path / "e", *call, "--task", "multi-label")
    assert {label for _, t, label in labelled(several) if t == letters[11]} == {"A|B"}
    all_of_them = ingested(tmp_path / "f", *call, "--keep-duplicates")
    assert len(sequences(all_of_them)) == 22


def test_letters_of_two_sets_stay_in_the_later_one(tmp_path):
    letters = [random_letters(40, n) for n in range(24)]
    rows = [(SETS[n % 3], text, "AB"[n // 3 % 2]) for n, text in enumerate(letters)]
    rows += [(SETS[(n + 1) % 3], *row[1:]) for n, row in enumerate(rows[:6])]  # a set further on
    (tmp_path / "a.fa").write_text("".join(f">s label={c} set={s}\n{t}\n" for s, t, c in rows))
    (tmp_path / "b.csv").write_text(
        "set,sequence,label\n" + "".join(f"{s},{t},{c}\n" for s, t, c in rows[::-1])
    )
    later = {}
    for row in rows:
        later[row[1]] = max(later.get(row[1], row), row, key=lambda r: SETS.index(r[0]))
    for name, call in (("a", ("--fasta", "a.fa")), ("b", ("--table", "b.csv"))):
        dataset = ingested(tmp_path / name, call[0], tmp_path / call[1])
        assert labelled(dataset) == set(later.values())
        dropped = {"with the letters of an example of a later set": 6}
        assert dataset.content["ingest"]["dropped"] == dropped
        call = (call[0], tmp_path / call[1], "--keep-duplicates")
        assert labelled(ingested(tmp_path / f"{name}2", *call)) == set(rows)


FORMS = ("tsv", "parquet")


@pytest.mark.parametrize("form", FORMS)
def test_what_export_writes_comes_back(form, tiny_dataset, tmp_path):
    source = open_dataset(tiny_dataset)
    assert main(["export", str(tiny_dataset), "-o", str(tmp_path / "e"), "--format", form]) == 0
    task = ("--task", source.task, "--keep-duplicates")
    dataset = ingested(tmp_path / "d", "--table", tmp_path / "e", *task)
    assert dataset.counts == source.counts
    assert labelled(dataset) == labelled(source)
    for name in dataset.counts:
        assert places(dataset, name, form) == places(source, name, form)


@pytest.mark.parametrize("form", (*FORMS, "fasta-bed"))
def test_what_export_writes_without_elements_comes_back(form, tmp_path):
    files = [
        write_fasta(tmp_path / f"{name}.fa", *((f"{n}", random_letters(40, n)) for n in own))
        for name, own in (("A", range(30)), ("B", range(30, 60)))
    ]
    source = ingested(tmp_path / "s", "--fasta", f"A={files[0]}", "--fasta", f"B={files[1]}")
    run("export", source.folder, "-o", tmp_path / "e", "--format", form)
    call = ["--table", tmp_path / "e"]
    if form == "fasta-bed":
        call = [w for name in SETS for w in ("--fasta", tmp_path / "e" / f"{name}.fa")]
    dataset = ingested(tmp_path / "d", *call)
    assert labelled(dataset) == labelled(source)
    assert dataset.content["elements"] == [] and dataset.elements("training").empty
    assert dict(dataset.elements("training").dtypes.astype(str)) == ELEMENT_COLUMNS


def places(dataset, name, form):
    """Return what lies where in each example's letters: names and roles, or grammar positions."""
    table, x = dataset.elements(name), dataset.x(name)
    grammar = (ROLES.index("grammar"), ROLES.index("annotated"))
    found = []
    texts = [dataset.alphabet.decode(row) for row in x]
    for row in table.itertuples():
        if form == "tsv":
            if row.role in grammar:
                found += [(texts[row.example], place) for place in range(row.start, row.end)]
        else:
            what = (dataset.content["elements"][row.element], row.start, row.end, row.strand)
            label = dataset.conditions[row.condition] if row.condition >= 0 else ""
            found.append((texts[row.example], *what, label, row.rule, row.role, row.intact))
    return set(found) if form == "tsv" else sorted(found)


def test_elements_of_a_table_have_the_letters_that_they_show(tiny_dataset, tmp_path):
    source = open_dataset(tiny_dataset)
    assert (
        main(["export", str(tiny_dataset), "-o", str(tmp_path / "e"), "--format", "parquet"]) == 0
    )
    dataset = ingested(tmp_path / "d", "--table", tmp_path / "e", "--task", source.task)
    for name, element in dataset.grammar.elements.items():
        true = source.grammar.elements[name].letter_probabilities("ACGT")
        number = source.content["elements"].index(name)
        sites = (source.elements("training")["element"] == number).sum()
        # 4.9 standard errors and the pseudocount: a false alarm in a million
        limit = 4.9 * np.sqrt(0.25 / sites) + 4 / (sites + 4)
        assert np.abs(np.array(element.matrix) - true).max() < limit


def test_single_tables(tmp_path):
    texts = [random_letters(25, n) for n in range(30)]
    frame = pd.DataFrame({"sequence": texts, "label": ["AB"[n % 2] for n in range(30)]})
    frame["set"] = [SETS[n % 3] for n in range(30)]
    frame.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    for end in ("tsv", "parquet"):
        dataset = ingested(tmp_path / end, "--table", tmp_path / f"t.{end}")
        assert labelled(dataset) == set(zip(frame["set"], texts, frame["label"], strict=True))
    given = ingested(tmp_path / "f", "--table", tmp_path / "t.tsv", "--split", "fraction")
    assert given.counts == {"training": 22, "validation": 2, "test": 6}
    frame.loc[:4, "label"] = None
    frame.drop(columns="set").to_parquet(tmp_path / "t.parquet")
    several = ingested(tmp_path / "g", "--table", tmp_path / "t.parquet", "--task", "multi-label")
    assert sum(label == "" for _, _, label in labelled(several)) == 5


A_ONLY = "".join(f">{n} label=A\n{random_letters(9, n)}\n" for n in range(12))
BAD = {
    "t.tsv: line 1: needs columns sequence (or seq, x) and label": (
        "--table",
        "t.tsv",
        "a\tb\n1\t2\n",
    ),
    "t.tsv: line 3: has 1 columns": ("--table", "t.tsv", "x\ty\nACGT\tA\nACGT\n"),
    "t.tsv: line 2: set is 'held'": ("--table", "t.tsv", "x\ty\tset\nACGT\tA\theld\n"),
    "t.tsv: line 2: holds no letters": ("--table", "t.tsv", "x\ty\n\tA\n"),
    "t.parquet: cannot be read as Parquet": ("--table", "t.parquet", "no"),
    "t.fa: record 'a': has no label=": ("--fasta", "t.fa", ">a\nACGT\n"),
    "t.fa: record 'b': holds no letters": ("--fasta", "t.fa", ">a label=A\nACGT\n>b label=A\n"),
    "t.fa: record 'a': holds '-'": ("--fasta", "t.fa", ">a label=A\nAC-GT\n"),
    "t.fa: line 1: is not FASTA": ("--fasta", "t.fa", "ACGT\n"),
    "t.fa: record 'a': has 4 letters, but its place chr1:10-20 has 10 (counted from 0, end excluded) or 11": (
        *("--fasta", "t.fa", ">a chr1:10-20 label=A\nACGT\n"),
    ),
    "all examples are A": ("--fasta", "t.fa", A_ONLY),
    "no example of 2 is left: 2 with over 0% unknown": (
        "--fasta",
        "t.fa",
        ">a label=A\nN\n>b label=B\nY\n",
    ),
    "gets no example of 2": ("--fasta", "t.fa", ">a label=A\nA\n>b label=B\nC\n"),
    "absent: cannot be read": ("--table", "absent", ""),
    "--negatives: gc: needs --peaks": ("--negatives=gc", "--fasta", "t.fa"),
}


@pytest.mark.parametrize("said", BAD)
def test_wrong_sequences_are_refused(said, tmp_path, capsys):
    option, file, text = BAD[said]
    words = (option, tmp_path / file)
    if option.startswith("--negatives"):
        words = (option, file, tmp_path / text)
    elif text:
        (tmp_path / file).write_text(text)
    if option.startswith("--negatives"):
        (tmp_path / text).write_text(">a label=A\nACGT\n")
    assert said in refused(capsys, tmp_path / "d", *words)


@pytest.mark.parametrize("name", ["micro", "macro"])
def test_labels_called_as_averages_are_refused(name, tmp_path, capsys):
    fasta = "".join(
        f">{n} label={'A' if n % 2 else name}\n{random_letters(9, n)}\n" for n in range(40)
    )
    table = "x\ty\n" + "".join(
        f"{random_letters(9, n)}\t{'A' if n % 2 else f'A|{name}'}\n" for n in range(40)
    )
    genome = write_genome(tmp_path / "g.fa", {"chr1": random_letters(3000, 1)})
    bed = write_bed(tmp_path / "b.bed", *[("chr1", n * 100, n * 100 + 50) for n in range(20)])
    (tmp_path / "s.fa").write_text(fasta)
    (tmp_path / "t.tsv").write_text(table)
    said = f"label '{name}': is a reserved name; tables use it for averages; rename it"
    for file, *options in (
        ("s.fa", "--fasta", tmp_path / "s.fa"),
        ("t.tsv", "--table", tmp_path / "t.tsv", "--task", "multi-label"),
        ("s.fa", "--fasta", f"{name}={tmp_path}/s.fa"),
        ("b.bed", "--peaks", f"{name}={bed}", "--genome", genome, "--width", 20, "--negatives=gc"),
    ):
        assert f"{file}: {said}" in refused(capsys, tmp_path / "d", *options), options


def test_a_dataset_of_an_earlier_version_with_such_a_label_is_refused(tiny_dataset, tmp_path):
    folder = as_real(tiny_dataset, tmp_path / "d", one="micro")
    with pytest.raises(InputError, match="label 'micro': is a reserved name"):
        open_dataset(folder)


def test_wrong_motifs_are_refused(two_classes, tmp_path, capsys):
    call = classes(two_classes)[:6]
    said = refused(capsys, tmp_path / "d", *call, "--motif", "x=EBOX")
    assert "m.meme: has no motif 'EBOX'" in said
    said = refused(capsys, tmp_path / "d", *call, "--motif", "x=GBOX", "--motif", "x=EBOX:1")
    assert "--motif: x: is named twice" in said
    said = refused(capsys, tmp_path / "d", *call, "--motif", "=GBOX")
    assert "--motif: =GBOX: has no name before '='" in said
    assert "goes with --motifs" in refused(capsys, tmp_path / "d", *call[:4], "--motif", "x=y")


def test_the_background_is_the_training_set_s(real):
    x = np.asarray(real.x("training"))
    counts = np.ones((4, 4, 4))
    for row in x:
        for a, b, c in zip(row, row[1:], row[2:], strict=False):
            counts[a, b, c] += 1
    markov = real.grammar.background.markov
    expected = (counts / counts.sum(axis=2, keepdims=True)).reshape(16, 4)
    assert np.allclose(markov.table, expected)
    assert np.allclose(markov.initial, counts.sum(axis=2).ravel() / counts.sum())
    assert word_counts(x, 1, 4).sum() == x.size
    assert measured_background(x, DNA).markov == markov


def run(*words: object) -> None:
    assert main(list(map(str, words))) == 0


def test_training_evaluating_and_explaining(real, tmp_path, capsys):
    data = real.folder
    for name in ("kmer-logistic-regression", "pwm-logistic-regression", "conv10-gmp-fc5"):
        run("train", data, name, "-o", tmp_path / name, "--device", "cpu")
        run("evaluate", tmp_path / name, data, "-o", tmp_path / "scores" / name, "--device", "cpu")
    scores = json.loads(
        (tmp_path / "scores" / "pwm-logistic-regression" / "scores.json").read_text()
    )
    assert scores["metrics"]["roc_auc"]["micro"] > 0.9
    assert largest_size(real.counts) == 240
    options = json.loads((tmp_path / "conv10-gmp-fc5" / "run.json").read_text())["options"]
    assert options["size"] == 240
    call = ("attribute", tmp_path / "conv10-gmp-fc5", data, "-o", tmp_path / "a", "--device", "cpu")
    run(*call, "--examples", 10, "--steps", 5)
    recovery = json.loads((tmp_path / "a" / "recovery.json").read_text())
    assert recovery["examples"]["macro"] == 20
    assert recovery["recovery"]["auroc"]["macro"] is not None
    assert "solvable" not in recovery["sets"]
    capsys.readouterr()
    assert main(["train", str(data), "bayes-optimal", "-o", str(tmp_path / "b")]) == 2
    assert "holds real examples" in capsys.readouterr().err
    for form in ("tsv", "fasta-bed", "parquet"):
        run("export", data, "-o", tmp_path / form, "--format", form)
    assert "G" in (tmp_path / "tsv" / "test-annotation.txt").read_text()
    bed = (tmp_path / "fasta-bed" / "test.bed").read_text().splitlines()[0].split("\t")
    assert bed[-1] == "hit"


def test_without_motifs(two_classes, tmp_path, capsys):
    dataset = ingested(tmp_path / "d", *classes(two_classes)[:4])
    assert dataset.content["elements"] == []
    assert dataset.elements("training").empty
    assert (
        main(["train", str(tmp_path / "d"), "pwm-logistic-regression", "-o", str(tmp_path / "p")])
        == 2
    )
    assert "names no motifs to score; ingest it again with --motifs" in capsys.readouterr().err
    run("train", tmp_path / "d", "conv10-gmp-fc5", "-o", tmp_path / "m", "--device", "cpu")
    assert (
        main(["filters", str(tmp_path / "m"), str(tmp_path / "d"), "-o", str(tmp_path / "f")]) == 2
    )
    assert (
        "names no motifs to compare with; ingest it again with --motifs" in capsys.readouterr().err
    )
    call = ("attribute", tmp_path / "m", tmp_path / "d", "-o", tmp_path / "a", "--device", "cpu")
    run(*call, "--examples", 5, "--steps", 3)
    recovery = json.loads((tmp_path / "a" / "recovery.json").read_text())
    assert recovery["left_out"]["macro"] == 10 and recovery["examples"]["macro"] == 0


def test_describing(real, tiny_dataset, tiny_grammar, tmp_path, capsys):
    capsys.readouterr()
    run("describe", real.folder, "-o", tmp_path)
    told = capsys.readouterr().out
    assert (tmp_path / "description.md").read_text() in told
    assert "240 read; 240 examples of 60 letters (DNA, multi-class)" in told
    assert "ebox" in told and "mean GC" in told
    assert main(["describe", str(tiny_dataset)]) == 2
    assert "was simulated; give its grammar" in capsys.readouterr().err
    assert main(["describe", str(tiny_grammar), "--dataset", str(real.folder)]) == 2
    assert "holds real examples" in capsys.readouterr().err


def test_an_annotation_counts_whole(tmp_path):
    """Every column of an annotated stretch is a grammar position, whatever letters it shows."""
    from seqgra.recovery import Role, position_roles

    folder = tmp_path / "t"
    folder.mkdir()
    texts = [random_letters(20, n) for n in range(40)]
    marks = ["__GGGG______CC______" if n % 2 else "_" * 20 for n in range(40)]
    for first, header, rows in (("", "x", texts), ("-annotation", "annotation", marks)):
        lines = [f"{header}\ty", *(f"{row}\t{'AB'[n % 2]}" for n, row in enumerate(rows))]
        (folder / f"training{first}.txt").write_text("\n".join(lines) + "\n")
    dataset = ingested(tmp_path / "d", "--table", folder)
    rows = np.flatnonzero(np.asarray(dataset.y("training"))[:, 1])
    roles = position_roles(dataset, "training", rows, np.ones(len(rows), np.int64))
    assert (roles[:, 2:6] == Role.GRAMMAR).all()
    assert (roles == Role.GRAMMAR).sum() == 4 * len(rows)


@pytest.mark.skipif(not TINY.exists(), reason="needs the tiny set in ../shared/data")
def test_the_tiny_set(tmp_path):
    motifs = SHARED / "motifs" / "sox2-pou5f1-and-test-factors.meme"
    call = ("--table", TINY / "examples.txt", "--motifs", motifs, "--motif", "mafk=MA0496.3:MAFK")
    dataset = ingested(tmp_path / "d", *call, "--motif", "pou5f1=MA0142.1:POU5F1")
    assert dataset.counts == {"training": 140, "validation": 20, "test": 40}
    facts = dataset.content["ingest"]["sets"]["training"]["labels"]
    for own, other in (("MAFK", "POU5F1"), ("POU5F1", "MAFK")):
        assert facts[own]["elements"][own.lower()] > 3 * facts[other]["elements"][own.lower()]
    for name in ("kmer-logistic-regression", "pwm-logistic-regression", "conv10-gmp-fc5"):
        run("train", tmp_path / "d", name, "-o", tmp_path / name, "--device", "cpu")
        run("evaluate", tmp_path / name, tmp_path / "d", "-o", tmp_path / f"s-{name}")
    call = ("attribute", tmp_path / "conv10-gmp-fc5", tmp_path / "d", "-o", tmp_path / "a")
    run(*call, "--examples", 20, "--steps", 5, "--device", "cpu")
    recovery = json.loads((tmp_path / "a" / "recovery.json").read_text())
    assert recovery["examples"]["macro"] > 10


def test_a_genome_and_its_windows_agree_with_fasta(tmp_path):
    """The same windows by regions and by sequences are the same dataset."""
    records = {f"chr{n}": random_letters(3000, n) for n in range(4)}
    genome = write_genome(tmp_path / "g.fa", records)
    rows = [(name, s, s + 40) for name in records for s in range(100, 2900, 100)]
    bed, fasta = {}, {}
    for label in "AB":
        own = rows["AB".index(label) :: 2]
        bed[label] = tmp_path / f"{label}.bed"
        bed[label].write_text("".join(f"{c}\t{s}\t{e}\n" for c, s, e in own))
        named = ((f"{c}:{s}-{e}", records[c][s:e]) for c, s, e in own)
        fasta[label] = write_fasta(tmp_path / f"{label}.fa", *named)
    by_region = [w for label, f in bed.items() for w in ("--peaks", f"{label}={f}")]
    by_letters = [w for label, f in fasta.items() for w in ("--fasta", f"{label}={f}")]
    first = ingested(tmp_path / "d", *by_region, "--genome", genome, "--width", 40)
    second = ingested(tmp_path / "e", *by_letters)
    assert labelled(first) == labelled(second)
