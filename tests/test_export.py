"""Verb export: the published TSV pair, FASTA and BED, Parquet."""

import gzip
import json
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqgra import cli, export
from seqgra.alphabet import UNKNOWN
from seqgra.dataset import CHUNK, open_dataset
from seqgra.fingerprint import RUN_FILE, file_sha256, seal
from seqgra.simulate import simulate

SHARED = Path(__file__).parents[2] / "shared" / "data" / "sets" / "sox2-pou5f1-mm9"
GRAMMAR = """
task: multi-label
window: [24, 32]
overlap: allow
elements:
  a: {kmers: {ACGTACGT: 1}}
  b: {kmers: {GGGG: 1}}
  cpg: {kmers: {CGCG: 1}}
  decoy: {kmers: {TTTTT: 1}}
common: {rules: [{elements: [decoy], strand: random}]}
conditions:
  one: {rules: [{elements: [a], strand: random}, {elements: [b], probability: 0.5}]}
  two: {rules: [{elements: [b], position: end}]}
examples:
  - {conditions: [one]}
  - {conditions: [two]}
  - {conditions: [one, two]}
  - {conditions: []}
confounders: [{elements: [cpg], probability: 0.6}]
noise: {labels: {one: .2, two: 0}}
"""
COUNTS = {"training": 90, "validation": 1, "test": 40}
FORMATS = ("tsv", "fasta-bed", "parquet")


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a dataset with padding, overlaps, confounders, decoys, label noise and several labels."""
    folder = tmp_path_factory.mktemp("export")
    (folder / "all.yaml").write_text(GRAMMAR)
    simulate(folder / "all.yaml", folder / "data", seed=3, counts=COUNTS)
    return folder / "data"


def expected(folder, name):
    """Return what each example is, by loops over the arrays: letters, annotation, labels, elements."""
    dataset = open_dataset(folder)
    elements = dataset.elements(name)
    for i, (codes, label) in enumerate(zip(dataset.x(name), dataset.y(name), strict=True)):
        letters = dataset.alphabet.decode(codes)
        marks, rows = ["_"] * len(letters), elements[elements["example"] == i]
        for row in rows.itertuples():
            role = dataset.content["roles"][row.role]
            for position in range(row.start, row.end):
                if role != "common":
                    marks[position] = {"grammar": "G", "confounder": "C"}[role]
        names = [n for n, shown in zip(dataset.conditions, label, strict=True) if shown]
        yield letters, "".join(marks), names, rows


def test_the_dataset_of_these_tests_has_everything(folder):
    examples = list(expected(folder, "training"))
    assert len({len(letters) for letters, *_ in examples}) > 3
    assert {"".join(labels) for _, _, labels, _ in examples} == {"", "one", "two", "onetwo"}
    assert {mark for _, marks, *_ in examples for mark in marks} == set("GC_")
    table = open_dataset(folder).elements("training")
    assert set(table["strand"]) == {1, -1} and set(table["intact"]) == {True, False}
    assert set(table["role"]) == {0, 1, 2} and -1 in set(table["condition"])
    clean, noisy = (getattr(open_dataset(folder), key)("training") for key in ("y_true", "y"))
    assert (clean != noisy).any()


def test_tsv_is_the_published_pair_of_files(folder, tmp_path):
    assert run("export", folder, "-o", tmp_path / "out", "--format", "tsv") == 0
    for name in COUNTS:
        examples = list(expected(folder, name))
        x, annotation = (
            (tmp_path / "out" / f"{name}{suffix}.txt").read_text() for suffix in ("", "-annotation")
        )
        labels = ["|".join(names) for _, _, names, _ in examples]
        lines = [f"{e[0]}\t{label}\n" for e, label in zip(examples, labels, strict=True)]
        assert x == "x\ty\n" + "".join(lines)
        lines = [f"{e[1]}\t{label}\n" for e, label in zip(examples, labels, strict=True)]
        assert annotation == "annotation\ty\n" + "".join(lines)


def test_fasta_and_bed(folder, tmp_path):
    assert run("export", folder, "-o", tmp_path, "--format", "fasta-bed") == 0
    dataset = open_dataset(folder)
    for name in COUNTS:
        examples = list(expected(folder, name))
        fasta = (tmp_path / f"{name}.fa").read_text().splitlines()
        assert fasta[::2] == [
            f">{name}_{i} conditions={'|'.join(e[2])} set={name}" for i, e in enumerate(examples)
        ]
        assert fasta[1::2] == [e[0] for e in examples]
        rows = [line.split("\t") for line in (tmp_path / f"{name}.bed").read_text().splitlines()]
        table = dataset.elements(name)
        assert len(rows) == len(table)
        for row, fact in zip(rows, table.itertuples(), strict=True):
            element = dataset.content["elements"][fact.element]
            condition = dataset.conditions[fact.condition] if fact.condition >= 0 else "."
            role = dataset.content["roles"][fact.role]
            place = [f"{name}_{fact.example}", str(fact.start), str(fact.end), element]
            score = ["1000" if fact.intact else "0", "+" if fact.strand == 1 else "-"]
            assert row == [*place, *score, condition, str(fact.rule), role]


def test_parquet_has_names_for_codes(folder, tmp_path):
    assert run("export", folder, "-o", tmp_path, "--format", "parquet") == 0
    dataset = open_dataset(folder)
    for name in COUNTS:
        examples = list(expected(folder, name))
        got = pd.read_parquet(tmp_path / f"{name}.parquet")
        assert got["example"].tolist() == list(range(len(examples)))
        assert got["sequence"].tolist() == [e[0] for e in examples]
        assert [list(labels) for labels in got["labels"]] == [e[2] for e in examples]
        noisy = name in ("training", "validation")
        assert ("true_labels" in got) == noisy
        if noisy:
            clean = np.array([[n in row for n in dataset.conditions] for row in got["true_labels"]])
            assert (clean == dataset.y_true(name)).all()
        got, table = pd.read_parquet(tmp_path / f"{name}-elements.parquet"), dataset.elements(name)
        for column in ("example", "rule", "start", "end", "intact"):
            assert got[column].tolist() == table[column].tolist()
        for column, names in (
            ("element", dataset.content["elements"]),
            ("condition", [*dataset.conditions, None]),
            ("role", dataset.content["roles"]),
        ):
            told = [None if pd.isna(value) else value for value in got[column]]
            assert told == [names[code] for code in table[column]]
        assert got["strand"].tolist() == ["+" if s == 1 else "-" for s in table["strand"]]


@pytest.mark.parametrize("form", ["tsv", "fasta-bed"])
def test_the_size_of_blocks_changes_no_byte(folder, tmp_path, monkeypatch, form):
    run("export", folder, "-o", tmp_path / "a", "--format", form)
    monkeypatch.setattr(export, "_ROWS", 7)
    run("export", folder, "-o", tmp_path / "b", "--format", form)
    files = [path.name for path in (tmp_path / "a").iterdir() if path.suffix != ".json"]
    assert len(files) == 7  # two a set, and the lock
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("rows", [1, 16, 89, 90, 91])
@pytest.mark.parametrize("examples", [1, 16, 90])
def test_element_blocks_are_the_table_in_pieces(folder, rows, examples):
    dataset = open_dataset(folder)
    blocks = list(dataset.element_blocks("training", examples, rows))
    assert len(blocks) == -(-examples // rows)
    for number, block in enumerate(blocks):
        assert (block["example"] // rows == number).all()
    table = dataset.elements("training", examples)
    for column in table:
        assert np.array_equal(np.concatenate([b[column] for b in blocks]), table[column])


def test_sets_and_examples_choose(folder, tmp_path):
    arguments = ("export", folder, "-o", tmp_path, "--format", "tsv", "--sets", "test,training")
    assert run(*arguments, "--examples", 5) == 0
    assert sorted(path.name for path in tmp_path.glob("*.txt")) == [
        *("test-annotation.txt", "test.txt", "training-annotation.txt", "training.txt")
    ]
    lines = (tmp_path / "training.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines[1:]] == [
        e[0] for e in list(expected(folder, "training"))[:5]
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sets", "tests"), "--sets: tests: no such set; choose from training"),
        (("--examples", 41, "--sets", "test"), "test: has 40 examples; 41 are wanted"),
    ],
)
def test_wrong_options_are_one_line(folder, tmp_path, capsys, arguments, message):
    assert run("export", folder, "-o", tmp_path / "o", "--format", "tsv", *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and not (tmp_path / "o").exists()


def test_up_to_date_and_another_format_in_its_place(folder, tmp_path, capsys):
    for form in ("tsv", "tsv", "parquet"):
        assert run("export", folder, "-o", tmp_path / "o", "--format", form) == 0
    said = [line.split(": ")[1].split(" (")[0] for line in capsys.readouterr().out.splitlines()]
    assert said == ["done", "up to date", "done"]
    assert not list((tmp_path / "o").glob("*.txt")), "the files of the earlier format are gone"


def test_a_folder_with_other_files_is_refused(folder, tmp_path, capsys):
    (tmp_path / "training.txt").write_text("mine")
    assert run("export", folder, "-o", tmp_path, "--format", "tsv") == 2
    assert "holds other files; choose a new or empty folder" in capsys.readouterr().err
    assert (tmp_path / "training.txt").read_text() == "mine"
    assert run("export", folder, "-o", folder, "--format", "tsv") == 2
    assert "holds what `seqgra simulate` made" in capsys.readouterr().err
    assert open_dataset(folder).counts == COUNTS


def test_a_failure_leaves_the_earlier_export_whole(folder, tmp_path, monkeypatch):
    run("export", folder, "-o", tmp_path, "--format", "tsv")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def broken(*_):
        raise RuntimeError("in the middle")

    monkeypatch.setattr(export, "_bed_rows", broken)
    with pytest.raises(RuntimeError):
        run("export", folder, "-o", tmp_path, "--format", "fasta-bed")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def copied(folder, target):
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def edit_x(folder, row, column, code, mend):
    """Overwrite a letter code, and the checksums too where `mend`."""
    x = np.load(folder / "test.x.npy", mmap_mode="r+")
    x[row, column] = code
    x.flush()
    if mend:
        data = (folder / "test.x.npy").read_bytes()
        content = json.loads((folder / "dataset.json").read_text())
        content["checksums"]["test.x.npy"] = [
            zlib.crc32(data[i : i + CHUNK]) for i in range(0, len(data), CHUNK)
        ]
        (folder / "dataset.json").write_text(json.dumps(content))
        mend_run(folder)


def mend_run(folder):
    run_facts = json.loads((folder / RUN_FILE).read_text())
    path = folder / "dataset.json"
    facts = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    run_facts["files"]["dataset.json"] = facts
    (folder / RUN_FILE).write_text(seal(run_facts))


@pytest.mark.parametrize("form", FORMATS)
def test_an_unknown_letter_is_n(folder, tmp_path, form):
    data = copied(folder, tmp_path / "data")
    edit_x(data, 2, 5, UNKNOWN, mend=True)
    assert run("export", data, "-o", tmp_path / "o", "--format", form, "--sets", "test") == 0
    if form == "parquet":
        text = pd.read_parquet(tmp_path / "o" / "test.parquet")["sequence"][2]
    elif form == "tsv":
        text = (tmp_path / "o" / "test.txt").read_text().splitlines()[3]
    else:
        text = (tmp_path / "o" / "test.fa").read_text().splitlines()[5]
    assert text[5] == "N" and text.count("N") == 1


def test_a_damaged_dataset_is_refused(folder, tmp_path, capsys):
    data = copied(folder, tmp_path / "data")
    edit_x(data, 2, 5, UNKNOWN, mend=False)
    assert run("export", data, "-o", tmp_path / "o", "--format", "tsv") == 2
    assert "do not match their checksum" in capsys.readouterr().err
    assert not list((tmp_path / "o").glob("*.txt"))


def renamed(folder, target, kind, name):
    """Return a copy of a dataset whose first condition or element has another name."""
    data = copied(folder, target)
    content = json.loads((data / "dataset.json").read_text())
    content[kind][0] = name
    (data / "dataset.json").write_text(json.dumps(content))
    mend_run(data)
    return data


def test_names_that_would_break_the_files_are_refused(folder, tmp_path, capsys):
    data = renamed(folder, tmp_path / "data", "elements", "one\ttwo")
    assert run("export", data, "-o", tmp_path / "o", "--format", "tsv") == 2
    assert "elements: 'one\\ttwo': holds a tab" in capsys.readouterr().err


def test_names_with_blanks_are_refused_where_they_would_be_cut(tmp_path, tiny_dataset, capsys):
    data = renamed(tiny_dataset, tmp_path / "data", "conditions", "T cell")
    assert run("export", data, "-o", tmp_path / "o", "--format", "fasta-bed") == 2
    assert "conditions: 'T cell': holds a blank, at which" in capsys.readouterr().err
    assert run("export", data, "-o", tmp_path / "o", "--format", "tsv") == 0


@pytest.mark.parametrize("form", FORMATS)
def test_memory_does_not_grow_with_the_number_of_examples(
    tiny_grammar, tmp_path, monkeypatch, form
):
    monkeypatch.setattr(export, "_ROWS", 512)
    simulate(tiny_grammar, tmp_path / "d", seed=1, counts={"training": 40_000})
    peaks = []
    run("export", tmp_path / "d", "-o", tmp_path / "warm", "--format", form, "--examples", 10)
    for examples in (4_000, 40_000):
        tracemalloc.start()
        options = ("--format", form, "--examples", examples)
        assert run("export", tmp_path / "d", "-o", tmp_path / str(examples), *options) == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0], peaks


@pytest.mark.skipif(not SHARED.exists(), reason="needs the published layout in ../shared/data")
def test_the_layout_is_that_of_published_files(folder, tmp_path):
    run("export", folder, "-o", tmp_path, "--format", "tsv")
    for name in ("training.txt", "training-annotation.txt"):
        with gzip.open(SHARED / f"{name}.gz", "rt") as stream:
            published = stream.read()
        ours = (tmp_path / name).read_text()
        for text in (published, ours):
            assert all(line.count("\t") == 1 for line in text.splitlines()) and text[-1] == "\n"
        assert ours.splitlines()[0] == published.splitlines()[0]
        assert any(line.endswith("\t") for line in ours.splitlines())
        assert any(line.endswith("\t") for line in published.splitlines())
        assert any("|" in line for line in published.splitlines())
